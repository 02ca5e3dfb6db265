//! What tells the rows of a table apart: its key, or its replacement where each record is kept.

use std::fmt::{self, Write as _};

use arrow::array::{Array as _, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use jiff::Timestamp;
use lake::schema;
use model::{ColumnType, Merge as MergeKind, Table};
use serde_json::Value;

use super::versions::{RowKey, column, primitive};
use crate::error::RowsError;

/// How the rows of a table are told apart, and which of them stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowRules {
    pub(crate) key: TableKey,
    /// Column that says which row of a key is the latest.
    pub(crate) order_by: Option<String>,
    /// Whether the first of the rows with one key stays, and not the latest.
    pub(crate) keeps_first: bool,
}

/// What tells rows apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TableKey {
    /// A column of whole numbers.
    Integer(String),
    /// A column of texts.
    Text(String),
    /// Several columns together.
    Columns(Vec<String>),
    /// The record that a row comes from, and its place in it.
    Record,
}

impl RowRules {
    /// Returns the rules of a table.
    pub(crate) fn of(table: &Table) -> Self {
        let name = |place: usize| table.columns.get(place).map(|column| column.name.clone());
        let key = match (&table.merge, table.key_column()) {
            (MergeKind::Append { dedupe }, _) if dedupe.is_empty() => TableKey::Record,
            (MergeKind::Append { dedupe }, _) => {
                TableKey::Columns(dedupe.iter().filter_map(|place| name(*place)).collect())
            }
            (MergeKind::Latest, Some(column)) if column.data_type == ColumnType::Int64 => {
                TableKey::Integer(column.name.clone())
            }
            (MergeKind::Latest, Some(column)) => TableKey::Text(column.name.clone()),
            // The model has a key for each table that keeps the latest.
            (MergeKind::Latest, None) => TableKey::Record,
        };
        Self {
            keeps_first: matches!(key, TableKey::Columns(_)),
            key,
            order_by: table.order_by.and_then(name),
        }
    }

    /// Returns the columns of a row's key and version.
    pub(crate) fn columns(&self) -> Vec<&str> {
        let mut columns = self.key.columns();
        columns.extend(self.order_by.as_deref());
        for name in [
            schema::SHARD,
            schema::SEQUENCE,
            schema::ARRIVAL,
            schema::RULES,
        ] {
            if !columns.contains(&name) {
                columns.push(name);
            }
        }
        columns
    }
}

impl TableKey {
    /// Returns the columns that are the key.
    pub(crate) fn columns(&self) -> Vec<&str> {
        match self {
            Self::Integer(name) | Self::Text(name) => vec![name],
            Self::Columns(names) => names.iter().map(String::as_str).collect(),
            Self::Record => vec![schema::SHARD, schema::SEQUENCE],
        }
    }

    /// Returns the range of a file's keys, from the statistics of the log.
    pub(crate) fn range_of_file(&self, stats: &Value) -> Option<KeyRange> {
        let bounds = |name: &str| {
            let bound = |of: &str| stats.get(of)?.get(name).cloned();
            bound("minValues").zip(bound("maxValues"))
        };
        match self {
            Self::Integer(name) => {
                let (low, high) = bounds(name)?;
                Some(KeyRange::Integer(low.as_i64()?, high.as_i64()?))
            }
            Self::Text(name) => {
                let (low, high) = bounds(name)?;
                let text = |bound: &Value| bound.as_str().map(str::to_owned);
                Some(KeyRange::Text(text(&low)?, text(&high)?))
            }
            // A record that comes again has the arrival that it had.
            Self::Record => {
                let (low, high) = bounds(schema::ARRIVAL)?;
                let micros = |bound: &Value| {
                    let time: Timestamp = bound.as_str()?.parse().ok()?;
                    Some(time.as_microsecond())
                };
                Some(KeyRange::Arrival(micros(&low)?, micros(&high)?))
            }
            Self::Columns(_) => None,
        }
    }

    /// Returns the range of sorted keys.
    pub(crate) fn range_of_keys<K: Key>(&self, keys: &[RowKey<K>]) -> Option<KeyRange> {
        match self {
            Self::Integer(_) | Self::Text(_) => {
                let (first, last) = keys.first().zip(keys.last())?;
                K::range(&first.key, &last.key)
            }
            Self::Record => {
                let arrivals = keys.iter().map(|key| key.version.record().1);
                let (low, high) = arrivals.clone().min().zip(arrivals.max())?;
                Some(KeyRange::Arrival(low, high))
            }
            Self::Columns(_) => None,
        }
    }
}

/// The least and the greatest of some keys, or of the times at which their records arrived, in microseconds since 1970-01-01 UTC. A text's
/// bounds may be cut, so that they hold more than the keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KeyRange {
    Integer(i64, i64),
    Text(String, String),
    Arrival(i64, i64),
}

impl KeyRange {
    /// Tells whether nothing can be in both ranges.
    pub(crate) fn is_apart_from(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Integer(low, high), Self::Integer(other_low, other_high))
            | (Self::Arrival(low, high), Self::Arrival(other_low, other_high)) => {
                high < other_low || other_high < low
            }
            (Self::Text(low, high), Self::Text(other_low, other_high)) => {
                high < other_low || other_high < low
            }
            _ => false,
        }
    }
}

/// The value of a key.
pub(crate) trait Key:
    Clone + Default + fmt::Debug + fmt::Display + Ord + Send + Sync + 'static
{
    /// Keys that are in memory at once while tables are gone over.
    const PER_PASS: u64;

    /// Reads the key of each row.
    fn read(batch: &RecordBatch, key: &TableKey) -> Result<Vec<Self>, RowsError>;

    /// Returns a number whose lower bits depend on all of the key, the same in every build.
    fn hash(&self) -> u64;

    fn range(first: &Self, last: &Self) -> Option<KeyRange>;
}

impl Key for i64 {
    /// 16 bytes each with their places.
    const PER_PASS: u64 = 16_000_000;

    fn read(batch: &RecordBatch, key: &TableKey) -> Result<Vec<Self>, RowsError> {
        let columns = key.columns();
        let name = columns.first().copied().unwrap_or_default();
        Ok(primitive::<Int64Type>(batch, name)?.to_vec())
    }

    fn hash(&self) -> u64 {
        // Fibonacci hashing: the upper bits depend on all of the key.
        self.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
    }

    fn range(first: &Self, last: &Self) -> Option<KeyRange> {
        Some(KeyRange::Integer(*first, *last))
    }
}

/// A text, or what several columns come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TextKey(Box<str>);

impl fmt::Display for TextKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl Key for TextKey {
    /// Some 70 bytes each with their places.
    const PER_PASS: u64 = 4_000_000;

    fn read(batch: &RecordBatch, key: &TableKey) -> Result<Vec<Self>, RowsError> {
        let names = key.columns();
        let mut columns = Vec::with_capacity(names.len());
        for name in &names {
            columns.push(cast(column(batch, name)?, &DataType::Utf8)?);
        }
        let texts: Vec<_> = columns.iter().map(AsArray::as_string::<i32>).collect();
        let is_single = matches!(key, TableKey::Text(_));
        if let (true, Some((only, name))) = (is_single, texts.first().zip(names.first())) {
            if only.null_count() > 0 {
                return Err(RowsError::MissingColumn((*name).to_owned()));
            }
            return Ok(only
                .iter()
                .map(|text| Self(text.unwrap_or_default().into()))
                .collect());
        }
        let row = |row: usize| {
            let mut key = String::new();
            for text in &texts {
                // The length keeps the parts apart, and null is another value than any text.
                if text.is_null(row) {
                    key.push('-');
                } else {
                    let value = text.value(row);
                    // Writing to a string does not fail.
                    let _ = write!(key, "{}:{value}", value.len());
                }
            }
            Self(key.into())
        };
        Ok((0..batch.num_rows()).map(row).collect())
    }

    fn hash(&self) -> u64 {
        // FNV-1a, and its upper bits.
        let hash = self
            .0
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
            });
        hash ^ hash >> 32
    }

    fn range(first: &Self, last: &Self) -> Option<KeyRange> {
        Some(KeyRange::Text(first.0.to_string(), last.0.to_string()))
    }
}
