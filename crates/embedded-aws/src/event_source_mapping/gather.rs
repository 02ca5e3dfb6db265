//! Gathers the records of a lane into a batch.

use std::time::Duration;

use event_model::limits::LAMBDA_PAYLOAD_MAX_BYTES;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::lane::{Lane, pause_for_store};
use super::{Deliver, Function, Pace, event};
use crate::kinesis::hash_key;
use crate::kinesis::store::{ReadLimit, StoredRecord};

/// Records that are read at a time.
const READ: ReadLimit = ReadLimit {
    records: 1000,
    bytes: LAMBDA_PAYLOAD_MAX_BYTES,
};

/// The records of a lane from a place on, gathered until they make a batch.
pub(super) struct Gathered {
    pub(super) batch: Vec<StoredRecord>,
    /// Counter of the last record that was looked at, of this lane or of another.
    pub(super) seen: u64,
}

impl<F: Function, D: Deliver> Lane<F, D> {
    /// Waits for records and returns a batch: it is full, or its window is over, or nobody wants to wait.
    ///
    /// None after a stop, and at the end of a closed shard.
    pub(super) async fn gather(
        &self,
        checkpoint: u64,
        pace: &mut watch::Receiver<Pace>,
    ) -> Option<Gathered> {
        let mut state = self.shared.store.state();
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
                (
                    state.end(self.consumer.shard),
                    state.is_closed(self.consumer.shard),
                )
            };
            if self.take(end, &mut gathered, &mut bytes, pace).await? {
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
                let window_end = *window_end.get_or_insert_with(|| self.window_end(&gathered));
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
    fn window_end(&self, gathered: &Gathered) -> Instant {
        let arrival_ms = gathered.batch.first().map(|first| first.arrival_ms);
        let waited_ms = arrival_ms.map_or(0, |arrival_ms| {
            self.shared.clock.unix_millis().saturating_sub(arrival_ms)
        });
        let waited = Duration::from_millis(u64::try_from(waited_ms).unwrap_or_default());
        Instant::now()
            + self
                .shared
                .config
                .maximum_batching_window
                .saturating_sub(waited)
    }

    /// Adds the records up to a counter to the batch; returns whether it is full, and none after a stop.
    async fn take(
        &self,
        end: u64,
        gathered: &mut Gathered,
        bytes: &mut usize,
        pace: &mut watch::Receiver<Pace>,
    ) -> Option<bool> {
        let config = &self.shared.config;
        while gathered.seen < end {
            let records = match self
                .shared
                .store
                .read(self.consumer.shard, gathered.seen, READ)
            {
                Ok(records) => records,
                Err(error) => {
                    pause_for_store("read", &error, pace).await?;
                    continue;
                }
            };
            if records.is_empty() {
                // They left the stream before anybody read them.
                warn!(shard = self.consumer.shard, "Records expired unread");
                gathered.seen = end;
            }
            for record in records {
                if lane_of(&record.partition_key, config.parallelization_factor)
                    == self.consumer.lane
                {
                    let size = event::size(&record);
                    if !gathered.batch.is_empty() && *bytes + size > LAMBDA_PAYLOAD_MAX_BYTES {
                        return Some(true);
                    }
                    *bytes += size;
                    gathered.seen = record.counter;
                    gathered.batch.push(record);
                    if gathered.batch.len() >= config.batch_size {
                        return Some(true);
                    }
                } else {
                    gathered.seen = record.counter;
                }
            }
        }
        Some(false)
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Returns the lane of a partition key: the same for ever, so that its records stay in order.
fn lane_of(partition_key: &str, lanes: u32) -> u32 {
    let lane = hash_key(partition_key) % u128::from(lanes.max(1));
    u32::try_from(lane).unwrap_or_default()
}
