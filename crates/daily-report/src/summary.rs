//! The numbers of a run: `summary.json`.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::run::{LimitsUsed, StepRecord, Trigger};

/// What a run found and did.
///
/// Maps are keyed by the names that the rest of the pipeline uses: kinds (`pin`), rules, codes of rejection, columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The day that the run is about.
    pub run_date: Date,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// What started it.
    pub trigger: Option<Trigger>,
    /// Whether the run began before its day was over: later rows of the day are not in it.
    #[serde(default)]
    pub partial: bool,
    /// How much of the function's time and memory the run had used when it wrote this; `None` where nothing limits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<LimitsUsed>,
    /// What the merge of each kind did.
    pub merges: BTreeMap<String, MergeCounts>,
    /// Some of the keys that `order_undecided` counts.
    #[serde(default)]
    pub order_undecided_examples: BTreeMap<String, Vec<String>>,
    /// The number of rows of each table before and after its merge.
    #[serde(default)]
    pub row_balance: BTreeMap<String, RowBalance>,
    /// Clean objects of each kind that cannot be read; their rows are in no table.
    #[serde(default)]
    pub unreadable_objects: BTreeMap<String, u64>,
    /// Keys that a table has more than once. Anything but 0 needs a person.
    #[serde(default)]
    pub duplicate_keys: BTreeMap<String, u64>,
    /// The curated table of each kind after the run.
    pub tables: BTreeMap<String, TableCounts>,
    /// Rows cleaned on the run date by kind, for each of the 24 hours of arrival (UTC); a row that was delivered twice
    /// in batches of other bounds counts twice.
    pub rows_by_hour: BTreeMap<String, Vec<u64>>,
    /// Values changed or nulled by each rule in the rows of this run.
    pub changes_by_rule: BTreeMap<String, u64>,
    /// What was rejected on the run date.
    pub quarantine: Quarantine,
    /// The joins that reports share: how many keys all of their tables have, and how many one of them lacks.
    #[serde(default)]
    pub views: BTreeMap<String, ViewCounts>,
    /// Whether every accepted record was found.
    pub reconciliation: Reconciliation,
    /// What the day used of AWS, from which [`crate::price()`] computes its cost.
    pub usage: Usage,
    /// The run's steps, with their times.
    pub steps: Vec<StepRecord>,
}

/// What the run date used of AWS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Accepted records of the date: clean rows and rejected ones.
    pub records: u64,
    /// Objects of the date in `clean/` and `quarantine/`.
    pub objects: u64,
    /// Bytes of the date's objects in `clean/`.
    pub clean_bytes: u64,
    /// Bytes of the date's objects in `quarantine/`.
    #[serde(default)]
    pub quarantine_bytes: u64,
    /// Bytes of the curated tables after the run.
    pub table_bytes: u64,
    /// How long the steps of the run took, in ms, those of earlier attempts included.
    pub run_ms: u64,
    /// The stream; `None` when the run could not look at it.
    pub stream: Option<StreamUsage>,
    /// Processor of the function that ran.
    pub architecture: Architecture,
}

/// How the stream is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamUsage {
    /// Capacity mode.
    pub mode: StreamMode,
    /// Open shards.
    pub shards: u32,
    /// Hours that the stream keeps a record.
    pub retention_hours: u32,
}

/// Capacity mode of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamMode {
    /// Paid by the hour of each shard.
    Provisioned,
    /// Paid by what goes through it.
    OnDemand,
}

/// Processor of a function, as Lambda calls it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// Graviton.
    Arm64,
    /// Intel or AMD.
    #[default]
    X86_64,
}

/// What a merge did: `rows_in = inserted + updated + superseded + repeated`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeCounts {
    /// Clean objects that had not been merged before.
    pub objects: u64,
    /// Their rows.
    pub rows_in: u64,
    /// Rows whose `ind` is new.
    pub inserted: u64,
    /// Rows that took the place of an older one in the table.
    pub updated: u64,
    /// Rows that gave way to a later version of their `ind`.
    pub superseded: u64,
    /// Rows that had been seen: the same record, delivered again.
    pub repeated: u64,
    /// Keys whose latest version may be another one: arrival and sequence number disagree, or two shards took the versions
    /// within a second.
    #[serde(default)]
    pub order_undecided: u64,
    /// Rows of earlier days whose run had been before they came; that day's reports lack them.
    #[serde(default)]
    pub late: u64,
    /// Rows of the table that were removed because their `ind` had a later row in it; another program must have added them.
    #[serde(default)]
    pub healed: u64,
}

/// The number of a table's rows before and after the merge of a run: `after = before + inserted - healed`, or the run fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowBalance {
    /// Rows before the merge.
    pub before: u64,
    /// Rows of new keys.
    pub inserted: u64,
    /// Rows that shared their key with a later one.
    pub healed: u64,
    /// Rows of the table as it was opened again after the merge.
    pub after: u64,
}

impl AddAssign for MergeCounts {
    fn add_assign(&mut self, other: Self) {
        let Self {
            objects,
            rows_in,
            inserted,
            updated,
            superseded,
            repeated,
            order_undecided,
            late,
            healed,
        } = other;
        self.objects += objects;
        self.rows_in += rows_in;
        self.inserted += inserted;
        self.updated += updated;
        self.superseded += superseded;
        self.repeated += repeated;
        self.order_undecided += order_undecided;
        self.late += late;
        self.healed += healed;
    }
}

impl RowBalance {
    /// Adds the balance of a later run of the same date. Between the two, runs of other dates may have changed the table: what
    /// they did is in neither, so the rows before are those that make the sum right if each part was.
    pub fn extend(&mut self, later: &Self) {
        let between = i128::from(later.before) - i128::from(self.after);
        let before = i128::from(self.before) + between;
        self.before = u64::try_from(before).unwrap_or_default();
        self.inserted += later.inserted;
        self.healed += later.healed;
        self.after = later.after;
    }

    /// Returns how many rows are missing, or are too many.
    pub const fn difference(&self) -> u64 {
        let expected = (self.before + self.inserted).saturating_sub(self.healed);
        expected.abs_diff(self.after)
    }
}

/// A curated table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableCounts {
    /// The Delta version that the reports were made from.
    pub version: u64,
    /// Its rows.
    pub rows: u64,
    /// Its files.
    pub files: u64,
    /// Their size.
    pub size_bytes: u64,
    /// Nulls of each column that may hold one, in the table's order of columns.
    pub nulls: Vec<(String, u64)>,
}

/// Rejected records of the run date.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// How many of each code.
    pub by_code: BTreeMap<String, u64>,
    /// At most three of each code.
    pub examples: Vec<RejectedExample>,
    /// Keys of the quarantine objects of the day that cannot be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
}

/// A rejected record. What was posted is not here: reports are kept for good, quarantine is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedExample {
    /// The code.
    pub code: String,
    /// The message.
    pub message: String,
    /// The record's shard.
    pub shard: String,
    /// Its sequence number.
    pub sequence_number: String,
}

/// Keys by which of a view's tables have them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewCounts {
    /// In all of them.
    pub complete: u64,
    /// By table, those that another table has, but not this one.
    pub without: BTreeMap<String, u64>,
}

/// What became of the accepted records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reconciliation {
    /// Records that the stream took on the run date, as CloudWatch counts them.
    pub accepted: u64,
    /// Distinct records of that date in `clean/` and in `quarantine/`. At midnight, some may be counted on one day by the one and on the
    /// next by the other.
    pub found: u64,
    /// Records since the stream was made that it took and that are in neither. Anything but 0 needs a person.
    pub unaccounted: u64,
    /// Whether the check could be made; `false` when CloudWatch did not answer, or no stream was given.
    pub is_complete: bool,
    /// Records that the stream took from its first hour to the end of the run date.
    pub accepted_in_all: u64,
    /// Distinct records of that time in the lake.
    pub found_in_all: u64,
    /// Records whose difference was found to be none, or that somebody has given up.
    pub explained: u64,
    /// The end of the last hour in which nothing was missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<jiff::Timestamp>,
}
