//! Which version of a row is the latest: the heart of the merge.
//!
//! The winner of an `ind` is the greatest [`Version`] in a set, so it does not matter in which order the versions come, how
//! often, or in which objects.

use arrow::array::{Array, ArrayRef, AsArray as _, RecordBatch};
use arrow::datatypes::{ArrowPrimitiveType, Int32Type, Int64Type, TimestampMicrosecondType};
use daily_report::summary::MergeCounts;
use event_model::{SequenceNumber, ShardId};
use lake::{Sequence, schema};

use crate::error::RowsError;

/// Within this time, arrivals of two shards order nothing. AWS promises no accuracy at all
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_Record.html>); clocks of one Region are kept far closer than this.
const ARRIVAL_ACCURACY_MICROS: u64 = 1_000_000;

/// Columns of a row's `ind` and version.
pub(crate) const KEY_COLUMNS: [&str; 5] = [
    "ind",
    schema::SHARD,
    schema::SEQUENCE,
    schema::ARRIVAL,
    schema::RULES,
];

/// A row's age: by arrival, then by sequence number, both as numbers, then by shard.
///
/// Sequence numbers of one stream differ from shard to shard; those of imported rows are offsets of a Kafka partition, and
/// the arrival of their objects has whole seconds.
/// The same record cleaned by two versions of the rules has one position; the newer rules win.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    arrival_micros: i64,
    number: SequenceNumber,
    /// The row's place in its record, as [`Sequence::place`] counts it.
    part: u64,
    /// What [`shard_tag`] makes of the shard.
    shard: u32,
    rules: i32,
}

/// Returns a shard's number, or a hash of a name without one, above all numbers of shards.
fn shard_tag(name: &str) -> u32 {
    const NO_NUMBER: u32 = 1 << 31;
    let number = name
        .parse::<ShardId>()
        .ok()
        .and_then(|shard| shard.number());
    number
        .filter(|number| *number < NO_NUMBER)
        .unwrap_or_else(|| {
            // FNV-1a.
            let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
                (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            });
            hash | NO_NUMBER
        })
}

impl Version {
    fn oldest() -> Self {
        Self {
            arrival_micros: i64::MIN,
            number: SequenceNumber::default(),
            part: 0,
            shard: 0,
            rules: i32::MIN,
        }
    }

    /// Tells whether nobody can say which of two records is the later one.
    ///
    /// Kinesis calls the arrival approximate, and its sequence numbers order one shard alone: within a shard the two may
    /// disagree, and between shards there is the arrival alone.
    pub(super) fn is_undecided(&self, other: &Self) -> bool {
        if self.is_same_record(other) {
            return false;
        }
        if self.shard != other.shard {
            return self.arrival_micros.abs_diff(other.arrival_micros) < ARRIVAL_ACCURACY_MICROS;
        }
        let by_arrival = self.arrival_micros.cmp(&other.arrival_micros);
        let by_sequence = (self.number, self.part).cmp(&(other.number, other.part));
        by_arrival.is_ne() && by_arrival != by_sequence
    }

    /// Returns the sequence number of the row's record, and its arrival.
    pub(super) fn record(&self) -> (SequenceNumber, i64) {
        (self.number, self.arrival_micros)
    }

    /// Returns the version of the rules that made the row.
    pub(super) fn rules(&self) -> i32 {
        self.rules
    }

    /// Tells whether both are the same record, whatever the rules.
    fn is_same_record(&self, other: &Self) -> bool {
        Self { rules: 0, ..*self } == Self { rules: 0, ..*other }
    }
}

/// A row of a clean object, without its values. 64 bytes, as there is one for each row that a run merges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowKey {
    pub(crate) ind: i64,
    pub(crate) version: Version,
    /// The object's place in the run's list.
    pub(crate) object: u32,
    /// The row's place in the object.
    pub(crate) row: u32,
}

/// Appends the keys of a batch's rows.
pub(crate) fn append_keys(
    keys: &mut Vec<RowKey>,
    batch: &RecordBatch,
    object: u32,
    first_row: u32,
) -> Result<(), RowsError> {
    let inds = primitive::<Int64Type>(batch, "ind")?;
    for name in [schema::ARRIVAL, schema::RULES, schema::SEQUENCE] {
        if column(batch, name)?.null_count() > 0 {
            return Err(RowsError::MissingColumn(name.to_owned()));
        }
    }
    let versions = versions(batch)?;
    for ((ind, version), row) in inds.iter().zip(versions).zip(first_row..) {
        keys.push(RowKey {
            ind: *ind,
            version: version?,
            object,
            row,
        });
    }
    Ok(())
}

/// Returns the version of each row of a batch. A row that has none, because another writer put it into a table, is older
/// than every other one.
pub(crate) fn versions(
    batch: &RecordBatch,
) -> Result<impl Iterator<Item = Result<Version, RowsError>> + '_, RowsError> {
    let missing = |name: &str| RowsError::MissingColumn(name.to_owned());
    let arrivals = column(batch, schema::ARRIVAL)?
        .as_primitive_opt::<TimestampMicrosecondType>()
        .ok_or_else(|| missing(schema::ARRIVAL))?;
    let rules = column(batch, schema::RULES)?
        .as_primitive_opt::<Int32Type>()
        .ok_or_else(|| missing(schema::RULES))?;
    let sequences = column(batch, schema::SEQUENCE)?
        .as_string_opt::<i32>()
        .ok_or_else(|| missing(schema::SEQUENCE))?;
    let shards = column(batch, schema::SHARD)?
        .as_string_opt::<i32>()
        .ok_or_else(|| missing(schema::SHARD))?;
    let rows = shards.iter().zip(sequences).zip(arrivals.iter().zip(rules));
    // Rows of one shard follow each other.
    let mut last = ("", shard_tag(""));
    Ok(rows.map(move |((shard, sequence), (arrival, rules))| {
        let shard = shard.unwrap_or_default();
        if shard != last.0 {
            last = (shard, shard_tag(shard));
        }
        let (Some(sequence), Some(arrival_micros), Some(rules)) = (sequence, arrival, rules) else {
            return Ok(Version::oldest());
        };
        let sequence: Sequence = sequence.parse()?;
        Ok(Version {
            arrival_micros,
            number: sequence.number,
            part: sequence.place(),
            shard: last.1,
            rules,
        })
    }))
}

/// Returns the values of a column that holds no nulls.
pub(crate) fn primitive<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a [T::Native], RowsError> {
    column(batch, name)?
        .as_primitive_opt::<T>()
        .filter(|column| column.null_count() == 0)
        .map(|column| &column.values()[..])
        .ok_or_else(|| RowsError::MissingColumn(name.to_owned()))
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, RowsError> {
    batch
        .column_by_name(name)
        .ok_or_else(|| RowsError::MissingColumn(name.to_owned()))
}

/// Keeps the latest version of each `ind`, sorted by `ind`, and counts what gave way.
///
/// A row that repeats another's record counts as repeated, every other one that is not the latest as superseded. Returns the
/// `ind`s whose latest version may be another, in ascending order.
pub(crate) fn keep_latest(keys: &mut Vec<RowKey>, counts: &mut MergeCounts) -> Vec<i64> {
    counts.rows_in += keys.len() as u64;
    keys.sort_unstable();
    // From the back, the first of an `ind` is its latest.
    let mut kept = keys.len();
    let mut last: Option<RowKey> = None;
    let mut undecided = Vec::new();
    for index in (0..keys.len()).rev() {
        let key = keys[index];
        match last {
            Some(later) if later.ind == key.ind => {
                let latest = keys[kept].version;
                if latest.is_undecided(&key.version) && undecided.last() != Some(&key.ind) {
                    undecided.push(key.ind);
                }
                if later.version.is_same_record(&key.version) {
                    counts.repeated += 1;
                } else {
                    counts.superseded += 1;
                }
            }
            _ => {
                kept -= 1;
                keys[kept] = key;
            }
        }
        last = Some(key);
    }
    keys.drain(..kept);
    undecided.reverse();
    undecided
}

/// Keeps each row of each record once, as the newest rules made it: all versions of an `ind` stay.
pub(crate) fn keep_each_record(keys: &mut Vec<RowKey>) {
    keys.sort_unstable();
    // The newest rules of a record come last.
    keys.reverse();
    keys.dedup_by(|next, kept| next.ind == kept.ind && next.version.is_same_record(&kept.version));
}

/// How a new row compares with the one that the table has for its `ind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precedence {
    /// The new row replaces it.
    Newer,
    /// Both come from the same record.
    SameRecord,
    /// The new row is older, and is dropped.
    Superseded,
}

/// Compares a new row with the one that the table has.
pub(crate) fn precedence(new: &Version, old: &Version) -> Precedence {
    if new > old {
        Precedence::Newer
    } else if new.is_same_record(old) {
        Precedence::SameRecord
    } else {
        Precedence::Superseded
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn key(ind: i64, arrival_micros: i64, number: u64, rules: i32) -> RowKey {
        RowKey {
            ind,
            version: Version {
                arrival_micros,
                number: number.to_string().parse().unwrap(),
                part: 0,
                shard: 0,
                rules,
            },
            object: 0,
            row: 0,
        }
    }

    fn latest(mut keys: Vec<RowKey>) -> (Vec<RowKey>, MergeCounts) {
        let mut counts = MergeCounts::default();
        keep_latest(&mut keys, &mut counts);
        (keys, counts)
    }

    #[test]
    fn a_row_key_has_64_bytes() {
        assert_eq!(size_of::<RowKey>(), 64);
    }

    #[test]
    fn sequence_numbers_are_compared_as_numbers() {
        let (kept, counts) = latest(vec![key(1, 5, 10, 1), key(1, 5, 9, 1)]);
        assert_eq!(kept, [key(1, 5, 10, 1)]);
        assert_eq!(
            (counts.rows_in, counts.superseded, counts.repeated),
            (2, 1, 0)
        );
    }

    #[test]
    fn arrival_comes_before_the_sequence_number() {
        let (kept, _) = latest(vec![key(1, 6, 9, 1), key(1, 5, 10, 1)]);
        assert_eq!(kept, [key(1, 6, 9, 1)]);
    }

    #[test]
    fn newer_rules_win_for_the_same_record_and_it_counts_as_repeated() {
        let (kept, counts) = latest(vec![key(1, 5, 9, 2), key(1, 5, 9, 1)]);
        assert_eq!(kept, [key(1, 5, 9, 2)]);
        assert_eq!((counts.repeated, counts.superseded), (1, 0));
        assert_eq!(
            precedence(&key(1, 5, 9, 2).version, &key(1, 5, 9, 1).version),
            Precedence::Newer
        );
        assert_eq!(
            precedence(&key(1, 5, 9, 1).version, &key(1, 5, 9, 2).version),
            Precedence::SameRecord
        );
    }

    #[test]
    fn what_arrival_and_sequence_do_not_decide_is_told() {
        let of = |shard, arrival, number| {
            let mut key = key(1, arrival, number, 1);
            key.version.shard = shard;
            key
        };
        for (one, other, is_undecided) in [
            (of(0, 5, 9), of(0, 6, 10), false),
            (of(0, 5, 9), of(0, 5, 10), false),
            // The clock of the service went back.
            (of(0, 6, 9), of(0, 5, 10), true),
            // Another shard has numbers of its own.
            (of(0, 5, 9), of(1, 6, 10), true),
            (of(0, 5, 9), of(1, 5, 9), true),
            (of(0, 5, 9), of(1, 1_000_005, 8), false),
            // The same record, delivered again.
            (of(0, 5, 9), of(0, 5, 9), false),
        ] {
            for pair in [vec![one, other], vec![other, one]] {
                let (mut keys, mut counts) = (pair, MergeCounts::default());
                let undecided = keep_latest(&mut keys, &mut counts);
                assert_eq!(undecided == [1], is_undecided, "{one:?} {other:?}");
            }
        }
        // A key is told once, and it is its latest version that matters.
        let mut keys = vec![of(0, 9, 1), of(0, 8, 2), of(0, 7, 3), of(0, 1, 0)];
        assert_eq!(keep_latest(&mut keys, &mut MergeCounts::default()), [1]);
        let mut keys = vec![of(0, 9, 9), of(0, 3, 4), of(0, 2, 5)];
        let undecided = keep_latest(&mut keys, &mut MergeCounts::default());
        assert!(undecided.is_empty());
    }

    #[test]
    fn records_of_two_shards_are_told_apart_at_one_time_and_number() {
        let of_shard = |name| {
            let mut key = key(1, 5, 9, 1);
            key.version.shard = shard_tag(name);
            key
        };
        let names = [
            "shardId-000000000000",
            "shardId-000000000007",
            "kafka-u.pin-0",
            "kafka-u.pin-1",
        ];
        let keys: Vec<_> = names.map(of_shard).into();
        let (kept, counts) = latest(keys.clone());
        assert_eq!((kept.len(), counts.superseded, counts.repeated), (1, 3, 0));
        assert_eq!(kept, latest(keys.into_iter().rev().collect()).0);
    }

    proptest! {
        #[test]
        fn the_order_of_rows_does_not_matter_and_every_row_is_counted(
            rows in proptest::collection::vec((0_i64..8, 0_i64..4, 0_u64..4, 1_i32..3), 0..60),
            seed in any::<u64>(),
        ) {
            let keys: Vec<_> = rows.iter().map(|&(ind, arrival, number, rules)| key(ind, arrival, number, rules)).collect();
            let mut shuffled = keys.clone();
            // A rotation and a reversal reach every pair of neighbours.
            if !shuffled.is_empty() {
                let places = usize::try_from(seed % 61).unwrap() % shuffled.len();
                shuffled.rotate_left(places);
                shuffled.reverse();
            }
            let mut expected = BTreeMap::new();
            for key in &keys {
                let entry = expected.entry(key.ind).or_insert(key.version);
                *entry = (*entry).max(key.version);
            }
            let (kept, counts) = latest(keys);
            prop_assert_eq!((kept.clone(), counts), latest(shuffled));
            prop_assert_eq!(counts.rows_in, kept.len() as u64 + counts.superseded + counts.repeated);
            let kept: BTreeMap<_, _> = kept.into_iter().map(|key| (key.ind, key.version)).collect();
            prop_assert_eq!(kept, expected);
        }
    }
}
