//! Clean objects → a curated table with one row per key, or each record once.

pub(crate) mod counts;
pub(crate) mod keys;
pub(crate) mod matching;
pub(crate) mod plan;
pub(crate) mod read;
pub(crate) mod versions;

use std::collections::{BTreeMap, HashMap};

use arrow::datatypes::SchemaRef;
use event_model::{Kind, chain};
use jiff::civil::Date;
use tracing::{error, info, instrument};

use crate::DailyError;
use crate::error::RowsError;
use crate::table::change::{Change, Committed, MergeNote, Reason, RowChange, evolved};
use crate::table::delta::CuratedTable;
use crate::table::files::{CuratedFile, NewFile};
use crate::table::manifest::Manifest;
use crate::table::rewrite::{FileNames, Rows, Source, Target, rewrite};
use crate::work::{Work, join};
use counts::{MergeOutcome, add_counts, merge_counts};
use keys::{Key, RowRules, TableKey, TextKey};
use matching::{Places, find_duplicates, match_table};
use plan::{MergeDay, Pending, Plan, plan};
use read::read_keys;
use versions::{RowKey, keep_latest};

/// How often a merge begins again because somebody else changed the table, or an object that it was reading.
const ATTEMPTS: u32 = 10;
/// Days after whose end a manifest is written for nothing but that they are sealed.
const SEALED_AT_ONCE: i32 = 7;

/// The merge of a table, in slices: each is one commit, of rows that count under one date.
///
/// The tables depend on the set of rows alone: objects may come late, twice, or cut in other ways, the merge may be killed and
/// repeated, and two may run at once. Dates are merged one after the other, so that each has a version of the table
/// ([`Manifest::version_of`]). A commit notes which attempt at which run made it. An object that cannot be read is noted in the manifest
/// and left alone until it changes.
#[derive(Debug)]
pub(crate) struct Merge<'a> {
    work: &'a Work,
    kind: Kind,
    day: MergeDay,
    /// What unfinished attempts at the same run counted.
    base: BTreeMap<String, u64>,
    /// What this merge has done so far.
    outcome: MergeOutcome,
    slices: u64,
    /// What is to be done, and the version of the table that it was found for.
    plan: Option<(u64, Plan)>,
    /// Objects that turned out to be unreadable, by key.
    unreadable: HashMap<String, RowsError>,
    /// Whether the table was found to have a key twice.
    has_duplicates: bool,
}

/// A slice that is ready to be committed.
struct Slice {
    table: CuratedTable,
    manifest: Manifest,
    plan: Plan,
    /// The date under which its rows count.
    date: Date,
    /// Its objects, each with its rows.
    objects: Vec<(Pending, u64)>,
    unreadable: Vec<Pending>,
    adds: Vec<NewFile>,
    removes: Vec<CuratedFile>,
    schema: Option<SchemaRef>,
}

/// How a slice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SliceEnd {
    /// Its rows are in the table.
    Committed,
    /// There was nothing to do.
    Idle,
    /// Somebody else changed the table, or the table is not as it seemed: the slice has to begin again.
    Again,
}

impl<'a> Merge<'a> {
    /// Makes the merge of a table; `base` is what unfinished attempts at the same run counted.
    pub(crate) fn new(
        work: &'a Work,
        kind: Kind,
        day: MergeDay,
        base: BTreeMap<String, u64>,
    ) -> Self {
        Self {
            work,
            kind,
            day,
            base,
            outcome: MergeOutcome::default(),
            slices: 0,
            plan: None,
            unreadable: HashMap::new(),
            has_duplicates: false,
        }
    }

    /// Merges the next slice; false when there was nothing left to do.
    #[instrument(skip_all, fields(kind = %self.kind))]
    pub(crate) async fn next(&mut self) -> Result<bool, DailyError> {
        let mut times = 0;
        while times < ATTEMPTS {
            let table = CuratedTable::open_or_create(&self.work.lake, self.kind).await?;
            let rules = RowRules::of(self.work.lake.table(self.kind)?);
            let slice = match rules.key {
                TableKey::Integer(_) => self.slice::<i64>(table).await,
                _ => self.slice::<TextKey>(table).await,
            };
            match slice {
                Ok(SliceEnd::Committed) => {
                    self.slices += 1;
                    return Ok(true);
                }
                Ok(SliceEnd::Idle) => {
                    let MergeOutcome { counts, .. } = &self.outcome;
                    info!(
                        merge.slices = self.slices,
                        merge.objects = counts.objects,
                        merge.rows_in = counts.rows_in,
                        merge.inserted = counts.inserted,
                        merge.updated = counts.updated,
                        "Merged {} objects of {}: {} rows",
                        counts.objects,
                        self.kind,
                        counts.rows_in,
                    );
                    return Ok(false);
                }
                // Values that turn out to be damaged while they are copied: each time, one object less is read.
                Err(DailyError::CleanObject { key, source }) => {
                    self.unreadable.insert(key, source);
                }
                Ok(SliceEnd::Again) | Err(DailyError::Changed { .. }) => {
                    self.plan = None;
                    times += 1;
                }
                Err(error) => return Err(error),
            }
        }
        let kind = self.kind;
        Err(DailyError::Contention { kind, times })
    }

    /// Returns what the merge has counted so far, together with unfinished attempts at the same run.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = self.base.clone();
        add_counts(&mut counts, merge_counts(&self.outcome));
        counts
    }

    /// Returns the objects that are left.
    pub(crate) fn objects_left(&self) -> u64 {
        let plan = self.plan.as_ref();
        plan.map_or(0, |(_, plan)| plan.pending.len() as u64)
    }

    /// Returns what the merge did, once nothing is left.
    pub(crate) fn outcome(self) -> MergeOutcome {
        self.outcome
    }

    /// Merges the next slice into this version of the table.
    async fn slice<K: Key>(&mut self, table: CuratedTable) -> Result<SliceEnd, DailyError> {
        let (work, kind) = (self.work, self.kind);
        let of_model = work.lake.table(kind)?;
        let rules = RowRules::of(of_model);
        let store = work.lake.store();
        let (mut manifest, is_own_state) = table.manifest().await?;
        let files = table.files().await?;
        let plan = match self.plan.take() {
            Some((version, plan)) if version == table.version() => plan,
            _ => self.plan(&files, &mut manifest).await?,
        };
        let taken = plan.slice(work.sizes.slice_bytes);
        for pending in &taken {
            manifest.objects(store.as_ref(), kind, pending.part).await?;
        }
        let date = taken.first().map_or(self.day.through, |first| first.under);
        let (mut unreadable, readable): (Vec<_>, Vec<_>) = taken
            .into_iter()
            .partition(|pending| self.unreadable.contains_key(pending.object.path.as_ref()));
        let table_schema = table.schema()?;
        let max_rows = work.sizes.slice_rows;
        let read = read_keys::<K>(&store, of_model, readable, &table_schema, max_rows).await?;
        for (pending, error) in read.unreadable {
            let key = pending.object.path.to_string();
            self.unreadable.insert(key, error);
            unreadable.push(pending);
        }
        let new_schema = evolved(&table_schema, &read.schema);

        // Only other programs put a key into a table twice, and they leave a state that has no manifest.
        let gone = if is_own_state && !self.has_duplicates {
            vec![Vec::new(); files.len()]
        } else {
            find_duplicates::<K>(&store, (kind, &rules), &files).await?
        };
        let healed: usize = gone.iter().map(Vec::len).sum();
        let is_idle = read.objects.is_empty() && unreadable.is_empty() && healed == 0;
        if is_idle && new_schema.is_none() {
            self.finish(&table, &files, manifest, &plan).await?;
            return Ok(SliceEnd::Idle);
        }

        let mut done = MergeOutcome {
            changes: read.changes,
            ..MergeOutcome::default()
        };
        done.counts.objects = read.objects.len() as u64;
        done.counts.healed = healed as u64;
        let (mut keys, mut counts) = (read.keys, done.counts);
        let row_rules = rules.clone();
        let sorted = tokio::task::spawn_blocking(move || {
            let undecided = keep_latest(&mut keys, &row_rules, &mut counts);
            (keys, counts, undecided)
        });
        let (mut keys, mut undecided);
        (keys, done.counts, undecided) = join(sorted).await?;
        let matched = match_table(
            &store,
            (kind, &rules),
            &files,
            &mut keys,
            &mut done.counts,
            &gone,
            &mut undecided,
        );
        let Some(replaced) = matched.await? else {
            self.has_duplicates = true;
            return Ok(SliceEnd::Again);
        };
        done.counts.inserted = keys.len() as u64 - done.counts.updated;
        done.count_undecided(kind, undecided);

        let mut sources = sources(&read.objects, keys);
        let removes = replace(files, replaced, gone, &mut sources);
        let target = Target {
            kind,
            files: FileNames::OfTable,
            schema: new_schema.clone().unwrap_or(table_schema),
            sizes: work.sizes,
            at_ms: work.clock.unix_millis(),
        };
        let adds = match rewrite(&store, sources, read.cached, target).await {
            Ok(adds) => adds,
            Err(error) => {
                // What is to be done is the same without the object.
                self.plan = Some((table.version(), plan));
                return Err(error);
            }
        };

        let slice = Slice {
            table,
            manifest,
            plan,
            date,
            objects: read.objects,
            unreadable,
            adds,
            removes,
            schema: new_schema,
        };
        self.commit(slice, done).await
    }

    /// Makes the rows of a slice visible.
    async fn commit(
        &mut self,
        slice: Slice,
        mut done: MergeOutcome,
    ) -> Result<SliceEnd, DailyError> {
        let Slice {
            table,
            mut manifest,
            mut plan,
            date,
            objects,
            unreadable,
            ..
        } = slice;
        manifest.merge_under(date, table.version());
        for (pending, rows) in &objects {
            manifest.insert(pending.part, &pending.object, *rows, pending.under);
            if self.day.is_late(pending.arrival, pending.under) {
                done.counts.late += rows;
            }
        }
        self.note_unreadable(&unreadable, &mut manifest);
        if objects.len() + unreadable.len() == plan.pending.len() {
            manifest.sealed_through = plan.sealed_through;
        }
        let change = Change {
            adds: slice.adds,
            removes: slice.removes,
            schema: slice.schema,
            manifest,
            rows: RowChange {
                inserted: done.counts.inserted,
                removed: done.counts.healed,
            },
        };
        let earlier = self.outcome.clone();
        self.outcome.add(&done);
        let reason = Reason::Merge(MergeNote {
            run_date: self.day.through,
            attempt: self.day.attempt,
            date,
            counts: self.counts(),
        });
        let committed = match table.commit(change, reason).await {
            Ok(Some(committed)) => committed,
            other => {
                self.outcome = earlier;
                return other.map(|_| SliceEnd::Again);
            }
        };
        self.outcome.table = Committed {
            rows_before: match self.slices {
                0 => committed.rows_before,
                // Somebody else may have changed the table between two slices.
                _ => (earlier.table.rows_before + committed.rows_before)
                    .saturating_sub(earlier.table.rows_after),
            },
            ..committed
        };
        plan.take(&objects, &unreadable);
        self.plan = Some((committed.version, plan));
        Ok(SliceEnd::Committed)
    }

    /// Finds what the table lacks.
    async fn plan(
        &self,
        files: &[CuratedFile],
        manifest: &mut Manifest,
    ) -> Result<Plan, DailyError> {
        if manifest.is_empty() && !files.is_empty() {
            manifest.know_from(self.day.through);
        }
        let store = self.work.lake.store();
        let now = self.work.now();
        let seal_after = self.work.seal_after;
        plan(
            store.as_ref(),
            self.kind,
            &self.day,
            manifest,
            now,
            seal_after,
        )
        .await
    }

    /// Notes what was found of a table that lacks nothing.
    async fn finish(
        &mut self,
        table: &CuratedTable,
        files: &[CuratedFile],
        mut manifest: Manifest,
        plan: &Plan,
    ) -> Result<(), DailyError> {
        let (current, through) = (table.version(), self.day.through);
        self.outcome.unreadable = manifest.unreadable();
        let version = match manifest.version_of(through, current) {
            _ if self.day.as_of_now => current,
            Some(version) => version,
            None => {
                return Err(DailyError::NoVersion {
                    kind: self.kind,
                    run_date: through,
                });
            }
        };
        let rows = if version == current {
            files.iter().map(|file| file.rows).sum()
        } else {
            let lake = table.lake();
            CuratedTable::open_at(lake, self.kind, version)
                .await?
                .rows()
                .await?
        };
        self.outcome.table.version = version;
        if self.slices == 0 {
            self.outcome.table.rows_before = rows;
            self.outcome.table.rows_after = rows;
        }
        let is_seal_due = match (manifest.sealed_through, plan.sealed_through) {
            (Some(sealed), Some(due)) => (due - sealed).get_days() >= SEALED_AT_ONCE,
            _ => false,
        };
        if manifest.has_news() || is_seal_due {
            manifest.sealed_through = plan.sealed_through;
            let store = self.work.lake.store();
            manifest
                .write(store.as_ref(), self.kind, table.digest()?)
                .await?;
        }
        Ok(())
    }

    /// Notes the objects that this merge leaves out.
    fn note_unreadable(&self, pending: &[Pending], manifest: &mut Manifest) {
        for Pending {
            object,
            part,
            under,
            ..
        } in pending
        {
            let reason = self.unreadable.get(object.path.as_ref());
            let reason = reason.map(chain).unwrap_or_default();
            error!(lake.key = %object.path, lake.version = object.version, error = reason, "Left `{}` out: it cannot be read", object.path);
            manifest.insert_unreadable(*part, object, reason, *under);
        }
    }
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

/// Returns the chosen rows of each object, and takes the keys apart.
pub(crate) fn sources<K>(objects: &[(Pending, u64)], keys: Vec<RowKey<K>>) -> Vec<Source> {
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
        .map(|((Pending { object, .. }, _), mut rows)| {
            // They come in another order.
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

/// Merges all slices of a day, as a run does.
#[cfg(test)]
pub(crate) async fn merge(
    work: &Work,
    kind: Kind,
    through: Date,
    attempt: u32,
) -> Result<MergeOutcome, DailyError> {
    let day = MergeDay {
        through,
        attempt,
        last_run: None,
        first_run: None,
        as_of_now: false,
    };
    let mut merge = Merge::new(work, kind, day, BTreeMap::new());
    while merge.next().await? {}
    Ok(merge.outcome())
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
