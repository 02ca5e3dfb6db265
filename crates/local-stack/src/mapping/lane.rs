//! One lane of a shard: gathers a batch, has it processed, tells how far it has come.

use std::sync::Arc;
use std::time::Duration;

use event_model::Clock;
use event_model::limits::LAMBDA_PAYLOAD_MAX_BYTES;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::error;

use super::process::process;
use super::{Deliver, Function, MappingConfig, Pace, Progress, event};
use crate::kinesis::store::{Consumer, ReadLimit, Store, StoreError, StoredRecord};

/// Pause before the store is asked again.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// Records that are read at a time.
const READ: ReadLimit = ReadLimit {
    records: 1000,
    bytes: LAMBDA_PAYLOAD_MAX_BYTES,
};

/// What the lanes of a mapping have in common.
pub(super) struct Shared<F, D> {
    pub(super) store: Store,
    pub(super) stream_arn: String,
    pub(super) config: MappingConfig,
    pub(super) clock: Clock,
    pub(super) function: F,
    pub(super) deliver: D,
    pub(super) progress: Arc<Progress>,
    /// Counter up to which each lane that was begun is done.
    pub(super) done: watch::Sender<Vec<(Consumer, u64)>>,
}

/// The records of a lane from a place on, gathered until they make a batch.
pub(super) struct Gathered {
    pub(super) batch: Vec<StoredRecord>,
    /// Counter of the last record that was looked at, of this lane or of another.
    pub(super) seen: u64,
}

/// Polls until it is told to stop, or the shard is closed and processed to its end.
pub(super) async fn run<F: Function, D: Deliver>(
    shared: Arc<Shared<F, D>>,
    consumer: Consumer,
    mut checkpoint: u64,
    mut pace: watch::Receiver<Pace>,
) {
    while let Some(gathered) = gather(&shared, consumer, checkpoint, &mut pace).await {
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

/// Waits for records and returns a batch: it is full, or its window is over, or nobody wants to wait.
///
/// None after a stop, and at the end of a closed shard.
async fn gather<F: Function, D: Deliver>(
    shared: &Shared<F, D>,
    consumer: Consumer,
    checkpoint: u64,
    pace: &mut watch::Receiver<Pace>,
) -> Option<Gathered> {
    let mut state = shared.store.state();
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
        let (end, is_closed) = {
            let state = state.borrow_and_update();
            (state.end(consumer.shard), state.is_closed(consumer.shard))
        };
        if take(shared, consumer, end, &mut gathered, &mut bytes).await {
            return Some(gathered);
        }
        if gathered.batch.is_empty() {
            // Records of other lanes were passed over; that is progress, too.
            if gathered.seen > checkpoint {
                return Some(gathered);
            }
            if is_closed {
                return None;
            }
        } else {
            let window_end = *window_end.get_or_insert_with(|| window_end_of(&gathered, shared));
            if is_closed || *pace.borrow() == Pace::Draining || Instant::now() >= window_end {
                return Some(gathered);
            }
        }
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return None; },
            changed = pace.changed() => if changed.is_err() { return None; },
            () = until(window_end) => {}
        }
    }
}

/// The window counts from the arrival of the first record, which may have been before this process started.
fn window_end_of<F: Function, D: Deliver>(gathered: &Gathered, shared: &Shared<F, D>) -> Instant {
    let arrival_ms = gathered.batch.first().map(|first| first.arrival_ms);
    let waited_ms = arrival_ms.map_or(0, |arrival_ms| {
        shared.clock.unix_millis().saturating_sub(arrival_ms)
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
async fn take<F: Function, D: Deliver>(
    shared: &Shared<F, D>,
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
    let lane = crate::kinesis::hash_key(partition_key) % u128::from(lanes.max(1));
    u32::try_from(lane).unwrap_or_default()
}

pub(super) async fn pause_for_store(what: &str, error: &StoreError) {
    error!(error = ?error, "The stream's store failed to {what}");
    sleep(STORE_PAUSE).await;
}
