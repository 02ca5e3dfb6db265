//! A run's record in the ledger.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr};

/// What started a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, EnumString, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Trigger {
    /// The schedule.
    Schedule,
    /// A person.
    Manual,
    /// A person, for a range of days.
    Backfill,
    /// The schedule's run found that this day had been missed.
    CatchUp,
    /// One that a newer version knows, whose record stayed when it was rolled back.
    #[serde(other)]
    Unknown,
}

impl Trigger {
    /// Returns the trigger as it is written.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// State of a run, or of one of its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RunState {
    /// Not begun.
    Pending,
    /// At work.
    Running,
    /// Done.
    Succeeded,
    /// Stopped by an error.
    Failed,
    /// Done by an earlier attempt, and not done again.
    Kept,
    /// Stopped before the function's time was over; another start goes on from there.
    Paused,
    /// One that a newer version knows, whose record stayed when it was rolled back: nobody can say whether the day is done.
    #[serde(other)]
    Unknown,
}

impl RunState {
    /// Returns the state as it is written.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The step's stable name, as `merge-pin`.
    pub name: String,
    /// Its state.
    pub state: RunState,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// How long it took, in milliseconds; for a kept step, what the attempt that did it needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// What it counted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, u64>,
    /// Why it failed: the whole chain of causes. Compaction and vacuum may fail in a run that succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How much of the time and the memory of a function's invocation was used, in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsUsed {
    /// Of the time from the attempt's start to the end of the invocation.
    pub time_percent: u64,
    /// Of the memory, at its highest.
    pub memory_percent: u64,
}

impl LimitsUsed {
    /// Returns the more of both, of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            time_percent: self.time_percent.max(other.time_percent),
            memory_percent: self.memory_percent.max(other.memory_percent),
        }
    }
}

/// One attempt at a run date: an object of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The day that the run is about.
    pub run_date: Date,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// What started it.
    pub trigger: Trigger,
    /// Who does it: a request's or a process's identifier.
    pub holder: String,
    /// Its state.
    pub state: RunState,
    /// Whether it began before its day was over: a preview, which does not count as the day's run.
    #[serde(default, skip_serializing_if = "is_false")]
    pub partial: bool,
    /// The attempt that was the day's run before, whose versions of the tables the reports of this one read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<u32>,
    /// Whether it merges what came late and reports the tables as they are, because somebody said so.
    #[serde(default, skip_serializing_if = "is_false")]
    pub as_of_now: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// Until when nobody else may begin an attempt at the same date, as long as this one is running.
    pub expires_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// How much of what the function has the attempt has used; `None` where nothing limits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<LimitsUsed>,
    /// Its steps, in order.
    pub steps: Vec<StepRecord>,
    /// The version of each table that the reports read; empty until every table is merged.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, u64>,
    /// Why it failed: the whole chain of causes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl RunRecord {
    /// Returns whether this attempt is the run of its day: it came to its end, and the day had come to its own before.
    pub fn is_days_run(&self) -> bool {
        self.state == RunState::Succeeded && !self.partial
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands references over"
)]
fn is_false(value: &bool) -> bool {
    !value
}
