//! A row's place in its shard, as `_sequence` spells it.

use std::fmt;
use std::str::FromStr;

use event_model::{SequenceNumber, SubNumber};

use crate::LakeError;

/// The sequence number of a row's record, and the row's place in it when a producer packed several into one.
///
/// It is written `<sequence number>`, or `<sequence number>:<sub-number>`. The order is that of the numbers, not of the
/// text: by sequence number, then a record that holds nothing but the row, then by sub-number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence {
    /// The record's sequence number.
    pub number: SequenceNumber,
    /// The row's place in a packed record; `None` when the record is the row.
    // After `number`, so that the derived order is the one promised.
    pub sub_number: Option<SubNumber>,
}

impl Sequence {
    /// Returns the row's place in its record as a number of the same order: 0 for a record that is the row.
    pub fn place(self) -> u64 {
        self.sub_number.map_or(0, SubNumber::ordinal)
    }
}

impl From<SequenceNumber> for Sequence {
    fn from(number: SequenceNumber) -> Self {
        Self {
            number,
            sub_number: None,
        }
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number.fmt(formatter)?;
        match self.sub_number {
            Some(sub_number) => write!(formatter, ":{sub_number}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Sequence {
    type Err = LakeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| LakeError::InvalidSequence(text.chars().take(100).collect()))
    }
}

/// A row's place in its shard, as somebody has it at hand who writes it: of a number of 56 digits, writing and reading take as long as a column.
#[derive(Clone, Copy, Debug)]
pub enum SpelledSequence<'a> {
    /// The numbers.
    Numbers(Sequence),
    /// The record's sequence number in digits, without a 0 before them, and the row's place in the record if it holds several.
    Text(&'a str, Option<SubNumber>),
}

impl From<Sequence> for SpelledSequence<'_> {
    fn from(sequence: Sequence) -> Self {
        Self::Numbers(sequence)
    }
}

impl fmt::Display for SpelledSequence<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numbers(sequence) => sequence.fmt(formatter),
            Self::Text(number, None) => formatter.write_str(number),
            Self::Text(number, Some(sub_number)) => write!(formatter, "{number}:{sub_number}"),
        }
    }
}

fn parse(text: &str) -> Option<Sequence> {
    let Some((number, sub_number)) = text.split_once(':') else {
        return Some(Sequence::from(text.parse::<SequenceNumber>().ok()?));
    };
    Some(Sequence {
        number: number.parse().ok()?,
        sub_number: Some(sub_number.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sequence(text: &str) -> Sequence {
        text.parse().unwrap()
    }

    #[test]
    fn the_order_is_the_numbers_not_the_texts() {
        let sorted = [
            "9", "9:0", "9:2", "9:2.0", "9:2.9", "9:2.10", "9:10", "10", "10:0", "100",
        ];
        for pair in sorted.windows(2) {
            let [left, right] = [pair[0], pair[1]].map(sequence);
            assert!(left < right, "{pair:?}");
            if left.number == right.number {
                assert!(left.place() < right.place(), "{pair:?}");
            }
        }
    }

    #[test]
    fn what_is_not_a_sequence_is_refused() {
        for text in [
            "",
            ":",
            "1:",
            ":1",
            "1:+1",
            "1:-1",
            "1:2:3",
            "1: 2",
            "x",
            "1:4294967295",
            "1:1.",
            "1:.1",
            "1:1.2.3",
            "1:1.4294967295",
        ] {
            assert!(
                matches!(text.parse::<Sequence>(), Err(LakeError::InvalidSequence(_))),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_sequence_reads_back(limbs in any::<[u64; 3]>(), place in 0..u32::MAX, nested in proptest::option::of(0..u32::MAX)) {
            let outer = SubNumber::new(place);
            let sub_number = Some(nested.map_or(outer, |nested| outer.below(nested)));
            let written = Sequence { number: SequenceNumber::from_limbs(limbs), sub_number };
            prop_assert_eq!(sequence(&written.to_string()), written);
        }
    }
}
