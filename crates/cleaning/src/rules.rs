//! The names of the rules, and the count of what they changed.

use std::fmt;
use std::ops::AddAssign;

use strum::{IntoStaticStr, VariantArray};

/// A rule that changes or nulls a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Rule {
    /// Text that is empty or only white space became null.
    BlankText,
    /// A marker of missing data became null.
    NoDataMarker,
    /// A number with separators, a decimal part or a suffix (`5.6M`) became a whole number.
    ShortCountExpanded,
    /// A number that should be written so, and cannot be read, became null.
    ShortCountUnreadable,
    /// The prefix of a column was taken off a text.
    PrefixStripped,
    /// Text of more characters than its column takes became null.
    TextTooLong,
    /// A field of another name became the column.
    FieldRenamed,
    /// A field was dropped that the table's file ignores.
    FieldIgnored,
    /// A number that cannot be read became null.
    NumberUnreadable,
    /// A number that its column does not take became null.
    NumberOutOfRange,
    /// A point with one part missing became null.
    PointIncomplete,
    /// Several texts became one.
    TextJoined,
    /// A truth value that cannot be read became null.
    BooleanUnreadable,
    /// A value that is neither an object nor an array became null.
    JsonUnreadable,
    /// A timestamp or date that cannot be read became null.
    TimestampUnreadable,
    /// Digits of a timestamp beyond the microsecond, or the time of a date, were cut off.
    TimestampTruncated,
    /// An escape of half a surrogate pair became U+FFFD.
    LoneSurrogate,
    /// A posted value that is in no column was kept in `_unread`.
    UnreadKept,
    /// Every column but the key is null.
    EmptyRow,
}

impl Rule {
    /// Every rule.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Returns the rule's stable name.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Receives every change that a rule makes.
pub trait Changes {
    /// `rule` changed or nulled the value of the posted field `field`.
    fn note(&mut self, rule: Rule, field: &str);
}

/// How often each rule changed or nulled a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleCounts([u64; Rule::ALL.len()]);

impl RuleCounts {
    /// Returns how often `rule` did.
    pub fn count(&self, rule: Rule) -> u64 {
        self.0[rule as usize]
    }

    /// Returns the rules that did, and how often, in the rules' order.
    pub fn iter(&self) -> impl Iterator<Item = (Rule, u64)> {
        Rule::ALL
            .iter()
            .copied()
            .zip(self.0)
            .filter(|&(_, count)| count > 0)
    }

    /// Returns the changes of all rules together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl AddAssign for RuleCounts {
    fn add_assign(&mut self, other: Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }
}

impl Changes for RuleCounts {
    fn note(&mut self, rule: Rule, _field: &str) {
        self.0[rule as usize] += 1;
    }
}

/// One change, as it is shown to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The rule.
    pub rule: Rule,
    /// The field of the posted row.
    pub field: String,
}

impl Changes for Vec<Change> {
    fn note(&mut self, rule: Rule, field: &str) {
        let field = field.to_owned();
        self.push(Change { rule, field });
    }
}
