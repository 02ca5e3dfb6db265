//! Object keys: built from what is in the object, never from chance, so that a batch written again lands on the same key.

use std::fmt;
use std::str::FromStr;

use event_model::{Kind, SequenceNumber, ShardId};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

use crate::LakeError;

/// An hour of arrival in UTC: the partition that a row belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArrivalHour {
    /// The day.
    pub date: Date,
    /// The hour, 0 to 23.
    pub hour: i8,
}

impl ArrivalHour {
    /// Returns the hour that holds a time, in microseconds since 1970-01-01 UTC.
    ///
    /// A time outside the years -9999 to 9999, which no stream hands out, counts as the nearest that is inside.
    pub fn of(micros: i64) -> Self {
        let nearest = if micros < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        };
        let date_time =
            Offset::UTC.to_datetime(Timestamp::from_microsecond(micros).unwrap_or(nearest));
        Self {
            date: date_time.date(),
            hour: date_time.hour(),
        }
    }
}

/// The shard of a batch, and its first and last sequence number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceRange {
    /// The shard.
    pub shard: ShardId,
    /// Sequence number of the batch's first record.
    pub first: SequenceNumber,
    /// Sequence number of the batch's last record.
    pub last: SequenceNumber,
}

impl fmt::Display for SequenceRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}-{}", self.shard, self.first, self.last)
    }
}

impl SequenceRange {
    fn parse(text: &str) -> Option<Self> {
        let (rest, last) = text.rsplit_once('-')?;
        let (shard, first) = rest.rsplit_once('-')?;
        Some(Self {
            shard: shard.parse().ok()?,
            first: first.parse().ok()?,
            last: last.parse().ok()?,
        })
    }
}

/// The key of an object that stream-cleaner writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKey {
    /// Clean rows of one kind: `clean/<kind>/date=YYYY-MM-DD/hour=HH/<shard>-<first>-<last>.parquet`.
    Clean {
        /// The kind.
        kind: Kind,
        /// The hour in which the rows arrived.
        hour: ArrivalHour,
        /// The batch that the rows came in.
        range: SequenceRange,
    },
    /// Rejected records: `quarantine/date=YYYY-MM-DD/<shard>-<first>-<last>.ndjson.gz`.
    Quarantine {
        /// The day on which the records arrived.
        date: Date,
        /// The batch that the records came in.
        range: SequenceRange,
    },
}

/// Prefix of every clean object.
pub const CLEAN_PREFIX: &str = "clean/";
/// Prefix of every quarantine object.
pub const QUARANTINE_PREFIX: &str = "quarantine/";

impl ObjectKey {
    /// Returns the batch that the object's records came in.
    pub fn range(&self) -> &SequenceRange {
        match self {
            Self::Clean { range, .. } | Self::Quarantine { range, .. } => range,
        }
    }

    fn parse(key: &str) -> Option<Self> {
        if let Some(rest) = key.strip_prefix(QUARANTINE_PREFIX) {
            let (date, name) = rest.split_once('/')?;
            let range = SequenceRange::parse(name.strip_suffix(".ndjson.gz")?)?;
            return Some(Self::Quarantine {
                date: parse_date(date)?,
                range,
            });
        }
        let mut levels = key.strip_prefix(CLEAN_PREFIX)?.split('/');
        let kind = Kind::from_name(levels.next()?)?;
        let date = parse_date(levels.next()?)?;
        let hour = levels
            .next()?
            .strip_prefix("hour=")?
            .parse()
            .ok()
            .filter(|hour| (0..24).contains(hour))?;
        let range = SequenceRange::parse(levels.next()?.strip_suffix(".parquet")?)?;
        let key = Self::Clean {
            kind,
            hour: ArrivalHour { date, hour },
            range,
        };
        levels.next().is_none().then_some(key)
    }
}

fn parse_date(level: &str) -> Option<Date> {
    level.strip_prefix("date=")?.parse().ok()
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean {
                kind,
                hour: ArrivalHour { date, hour },
                range,
            } => {
                write!(
                    formatter,
                    "{CLEAN_PREFIX}{kind}/date={date}/hour={hour:02}/{range}.parquet"
                )
            }
            Self::Quarantine { date, range } => {
                write!(
                    formatter,
                    "{QUARANTINE_PREFIX}date={date}/{range}.ndjson.gz"
                )
            }
        }
    }
}

impl FromStr for ObjectKey {
    type Err = LakeError;

    /// Reads a key back; one that would be written otherwise (`hour=7`) is refused.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
            .filter(|key| key.to_string() == text)
            .ok_or_else(|| LakeError::UnknownKey(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range() -> SequenceRange {
        SequenceRange {
            shard: ShardId::from_number(3),
            first: "49590338271490256608559692538361571095921575989136588898"
                .parse()
                .unwrap(),
            last: "49590338271490256608559692540925702759324208523137515618"
                .parse()
                .unwrap(),
        }
    }

    #[test]
    fn a_key_says_what_is_in_the_object() {
        let hour = ArrivalHour::of(1_598_586_767_000_000);
        let name = "shardId-000000000003-49590338271490256608559692538361571095921575989136588898-\
                    49590338271490256608559692540925702759324208523137515618";
        assert_eq!(
            ObjectKey::Clean {
                kind: Kind::Geo,
                hour,
                range: range()
            }
            .to_string(),
            format!("clean/geo/date=2020-08-28/hour=03/{name}.parquet"),
        );
        assert_eq!(
            ObjectKey::Quarantine {
                date: hour.date,
                range: range()
            }
            .to_string(),
            format!("quarantine/date=2020-08-28/{name}.ndjson.gz"),
        );
    }

    #[test]
    fn a_foreign_key_is_refused() {
        for key in [
            "",
            "clean/pin/",
            "clean/pin/date=2020-08-28/hour=3/shardId-000000000003-1-2.parquet",
            "clean/pin/date=2020-08-28/hour=24/shardId-000000000003-1-2.parquet",
            "clean/pins/date=2020-08-28/hour=03/shardId-000000000003-1-2.parquet",
            "clean/pin/date=2020-02-30/hour=03/shardId-000000000003-1-2.parquet",
            "clean/pin/date=2020-08-28/hour=03/shardId-000000000003-1.parquet",
            "clean/pin/date=2020-08-28/hour=03/shardId-000000000003-1-2.parquet/x",
            "clean/pin/date=2020-08-28/hour=03/shardId-000000000003-01-2.parquet",
            "quarantine/date=2020-08-28/shardId-000000000003-1-2.ndjson",
            "curated/pin/_delta_log/0.json",
        ] {
            assert!(
                matches!(key.parse::<ObjectKey>(), Err(LakeError::UnknownKey(_))),
                "{key}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_key_reads_back(
            kind in proptest::sample::select(Kind::ALL.to_vec()),
            is_clean in any::<bool>(),
            micros in 0_i64..4_102_444_800_000_000,
            shard in 0_u32..=u32::MAX,
            limbs in any::<[[u64; 3]; 2]>(),
        ) {
            let [first, last] = limbs.map(SequenceNumber::from_limbs);
            let range = SequenceRange { shard: ShardId::from_number(shard), first, last };
            let hour = ArrivalHour::of(micros);
            let key = if is_clean {
                ObjectKey::Clean { kind, hour, range }
            } else {
                ObjectKey::Quarantine { date: hour.date, range }
            };
            prop_assert_eq!(key.to_string().parse::<ObjectKey>().unwrap(), key);
        }
    }
}
