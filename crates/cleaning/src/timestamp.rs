//! Timestamps as clients spell them.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, date};

/// A timestamp that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timestamp {
    /// Microseconds since 1970-01-01 UTC.
    pub(crate) micros: i64,
    /// Whether the text had no digit but 0 beyond the microsecond.
    pub(crate) is_exact: bool,
}

/// Reads a timestamp; digits beyond the microsecond are cut off. Its year is 1 to 9999 in UTC.
///
/// Taken are `2020-08-28T03:52:47`, `2020-08-28 03:52:47` and `2020:08:28 03:52:47`, each without seconds or with a
/// fraction of them, and with an optional zone (`Z`, `+01:00`, `+0100`, `+01`, a blank may come before it); without one it
/// is UTC. The date alone is its midnight.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    if let Some(seconds) = text.as_bytes().try_into().ok().and_then(usual) {
        return Some(Timestamp {
            micros: seconds * 1_000_000,
            is_exact: true,
        });
    }
    let (date, rest) = text.as_bytes().split_at_checked(10)?;
    let [y1, y2, y3, y4, s1, m1, m2, s2, d1, d2] = date else {
        return None;
    };
    let year = two(*y1, *y2)? * 100 + two(*y3, *y4)?;
    let (month, day) = (two(*m1, *m2)?, two(*d1, *d2)?);
    let time = match (s1, s2, rest.split_first()) {
        (b'-', b'-', None) | (b':', b':', None) => Time::default(),
        (b'-', b'-', Some((b'T' | b' ', rest))) | (b':', b':', Some((b' ', rest))) => time(rest)?,
        _ => return None,
    };
    // Refuses what no calendar has.
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let days = days_from_civil(i64::from(year), i64::from(month), i64::from(day));
    let micros = (days * 86_400 + time.seconds) * 1_000_000 + time.micros;
    in_range(micros).then_some(Timestamp {
        micros,
        is_exact: time.is_exact,
    })
}

/// Days of each month behind the first place; the day that some Februaries have is read with a calendar.
const DAYS: [u32; 13] = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Reads what most timestamps are, `2020-08-28 03:52:47` or with a `T`: seconds since 1970-01-01 UTC. `None` for all others.
fn usual(text: &[u8; 19]) -> Option<i64> {
    let is_spelled_so = text[4] == b'-'
        && text[7] == b'-'
        && matches!(text[10], b' ' | b'T')
        && text[13] == b':'
        && text[16] == b':';
    let mut has_digits = true;
    let mut two = |place: usize| {
        let [tens, ones] = [place, place + 1].map(|place| text[place].wrapping_sub(b'0'));
        has_digits &= tens <= 9 && ones <= 9;
        u32::from(tens) * 10 + u32::from(ones)
    };
    let year = two(0) * 100 + two(2);
    let (month, day) = (two(5), two(8));
    let (hours, minutes, seconds) = (two(11), two(14), two(17));
    let last_day = DAYS.get(month as usize).copied().unwrap_or_default();
    let is_date = year >= 1 && (1..=last_day).contains(&day);
    if !is_spelled_so || !has_digits || !is_date || hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let days = days_from_civil(i64::from(year), i64::from(month), i64::from(day));
    Some(days * 86_400 + i64::from(hours * 3600 + minutes * 60 + seconds))
}

/// Reads a timestamp as the rules do: microseconds since 1970-01-01 UTC.
pub fn micros_of(text: &str) -> Option<i64> {
    parse(text).map(|timestamp| timestamp.micros)
}

/// Tells whether a time is in the years 1 to 9999.
pub(crate) fn in_range(micros: i64) -> bool {
    (MIN_MICROS..=MAX_MICROS).contains(&micros)
}

/// Writes a date so that [`parse`] reads it back; `None` for a year that it does not read.
pub(crate) fn format_date(days: i32) -> Option<String> {
    let midnight = format(i64::from(days) * DAY_MICROS)?;
    midnight.get(..10).map(str::to_owned)
}

/// Writes a timestamp so that [`parse`] reads it back; `None` for a year that it does not read.
pub(crate) fn format(micros: i64) -> Option<String> {
    const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);
    in_range(micros).then_some(())?;
    let date_time = EPOCH
        .checked_add(SignedDuration::from_micros(micros))
        .ok()?;
    Some(format!("{date_time}Z"))
}

/// Microseconds of a day.
pub(crate) const DAY_MICROS: i64 = 86_400_000_000;
/// 0001-01-01T00:00:00Z: the first year that Python, and the readers that are written in it, can hold.
const MIN_MICROS: i64 = -62_135_596_800_000_000;
/// 9999-12-31T23:59:59.999999Z
const MAX_MICROS: i64 = 253_402_300_800_000_000 - 1;

/// The time of the day, its zone taken off.
struct Time {
    /// Since midnight UTC; the zone may make them negative, or more than a day.
    seconds: i64,
    micros: i64,
    is_exact: bool,
}

impl Default for Time {
    fn default() -> Self {
        Self {
            seconds: 0,
            micros: 0,
            is_exact: true,
        }
    }
}

/// Reads `03:52`, `03:52:47` or `03:52:47.123456`, and a zone behind it.
fn time(text: &[u8]) -> Option<Time> {
    let ([h1, h2, b':', n1, n2], rest) = text.split_first_chunk::<5>()? else {
        return None;
    };
    let (hours, minutes) = (two(*h1, *h2)?, two(*n1, *n2)?);
    let mut time = Time::default();
    let mut zone = rest;
    let mut seconds = 0;
    if let Some(([b':', e1, e2], rest)) = rest.split_first_chunk::<3>()
        && e1.is_ascii_digit()
    {
        seconds = two(*e1, *e2)?;
        zone = fraction(rest, &mut time)?;
    }
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    time.seconds = i64::from(hours) * 3600 + i64::from(minutes) * 60 + i64::from(seconds)
        - offset_seconds(zone)?;
    Some(time)
}

fn two(tens: u8, ones: u8) -> Option<i16> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i16::from(byte - b'0'));
    Some(digit(tens)? * 10 + digit(ones)?)
}

/// Reads the fraction of `.123456Z`, and returns what follows.
fn fraction<'a>(rest: &'a [u8], time: &mut Time) -> Option<&'a [u8]> {
    let Some(digits) = rest.strip_prefix(b".") else {
        return Some(rest);
    };
    let length = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (digits, rest) = digits.split_at_checked(length)?;
    let (micros, beyond) = digits.split_at(length.min(6));
    if length == 0 {
        return None;
    }
    let padded = micros.iter().chain(std::iter::repeat(&b'0')).take(6);
    time.micros = padded.fold(0, |micros, digit| micros * 10 + i64::from(digit - b'0'));
    time.is_exact = beyond.iter().all(|&digit| digit == b'0');
    Some(rest)
}

fn offset_seconds(zone: &[u8]) -> Option<i64> {
    let zone = zone
        .strip_prefix(b" ")
        .filter(|zone| !zone.is_empty())
        .unwrap_or(zone);
    let (sign, hours, minutes) = match *zone {
        [] | [b'Z' | b'z'] => return Some(0),
        [sign, h1, h2] => (sign, two(h1, h2)?, 0),
        [sign, h1, h2, m1, m2] | [sign, h1, h2, b':', m1, m2] => (sign, two(h1, h2)?, two(m1, m2)?),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = i64::from(hours) * 3600 + i64::from(minutes) * 60;
    match sign {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

/// Returns the days since 1970-01-01 of a date in the Gregorian calendar.
///
/// The algorithm is Howard Hinnant's (<https://howardhinnant.github.io/date_algorithms.html#days_from_civil>).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> Option<i64> {
        parse(text).map(|timestamp| timestamp.micros)
    }

    /// 2020-08-28 03:52:47 UTC
    const MICROS: i64 = 1_598_586_767_000_000;

    #[test]
    fn the_three_spellings_are_read() {
        for text in [
            "2020-08-28T03:52:47",
            "2020-08-28 03:52:47",
            "2020:08:28 03:52:47",
        ] {
            assert_eq!(micros(text), Some(MICROS), "{text}");
            assert_eq!(micros(&format!("{text}Z")), Some(MICROS));
            assert_eq!(micros(&format!("{text}.123456")), Some(MICROS + 123_456));
            assert_eq!(
                micros(&format!("{text}.5 +02:00")),
                Some(MICROS + 500_000 - 7_200_000_000)
            );
            assert_eq!(
                micros(&format!("{text}-0330")),
                Some(MICROS + 12_600_000_000)
            );
            assert_eq!(micros(&format!("{text}+01")), Some(MICROS - 3_600_000_000));
        }
    }

    /// The zone makes it another spelling, which takes the longer way.
    #[test]
    fn the_usual_spelling_is_read_as_the_others_are() {
        for year in [0, 1, 4, 100, 1900, 1969, 2000, 2020, 2023, 9999] {
            for day in 0..14 * 33 {
                let (month, day) = (day / 33, day % 33);
                for time in [
                    "00:00:00", "23:59:59", "24:00:00", "12:60:00", "12:00:60", "1a:00:00",
                ] {
                    let text = format!("{year:04}-{month:02}-{day:02} {time}");
                    assert_eq!(micros(&text), micros(&format!("{text}Z")), "{text}");
                }
            }
        }
    }

    #[test]
    fn seconds_and_the_time_may_be_left_out() {
        let minute = MICROS - 47_000_000;
        let midnight = MICROS / 86_400_000_000 * 86_400_000_000;
        for (text, expected) in [
            ("2020-08-28T03:52", minute),
            ("2020-08-28 03:52Z", minute),
            ("2020:08:28 03:52", minute),
            ("2020-08-28T03:52+01:00", minute - 3_600_000_000),
            ("2020-08-28", midnight),
            ("2020:08:28", midnight),
        ] {
            assert_eq!(micros(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn digits_beyond_the_microsecond_are_cut_off_and_missed() {
        for (fraction, cut, is_exact) in [
            ("1234567", 123_456, false),
            ("123456000", 123_456, true),
            ("000000001", 0, false),
            ("9", 900_000, true),
        ] {
            let expected = Timestamp {
                micros: MICROS + cut,
                is_exact,
            };
            let text = format!("2020-08-28T03:52:47.{fraction}Z");
            assert_eq!(parse(&text), Some(expected), "{text}");
        }
    }

    #[test]
    fn the_years_are_1_to_9999_in_utc() {
        for (text, expected) in [
            ("0001-01-01", Some(MIN_MICROS)),
            ("0001-01-01 00:00:00+00:01", None),
            ("0000-12-31 23:59:00-00:01", Some(MIN_MICROS)),
            ("0000-12-31 23:59:59", None),
            ("9999-12-31 23:59:59.999999", Some(MAX_MICROS)),
            ("9999-12-31 23:59:59.999999-00:01", None),
        ] {
            assert_eq!(micros(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_time_is_unreadable() {
        for text in [
            "",
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
            "２０２０-08-28 03:52",
            "2020-08-28Z",
            "2020-08-28 ",
            "2020-08-28T03",
            "2020-08-28T03:5",
            "2020-08-28T03:52:",
            "2020-08-28T03:52:4",
            "2020-08-28T03:52.5",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for micros in [MICROS, MICROS + 1, 0, -1, MIN_MICROS, MAX_MICROS] {
            let read = parse(&format(micros).unwrap()).unwrap();
            assert_eq!((read.micros, read.is_exact), (micros, true), "{micros}");
        }
        assert_eq!(format(MIN_MICROS).unwrap(), "0001-01-01T00:00:00Z");
        assert_eq!(format(MAX_MICROS).unwrap(), "9999-12-31T23:59:59.999999Z");
        assert_eq!(
            (format(MIN_MICROS - 1), format(MAX_MICROS + 1)),
            (None, None)
        );
    }

    #[test]
    fn every_day_is_one_after_the_day_before() {
        let mut date = date(1, 1, 1);
        let mut days = MIN_MICROS / 86_400_000_000;
        loop {
            let (year, month, day) = (date.year(), date.month(), date.day());
            assert_eq!(
                days_from_civil(year.into(), month.into(), day.into()),
                days,
                "{date}"
            );
            let Ok(tomorrow) = date.tomorrow() else { break };
            date = tomorrow;
            days += 1;
        }
    }
}
