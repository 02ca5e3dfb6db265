//! What each stage of an invocation takes, on rows of a file: the event's JSON, the fields of its rows, their rules and builders, Parquet
//! with and without compression. Each stage is the work of the one before it and one thing more, so that differences are stages.
//!
//! `stages ROWS.ndjson [ROUNDS] [STAGE]` prints a line of JSON for each stage: nanoseconds a row, and megabytes of rows a second. With a
//! stage's name it does that one alone, for a profiler.

#![allow(
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "it prints measurements"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cleaning::{Cleaner, KindSource, clean_record, decode};
use event_model::ShardId;
use lake::{Lineage, PartitionedWriter, Sequence};
use model::Model;
use serde_json::json;
use stream_cleaner::event::KinesisEvent;

/// Largest event of an event source mapping.
const EVENT_BYTES: usize = 6 << 20;

/// Does a stage's work once, and returns its size.
type Stage<'s> = Box<dyn FnMut() -> usize + 's>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("name a file of rows")?;
    let rounds: usize = arguments.next().map_or(Ok(15), |rounds| rounds.parse())?;
    let only = arguments.next();
    let model = Model::load_from(None)?;
    let text = std::fs::read_to_string(path)?;
    let mut rows: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let mut size = 0;
    rows.retain(|row| {
        size += row.len().div_ceil(3) * 4 + 450;
        size < EVENT_BYTES
    });
    let event = event(&rows);
    let bytes: usize = rows.iter().map(|row| row.len()).sum();
    let mut stages: Vec<(&str, Stage<'_>)> = vec![
        ("event", Box::new(|| decoded(&event).len())),
        (
            "fields",
            Box::new(|| {
                let mut cleaner = Cleaner::new(Arc::clone(&model));
                let fields = rows.iter().filter(|row| {
                    decode(row.as_bytes()).is_ok_and(|text| cleaner.read(&text, None).is_ok())
                });
                fields.count()
            }),
        ),
        ("rules", Box::new(|| cleaned(&model, &rows).len())),
        (
            "parquet",
            Box::new(|| {
                let mut written = 0;
                for partition in cleaned(&model, &rows) {
                    written += partition
                        .writer
                        .finish_parquet()
                        .map_or(0, |bytes| bytes.len());
                }
                written
            }),
        ),
    ];
    for (name, stage) in &mut stages {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let mut times = Vec::new();
        let mut result = 0;
        for _ in 0..rounds {
            let started = Instant::now();
            result = black_box(stage());
            times.push(started.elapsed().as_nanos());
        }
        times.sort_unstable();
        let median = times[times.len() / 2];
        let line = json!({
            "stage": name,
            "rows": rows.len(),
            "result": result,
            "ns_per_row": median / rows.len() as u128,
            "mb_per_s": bytes as f64 * 1e3 / median as f64,
        });
        println!("{line}");
    }
    Ok(())
}

/// Makes the event of rows, as Lambda hands it over.
fn event(rows: &[&str]) -> String {
    let records = rows.iter().enumerate().map(|(number, row)| {
        json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": format!("any/{number}"),
                "sequenceNumber": format!("4966671619706135738975117086821064218562303111{number:010}"),
                "data": STANDARD.encode(row),
                "approximateArrivalTimestamp": 1_767_225_600.123,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": format!("shardId-000000000000:4966671619706135738975117086821064218562303111{number:010}"),
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::123456789012:role/pinflow-stream-cleaner",
            "awsRegion": "us-east-1",
            "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/pinflow-events",
        })
    });
    json!({"Records": records.collect::<Vec<_>>()}).to_string()
}

fn decoded(event: &str) -> KinesisEvent {
    serde_json::from_str(event).unwrap_or_default()
}

fn cleaned(model: &Arc<Model>, rows: &[&str]) -> Vec<lake::Partition<()>> {
    let shard = ShardId::from_number(0);
    let mut cleaner = Cleaner::new(Arc::clone(model));
    let mut writer = PartitionedWriter::new(Arc::clone(model));
    for (number, row) in rows.iter().enumerate() {
        let _ = clean_record(
            &mut cleaner,
            row.as_bytes(),
            "any",
            None,
            KindSource::PartitionKey,
            &mut |piece| {
                let lineage = Lineage {
                    shard: &shard,
                    sequence: Sequence {
                        number: event_model::SequenceNumber::from_limbs([0, 0, number as u64]),
                        sub_number: piece.sub_number,
                    },
                    spelled: Some("49666716197061357389751170868210642185623031111"),
                    arrival_micros: 1_767_225_600_123_000,
                };
                match &piece.outcome {
                    Ok(row) => writer.append(row, &lineage, || ()).copied(),
                    Err(_) => Ok(()),
                }
            },
        );
    }
    writer.into_partitions()
}
