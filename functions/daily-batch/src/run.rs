//! One run of a date, step by step.

pub(crate) mod ledger;
pub(crate) mod limits;
pub(crate) mod metrics;
mod quarantine;
pub(crate) mod reconciliation;
mod step;
pub(crate) mod summary;
mod usage;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use daily_report::run::{RunRecord, RunState, Trigger};
use event_model::{Clock, chain};
use futures::{FutureExt as _, StreamExt as _, stream};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use object_store::ObjectStoreExt as _;
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinSet;
use tracing::{error, info, instrument, warn};

use crate::merge::counts::{imbalance, merge_step};
use crate::table::delta::CuratedTable;
use crate::work::{Sizes, Work};
use crate::{Config, DailyError, Lake, reports};
use ledger::{Attempt, Begun, Ledger};
use limits::Limits;
use reconciliation::Stream;

/// The step that makes the reports; its counts are their rows.
pub(crate) const REPORTS: &str = "reports";
/// The step that writes the summary and the page, and the names of its counts.
pub(crate) const PAGE: &str = "page";
pub(crate) const ACCEPTED: &str = "accepted";
pub(crate) const REJECTED: &str = "rejected";
pub(crate) const UNACCOUNTED: &str = "unaccounted";
pub(crate) const IS_COMPLETE: &str = "reconciliation_complete";
pub(crate) const DUPLICATE_KEYS: &str = "duplicate_keys";
/// Rows of the day that came after the tables were as they are reported.
pub(crate) const ROWS_LACKING: &str = "rows_lacking";

/// Steps that keep the tables in shape: when one fails, it is reported, and the reports are made all the same.
pub(crate) const MAINTENANCE: [&str; 3] = ["compact", "vacuum", "archive"];

/// Returns the names of the steps of a run, in order: the merge of each table, and then those that need all of them. A
/// resumed run begins with the first that is not done.
fn steps(lake: &Lake) -> Vec<String> {
    let merges = lake.model().kinds().map(merge_step);
    let others = MAINTENANCE.into_iter().chain([REPORTS, PAGE]);
    merges.chain(others.map(str::to_owned)).collect()
}

/// Time that is left to an invocation when its run is stopped: enough to write the ledger and to start again.
const MARGIN: SignedDuration = SignedDuration::from_secs(20);
/// Files that are looked for at once.
const HEADS: usize = 16;
/// Time between two looks at a date that somebody else holds.
const LOOK: Duration = Duration::from_secs(5);

/// Receives the record whenever a step begins or ends.
pub type Progress<'a> = &'a (dyn Fn(&RunRecord) + Send + Sync);

/// What runs need.
#[derive(Clone, Debug)]
pub(crate) struct Runner {
    pub(crate) lake: Lake,
    pub(crate) stream: Option<Stream>,
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) sizes: Sizes,
}

/// Who runs, why, and until when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start<'a> {
    pub(crate) trigger: Trigger,
    /// A request's or a process's identifier.
    pub(crate) holder: &'a str,
    /// Whether a day that was run before is merged and reported anew, as the tables are now.
    pub(crate) as_of_now: bool,
    /// When the process is stopped from outside; `None` if it is not.
    pub(crate) deadline: Option<Timestamp>,
    /// The memory that the process has; `None` if nobody says.
    pub(crate) memory_bytes: Option<u64>,
}

impl Start<'_> {
    /// Returns what the invocation has, where something limits it.
    pub(crate) fn limits(&self) -> Option<Limits> {
        Some(Limits {
            ends_at: self.deadline?,
            memory_bytes: self.memory_bytes?,
        })
    }

    /// Returns the time until which work may go on.
    pub(crate) fn work_until(&self) -> Option<Timestamp> {
        let deadline = self.deadline?;
        Some(deadline.saturating_sub(MARGIN).unwrap_or(deadline))
    }
}

/// How a run ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It came to its end, now or before.
    Done(RunRecord),
    /// It was stopped shortly before the deadline; it has come further than any attempt before, so another start is worth it.
    Paused(DailyError),
}

impl Runner {
    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::new(self.lake.clone(), self.clock.clone(), &self.config)
    }

    pub(crate) fn work(&self) -> Work {
        Work {
            lake: self.lake.clone(),
            sizes: self.sizes,
            clock: self.clock.clone(),
            seal_after: SignedDuration::from_hours(i64::from(self.config.seal_after_hours)),
        }
    }

    /// Does the run of a date, from the step on at which an earlier attempt stopped, and returns its record.
    #[instrument(skip_all, fields(run.date = %run_date, run.trigger = start.trigger.as_str()))]
    pub(crate) async fn run(
        &self,
        run_date: Date,
        start: Start<'_>,
        progress: Progress<'_>,
    ) -> Result<Ended, DailyError> {
        // A half-written report stops the run before anything is merged.
        let problems = reports::check(self.lake.model()).await;
        if !problems.is_empty() {
            return Err(DailyError::Queries(problems));
        }
        let mut attempt = match self.begin(run_date, start).await? {
            Begun::Attempt(attempt) => *attempt,
            Begun::AlreadyDone(record) => {
                info!(
                    run.attempt = record.attempt,
                    "The run of {run_date} is done already"
                );
                return Ok(Ended::Done(*record));
            }
        };
        attempt.record.as_of_now = start.as_of_now;
        attempt.limits = start.limits();
        progress(&attempt.record);
        let attempt = Arc::new(Mutex::new(attempt));
        let worked = self.renewed_steps(&attempt, start, progress).await;
        let mut attempt = attempt.lock().await;
        let outcome = attempt.end(worked).await;
        // The record of one that was taken over is not this run's any more.
        if !matches!(outcome, Err(DailyError::TakenOver { .. })) {
            progress(&attempt.record);
        }
        match outcome {
            Ok(()) => {
                info!(run.attempt = attempt.record.attempt, "Ran {run_date}");
                Ok(Ended::Done(attempt.record.clone()))
            }
            Err(stop @ DailyError::OutOfTime { .. }) if attempt.has_progressed() => {
                Ok(Ended::Paused(stop))
            }
            Err(error) => Err(error),
        }
    }

    /// Begins an attempt. If somebody holds the date, waits until the lease ends, when there is time for that: a holder that
    /// is alive renews it meanwhile, and a dead one does not.
    async fn begin(&self, run_date: Date, start: Start<'_>) -> Result<Begun, DailyError> {
        let ledger = self.ledger();
        let again = if start.as_of_now {
            None
        } else {
            ledger.days_run(run_date).await?
        };
        if let Some(again) = &again
            && !matches!(start.trigger, Trigger::Schedule | Trigger::CatchUp)
        {
            self.find_versions(again).await?;
        }
        let mut first_seen = None;
        loop {
            let begun = ledger
                .begin(
                    run_date,
                    start.trigger,
                    start.holder,
                    &steps(&self.lake),
                    again.as_ref(),
                )
                .await;
            let Err(DailyError::Held { expires_at, .. }) = &begun else {
                return begun;
            };
            let is_alive = first_seen.is_some_and(|seen| *expires_at > seen);
            let is_too_late = start.work_until().is_some_and(|until| *expires_at >= until);
            if is_alive || is_too_late {
                return begun;
            }
            first_seen = Some(*expires_at);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Makes sure that the tables can be read as the day's run left them. What cannot be looked at is no reason to call it gone.
    async fn find_versions(&self, days_run: &RunRecord) -> Result<(), DailyError> {
        let gone = |source| DailyError::Vacuumed {
            run_date: days_run.run_date,
            source: Box::new(source),
        };
        let store = self.lake.store();
        let tables = match self.tables(days_run).await {
            Ok(tables) => tables,
            Err(error) => {
                // The newest version shows whether it is the lake that cannot be read.
                for kind in self.lake.kinds() {
                    CuratedTable::open(&self.lake, kind).await?;
                }
                return Err(gone(error));
            }
        };
        for table in tables {
            let heads = stream::iter(table.files().await?).map(|file| {
                let store = Arc::clone(&store);
                async move { (store.head(&file.path).await, file.path) }
            });
            let mut heads = heads.buffered(HEADS);
            while let Some((head, path)) = heads.next().await {
                let is_gone = matches!(head, Err(object_store::Error::NotFound { .. }));
                head.map_err(DailyError::lake("read", path.as_ref()))
                    .map_err(|error| if is_gone { gone(error) } else { error })?;
            }
        }
        Ok(())
    }

    /// Does the steps while the lease is renewed, until they are done, the lease is lost or the time is over.
    async fn renewed_steps(
        &self,
        attempt: &Arc<Mutex<Attempt>>,
        start: Start<'_>,
        progress: Progress<'_>,
    ) -> Result<(), DailyError> {
        let (lost, is_lost) = oneshot::channel();
        // A task of its own, since a step may compute for long without a pause. It ends with this future.
        let mut renewal = JoinSet::new();
        renewal.spawn(renew(Arc::clone(attempt), lost));
        let left = start.work_until().map(|until| {
            let now = self.ledger().now();
            Duration::try_from(until.duration_since(now)).unwrap_or_default()
        });
        let out_of_time = async {
            match left {
                Some(left) => tokio::time::sleep(left).await,
                None => std::future::pending().await,
            }
        };
        let outcome = tokio::select! {
            // On the heap: the futures below it are deep, and the compiler has a limit.
            outcome = self.steps(attempt, progress).boxed_local() => outcome,
            Ok(error) = is_lost => Err(error),
            () = out_of_time => Err(self.out_of_time(attempt).await),
        };
        // Not in the middle of a save: its new version would be lost.
        let held = attempt.lock().await;
        renewal.abort_all();
        drop(held);
        outcome
    }

    async fn out_of_time(&self, attempt: &Mutex<Attempt>) -> DailyError {
        let mut attempt = attempt.lock().await;
        let mut steps = attempt.record.steps.iter_mut();
        let running = steps.find(|step| step.state == RunState::Running);
        let step = running.map_or_else(String::new, |step| {
            step.state = RunState::Paused;
            step.name.clone()
        });
        DailyError::OutOfTime {
            run_date: attempt.record.run_date,
            step,
        }
    }

    async fn steps(
        &self,
        attempt: &Mutex<Attempt>,
        progress: Progress<'_>,
    ) -> Result<(), DailyError> {
        let mut failed_merge = None;
        let mut versions = BTreeMap::new();
        let kinds = self.lake.kinds();
        for (place, name) in steps(&self.lake).iter().enumerate() {
            let mut merged = kinds.iter().filter(|kind| merge_step(**kind) == *name);
            let merged = merged.next();
            if merged.is_none()
                && let Some(error) = failed_merge.take()
            {
                return Err(error);
            }
            let record = {
                let mut attempt = attempt.lock().await;
                if attempt.is_kept(place) {
                    continue;
                }
                attempt.record_start(place);
                attempt.record_use();
                attempt.save().await?;
                attempt.record.clone()
            };
            progress(&record);
            let started_at = self.ledger().now();
            let outcome = self.step(name, &record, attempt).boxed_local().await;
            let mut attempt = attempt.lock().await;
            let elapsed = attempt.now().duration_since(started_at);
            let mut error = None;
            if let Some(step) = attempt.record.steps.get_mut(place) {
                step.duration_ms = u64::try_from(elapsed.as_millis()).ok();
                match outcome {
                    Ok(done) => {
                        step.state = match done.error {
                            None => RunState::Succeeded,
                            Some(_) => RunState::Failed,
                        };
                        step.error = done.error;
                        step.counts = done.counts;
                        versions.extend(done.tables);
                    }
                    Err(failure) => {
                        step.state = RunState::Failed;
                        step.error = Some(chain(&failure));
                        if let DailyError::RowBalance {
                            expected, found, ..
                        } = &failure
                        {
                            step.counts = imbalance(*expected, *found);
                        }
                        error = Some(failure);
                    }
                }
            }
            match error {
                Some(error) if MAINTENANCE.contains(&name.as_str()) => {
                    error!(
                        error = chain(&error),
                        "The step `{name}` failed; the reports are made without it"
                    );
                }
                // The other tables do not depend on this one.
                Some(error) if merged.is_some() => {
                    error!(error = chain(&error), "The step `{name}` failed");
                    failed_merge.get_or_insert(error);
                }
                Some(error) => return Err(error),
                None => {}
            }
            // Reports read every table as of this attempt, or none.
            let has_all = kinds
                .iter()
                .all(|kind| versions.contains_key(kind.as_str()));
            if has_all || !attempt.record.tables.is_empty() {
                attempt.record.tables.append(&mut versions);
            }
            attempt.save().await?;
            progress(&attempt.record);
        }
        Ok(())
    }
}

/// Renews the lease of an attempt until it is lost.
async fn renew(attempt: Arc<Mutex<Attempt>>, lost: oneshot::Sender<DailyError>) {
    loop {
        let pause = attempt.lock().await.renewal();
        tokio::time::sleep(pause).await;
        let mut attempt = attempt.lock().await;
        match attempt.save().await {
            Ok(()) => {}
            Err(error @ DailyError::TakenOver { .. }) => {
                // The run may have ended meanwhile.
                let _ = lost.send(error);
                return;
            }
            // There are three more tries before the lease ends.
            Err(error) => warn!(
                error = chain(&error),
                "Could not renew the lease of the run"
            ),
        }
    }
}

/// Returns the key of a run date's page.
pub fn page_key(run_date: Date) -> String {
    format!("{}/index.html", reports::folder(run_date))
}

#[cfg(test)]
mod tests;
