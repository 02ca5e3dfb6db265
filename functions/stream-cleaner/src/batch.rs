//! Records of one invocation → the objects to write.

use bytes::Bytes;
use cleaning::{Cleaned, Rejection, RejectionCode, RuleCounts, clean, decode};
use event_model::{Kind, PartitionKey, SequenceNumber, ShardId};
use lake::quarantine::write_quarantine;
use lake::{
    ArrivalHour, CleanWriter, LakeError, Lineage, ObjectKey, QuarantineRecord, SequenceRange,
};

/// A record as the stream handed it out.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) shard: ShardId,
    /// The sequence number as Kinesis spells it, which is how a failure must be reported.
    pub(crate) sequence: &'a str,
    pub(crate) sequence_number: SequenceNumber,
    pub(crate) partition_key: &'a str,
    pub(crate) arrival_micros: i64,
    pub(crate) data: &'a [u8],
}

/// An object that is ready to be written.
#[derive(Debug)]
pub(crate) struct PreparedObject {
    pub(crate) key: ObjectKey,
    pub(crate) body: Bytes,
    /// Place in the batch of the object's first record: where a retry must start when the object is not written.
    pub(crate) first_record: usize,
    pub(crate) contents: Contents,
}

/// What an object holds, in numbers.
#[derive(Debug)]
pub(crate) enum Contents {
    Rows {
        kind: Kind,
        rows: usize,
        changes: RuleCounts,
    },
    Rejected(Vec<RejectionCode>),
}

/// Cleans the records and makes their objects, in the order of the records that they start with.
///
/// There is one object for each kind and one of quarantine; where the batch runs over an hour's or a day's end there is
/// one more of each, so that a row always stands in the partition of its arrival.
pub(crate) fn prepare(records: &[Record<'_>]) -> Result<Vec<PreparedObject>, LakeError> {
    let mut drafts = Drafts::default();
    for (index, record) in records.iter().enumerate() {
        let declared = PartitionKey::declared_kind(record.partition_key);
        match decode(record.data) {
            Ok(text) => match clean(&text, declared) {
                Ok(cleaned) => drafts.append_row(index, record, &cleaned)?,
                Err(rejection) => drafts.append_rejection(index, record, &rejection),
            },
            Err(rejection) => drafts.append_rejection(index, record, &rejection),
        }
    }
    let ranges = SequenceRanges::of(records);
    let mut objects: Vec<_> = drafts
        .0
        .into_iter()
        .map(|draft| draft.finish(&ranges))
        .collect::<Result<_, _>>()?;
    objects.sort_by_key(|object| object.first_record);
    Ok(objects)
}

/// The objects of a batch while they are filled. There are four as a rule, so a scan finds one fastest.
#[derive(Default)]
struct Drafts(Vec<Draft>);

struct Draft {
    shard: ShardId,
    hour: ArrivalHour,
    first_record: usize,
    body: Body,
}

#[expect(clippy::large_enum_variant, reason = "a batch has four of them")]
enum Body {
    Rows {
        kind: Kind,
        writer: CleanWriter,
        changes: RuleCounts,
    },
    Rejected {
        lines: Vec<QuarantineRecord>,
        codes: Vec<RejectionCode>,
    },
}

impl Drafts {
    fn append_row(
        &mut self,
        index: usize,
        record: &Record<'_>,
        cleaned: &Cleaned<'_>,
    ) -> Result<(), LakeError> {
        let kind = cleaned.row.kind();
        let hour = ArrivalHour::of(record.arrival_micros);
        let is_its = |draft: &Draft| {
            draft.hour == hour && matches!(draft.body, Body::Rows { kind: of, .. } if of == kind)
        };
        let empty = || Body::Rows {
            kind,
            writer: CleanWriter::new(kind),
            changes: RuleCounts::default(),
        };
        if let Body::Rows {
            writer, changes, ..
        } = self.find(index, record, hour, is_its, empty)
        {
            writer.append(cleaned, &lineage(record))?;
            *changes += cleaned.changes;
        }
        Ok(())
    }

    fn append_rejection(&mut self, index: usize, record: &Record<'_>, rejection: &Rejection) {
        let hour = ArrivalHour::of(record.arrival_micros);
        // Quarantine is partitioned by day alone.
        let is_its = |draft: &Draft| {
            draft.hour.date == hour.date && matches!(draft.body, Body::Rejected { .. })
        };
        let empty = || Body::Rejected {
            lines: Vec::new(),
            codes: Vec::new(),
        };
        if let Body::Rejected { lines, codes } = self.find(index, record, hour, is_its, empty) {
            lines.push(QuarantineRecord::new(
                rejection,
                &lineage(record),
                record.partition_key,
                record.data,
            ));
            codes.push(rejection.code);
        }
    }

    /// Returns the body that the record belongs to, an empty one if it is the first.
    fn find(
        &mut self,
        index: usize,
        record: &Record<'_>,
        hour: ArrivalHour,
        is_its: impl Fn(&Draft) -> bool,
        empty: impl FnOnce() -> Body,
    ) -> &mut Body {
        let found = self
            .0
            .iter()
            .position(|draft| draft.shard == record.shard && is_its(draft));
        let position = found.unwrap_or_else(|| {
            self.0.push(Draft {
                shard: record.shard.clone(),
                hour,
                first_record: index,
                body: empty(),
            });
            self.0.len() - 1
        });
        &mut self.0[position].body
    }
}

fn lineage<'a>(record: &'a Record<'_>) -> Lineage<'a> {
    Lineage {
        shard: &record.shard,
        sequence: record.sequence,
        arrival_micros: record.arrival_micros,
    }
}

impl Draft {
    fn finish(self, ranges: &SequenceRanges) -> Result<PreparedObject, LakeError> {
        let range = ranges.range(self.shard);
        let (key, body, contents) = match self.body {
            Body::Rows {
                kind,
                writer,
                changes,
            } => {
                let rows = writer.rows();
                let key = ObjectKey::Clean {
                    kind,
                    hour: self.hour,
                    range,
                };
                (
                    key,
                    writer.finish_parquet()?,
                    Contents::Rows {
                        kind,
                        rows,
                        changes,
                    },
                )
            }
            Body::Rejected { lines, codes } => {
                let key = ObjectKey::Quarantine {
                    date: self.hour.date,
                    range,
                };
                (key, write_quarantine(&lines)?, Contents::Rejected(codes))
            }
        };
        Ok(PreparedObject {
            key,
            body,
            first_record: self.first_record,
            contents,
        })
    }
}

/// First and last sequence number of each shard in the batch; Lambda makes a batch of one shard.
struct SequenceRanges(Vec<SequenceRange>);

impl SequenceRanges {
    fn of(records: &[Record<'_>]) -> Self {
        let mut ranges: Vec<SequenceRange> = Vec::new();
        for record in records {
            let number = record.sequence_number;
            match ranges.iter_mut().find(|range| range.shard == record.shard) {
                Some(range) => {
                    range.first = range.first.min(number);
                    range.last = range.last.max(number);
                }
                None => {
                    ranges.push(SequenceRange {
                        shard: record.shard.clone(),
                        first: number,
                        last: number,
                    });
                }
            }
        }
        Self(ranges)
    }

    fn range(&self, shard: ShardId) -> SequenceRange {
        let zero = SequenceNumber::ZERO;
        let found = self.0.iter().find(|range| range.shard == shard);
        found.cloned().unwrap_or(SequenceRange {
            shard,
            first: zero,
            last: zero,
        })
    }
}

#[cfg(test)]
mod tests;
