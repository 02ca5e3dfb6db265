//! One run of a date, step by step.

use std::collections::BTreeMap;

use daily_report::run::{RunRecord, RunState, Trigger};
use event_model::{Clock, Kind};
use futures::FutureExt as _;
use jiff::civil::Date;
use object_store::path::Path;
use tracing::{info, instrument, warn};

use crate::audit::{Stream, audit};
use crate::compact::compact;
use crate::fold::fold;
use crate::ledger::{Attempt, Begun, Ledger};
use crate::summary::{fold_counts, fold_step};
use crate::table::CuratedTable;
use crate::{Config, DailyError, Lake, day_cost, objects, reports, summary};

/// The step that writes the summary and the page, and the names of its counts.
pub(crate) const PAGE: &str = "page";
pub(crate) const ACCEPTED: &str = "accepted";
pub(crate) const REJECTED: &str = "rejected";
pub(crate) const UNACCOUNTED: &str = "unaccounted";

/// The steps of a run, in order. A resumed run begins with the first that is not done.
const STEPS: [&str; 7] = [
    "fold-pin",
    "fold-geo",
    "fold-user",
    "compact",
    "vacuum",
    "reports",
    PAGE,
];

/// Is told the record whenever a step begins or ends.
pub type Progress<'a> = &'a (dyn Fn(&RunRecord) + Send + Sync);

/// What runs need.
#[derive(Clone, Debug)]
pub(crate) struct Runner {
    pub(crate) lake: Lake,
    pub(crate) stream: Option<Stream>,
    pub(crate) config: Config,
    pub(crate) clock: Clock,
}

impl Runner {
    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::new(
            self.lake.clone(),
            self.clock.clone(),
            self.config.run_expiry_seconds,
        )
    }

    /// Does the run of a date, from the step on at which an earlier attempt stopped, and returns its record.
    #[instrument(skip_all, fields(run.date = %run_date, run.trigger = trigger.as_str()))]
    pub(crate) async fn run(
        &self,
        run_date: Date,
        trigger: Trigger,
        holder: &str,
        progress: Progress<'_>,
    ) -> Result<RunRecord, DailyError> {
        let mut attempt = match self
            .ledger()
            .begin(run_date, trigger, holder, &STEPS)
            .await?
        {
            Begun::Attempt(attempt) => *attempt,
            Begun::AlreadyDone(record) => {
                info!(
                    run.attempt = record.attempt,
                    "The run of {run_date} is done already"
                );
                return Ok(*record);
            }
        };
        progress(&attempt.record);
        let worked = self.steps(&mut attempt, progress).await;
        let outcome = attempt.end(worked).await;
        // The record of one that was taken over is not this run's any more.
        if !matches!(outcome, Err(DailyError::TakenOver { .. })) {
            progress(&attempt.record);
        }
        outcome?;
        info!(run.attempt = attempt.record.attempt, "Ran {run_date}");
        Ok(attempt.record)
    }

    async fn steps(&self, attempt: &mut Attempt, progress: Progress<'_>) -> Result<(), DailyError> {
        for place in 0..attempt.record.steps.len() {
            let is_kept = attempt
                .record
                .steps
                .get(place)
                .is_none_or(|step| step.state == RunState::Kept);
            if is_kept {
                continue;
            }
            let started_at = attempt.record_start(place);
            attempt.save().await?;
            progress(&attempt.record);
            let record = attempt.record.clone();
            let name = record
                .steps
                .get(place)
                .map_or("", |step| step.name.as_str());
            let outcome = {
                // On the heap: the futures below it are deep, and the compiler has a limit.
                let mut work = self.step(name, &record).boxed_local();
                loop {
                    tokio::select! {
                        outcome = &mut work => break outcome,
                        // A long step keeps hold of the date.
                        () = tokio::time::sleep(attempt.renewal()) => attempt.save().await?,
                    }
                }
            };
            let elapsed = attempt.now().duration_since(started_at);
            if let Some(step) = attempt.record.steps.get_mut(place) {
                step.duration_ms = u64::try_from(elapsed.as_millis()).ok();
                step.state = if outcome.is_ok() {
                    RunState::Succeeded
                } else {
                    RunState::Failed
                };
            }
            let counts = outcome?;
            if let Some(step) = attempt.record.steps.get_mut(place) {
                step.counts = counts;
            }
            attempt.save().await?;
            progress(&attempt.record);
        }
        Ok(())
    }

    /// Does a step and returns what it counted.
    async fn step(
        &self,
        name: &str,
        record: &RunRecord,
    ) -> Result<BTreeMap<String, u64>, DailyError> {
        if let Some(kind) = Kind::ALL.into_iter().find(|kind| fold_step(*kind) == name) {
            return self.fold(kind, name, record).await;
        }
        match name {
            "compact" => {
                let mut files = 0;
                for kind in Kind::ALL {
                    files += compact(&self.lake, kind, &self.clock).await?;
                }
                Ok(BTreeMap::from([("files".to_owned(), files)]))
            }
            "vacuum" => {
                let mut files = 0;
                for table in self.tables().await? {
                    files += table.vacuum(self.config.vacuum_retention_hours).await?;
                }
                Ok(BTreeMap::from([("files".to_owned(), files)]))
            }
            "reports" => {
                let tables = self.tables().await?;
                let rows = reports::write(&self.lake, record.run_date, &tables).await?;
                Ok(rows.into_iter().collect())
            }
            _ => self.page(record).await,
        }
    }

    /// Folds a kind, and counts what earlier attempts committed without telling the ledger, too.
    async fn fold(
        &self,
        kind: Kind,
        step: &str,
        record: &RunRecord,
    ) -> Result<BTreeMap<String, u64>, DailyError> {
        let (run_date, attempt) = (record.run_date, record.attempt);
        let outcome = fold(&self.lake, kind, run_date, attempt, &self.clock).await?;
        let mut counts = fold_counts(&outcome);
        let unrecorded = self.ledger().unrecorded(record, step).await?;
        if unrecorded.is_empty() {
            return Ok(counts);
        }
        let table = CuratedTable::open_or_create(&self.lake, kind).await?;
        for note in table.notes().await? {
            if note.run_date == run_date && unrecorded.contains(&note.attempt) {
                for (name, count) in note.counts {
                    *counts.entry(name).or_default() += count;
                }
            }
        }
        Ok(counts)
    }

    async fn tables(&self) -> Result<Vec<CuratedTable>, DailyError> {
        let mut tables = Vec::new();
        for kind in Kind::ALL {
            tables.push(CuratedTable::open_or_create(&self.lake, kind).await?);
        }
        Ok(tables)
    }

    /// Writes the summary and the page.
    async fn page(&self, record: &RunRecord) -> Result<BTreeMap<String, u64>, DailyError> {
        let tables = self.tables().await?;
        let run_date = record.run_date;
        let mut summary = summary::gather(&self.lake, record, &tables).await?;
        let (conservation, capacity) =
            audit(&self.lake, self.stream.as_ref(), run_date, &self.clock).await?;
        summary.conservation = conservation;
        summary.cost =
            day_cost::of_day(&self.lake, &summary, record, capacity, &self.clock).await?;
        if summary.conservation.unaccounted > 0 {
            warn!(
                unaccounted = summary.conservation.unaccounted,
                "Accepted records are missing"
            );
        }
        let trend = summary::trend(&self.lake, run_date).await?;
        let tables = reports::read(&self.lake, run_date).await?;
        let json = serde_json::to_vec_pretty(&summary)
            .map_err(|error| DailyError::Bug(error.to_string()))?;
        self.put(&summary::key(run_date), json).await?;
        let page = daily_report::page::render(&daily_report::page::Page {
            summary: &summary,
            reports: &tables,
            trend: &trend,
        });
        self.put(&page_key(run_date), page.into_bytes()).await?;
        let rejected = summary.quarantine.by_code.values().sum();
        Ok(BTreeMap::from([
            (ACCEPTED.to_owned(), summary.conservation.accepted),
            (REJECTED.to_owned(), rejected),
            (UNACCOUNTED.to_owned(), summary.conservation.unaccounted),
        ]))
    }

    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), DailyError> {
        objects::put(self.lake.store().as_ref(), &Path::from(key), bytes.into()).await
    }
}

/// Returns the key of a run date's page.
pub fn page_key(run_date: Date) -> String {
    format!("{}/index.html", reports::folder(run_date))
}

#[cfg(test)]
mod tests;
