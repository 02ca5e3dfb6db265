//! One step of a run: what it does, and what it counts.

use std::collections::BTreeMap;

use cleaning::RejectionCode;
use daily_report::Summary;
use daily_report::run::RunRecord;
use event_model::{Kind, chain};
use object_store::path::Path;
use tokio::sync::Mutex;
use tracing::{error, warn};

use super::ledger::Attempt;
use super::quarantine;
use super::reconciliation::{accounts, reconcile};
use super::{
    ACCEPTED, DUPLICATE_KEYS, IS_COMPLETE, REJECTED, REPORTS, ROWS_LACKING, Runner, UNACCOUNTED,
    page_key, summary, usage,
};
use crate::maintenance::archive::archive;
use crate::maintenance::compact::compact;
use crate::merge::Merge;
use crate::merge::counts::{OBJECTS_LEFT, merge_step, table_counts};
use crate::merge::plan::MergeDay;
use crate::storage::objects;
use crate::table::delta::CuratedTable;
use crate::{DailyError, reports};

impl Runner {
    /// Does a step.
    pub(super) async fn step(
        &self,
        name: &str,
        record: &RunRecord,
        attempt: &Mutex<Attempt>,
    ) -> Result<StepDone, DailyError> {
        let kinds = self.lake.kinds();
        if let Some(kind) = kinds
            .iter()
            .copied()
            .find(|kind| merge_step(*kind) == *name)
        {
            return self.merge(kind, record, attempt).await;
        }
        match name {
            "compact" => self.compact(record).await,
            "vacuum" => {
                let mut files = 0;
                for kind in kinds {
                    let table = CuratedTable::open_or_create(&self.lake, kind).await?;
                    let (manifest, _) = table.manifest().await?;
                    let (store, now) = (self.lake.store(), self.ledger().now());
                    manifest.delete_unnamed(store.as_ref(), kind, now).await?;
                    files += table.vacuum(self.config.vacuum_retention_hours).await?;
                }
                Ok(StepDone::files(files))
            }
            "archive" => self.archive().await,
            REPORTS => {
                let tables = self.tables(record).await?;
                let written = reports::write(&self.lake, record.run_date, &tables).await?;
                Ok(reports_done(written))
            }
            _ => Ok(StepDone {
                counts: self.page(record).await?,
                ..StepDone::default()
            }),
        }
    }

    /// Merges a kind, slice by slice; the ledger says after each how far it is.
    async fn merge(
        &self,
        kind: Kind,
        record: &RunRecord,
        attempt: &Mutex<Attempt>,
    ) -> Result<StepDone, DailyError> {
        let day = self.merge_day(record).await?;
        let before = self.merged_before(kind, record).await?;
        let work = self.work();
        let mut merge = Merge::new(&work, kind, day, before);
        while merge.next().await? {
            let mut attempt = attempt.lock().await;
            let mut counts = merge.counts();
            counts.insert(OBJECTS_LEFT.to_owned(), merge.objects_left());
            attempt.record_slice(&merge_step(kind), counts);
            attempt.save().await?;
        }
        let mut counts = merge.counts();
        let outcome = merge.outcome();
        let of_table = table_counts(&outcome);
        counts.extend(of_table.map(|(name, count)| (name.to_owned(), count)));
        Ok(StepDone {
            counts,
            tables: BTreeMap::from([(kind.to_string(), outcome.table.version)]),
            error: None,
        })
    }

    /// Returns which day is merged, and what the ledger says of others.
    pub(super) async fn merge_day(&self, record: &RunRecord) -> Result<MergeDay, DailyError> {
        let ledger = self.ledger();
        let dates = ledger.dates().await?;
        Ok(MergeDay {
            through: record.run_date,
            attempt: record.attempt,
            last_run: ledger.last_days_run(&dates).await?,
            first_run: dates.first().copied(),
            as_of_now: record.as_of_now,
        })
    }

    /// Returns what unfinished attempts at the same date merged.
    pub(super) async fn merged_before(
        &self,
        kind: Kind,
        record: &RunRecord,
    ) -> Result<BTreeMap<String, u64>, DailyError> {
        let unfinished = self.ledger().unfinished(record).await?;
        if unfinished.is_empty() {
            return Ok(BTreeMap::new());
        }
        let table = CuratedTable::open_or_create(&self.lake, kind).await?;
        let note = table.last_merge_note().await?;
        let of_run = note
            .filter(|note| note.run_date == record.run_date && unfinished.contains(&note.attempt));
        Ok(of_run.map(|note| note.counts).unwrap_or_default())
    }

    /// Compacts every table. The version that the reports read moves along, as no row changes.
    async fn compact(&self, record: &RunRecord) -> Result<StepDone, DailyError> {
        let mut done = StepDone::files(0);
        let mut first_error = None;
        for kind in self.lake.kinds() {
            match compact(&self.work(), kind).await {
                Ok(Some(compaction)) => {
                    done.add_files(compaction.files);
                    let name = kind.to_string();
                    if record.tables.get(&name) == Some(&compaction.base) {
                        done.tables.insert(name, compaction.committed.version);
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    error!(kind = %kind, error = chain(&error), "Could not compact `{kind}`");
                    first_error.get_or_insert(error);
                }
            }
        }
        first_error.map_or(Ok(done), Err)
    }

    /// Archives the sealed dates of every table.
    async fn archive(&self) -> Result<StepDone, DailyError> {
        let mut counts = BTreeMap::new();
        for kind in self.lake.kinds() {
            let archived = archive(&self.work(), kind, self.config.clean_days).await?;
            let of_kind = [
                ("dates", archived.dates),
                ("rows", archived.rows),
                ("objects_deleted", archived.objects_deleted),
            ];
            for (name, count) in of_kind {
                *counts.entry(name.to_owned()).or_default() += count;
            }
        }
        Ok(StepDone {
            counts,
            ..StepDone::default()
        })
    }

    /// Opens the tables at the versions that the run has noted.
    pub(super) async fn tables(&self, record: &RunRecord) -> Result<Vec<CuratedTable>, DailyError> {
        let mut tables = Vec::new();
        for kind in self.lake.kinds() {
            let version = record.tables.get(kind.as_str()).copied();
            let version = version.ok_or_else(|| {
                DailyError::Bug(format!("the run has noted no version of `{kind}`"))
            })?;
            tables.push(CuratedTable::open_at(&self.lake, kind, version).await?);
        }
        Ok(tables)
    }

    /// Counts the rows that arrived by the end of a day and that its reports lack, since they came after the day was merged.
    async fn lacking_rows(
        &self,
        record: &RunRecord,
        tables: &[CuratedTable],
    ) -> Result<u64, DailyError> {
        let mut rows = 0;
        for table in tables {
            let newest = CuratedTable::open_or_create(&self.lake, table.kind()).await?;
            if newest.version() > table.version() {
                let (manifest, _) = newest.manifest().await?;
                rows += manifest.rows_merged_after(record.run_date, table.version());
            }
        }
        if rows > 0 {
            warn!(
                rows_lacking = rows,
                "The reports of {} lack {rows} rows that came later; as_of_now has them",
                record.run_date
            );
        }
        Ok(rows)
    }

    /// Writes the summary and the page.
    async fn page(&self, record: &RunRecord) -> Result<BTreeMap<String, u64>, DailyError> {
        let tables = self.tables(record).await?;
        let lacking = self.lacking_rows(record, &tables).await?;
        let run_date = record.run_date;
        let earlier = self.ledger().succeeded_before(record).await?;
        let mut summary = summary::gather(&self.lake, record, &earlier, &tables).await?;
        if let Some(before) = self.summary_before(record).await? {
            summary.quarantine = before.quarantine;
            summary.reconciliation = before.reconciliation;
            summary.usage = before.usage;
        } else {
            let clean = accounts::of_clean(&self.lake, &tables, run_date).await?;
            let (quarantine, rejected) = quarantine::of_day(&self.lake, run_date, &clean).await?;
            summary.quarantine = quarantine;
            let (lake, stream, clock) = (&self.lake, self.stream.as_ref(), &self.clock);
            let (reconciliation, stream) =
                reconcile(lake, stream, &tables, run_date, rejected, clock).await?;
            summary.reconciliation = reconciliation;
            summary.usage =
                usage::of_day(&self.lake, &summary, record, stream, &self.clock).await?;
        }
        if summary.reconciliation.unaccounted > 0 {
            warn!(
                unaccounted = summary.reconciliation.unaccounted,
                "Accepted records are missing"
            );
        }
        let trend = summary::trend(&self.lake, run_date).await?;
        let steps = record.steps.iter();
        let made = steps
            .filter(|step| step.name == REPORTS)
            .flat_map(|step| step.counts.clone());
        let tables = reports::read(&self.lake, run_date, &made.collect()).await?;
        let json = serde_json::to_vec_pretty(&summary)
            .map_err(|error| DailyError::Bug(error.to_string()))?;
        self.put(&summary::summary_key(run_date), json).await?;
        let page = daily_report::page::render(&daily_report::page::Page {
            summary: &summary,
            reports: &tables,
            trend: &trend,
        });
        self.put(&page_key(run_date), page.into_bytes()).await?;
        let rejected = summary.quarantine.by_code.iter();
        let is_loss =
            |code: &str| RejectionCode::from_name(code).is_none_or(RejectionCode::is_loss);
        let rejected = rejected
            .filter(|(code, _)| is_loss(code))
            .map(|(_, count)| count)
            .sum();
        let mut counts = BTreeMap::from([
            (ACCEPTED.to_owned(), summary.reconciliation.accepted),
            (REJECTED.to_owned(), rejected),
            (UNACCOUNTED.to_owned(), summary.reconciliation.unaccounted),
            (
                IS_COMPLETE.to_owned(),
                u64::from(summary.reconciliation.is_complete),
            ),
            (
                DUPLICATE_KEYS.to_owned(),
                summary.duplicate_keys.values().sum(),
            ),
        ]);
        if lacking > 0 {
            counts.insert(ROWS_LACKING.to_owned(), lacking);
        }
        Ok(counts)
    }

    /// Returns the summary of the run that this one makes again, for what cannot be looked up as it was then.
    async fn summary_before(&self, record: &RunRecord) -> Result<Option<Summary>, DailyError> {
        if record.as_of.is_none() {
            return Ok(None);
        }
        summary::read(&self.lake, record.run_date).await
    }

    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), DailyError> {
        objects::put(self.lake.store().as_ref(), &Path::from(key), bytes.into()).await
    }
}

/// What a step did.
#[derive(Debug, Default)]
pub(super) struct StepDone {
    pub(super) counts: BTreeMap<String, u64>,
    /// Versions of tables that it made or found.
    pub(super) tables: BTreeMap<String, u64>,
    /// What of it failed; the run goes on without.
    pub(super) error: Option<String>,
}

/// Tells of the reports that were made, and of those that were not.
fn reports_done(written: reports::Written) -> StepDone {
    let mut problems = Vec::new();
    for (name, failure) in &written.failed {
        let problem = chain(failure);
        error!(
            report = name,
            error = problem,
            "Could not make the report `{name}`"
        );
        problems.push(format!("`{name}`: {problem}"));
    }
    StepDone {
        counts: written.rows.into_iter().collect(),
        error: (!problems.is_empty()).then(|| problems.join("; ")),
        ..StepDone::default()
    }
}

impl StepDone {
    fn files(files: u64) -> Self {
        Self {
            counts: BTreeMap::from([("files".to_owned(), files)]),
            ..Self::default()
        }
    }

    fn add_files(&mut self, files: u64) {
        *self.counts.entry("files".to_owned()).or_default() += files;
    }
}
