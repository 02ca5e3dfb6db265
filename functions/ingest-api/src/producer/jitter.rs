//! Pauses between tries.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A source of pauses; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Jitter(Arc<Mutex<StdRng>>);

impl Jitter {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// Returns a pause between nothing and a bound that doubles with each failed round ("full jitter").
    pub(crate) fn pause(&self, failed_rounds: u32) -> Duration {
        let bound = FIRST_PAUSE
            .saturating_mul(2_u32.saturating_pow(failed_rounds))
            .min(LONGEST_PAUSE);
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .random_range(Duration::ZERO..=bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_are_those_of_the_seed() {
        let pauses = |seed| {
            let jitter = Jitter::new(seed);
            (0..20).map(|round| jitter.pause(round)).collect::<Vec<_>>()
        };
        assert_eq!(pauses(7), pauses(7));
        assert_ne!(pauses(7), pauses(8));
        for seed in 0..100 {
            for (round, pause) in (0_u32..).zip(pauses(seed)) {
                let bound = FIRST_PAUSE * 2_u32.pow(round.min(10));
                assert!(pause <= bound.min(LONGEST_PAUSE), "{round}: {pause:?}");
            }
        }
    }
}
