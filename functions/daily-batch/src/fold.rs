//! Clean objects → a curated table with one row per `ind`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use daily_report::summary::FoldCounts;
use event_model::{Clock, Kind};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::civil::Date;
use lake::schema;
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tracing::{info, instrument};

use crate::DailyError;
use crate::clean::{self, CleanObject, Manifest};
use crate::error::RowsError;
use crate::lake_store::Lake;
use crate::matching::{Matches, match_table};
use crate::objects::fetch;
use crate::rewrite::{Rows, Source, Target, rewrite};
use crate::summary::fold_counts;
use crate::table::{Change, CuratedTable, FoldNote, evolved, folder, merge_operation};
use crate::tasks::{join, workers};
use crate::versions::{KEY_COLUMNS, RowKey, append_keys, keep_latest};

/// Size of a curated file, in bytes: large enough that listing and opening files costs little, as Spark's optimised writes.
pub(crate) const FILE_BYTES: usize = 128 << 20;
/// Most bytes of objects that are kept between the two times that a fold reads them.
const CACHE_BYTES: usize = 192 << 20;
/// Objects that are fetched at once: a request waits some 30 ms for its first byte.
const FETCHES: usize = 16;
/// How often a fold begins again because somebody else changed the table.
const ATTEMPTS: u32 = 5;

/// What a fold did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FoldOutcome {
    pub(crate) counts: FoldCounts,
    /// Values changed by each rule in the objects of this fold.
    pub(crate) changes: BTreeMap<String, u64>,
}

/// Folds every clean object of a kind that arrived by the end of `through` and that the table does not hold yet.
///
/// The result depends on the set of rows alone: objects may come late, twice, or cut in other ways, the fold may be killed
/// and repeated, and two may run at once. One commit makes the new rows and the manifest of the objects visible together,
/// and notes which attempt at `through` made it.
#[instrument(skip_all, fields(kind = %kind))]
pub(crate) async fn fold(
    lake: &Lake,
    kind: Kind,
    through: Date,
    attempt: u32,
    clock: &Clock,
) -> Result<FoldOutcome, DailyError> {
    for _ in 0..ATTEMPTS {
        let table = CuratedTable::open_or_create(lake, kind).await?;
        if let Some(outcome) = fold_into(lake, table, through, attempt, clock).await? {
            info!(
                fold.objects = outcome.counts.objects,
                fold.rows_in = outcome.counts.rows_in,
                fold.inserted = outcome.counts.inserted,
                fold.updated = outcome.counts.updated,
                "Folded {} objects of {kind}: {} rows",
                outcome.counts.objects,
                outcome.counts.rows_in,
            );
            return Ok(outcome);
        }
    }
    Err(DailyError::Contention {
        kind,
        times: ATTEMPTS,
    })
}

/// Folds into this version of the table; `None` when it is not the newest any more.
async fn fold_into(
    lake: &Lake,
    table: CuratedTable,
    through: Date,
    attempt: u32,
    clock: &Clock,
) -> Result<Option<FoldOutcome>, DailyError> {
    let (store, kind) = (lake.store(), table.kind());
    let number = table.manifest().await?;
    let mut manifest = match number {
        Some(number) => Manifest::read(store.as_ref(), kind, number).await?,
        None => Manifest::default(),
    };
    let listed = clean::list(store.as_ref(), kind, through).await?;
    let new: Vec<_> = listed
        .iter()
        .filter(|object| !manifest.holds(object))
        .cloned()
        .collect();
    let table_schema = table.schema()?;
    let read = read_keys(&store, kind, new).await?;
    let new_schema = evolved(&table_schema, &read.schema);
    if read.objects.is_empty() && new_schema.is_none() {
        return Ok(Some(FoldOutcome::default()));
    }

    let mut outcome = FoldOutcome {
        changes: read.changes,
        ..FoldOutcome::default()
    };
    outcome.counts.objects = read.objects.len() as u64;
    let (mut keys, mut counts) = (read.keys, outcome.counts);
    let sorted = tokio::task::spawn_blocking(move || {
        keep_latest(&mut keys, &mut counts);
        (keys, counts)
    });
    let mut keys;
    (keys, outcome.counts) = join(sorted).await?;
    let files = table.files()?;
    let Matches { replaced } = match_table(&store, &files, &mut keys, &mut outcome.counts).await?;
    outcome.counts.inserted = keys.len() as u64 - outcome.counts.updated;

    let mut sources = sources(&read.objects, keys);
    let mut removes = Vec::new();
    for (file, rows) in files.into_iter().zip(replaced) {
        if rows.is_empty() {
            continue;
        }
        sources.push(Source {
            path: file.path.clone(),
            size: file.size,
            rows: Rows::AllBut(rows),
            is_clean: false,
        });
        removes.push(file);
    }
    let target = Target {
        folder: folder(kind),
        schema: new_schema.clone().unwrap_or(table_schema),
        file_bytes: FILE_BYTES,
        at_ms: clock.unix_millis(),
    };
    let adds = rewrite(&store, sources, read.cached, target).await?;

    for (object, rows) in &read.objects {
        manifest.insert(object, *rows);
    }
    manifest.retain_listed(&listed, through);
    let number = manifest
        .write(store.as_ref(), kind, number.unwrap_or_default())
        .await?;
    let change = Change {
        adds,
        removes,
        schema: new_schema,
        manifest: Some(number),
        note: Some(FoldNote {
            run_date: through,
            attempt,
            counts: fold_counts(&outcome),
        }),
    };
    if !table.commit(change, merge_operation()).await? {
        return Ok(None);
    }
    Manifest::delete_old(store.as_ref(), kind, number).await?;
    Ok(Some(outcome))
}

/// What the first reading of the new objects brought.
struct ReadKeys {
    /// The objects, each with its rows.
    objects: Vec<(CleanObject, u64)>,
    keys: Vec<RowKey>,
    /// The columns that the pipeline knows, and those that only the objects have.
    schema: SchemaRef,
    changes: BTreeMap<String, u64>,
    /// Objects that need not be fetched again.
    cached: HashMap<Path, Bytes>,
}

/// What one object brought.
struct ReadObject {
    object: CleanObject,
    bytes: Bytes,
    keys: Vec<RowKey>,
    schema: SchemaRef,
    changes: BTreeMap<String, u64>,
}

async fn read_keys(
    store: &Arc<dyn ObjectStore>,
    kind: Kind,
    objects: Vec<CleanObject>,
) -> Result<ReadKeys, DailyError> {
    let mut read = ReadKeys {
        objects: Vec::with_capacity(objects.len()),
        keys: Vec::new(),
        schema: schema::schema(kind),
        changes: BTreeMap::new(),
        cached: HashMap::new(),
    };
    let mut cached_bytes = 0;
    let fetched = stream::iter(objects.into_iter().zip(0..))
        .map(|(object, index)| async move {
            let bytes = fetch(store.as_ref(), &object.path).await?;
            Ok::<_, DailyError>((object, index, bytes))
        })
        .buffered(FETCHES);
    // Few are decoded at once, so that those which wait do not fill the memory.
    let mut decoded = fetched
        .map_ok(|(object, index, bytes)| async move {
            let task = tokio::task::spawn_blocking(move || read_object(object, index, bytes));
            join(task).await?
        })
        .try_buffered(workers());
    while let Some(object) = decoded.try_next().await? {
        if let Some(schema) = evolved(&read.schema, &object.schema) {
            read.schema = schema;
        }
        for (rule, count) in object.changes {
            *read.changes.entry(rule).or_default() += count;
        }
        if cached_bytes + object.bytes.len() <= CACHE_BYTES {
            cached_bytes += object.bytes.len();
            read.cached.insert(object.object.path.clone(), object.bytes);
        }
        read.objects.push((object.object, object.keys.len() as u64));
        read.keys.extend(object.keys);
    }
    Ok(read)
}

fn read_object(object: CleanObject, index: u32, bytes: Bytes) -> Result<ReadObject, DailyError> {
    match read_rows(index, bytes.clone()) {
        Ok((keys, schema, changes)) => Ok(ReadObject {
            object,
            bytes,
            keys,
            schema,
            changes,
        }),
        Err(source) => Err(DailyError::CleanObject {
            key: object.path.into(),
            source,
        }),
    }
}

type Read = (Vec<RowKey>, SchemaRef, BTreeMap<String, u64>);

fn read_rows(index: u32, bytes: Bytes) -> Result<Read, RowsError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
    let schema = Arc::clone(builder.schema());
    let changes = lake::writer::changes(builder.metadata().file_metadata());
    let mask = ProjectionMask::columns(builder.parquet_schema(), KEY_COLUMNS);
    let mut keys = Vec::new();
    for batch in builder.with_projection(mask).build()? {
        let first_row = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        append_keys(&mut keys, &batch?, index, first_row)?;
    }
    Ok((keys, schema, changes))
}

/// Returns the chosen rows of each object, and takes the keys apart.
fn sources(objects: &[(CleanObject, u64)], keys: Vec<RowKey>) -> Vec<Source> {
    let mut rows: Vec<Vec<u32>> = vec![Vec::new(); objects.len()];
    for key in keys {
        if let Some(rows) = rows.get_mut(key.object as usize) {
            rows.push(key.row);
        }
    }
    let sources = objects
        .iter()
        .zip(rows)
        .filter(|(_, rows)| !rows.is_empty());
    sources
        .map(|((object, _), mut rows)| {
            // They come sorted by `ind`.
            rows.sort_unstable();
            Source {
                path: object.path.clone(),
                size: object.size,
                rows: Rows::Only(rows),
                is_clean: true,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
