//! What stream-cleaner has done since the stack started.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cleaning::{RejectionCode, RuleCounts};
use event_model::Kind;
use stream_cleaner::BatchSummary;

use crate::event_source_mapping::Progress;

/// The sum of the summaries of every invocation of stream-cleaner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Invocations that wrote something.
    pub invocations: u64,
    /// Rows written, by kind. A batch that was delivered twice counts twice.
    pub rows: BTreeMap<Kind, u64>,
    /// Records written to quarantine, by code.
    pub rejected: BTreeMap<RejectionCode, u64>,
    /// Values changed by each rule.
    pub changes: RuleCounts,
    /// Objects written.
    pub objects: u64,
    /// Bytes of the objects written.
    pub bytes_written: u64,
    retries: u64,
    dropped: u64,
}

impl Totals {
    fn add(&mut self, summary: &BatchSummary) {
        self.invocations += 1;
        for (kind, rows) in &summary.rows {
            *self.rows.entry(*kind).or_default() += rows;
        }
        for (code, records) in &summary.rejected {
            *self.rejected.entry(*code).or_default() += records;
        }
        self.changes += summary.changes;
        self.objects += summary.objects;
        self.bytes_written += summary.bytes_written;
    }

    /// Returns the rows of all kinds.
    pub fn total_rows(&self) -> u64 {
        self.rows.values().sum()
    }

    /// Returns the records that went to quarantine.
    pub fn total_rejected(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Returns how many invocations were made for records that had been delivered before.
    pub fn retries(&self) -> u64 {
        self.retries
    }

    /// Returns how many records the event source mapping gave up; with no retry limit, none.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// The totals of a stack that runs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct LiveTotals {
    sums: Arc<Mutex<Totals>>,
    progress: Arc<Progress>,
}

impl LiveTotals {
    pub(crate) fn new(sums: Arc<Mutex<Totals>>, progress: Arc<Progress>) -> Self {
        Self { sums, progress }
    }

    /// Returns the totals as they are now.
    pub(crate) fn now(&self) -> Totals {
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        Totals {
            retries: self.progress.retries(),
            dropped: self.progress.dropped(),
            ..sums.clone()
        }
    }
}

/// Adds a summary to the sums.
pub(crate) fn add(sums: &Mutex<Totals>, summary: &BatchSummary) {
    sums.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .add(summary);
}
