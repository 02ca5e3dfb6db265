//! What a text says, read exactly: a short count, a time since 1970, a point, what is behind a prefix.

use json_reader::{Elements, number};
use model::{Column, Epoch, LATITUDE_MAX, LONGITUDE_MAX};

use crate::{Rule, timestamp};

/// Returns the rule by which a text says nothing.
pub(crate) fn says_nothing(column: &Column, text: &str) -> Option<Rule> {
    // Most texts begin with a letter, which tells at once.
    let has_letter = text
        .bytes()
        .next()
        .is_some_and(|first| first > b' ' && first < 0x80);
    if !has_letter && text.trim().is_empty() {
        return Some(Rule::BlankText);
    }
    let is_marker = column.null_if.iter().any(|marker| marker == text);
    is_marker.then_some(Rule::NoDataMarker)
}

/// Returns a text behind a prefix, which ends at a blank: `Local save information` has no `Local save in`.
pub(crate) fn without_prefix<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let rest = text.strip_prefix(prefix)?;
    let is_whole = rest.is_empty() || rest.starts_with(char::is_whitespace);
    is_whole.then(|| rest.trim_start())
}

/// Reads digits with `,` between thousands, an optional decimal part and an optional `k`, `M` or `B`, exactly.
pub(crate) fn parse_short_count(text: &str) -> Option<i64> {
    let (amount, exponent) = match text.strip_suffix(['k', 'K', 'm', 'M', 'b', 'B']) {
        Some(amount) => match text.as_bytes().last()?.to_ascii_lowercase() {
            b'k' => (amount, 3),
            b'm' => (amount, 6),
            _ => (amount, 9),
        },
        None => (text, 0),
    };
    let (whole, fraction) = match amount.split_once('.') {
        Some((whole, fraction)) => (whole, number::is_digits(fraction).then_some(fraction)?),
        None => (amount, ""),
    };
    let count = if whole.contains(',') {
        let mut groups = whole.split(',');
        let is_whole = groups
            .next()
            .is_some_and(|group| group.len() <= 3 && number::is_digits(group))
            && groups.all(|group| group.len() == 3 && number::is_digits(group));
        number::scale(
            &is_whole.then(|| whole.replace(',', ""))?,
            fraction,
            exponent,
        )
    } else {
        number::scale(
            number::is_digits(whole).then_some(whole)?,
            fraction,
            exponent,
        )
    };
    i64::try_from(count?).ok()
}

/// Reads a number of seconds or milliseconds since 1970-01-01 UTC; what is beyond the microsecond is cut off.
pub(crate) fn from_epoch(text: &str, epoch: Epoch) -> Option<timestamp::Timestamp> {
    // Twelve more digits behind the microsecond are enough to tell whether something is cut off.
    const BEYOND: u8 = 12;
    let digits = match epoch {
        Epoch::Seconds => 6,
        Epoch::Milliseconds => 3,
    };
    let unit = 10_i128.pow(BEYOND.into());
    let number = number::scaled(text, digits + BEYOND)?;
    let micros = i64::try_from(number.div_euclid(unit)).ok()?;
    timestamp::in_range(micros).then_some(timestamp::Timestamp {
        micros,
        is_exact: number.rem_euclid(unit) == 0,
    })
}

pub(crate) fn pair_of_degrees(array: &str) -> Option<[f64; 2]> {
    let mut elements = Elements::open(array)?;
    let mut degrees = |limit: f64| {
        let (value, _) = elements.next_element().ok()??;
        number::float(number::spelling(&value)?.trim()).filter(|degrees| degrees.abs() <= limit)
    };
    let pair = [degrees(LATITUDE_MAX)?, degrees(LONGITUDE_MAX)?];
    elements.next_element().ok()?.is_none().then_some(pair)
}

/// Returns the last `length` bytes; the caller knows that they start at a character.
pub(crate) fn suffix(text: &str, length: usize) -> &str {
    text.get(text.len() - length..).unwrap_or_default()
}
