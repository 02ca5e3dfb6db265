//! New rows against the rows that a curated table has: which of either stay.

use std::collections::HashMap;
use std::sync::Arc;

use daily_report::summary::MergeCounts;
use event_model::Kind;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::ObjectStore;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use parquet::arrow::async_reader::{ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder};
use parquet::errors::ParquetError;
use tracing::error;

use super::keys::{Key, RowRules, TableKey};
use super::versions::{Precedence, RowKey, Version, precedence, versions};
use crate::DailyError;
use crate::error::RowsError;
use crate::storage::parquet_input::plain_types;
use crate::storage::remote_file::RemoteFile;
use crate::table::files::CuratedFile;
use crate::work::{join, workers};

/// For each file of a table the places of rows that must go, in ascending order.
pub(crate) type Places = Vec<Vec<u32>>;

/// A row of a file and the new row with the same key, as places in the file and in the list of new rows.
type Pair = (u32, u32);

/// A row of a table that shares its key with others, as the file's place in the list of files and the row's in the file.
type Row<K> = (K, u32, u32);

/// Drops those new rows that the table has already, or has a later version of, and finds the rows that the others replace.
///
/// `keys` are sorted, one each. Of the files, only the columns of the key are read, and nothing of those whose range of keys holds no new
/// row; the versions are read for the rows that meet one. Rows of the table are not kept in memory. `gone` are rows that are as good as
/// removed; `undecided` gets the keys of which nobody can say whether the table's row or the new one is later. Returns `None` when the
/// table has a key twice that a new row has too.
pub(crate) async fn match_table<K: Key>(
    store: &Arc<dyn ObjectStore>,
    (kind, rules): (Kind, &RowRules),
    files: &[CuratedFile],
    keys: &mut Vec<RowKey<K>>,
    counts: &mut MergeCounts,
    gone: &Places,
    undecided: &mut Vec<K>,
) -> Result<Option<Places>, DailyError> {
    let range = rules.key.range_of_keys(keys);
    let values: Arc<Vec<K>> = Arc::new(keys.iter().map(|key| key.key.clone()).collect());
    let pairs: Vec<Vec<Pair>> = stream::iter(files)
        .map(|file| {
            let is_apart = match (&file.range, &range) {
                (Some(of_file), Some(of_keys)) => of_file.is_apart_from(of_keys),
                _ => values.is_empty(),
            };
            let (store, file, values) = (Arc::clone(store), file.clone(), Arc::clone(&values));
            let key = rules.key.clone();
            let task = tokio::spawn(async move {
                if is_apart {
                    return Ok(Vec::new());
                }
                let found = find_pairs(store, &file, &key, &values).await;
                found.map_err(|error| unreadable(kind, &file, error))
            });
            async { join(task).await? }
        })
        .buffered(workers())
        .try_collect()
        .await?;

    let mut replaced = Vec::with_capacity(files.len());
    let mut dropped = Vec::new();
    let mut is_met = vec![false; keys.len()];
    for ((file, mut pairs), gone) in files.iter().zip(pairs).zip(gone) {
        pairs.retain(|(row, _)| gone.binary_search(row).is_err());
        let mut rows = Vec::new();
        if !pairs.is_empty() {
            let old = old_versions(store, file, rules, pairs.iter().map(|(row, _)| *row))
                .await
                .map_err(|error| unreadable(kind, file, error))?;
            for ((row, place), old) in pairs.into_iter().zip(old) {
                let Some(key) = keys.get(place as usize) else {
                    continue;
                };
                if std::mem::replace(&mut is_met[place as usize], true) {
                    return Ok(None);
                }
                if !rules.keeps_first && key.version.is_undecided(&old) {
                    undecided.push(key.key.clone());
                }
                match precedence(&key.version, &old) {
                    Precedence::Newer => {
                        counts.updated += 1;
                        rows.push(row);
                        continue;
                    }
                    Precedence::SameRecord => counts.repeated += 1,
                    Precedence::Superseded => counts.superseded += 1,
                }
                dropped.push(place as usize);
            }
        }
        replaced.push(rows);
    }
    dropped.sort_unstable();
    let mut dropped = dropped.into_iter().peekable();
    let mut place = 0;
    keys.retain(|_| {
        let is_dropped = dropped.next_if_eq(&place).is_some();
        place += 1;
        !is_dropped
    });
    Ok(Some(replaced))
}

/// A part of the keys: those whose hash ends with these bits. Parts of a large table fit into memory one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyPass {
    bits: u64,
    mask: u64,
}

impl KeyPass {
    /// One of 64 keys.
    pub(crate) const SAMPLE: Self = Self { bits: 0, mask: 63 };

    /// Divides so many rows into parts of about `rows_per_pass`.
    pub(crate) fn passes(rows: u64, rows_per_pass: u64) -> impl Iterator<Item = Self> {
        let passes = rows.div_ceil(rows_per_pass).max(1).next_power_of_two();
        (0..passes).map(move |bits| Self {
            bits,
            mask: passes - 1,
        })
    }

    fn has<K: Key>(self, key: &K) -> bool {
        key.hash() & self.mask == self.bits
    }
}

/// Finds the rows that must go so that each key has one row, the latest.
///
/// A merge never puts a key into a table twice; other programs that write to it may.
pub(crate) async fn find_duplicates<K: Key>(
    store: &Arc<dyn ObjectStore>,
    (kind, rules): (Kind, &RowRules),
    files: &[CuratedFile],
) -> Result<Places, DailyError> {
    let rows = files.iter().map(|file| file.rows).sum();
    let mut gone: Places = vec![Vec::new(); files.len()];
    for pass in KeyPass::passes(rows, K::PER_PASS) {
        let places = duplicates_of::<K>(store, (kind, rules), files, pass).await?;
        for (gone, places) in gone.iter_mut().zip(places) {
            gone.extend(places);
        }
    }
    for rows in &mut gone {
        rows.sort_unstable();
    }
    Ok(gone)
}

async fn duplicates_of<K: Key>(
    store: &Arc<dyn ObjectStore>,
    (kind, rules): (Kind, &RowRules),
    files: &[CuratedFile],
    pass: KeyPass,
) -> Result<Places, DailyError> {
    let mut rows: Vec<Row<K>> = Vec::new();
    for (file, place) in files.iter().zip(0..) {
        let read = read_key_values(store, (kind, rules), file, pass, |key, row| {
            rows.push((key, place, row));
        });
        read.await?;
    }
    rows.sort_unstable();
    let groups: Vec<&[Row<K>]> = rows
        .chunk_by(|a, b| a.0 == b.0)
        .filter(|group| group.len() > 1)
        .collect();
    let mut places: Places = vec![Vec::new(); files.len()];
    for (_, file, row) in groups.iter().copied().flatten() {
        places[*file as usize].push(*row);
    }
    let mut versions = HashMap::new();
    for ((file, place), rows) in files.iter().zip(0_u32..).zip(&mut places) {
        rows.sort_unstable();
        if rows.is_empty() {
            continue;
        }
        let old = old_versions(store, file, rules, rows.iter().copied()).await;
        let old = old.map_err(|error| unreadable(kind, file, error))?;
        versions.extend(rows.iter().map(|row| (place, *row)).zip(old));
    }
    for group in groups {
        let latest = group
            .iter()
            .max_by_key(|(_, file, row)| versions.get(&(*file, *row)));
        if let Some((key, file, row)) = latest {
            error!(kind = %kind, row.key = %key, row.copies = group.len(), "`{kind}` has {key} {} times; the latest version stays", group.len());
            places[*file as usize].retain(|place| place != row);
        }
    }
    Ok(places)
}

fn unreadable(kind: Kind, file: &CuratedFile, source: RowsError) -> DailyError {
    // What could not be fetched may be there the next time; what is damaged or gone will not.
    let source = match source {
        RowsError::Parquet(ParquetError::External(error)) => {
            match error.downcast::<object_store::Error>() {
                Ok(error) if matches!(*error, object_store::Error::NotFound { .. }) => {
                    RowsError::MissingFile
                }
                Ok(error) => return DailyError::lake("read", file.path.as_ref())(*error),
                Err(error) => RowsError::Parquet(ParquetError::External(error)),
            }
        }
        source => source,
    };
    DailyError::CuratedFile {
        kind,
        key: file.path.to_string(),
        source: Box::new(source),
    }
}

/// Finds the rows of a file whose key a new row has.
async fn find_pairs<K: Key>(
    store: Arc<dyn ObjectStore>,
    file: &CuratedFile,
    key: &TableKey,
    keys: &[K],
) -> Result<Vec<Pair>, RowsError> {
    let mut pairs = Vec::new();
    let mut row = 0;
    let mut batches = read(&store, file, &key.columns(), None).await?;
    while let Some(batch) = batches.try_next().await? {
        for value in K::read(&batch, key)? {
            if let Ok(place) = keys.binary_search(&value) {
                pairs.push((row, u32::try_from(place).unwrap_or(u32::MAX)));
            }
            row += 1;
        }
    }
    Ok(pairs)
}

/// Reads the versions of rows of a file, which are in ascending order.
async fn old_versions(
    store: &Arc<dyn ObjectStore>,
    file: &CuratedFile,
    rules: &RowRules,
    rows: impl ExactSizeIterator<Item = u32>,
) -> Result<Vec<Version>, RowsError> {
    let length = rows.len();
    let mut selectors = Vec::new();
    let mut next = 0;
    for row in rows {
        selectors.push(RowSelector::skip((row - next) as usize));
        selectors.push(RowSelector::select(1));
        next = row + 1;
    }
    let selection = RowSelection::from(selectors);
    let mut batches = read(store, file, &rules.columns(), Some(selection)).await?;
    let mut old = Vec::with_capacity(length);
    while let Some(batch) = batches.try_next().await? {
        for version in versions(&batch, rules)? {
            old.push(version?);
        }
    }
    Ok(old)
}

/// Reads columns of a file, a range of bytes at a time.
async fn read(
    store: &Arc<dyn ObjectStore>,
    file: &CuratedFile,
    columns: &[&str],
    selection: Option<RowSelection>,
) -> Result<ParquetRecordBatchStream<RemoteFile>, RowsError> {
    let reader = RemoteFile::new(Arc::clone(store), file.path.clone(), file.size);
    let mut builder =
        ParquetRecordBatchStreamBuilder::new_with_options(reader, plain_types()).await?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    if let Some(selection) = selection {
        builder = builder.with_row_selection(selection);
    }
    Ok(builder.with_projection(mask).build()?)
}

/// Reads the keys of a part of a file's rows, each with its place in the file.
pub(crate) async fn read_key_values<K: Key>(
    store: &Arc<dyn ObjectStore>,
    (kind, rules): (Kind, &RowRules),
    file: &CuratedFile,
    pass: KeyPass,
    mut each: impl FnMut(K, u32),
) -> Result<(), DailyError> {
    let failed = |error| unreadable(kind, file, error);
    let mut row = 0;
    let columns = rules.key.columns();
    let mut batches = read(store, file, &columns, None).await.map_err(failed)?;
    while let Some(batch) = batches
        .try_next()
        .await
        .map_err(|error| failed(error.into()))?
    {
        for key in K::read(&batch, &rules.key).map_err(failed)? {
            if pass.has(&key) {
                each(key, row);
            }
            row += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_in_one_part_and_the_parts_are_alike() {
        let passes: Vec<_> = KeyPass::passes(100, 30).collect();
        assert_eq!(passes.len(), 4);
        let mut counts = vec![0; passes.len()];
        for key in -50_000_i64..50_000 {
            let places: Vec<_> = (0..passes.len())
                .filter(|place| passes[*place].has(&key))
                .collect();
            assert_eq!(places.len(), 1, "{key}");
            counts[places[0]] += 1;
        }
        assert!(
            counts.iter().all(|count| (24_000..26_000).contains(count)),
            "{counts:?}"
        );
        assert_eq!(KeyPass::passes(0, 30).count(), 1);
    }
}
