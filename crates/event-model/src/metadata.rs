//! The metadata that the lake's objects have beside their bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;
use std::str::FromStr;

/// Name of the number of rows or rejected records that an object has.
pub const RECORDS: &str = "records";
/// Name of the digest of an object's bytes, as 32 hexadecimal digits.
pub const DIGEST: &str = "digest";
/// Name of the number of stream records that an object accounts for ([`PositionCounts`]).
pub const POSITIONS: &str = "positions";

/// Minutes of a day.
pub const MINUTES: u16 = 24 * 60;
/// Most characters of counts by minute: S3 takes 2 kB of metadata in all.
const MAX_CHARS: usize = 1000;

/// Numbers of stream records, by the minute of the day in which they arrived (UTC): `785:120 786:14`.
///
/// Of the objects that one batch makes, each record is counted in one. Where a batch has records of very many minutes, those of an hour
/// are counted in its first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PositionCounts(BTreeMap<u16, u64>);

impl PositionCounts {
    /// Adds records that arrived in a minute of the day, 0 to 1,439; others are passed over.
    pub fn add(&mut self, minute: u16, records: u64) {
        if minute < MINUTES && records > 0 {
            *self.0.entry(minute).or_default() += records;
        }
    }

    /// Returns the number of all records.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Returns the records of a minute.
    pub fn minute(&self, minute: u16) -> u64 {
        self.0.get(&minute).copied().unwrap_or_default()
    }

    /// Returns the records of each hour.
    pub fn hours(&self) -> [u64; 24] {
        let mut hours = [0; 24];
        for (minute, records) in &self.0 {
            if let Some(hour) = hours.get_mut(usize::from(minute / 60)) {
                *hour += records;
            }
        }
        hours
    }

    /// Returns the same records, those of each hour in its first minute.
    #[must_use]
    pub fn by_hour(&self) -> Self {
        let mut counts = Self::default();
        for (minute, records) in &self.0 {
            counts.add(minute / 60 * 60, *records);
        }
        counts
    }

    fn text(&self) -> String {
        let counts = self
            .0
            .iter()
            .map(|(minute, count)| format!("{minute}:{count}"));
        counts.collect::<Vec<_>>().join(" ")
    }
}

/// Returns the minute of the day of a time, in microseconds since 1970-01-01 UTC.
pub fn minute_of(micros: i64) -> u16 {
    let minutes = micros.div_euclid(60_000_000).rem_euclid(i64::from(MINUTES));
    u16::try_from(minutes).unwrap_or_default()
}

impl AddAssign<&Self> for PositionCounts {
    fn add_assign(&mut self, other: &Self) {
        for (minute, records) in &other.0 {
            self.add(*minute, *records);
        }
    }
}

impl fmt::Display for PositionCounts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        if text.len() <= MAX_CHARS {
            return formatter.write_str(&text);
        }
        formatter.write_str(&self.by_hour().text())
    }
}

/// A text that has no counts of records by minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these are no numbers of records by minute")]
pub struct InvalidCounts;

impl FromStr for PositionCounts {
    type Err = InvalidCounts;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut counts = Self::default();
        for part in text.split_ascii_whitespace() {
            let (minute, count) = part.split_once(':').ok_or(InvalidCounts)?;
            let minute = minute.parse().ok().filter(|minute| *minute < MINUTES);
            let count = count.parse().map_err(|_| InvalidCounts)?;
            counts.add(minute.ok_or(InvalidCounts)?, count);
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_minute_read_back() {
        let mut counts = PositionCounts::default();
        for (minute, records) in [(0, 3), (1439, 120), (785, 1), (1440, 9), (786, 0)] {
            counts.add(minute, records);
        }
        assert_eq!(counts.to_string(), "0:3 785:1 1439:120");
        assert_eq!(counts.to_string().parse(), Ok(counts.clone()));
        assert_eq!(
            (counts.hours()[13], counts.hours()[23], counts.total()),
            (1, 120, 124)
        );
        assert_eq!("".parse(), Ok(PositionCounts::default()));
        for text in ["1", "1440:1", "x:1", "1:-1"] {
            assert_eq!(text.parse::<PositionCounts>(), Err(InvalidCounts), "{text}");
        }
        assert_eq!(minute_of(86_400_000_000 + 61_000_000), 1);
    }

    #[test]
    fn a_batch_of_very_many_minutes_is_counted_by_hour() {
        let mut counts = PositionCounts::default();
        for minute in 0..MINUTES {
            counts.add(minute, 5);
        }
        let text = counts.to_string();
        assert!(
            text.len() <= MAX_CHARS && text.starts_with("0:300 60:300 "),
            "{text}"
        );
        assert_eq!(
            text.parse::<PositionCounts>().unwrap().hours(),
            counts.hours()
        );
    }
}
