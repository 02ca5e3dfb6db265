//! Records of one invocation → the objects to write.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use cleaning::{
    Cleaner, KindSource, Piece, Rejection, RejectionCode, Row, RuleCounts, clean_record,
};
use event_model::metadata::{PositionCounts, minute_of};
use event_model::{Kind, SequenceNumber, ShardId, SubNumber};
use jiff::civil::Date;
use lake::{
    ArrivalHour, LakeError, Lineage, ObjectKey, PartitionedWriter, QuarantineLines,
    QuarantineWriter, RejectedRecord, SequenceRange, SpelledSequence,
};
use model::Model;

/// A record as the stream handed it out.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) shard: &'a ShardId,
    /// The sequence number as Kinesis spells it, which is how a failure must be reported.
    pub(crate) sequence: &'a str,
    pub(crate) partition_key: &'a str,
    pub(crate) arrival_micros: i64,
    pub(crate) data: &'a [u8],
}

impl Record<'_> {
    /// Returns the sequence number; where it is too large for a row's lineage, what keeps its batch's keys apart from those of others.
    fn sequence_number(&self) -> SequenceNumber {
        let number = self.sequence.parse().ok();
        let number = number.or_else(|| SequenceNumber::wrapping(self.sequence));
        number.unwrap_or(SequenceNumber::ZERO)
    }

    /// Returns what has the order of the sequence numbers.
    fn order(&self) -> (usize, &str) {
        let digits = self.digits();
        (digits.len(), digits)
    }

    /// Returns the sequence number's digits, without a 0 before them.
    fn digits(&self) -> &str {
        match self.sequence.trim_start_matches('0') {
            "" => "0",
            digits => digits,
        }
    }

    /// Tells whether a row's lineage can hold the sequence number.
    fn has_lineage(&self) -> bool {
        let number = self.sequence;
        number.len() <= SequenceNumber::DIGITS || number.parse::<SequenceNumber>().is_ok()
    }

    /// Returns what quarantine keeps of the whole record.
    fn rejected<'a>(
        &'a self,
        rejection: &'a Rejection,
        sequence: &'a dyn fmt::Display,
        model: &Model,
    ) -> RejectedRecord<'a> {
        RejectedRecord {
            rejection,
            rules: model.rules(rejection.kind),
            shard: self.shard,
            sequence,
            arrival_micros: self.arrival_micros,
            partition_key: self.partition_key,
            payload: self.data,
        }
    }
}

/// What the records of a batch come to.
#[derive(Debug)]
pub(crate) struct PreparedBatch {
    /// Rows after the packed records are taken apart; each is a row or a rejection in one of the objects.
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
    /// The stream records that the object accounts for: each of the batch in one object, the first that has rows of it, or quarantine.
    pub(crate) positions: PositionCounts,
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

impl Contents {
    /// Returns how many rows or rejected records these are.
    pub(crate) fn records(&self) -> u64 {
        match self {
            Self::Rows { rows, .. } => *rows as u64,
            Self::Rejected(codes) => codes.len() as u64,
        }
    }
}

/// Most rejected rows of one record that have a line each in quarantine. A record of more has one line, with the whole
/// record: what a megabyte of tiny rows makes must not be hundreds of megabytes.
const REJECTED_PIECES_MAX: usize = 100;

/// Takes packed records apart, cleans the rows, and makes their objects.
///
/// There is one object per kind and one of quarantine; where the batch runs over an hour's or a day's end there is one
/// more of each, so that a row is always in the partition of its arrival.
pub(crate) fn prepare(
    model: &Arc<Model>,
    records: &[Record<'_>],
) -> Result<PreparedBatch, LakeError> {
    let mut objects = Objects::new(model);
    for (index, record) in records.iter().enumerate() {
        objects.append(index, record)?;
    }
    objects.finish(&SequenceRanges::of(records))
}

/// The objects of a batch while they are filled.
struct Objects<'m> {
    model: &'m Model,
    cleaner: Cleaner,
    rows: PartitionedWriter<RowsState>,
    /// One per shard and day.
    rejected: Vec<RejectedRecords>,
    user_records: u64,
    /// Lines of one record, whose room the next one takes.
    lines: QuarantineLines,
}

struct RowsState {
    first_record: usize,
    positions: PositionCounts,
}

struct RejectedRecords {
    shard: ShardId,
    date: Date,
    first_record: usize,
    positions: PositionCounts,
    writer: QuarantineWriter,
    codes: Vec<RejectionCode>,
}

impl<'m> Objects<'m> {
    fn new(model: &'m Arc<Model>) -> Self {
        Self {
            model,
            cleaner: Cleaner::new(Arc::clone(model)),
            rows: PartitionedWriter::new(Arc::clone(model)),
            rejected: Vec::new(),
            user_records: 0,
            lines: QuarantineLines::default(),
        }
    }

    fn append(&mut self, index: usize, record: &Record<'_>) -> Result<(), LakeError> {
        let number = record.digits();
        let lineage = |sub_number: Option<SubNumber>| Lineage {
            shard: record.shard,
            sequence: SpelledSequence::Text(number, sub_number),
            arrival_micros: record.arrival_micros,
        };
        if !record.has_lineage() {
            return self.reject_position(index, record);
        }
        let mut rejected = RejectedPieces::new(std::mem::take(&mut self.lines));
        let mut has_row = false;
        let Self {
            model,
            cleaner,
            rows,
            user_records,
            ..
        } = self;
        let mut each = |piece: Piece<'_, '_>| {
            let lineage = lineage(piece.sub_number);
            *user_records += 1;
            rejected.pieces += 1;
            match piece.outcome {
                Ok(row) => {
                    let is_first = !std::mem::replace(&mut has_row, true);
                    append_row(rows, index, &row, &lineage, is_first)
                }
                Err(rejection) => {
                    rejected.add(&RejectedRecord {
                        rejection: &rejection,
                        partition_key: piece.partition_key,
                        payload: piece.data,
                        ..record.rejected(&rejection, &lineage.sequence, model)
                    })?;
                    rejected.first.get_or_insert(rejection);
                    Ok(())
                }
            }
        };
        let (data, key) = (record.data, record.partition_key);
        let source = KindSource::PartitionKey;
        clean_record(cleaner, data, key, None, source, &mut each)?;
        if !rejected.codes.is_empty() {
            rejected.bound(record, &lineage(None).sequence, model)?;
            let day = ArrivalHour::of(record.arrival_micros).date;
            let object = self.quarantine(index, record.shard, day);
            object.writer.append(&rejected.lines)?;
            let minute = minute_of(record.arrival_micros);
            object.positions.add(minute, u64::from(!has_row));
            object.codes.append(&mut rejected.codes);
        }
        self.lines = rejected.lines;
        Ok(())
    }

    /// Quarantines a record whose sequence number no row can keep. Kinesis's numbers have some 56 digits; its API
    /// allows 129.
    fn reject_position(&mut self, index: usize, record: &Record<'_>) -> Result<(), LakeError> {
        let rejection = Rejection {
            kind: None,
            code: RejectionCode::TooLarge,
            message: format!(
                "the record's sequence number has {} digits; a row's has at most 192 bits",
                record.sequence.len()
            ),
        };
        let mut line = QuarantineLines::default();
        line.append(&record.rejected(&rejection, &record.sequence, self.model))?;
        self.user_records += 1;
        let day = ArrivalHour::of(record.arrival_micros).date;
        let object = self.quarantine(index, record.shard, day);
        object.positions.add(minute_of(record.arrival_micros), 1);
        object.codes.push(rejection.code);
        object.writer.append(&line)
    }

    /// Returns the object of a shard's rejected records of a day.
    fn quarantine(
        &mut self,
        first_record: usize,
        shard: &ShardId,
        date: Date,
    ) -> &mut RejectedRecords {
        let found = self
            .rejected
            .iter()
            .position(|object| object.shard == *shard && object.date == date);
        let place = found.unwrap_or_else(|| {
            self.rejected.push(RejectedRecords {
                shard: shard.clone(),
                date,
                first_record,
                positions: PositionCounts::default(),
                writer: QuarantineWriter::default(),
                codes: Vec::new(),
            });
            self.rejected.len() - 1
        });
        &mut self.rejected[place]
    }

    fn finish(self, ranges: &SequenceRanges) -> Result<PreparedBatch, LakeError> {
        let rows = self.rows.into_partitions().into_iter().map(|partition| {
            Ok(PreparedObject {
                positions: partition.state.positions,
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
                    changes: partition.writer.changes(),
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
                positions: object.positions,
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

fn append_row(
    rows: &mut PartitionedWriter<RowsState>,
    first_record: usize,
    row: &Row<'_, '_>,
    lineage: &Lineage<'_>,
    is_first: bool,
) -> Result<(), LakeError> {
    let state = || RowsState {
        first_record,
        positions: PositionCounts::default(),
    };
    let state = rows.append(row, lineage, state)?;
    let minute = minute_of(lineage.arrival_micros);
    state.positions.add(minute, u64::from(is_first));
    Ok(())
}

/// The rejected rows of one record.
struct RejectedPieces {
    /// All rows of the record.
    pieces: usize,
    first: Option<Rejection>,
    codes: Vec<RejectionCode>,
    /// Of the first ones.
    lines: QuarantineLines,
}

impl RejectedPieces {
    fn new(mut lines: QuarantineLines) -> Self {
        lines.clear();
        Self {
            pieces: 0,
            first: None,
            codes: Vec::new(),
            lines,
        }
    }

    fn add(&mut self, record: &RejectedRecord<'_>) -> Result<(), LakeError> {
        self.codes.push(record.rejection.code);
        if self.codes.len() <= REJECTED_PIECES_MAX {
            self.lines.append(record)?;
        }
        Ok(())
    }

    /// Puts one line for the whole record in the place of too many.
    fn bound(
        &mut self,
        record: &Record<'_>,
        sequence: &SpelledSequence<'_>,
        model: &Model,
    ) -> Result<(), LakeError> {
        let rejected = self.codes.len();
        let Some(first) = self.first.take() else {
            return Ok(());
        };
        if rejected <= REJECTED_PIECES_MAX {
            return Ok(());
        }
        let rejection = Rejection {
            message: format!(
                "{rejected} of the record's {} rows are rejected; the first: {}",
                self.pieces, first.message
            ),
            ..first
        };
        self.lines.clear();
        self.lines
            .append(&record.rejected(&rejection, sequence, model))
    }
}

/// First and last sequence number of each shard in the batch; Lambda makes a batch of one shard.
struct SequenceRanges(Vec<SequenceRange>);

impl SequenceRanges {
    fn of(records: &[Record<'_>]) -> Self {
        let mut ends: Vec<[&Record<'_>; 2]> = Vec::new();
        for record in records {
            let found = ends
                .iter_mut()
                .find(|[first, _]| first.shard.is(record.shard));
            match found {
                Some([first, last]) => {
                    if record.order() < first.order() {
                        *first = record;
                    } else if record.order() > last.order() {
                        *last = record;
                    }
                }
                None => ends.push([record, record]),
            }
        }
        let ranges = ends.into_iter().map(|[first, last]| SequenceRange {
            shard: first.shard.clone(),
            first: first.sequence_number(),
            last: last.sequence_number(),
        });
        Self(ranges.collect())
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
