//! Where a record is on the stream.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Where a record or a row is on the stream, in the text of Kinesis and of the lineage columns.
///
/// The order is that of the text; [`SequenceNumber`] has the order of the numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Name of the shard, as `shardId-000000000000`.
    pub shard: String,
    /// Sequence number of the record; a row of a packed record has `:` and its sub-number after it.
    pub sequence: String,
}

impl Position {
    /// Makes a position from the text of its parts.
    pub fn new(shard: impl Into<String>, sequence: impl Into<String>) -> Self {
        Self {
            shard: shard.into(),
            sequence: sequence.into(),
        }
    }
}

/// A record's place in its shard: a decimal number of up to 192 bits.
///
/// Kinesis hands it out as text of some 56 digits, far beyond 64 bits. The order is that of the number, not of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber {
    /// Most significant first, so that the derived order is the number's.
    limbs: [u64; 3],
}

/// A sequence number that is not decimal digits, or is too large.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a decimal number of at most 192 bits")]
pub struct InvalidSequenceNumber(String);

impl SequenceNumber {
    /// The number 0, before every record.
    pub const ZERO: Self = Self { limbs: [0; 3] };

    /// Makes a number from its three 64-bit parts, the most significant first.
    pub const fn from_limbs(limbs: [u64; 3]) -> Self {
        Self { limbs }
    }

    /// Returns the three 64-bit parts, the most significant first.
    pub const fn limbs(self) -> [u64; 3] {
        self.limbs
    }

    /// Returns a number that fits a signed 64-bit integer and grows within a shard, as Kafka's offsets do.
    ///
    /// A sequence number holds, from bit 80 up, a 64-bit counter of the shard, and the shard's own constants above it
    /// (the layout that the emulators kinesalite and kinesis-mock found). The counter's lower 63 bits are the offset.
    pub const fn offset(self) -> i64 {
        let counter = self.limbs[1] >> 16 | self.limbs[0] << 48;
        (counter & i64::MAX as u64).cast_signed()
    }

    /// Digits of a number that is one of these whatever they are.
    pub const DIGITS: usize = 57;

    /// Tells whether a text is a decimal number, of whatever length.
    pub fn is_spelled(text: &str) -> bool {
        is_decimal(text)
    }

    /// Returns a decimal number of any length modulo 2^192; `None` when the text is no decimal number.
    ///
    /// It keeps apart what is told apart by a number that is too large to be one of these, and has no order.
    pub fn wrapping(text: &str) -> Option<Self> {
        let wrapping =
            |number: Self, factor, addend| Some(number.overflowing_times_plus(factor, addend).0);
        is_decimal(text).then(|| Self::from_digits(text, wrapping))?
    }

    /// Reads decimal digits, some at once; `step` multiplies a number and adds to it.
    fn from_digits(text: &str, step: impl Fn(Self, u64, u64) -> Option<Self>) -> Option<Self> {
        text.as_bytes()
            .chunks(STEP_DIGITS)
            .try_fold(Self::ZERO, |number, chunk| {
                let (eights, rest) = chunk.as_chunks::<8>();
                let value = eights.iter().fold(0, |value, digits| {
                    value * 100_000_000 + eight_digits(*digits)
                });
                let value = rest
                    .iter()
                    .fold(value, |value, digit| value * 10 + u64::from(digit - b'0'));
                let factor = POWERS_OF_TEN.get(chunk.len()).copied().unwrap_or(STEP);
                step(number, factor, value)
            })
    }

    /// Returns the product plus the addend, and whether it is too large.
    fn overflowing_times_plus(self, factor: u64, addend: u64) -> (Self, bool) {
        let mut limbs = self.limbs;
        let mut carry = u128::from(addend);
        for limb in limbs.iter_mut().rev() {
            let sum = u128::from(*limb) * u128::from(factor) + carry;
            *limb = low_half(sum);
            carry = sum >> 64;
        }
        (Self { limbs }, carry > 0)
    }

    fn divide(self, divisor: u64) -> (Self, u64) {
        let mut limbs = self.limbs;
        let mut remainder = 0_u128;
        for limb in &mut limbs {
            let dividend = remainder << 64 | u128::from(*limb);
            *limb = low_half(dividend / u128::from(divisor));
            remainder = dividend % u128::from(divisor);
        }
        (Self { limbs }, low_half(remainder))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the lower half is what is asked for"
)]
fn low_half(wide: u128) -> u64 {
    wide as u64
}

/// Returns the number of eight decimal digits: neighbours are joined to pairs, these to fours, and these to one number.
const fn eight_digits(digits: [u8; 8]) -> u64 {
    let ones = u64::from_le_bytes(digits) - 0x3030_3030_3030_3030;
    let pairs = (ones * 10 + (ones >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (fours * 10_000 + (fours >> 32)) & 0xffff_ffff
}

/// 1, 10, 100 and so on, up to a step.
const POWERS_OF_TEN: [u64; STEP_DIGITS + 1] = {
    let mut powers = [1; STEP_DIGITS + 1];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// Decimal digits that fit one multiplication.
const STEP_DIGITS: usize = 18;
const STEP: u64 = 10_u64.pow(18);

impl FromStr for SequenceNumber {
    type Err = InvalidSequenceNumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidSequenceNumber(text.chars().take(64).collect());
        let exact =
            |number: Self, factor, addend| match number.overflowing_times_plus(factor, addend) {
                (number, false) => Some(number),
                (_, true) => None,
            };
        if !is_decimal(text) || text.len() > 64 {
            return Err(invalid());
        }
        Self::from_digits(text, exact).ok_or_else(invalid)
    }
}

fn is_decimal(text: &str) -> bool {
    // Without a branch for each byte, so that they are looked at together.
    let others = text
        .bytes()
        .fold(0, |others, byte| others | u8::from(!byte.is_ascii_digit()));
    !text.is_empty() && others == 0
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rest, last) = self.divide(STEP);
        if rest == Self::ZERO {
            write!(formatter, "{last}")
        } else {
            write!(formatter, "{rest}{last:018}")
        }
    }
}

/// A row's place in a packed record, from 0.
///
/// A user record of a KPL aggregate may itself hold several rows; they are numbered below it (`4.0`, `4.1`), so that the
/// places of the others never move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubNumber {
    place: u32,
    nested: Option<u32>,
}

impl SubNumber {
    /// Makes the sub-number of a place in the record.
    pub const fn new(place: u32) -> Self {
        Self {
            place,
            nested: None,
        }
    }

    /// Returns a number of the same order, above 0.
    pub fn ordinal(self) -> u64 {
        let nested = self.nested.map_or(0, |nested| u64::from(nested) + 1);
        // Neither part overflows: a record has fewer rows than bytes.
        (u64::from(self.place) + 1) << 32 | nested
    }

    /// Makes the sub-number of a place within this one.
    #[must_use]
    pub const fn below(self, place: u32) -> Self {
        Self {
            nested: Some(place),
            ..self
        }
    }
}

impl fmt::Display for SubNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.nested {
            Some(nested) => write!(formatter, "{}.{nested}", self.place),
            None => write!(formatter, "{}", self.place),
        }
    }
}

/// A sub-number of another form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a sub-number (`4`, or `4.0`)")]
pub struct InvalidSubNumber(String);

impl FromStr for SubNumber {
    type Err = InvalidSubNumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let place = |text: &str| {
            // The standard parser would take a sign.
            let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
            let place = is_decimal.then(|| text.parse().ok())??;
            Some(place).filter(|&place| place < u32::MAX)
        };
        let parsed = match text.split_once('.') {
            Some((outer, nested)) => place(outer)
                .zip(place(nested))
                .map(|(outer, nested)| Self::new(outer).below(nested)),
            None => place(text).map(Self::new),
        };
        parsed.ok_or_else(|| InvalidSubNumber(text.chars().take(64).collect()))
    }
}

/// A shard's name, cheap to clone: up to 128 letters, digits, `_`, `.` and `-`, as Kinesis allows them.
///
/// Kinesis itself makes `shardId-` and a number of at least twelve digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(Arc<str>);

/// A shard's name of another form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a shard's name (up to 128 of A-Z a-z 0-9 _ . -)")]
pub struct InvalidShardId(String);

impl ShardId {
    /// Returns the name of the shard with this number.
    pub fn from_number(number: u32) -> Self {
        Self(format!("shardId-{number:012}").into())
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether the other one is this shard: at once, if it is a clone, as the shard of each record of a batch is.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self == other
    }

    /// Returns the shard's number, which Kafka clients see as the partition; `None` where the name has none.
    pub fn number(&self) -> Option<u32> {
        let digits = self
            .0
            .strip_prefix("shardId-")
            .filter(|digits| is_decimal(digits))?;
        digits.parse().ok()
    }
}

impl FromStr for ShardId {
    type Err = InvalidShardId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if (1..=128).contains(&text.len()) && text.bytes().all(is_allowed) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidShardId(text.chars().take(64).collect()))
        }
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// From AWS's example event.
    const FIRST: &str = "49590338271490256608559692538361571095921575989136588898";
    const SECOND: &str = "49590338271490256608559692540925702759324208523137515618";

    fn number(text: &str) -> SequenceNumber {
        text.parse().unwrap()
    }

    #[test]
    fn the_order_is_the_numbers_not_the_texts() {
        assert!(number(FIRST) < number(SECOND));
        assert!(number("9") < number("10"));
        assert!(number("9") < number(FIRST));
    }

    #[test]
    fn offsets_grow_with_the_sequence_numbers_of_a_shard() {
        assert!(number(FIRST).offset() >= 0);
        assert!(number(FIRST).offset() < number(SECOND).offset());
    }

    #[test]
    fn what_is_not_a_sequence_number_is_refused() {
        for text in ["", "-1", "1x", " 1", &"9".repeat(58), &"1".repeat(65)] {
            assert!(text.parse::<SequenceNumber>().is_err(), "{text}");
        }
        let largest = SequenceNumber::from_limbs([u64::MAX; 3]).to_string();
        assert_eq!(
            largest,
            "6277101735386680763835789423207666416102355444464034512895"
        );
        assert_eq!(SequenceNumber::wrapping(&largest), largest.parse().ok());
        assert_eq!(
            SequenceNumber::wrapping("6277101735386680763835789423207666416102355444464034512899"),
            Some(number("3"))
        );
        assert_eq!(SequenceNumber::wrapping("1x"), None);
        assert!(
            "6277101735386680763835789423207666416102355444464034512896"
                .parse::<SequenceNumber>()
                .is_err()
        );
    }

    #[test]
    fn a_shard_has_a_number() {
        let shard: ShardId = "shardId-000000000023".parse().unwrap();
        assert_eq!(shard.number(), Some(23));
        assert_eq!(ShardId::from_number(23), shard);
    }

    #[test]
    fn a_shard_may_have_any_name_that_kinesis_allows() {
        let longest = "s".repeat(128);
        for name in [
            "shardId-",
            "shardId-x",
            "shardId-99999999999999",
            "shard.0_1",
            &longest,
        ] {
            let shard: ShardId = name.parse().unwrap();
            assert_eq!((shard.as_str(), shard.number()), (name, None));
        }
        for text in ["", "a/b", "a b", "a:b", "é", &"s".repeat(129)] {
            assert!(text.parse::<ShardId>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_number_reads_back(limbs in any::<[u64; 3]>()) {
            let number = SequenceNumber::from_limbs(limbs);
            prop_assert_eq!(number.to_string().parse(), Ok(number));
        }

        #[test]
        fn text_order_and_number_order_agree_at_equal_length(left in "[1-9][0-9]{55}", right in "[1-9][0-9]{55}") {
            prop_assert_eq!(number(&left).cmp(&number(&right)), left.cmp(&right));
        }
    }
}
