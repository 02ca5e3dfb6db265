//! What a merge did, and how its step in the ledger spells it.

use std::collections::BTreeMap;

use daily_report::run::StepRecord;
use daily_report::summary::{MergeCounts, RowBalance};
use event_model::Kind;
use tracing::warn;

use super::keys::Key;
use crate::table::change::Committed;

/// Prefix of the names of the steps that merge.
const MERGE: &str = "merge-";
/// Prefix of the counts of a merge's step that say what the rules changed.
const CHANGED: &str = "changed.";
/// The count of keys whose latest version nothing decides.
const ORDER_UNDECIDED: &str = "order_undecided";
/// The count of rows of days that had been run before.
const LATE: &str = "late";
/// The count of objects that a merge has still to read, while it is at work.
pub(crate) const OBJECTS_LEFT: &str = "objects_left";
/// Prefix of the counts that name examples of keys whose latest version nothing decides.
const UNDECIDED: &str = "undecided.";
/// How many there are of a merge.
const UNDECIDED_EXAMPLES: usize = 3;
/// What a merge did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MergeOutcome {
    pub(crate) counts: MergeCounts,
    /// Values changed by each rule in the objects of this merge.
    pub(crate) changes: BTreeMap<String, u64>,
    /// The version that it made or found, and the table's rows.
    pub(crate) table: Committed,
    /// Some of the keys whose latest version nothing decides.
    pub(crate) undecided: Vec<String>,
    /// Objects of the table, of this and of earlier merges, that cannot be read.
    pub(crate) unreadable: u64,
}

impl MergeOutcome {
    /// Adds what a slice did, but for what it found of the table.
    pub(super) fn add(&mut self, slice: &Self) {
        self.counts += slice.counts;
        for (rule, count) in &slice.changes {
            *self.changes.entry(rule.clone()).or_default() += count;
        }
        self.undecided.extend(slice.undecided.iter().cloned());
        self.undecided.sort_unstable();
        self.undecided.dedup();
        self.undecided.truncate(UNDECIDED_EXAMPLES);
    }

    /// Counts the keys whose latest version nothing decides, and keeps some as examples.
    pub(crate) fn count_undecided<K: Key>(&mut self, kind: Kind, mut keys: Vec<K>) {
        keys.sort_unstable();
        keys.dedup();
        self.counts.order_undecided = keys.len() as u64;
        if keys.is_empty() {
            return;
        }
        warn!(
            merge.order_undecided = keys.len(),
            "Of {} keys of {kind} nobody can say which version is the latest, as {:?}",
            keys.len(),
            keys.get(..UNDECIDED_EXAMPLES).unwrap_or(&keys)
        );
        keys.truncate(UNDECIDED_EXAMPLES);
        self.undecided = keys.iter().map(K::to_string).collect();
    }
}

/// Returns the name of the step that merges a kind.
pub(crate) fn merge_step(kind: Kind) -> String {
    format!("{MERGE}{kind}")
}

/// Tells whether a step merges a table.
pub(crate) fn is_merge_step(name: &str) -> bool {
    name.starts_with(MERGE)
}

/// Spells what a merge did as the counts of its step.
pub(crate) fn merge_counts(outcome: &MergeOutcome) -> BTreeMap<String, u64> {
    let MergeCounts {
        objects,
        rows_in,
        inserted,
        updated,
        superseded,
        repeated,
        order_undecided,
        late,
        healed,
    } = outcome.counts;
    let counts = [
        ("objects", objects),
        ("rows_in", rows_in),
        ("inserted", inserted),
        ("updated", updated),
        ("superseded", superseded),
        ("repeated", repeated),
        ("healed", healed),
    ];
    let counts = counts
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count));
    let changes = outcome
        .changes
        .iter()
        .map(|(rule, count)| (format!("{CHANGED}{rule}"), *count));
    let undecided = outcome.undecided.iter();
    let undecided = undecided.map(|key| (format!("{UNDECIDED}{key}"), 1));
    // Most merges have none.
    let seldom = [(ORDER_UNDECIDED, order_undecided), (LATE, late)];
    let seldom = seldom.into_iter().filter(|(_, count)| *count > 0);
    let seldom = seldom.map(|(name, count)| (name.to_owned(), count));
    counts
        .chain(seldom)
        .chain(changes)
        .chain(undecided)
        .collect()
}

/// Adds the counts of a merge to those of others.
pub(crate) fn add_counts(counts: &mut BTreeMap<String, u64>, more: BTreeMap<String, u64>) {
    for (name, count) in more {
        *counts.entry(name).or_default() += count;
    }
}

/// Reads what a merge did from the counts of its step.
pub(crate) fn read_merge_counts(step: &StepRecord) -> MergeCounts {
    let count = |name: &str| step.counts.get(name).copied().unwrap_or_default();
    MergeCounts {
        objects: count("objects"),
        rows_in: count("rows_in"),
        inserted: count("inserted"),
        updated: count("updated"),
        superseded: count("superseded"),
        repeated: count("repeated"),
        order_undecided: count(ORDER_UNDECIDED),
        late: count(LATE),
        healed: count("healed"),
    }
}

/// Returns the key that a count of a step names as an example of those whose latest version nothing decides.
pub(crate) fn undecided_key(count: &str) -> Option<&str> {
    count.strip_prefix(UNDECIDED)
}

/// Returns the rule whose changed values a count of a step is; `None` for another count.
pub(crate) fn changed_rule(count: &str) -> Option<&str> {
    count.strip_prefix(CHANGED)
}

/// Names of the counts of a merge's step that are no sum over its attempts.
pub(crate) const ROWS_BEFORE: &str = "rows_before";
pub(crate) const ROWS_AFTER: &str = "rows_after";
pub(crate) const ROWS_INSERTED: &str = "rows_inserted";
pub(crate) const ROWS_HEALED: &str = "rows_healed";
pub(crate) const UNREADABLE: &str = "unreadable";

/// Spells what a merge found of its table as counts of its step.
pub(crate) fn table_counts(outcome: &MergeOutcome) -> [(&'static str, u64); 5] {
    [
        (ROWS_BEFORE, outcome.table.rows_before),
        (ROWS_INSERTED, outcome.counts.inserted),
        (ROWS_HEALED, outcome.counts.healed),
        (ROWS_AFTER, outcome.table.rows_after),
        (UNREADABLE, outcome.unreadable),
    ]
}

/// Spells a row balance that does not hold, so that [`row_balance`] shows the difference.
pub(crate) fn imbalance(expected: u64, found: u64) -> BTreeMap<String, u64> {
    let counts = [(ROWS_BEFORE, expected), (ROWS_AFTER, found)];
    counts.map(|(name, count)| (name.to_owned(), count)).into()
}

/// Reads the row balance of a merge from the counts of its step.
pub(crate) fn row_balance(step: &StepRecord) -> RowBalance {
    let count = |name: &str| step.counts.get(name).copied().unwrap_or_default();
    RowBalance {
        before: count(ROWS_BEFORE),
        inserted: count(ROWS_INSERTED),
        healed: count(ROWS_HEALED),
        after: count(ROWS_AFTER),
    }
}
