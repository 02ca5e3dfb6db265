//! Clean rows of sealed dates → the archive, which contains each record once; and the end of the clean objects that it has.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::datatypes::SchemaRef;
use event_model::Kind;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::ToSpan as _;
use jiff::civil::Date;
use lake::archive::{ArchivedDate, ArchivedFile, marker_date, marker_key, month_prefix};
use lake::{ObjectKey, SequenceRange};
use model::Table;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use tracing::info;

use crate::DailyError;
use crate::merge::keys::{Key, RowRules, TableKey, TextKey};
use crate::merge::plan::Pending;
use crate::merge::read::read_keys;
use crate::merge::sources as merge_sources;
use crate::merge::versions::keep_each_record;
use crate::payload::day_of;
use crate::storage::clean::{CleanObject, list_date};
use crate::storage::objects::{list, put};
use crate::table::change::evolved;
use crate::table::delta::CuratedTable;
use crate::table::manifest::{Manifest, PartOf};
use crate::table::rewrite::{FileNames, Source, Target, rewrite};
use crate::work::{Work, join};

/// Dates of a table that one run archives, at most: the next one goes on.
const DATES_PER_RUN: usize = 31;
/// Objects whose keys are in memory at once, but for those that overlap: some 640,000 rows of full batches.
const CHUNK_OBJECTS: usize = 64;
/// Objects that are deleted at once.
const DELETES: usize = 16;

/// What was archived, and what was deleted from `clean/` because the archive has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Archived {
    pub(crate) dates: u64,
    pub(crate) rows: u64,
    pub(crate) objects_deleted: u64,
}

/// Archives the sealed dates of a table, oldest first, and deletes the clean objects of those that are older than `clean_days`.
///
/// A date counts as archived when its marker is written, after its files: whoever is killed before writes the same files again.
pub(crate) async fn archive(
    work: &Work,
    kind: Kind,
    clean_days: u32,
) -> Result<Archived, DailyError> {
    let mut archived = Archived::default();
    let Some(table) = CuratedTable::open(&work.lake, kind).await? else {
        return Ok(archived);
    };
    let (mut manifest, _) = table.manifest().await?;
    let Some(sealed) = manifest.sealed_through else {
        return Ok(archived);
    };
    let sealed: Vec<Date> = manifest
        .known_dates()
        .filter(|date| *date <= sealed)
        .collect();
    let mut done = archived_dates(work, kind, &sealed).await?;
    let missing = sealed.iter().filter(|date| !done.contains(*date));
    for date in missing.copied().take(DATES_PER_RUN).collect::<Vec<_>>() {
        archived.rows += archive_date(work, &table, &mut manifest, date).await?;
        manifest.release(PartOf::Date(date));
        archived.dates += 1;
        done.insert(date);
    }
    let oldest = day_of(work.now()).saturating_sub(i64::from(clean_days).days());
    let expired: Vec<Date> = done.into_iter().filter(|date| *date < oldest).collect();
    for date in &expired {
        archived.objects_deleted += delete_date(work, kind, &mut manifest, *date).await?;
        manifest.release(PartOf::Date(*date));
    }
    if !expired.is_empty() {
        manifest.forget(&expired);
        let store = work.lake.store();
        manifest
            .write(store.as_ref(), kind, table.digest()?)
            .await?;
    }
    if archived != Archived::default() {
        info!(
            kind = %kind,
            archive.dates = archived.dates,
            archive.rows = archived.rows,
            archive.objects_deleted = archived.objects_deleted,
            "Archived {} dates of {kind}",
            archived.dates
        );
    }
    Ok(archived)
}

/// Returns which of these dates are archived.
async fn archived_dates(
    work: &Work,
    kind: Kind,
    dates: &[Date],
) -> Result<BTreeSet<Date>, DailyError> {
    let months: BTreeSet<String> = dates.iter().map(|date| month_prefix(kind, *date)).collect();
    let mut archived = BTreeSet::new();
    for month in months {
        let found = list(work.lake.store().as_ref(), &month).await?;
        archived.extend(
            found
                .iter()
                .filter_map(|meta| marker_date(meta.location.as_ref())),
        );
    }
    archived.retain(|date| dates.contains(date));
    Ok(archived)
}

/// Writes the rows of a date into the archive, and returns how many there are.
async fn archive_date(
    work: &Work,
    table: &CuratedTable,
    manifest: &mut Manifest,
    date: Date,
) -> Result<u64, DailyError> {
    let (store, kind) = (work.lake.store(), table.kind());
    let there = list_date(store.as_ref(), kind, date).await?;
    let there: BTreeMap<String, CleanObject> = there
        .into_iter()
        .map(|object| (object.path.to_string(), object))
        .collect();
    let mut found: Vec<(SequenceRange, Pending)> = Vec::new();
    for part in [PartOf::Date(date), PartOf::Replays] {
        for (key, merged) in manifest.objects(store.as_ref(), kind, part).await? {
            let (Ok(ObjectKey::Clean { range, .. }), None) = (key.parse(), &merged.error) else {
                continue;
            };
            // What somebody took away cannot be archived.
            let Some(object) = there.get(key).cloned() else {
                continue;
            };
            let pending = Pending {
                arrival: date,
                under: date,
                part,
                object,
            };
            found.push((range, pending));
        }
    }
    found.sort_by(|a, b| (&a.0, &a.1.object.path).cmp(&(&b.0, &b.1.object.path)));
    let mut schema = table.schema()?;
    let mut sources = Vec::new();
    let (mut rows, mut objects) = (0, 0);
    for pending in chunks(found) {
        let of_model = work.lake.table(kind)?;
        let chunk = match RowRules::of(of_model).key {
            TableKey::Integer(_) => chunk::<i64>(work, of_model, pending, &schema).await?,
            _ => chunk::<TextKey>(work, of_model, pending, &schema).await?,
        };
        schema = evolved(&schema, &chunk.schema).unwrap_or(schema);
        rows += chunk.rows;
        objects += chunk.objects;
        sources.extend(chunk.sources);
    }
    let prefix = format!("{}{date}", month_prefix(kind, date));
    let target = Target {
        kind,
        files: FileNames::Numbered(prefix),
        schema,
        sizes: work.sizes,
        at_ms: work.clock.unix_millis(),
    };
    let files = rewrite(&store, sources, HashMap::new(), target).await?;
    let written: u64 = files.iter().map(|file| file.rows).sum();
    if written != rows {
        return Err(DailyError::Bug(format!(
            "the archive of {kind} has {written} rows of {date}, and not {rows}"
        )));
    }
    let files = files.into_iter().map(|file| ArchivedFile {
        name: file.name,
        rows: file.rows,
    });
    let marker = ArchivedDate {
        rows,
        objects,
        files: files.collect(),
    };
    let json = serde_json::to_vec_pretty(&marker);
    let json = json.map_err(|error| DailyError::Bug(error.to_string()))?;
    put(
        store.as_ref(),
        &Path::from(marker_key(kind, date)),
        json.into(),
    )
    .await?;
    Ok(rows)
}

/// Rows of some objects, each record once.
struct Chunk {
    sources: Vec<Source>,
    rows: u64,
    objects: u64,
    schema: SchemaRef,
}

async fn chunk<K: Key>(
    work: &Work,
    table: &Table,
    pending: Vec<Pending>,
    schema: &SchemaRef,
) -> Result<Chunk, DailyError> {
    let store = work.lake.store();
    let read = read_keys::<K>(&store, table, pending, schema, usize::MAX).await?;
    if let Some((pending, source)) = read.unreadable.into_iter().next() {
        let key = pending.object.path.into();
        return Err(DailyError::CleanObject { key, source });
    }
    let mut keys = read.keys;
    let kept = tokio::task::spawn_blocking(move || {
        keep_each_record(&mut keys);
        keys
    });
    let kept = join(kept).await?;
    Ok(Chunk {
        rows: kept.len() as u64,
        objects: read.objects.len() as u64,
        sources: merge_sources(&read.objects, kept),
        schema: read.schema,
    })
}

/// Divides objects, sorted by the batches that their rows came in, into chunks that share no record: as large as memory likes, but for
/// deliveries that overlap.
fn chunks(found: Vec<(SequenceRange, Pending)>) -> Vec<Vec<Pending>> {
    let mut chunks: Vec<Vec<Pending>> = Vec::new();
    let mut until: Option<SequenceRange> = None;
    for (range, pending) in found {
        let overlaps = until
            .as_ref()
            .is_some_and(|until| until.shard == range.shard && range.first <= until.last);
        match chunks.last_mut() {
            Some(chunk) if overlaps || chunk.len() < CHUNK_OBJECTS => chunk.push(pending),
            _ => chunks.push(vec![pending]),
        }
        until = match until {
            Some(until) if overlaps => Some(SequenceRange {
                last: until.last.max(range.last),
                ..until
            }),
            _ => Some(range),
        };
    }
    chunks
}

/// Deletes the clean objects of a date that the archive has. What was replayed stays: it may have come after the date was archived.
async fn delete_date(
    work: &Work,
    kind: Kind,
    manifest: &mut Manifest,
    date: Date,
) -> Result<u64, DailyError> {
    let store = work.lake.store();
    let mut objects = list_date(store.as_ref(), kind, date).await?;
    let archived = manifest
        .objects(store.as_ref(), kind, PartOf::Date(date))
        .await?;
    objects.retain(|object| archived.contains_key(object.path.as_ref()));
    let deleted: Vec<()> = stream::iter(objects)
        .map(|object| {
            let store = &store;
            async move {
                match store.delete(&object.path).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                    Err(error) => Err(DailyError::lake("delete", object.path)(error)),
                }
            }
        })
        .buffered(DELETES)
        .try_collect()
        .await?;
    Ok(deleted.len() as u64)
}

#[cfg(test)]
mod tests;
