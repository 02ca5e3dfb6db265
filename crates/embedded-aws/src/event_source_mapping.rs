//! The event source mapping: polls the stream and invokes a function with batches, as AWS's documentation says.
//!
//! Sources: [batching and polling](https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html),
//! [partial batch responses](https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html),
//! [discarded batches](https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html),
//! [parameters](https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html).
//! What is left out: tumbling windows, and filters.

mod event;
mod failure;
mod gather;
mod lane;
mod process;
mod response;
mod shards;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use event_model::Clock;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::error;

pub(crate) use failure::FailedInvocation;
use lane::Shared;

use crate::StackError;
use crate::kinesis::store::{Consumer, Store, StoreError};

/// Most records of a batch (a Lambda limit).
const MAX_BATCH_SIZE: usize = 10_000;
/// Longest batching window (a Lambda limit).
const MAX_WINDOW: Duration = Duration::from_mins(5);
/// Most batches of one shard at a time (a Lambda limit).
const MAX_PARALLELIZATION_FACTOR: u32 = 10;
/// Most retries (a Lambda limit).
const MAX_RETRY_ATTEMPTS: u32 = 10_000;
/// Range of the record age limit (a Lambda limit).
const RECORD_AGE: std::ops::RangeInclusive<Duration> =
    Duration::from_mins(1)..=Duration::from_hours(7 * 24);

/// The settings of the event source mapping, by AWS's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSourceMappingConfig {
    /// Most records of a batch, 1 to 10,000.
    pub batch_size: usize,
    /// Longest wait for a batch to fill, counted from its first record; at most 300 s.
    pub maximum_batching_window: Duration,
    /// Batches of one shard at a time, 1 to 10; the records of one partition key stay in order.
    pub parallelization_factor: u32,
    /// How often a batch is tried again before it is given up, at most 10,000; none tries for ever.
    pub maximum_retry_attempts: Option<u32>,
    /// Age from which on a record is given up instead of handed to the function, 1 minute to 7 days; none has no limit.
    pub maximum_record_age: Option<Duration>,
    /// Whether a batch that failed as a whole is halved before it is tried again, which does not count as a retry.
    pub bisect_batch_on_function_error: bool,
    /// Whether the function's answer may name records to be delivered again (`ReportBatchItemFailures`).
    pub report_batch_item_failures: bool,
    /// How often the destination is asked to take what is given up. Lambda does it for some time and then drops the records; none is for
    /// ever, since a folder on a full disk is no lost folder.
    pub maximum_delivery_attempts: Option<u32>,
    /// Where records that are given up are reported; `None` is the log alone.
    pub on_failure: Option<OnFailure>,
}

/// A destination for invocations that failed for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// A bucket gets the whole invocation, as an object under `aws/lambda/`.
    Bucket(String),
    /// A queue gets the metadata: shard, sequence numbers and reason. The queue is a folder under `.pinflow/queues/`, a file
    /// a message.
    Queue(String),
}

impl Default for EventSourceMappingConfig {
    /// Returns the settings of the pipeline: batches of 500, a window of a second, and no record is ever dropped.
    fn default() -> Self {
        Self {
            batch_size: 500,
            maximum_batching_window: Duration::from_secs(1),
            parallelization_factor: 1,
            maximum_retry_attempts: None,
            maximum_record_age: None,
            bisect_batch_on_function_error: false,
            report_batch_item_failures: true,
            maximum_delivery_attempts: None,
            on_failure: None,
        }
    }
}

impl EventSourceMappingConfig {
    pub(crate) fn validate(&self) -> Result<(), StackError> {
        let wrong = |message: String| Err(StackError::Setting(message));
        if !(1..=MAX_BATCH_SIZE).contains(&self.batch_size) {
            return wrong(format!(
                "the batch size is {}; take 1 to {MAX_BATCH_SIZE}",
                self.batch_size
            ));
        }
        if self.maximum_batching_window > MAX_WINDOW {
            let window = self.maximum_batching_window.as_secs();
            return wrong(format!("the batching window is {window} s; take 0 to 300"));
        }
        if !(1..=MAX_PARALLELIZATION_FACTOR).contains(&self.parallelization_factor) {
            return wrong(format!(
                "the parallelization factor is {}; take 1 to 10",
                self.parallelization_factor
            ));
        }
        if self
            .maximum_record_age
            .is_some_and(|age| !RECORD_AGE.contains(&age))
        {
            return wrong("the record age limit is outside 1 minute to 7 days".to_owned());
        }
        match self.maximum_retry_attempts {
            Some(attempts) if attempts > MAX_RETRY_ATTEMPTS => wrong(format!(
                "the retry attempts are {attempts}; take 0 to {MAX_RETRY_ATTEMPTS}, or none for ever"
            )),
            _ => Ok(()),
        }
    }
}

/// A function: takes an event and returns its answer, both as JSON; the error is what it failed with.
pub(crate) trait Function: Fn(String) -> Self::Answer + Send + Sync + 'static {
    type Answer: Future<Output = Result<String, String>> + Send;
}

impl<F, A> Function for F
where
    F: Fn(String) -> A + Send + Sync + 'static,
    A: Future<Output = Result<String, String>> + Send,
{
    type Answer = A;
}

/// Tells the on-failure destination; the error is why that could not be done.
pub(crate) trait Deliver:
    Fn(FailedInvocation) -> Self::Answer + Send + Sync + 'static
{
    type Answer: Future<Output = Result<(), String>> + Send;
}

impl<D, A> Deliver for D
where
    D: Fn(FailedInvocation) -> A + Send + Sync + 'static,
    A: Future<Output = Result<(), String>> + Send,
{
    type Answer = A;
}

/// What the mapping has done since it started.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    retries: AtomicU64,
    dropped: AtomicU64,
    undelivered: AtomicU64,
}

impl Progress {
    /// Returns how many invocations were made for records that had been delivered before.
    pub(crate) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Returns how many of the records that were given up no destination has.
    pub(crate) fn undelivered(&self) -> u64 {
        self.undelivered.load(Ordering::Relaxed)
    }

    /// Returns how many records were given up.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Whether the mapping is to wait for its window, as a consumer of a stream that goes on, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    Windowed,
    /// Somebody waits for the stream to be drained: what is there is a batch.
    Draining,
    Stopping,
}

/// A running mapping.
pub(crate) struct EventSourceMapping {
    store: Store,
    progress: Arc<Progress>,
    pace: watch::Sender<Pace>,
    /// Counter up to which each lane that was begun is done.
    done: watch::Receiver<Vec<(Consumer, u64)>>,
    shards: JoinHandle<()>,
}

impl EventSourceMapping {
    /// Starts to poll every shard from where the last mapping stopped, the first one from the oldest record.
    pub(crate) async fn start<F: Function, D: Deliver>(
        store: Store,
        stream_arn: String,
        config: EventSourceMappingConfig,
        clock: Clock,
        function: F,
        deliver: D,
    ) -> Result<Self, StoreError> {
        store.set_lanes(config.parallelization_factor).await?;
        let (done_sender, done) = watch::channel(Vec::new());
        let (pace, paces) = watch::channel(Pace::Windowed);
        let progress = Arc::<Progress>::default();
        let shared = Shared {
            store: store.clone(),
            stream_arn,
            config,
            clock,
            function,
            deliver,
            progress: Arc::clone(&progress),
            done: done_sender,
        };
        let shards = tokio::spawn(shards::run(Arc::new(shared), paces));
        Ok(Self {
            store,
            progress,
            pace,
            done,
            shards,
        })
    }

    pub(crate) fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Returns when every record that is on the stream now has been processed, without waiting for windows.
    pub(crate) async fn drained(&self) {
        let state = self.store.state().borrow().clone();
        self.pace.send_replace(Pace::Draining);
        let lanes = |done: &Vec<(Consumer, u64)>, shard| {
            done.iter()
                .filter(|(consumer, _)| consumer.shard == shard)
                .count()
        };
        let is_done = |done: &Vec<(Consumer, u64)>| {
            let was_begun = |shard| state.end(shard) == 0 || lanes(done, shard) > 0;
            state.topology.shards().all(|(shard, _)| was_begun(shard))
                && done
                    .iter()
                    .all(|(consumer, counter)| *counter >= state.end(consumer.shard))
        };
        // The lanes end only after a stop; then there is nothing to wait for.
        let _ = self.done.clone().wait_for(is_done).await;
        self.pace.send_if_modified(|pace| {
            let is_draining = *pace == Pace::Draining;
            if is_draining {
                *pace = Pace::Windowed;
            }
            is_draining
        });
    }

    /// Stops: an invocation that runs is awaited and its batch checkpointed, others are not begun.
    pub(crate) async fn stop(self) {
        self.pace.send_replace(Pace::Stopping);
        if let Err(error) = self.shards.await {
            error!(%error, "The event source mapping panicked");
        }
    }
}

#[cfg(test)]
mod tests;
