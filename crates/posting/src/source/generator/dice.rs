//! Chance from a seed.

use event_model::Kind;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// What dice are thrown for; each has its own throws, so that one does not move the other.
#[derive(Clone, Copy, Debug)]
pub(in crate::source) enum Purpose {
    /// Whether a post repeats an earlier one, and which.
    Post,
    /// What a poster is like.
    Persona,
    /// Who posted a row.
    Author,
    /// What a row is like.
    Row(Kind),
    /// Which row of a database a post consists of.
    Offset,
}

/// A stream of throws that is the same in every run and build.
///
/// The few draws are written here: the ones of `rand` may give other values in another version.
#[derive(Debug)]
pub(in crate::source) struct Dice(ChaCha8Rng);

impl Dice {
    /// Returns the throws for one number of a purpose.
    pub(in crate::source) fn new(seed: u64, purpose: Purpose, number: u64) -> Self {
        let lane = match purpose {
            Purpose::Post => 0,
            Purpose::Persona => 1,
            Purpose::Author => 2,
            Purpose::Row(kind) => match kind.as_str() {
                "pin" => 3,
                "geo" => 4,
                "user" => 5,
                // Each has its own by its seed.
                _ => 7,
            },
            Purpose::Offset => 6,
        };
        let own = match purpose {
            Purpose::Row(kind) if lane == 7 => fnv1a(kind.as_str()),
            _ => 0,
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ own);
        rng.set_stream(number.wrapping_mul(8).wrapping_add(lane));
        Self(rng)
    }

    /// Returns a number below `bound`, each as likely; 0 when the bound is 0.
    pub(in crate::source) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.0.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or_default()
    }

    /// Returns a number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        low.saturating_add_unsigned(self.below(low.abs_diff(high) + 1))
    }

    /// Returns a number below `bound`; the nearer to 0, the likelier.
    pub(super) fn low(&mut self, bound: u64) -> u64 {
        let first = self.below(bound);
        self.below(first + 1)
    }

    /// Returns true once in `count` throws.
    pub(super) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// Returns true in so many of a thousand throws.
    pub(super) fn per_mille(&mut self, share: u64) -> bool {
        self.below(1000) < share
    }

    /// Returns one of the items; nothing when there are none.
    pub(super) fn pick(&mut self, items: &[&'static str]) -> &'static str {
        let index = usize::try_from(self.below(items.len() as u64)).unwrap_or_default();
        items.get(index).copied().unwrap_or_default()
    }
}

/// 64-bit FNV-1a.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}
