//! How long to wait before what failed is sent again.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// Times that a row is sent before its failure is final.
pub(crate) const MAX_ATTEMPTS: u32 = 8;

/// The wait after the first attempt is at most this; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// An API that asks for a longer pause than this is taken to be down.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(1);

/// The waits of one request, from a seed.
#[derive(Debug)]
pub(crate) struct Backoff {
    dice: ChaCha8Rng,
    attempts: u32,
}

impl Backoff {
    pub(crate) fn new(seed: u64, request: u64) -> Self {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        // The generated rows use the low streams of the same seed.
        dice.set_stream(!request);
        Self { dice, attempts: 1 }
    }

    /// Returns how often the request was sent, the time under way included.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns how long to wait before the next attempt; `None` when there is to be none.
    ///
    /// The wait is any part of a limit that doubles each time, so that clients that were throttled together do not come
    /// back together, and never shorter than what the API asked for.
    pub(crate) fn next_wait(&mut self, retry_after: Option<Duration>) -> Option<Duration> {
        let asked = retry_after.unwrap_or_default();
        if self.attempts >= MAX_ATTEMPTS || asked > LONGEST_RETRY_AFTER {
            return None;
        }
        let limit = FIRST_WAIT
            .saturating_mul(1 << (self.attempts - 1))
            .min(LONGEST_WAIT);
        self.attempts += 1;
        Some(asked + limit.mul_f64(f64::from(self.dice.next_u32()) / f64::from(u32::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_jittered_grow_and_end() {
        let mut backoff = Backoff::new(1, 0);
        let mut waits = Vec::new();
        while let Some(wait) = backoff.next_wait(None) {
            waits.push(wait);
        }
        assert_eq!(waits.len(), 7);
        assert_eq!(backoff.attempts(), MAX_ATTEMPTS);
        for (attempt, wait) in (0_u32..).zip(&waits) {
            assert!(*wait <= FIRST_WAIT * 2_u32.pow(attempt), "{waits:?}");
        }
        assert_ne!(Backoff::new(1, 1).next_wait(None), Some(waits[0]));
        assert_eq!(Backoff::new(1, 0).next_wait(None), Some(waits[0]));
    }

    #[test]
    fn the_wait_is_never_shorter_than_what_the_api_asked_for() {
        let asked = Duration::from_secs(3);
        let wait = Backoff::new(1, 0).next_wait(Some(asked)).unwrap();
        assert!(wait >= asked && wait <= asked + FIRST_WAIT);
        assert_eq!(
            Backoff::new(1, 0).next_wait(Some(Duration::from_secs(61))),
            None
        );
    }
}
