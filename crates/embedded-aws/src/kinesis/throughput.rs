//! What a shard takes and gives in a second.
//!
//! Source: [quotas](https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html). A read of more than two seconds' worth of
//! bytes is answered, and the calls after it are refused until the time is made up for, as
//! [GetRecords](https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html) says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Calls of `GetRecords` a second and shard (a Kinesis limit).
const READS_PER_SECOND: f64 = 5.0;
/// Bytes that are read a second and shard: 2 MiB (a Kinesis limit).
const READ_BYTES_PER_SECOND: f64 = 2_097_152.0;

/// What one shard takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShardLimits {
    /// Records a second.
    pub records_per_second: f64,
    /// Bytes of data and partition keys a second.
    pub bytes_per_second: f64,
    /// How long a shard that was idle takes more than that; no page of AWS says it.
    pub burst: Duration,
}

impl Default for ShardLimits {
    /// Returns Kinesis's limits, 1,000 records and 1 MiB a second, and five seconds' worth at once after a pause.
    fn default() -> Self {
        Self {
            records_per_second: 1000.0,
            bytes_per_second: 1_048_576.0,
            burst: Duration::from_secs(5),
        }
    }
}

/// An amount that fills up with time, and may be overdrawn.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    left: f64,
    most: f64,
    per_second: f64,
    since: Instant,
}

impl Allowance {
    fn new(per_second: f64, most: f64, now: Instant) -> Self {
        Self {
            left: most,
            most,
            per_second,
            since: now,
        }
    }

    /// Returns what is left, with what has come since.
    fn left(&mut self, now: Instant) -> f64 {
        let passed = now.duration_since(self.since).as_secs_f64();
        self.left = self.most.min(self.left + passed * self.per_second);
        self.since = now;
        self.left
    }
}

struct ShardUse {
    records: Allowance,
    bytes: Allowance,
    reads: Allowance,
    read_bytes: Allowance,
}

/// What the shards have taken and given lately. Cheap to clone.
#[derive(Clone)]
pub(super) struct Throughput {
    limits: ShardLimits,
    shards: Arc<Mutex<HashMap<u32, ShardUse>>>,
}

impl Throughput {
    pub(super) fn new(limits: ShardLimits) -> Self {
        Self {
            limits,
            shards: Arc::default(),
        }
    }

    /// Takes a record, unless the shard has taken too much.
    pub(super) fn put(&self, shard: u32, size: usize) -> bool {
        self.with(shard, |used, now| {
            let is_free = used.records.left(now) >= 1.0 && used.bytes.left(now) >= amount(size);
            if is_free {
                used.records.left -= 1.0;
                used.bytes.left -= amount(size);
            }
            is_free
        })
    }

    /// Begins a read, unless there were too many, or the last ones were too large.
    pub(super) fn begin_read(&self, shard: u32) -> bool {
        self.with(shard, |used, now| {
            let is_free = used.reads.left(now) >= 1.0 && used.read_bytes.left(now) > 0.0;
            if is_free {
                used.reads.left -= 1.0;
            }
            is_free
        })
    }

    /// Notes how much a read returned.
    pub(super) fn end_read(&self, shard: u32, size: usize) {
        self.with(shard, |used, _| used.read_bytes.left -= amount(size));
    }

    fn with<T>(&self, shard: u32, act: impl FnOnce(&mut ShardUse, Instant) -> T) -> T {
        let now = Instant::now();
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        let used = shards.entry(shard).or_insert_with(|| {
            let limits = self.limits;
            let burst = |per_second| {
                let most = per_second * limits.burst.as_secs_f64();
                Allowance::new(per_second, most, now)
            };
            ShardUse {
                records: burst(limits.records_per_second),
                bytes: burst(limits.bytes_per_second),
                reads: Allowance::new(READS_PER_SECOND, READS_PER_SECOND, now),
                read_bytes: Allowance::new(READ_BYTES_PER_SECOND, READ_BYTES_PER_SECOND, now),
            }
        });
        act(used, now)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a size is far below 2^53")]
fn amount(size: usize) -> f64 {
    size as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_shard_takes_its_records_a_second_and_a_burst_after_a_pause() {
        let throughput = Throughput::new(ShardLimits::default());
        let taken = |shard| (0..10_000).filter(|_| throughput.put(shard, 100)).count();
        assert_eq!(taken(0), 5000);
        assert_eq!(taken(0), 0);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(taken(0), 1000);
        assert_eq!(taken(1), 5000, "each shard has its own");
        tokio::time::advance(Duration::from_mins(5)).await;
        assert_eq!(taken(0), 5000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shard_takes_its_bytes_a_second() {
        let throughput = Throughput::new(ShardLimits::default());
        let taken = || (0..100).filter(|_| throughput.put(0, 1 << 19)).count();
        assert_eq!(taken(), 10);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(taken(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shard_is_read_five_times_a_second_and_makes_up_for_large_reads() {
        let throughput = Throughput::new(ShardLimits::default());
        let begun = || (0..10).filter(|_| throughput.begin_read(0)).count();
        assert_eq!(begun(), 5);
        tokio::time::advance(Duration::from_secs(1)).await;
        throughput.end_read(0, 10 << 20);
        assert_eq!(begun(), 0);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(begun(), 0);
        tokio::time::advance(Duration::from_millis(1100)).await;
        assert_eq!(begun(), 5);
    }
}
