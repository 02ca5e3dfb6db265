//! New rows against the rows that a curated table has: which of either stay.

use std::sync::Arc;

use arrow::datatypes::Int64Type;
use daily_report::summary::FoldCounts;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::ObjectStore;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use parquet::arrow::async_reader::{ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder};

use crate::DailyError;
use crate::error::RowsError;
use crate::remote_file::RemoteFile;
use crate::table::CuratedFile;
use crate::tasks::{join, workers};
use crate::versions::{Contest, KEY_COLUMNS, RowKey, contest, primitive, versions};

/// What the table has to give up.
pub(crate) struct Matches {
    /// For each file the places of the rows that a new one replaces, in ascending order.
    pub(crate) replaced: Vec<Vec<u32>>,
}

/// A row of a file and the new row with the same `ind`, as places in the file and in the list of new rows.
type Pair = (u32, u32);

/// Drops those new rows that the table has already, or has a later version of, and finds the rows that the others replace.
///
/// `keys` are sorted by `ind`, one each. Of the files, only the column `ind` is read, and nothing of those whose range of
/// `ind`s holds no new row; the versions are read for the rows that meet one. Rows of the table are not kept in memory.
pub(crate) async fn match_table(
    store: &Arc<dyn ObjectStore>,
    files: &[CuratedFile],
    keys: &mut Vec<RowKey>,
    counts: &mut FoldCounts,
) -> Result<Matches, DailyError> {
    let inds: Arc<Vec<i64>> = Arc::new(keys.iter().map(|key| key.ind).collect());
    let pairs: Vec<Vec<Pair>> = stream::iter(files)
        .map(|file| {
            let task = tokio::spawn(pairs(Arc::clone(store), file.clone(), Arc::clone(&inds)));
            async { join(task).await? }
        })
        .buffered(workers())
        .try_collect()
        .await?;

    let mut replaced = Vec::with_capacity(files.len());
    let mut dropped = Vec::new();
    for (file, pairs) in files.iter().zip(pairs) {
        let mut rows = Vec::new();
        if !pairs.is_empty() {
            let old = old_versions(store, file, &pairs)
                .await
                .map_err(|error| unreadable(file, error))?;
            for ((row, place), old) in pairs.into_iter().zip(old) {
                let Some(key) = keys.get(place as usize) else {
                    continue;
                };
                match contest(&key.version, &old) {
                    Contest::Updates => {
                        counts.updated += 1;
                        rows.push(row);
                        continue;
                    }
                    Contest::Repeats => counts.repeated += 1,
                    Contest::IsSuperseded => counts.superseded += 1,
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
    Ok(Matches { replaced })
}

fn unreadable(file: &CuratedFile, source: RowsError) -> DailyError {
    DailyError::CuratedFile {
        key: file.path.to_string(),
        source,
    }
}

/// Finds the rows of a file whose `ind` a new row has.
async fn pairs(
    store: Arc<dyn ObjectStore>,
    file: CuratedFile,
    inds: Arc<Vec<i64>>,
) -> Result<Vec<Pair>, DailyError> {
    let is_outside = match (file.inds, inds.first(), inds.last()) {
        (_, None, _) | (_, _, None) => true,
        (Some((low, high)), Some(smallest), Some(greatest)) => *greatest < low || high < *smallest,
        (None, ..) => false,
    };
    if is_outside {
        return Ok(Vec::new());
    }
    find_pairs(store, &file, &inds)
        .await
        .map_err(|error| unreadable(&file, error))
}

async fn find_pairs(
    store: Arc<dyn ObjectStore>,
    file: &CuratedFile,
    inds: &[i64],
) -> Result<Vec<Pair>, RowsError> {
    let mut pairs = Vec::new();
    let mut row = 0;
    let mut batches = read(&store, file, &["ind"], None).await?;
    while let Some(batch) = batches.try_next().await? {
        for ind in primitive::<Int64Type>(&batch, "ind")? {
            if let Ok(place) = inds.binary_search(ind) {
                pairs.push((row, u32::try_from(place).unwrap_or(u32::MAX)));
            }
            row += 1;
        }
    }
    Ok(pairs)
}

/// Reads the versions of the rows of pairs.
async fn old_versions(
    store: &Arc<dyn ObjectStore>,
    file: &CuratedFile,
    pairs: &[Pair],
) -> Result<Vec<crate::versions::Version>, RowsError> {
    let mut selectors = Vec::new();
    let mut next = 0;
    for (row, _) in pairs {
        selectors.push(RowSelector::skip((row - next) as usize));
        selectors.push(RowSelector::select(1));
        next = row + 1;
    }
    let selection = RowSelection::from(selectors);
    let mut batches = read(store, file, &KEY_COLUMNS, Some(selection)).await?;
    let mut old = Vec::with_capacity(pairs.len());
    while let Some(batch) = batches.try_next().await? {
        for version in versions(&batch)? {
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
    let mut builder = ParquetRecordBatchStreamBuilder::new(reader).await?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    if let Some(selection) = selection {
        builder = builder.with_row_selection(selection);
    }
    Ok(builder.with_projection(mask).build()?)
}

/// Reads the `ind` of every row of a table's files.
pub(crate) async fn read_inds(
    store: &Arc<dyn ObjectStore>,
    files: &[CuratedFile],
) -> Result<Vec<i64>, DailyError> {
    let mut inds = Vec::new();
    for file in files {
        let failed = |error| unreadable(file, error);
        let mut batches = read(store, file, &["ind"], None).await.map_err(failed)?;
        while let Some(batch) = batches
            .try_next()
            .await
            .map_err(|error| failed(error.into()))?
        {
            inds.extend_from_slice(primitive::<Int64Type>(&batch, "ind").map_err(failed)?);
        }
    }
    Ok(inds)
}
