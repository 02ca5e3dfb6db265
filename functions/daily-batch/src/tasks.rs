//! Work on several processors.

use tokio::task::JoinHandle;

use crate::DailyError;
use crate::error::RowsError;

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
