//! Rejected records → one `.ndjson.gz` object, and back.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cleaning::{RULES_VERSION, Rejection};
use event_model::{Position, ShardId};
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
    /// Makes the line of a record that was rejected.
    pub fn new(
        rejection: &Rejection,
        lineage: &Lineage<'_>,
        partition_key: &str,
        payload: &[u8],
    ) -> Self {
        Self {
            kind: rejection.kind.map(|kind| kind.as_str().to_owned()),
            code: rejection.code.as_str().to_owned(),
            message: rejection.message.clone(),
            rule_version: RULES_VERSION,
            shard: lineage.shard.as_str().to_owned(),
            sequence_number: lineage.sequence.to_string(),
            partition_key: partition_key.to_owned(),
            arrival: format_arrival(lineage.arrival_micros),
            payload_base64: STANDARD.encode(payload),
        }
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
            sequence: self.sequence,
            arrival_micros: self.arrival_micros,
        }
    }
}

fn format_arrival(micros: i64) -> String {
    let timestamp = Timestamp::from_microsecond(micros).unwrap_or_default();
    format!("{timestamp:.6}")
}

/// Bytes of lines that are compressed: those of a batch with some bad records.
const COMPRESSED_BYTES: usize = 256 * 1024;

/// Gathers the lines of one quarantine object.
///
/// A line is compressed as it comes: packed records make lines of many times their size. What comes after the first lines is
/// stored as it is, in a second member of the gzip: an event of nothing but garbage must not cost more than one of good rows,
/// and base64 gets little smaller.
#[derive(Debug)]
pub struct QuarantineWriter {
    gzip: GzEncoder<Vec<u8>>,
    /// Bytes of the lines so far.
    bytes: usize,
    /// A line while it is written: the compressor takes it in one piece, which is many times quicker than in its tokens.
    line: Vec<u8>,
}

impl Default for QuarantineWriter {
    fn default() -> Self {
        Self {
            // `GzEncoder` leaves the time in the header at zero. A stronger compression costs several times as much
            // time, and a rejected record must not cost more than a good one.
            gzip: GzEncoder::new(Vec::new(), flate2::Compression::fast()),
            bytes: 0,
            line: Vec::new(),
        }
    }
}

impl QuarantineWriter {
    /// Appends a line.
    pub fn append(&mut self, record: &QuarantineRecord) -> Result<(), LakeError> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, record)
            .map_err(|error| LakeError::WriteQuarantine(error.into()))?;
        self.line.push(b'\n');
        let is_compressed = self.bytes <= COMPRESSED_BYTES;
        self.bytes += self.line.len();
        if is_compressed && self.bytes > COMPRESSED_BYTES {
            let none = GzEncoder::new(Vec::new(), flate2::Compression::none());
            let first = std::mem::replace(&mut self.gzip, none);
            let first = first.finish().map_err(LakeError::WriteQuarantine)?;
            // The second member goes behind the first.
            self.gzip = GzEncoder::new(first, flate2::Compression::none());
        }
        self.gzip
            .write_all(&self.line)
            .map_err(LakeError::WriteQuarantine)
    }

    /// Returns the object. The same lines give the same bytes.
    pub fn finish(self) -> Result<Bytes, LakeError> {
        let object = self.gzip.finish().map_err(LakeError::WriteQuarantine)?;
        Ok(object.into())
    }
}

/// Writes records as a quarantine object. The same records give the same bytes.
pub fn write_quarantine(records: &[QuarantineRecord]) -> Result<Bytes, LakeError> {
    let mut writer = QuarantineWriter::default();
    for record in records {
        writer.append(record)?;
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

    fn record(payload: &[u8]) -> QuarantineRecord {
        let rejection = cleaning::decode(payload)
            .and_then(|text| cleaning::clean(&text, None).map(|_| ()))
            .expect_err("a payload that is rejected");
        let shard = ShardId::from_number(1);
        let lineage = Lineage {
            shard: &shard,
            sequence: "4959".parse().unwrap(),
            arrival_micros: 1_598_586_767_000_000,
        };
        QuarantineRecord::new(&rejection, &lineage, "pin/1", payload)
    }

    #[test]
    fn a_line_tells_what_was_wrong_and_keeps_the_payload() {
        let record = record(b"[1]");
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            r#"{"kind":null,"code":"not_an_object","message":"JSON, but not an object","rule_version":2,"shard":"shardId-000000000001","sequence_number":"4959","partition_key":"pin/1","arrival":"2020-08-28T03:52:47.000000Z","payload_base64":"WzFd"}"#
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
        assert!(object.len() > 2 * COMPRESSED_BYTES);
        assert_eq!(object, write_quarantine(&records).unwrap());
        assert_eq!(read_quarantine(&object).unwrap(), records);
    }

    proptest! {
        #[test]
        fn records_read_back(payloads in proptest::collection::vec(any::<Vec<u8>>(), 0..20)) {
            let is_rejected = |payload: &&Vec<u8>| {
                cleaning::decode(payload).and_then(|text| cleaning::clean(&text, None).map(|_| ())).is_err()
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
