//! The archive: each record of a sealed date once, in few files.
//!
//! `archive/<table>/month=YYYY-MM/<date>-<n>.parquet`, and beside them the marker `<date>.json`, which names them. Files that no
//! marker names are what a killed run left.

use std::collections::BTreeMap;

use arrow::array::{Array as _, AsArray as _, RecordBatch, UInt64Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::TimestampMicrosecondType;
use event_model::{Kind, ShardId};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{ArrivalHour, LakeError, Sequence, schema};

/// Prefix of the archive.
pub const ARCHIVE_PREFIX: &str = "archive/";

/// What the archive has of a date of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedDate {
    /// Rows of all files.
    pub rows: u64,
    /// Clean objects that they were taken from.
    pub objects: u64,
    /// The files.
    pub files: Vec<ArchivedFile>,
}

/// A file of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedFile {
    /// Its name, beside the marker.
    pub name: String,
    /// Its rows.
    pub rows: u64,
}

/// Returns the key prefix of a month of a table, with a slash at its end.
pub fn month_prefix(kind: Kind, date: Date) -> String {
    format!("{ARCHIVE_PREFIX}{kind}/month={}/", date.strftime("%Y-%m"))
}

/// Returns the key of the marker of a date.
pub fn marker_key(kind: Kind, date: Date) -> String {
    format!("{}{date}.json", month_prefix(kind, date))
}

/// Returns the date whose marker has this key; `None` for other keys.
pub fn marker_date(key: &str) -> Option<Date> {
    let (_, name) = key.rsplit_once('/')?;
    name.strip_suffix(".json")?.parse().ok()
}

/// Rows of one shard and one hour of arrival.
#[derive(Clone, Debug)]
pub struct ArchivedPartition {
    /// The shard.
    pub shard: ShardId,
    /// The hour (UTC).
    pub hour: ArrivalHour,
    /// Where each row was on the stream.
    pub sequences: Vec<Sequence>,
    /// The rows, as they came.
    pub rows: RecordBatch,
}

/// Places of rows in a batch, and where each was on the stream.
type Rows = (Vec<u64>, Vec<Sequence>);

/// Divides rows by shard and hour of arrival.
///
/// # Errors
///
/// When the lineage columns are missing, or do not read back.
pub fn partitions(batch: &RecordBatch) -> Result<Vec<ArchivedPartition>, LakeError> {
    let missing = |name: &'static str| LakeError::MissingColumn(name);
    let column = |name: &'static str| batch.column_by_name(name).ok_or(missing(name));
    let text = |name: &'static str| {
        let column = column(name)?.as_string_opt::<i32>();
        column.ok_or(missing(name))
    };
    let (shards, sequences) = (text(schema::SHARD)?, text(schema::SEQUENCE)?);
    let arrivals = column(schema::ARRIVAL)?.as_primitive_opt::<TimestampMicrosecondType>();
    let arrivals = arrivals.ok_or(missing(schema::ARRIVAL))?;
    let mut places: BTreeMap<(&str, ArrivalHour), Rows> = BTreeMap::new();
    for row in 0..batch.num_rows() {
        if shards.is_null(row) || sequences.is_null(row) || arrivals.is_null(row) {
            return Err(missing(schema::SEQUENCE));
        }
        let hour = ArrivalHour::of(arrivals.value(row));
        let (rows, found) = places.entry((shards.value(row), hour)).or_default();
        rows.push(row as u64);
        found.push(sequences.value(row).parse()?);
    }
    let partitions = places
        .into_iter()
        .map(|((shard, hour), (rows, sequences))| {
            let rows = take_record_batch(batch, &UInt64Array::from(rows));
            Ok(ArchivedPartition {
                shard: shard.parse().map_err(|_| missing(schema::SHARD))?,
                hour,
                sequences,
                rows: rows.map_err(|error| LakeError::ReadParquet(error.into()))?,
            })
        });
    partitions.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_beside_its_files_and_reads_back() {
        let date: Date = "2027-02-20".parse().unwrap();
        let key = marker_key(Kind::named("geo"), date);
        assert_eq!(key, "archive/geo/month=2027-02/2027-02-20.json");
        assert_eq!(marker_date(&key), Some(date));
        assert_eq!(
            marker_date("archive/geo/month=2027-02/2027-02-20-000.parquet"),
            None
        );
    }
}
