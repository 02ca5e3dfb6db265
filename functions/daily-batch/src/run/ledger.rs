//! The run ledger: one object per attempt, and the lock that it is.
//!
//! An attempt begins with a conditional PUT of its object, so that of two runs one gets the number. Whoever takes over an
//! expired attempt writes its end into it first, on the condition that nobody has changed it: either the old holder's next
//! write fails, or the new one's first.

mod resume;

use std::collections::BTreeMap;
use std::ops::Range;

use daily_report::run::{RunRecord, RunState, Trigger};
use event_model::{Clock, chain};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion};

use self::resume::{done, is_resumable, make_again, resumed_step};
use crate::payload::day_of;
use crate::run::limits::Limits;
use crate::storage::objects;
use crate::{Config, DailyError, Lake};

/// Prefix of the ledger's objects.
const RUNS_PREFIX: &str = "runs/";

/// The ledger of a lake. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger {
    lake: Lake,
    clock: Clock,
    /// How long an attempt that says nothing is left alone.
    expiry: SignedDuration,
    /// How long the versions of tables that an attempt noted can be read for sure.
    versions_last: SignedDuration,
}

/// An attempt that this process holds.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) record: RunRecord,
    /// Steps that the attempt before this one had done.
    pub(crate) done_before: usize,
    /// Whether it has merged a slice.
    has_merged: bool,
    /// What the invocation has.
    pub(crate) limits: Option<Limits>,
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
    pub fn new(lake: Lake, clock: Clock, config: &Config) -> Self {
        Self {
            lake,
            clock,
            expiry: SignedDuration::from_secs(i64::from(config.run_expiry_seconds)),
            // Half of the time that vacuum leaves them, as the attempt that resumes takes time as well.
            versions_last: SignedDuration::from_hours(i64::from(config.vacuum_retention_hours)) / 2,
        }
    }

    /// Returns the latest attempt of each run date, oldest date first.
    pub async fn latest_runs(&self) -> Result<Vec<RunRecord>, DailyError> {
        let mut runs = Vec::new();
        for date in self.dates().await? {
            runs.extend(self.attempts(date).await?.pop());
        }
        Ok(runs)
    }

    /// Returns the run dates, oldest first.
    pub(crate) async fn dates(&self) -> Result<Vec<Date>, DailyError> {
        let store = self.lake.store();
        let folders = objects::list_folders(store.as_ref(), RUNS_PREFIX).await?;
        let mut dates: Vec<Date> = folders
            .iter()
            .filter_map(|folder| folder.filename()?.strip_prefix("date=")?.parse().ok())
            .collect();
        dates.sort_unstable();
        Ok(dates)
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

    /// Returns the attempts right before this one that came to no end: what they merged belongs to the same run.
    pub(crate) async fn unfinished(&self, record: &RunRecord) -> Result<Range<u32>, DailyError> {
        let earlier = self.attempts(record.run_date).await?;
        let unfinished = earlier
            .iter()
            .rev()
            .skip_while(|earlier| earlier.attempt >= record.attempt)
            .take_while(|earlier| earlier.state != RunState::Succeeded);
        let first = unfinished
            .last()
            .map_or(record.attempt, |record| record.attempt);
        Ok(first..record.attempt)
    }

    /// Returns the latest of these dates whose day was run.
    pub(crate) async fn last_days_run(&self, dates: &[Date]) -> Result<Option<Date>, DailyError> {
        for date in dates.iter().rev() {
            if self.days_run(*date).await?.is_some() {
                return Ok(Some(*date));
            }
        }
        Ok(None)
    }

    /// Returns the run of a day, if there was one: the last attempt that came to its end when the day was over.
    pub(crate) async fn days_run(&self, run_date: Date) -> Result<Option<RunRecord>, DailyError> {
        let attempts = self.attempts(run_date).await?;
        Ok(attempts.into_iter().rfind(RunRecord::is_days_run))
    }

    /// Returns the attempts before this one that came to their end: what they merged belongs to the same day. Of one that was
    /// made again, those before the first time.
    pub(crate) async fn succeeded_before(
        &self,
        record: &RunRecord,
    ) -> Result<Vec<RunRecord>, DailyError> {
        let mut earlier = self.attempts(record.run_date).await?;
        earlier.retain(|earlier| {
            let first = record.as_of.unwrap_or(record.attempt);
            earlier.attempt < first && earlier.state == RunState::Succeeded
        });
        Ok(earlier)
    }

    /// Begins an attempt at a run date, unless somebody holds it, or it is done and the schedule asks.
    ///
    /// With `again`, the day's run, the attempt makes its reports again: it reads the same versions of the tables, and merges
    /// nothing.
    ///
    /// A holder that asks again has died: Lambda starts a request a second time, under the same identifier, when the first
    /// time has ended. It takes its own attempt over at once.
    pub(crate) async fn begin(
        &self,
        run_date: Date,
        trigger: Trigger,
        holder: &str,
        steps: &[String],
        again: Option<&RunRecord>,
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
                        if record.is_days_run()
                            && matches!(trigger, Trigger::Schedule | Trigger::CatchUp) =>
                    {
                        return Ok(Begun::AlreadyDone(Box::new(record.clone())));
                    }
                    // What a newer version calls its work may be under way as well.
                    RunState::Running | RunState::Unknown
                        if record.expires_at > self.now() && record.holder != holder =>
                    {
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
            let mut record = self.next_attempt(previous.as_ref(), run_date, trigger, holder, steps);
            if let Some(again) = again {
                make_again(&mut record, again);
            }
            // `None`: somebody else took the number, so look again.
            if let Some(version) = self.put(&record, PutMode::Create).await? {
                let is_partial = record.partial;
                let previous = previous.filter(|record| is_resumable(record, is_partial));
                return Ok(Begun::Attempt(Box::new(Attempt {
                    done_before: previous.map_or(0, |record| done(&record)),
                    has_merged: false,
                    limits: None,
                    record,
                    version,
                    ledger: self.clone(),
                })));
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
            error: Some(if record.holder == holder {
                "ended without a word; its own retry took over".to_owned()
            } else {
                format!(
                    "said nothing until {}; {holder} took over",
                    record.expires_at
                )
            }),
            ..record.clone()
        };
        let put = self.put(&ended, PutMode::Update(version.clone())).await?;
        Ok(put.is_some())
    }

    fn next_attempt(
        &self,
        previous: Option<&RunRecord>,
        run_date: Date,
        trigger: Trigger,
        holder: &str,
        steps: &[String],
    ) -> RunRecord {
        let now = self.now();
        let partial = day_of(now) <= run_date;
        let unfinished = previous.filter(|record| is_resumable(record, partial));
        // Reports read all tables as of one moment: unless every table was merged then, each is merged again.
        let has_versions = unfinished.is_some_and(|record| {
            !record.tables.is_empty() && now.duration_since(record.started_at) < self.versions_last
        });
        RunRecord {
            run_date,
            attempt: previous.map_or(1, |record| record.attempt + 1),
            trigger,
            holder: holder.to_owned(),
            state: RunState::Running,
            partial,
            as_of: None,
            as_of_now: false,
            // A run of several invocations has used up all but its last one.
            used: unfinished
                .filter(|record| record.state == RunState::Paused)
                .and_then(|record| record.used),
            started_at: now,
            expires_at: now.saturating_add(self.expiry).unwrap_or(Timestamp::MAX),
            finished_at: None,
            steps: steps
                .iter()
                .map(|name| resumed_step(name, unfinished.filter(|_| has_versions)))
                .collect(),
            tables: unfinished
                .filter(|_| has_versions)
                .map(|record| record.tables.clone())
                .unwrap_or_default(),
            error: None,
        }
    }

    /// Writes a record; `None` when the condition does not hold.
    ///
    /// The bucket may answer a first try with an error after it has stored it, and the client then meets its own record: one
    /// with this very content is a success.
    async fn put(
        &self,
        record: &RunRecord,
        mode: PutMode,
    ) -> Result<Option<UpdateVersion>, DailyError> {
        let path = path(record);
        let body = serde_json::to_vec_pretty(record)
            .map_err(|error| DailyError::Bug(error.to_string()))?;
        let store = self.lake.store();
        let put = store
            .put_opts(&path, body.into(), PutOptions::from(mode))
            .await;
        match put {
            Ok(put) => Ok(Some(UpdateVersion {
                e_tag: put.e_tag,
                version: put.version,
            })),
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. },
            ) => {
                let (found, version) = self.read(&(record.run_date, record.attempt)).await?;
                Ok((found == *record).then_some(version))
            }
            Err(error) => Err(DailyError::lake("write", path)(error)),
        }
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
        for _ in 0..2 {
            let mode = PutMode::Update(self.version.clone());
            if let Some(version) = self.ledger.put(&self.record, mode).await? {
                self.version = version;
                return Ok(());
            }
            // An earlier save may have been stored although it was answered with an error.
            let key = (self.record.run_date, self.record.attempt);
            let (found, version) = self.ledger.read(&key).await?;
            if found.holder != self.record.holder || found.state != RunState::Running {
                break;
            }
            self.version = version;
        }
        Err(DailyError::TakenOver {
            run_date: self.record.run_date,
            attempt: self.record.attempt + 1,
        })
    }

    /// Writes how the work ended, and returns it. A success that cannot be written is a failure.
    pub(crate) async fn end(&mut self, worked: Result<(), DailyError>) -> Result<(), DailyError> {
        if let Err(DailyError::TakenOver { .. }) = worked {
            return worked;
        }
        self.record_end(&worked);
        self.record_use();
        let saved = self.save().await;
        let outcome = worked.and(saved);
        self.record_end(&outcome);
        outcome
    }

    /// Notes how much of the invocation's time and memory is used so far, or was by an earlier one of the run.
    pub(crate) fn record_use(&mut self) {
        if let Some(limits) = &self.limits {
            let used = limits.used(self.record.started_at, self.now());
            let before = self.record.used.unwrap_or_default();
            self.record.used = Some(used.max(before));
        }
    }

    fn record_end(&mut self, outcome: &Result<(), DailyError>) {
        self.record.finished_at = Some(self.now());
        self.record.state = match outcome {
            Ok(()) => RunState::Succeeded,
            Err(DailyError::OutOfTime { .. }) => RunState::Paused,
            Err(_) => RunState::Failed,
        };
        self.record.error = outcome.as_ref().err().map(chain);
    }

    /// Returns the length of time after which the record should be saved again while a step is at work.
    pub(crate) fn renewal(&self) -> std::time::Duration {
        (self.ledger.expiry / 4).unsigned_abs()
    }

    /// Tells whether this attempt has come further than those before it: by a step, or by a slice of one.
    pub(crate) fn has_progressed(&self) -> bool {
        self.has_merged || done(&self.record) > self.done_before
    }

    /// Notes how far a merge is.
    pub(crate) fn record_slice(&mut self, step: &str, counts: BTreeMap<String, u64>) {
        self.has_merged = true;
        let mut steps = self.record.steps.iter_mut();
        if let Some(step) = steps.find(|found| found.name == step) {
            step.counts = counts;
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.ledger.now()
    }

    /// Notes that a step begins.
    pub(crate) fn record_start(&mut self, place: usize) {
        let now = self.now();
        if let Some(step) = self.record.steps.get_mut(place) {
            step.state = RunState::Running;
            step.started_at = Some(now);
        }
    }

    /// Tells whether an earlier attempt has done a step.
    pub(crate) fn is_kept(&self, place: usize) -> bool {
        let step = self.record.steps.get(place);
        step.is_none_or(|step| step.state == RunState::Kept)
    }
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
