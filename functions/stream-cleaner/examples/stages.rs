//! What each stage of an invocation takes, on rows of a file; `make bench` runs it.
//!
//! `stages ROWS.ndjson` does a stage's work once for each line of standard input, which names it, and prints a line of JSON: nanoseconds,
//! and the bytes of Parquet that came of it. Each of `event`, `fields`, `rules`, `encode` and `parquet` but the first is the work of the one
//! before it and one thing more, so that differences are stages.
//!
//! | stage | from | to |
//! |---|---|---|
//! | `event` | Lambda's event, 6 MB | its records, base64 decoded |
//! | `base64` | the base64 of the event's records | their bytes |
//! | `fields` | rows | their fields, table and key |
//! | `rules` | rows | Arrow columns |
//! | `encode` | rows | Parquet without compression |
//! | `parquet` | rows | Parquet with Zstandard, as it is put: what an engine does that is given NDJSON |
//! | `floor` | NDJSON of one table | Parquet with Zstandard, by `arrow-json`, of the rows as they are: nothing is cleaned |

#![allow(clippy::print_stdout, reason = "it prints measurements")]

use std::cell::OnceCell;
use std::error::Error;
use std::io::{Cursor, Write as _};
use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::SchemaRef;
use base64_simd::STANDARD;
use cleaning::{Cleaner, KindSource, clean_record, decode};
use event_model::ShardId;
use lake::{Lineage, Partition, PartitionedWriter, SpelledSequence};
use memchr::memchr_iter;
use model::Model;
use serde_json::json;
use stream_cleaner::event::KinesisEvent;

/// Largest event of an event source mapping, in bytes.
const EVENT_BYTES: usize = 6 << 20;
/// Bytes of a record in an event beside its data.
const ENVELOPE_BYTES: usize = 450;
const SEQUENCE: &str = "49666716197061357389751170868210642185623031111";
/// Most rows of a batch of `arrow-json`, which is the default of its reader.
const FLOOR_BATCH_ROWS: usize = 1_024;

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let path = std::env::args().nth(1).ok_or("name a file of rows")?;
    let input = Input::read(&path)?;
    let mut out = std::io::stdout().lock();
    for stage in std::io::stdin().lines() {
        let stage = stage?;
        let started = Instant::now();
        let bytes = input.run(&stage)?;
        let nanoseconds = started.elapsed().as_nanos();
        let line = json!({"ns": u64::try_from(nanoseconds)?, "bytes": bytes});
        writeln!(out, "{line}")?;
        out.flush()?;
    }
    Ok(())
}

/// Returns the lines of a text.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut from = 0;
    memchr_iter(b'\n', text.as_bytes()).map(move |end| {
        let line = text.get(from..end).unwrap_or_default();
        from = end + 1;
        line
    })
}

/// The rows, in the form that each stage starts from.
struct Input {
    model: Arc<Model>,
    text: String,
    event: String,
    base64: Vec<String>,
    /// The rows' sequence numbers.
    sequences: Vec<String>,
    /// As `arrow-json` infers it, the first time.
    schema: OnceCell<SchemaRef>,
}

impl Input {
    fn read(path: &str) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)?;
        let mut size = 0;
        let fitting = text.lines().take_while(|row| {
            size += row.len().div_ceil(3) * 4 + ENVELOPE_BYTES;
            size < EVENT_BYTES
        });
        let base64: Vec<String> = fitting.map(|row| STANDARD.encode_to_string(row)).collect();
        Ok(Self {
            model: Model::load_from(None)?,
            event: event(&base64),
            base64,
            sequences: (0..text.lines().count()).map(sequence).collect(),
            text,
            schema: OnceCell::new(),
        })
    }

    /// Does a stage's work, and returns the bytes of Parquet.
    fn run(&self, stage: &str) -> Result<usize, Failure> {
        let rows = || lines(&self.text);
        match stage {
            "event" => {
                let event = KinesisEvent::from_json(self.event.as_bytes())?;
                std::hint::black_box(event.len());
            }
            "base64" => {
                let mut data = Vec::with_capacity(self.event.len() / 2);
                for text in &self.base64 {
                    STANDARD.decode_append(text, &mut data)?;
                }
                std::hint::black_box(data.len());
            }
            "fields" => {
                let mut cleaner = Cleaner::new(Arc::clone(&self.model));
                let are_fine = rows().all(|row| {
                    decode(row.as_bytes()).is_ok_and(|text| cleaner.read(&text, None).is_ok())
                });
                are_fine.then_some(()).ok_or("a row is rejected")?;
            }
            "rules" => {
                for partition in self.cleaned()? {
                    std::hint::black_box(partition.writer.finish()?.num_rows());
                }
            }
            "encode" => {
                let mut bytes = 0;
                for partition in self.cleaned()? {
                    bytes += lake::writer::write_uncompressed(&partition.writer.finish()?)?.len();
                }
                return Ok(bytes);
            }
            "parquet" => {
                let mut bytes = 0;
                for partition in self.cleaned()? {
                    bytes += partition.writer.finish_parquet()?.len();
                }
                return Ok(bytes);
            }
            "floor" => return self.floor(),
            other => return Err(format!("there is no stage `{other}`").into()),
        }
        Ok(0)
    }

    fn cleaned(&self) -> Result<Vec<Partition<()>>, Failure> {
        let shard = ShardId::from_number(0);
        let mut cleaner = Cleaner::new(Arc::clone(&self.model));
        let mut writer = PartitionedWriter::new(Arc::clone(&self.model));
        for (row, sequence) in lines(&self.text).zip(&self.sequences) {
            let mut append = |piece: cleaning::Piece<'_, '_>| -> Result<(), Failure> {
                let lineage = Lineage {
                    shard: &shard,
                    sequence: SpelledSequence::Text(sequence, None),
                    arrival_micros: 1_767_225_600_123_000,
                };
                writer.append(&piece.outcome?, &lineage, || ())?;
                Ok(())
            };
            let source = KindSource::Fields;
            clean_record(
                &mut cleaner,
                row.as_bytes(),
                "any",
                None,
                source,
                &mut append,
            )?;
        }
        Ok(writer.into_partitions())
    }

    fn floor(&self) -> Result<usize, Failure> {
        let schema = if let Some(schema) = self.schema.get() {
            schema
        } else {
            let (schema, _) =
                arrow::json::reader::infer_json_schema(Cursor::new(&self.text), None)?;
            self.schema.get_or_init(|| Arc::new(schema))
        };
        let reader = arrow::json::ReaderBuilder::new(Arc::clone(schema))
            .with_batch_size(FLOOR_BATCH_ROWS)
            .build(Cursor::new(&self.text))?;
        let batches = reader.collect::<Result<Vec<_>, _>>()?;
        let batch = arrow::compute::concat_batches(schema, &batches)?;
        Ok(lake::writer::write_parquet(&batch)?.len())
    }
}

fn sequence(number: usize) -> String {
    format!("{SEQUENCE}{number:09}")
}

/// Makes the event of rows, as Lambda hands it over.
fn event(base64: &[String]) -> String {
    let records = base64.iter().enumerate().map(|(number, data)| {
        json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": format!("any/{number}"),
                "sequenceNumber": sequence(number),
                "data": data,
                "approximateArrivalTimestamp": 1_767_225_600.123,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": format!("shardId-000000000000:{}", sequence(number)),
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::123456789012:role/pinflow-stream-cleaner",
            "awsRegion": "us-east-1",
            "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/pinflow-events",
        })
    });
    json!({"Records": records.collect::<Vec<_>>()}).to_string()
}
