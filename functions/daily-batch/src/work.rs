//! Where a run works, the sizes that bound its memory and the files of a table, and its threads.

use event_model::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinHandle;

use crate::error::RowsError;
use crate::{DailyError, Lake};

/// Where a run works, and how large what it writes is.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) lake: Lake,
    pub(crate) sizes: Sizes,
    pub(crate) clock: Clock,
    /// Time after the end of a date from which on nothing arrives for it any more, but what is announced.
    pub(crate) seal_after: SignedDuration,
}

impl Work {
    /// Returns the time.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.clock.unix_millis()).unwrap_or(Timestamp::MAX)
    }
}

/// Sizes of what is read and written. Tests make them small, so that small tables have several files and writers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Encoded bytes at which a file is closed: large enough that listing and opening files costs little, as Spark's
    /// optimised writes.
    pub(crate) file_bytes: usize,
    /// Decoded bytes of a row group, at most, but for the last batch.
    pub(crate) row_group_bytes: usize,
    /// Decoded bytes that are read, filtered and encoded at once: at least one row.
    pub(crate) batch_bytes: usize,
    /// Encoded input for which one more writer is worth the additional file: with less, writers leave small files behind, and
    /// compaction writes all rows once more.
    pub(crate) bytes_per_writer: u64,
    /// Writers that work at once, at most.
    pub(crate) writers: usize,
    /// Small files that are worth being packed into one: a table that grows by one a day would be rewritten each day.
    pub(crate) packed_files: usize,
    /// Rows after which a merge begins another slice. Each costs 64 bytes of memory while it is sorted.
    pub(crate) slice_rows: usize,
    /// Bytes of clean objects after which a merge begins another slice.
    pub(crate) slice_bytes: u64,
}

impl Sizes {
    /// Returns the encoded size below which a file is small, and compaction packs it with others.
    pub(crate) fn small_bytes(&self) -> u64 {
        self.file_bytes as u64 / 2
    }
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            file_bytes: 128 << 20,
            row_group_bytes: 128 << 20,
            batch_bytes: 32 << 20,
            bytes_per_writer: 128 << 20,
            writers: workers(),
            packed_files: 4,
            slice_rows: 6_000_000,
            slice_bytes: 1 << 30,
        }
    }
}

/// Returns how many threads the processor runs at once.
pub(crate) fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Waits for a task; one that panicked is a bug.
pub(crate) async fn join<T>(task: JoinHandle<T>) -> Result<T, DailyError> {
    task.await
        .map_err(|error| DailyError::Bug(format!("a task of the run stopped: {error}")))
}

/// Waits for a task that decodes somebody's bytes: if it panics, they are at fault.
pub(crate) async fn join_reader<T>(task: JoinHandle<Result<T, RowsError>>) -> Result<T, RowsError> {
    task.await.unwrap_or(Err(RowsError::Panic))
}
