//! Clean objects → a curated table with one row per `ind`.

pub(crate) mod counts;
pub(crate) mod matching;
mod versions;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use event_model::{Kind, chain};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::civil::Date;
use lake::schema;
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tracing::{error, info, instrument};

use crate::DailyError;
use crate::error::RowsError;
use crate::storage::clean::{self, CleanObject, arrival_hour};
use crate::storage::objects::fetch_version;
use crate::storage::parquet_input::plain_types;
use crate::table::change::{Change, Committed, MergeNote, Reason, RowChange, evolved};
use crate::table::delta::CuratedTable;
use crate::table::files::CuratedFile;
use crate::table::manifest::Manifest;
use crate::table::rewrite::{Rows, Source, Target, conform, rewrite};
use crate::work::{Work, join, join_reader, workers};
use counts::{MergeOutcome, merge_counts};
use matching::{Places, find_duplicates, match_table};
use versions::{KEY_COLUMNS, RowKey, append_keys, keep_latest};

/// Most bytes of objects that are kept between the two times that a merge reads them.
const CACHE_BYTES: usize = 192 << 20;
/// Objects that are fetched at once: a request waits some 30 ms for its first byte.
const FETCHES: usize = 16;
/// How often a merge begins again because somebody else changed the table, or an object that it was reading.
const ATTEMPTS: u32 = 10;

/// Merges every clean object of a kind that arrived by the end of `through` and that the table does not hold yet.
///
/// The result depends on the set of rows alone: objects may come late, twice, or cut in other ways, the merge may be killed
/// and repeated, and two may run at once. One commit makes the new rows visible, and notes which attempt at `through` made
/// it. An object that cannot be read is noted in the manifest and left alone until it changes.
#[instrument(skip_all, fields(kind = %kind))]
pub(crate) async fn merge(
    work: &Work,
    kind: Kind,
    through: Date,
    attempt: u32,
) -> Result<MergeOutcome, DailyError> {
    let mut merge = Merge {
        work,
        through,
        attempt,
        unreadable: HashMap::new(),
        has_duplicates: false,
    };
    let mut times = 0;
    while times < ATTEMPTS {
        let table = CuratedTable::open_or_create(&work.lake, kind).await?;
        match merge.merge(table).await {
            Ok(Some(outcome)) => {
                info!(
                    merge.objects = outcome.counts.objects,
                    merge.rows_in = outcome.counts.rows_in,
                    merge.inserted = outcome.counts.inserted,
                    merge.updated = outcome.counts.updated,
                    "Merged {} objects of {kind}: {} rows",
                    outcome.counts.objects,
                    outcome.counts.rows_in,
                );
                return Ok(outcome);
            }
            // Each time, one object less is read.
            Err(DailyError::CleanObject { key, source }) => {
                merge.unreadable.insert(key, source);
            }
            Ok(None) | Err(DailyError::Changed { .. }) => times += 1,
            Err(error) => return Err(error),
        }
    }
    Err(DailyError::Contention { kind, times })
}

/// One merge, which may begin several times.
struct Merge<'a> {
    work: &'a Work,
    through: Date,
    attempt: u32,
    /// Objects that turned out to be unreadable, by key.
    unreadable: HashMap<String, RowsError>,
    /// Whether the table was found to have an `ind` twice.
    has_duplicates: bool,
}

impl Merge<'_> {
    /// Merges into this version of the table; `None` when it has to begin again.
    async fn merge(&mut self, table: CuratedTable) -> Result<Option<MergeOutcome>, DailyError> {
        let (store, kind) = (self.work.lake.store(), table.kind());
        let (mut manifest, is_own_state) = table.manifest().await?;
        let listed = clean::list(store.as_ref(), kind, self.through).await?;
        let new: Vec<_> = listed
            .iter()
            .filter(|object| !manifest.holds(object))
            .cloned()
            .collect();
        let (unreadable, new): (Vec<_>, Vec<_>) = new
            .into_iter()
            .partition(|object| self.unreadable.contains_key(object.path.as_ref()));
        let table_schema = table.schema()?;
        let files = table.files().await?;
        let read = read_keys(&store, kind, new, &table_schema).await?;
        let new_schema = evolved(&table_schema, &read.schema);

        // Only other programs put an `ind` into a table twice, and they leave a state that has no manifest.
        let gone = if is_own_state && !self.has_duplicates {
            vec![Vec::new(); files.len()]
        } else {
            find_duplicates(&store, kind, &files).await?
        };
        let healed: usize = gone.iter().map(Vec::len).sum();
        let is_idle = read.objects.is_empty() && unreadable.is_empty() && healed == 0;
        if is_idle && new_schema.is_none() {
            return Ok(Some(unchanged(&table, &files, &manifest)));
        }

        let mut outcome = MergeOutcome {
            changes: read.changes,
            ..MergeOutcome::default()
        };
        outcome.counts.objects = read.objects.len() as u64;
        outcome.counts.healed = healed as u64;
        let (mut keys, mut counts) = (read.keys, outcome.counts);
        let sorted = tokio::task::spawn_blocking(move || {
            let undecided = keep_latest(&mut keys, &mut counts);
            (keys, counts, undecided)
        });
        let (mut keys, mut undecided);
        (keys, outcome.counts, undecided) = join(sorted).await?;
        let counts = &mut outcome.counts;
        let matched = match_table(
            &store,
            kind,
            &files,
            &mut keys,
            counts,
            &gone,
            &mut undecided,
        );
        let Some(replaced) = matched.await? else {
            self.has_duplicates = true;
            return Ok(None);
        };
        outcome.counts.inserted = keys.len() as u64 - outcome.counts.updated;
        outcome.count_undecided(kind, undecided);

        let mut sources = sources(&read.objects, keys);
        let removes = replace(files, replaced, gone, &mut sources);
        let target = Target {
            kind,
            schema: new_schema.clone().unwrap_or(table_schema),
            sizes: self.work.sizes,
            at_ms: self.work.clock.unix_millis(),
        };
        let adds = rewrite(&store, sources, read.cached, target).await?;

        for (object, rows) in &read.objects {
            manifest.insert(object, *rows);
        }
        outcome.rows_of_earlier_days = rows_before(self.through, &read.objects);
        self.note_unreadable(&unreadable, &mut manifest);
        manifest.retain_listed(&listed, self.through);
        outcome.unreadable = manifest.unreadable().count() as u64;
        let change = Change {
            adds,
            removes,
            schema: new_schema,
            manifest,
            rows: RowChange {
                inserted: outcome.counts.inserted,
                removed: outcome.counts.healed,
            },
        };
        let reason = Reason::Merge(MergeNote {
            run_date: self.through,
            attempt: self.attempt,
            counts: merge_counts(&outcome),
        });
        let Some(committed) = table.commit(change, reason).await? else {
            return Ok(None);
        };
        outcome.table = committed;
        Ok(Some(outcome))
    }

    /// Notes the objects that this merge leaves out.
    fn note_unreadable(&self, objects: &[CleanObject], manifest: &mut Manifest) {
        for object in objects {
            let reason = self.unreadable.get(object.path.as_ref());
            let reason = reason.map(chain).unwrap_or_default();
            error!(lake.key = %object.path, lake.version = object.version, error = reason, "Left `{}` out: it cannot be read", object.path);
            manifest.insert_unreadable(object, reason);
        }
    }
}

/// Returns what a merge did that found nothing to do.
fn unchanged(table: &CuratedTable, files: &[CuratedFile], manifest: &Manifest) -> MergeOutcome {
    let rows = files.iter().map(|file| file.rows).sum();
    MergeOutcome {
        table: Committed {
            version: table.version(),
            rows_before: rows,
            rows_after: rows,
        },
        unreadable: manifest.unreadable().count() as u64,
        ..MergeOutcome::default()
    }
}

/// Counts the rows of objects that arrived before a day, by their own day.
fn rows_before(day: Date, objects: &[(CleanObject, u64)]) -> BTreeMap<Date, u64> {
    let mut counts = BTreeMap::new();
    for (object, rows) in objects {
        let arrival = arrival_hour(object.path.as_ref()).map(|hour| hour.date);
        if let Some(date) = arrival.filter(|date| *date < day) {
            *counts.entry(date).or_default() += rows;
        }
    }
    counts
}

/// Returns the files that lose rows, and makes sources of the rows that stay of them.
fn replace(
    files: Vec<CuratedFile>,
    replaced: Places,
    gone: Places,
    sources: &mut Vec<Source>,
) -> Vec<CuratedFile> {
    let mut removes = Vec::new();
    for ((file, mut rows), gone) in files.into_iter().zip(replaced).zip(gone) {
        rows.extend(gone);
        if rows.is_empty() {
            continue;
        }
        rows.sort_unstable();
        if (rows.len() as u64) < file.rows {
            sources.push(Source {
                path: file.path.clone(),
                e_tag: None,
                size: file.size,
                rows: Rows::AllBut(rows),
                is_clean: false,
            });
        }
        removes.push(file);
    }
    removes
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
    table: &SchemaRef,
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
            let e_tag = object.e_tag.as_deref();
            let bytes = fetch_version(store.as_ref(), &object.path, e_tag).await?;
            Ok::<_, DailyError>((object, index, bytes))
        })
        .buffered(FETCHES);
    // Few are decoded at once, so that those which wait do not fill the memory.
    let mut decoded = fetched
        .map_ok(|(object, index, bytes)| {
            let table = Arc::clone(table);
            read_object(object, index, bytes, table)
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

async fn read_object(
    object: CleanObject,
    index: u32,
    bytes: Bytes,
    table: SchemaRef,
) -> Result<ReadObject, DailyError> {
    let read = bytes.clone();
    let task = tokio::task::spawn_blocking(move || read_rows(index, read, &table));
    match join_reader(task).await {
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

fn read_rows(index: u32, bytes: Bytes, table: &SchemaRef) -> Result<Read, RowsError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, plain_types())?;
    let schema = Arc::clone(builder.schema());
    // A column of another type is found before any row is merged.
    conform(&RecordBatch::new_empty(Arc::clone(&schema)), table)?;
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
                e_tag: object.e_tag.clone(),
                size: object.size,
                rows: Rows::Only(rows),
                is_clean: true,
            }
        })
        .collect()
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
