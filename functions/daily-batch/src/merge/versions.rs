//! Which version of a row is the latest: the heart of the merge.
//!
//! The winner of a key is the greatest [`Version`] in a set, so it does not matter in which order the versions come, how
//! often, or in which objects.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray as _, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Int32Type, Int64Type, TimestampMicrosecondType,
};
use daily_report::summary::MergeCounts;
use event_model::{SequenceNumber, ShardId};
use lake::{Sequence, schema};

use super::keys::{Key, RowRules};
use crate::error::RowsError;

/// Within this time, arrivals of two shards order nothing. AWS promises no accuracy at all
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_Record.html>); clocks of one Region are kept far closer than this.
const ARRIVAL_ACCURACY_MICROS: u64 = 1_000_000;

/// A row's age: by the column that the table's file names, then by arrival, then by sequence number, both as numbers, then by shard.
///
/// Sequence numbers of one stream differ from shard to shard; those of imported rows are offsets of a Kafka partition, and
/// the arrival of their objects has whole seconds.
/// The same record cleaned by two versions of the rules has one position; the newer rules win.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    /// The value of the table's own order; the least where it has none.
    order: i64,
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
            order: i64::MIN,
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
        if self.is_same_record(other) || self.order != other.order {
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
        // Newer rules may read the order in another way.
        let of_record = |version: &Self| Self {
            rules: 0,
            order: 0,
            ..*version
        };
        of_record(self) == of_record(other)
    }
}

/// A row of a clean object, without its values. 72 bytes with a key of 64 bits, as there is one for each row that a run merges.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowKey<K> {
    pub(crate) key: K,
    pub(crate) version: Version,
    /// The object's place in the run's list.
    pub(crate) object: u32,
    /// The row's place in the object.
    pub(crate) row: u32,
}

/// Appends the keys of a batch's rows; who reads several objects gives them their places.
pub(crate) fn append_keys<K: Key>(
    keys: &mut Vec<RowKey<K>>,
    batch: &RecordBatch,
    rules: &RowRules,
    first_row: u32,
) -> Result<(), RowsError> {
    let values = K::read(batch, &rules.key)?;
    for name in [schema::ARRIVAL, schema::RULES, schema::SEQUENCE] {
        if column(batch, name)?.null_count() > 0 {
            return Err(RowsError::MissingColumn(name.to_owned()));
        }
    }
    let versions = versions(batch, rules)?;
    for ((key, version), row) in values.into_iter().zip(versions).zip(first_row..) {
        keys.push(RowKey {
            key,
            version: version?,
            object: 0,
            row,
        });
    }
    Ok(())
}

/// Returns the version of each row of a batch. A row that has none, because another writer put it into a table, is older
/// than every other one.
pub(crate) fn versions<'b>(
    batch: &'b RecordBatch,
    row_rules: &RowRules,
) -> Result<impl Iterator<Item = Result<Version, RowsError>> + 'b, RowsError> {
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
    let keeps_first = row_rules.keeps_first;
    let orders = order(batch, row_rules)?;
    let mut orders = orders.into_iter();
    let rows = shards.iter().zip(sequences).zip(arrivals.iter().zip(rules));
    // Rows of one shard follow each other.
    let mut last = ("", shard_tag(""));
    Ok(rows.map(move |((shard, sequence), (arrival, rules))| {
        let order = orders.next().flatten();
        let shard = shard.unwrap_or_default();
        if shard != last.0 {
            last = (shard, shard_tag(shard));
        }
        let (Some(sequence), Some(arrival_micros), Some(rules)) = (sequence, arrival, rules) else {
            return Ok(Version::oldest());
        };
        let sequence: Sequence = sequence.parse()?;
        Ok(Version {
            order: match order {
                Some(order) => order,
                // The earlier a row came, the more it counts.
                None if keeps_first => arrival_micros.saturating_neg(),
                None => i64::MIN,
            },
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

/// Returns the values of the table's own order; none where it names no column, or the batch does not have it.
fn order(batch: &RecordBatch, rules: &RowRules) -> Result<Vec<Option<i64>>, RowsError> {
    let column = rules
        .order_by
        .as_ref()
        .and_then(|name| batch.column_by_name(name));
    let Some(column) = column else {
        return Ok(Vec::new());
    };
    // Dates and 32-bit numbers widen; a timestamp is its microseconds.
    let column = match column.data_type() {
        DataType::Date32 => cast(column, &DataType::Int32)?,
        _ => Arc::clone(column),
    };
    let column = cast(&column, &DataType::Int64)?;
    Ok(column.as_primitive::<Int64Type>().iter().collect())
}

/// Returns a column of a batch.
pub(super) fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, RowsError> {
    batch
        .column_by_name(name)
        .ok_or_else(|| RowsError::MissingColumn(name.to_owned()))
}

/// Keeps the latest version of each key, sorted by key, and counts what gave way.
///
/// A row that repeats another's record counts as repeated, every other one that is not the latest as superseded. Returns the keys whose
/// latest version may be another, in ascending order.
pub(crate) fn keep_latest<K: Key>(
    keys: &mut Vec<RowKey<K>>,
    rules: &RowRules,
    counts: &mut MergeCounts,
) -> Vec<K> {
    counts.rows_in += keys.len() as u64;
    keys.sort_unstable();
    // From the back, the first of a key is its latest.
    let mut kept = keys.len();
    let mut later = Version::default();
    let mut undecided = Vec::new();
    for index in (0..keys.len()).rev() {
        let version = keys[index].version;
        match keys.get(kept) {
            Some(latest) if latest.key == keys[index].key => {
                let is_undecided = !rules.keeps_first && latest.version.is_undecided(&version);
                if is_undecided && undecided.last() != Some(&latest.key) {
                    undecided.push(latest.key.clone());
                }
                if later.is_same_record(&version) {
                    counts.repeated += 1;
                } else {
                    counts.superseded += 1;
                }
            }
            _ => {
                kept -= 1;
                keys.swap(kept, index);
            }
        }
        later = version;
    }
    keys.drain(..kept);
    undecided.reverse();
    undecided
}

/// Keeps each row of each record once, as the newest rules made it: all versions of a key stay.
pub(crate) fn keep_each_record<K: Key>(keys: &mut Vec<RowKey<K>>) {
    keys.sort_unstable();
    // The newest rules of a record come last.
    keys.reverse();
    keys.dedup_by(|next, kept| next.key == kept.key && next.version.is_same_record(&kept.version));
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
    use crate::merge::keys::TableKey;

    /// The latest of a key, by nothing but arrival and sequence.
    fn latest_rules() -> RowRules {
        RowRules {
            key: TableKey::Integer("ind".to_owned()),
            order_by: None,
            keeps_first: false,
        }
    }

    fn key(ind: i64, arrival_micros: i64, number: u64, rules: i32) -> RowKey<i64> {
        RowKey {
            key: ind,
            version: Version {
                order: i64::MIN,
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

    fn latest(mut keys: Vec<RowKey<i64>>) -> (Vec<RowKey<i64>>, MergeCounts) {
        let mut counts = MergeCounts::default();
        keep_latest(&mut keys, &latest_rules(), &mut counts);
        (keys, counts)
    }

    #[test]
    fn a_row_key_has_72_bytes() {
        assert_eq!(size_of::<RowKey<i64>>(), 72);
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
            for pair in [
                vec![one.clone(), other.clone()],
                vec![other.clone(), one.clone()],
            ] {
                let (mut keys, mut counts) = (pair, MergeCounts::default());
                let undecided = keep_latest(&mut keys, &latest_rules(), &mut counts);
                assert_eq!(undecided == [1], is_undecided, "{one:?} {other:?}");
            }
        }
        // A key is reported once, and it is its latest version that matters.
        let mut keys = vec![of(0, 9, 1), of(0, 8, 2), of(0, 7, 3), of(0, 1, 0)];
        assert_eq!(
            keep_latest(&mut keys, &latest_rules(), &mut MergeCounts::default()),
            [1]
        );
        let mut keys = vec![of(0, 9, 9), of(0, 3, 4), of(0, 2, 5)];
        let undecided = keep_latest(&mut keys, &latest_rules(), &mut MergeCounts::default());
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
                let entry = expected.entry(key.key).or_insert(key.version);
                *entry = (*entry).max(key.version);
            }
            let (kept, counts) = latest(keys);
            prop_assert_eq!((kept.clone(), counts), latest(shuffled));
            prop_assert_eq!(counts.rows_in, kept.len() as u64 + counts.superseded + counts.repeated);
            let kept: BTreeMap<_, _> = kept.into_iter().map(|key| (key.key, key.version)).collect();
            prop_assert_eq!(kept, expected);
        }
    }
}
