//! An event → the runs it asks for → their records.

use std::sync::Arc;

use daily_report::run::{RunRecord, Trigger};
use event_model::{Clock, Kind};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use lambda_runtime::LambdaEvent;
use serde_json::Value;
use tracing::{error, info, instrument};

use crate::maintenance::remerge::{Remerge, remerge};
use crate::payload::{Request, day_of};
use crate::run::ledger::Ledger;
use crate::run::metrics;
use crate::run::reconciliation::{Stream, explain};
use crate::run::{Ended, Progress, Runner, Start};
use crate::work::Sizes;
use crate::{Config, DailyError, Lake};

/// Receives a line of metrics for each run of an invocation that has ended.
pub type Publish = Arc<dyn Fn(&str) + Send + Sync>;

/// Starts the function of a name again, with an event.
pub type Restart =
    Arc<dyn Fn(String, Value) -> BoxFuture<'static, anyhow::Result<()>> + Send + Sync>;

/// The function: the lake, its configuration, its clock, and where its metrics go. Cheap to clone.
#[derive(Clone)]
pub struct App {
    runner: Runner,
    publish: Publish,
    restart: Option<Restart>,
}

/// What became of the days of a request.
struct Days {
    records: Vec<RunRecord>,
    /// The day that is not done because the time was over, and the error that says so.
    paused: Option<(Date, DailyError)>,
}

impl App {
    /// Makes the function. Without a stream, runs cannot check whether every accepted record is in the lake.
    pub fn new(lake: Lake, stream: Option<Stream>, config: Config, clock: Clock) -> Self {
        let sizes = Sizes {
            slice_rows: config.slice_rows as usize,
            ..Sizes::default()
        };
        Self {
            runner: Runner {
                lake,
                stream,
                config,
                clock,
                sizes,
            },
            publish: Arc::new(|_| {}),
            restart: None,
        }
    }

    /// Publishes the metrics of the runs of invocations; those of [`App::run`] are not.
    #[must_use]
    pub fn with_metrics(mut self, publish: Publish) -> Self {
        self.publish = publish;
        self
    }

    /// Starts itself again when an invocation's time is over before the work is done. Without it, such an invocation fails.
    #[must_use]
    pub fn with_restart(mut self, restart: Restart) -> Self {
        self.restart = Some(restart);
        self
    }

    /// Returns the ledger of the runs.
    pub fn ledger(&self) -> Ledger {
        self.runner.ledger()
    }

    /// Forgets what a table holds, so that the next run merges every clean object again, and with `drop_damaged` removes
    /// those files from the table that are gone or cannot be read.
    pub async fn remerge(&self, kind: Kind, drop_damaged: bool) -> Result<Remerge, DailyError> {
        remerge(&self.runner.work(), kind, drop_damaged).await
    }

    /// Notes what became of records that no run can find: they are not called unaccounted for any more.
    pub async fn explain(&self, records: u64, reason: String) -> Result<(), DailyError> {
        let at = self
            .ledger()
            .now()
            .strftime("%Y%m%dT%H%M%S%3fZ")
            .to_string();
        explain(&self.runner.lake, &at, records, reason).await
    }

    /// Runs the days that the event asks for, oldest first, and before them those that the schedule missed.
    ///
    /// A day that fails does not keep later ones from running; the first error is returned when all are through. Shortly
    /// before the deadline of the invocation, the run is saved, and the function started again for the days that are left.
    #[instrument(skip_all)]
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<Vec<RunRecord>, DailyError> {
        let request = Request::from_event(event.payload, self.ledger().now())?;
        let function = &event.context.env_config.function_name;
        let tell = |record: &RunRecord| {
            if let Some(line) = metrics::line(record, function) {
                (self.publish)(&line);
            }
        };
        let holder = &event.context.request_id;
        let deadline = i64::try_from(event.context.deadline).ok();
        let start = Start {
            trigger: request.trigger,
            as_of_now: request.as_of_now,
            holder,
            // Where nobody stops the process, the runtime says 0.
            deadline: deadline
                .filter(|deadline| *deadline > 0)
                .and_then(|deadline| Timestamp::from_millisecond(deadline).ok()),
            // In MB, as the function's configuration has it.
            memory_bytes: u64::try_from(event.context.env_config.memory)
                .ok()
                .filter(|memory| *memory > 0)
                .map(|memory| memory << 20),
        };
        let days = self.run_days(&request, start, &tell).await?;
        if let Some((day, stop)) = days.paused {
            self.start_again(function, &request, day, stop).await?;
            return Ok(days.records);
        }
        // The alarm asks for the day, not for who has done it.
        if request.trigger == Trigger::Schedule
            && days.records.iter().any(|record| {
                record.holder != *holder && request.run_dates.contains(&record.run_date)
            })
        {
            (self.publish)(&metrics::found_done(self.ledger().now(), function));
        }
        Ok(days.records)
    }

    async fn start_again(
        &self,
        function: &str,
        request: &Request,
        day: Date,
        stop: DailyError,
    ) -> Result<(), DailyError> {
        let Some(restart) = &self.restart else {
            return Err(stop);
        };
        info!("{stop}");
        restart(function.to_owned(), request.event_from(day))
            .await
            .map_err(|source| DailyError::Restart {
                run_date: day,
                source,
            })
    }

    /// Runs the days of a request, as [`App::handle`] does, and reports each step.
    pub async fn run(
        &self,
        request: &Request,
        holder: &str,
        progress: Progress<'_>,
    ) -> Result<Vec<RunRecord>, DailyError> {
        let start = Start {
            trigger: request.trigger,
            as_of_now: request.as_of_now,
            holder,
            deadline: None,
            memory_bytes: None,
        };
        Ok(self.run_days(request, start, progress).await?.records)
    }

    async fn run_days(
        &self,
        request: &Request,
        start: Start<'_>,
        progress: Progress<'_>,
    ) -> Result<Days, DailyError> {
        let today = day_of(self.ledger().now());
        if let Some(day) = request.run_dates.iter().find(|day| **day > today) {
            return Err(DailyError::Payload(format!(
                "{day} has not begun: today is {today} (UTC), and a run of it would find nothing; ask for {today} to see the \
                 day so far, or for an earlier one"
            )));
        }
        let mut days: Vec<(Date, Trigger)> = Vec::new();
        if let (Trigger::Schedule, Some(first)) = (request.trigger, request.run_dates.first()) {
            let missed = self.missed_days(*first).await?;
            days.extend(missed.into_iter().map(|day| (day, Trigger::CatchUp)));
        }
        days.extend(request.run_dates.iter().map(|day| (*day, request.trigger)));
        let mut records = Vec::new();
        let mut first_error = None;
        let mut paused = None;
        for (day, trigger) in days {
            let start = Start { trigger, ..start };
            match self.runner.run(day, start, progress).boxed_local().await {
                Ok(Ended::Done(record)) => records.push(record),
                Ok(Ended::Paused(stop)) => {
                    paused = Some((day, stop));
                    break;
                }
                // The schedule starts at least once: whoever works on the day is another of its starts, or a person.
                Err(DailyError::Held { holder, .. })
                    if matches!(trigger, Trigger::Schedule | Trigger::CatchUp) =>
                {
                    info!(run.date = %day, run.holder = holder, "{holder} is at work on {day}");
                }
                Err(failure) if first_error.is_none() => first_error = Some(failure),
                // The ledger has all of them; one is returned.
                Err(failure) => {
                    error!(run.date = %day, error = %failure, "The run of {day} failed");
                }
            }
        }
        first_error.map_or(Ok(Days { records, paused }), Err)
    }

    /// Returns the days before a scheduled run that no run has done, back to the first run of all.
    async fn missed_days(&self, run_date: Date) -> Result<Vec<Date>, DailyError> {
        let days = i64::from(self.runner.config.catch_up_days);
        let ledger = self.ledger();
        let Some(first) = ledger.dates().await?.first().copied() else {
            return Ok(Vec::new());
        };
        let candidates = (1..=days)
            .rev()
            .map(|back| run_date.saturating_sub(back.days()));
        let mut missed = Vec::new();
        for day in candidates.filter(|day| *day >= first) {
            if ledger.days_run(day).await?.is_none() {
                missed.push(day);
            }
        }
        Ok(missed)
    }
}

#[cfg(test)]
mod tests;
