//! Sequence numbers in the layout of Kinesis.
//!
//! From the top: the digit 2, 36 bits of the second in which the shard was made, the lowest 4 bits of the shard's number,
//! a 64-bit counter (from bit 80 up), 8 zero bits, 36 bits of the second of arrival, 32 bits of the shard's number, and
//! the digit 2. The numbers of AWS's example event read back as this; the emulators kinesalite and kinesis-mock use it too.
//! What counts here: only the counter and the bits below it vary within a shard, so numbers grow with the counter.

use event_model::SequenceNumber;

const VERSION: u64 = 2;
const SECONDS_MASK: u64 = (1 << 36) - 1;

/// The numbers of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    /// The second since 1970 in which the shard was made: the same for ever, or numbers would not grow over a restart.
    created_s: u64,
}

impl Sequence {
    pub(crate) fn new(created_s: u64) -> Self {
        Self {
            created_s: created_s & SECONDS_MASK,
        }
    }

    /// Returns the number of a shard's record.
    pub(crate) fn number(self, shard: u32, counter: u64, arrival_ms: i64) -> SequenceNumber {
        let shard = u64::from(shard);
        let arrival = seconds(arrival_ms);
        let high = VERSION << 56 | self.created_s << 20 | (shard & 0xf) << 16 | counter >> 48;
        let middle = counter << 16 | arrival >> 28;
        let low = arrival << 36 | shard << 4 | VERSION;
        SequenceNumber::from_limbs([high, middle, low])
    }

    /// Returns the number before every record of a shard.
    pub(crate) fn start(self, shard: u32) -> SequenceNumber {
        let low = self.created_s << 36 | u64::from(shard) << 4 | VERSION;
        let [high, ..] = self.number(shard, 0, 0).limbs();
        SequenceNumber::from_limbs([high, self.created_s >> 28, low])
    }

    /// Returns the counter in a number of this shard; none if the number is not of this shard.
    pub(crate) fn counter(self, shard: u32, number: SequenceNumber) -> Option<u64> {
        let [high, middle, low] = number.limbs();
        let counter = high << 48 | middle >> 16;
        let [own_high, ..] = self.number(shard, counter, 0).limbs();
        let own_low = u64::from(shard) << 4 | VERSION;
        (high == own_high && low & SECONDS_MASK == own_low).then_some(counter)
    }
}

fn seconds(unix_ms: i64) -> u64 {
    (unix_ms / 1000).max(0).unsigned_abs() & SECONDS_MASK
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_numbers_of_awss_example_event_have_this_layout() {
        let sequence = Sequence::new(1_542_776_258);
        for (number, counter, arrival_ms) in [
            (
                "49590338271490256608559692538361571095921575989136588898",
                1_734_642_199,
                1_545_084_650_987,
            ),
            (
                "49590338271490256608559692540925702759324208523137515618",
                1_734_644_320,
                1_545_084_709_000,
            ),
        ] {
            assert_eq!(sequence.number(6, counter, arrival_ms).to_string(), number);
            assert_eq!(sequence.counter(6, number.parse().unwrap()), Some(counter));
            assert_eq!(sequence.counter(5, number.parse().unwrap()), None);
        }
    }

    #[test]
    fn a_number_of_another_time_is_not_taken() {
        let number = Sequence::new(1_000).number(0, 7, 1_000_000);
        assert_eq!(Sequence::new(2_000).counter(0, number), None);
    }

    proptest! {
        #[test]
        fn numbers_grow_with_the_counter_and_read_back(
            shard in 0_u32..100_000, counter in 1_u64..u64::MAX - 1, arrivals in any::<[u32; 2]>(), created_s in any::<u32>()
        ) {
            let sequence = Sequence::new(u64::from(created_s));
            let [first, second] = arrivals.map(|seconds| i64::from(seconds) * 1000);
            let number = sequence.number(shard, counter, first);
            prop_assert!(sequence.start(shard) < number);
            prop_assert!(number < sequence.number(shard, counter + 1, second));
            prop_assert_eq!(sequence.counter(shard, number), Some(counter));
            prop_assert_eq!(number.offset(), (counter & i64::MAX.unsigned_abs()).cast_signed());
            prop_assert!((55..=56).contains(&number.to_string().len()));
        }
    }
}
