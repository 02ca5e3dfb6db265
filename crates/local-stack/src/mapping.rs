//! The event source mapping: polls the stream and invokes a function with batches, as AWS's documentation says.
//!
//! Sources: [batching and polling](https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html),
//! [partial batch responses](https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html),
//! [parameters](https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html).
//! What is left out: bisect, the record age limit, failure destinations and tumbling windows.

mod event;
mod lane;
mod response;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use event_model::Clock;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::StackError;
use crate::kinesis::store::{Consumer, Store};

/// Most records of a batch (a Lambda limit).
const MAX_BATCH_SIZE: usize = 10_000;
/// Longest batching window (a Lambda limit).
const MAX_WINDOW: Duration = Duration::from_mins(5);
/// Most batches of one shard at a time (a Lambda limit).
const MAX_PARALLELIZATION_FACTOR: u32 = 10;
/// Most retries (a Lambda limit).
const MAX_RETRY_ATTEMPTS: u32 = 10_000;

/// The settings of the event source mapping, by AWS's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingConfig {
    /// Most records of a batch, 1 to 10,000.
    pub batch_size: usize,
    /// Longest wait for a batch to fill, counted from its first record; at most 300 s.
    pub maximum_batching_window: Duration,
    /// Batches of one shard at a time, 1 to 10; the records of one partition key stay in order.
    pub parallelization_factor: u32,
    /// How often a batch is tried again before it is dropped, at most 10,000; none tries for ever.
    pub maximum_retry_attempts: Option<u32>,
    /// Whether the function's answer may name records to be delivered again (`ReportBatchItemFailures`).
    pub report_batch_item_failures: bool,
}

impl Default for MappingConfig {
    /// Returns the settings of the pipeline: batches of 500, a window of a second, and no record is ever dropped.
    fn default() -> Self {
        Self {
            batch_size: 500,
            maximum_batching_window: Duration::from_secs(1),
            parallelization_factor: 1,
            maximum_retry_attempts: None,
            report_batch_item_failures: true,
        }
    }
}

impl MappingConfig {
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

/// What the mapping has done since it started.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    retries: AtomicU64,
    dropped: AtomicU64,
}

impl Progress {
    /// Returns how many invocations were made for records that had been delivered before.
    pub(crate) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
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
pub(crate) struct Mapping {
    store: Store,
    progress: Arc<Progress>,
    pace: watch::Sender<Pace>,
    /// Counter up to which each lane is done, in the order shard, lane.
    done: watch::Receiver<Vec<(Consumer, u64)>>,
    lanes: JoinSet<()>,
}

impl Mapping {
    /// Starts to poll every shard from where the last mapping stopped, the first one from the oldest record.
    pub(crate) async fn start<F: Function>(
        store: Store,
        stream_arn: String,
        config: MappingConfig,
        clock: Clock,
        function: F,
    ) -> Result<Self, crate::kinesis::store::StoreError> {
        store.set_lanes(config.parallelization_factor).await?;
        let mut checkpoints = Vec::new();
        for shard in 0..store.shards() {
            for lane in 0..config.parallelization_factor {
                let consumer = Consumer { shard, lane };
                checkpoints.push((consumer, store.checkpoint(consumer)?));
            }
        }
        let (done_sender, done) = watch::channel(checkpoints.clone());
        let (pace, paces) = watch::channel(Pace::Windowed);
        let progress = Arc::<Progress>::default();
        let shared = Arc::new(lane::Shared {
            store: store.clone(),
            stream_arn,
            config,
            clock,
            function,
            progress: Arc::clone(&progress),
            done: done_sender,
        });
        let mut lanes = JoinSet::new();
        for (consumer, checkpoint) in checkpoints {
            lanes.spawn(lane::run(
                Arc::clone(&shared),
                consumer,
                checkpoint,
                paces.clone(),
            ));
        }
        Ok(Self {
            store,
            progress,
            pace,
            done,
            lanes,
        })
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Returns when every record that is on the stream now has been processed, without waiting for windows.
    pub(crate) async fn drained(&self) {
        let ends = self.store.ends().borrow().clone();
        self.pace.send_replace(Pace::Draining);
        let is_done = |done: &Vec<(Consumer, u64)>| {
            done.iter()
                .all(|(consumer, counter)| Some(counter) >= ends.get(consumer.shard as usize))
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
    pub(crate) async fn stop(mut self) {
        self.pace.send_replace(Pace::Stopping);
        while self.lanes.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests;
