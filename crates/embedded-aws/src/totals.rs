//! What stream-cleaner has done since the stack started.

use std::sync::{Arc, Mutex, PoisonError};

use cleaning::Tally;
use stream_cleaner::BatchSummary;

use crate::event_source_mapping::Progress;

/// The sum of the summaries of every invocation of stream-cleaner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Invocations that wrote something.
    pub invocations: u64,
    /// Rows and quarantined records written. A batch that was delivered twice counts twice.
    pub tally: Tally,
    /// Objects written.
    pub objects: u64,
    /// Bytes of the objects written.
    pub bytes_written: u64,
    retries: u64,
    dropped: u64,
    undelivered: u64,
}

impl Totals {
    fn add(&mut self, summary: &BatchSummary) {
        self.invocations += 1;
        self.tally += &summary.tally;
        self.objects += summary.objects;
        self.bytes_written += summary.bytes_written;
    }

    /// Returns how many invocations were made for records that had been delivered before.
    pub fn retries(&self) -> u64 {
        self.retries
    }

    /// Returns how many of the records that were given up no destination has.
    pub fn undelivered(&self) -> u64 {
        self.undelivered
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
            undelivered: self.progress.undelivered(),
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
