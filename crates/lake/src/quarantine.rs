//! Rejected records → one `.ndjson.gz` object, and back.

use std::fmt;
use std::io::{self, Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cleaning::Rejection;
use event_model::{Kind, Position, ShardId};
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use crate::{LakeError, Lineage, Sequence};

/// One line of a quarantine object: a rejected record with its whole payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineRecord {
    /// The record's kind, if it is known.
    pub kind: Option<String>,
    /// The rejection's stable code.
    pub code: String,
    /// What is wrong, for a person.
    pub message: String,
    /// Version of the rules that rejected it.
    pub rule_version: i32,
    /// The record's shard.
    pub shard: String,
    /// The record's sequence number, and its sub-number if it came in an aggregate, as `_sequence` spells them.
    pub sequence_number: String,
    /// The record's partition key.
    pub partition_key: String,
    /// When Kinesis took the record: RFC 3339 in UTC, with microseconds.
    pub arrival: String,
    /// The record's bytes, in base64.
    pub payload_base64: String,
}

impl QuarantineRecord {
    /// Returns what the line of a record that was rejected says.
    pub fn of(record: &RejectedRecord<'_>) -> Result<Self, LakeError> {
        let mut lines = QuarantineLines::default();
        lines.append(record)?;
        serde_json::from_slice(&lines.0).map_err(|source| LakeError::ReadLine { line: 1, source })
    }

    /// Returns the record's position, as the line spells it.
    pub fn position(&self) -> Position {
        Position::new(self.shard.as_str(), self.sequence_number.as_str())
    }

    /// Returns where the record came from; `None` when the line was altered and no longer says.
    pub fn origin(&self) -> Option<Origin> {
        Some(Origin {
            shard: self.shard.parse().ok()?,
            sequence: self.sequence_number.parse().ok()?,
            arrival_micros: self.arrival.parse::<Timestamp>().ok()?.as_microsecond(),
        })
    }

    /// Returns the record's bytes; `None` when the line was altered and they are no longer base64.
    pub fn payload(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.payload_base64).ok()
    }
}

/// Where a quarantined record came from: what a row of it has as its lineage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The record's shard.
    pub shard: ShardId,
    /// The record's sequence number, and its sub-number if it came in an aggregate.
    pub sequence: Sequence,
    /// When Kinesis took the record: microseconds since 1970-01-01 UTC.
    pub arrival_micros: i64,
}

impl Origin {
    /// Returns the lineage of the record's row.
    pub fn lineage(&self) -> Lineage<'_> {
        Lineage {
            shard: &self.shard,
            sequence: self.sequence.into(),
            arrival_micros: self.arrival_micros,
        }
    }
}

/// A record that was rejected, as stream-cleaner has it.
#[derive(Clone, Copy)]
pub struct RejectedRecord<'a> {
    /// Why it was rejected.
    pub rejection: &'a Rejection,
    /// The record's shard.
    pub shard: &'a ShardId,
    /// The record's sequence number, and its sub-number if it came in an aggregate.
    pub sequence: &'a dyn fmt::Display,
    /// Version of the rules that rejected it.
    pub rules: i32,
    /// When Kinesis took the record: microseconds since 1970-01-01 UTC.
    pub arrival_micros: i64,
    /// The record's partition key.
    pub partition_key: &'a str,
    /// The record's bytes.
    pub payload: &'a [u8],
}

/// The members of a line but for the payload, in their order.
#[derive(Serialize)]
struct Head<'a> {
    kind: Option<&'a str>,
    code: &'static str,
    message: &'a str,
    rule_version: i32,
    shard: &'a str,
    sequence_number: Written<&'a dyn fmt::Display>,
    partition_key: &'a str,
    arrival: Written<Arrival>,
}

/// Text that is written where it is to stand, without a copy of its own.
struct Written<T>(T);

impl<T: fmt::Display> Serialize for Written<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

struct Arrival(Timestamp);

impl fmt::Display for Arrival {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.6}", self.0)
    }
}

/// Lines of quarantine, as text.
#[derive(Debug, Default)]
pub struct QuarantineLines(Vec<u8>);

impl QuarantineLines {
    /// Appends the line of a record that was rejected.
    pub fn append(&mut self, record: &RejectedRecord<'_>) -> Result<(), LakeError> {
        let Self(lines) = self;
        let head = Head {
            kind: record.rejection.kind.as_ref().map(Kind::as_str),
            code: record.rejection.code.as_str(),
            message: &record.rejection.message,
            rule_version: record.rules,
            shard: record.shard.as_str(),
            sequence_number: Written(record.sequence),
            partition_key: record.partition_key,
            arrival: Written(Arrival(
                Timestamp::from_microsecond(record.arrival_micros).unwrap_or_default(),
            )),
        };
        serde_json::to_writer(&mut *lines, &head)
            .map_err(|error| LakeError::WriteQuarantine(error.into()))?;
        // Base64 has nothing to escape, and looking for it would take longer than all the rest.
        lines.pop();
        lines.extend_from_slice(b",\"payload_base64\":\"");
        let start = lines.len();
        lines.resize(start + record.payload.len().div_ceil(3) * 4, 0);
        STANDARD
            .encode_slice(record.payload, &mut lines[start..])
            .map_err(|error| LakeError::WriteQuarantine(io::Error::other(error)))?;
        lines.extend_from_slice(b"\"}\n");
        Ok(())
    }

    /// Takes all lines out.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// Bytes of lines that the compressor takes at once: it is many times quicker than with a line each.
const COMPRESSED_AT_ONCE: usize = 64 * 1024;

/// Gathers the lines of one quarantine object.
///
/// A line is compressed soon after it comes: packed records make lines of many times their size.
#[derive(Debug)]
pub struct QuarantineWriter {
    gzip: GzEncoder<Vec<u8>>,
    /// Lines that the compressor has not had.
    lines: Vec<u8>,
}

impl Default for QuarantineWriter {
    fn default() -> Self {
        Self {
            // `GzEncoder` leaves the time in the header at zero. A stronger compression costs several times as much
            // time, and a rejected record must not cost more than a good one.
            gzip: GzEncoder::new(Vec::new(), flate2::Compression::fast()),
            lines: Vec::new(),
        }
    }
}

impl QuarantineWriter {
    /// Appends lines.
    pub fn append(&mut self, lines: &QuarantineLines) -> Result<(), LakeError> {
        self.lines.extend_from_slice(&lines.0);
        if self.lines.len() >= COMPRESSED_AT_ONCE {
            self.compress()?;
        }
        Ok(())
    }

    fn compress(&mut self) -> Result<(), LakeError> {
        let written = self.gzip.write_all(&self.lines);
        self.lines.clear();
        written.map_err(LakeError::WriteQuarantine)
    }

    /// Returns the object. The same lines give the same bytes.
    pub fn finish(mut self) -> Result<Bytes, LakeError> {
        self.compress()?;
        let object = self.gzip.finish().map_err(LakeError::WriteQuarantine)?;
        Ok(object.into())
    }
}

/// Writes records as a quarantine object. The same records give the same bytes.
pub fn write_quarantine(records: &[QuarantineRecord]) -> Result<Bytes, LakeError> {
    let mut writer = QuarantineWriter::default();
    for record in records {
        let mut line =
            serde_json::to_vec(record).map_err(|error| LakeError::WriteQuarantine(error.into()))?;
        line.push(b'\n');
        writer.append(&QuarantineLines(line))?;
    }
    writer.finish()
}

/// Reads a quarantine object.
pub fn read_quarantine(object: &[u8]) -> Result<Vec<QuarantineRecord>, LakeError> {
    let mut text = String::new();
    MultiGzDecoder::new(object)
        .read_to_string(&mut text)
        .map_err(LakeError::ReadGzip)?;
    let line = |(index, line)| {
        serde_json::from_str(line).map_err(|source| LakeError::ReadLine {
            line: index + 1,
            source,
        })
    };
    text.lines().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(payload: &[u8]) -> Result<(), cleaning::Rejection> {
        let mut cleaner = cleaning::Cleaner::new(model::Model::load_from(None).unwrap());
        let text = cleaning::decode(payload)?;
        cleaner.read(&text, None).map(|_| ())
    }

    fn record(payload: &[u8]) -> QuarantineRecord {
        let rejection = read(payload).expect_err("a payload that is rejected");
        QuarantineRecord::of(&RejectedRecord {
            rejection: &rejection,
            shard: &ShardId::from_number(1),
            sequence: &"4959",
            rules: 7,
            arrival_micros: 1_598_586_767_000_000,
            partition_key: "pin/1",
            payload,
        })
        .unwrap()
    }

    #[test]
    fn a_line_tells_what_was_wrong_and_keeps_the_payload() {
        let record = record(b"[1]");
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            r#"{"kind":null,"code":"not_an_object","message":"JSON, but not an object","rule_version":7,"shard":"shardId-000000000001","sequence_number":"4959","partition_key":"pin/1","arrival":"2020-08-28T03:52:47.000000Z","payload_base64":"WzFd"}"#
        );
        assert_eq!(record.payload().unwrap(), b"[1]");
        let origin = record.origin().unwrap();
        assert_eq!(origin.shard, ShardId::from_number(1));
        assert_eq!(origin.sequence.to_string(), "4959");
        assert_eq!(origin.arrival_micros, 1_598_586_767_000_000);
    }

    #[test]
    fn a_line_that_was_altered_tells_no_origin() {
        let record = record(b"[1]");
        let arrival = "yesterday".to_owned();
        assert_eq!(
            QuarantineRecord {
                arrival,
                ..record.clone()
            }
            .origin(),
            None
        );
        let sequence_number = "x".to_owned();
        assert_eq!(
            QuarantineRecord {
                sequence_number,
                ..record
            }
            .origin(),
            None
        );
    }

    #[test]
    fn a_damaged_object_names_the_line() {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"{}\n").unwrap();
        let error = read_quarantine(&encoder.finish().unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "could not read line 1 of the quarantine object"
        );
        assert!(matches!(
            read_quarantine(b"plain"),
            Err(LakeError::ReadGzip(_))
        ));
    }

    #[test]
    fn an_object_of_many_lines_reads_back_whole() {
        let payloads: Vec<_> = (0..2_000)
            .map(|number| format!("[{number}, {}]", "7,".repeat(100)))
            .collect();
        let records: Vec<_> = payloads
            .iter()
            .map(|payload| record(payload.as_bytes()))
            .collect();
        let object = write_quarantine(&records).unwrap();
        let lines = |record: &QuarantineRecord| serde_json::to_vec(record).unwrap().len();
        assert!(records.iter().map(lines).sum::<usize>() > 3 * COMPRESSED_AT_ONCE);
        assert_eq!(object, write_quarantine(&records).unwrap());
        assert_eq!(read_quarantine(&object).unwrap(), records);
    }

    proptest! {
        #[test]
        fn records_read_back(payloads in proptest::collection::vec(any::<Vec<u8>>(), 0..20)) {
            let is_rejected = |payload: &&Vec<u8>| {
                read(payload).is_err()
            };
            let payloads: Vec<_> = payloads.iter().filter(is_rejected).collect();
            let records: Vec<_> = payloads.iter().map(|payload| record(payload)).collect();
            let object = write_quarantine(&records).unwrap();
            prop_assert_eq!(&object, &write_quarantine(&records).unwrap());
            let back = read_quarantine(&object).unwrap();
            for (record, payload) in back.iter().zip(payloads) {
                prop_assert_eq!(&record.payload().unwrap(), payload);
            }
            prop_assert_eq!(back, records);
        }
    }
}
