//! How long posts took, in constant memory.

use std::time::Duration;

/// Steps that each power of two of microseconds is divided into: a quantile is off by less than 1 in 32.
const STEPS: u64 = 32;
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// The distribution of durations.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// Durations by bucket; the widths of the buckets grow with what they hold.
    counts: Vec<u64>,
    total: u64,
}

impl Latencies {
    /// Adds a duration.
    pub fn add(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = bucket(micros);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
    }

    /// Returns the duration that so many percent of the durations do not exceed; `None` when there are none.
    pub fn percentile(&self, percent: u64) -> Option<Duration> {
        let rank = (self.total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(Duration::from_micros(upper_bound(bucket)))
    }
}

/// The bucket of a number: the number itself while it is small, then its power of two and the bits that follow.
fn bucket(micros: u64) -> usize {
    let power = micros.max(STEPS).ilog2() - STEP_BITS;
    let step = micros >> power;
    // At most 64 powers of 32 steps: it fits.
    usize::try_from(u64::from(power) * STEPS + step).unwrap_or(usize::MAX)
}

/// The largest number of a bucket.
fn upper_bound(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let power = (bucket / STEPS).saturating_sub(1);
    let step = u128::from(bucket - power * STEPS);
    u64::try_from(((step + 1) << power) - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_off_by_less_than_a_step() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(50), None);
        for millis in (1..=1_000).rev() {
            latencies.add(Duration::from_millis(millis));
        }
        for (percent, exact) in [(0, 1_000), (50, 500_000), (99, 990_000), (100, 1_000_000)] {
            let micros = latencies.percentile(percent).unwrap().as_micros();
            assert!(
                micros >= exact && micros <= exact + exact / 32,
                "{percent}: {micros}"
            );
        }
    }

    #[test]
    fn every_number_is_in_the_bucket_that_ends_at_or_above_it() {
        let mut previous = 0;
        for micros in (0..5_000).chain([1 << 20, u64::MAX - 1, u64::MAX]) {
            let bucket = bucket(micros);
            assert!(bucket >= previous && bucket < 2_048, "{micros}");
            assert!(upper_bound(bucket) >= micros, "{micros}");
            assert!(bucket == 0 || upper_bound(bucket - 1) < micros, "{micros}");
            previous = bucket;
        }
    }
}
