//! The run ledger: one object per attempt, and the lock that it is.
//!
//! An attempt begins with a conditional PUT of its object, so that of two runs one gets the number. Whoever takes over an
//! expired attempt writes its end into it first, on the condition that nobody has changed it: either the old holder's next
//! write fails, or the new one's first.

use std::ops::Range;

use daily_report::run::{RunRecord, RunState, StepRecord, Trigger};
use event_model::Clock;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion};

use crate::{DailyError, Lake, objects};

/// Prefix of the ledger's objects.
const RUNS_PREFIX: &str = "runs/";

/// The ledger of a lake. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger {
    lake: Lake,
    clock: Clock,
    /// How long an attempt that says nothing is left alone.
    expiry: SignedDuration,
}

/// An attempt that this process holds.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) record: RunRecord,
    version: UpdateVersion,
    ledger: Ledger,
}

/// What came of the wish to run.
#[derive(Debug)]
pub(crate) enum Begun {
    /// This process is to do the work.
    Attempt(Box<Attempt>),
    /// An earlier attempt has done it.
    AlreadyDone(Box<RunRecord>),
}

impl Ledger {
    /// Opens the ledger of a lake.
    pub fn new(lake: Lake, clock: Clock, expiry_seconds: u32) -> Self {
        Self {
            lake,
            clock,
            expiry: SignedDuration::from_secs(i64::from(expiry_seconds)),
        }
    }

    /// Returns the latest attempt of each run date, oldest date first.
    pub async fn latest_runs(&self) -> Result<Vec<RunRecord>, DailyError> {
        let keys = self.list(RUNS_PREFIX).await?;
        let mut runs = Vec::new();
        for (place, (date, _)) in keys.iter().enumerate() {
            let is_latest = keys.get(place + 1).is_none_or(|(next, _)| next != date);
            if let (true, Some(key)) = (is_latest, keys.get(place)) {
                runs.push(self.read(key).await?.0);
            }
        }
        Ok(runs)
    }

    /// Returns every attempt of a run date, in order.
    pub async fn attempts(&self, run_date: Date) -> Result<Vec<RunRecord>, DailyError> {
        let keys = self.list(&format!("{RUNS_PREFIX}date={run_date}/")).await?;
        let mut runs = Vec::new();
        for key in keys {
            runs.push(self.read(&key).await?.0);
        }
        Ok(runs)
    }

    /// Returns the attempts right before this one that no record says to have done a step: what they did is not counted.
    pub(crate) async fn unrecorded(
        &self,
        record: &RunRecord,
        step: &str,
    ) -> Result<Range<u32>, DailyError> {
        let earlier = self.attempts(record.run_date).await?;
        let unrecorded = earlier
            .iter()
            .rev()
            .skip_while(|earlier| earlier.attempt >= record.attempt)
            .take_while(|earlier| done_step(earlier, step).is_none());
        let first = unrecorded
            .last()
            .map_or(record.attempt, |record| record.attempt);
        Ok(first..record.attempt)
    }

    /// Begins an attempt at a run date, unless somebody holds it, or it is done and the schedule asks.
    pub(crate) async fn begin(
        &self,
        run_date: Date,
        trigger: Trigger,
        holder: &str,
        steps: &[&str],
    ) -> Result<Begun, DailyError> {
        loop {
            let keys = self.list(&format!("{RUNS_PREFIX}date={run_date}/")).await?;
            let previous = match keys.last() {
                Some(key) => Some(self.read(key).await?),
                None => None,
            };
            if let Some((record, version)) = &previous {
                match record.state {
                    // The schedule fires at least once.
                    RunState::Succeeded
                        if matches!(trigger, Trigger::Schedule | Trigger::CatchUp) =>
                    {
                        return Ok(Begun::AlreadyDone(Box::new(record.clone())));
                    }
                    RunState::Running if record.expires_at > self.now() => {
                        return Err(DailyError::Held {
                            run_date,
                            holder: record.holder.clone(),
                            expires_at: record.expires_at,
                        });
                    }
                    RunState::Running if !self.end_expired(record, version, holder).await? => {
                        continue;
                    }
                    _ => {}
                }
            }
            let previous = previous.map(|(record, _)| record);
            let record = self.next_attempt(previous.as_ref(), run_date, trigger, holder, steps);
            let put = self.put(&record, PutMode::Create).await;
            match put {
                Ok(version) => {
                    return Ok(Begun::Attempt(Box::new(Attempt {
                        record,
                        version,
                        ledger: self.clone(),
                    })));
                }
                // Somebody else took the number: look again.
                Err(object_store::Error::AlreadyExists { .. }) => {}
                Err(error) => return Err(DailyError::lake("write", path(&record))(error)),
            }
        }
    }

    /// Writes into an expired attempt that it has failed; `false` when its holder was quicker.
    async fn end_expired(
        &self,
        record: &RunRecord,
        version: &UpdateVersion,
        holder: &str,
    ) -> Result<bool, DailyError> {
        let ended = RunRecord {
            state: RunState::Failed,
            finished_at: Some(self.now()),
            error: Some(format!(
                "said nothing until {}; {holder} took over",
                record.expires_at
            )),
            ..record.clone()
        };
        match self.put(&ended, PutMode::Update(version.clone())).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::Precondition { .. }) => Ok(false),
            Err(error) => Err(DailyError::lake("write", path(record))(error)),
        }
    }

    fn next_attempt(
        &self,
        previous: Option<&RunRecord>,
        run_date: Date,
        trigger: Trigger,
        holder: &str,
        steps: &[&str],
    ) -> RunRecord {
        let unfinished = previous.filter(|record| record.state != RunState::Succeeded);
        let now = self.now();
        RunRecord {
            run_date,
            attempt: previous.map_or(1, |record| record.attempt + 1),
            trigger,
            holder: holder.to_owned(),
            state: RunState::Running,
            started_at: now,
            expires_at: now.saturating_add(self.expiry).unwrap_or(Timestamp::MAX),
            finished_at: None,
            steps: steps
                .iter()
                .map(|name| resumed_step(name, unfinished))
                .collect(),
            error: None,
        }
    }

    async fn put(&self, record: &RunRecord, mode: PutMode) -> object_store::Result<UpdateVersion> {
        let body =
            serde_json::to_vec_pretty(record).map_err(|source| object_store::Error::Generic {
                store: "ledger",
                source: Box::new(source),
            })?;
        let options = PutOptions::from(mode);
        let put = self
            .lake
            .store()
            .put_opts(&path(record), body.into(), options)
            .await?;
        Ok(UpdateVersion {
            e_tag: put.e_tag,
            version: put.version,
        })
    }

    async fn read(
        &self,
        (date, attempt): &(Date, u32),
    ) -> Result<(RunRecord, UpdateVersion), DailyError> {
        let path = attempt_path(*date, *attempt);
        let object = self
            .lake
            .store()
            .get(&path)
            .await
            .map_err(DailyError::lake("read", path.as_ref()))?;
        let version = UpdateVersion {
            e_tag: object.meta.e_tag.clone(),
            version: object.meta.version.clone(),
        };
        let bytes = object
            .bytes()
            .await
            .map_err(DailyError::lake("read", path.as_ref()))?;
        let record = serde_json::from_slice(&bytes).map_err(|source| DailyError::LedgerRecord {
            key: path.to_string(),
            source,
        })?;
        Ok((record, version))
    }

    /// Lists the attempts below a prefix, in order.
    async fn list(&self, prefix: &str) -> Result<Vec<(Date, u32)>, DailyError> {
        let found = objects::list(self.lake.store().as_ref(), prefix).await?;
        let mut attempts: Vec<_> = found
            .iter()
            .filter_map(|meta| parse(meta.location.as_ref()))
            .collect();
        attempts.sort_unstable();
        Ok(attempts)
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.clock.unix_millis()).unwrap_or(Timestamp::MAX)
    }
}

impl Attempt {
    /// Writes the record, and holds the date for another while.
    pub(crate) async fn save(&mut self) -> Result<(), DailyError> {
        let now = self.ledger.now();
        self.record.expires_at = now
            .saturating_add(self.ledger.expiry)
            .unwrap_or(Timestamp::MAX);
        let put = self
            .ledger
            .put(&self.record, PutMode::Update(self.version.clone()))
            .await;
        match put {
            Ok(version) => {
                self.version = version;
                Ok(())
            }
            Err(object_store::Error::Precondition { .. }) => Err(DailyError::TakenOver {
                run_date: self.record.run_date,
                attempt: self.record.attempt + 1,
            }),
            Err(error) => Err(DailyError::lake("write", path(&self.record))(error)),
        }
    }

    /// Writes how the work ended, and returns it. A success that cannot be written is a failure.
    pub(crate) async fn end(&mut self, worked: Result<(), DailyError>) -> Result<(), DailyError> {
        if let Err(DailyError::TakenOver { .. }) = worked {
            return worked;
        }
        self.record_end(&worked);
        let saved = self.save().await;
        let outcome = worked.and(saved);
        self.record_end(&outcome);
        outcome
    }

    fn record_end(&mut self, outcome: &Result<(), DailyError>) {
        self.record.finished_at = Some(self.now());
        self.record.state = match outcome {
            Ok(()) => RunState::Succeeded,
            Err(_) => RunState::Failed,
        };
        self.record.error = outcome.as_ref().err().map(chain);
    }

    /// Returns the length of time after which the record should be saved again while a step is at work.
    pub(crate) fn renewal(&self) -> std::time::Duration {
        (self.ledger.expiry / 3).unsigned_abs()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.ledger.now()
    }

    /// Notes that a step begins, and returns the time.
    pub(crate) fn record_start(&mut self, place: usize) -> Timestamp {
        let now = self.now();
        if let Some(step) = self.record.steps.get_mut(place) {
            step.state = RunState::Running;
            step.started_at = Some(now);
        }
        now
    }
}

fn resumed_step(name: &str, previous: Option<&RunRecord>) -> StepRecord {
    match previous.and_then(|record| done_step(record, name)) {
        Some(step) => StepRecord {
            state: RunState::Kept,
            ..step.clone()
        },
        None => StepRecord {
            name: name.to_owned(),
            state: RunState::Pending,
            started_at: None,
            duration_ms: None,
            counts: std::collections::BTreeMap::new(),
        },
    }
}

fn done_step<'a>(record: &'a RunRecord, name: &str) -> Option<&'a StepRecord> {
    let mut steps = record.steps.iter();
    steps.find(|step| {
        step.name == name && matches!(step.state, RunState::Succeeded | RunState::Kept)
    })
}

fn path(record: &RunRecord) -> Path {
    attempt_path(record.run_date, record.attempt)
}

fn attempt_path(run_date: Date, attempt: u32) -> Path {
    Path::from(format!(
        "{RUNS_PREFIX}date={run_date}/attempt-{attempt:04}.json"
    ))
}

fn parse(key: &str) -> Option<(Date, u32)> {
    let (date, name) = key.strip_prefix(RUNS_PREFIX)?.split_once('/')?;
    let attempt = name.strip_prefix("attempt-")?.strip_suffix(".json")?;
    Some((
        date.strip_prefix("date=")?.parse().ok()?,
        attempt.parse().ok()?,
    ))
}

fn chain(error: &DailyError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}
