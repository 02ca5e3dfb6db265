//! Objects of one Kafka partition → clean and quarantine objects of the lake.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_access::Bucket;
use cleaning::{Cleaner, KindSource, Piece, Tally, clean_record, unpack};
use event_model::{SequenceNumber, ShardId, SubNumber};
use futures::future::try_join_all;
use jiff::Timestamp;
use jiff::civil::Date;
use json_reader::{Members, Value, number};
use lake::{
    ArrivalHour, LakeError, Lineage, ObjectKey, PartitionedWriter, QuarantineLines,
    QuarantineWriter, RejectedRecord, Sequence, SequenceRange,
};
use model::Model;

use super::sink::SinkObject;
use crate::announced::write_announced;

/// Rows after which a chunk is written.
const MAX_ROWS: u64 = 50_000;
/// Bytes of objects after which a chunk is written.
const MAX_BYTES: usize = 64 << 20;

/// When a row arrived, as far as the sink has kept it.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    /// Field of a row that holds the time of its Kafka record; the time of its object where it has none.
    pub(super) field: Option<String>,
    /// No row counts as later than this.
    pub(super) latest: Option<Timestamp>,
}

/// What became of what was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) objects: u64,
    pub(super) tally: Tally,
    /// Records without a value, which delete a key in Kafka.
    pub(super) tombstones: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        self.objects += other.objects;
        self.tombstones += other.tombstones;
        self.tally += &other.tally;
    }
}

/// Objects of one Kafka partition that follow each other, as they will be in the lake.
pub(super) struct Chunk {
    range: SequenceRange,
    cleaner: Cleaner,
    rows: PartitionedWriter<()>,
    rejected: BTreeMap<Date, RejectedRecords>,
    bytes: usize,
    /// Names of the sink's objects.
    pub(super) names: Vec<String>,
    pub(super) counts: Counts,
}

#[derive(Default)]
struct RejectedRecords {
    writer: QuarantineWriter,
    records: u64,
}

impl Chunk {
    pub(super) fn new(first: &SinkObject, model: &Arc<Model>) -> Self {
        let offset = sequence_number(first.offset);
        Self {
            range: SequenceRange {
                shard: first.shard(),
                first: offset,
                last: offset,
            },
            cleaner: Cleaner::new(Arc::clone(model)),
            rows: PartitionedWriter::new(Arc::clone(model)),
            rejected: BTreeMap::new(),
            bytes: 0,
            names: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Tells whether an object belongs to the chunk as well.
    pub(super) fn takes(&self, next: &SinkObject) -> bool {
        self.range.shard == next.shard()
            && self.bytes < MAX_BYTES
            && self.counts.tally.total_rows() < MAX_ROWS
    }

    /// Cleans the records of an object. Each has the object's offset as its sequence number; where there are several,
    /// their place in it is the sub-number.
    pub(super) fn append(
        &mut self,
        object: &SinkObject,
        bytes: &[u8],
        times: &Times,
    ) -> Result<(), LakeError> {
        self.range.last = sequence_number(object.offset);
        self.bytes += bytes.len();
        self.names.push(object.name.clone());
        self.counts.objects += 1;
        let records = records(bytes);
        let is_one = records.len() == 1;
        for (place, record) in (0..).zip(records) {
            if record.trim_ascii() == b"null" {
                self.counts.tombstones += 1;
                continue;
            }
            let at = (!is_one).then_some(SubNumber::new(place));
            let arrival_micros = times.of(record, object.modified_micros);
            let Self {
                cleaner,
                range,
                rows,
                rejected,
                counts,
                ..
            } = self;
            let model = Arc::clone(cleaner.model());
            let mut objects = Objects {
                model: &model,
                shard: &range.shard,
                rows,
                rejected,
                tally: &mut counts.tally,
            };
            clean_record(
                cleaner,
                record,
                &object.topic,
                at,
                KindSource::Given(object.kind),
                &mut |piece| objects.add(&piece, object, arrival_micros),
            )?;
        }
        Ok(())
    }

    /// Writes the chunk's objects. The same chunk again has the same keys; an object that already has more records stays.
    pub(super) async fn write(self, lake: &Bucket) -> anyhow::Result<(Vec<String>, Counts)> {
        let mut objects = Vec::new();
        for partition in self.rows.into_partitions() {
            let records = partition.writer.rows() as u64;
            let key = ObjectKey::Clean {
                kind: partition.kind,
                hour: partition.hour,
                range: self.range.clone(),
                replay: None,
            };
            objects.push((key, records, partition.writer.finish_parquet()?));
        }
        for (date, rejected) in self.rejected {
            let range = self.range.clone();
            let key = ObjectKey::Quarantine { date, range };
            objects.push((key, rejected.records, rejected.writer.finish()?));
        }
        let writes = objects
            .into_iter()
            .map(|(key, records, body)| write_announced(lake, key.to_string(), records, body));
        try_join_all(writes).await?;
        Ok((self.names, self.counts))
    }
}

/// What the records of an object are added to.
struct Objects<'c> {
    model: &'c Model,
    shard: &'c ShardId,
    rows: &'c mut PartitionedWriter<()>,
    rejected: &'c mut BTreeMap<Date, RejectedRecords>,
    tally: &'c mut Tally,
}

impl Objects<'_> {
    fn add(
        &mut self,
        piece: &Piece<'_, '_>,
        object: &SinkObject,
        arrival_micros: i64,
    ) -> Result<(), LakeError> {
        let shard = self.shard;
        let lineage = Lineage {
            shard,
            sequence: Sequence {
                number: sequence_number(object.offset),
                sub_number: piece.sub_number,
            }
            .into(),
            arrival_micros,
        };
        match &piece.outcome {
            Ok(row) => {
                self.tally.add_rows(row.kind(), 1);
                self.rows.append(row, &lineage, || ())?;
            }
            Err(rejection) => {
                self.tally.add_rejected(rejection.code);
                let mut line = QuarantineLines::default();
                line.append(&RejectedRecord {
                    rejection,
                    rules: self.model.rules(rejection.kind),
                    shard,
                    sequence: &lineage.sequence,
                    arrival_micros,
                    partition_key: piece.partition_key,
                    payload: piece.data,
                })?;
                let date = ArrivalHour::of(arrival_micros).date;
                let rejected = self.rejected.entry(date).or_default();
                rejected.records += 1;
                rejected.writer.append(&line)?;
            }
        }
        Ok(())
    }
}

impl Times {
    fn of(&self, record: &[u8], object_micros: i64) -> i64 {
        let field = self.field.as_deref();
        let own = field.and_then(|name| time_field(record, name));
        let micros = own.unwrap_or(object_micros);
        self.latest
            .map_or(micros, |latest| micros.min(latest.as_microsecond()))
    }
}

/// Reads a field that holds a time: milliseconds since 1970, as Kafka's timestamps are, or RFC 3339.
fn time_field(record: &[u8], name: &str) -> Option<i64> {
    let mut members = Members::open(str::from_utf8(record).ok()?)?;
    while let Ok(Some(member)) = members.next_member() {
        if member.name().decode() != name {
            continue;
        }
        return match &member.value() {
            Value::Text(text) => {
                let text = text.decode();
                let time: Option<Timestamp> = text.parse().ok();
                time.map(Timestamp::as_microsecond)
            }
            value => number::integer_value(value)?.checked_mul(1_000),
        };
    }
    None
}

/// Returns the records of an object: one JSON value, several with lines or nothing between them, or an array of them.
/// Of an object that is not UTF-8, its lines.
fn records(bytes: &[u8]) -> Vec<&[u8]> {
    let Ok(text) = str::from_utf8(bytes) else {
        let lines = bytes.split(|&byte| byte == b'\n');
        return lines.filter(|line| !line.trim_ascii().is_empty()).collect();
    };
    if let Some(parts) = unpack(text) {
        return parts.into_iter().map(str::as_bytes).collect();
    }
    if text.split_ascii_whitespace().all(|word| word == "null") {
        return text.split_ascii_whitespace().map(str::as_bytes).collect();
    }
    vec![bytes]
}

fn sequence_number(offset: u64) -> SequenceNumber {
    SequenceNumber::from_limbs([0, 0, offset])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_holds_one_record_or_several() {
        let found = |bytes: &'static [u8]| -> Vec<String> {
            let records = records(bytes).into_iter();
            records
                .map(|record| String::from_utf8_lossy(record).into_owned())
                .collect()
        };
        assert_eq!(found(b"{\"a\": 1}\n"), ["{\"a\": 1}\n"]);
        assert_eq!(
            found(b"{\n\"a\": 1}\nnull\n{\"a\": 2}\n"),
            ["{\n\"a\": 1}", "null", "{\"a\": 2}"]
        );
        assert_eq!(found(b"[{\"a\": 1}, null]"), ["{\"a\": 1}", "null"]);
        assert_eq!(found(b"null\nnull\n"), ["null", "null"]);
        assert_eq!(found(b"{\"a\": 1}\n\xff\n"), ["{\"a\": 1}", "\u{fffd}"]);
        assert_eq!(found(b""), [] as [&str; 0]);
    }

    #[test]
    fn a_row_has_the_time_of_its_record_or_of_its_object_and_none_after_the_latest() {
        let times = |latest: Option<&str>| Times {
            field: Some("written".to_owned()),
            latest: latest.map(|time| time.parse().unwrap()),
        };
        for (record, micros) in [
            (r#"{"written": 1700000000123}"#, 1_700_000_000_123_000),
            (
                r#"{"written": "2023-11-14T22:13:20.5Z"}"#,
                1_700_000_000_500_000,
            ),
            (r#"{"written": "yesterday"}"#, 7),
            (r#"{"ind": 1}"#, 7),
            ("nothing", 7),
        ] {
            assert_eq!(times(None).of(record.as_bytes(), 7), micros, "{record}");
        }
        let latest = times(Some("2020-01-01T00:00:00Z"));
        let written = br#"{"written": 1700000000123}"#;
        assert_eq!(latest.of(written, 7), 1_577_836_800_000_000);
        assert_eq!(latest.of(b"{}", 7), 7);
    }
}
