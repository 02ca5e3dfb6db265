//! Timestamps as clients spell them.

use jiff::civil::{Date, Time};
use jiff::tz::Offset;

/// Reads a timestamp as microseconds since 1970-01-01 UTC; digits beyond the microsecond are cut off.
///
/// Taken are `2020-08-28T03:52:47`, `2020-08-28 03:52:47` and `2020:08:28 03:52:47`, each with an optional fraction and
/// an optional zone (`Z`, `+01:00`, `+0100`, `+01`, a blank may come before it); without one it is UTC.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let (date_time, rest) = text.as_bytes().split_at_checked(19)?;
    let [
        y1,
        y2,
        y3,
        y4,
        s1,
        m1,
        m2,
        s2,
        d1,
        d2,
        between,
        h1,
        h2,
        b':',
        n1,
        n2,
        b':',
        e1,
        e2,
    ] = date_time
    else {
        return None;
    };
    if !matches!(
        (s1, s2, between),
        (b'-', b'-', b'T' | b' ') | (b':', b':', b' ')
    ) {
        return None;
    }
    let year = pair(*y1, *y2)?
        .checked_mul(100)?
        .checked_add(pair(*y3, *y4)?)?;
    let small =
        |tens: &u8, ones: &u8| pair(*tens, *ones).and_then(|value| i8::try_from(value).ok());
    let date = Date::new(year, small(m1, m2)?, small(d1, d2)?).ok()?;
    let (micros, zone) = fraction(rest)?;
    let time = Time::new(
        small(h1, h2)?,
        small(n1, n2)?,
        small(e1, e2)?,
        micros * 1000,
    )
    .ok()?;
    let timestamp = offset(zone)?.to_timestamp(date.to_datetime(time)).ok()?;
    // A zone may move the first and the last hours out of the years that have four digits.
    (MIN_MICROS..=MAX_MICROS)
        .contains(&timestamp.as_microsecond())
        .then_some(timestamp.as_microsecond())
}

/// Writes a timestamp so that [`parse`] reads it back.
pub(crate) fn format(micros: i64) -> Option<String> {
    jiff::Timestamp::from_microsecond(micros)
        .ok()
        .map(|timestamp| timestamp.to_string())
}

/// 0000-01-01T00:00:00Z
const MIN_MICROS: i64 = -62_167_219_200_000_000;
/// 9999-12-30T21:59:59.999999Z, the last microsecond that jiff can write.
const MAX_MICROS: i64 = 253_402_207_200_000_000 - 1;

fn pair(tens: u8, ones: u8) -> Option<i16> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i16::from(byte - b'0'));
    Some(digit(tens)? * 10 + digit(ones)?)
}

/// Splits `.123456Z` into its microseconds and what follows.
fn fraction(rest: &[u8]) -> Option<(i32, &[u8])> {
    let Some(digits) = rest.strip_prefix(b".") else {
        return Some((0, rest));
    };
    let length = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if length == 0 {
        return None;
    }
    let micros = digits
        .iter()
        .take(length)
        .map(|byte| i32::from(byte - b'0'))
        .chain(std::iter::repeat(0));
    Some((
        micros.take(6).fold(0, |micros, digit| micros * 10 + digit),
        digits.get(length..)?,
    ))
}

fn offset(zone: &[u8]) -> Option<Offset> {
    let zone = zone
        .strip_prefix(b" ")
        .filter(|zone| !zone.is_empty())
        .unwrap_or(zone);
    let (sign, hours, minutes) = match *zone {
        [] | [b'Z' | b'z'] => return Some(Offset::UTC),
        [sign, h1, h2] => (sign, pair(h1, h2)?, 0),
        [sign, h1, h2, m1, m2] | [sign, h1, h2, b':', m1, m2] => {
            (sign, pair(h1, h2)?, pair(m1, m2)?)
        }
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = i32::from(hours) * 3600 + i32::from(minutes) * 60;
    match sign {
        b'+' => Offset::from_seconds(seconds).ok(),
        b'-' => Offset::from_seconds(-seconds).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2020-08-28 03:52:47 UTC
    const MICROS: i64 = 1_598_586_767_000_000;

    #[test]
    fn the_three_spellings_are_read() {
        for text in [
            "2020-08-28T03:52:47",
            "2020-08-28 03:52:47",
            "2020:08:28 03:52:47",
        ] {
            assert_eq!(parse(text), Some(MICROS), "{text}");
            assert_eq!(parse(&format!("{text}Z")), Some(MICROS));
            assert_eq!(parse(&format!("{text}.1234567")), Some(MICROS + 123_456));
            assert_eq!(
                parse(&format!("{text}.5 +02:00")),
                Some(MICROS + 500_000 - 7_200_000_000)
            );
            assert_eq!(
                parse(&format!("{text}-0330")),
                Some(MICROS + 12_600_000_000)
            );
            assert_eq!(parse(&format!("{text}+01")), Some(MICROS - 3_600_000_000));
        }
    }

    #[test]
    fn what_is_not_a_time_is_unreadable() {
        for text in [
            "",
            "2020-08-28",
            "2020-8-28 03:52:47",
            "2020:08:28T03:52:47",
            "2020-08:28 03:52:47",
            "2020-13-01 00:00:00",
            "2021-02-29 00:00:00",
            "2020-08-28 24:00:00",
            "2020-08-28 23:59:60",
            "2020-08-28 03:52:47.",
            "2020-08-28 03:52:47 ",
            "2020-08-28 03:52:47+25:00",
            "2020-08-28 03:52:47+01:60",
            "2020-08-28 03:52:47 CET",
            " 2020-08-28 03:52:47",
            "+020-08-28 03:52:47",
            "0000-01-01 00:00:00+00:01",
            "9999-12-31 23:59:59",
            "２０２０-08-28 03:52",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for micros in [MICROS, MICROS + 1, 0, -1, MIN_MICROS, MAX_MICROS] {
            assert_eq!(parse(&format(micros).unwrap()), Some(micros), "{micros}");
        }
    }
}
