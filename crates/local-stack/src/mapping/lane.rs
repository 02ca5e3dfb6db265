//! One lane of a shard: gathers a batch, invokes the function until the batch is done, notes the checkpoint.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use event_model::Clock;
use event_model::limits::LAMBDA_PAYLOAD_MAX_BYTES;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{error, warn};

use super::{Function, MappingConfig, Pace, Progress, event, response};
use crate::kinesis::store::{Consumer, ReadLimit, Store, StoreError, StoredRecord};

/// Pause before a batch is tried again; it doubles with each try. AWS does not tell its own.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Records that are read at a time.
const READ: ReadLimit = ReadLimit {
    records: 1000,
    bytes: LAMBDA_PAYLOAD_MAX_BYTES,
};

/// What the lanes of a mapping have in common.
pub(super) struct Shared<F> {
    pub(super) store: Store,
    pub(super) stream_arn: String,
    pub(super) config: MappingConfig,
    pub(super) clock: Clock,
    pub(super) function: F,
    pub(super) progress: Arc<Progress>,
    pub(super) done: watch::Sender<Vec<(Consumer, u64)>>,
}

/// The records of a lane from a place on, gathered until they make a batch.
struct Gathered {
    batch: Vec<StoredRecord>,
    /// Counter of the last record that was looked at, of this lane or of another.
    seen: u64,
}

/// Polls until it is told to stop.
pub(super) async fn run<F: Function>(
    shared: Arc<Shared<F>>,
    consumer: Consumer,
    checkpoint: u64,
    mut pace: watch::Receiver<Pace>,
) {
    let mut checkpoint = checkpoint;
    loop {
        let Some(gathered) = gather(&shared, consumer, checkpoint, &mut pace).await else {
            return;
        };
        checkpoint = match process(&shared, consumer, gathered, &mut pace).await {
            Some(checkpoint) => checkpoint,
            None => return,
        };
        shared.done.send_modify(|done| {
            for (other, counter) in done {
                if *other == consumer {
                    *counter = checkpoint;
                }
            }
        });
    }
}

/// Waits for records and returns a batch: it is full, or its window is over, or nobody wants to wait. None after a stop.
async fn gather<F: Function>(
    shared: &Shared<F>,
    consumer: Consumer,
    checkpoint: u64,
    pace: &mut watch::Receiver<Pace>,
) -> Option<Gathered> {
    let mut ends = shared.store.ends();
    let mut gathered = Gathered {
        batch: Vec::new(),
        seen: checkpoint,
    };
    let mut bytes = 0;
    let mut window_end = None;
    loop {
        if *pace.borrow_and_update() == Pace::Stopping {
            return None;
        }
        let end = ends
            .borrow_and_update()
            .get(consumer.shard as usize)
            .copied()
            .unwrap_or_default();
        let is_full = take(shared, consumer, end, &mut gathered, &mut bytes).await;
        if is_full {
            return Some(gathered);
        }
        if gathered.batch.is_empty() {
            // Records of other lanes were passed over; that is progress, too.
            if gathered.seen > checkpoint {
                return Some(gathered);
            }
        } else {
            let window_end = *window_end.get_or_insert_with(|| window_end_of(&gathered, shared));
            if *pace.borrow() == Pace::Draining || Instant::now() >= window_end {
                return Some(gathered);
            }
        }
        tokio::select! {
            changed = ends.changed() => if changed.is_err() { return None; },
            changed = pace.changed() => if changed.is_err() { return None; },
            () = until(window_end) => {}
        }
    }
}

/// The window counts from the arrival of the first record, which may have been before this process started.
fn window_end_of<F: Function>(gathered: &Gathered, shared: &Shared<F>) -> Instant {
    let waited_ms = gathered.batch.first().map_or(0, |first| {
        shared.clock.unix_millis().saturating_sub(first.arrival_ms)
    });
    let waited = Duration::from_millis(u64::try_from(waited_ms).unwrap_or_default());
    Instant::now() + shared.config.maximum_batching_window.saturating_sub(waited)
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Adds the records up to a counter to the batch; returns whether it is full.
async fn take<F: Function>(
    shared: &Shared<F>,
    consumer: Consumer,
    end: u64,
    gathered: &mut Gathered,
    bytes: &mut usize,
) -> bool {
    while gathered.seen < end {
        let records = match shared.store.read(consumer.shard, gathered.seen, READ) {
            Ok(records) => records,
            Err(error) => {
                pause_for_store("read", &error).await;
                continue;
            }
        };
        for record in records {
            if lane_of(&record.partition_key, shared.config.parallelization_factor) == consumer.lane
            {
                let size = event::size(&record);
                if !gathered.batch.is_empty() && *bytes + size > LAMBDA_PAYLOAD_MAX_BYTES {
                    return true;
                }
                *bytes += size;
                gathered.seen = record.counter;
                gathered.batch.push(record);
                if gathered.batch.len() >= shared.config.batch_size {
                    return true;
                }
            } else {
                gathered.seen = record.counter;
            }
        }
    }
    false
}

/// Returns the lane of a partition key: the same for ever, so that its records stay in order.
fn lane_of(partition_key: &str, lanes: u32) -> u32 {
    let hash = partition_key
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
    u32::try_from(hash % u64::from(lanes.max(1))).unwrap_or_default()
}

/// Invokes the function until every record of the batch is done with or given up; returns the checkpoint.
///
/// None after a stop: what is not done is delivered again by the next mapping.
async fn process<F: Function>(
    shared: &Shared<F>,
    consumer: Consumer,
    gathered: Gathered,
    pace: &mut watch::Receiver<Pace>,
) -> Option<u64> {
    let mut rest = gathered.batch.as_slice();
    let mut failed_attempts = 0;
    while !rest.is_empty() {
        let event = event::of_batch(&shared.stream_arn, consumer.shard, rest);
        let done = match (shared.function)(event).await {
            Ok(answer) if shared.config.report_batch_item_failures => {
                response::records_done(&answer, rest)
            }
            Ok(_) => rest.len(),
            Err(error) => {
                warn!(
                    shard = consumer.shard,
                    batch.records = rest.len(),
                    error,
                    "The function failed"
                );
                0
            }
        };
        if done == rest.len() {
            break;
        }
        if done > 0 {
            rest = rest.get(done..).unwrap_or_default();
            failed_attempts = 0;
            let before_rest = rest
                .first()
                .map_or(gathered.seen, |record| record.counter - 1);
            save(shared, consumer, before_rest).await;
        }
        if shared
            .config
            .maximum_retry_attempts
            .is_some_and(|attempts| failed_attempts >= attempts)
        {
            error!(
                shard = consumer.shard,
                batch.records = rest.len(),
                "Gave up {} records after {failed_attempts} retries",
                rest.len()
            );
            shared
                .progress
                .dropped
                .fetch_add(rest.len() as u64, Ordering::Relaxed);
            break;
        }
        pause(failed_attempts, pace).await?;
        failed_attempts += 1;
        shared.progress.retries.fetch_add(1, Ordering::Relaxed);
    }
    save(shared, consumer, gathered.seen).await;
    Some(gathered.seen)
}

/// Waits before a retry; none after a stop.
async fn pause(failed_attempts: u32, pace: &mut watch::Receiver<Pace>) -> Option<()> {
    let pause = FIRST_PAUSE
        .saturating_mul(2_u32.saturating_pow(failed_attempts))
        .min(LONGEST_PAUSE);
    tokio::select! {
        () = sleep(pause) => Some(()),
        _ = pace.wait_for(|pace| *pace == Pace::Stopping) => None,
    }
}

/// Notes the checkpoint on disk, however often that takes: a batch must not be passed over in memory alone.
async fn save<F: Function>(shared: &Shared<F>, consumer: Consumer, counter: u64) {
    while let Err(error) = shared.store.save_checkpoint(consumer, counter).await {
        pause_for_store("write", &error).await;
    }
}

async fn pause_for_store(what: &str, error: &StoreError) {
    error!(error = ?error, "The stream's store failed to {what}");
    sleep(LONGEST_PAUSE).await;
}
