//! An event → the runs it asks for → their records.

use std::sync::Arc;

use daily_report::run::{RunRecord, RunState, Trigger};
use event_model::Clock;
use futures::FutureExt as _;
use jiff::ToSpan as _;
use jiff::civil::Date;
use lambda_runtime::LambdaEvent;
use serde_json::Value;
use tracing::{error, instrument};

use crate::audit::Stream;
use crate::ledger::Ledger;
use crate::payload::Request;
use crate::run::{Progress, Runner};
use crate::{Config, DailyError, Lake, metrics};

/// Is handed a line of metrics for each run of an invocation that has ended.
pub type Publish = Arc<dyn Fn(&str) + Send + Sync>;

/// The function: the lake, its configuration, its clock, and where its metrics go. Cheap to clone.
#[derive(Clone)]
pub struct App {
    runner: Runner,
    publish: Publish,
}

impl App {
    /// Makes the function. Without a stream, runs cannot tell whether every accepted record is in the lake.
    pub fn new(lake: Lake, stream: Option<Stream>, config: Config, clock: Clock) -> Self {
        Self {
            runner: Runner {
                lake,
                stream,
                config,
                clock,
            },
            publish: Arc::new(|_| {}),
        }
    }

    /// Publishes the metrics of the runs of invocations; those of [`App::run`] are not.
    #[must_use]
    pub fn with_metrics(mut self, publish: Publish) -> Self {
        self.publish = publish;
        self
    }

    /// Returns the ledger of the runs.
    pub fn ledger(&self) -> Ledger {
        self.runner.ledger()
    }

    /// Runs the days that the event asks for, oldest first, and before them those that the schedule missed.
    ///
    /// A day that fails does not keep later ones from running; the first error is returned when all are through.
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
        let records = self.run(&request, holder, &tell).await?;
        // The alarm asks for the day, not for who has done it.
        if request.trigger == Trigger::Schedule
            && records.iter().any(|record| record.holder != *holder)
        {
            (self.publish)(&metrics::found_done(self.ledger().now(), function));
        }
        Ok(records)
    }

    /// Runs the days of a request, as [`App::handle`] does, and tells of each step.
    pub async fn run(
        &self,
        request: &Request,
        holder: &str,
        progress: Progress<'_>,
    ) -> Result<Vec<RunRecord>, DailyError> {
        let mut days: Vec<(Date, Trigger)> = Vec::new();
        if let (Trigger::Schedule, Some(first)) = (request.trigger, request.run_dates.first()) {
            let missed = self.missed_days(*first).await?;
            days.extend(missed.into_iter().map(|day| (day, Trigger::CatchUp)));
        }
        days.extend(request.run_dates.iter().map(|day| (*day, request.trigger)));
        let mut records = Vec::new();
        let mut first_error = None;
        for (day, trigger) in days {
            match self
                .runner
                .run(day, trigger, holder, progress)
                .boxed_local()
                .await
            {
                Ok(record) => records.push(record),
                Err(failure) if first_error.is_none() => first_error = Some(failure),
                // The ledger has all of them; one is returned.
                Err(failure) => {
                    error!(run.date = %day, error = %failure, "The run of {day} failed");
                }
            }
        }
        first_error.map_or(Ok(records), Err)
    }

    /// Returns the days before a scheduled run that no run has done, back to the first run of all.
    async fn missed_days(&self, run_date: Date) -> Result<Vec<Date>, DailyError> {
        let days = i64::from(self.runner.config.catch_up_days);
        let runs = self.ledger().latest_runs().await?;
        let Some(first) = runs.first().map(|record| record.run_date) else {
            return Ok(Vec::new());
        };
        let is_done = |day: Date| {
            runs.iter()
                .any(|record| record.run_date == day && record.state == RunState::Succeeded)
        };
        let candidates = (1..=days)
            .rev()
            .map(|back| run_date.saturating_sub(back.days()));
        Ok(candidates
            .filter(|day| *day >= first && !is_done(*day))
            .collect())
    }
}

#[cfg(test)]
mod tests;
