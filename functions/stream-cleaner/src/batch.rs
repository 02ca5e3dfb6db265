//! Records of one invocation → the objects to write.

use bytes::Bytes;
use cleaning::{Cleaned, Rejection, RejectionCode, RuleCounts, clean, decode};
use event_model::{Kind, PartitionKey, SequenceNumber, ShardId};
use lake::{
    ArrivalHour, CleanWriter, LakeError, Lineage, ObjectKey, QuarantineRecord, QuarantineWriter,
    Sequence, SequenceRange,
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

/// What the records of a batch come to.
#[derive(Debug)]
pub(crate) struct PreparedBatch {
    /// Records after the aggregates are taken apart; each is a row or a rejection in one of the objects.
    pub(crate) user_records: u64,
    /// In the order of the records that they start with.
    pub(crate) objects: Vec<PreparedObject>,
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

/// Takes aggregates apart, cleans the records, and makes their objects.
///
/// There is one object for each kind and one of quarantine; where the batch runs over an hour's or a day's end there is
/// one more of each, so that a row always stands in the partition of its arrival.
pub(crate) fn prepare(records: &[Record<'_>]) -> Result<PreparedBatch, LakeError> {
    let mut drafts = Drafts::default();
    for (index, record) in records.iter().enumerate() {
        let whole = Source::whole(index, record);
        match kpl::read(record.data) {
            None => drafts.append(&whole)?,
            Some(Ok(user_records)) => {
                for (sub_number, user_record) in (0..).zip(user_records) {
                    drafts.append(&whole.part(sub_number, user_record))?;
                }
            }
            Some(Err(damage)) => drafts.append_rejection(&whole, &damage.into())?,
        }
    }
    let ranges = SequenceRanges::of(records);
    let user_records = drafts.user_records;
    let mut objects: Vec<_> = drafts
        .drafts
        .into_iter()
        .map(|draft| draft.finish(&ranges))
        .collect::<Result<_, _>>()?;
    objects.sort_by_key(|object| object.first_record);
    Ok(PreparedBatch {
        user_records,
        objects,
    })
}

/// What one row or one line of quarantine is made of: a record, or a user record of an aggregate.
struct Source<'a> {
    /// Place of the record in the batch.
    index: usize,
    record: &'a Record<'a>,
    sub_number: Option<u64>,
    partition_key: &'a str,
    data: &'a [u8],
}

impl<'a> Source<'a> {
    fn whole(index: usize, record: &'a Record<'a>) -> Self {
        Self {
            index,
            record,
            sub_number: None,
            partition_key: record.partition_key,
            data: record.data,
        }
    }

    fn part(&self, sub_number: u64, user_record: kpl::UserRecord<'a>) -> Self {
        Self {
            sub_number: Some(sub_number),
            partition_key: user_record.partition_key,
            data: user_record.data,
            ..*self
        }
    }

    fn lineage(&self) -> Lineage<'a> {
        Lineage {
            shard: &self.record.shard,
            sequence: Sequence {
                number: self.record.sequence_number,
                sub_number: self.sub_number,
            },
            arrival_micros: self.record.arrival_micros,
        }
    }
}

/// The objects of a batch while they are filled. There are four as a rule, so a scan finds one fastest.
#[derive(Default)]
struct Drafts {
    drafts: Vec<Draft>,
    user_records: u64,
}

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
        writer: QuarantineWriter,
        codes: Vec<RejectionCode>,
    },
}

impl Drafts {
    fn append(&mut self, source: &Source<'_>) -> Result<(), LakeError> {
        let declared = PartitionKey::declared_kind(source.partition_key);
        match decode(source.data) {
            Ok(text) => match clean(&text, declared) {
                Ok(cleaned) => self.append_row(source, &cleaned),
                Err(rejection) => self.append_rejection(source, &rejection),
            },
            Err(rejection) => self.append_rejection(source, &rejection),
        }
    }

    fn append_row(&mut self, source: &Source<'_>, cleaned: &Cleaned<'_>) -> Result<(), LakeError> {
        let kind = cleaned.row.kind();
        let hour = ArrivalHour::of(source.record.arrival_micros);
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
        } = self.find(source, hour, is_its, empty)
        {
            writer.append(cleaned, &source.lineage())?;
            *changes += cleaned.changes;
        }
        self.user_records += 1;
        Ok(())
    }

    fn append_rejection(
        &mut self,
        source: &Source<'_>,
        rejection: &Rejection,
    ) -> Result<(), LakeError> {
        let hour = ArrivalHour::of(source.record.arrival_micros);
        // Quarantine is partitioned by day alone.
        let is_its = |draft: &Draft| {
            draft.hour.date == hour.date && matches!(draft.body, Body::Rejected { .. })
        };
        let empty = || Body::Rejected {
            writer: QuarantineWriter::default(),
            codes: Vec::new(),
        };
        if let Body::Rejected { writer, codes } = self.find(source, hour, is_its, empty) {
            writer.append(&QuarantineRecord::new(
                rejection,
                &source.lineage(),
                source.partition_key,
                source.data,
            ))?;
            codes.push(rejection.code);
        }
        self.user_records += 1;
        Ok(())
    }

    /// Returns the body that the source belongs to, an empty one if it is the first.
    fn find(
        &mut self,
        source: &Source<'_>,
        hour: ArrivalHour,
        is_its: impl Fn(&Draft) -> bool,
        empty: impl FnOnce() -> Body,
    ) -> &mut Body {
        let shard = &source.record.shard;
        let found = self
            .drafts
            .iter()
            .position(|draft| draft.shard == *shard && is_its(draft));
        let position = found.unwrap_or_else(|| {
            self.drafts.push(Draft {
                shard: shard.clone(),
                hour,
                first_record: source.index,
                body: empty(),
            });
            self.drafts.len() - 1
        });
        &mut self.drafts[position].body
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
                    replay: None,
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
            Body::Rejected { writer, codes } => {
                let key = ObjectKey::Quarantine {
                    date: self.hour.date,
                    range,
                };
                (key, writer.finish()?, Contents::Rejected(codes))
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
