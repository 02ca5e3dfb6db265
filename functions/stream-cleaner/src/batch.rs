//! Records of one invocation → the objects to write.

use bytes::Bytes;
use cleaning::{Cleaned, Rejection, RejectionCode, RuleCounts, clean, decode};
use event_model::{Kind, PartitionKey, SequenceNumber, ShardId};
use jiff::civil::Date;
use lake::{
    ArrivalHour, LakeError, Lineage, ObjectKey, PartitionedWriter, QuarantineRecord,
    QuarantineWriter, Sequence, SequenceRange,
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
/// There is one object per kind and one of quarantine; where the batch runs over an hour's or a day's end there is one
/// more of each, so that a row is always in the partition of its arrival.
pub(crate) fn prepare(records: &[Record<'_>]) -> Result<PreparedBatch, LakeError> {
    let mut objects = Objects::default();
    for (index, record) in records.iter().enumerate() {
        let whole = Source::whole(index, record);
        match kpl::read(record.data) {
            None => objects.append(&whole)?,
            Some(Ok(user_records)) => {
                for (sub_number, user_record) in (0..).zip(user_records) {
                    objects.append(&whole.part(sub_number, user_record))?;
                }
            }
            Some(Err(damage)) => objects.append_rejection(&whole, &damage.into())?,
        }
    }
    objects.finish(&SequenceRanges::of(records))
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

/// The objects of a batch while they are filled.
#[derive(Default)]
struct Objects {
    rows: PartitionedWriter<RowsState>,
    /// One per shard and day.
    rejected: Vec<RejectedRecords>,
    user_records: u64,
}

struct RowsState {
    first_record: usize,
    changes: RuleCounts,
}

struct RejectedRecords {
    shard: ShardId,
    date: Date,
    first_record: usize,
    writer: QuarantineWriter,
    codes: Vec<RejectionCode>,
}

impl Objects {
    fn append(&mut self, source: &Source<'_>) -> Result<(), LakeError> {
        let declared = PartitionKey::declared_kind(source.partition_key);
        let text = decode(source.data);
        let cleaned = text
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|text| clean(text, declared));
        match cleaned {
            Ok(cleaned) => self.append_row(source, &cleaned),
            Err(rejection) => self.append_rejection(source, &rejection),
        }
    }

    fn append_row(&mut self, source: &Source<'_>, cleaned: &Cleaned<'_>) -> Result<(), LakeError> {
        let state = || RowsState {
            first_record: source.index,
            changes: RuleCounts::default(),
        };
        let state = self.rows.append(cleaned, &source.lineage(), state)?;
        state.changes += cleaned.changes;
        self.user_records += 1;
        Ok(())
    }

    fn append_rejection(
        &mut self,
        source: &Source<'_>,
        rejection: &Rejection,
    ) -> Result<(), LakeError> {
        let shard = &source.record.shard;
        let date = ArrivalHour::of(source.record.arrival_micros).date;
        let found = self
            .rejected
            .iter()
            .position(|object| object.shard == *shard && object.date == date);
        let place = found.unwrap_or_else(|| {
            self.rejected.push(RejectedRecords {
                shard: shard.clone(),
                date,
                first_record: source.index,
                writer: QuarantineWriter::default(),
                codes: Vec::new(),
            });
            self.rejected.len() - 1
        });
        let object = &mut self.rejected[place];
        object.writer.append(&QuarantineRecord::new(
            rejection,
            &source.lineage(),
            source.partition_key,
            source.data,
        ))?;
        object.codes.push(rejection.code);
        self.user_records += 1;
        Ok(())
    }

    fn finish(self, ranges: &SequenceRanges) -> Result<PreparedBatch, LakeError> {
        let rows = self.rows.into_partitions().into_iter().map(|partition| {
            Ok(PreparedObject {
                key: ObjectKey::Clean {
                    kind: partition.kind,
                    hour: partition.hour,
                    range: ranges.range(partition.shard),
                    replay: None,
                },
                first_record: partition.state.first_record,
                contents: Contents::Rows {
                    kind: partition.kind,
                    rows: partition.writer.rows(),
                    changes: partition.state.changes,
                },
                body: partition.writer.finish_parquet()?,
            })
        });
        let rejected = self.rejected.into_iter().map(|object| {
            Ok(PreparedObject {
                key: ObjectKey::Quarantine {
                    date: object.date,
                    range: ranges.range(object.shard),
                },
                first_record: object.first_record,
                contents: Contents::Rejected(object.codes),
                body: object.writer.finish()?,
            })
        });
        let mut objects: Vec<_> = rows.chain(rejected).collect::<Result<_, LakeError>>()?;
        objects.sort_by_key(|object| object.first_record);
        Ok(PreparedBatch {
            user_records: self.user_records,
            objects,
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
