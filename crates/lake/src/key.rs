//! Object keys: built from what is in the object, never from chance, so that a batch written again lands on the same key.

use std::fmt;
use std::str::FromStr;

use event_model::{Kind, SequenceNumber, ShardId};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use md5::{Digest as _, Md5};

use crate::{LakeError, Sequence};

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

/// Tells which records were taken out of quarantine into one object: the same ones, in any order, have the same digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplayDigest(u64);

impl ReplayDigest {
    /// Returns the first 64 bits of the MD5 of the sorted sequences.
    fn of(mut sequences: Vec<Sequence>) -> Self {
        sequences.sort_unstable();
        sequences.dedup();
        let mut hasher = Md5::new();
        for sequence in sequences {
            hasher.update(format!("{sequence}\n"));
        }
        let hash = u128::from_be_bytes(hasher.finalize().into());
        // Half of 128 bits always fits.
        Self(u64::try_from(hash >> 64).unwrap_or_default())
    }

    fn parse(digits: &str) -> Option<Self> {
        u64::from_str_radix(digits, 16).ok().map(Self)
    }
}

impl fmt::Display for ReplayDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// The key of an object of clean rows or of quarantine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKey {
    /// Clean rows of one kind.
    ///
    /// From stream-cleaner: `clean/<kind>/date=YYYY-MM-DD/hour=HH/<shard>-<first>-<last>.parquet`.
    /// From quarantine: `clean/<kind>/date=YYYY-MM-DD/hour=HH/replay-<shard>-<first>-<last>-<digest>.parquet`.
    Clean {
        /// The kind.
        kind: Kind,
        /// The hour in which the rows arrived.
        hour: ArrivalHour,
        /// The batch that the rows came in; of rows from quarantine, their own first and last sequence number.
        range: SequenceRange,
        /// Which rows these are, if they come from quarantine.
        replay: Option<ReplayDigest>,
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
/// Prefix of the announcements of clean objects that are written long after their rows arrived.
pub const REPLAYS_PREFIX: &str = "replays/";
/// What the names of clean objects begin with whose rows come from quarantine.
const REPLAY: &str = "replay-";

impl ObjectKey {
    /// Returns the key of rows of one shard that were quarantined and are clean by now; `None` when there are none.
    ///
    /// Its name distinguishes it from the keys of stream-cleaner, and the digest from those of other rows: a
    /// record with sub-records is one sequence number, and some of them may be taken out of quarantine before others.
    pub fn replay(
        kind: Kind,
        hour: ArrivalHour,
        shard: ShardId,
        sequences: Vec<Sequence>,
    ) -> Option<Self> {
        let range = SequenceRange {
            shard,
            first: sequences.iter().min()?.number,
            last: sequences.iter().max()?.number,
        };
        Some(Self::Clean {
            kind,
            hour,
            range,
            replay: Some(ReplayDigest::of(sequences)),
        })
    }

    /// Returns what the keys of the objects begin with whose rows of a kind and an hour come from quarantine.
    pub fn replay_prefix(kind: Kind, hour: ArrivalHour) -> String {
        let ArrivalHour { date, hour } = hour;
        format!("{CLEAN_PREFIX}{kind}/date={date}/hour={hour:02}/{REPLAY}")
    }

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
        let kind: Kind = levels.next()?.parse().ok()?;
        let date = parse_date(levels.next()?)?;
        let hour = levels
            .next()?
            .strip_prefix("hour=")?
            .parse()
            .ok()
            .filter(|hour| (0..24).contains(hour))?;
        let name = levels.next()?.strip_suffix(".parquet")?;
        let (range, replay) = match name.strip_prefix(REPLAY) {
            None => (name, None),
            Some(name) => {
                let (range, digest) = name.rsplit_once('-')?;
                (range, Some(ReplayDigest::parse(digest)?))
            }
        };
        let key = Self::Clean {
            kind,
            hour: ArrivalHour { date, hour },
            range: SequenceRange::parse(range)?,
            replay,
        };
        levels.next().is_none().then_some(key)
    }
}

/// An announcement of a clean object, so that the merge looks for it although nothing arrives any more on its date.
///
/// It is an empty object under the key `replays/<kind>/date=…/hour=…/<name>-<digest>`. It is written first: what is announced and not
/// there yet is looked for again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Announcement {
    /// Key of the clean object.
    pub key: String,
    /// Digest of its bytes, as its metadata has it.
    pub digest: String,
}

impl Announcement {
    /// Makes the announcement of an object; `None` when it is not one of clean rows.
    pub fn new(key: &str, digest: &str) -> Option<Self> {
        key.starts_with(CLEAN_PREFIX).then(|| Self {
            key: key.to_owned(),
            digest: digest.to_owned(),
        })
    }

    /// Reads an announcement from its own key.
    pub fn parse(key: &str) -> Option<Self> {
        let (rest, digest) = key.strip_prefix(REPLAYS_PREFIX)?.rsplit_once('-')?;
        let key: ObjectKey = format!("{CLEAN_PREFIX}{rest}").parse().ok()?;
        Self::new(&key.to_string(), digest)
    }
}

impl fmt::Display for Announcement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = self.key.strip_prefix(CLEAN_PREFIX).unwrap_or(&self.key);
        write!(formatter, "{REPLAYS_PREFIX}{rest}-{}", self.digest)
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
                hour,
                range,
                replay: Some(digest),
            } => {
                let prefix = Self::replay_prefix(*kind, *hour);
                write!(formatter, "{prefix}{range}-{digest}.parquet")
            }
            Self::Clean {
                kind,
                hour: ArrivalHour { date, hour },
                range,
                replay: None,
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
                kind: Kind::named("geo"),
                hour,
                range: range(),
                replay: None,
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

    fn replay(sequences: &[&str]) -> ObjectKey {
        let sequences = sequences.iter().map(|text| text.parse().unwrap());
        let hour = ArrivalHour::of(1_598_586_767_000_000);
        ObjectKey::replay(
            Kind::named("geo"),
            hour,
            ShardId::from_number(3),
            sequences.collect(),
        )
        .unwrap()
    }

    #[test]
    fn rows_from_quarantine_have_keys_of_their_own() {
        let key = replay(&["10", "7:2", "7:10"]);
        let text = key.to_string();
        assert_eq!(
            text,
            "clean/geo/date=2020-08-28/hour=03/replay-shardId-000000000003-7-10-a7b76a0dc035fd0a.parquet"
        );
        assert!(text.starts_with(&ObjectKey::replay_prefix(
            Kind::named("geo"),
            ArrivalHour::of(1_598_586_767_000_000)
        )));
        assert_eq!(text.parse::<ObjectKey>().unwrap(), key);
        assert_eq!(replay(&["7:10", "10", "7:2", "10"]), key);
        // The same bounds, and other rows.
        assert_ne!(replay(&["10", "7:2"]), key);
        assert_ne!(replay(&["7:0"]), replay(&["7:1"]));
        assert_ne!(replay(&["7"]), replay(&["7:0"]));
    }

    #[test]
    fn an_announcement_names_its_object_and_reads_back() {
        let key = replay(&["10", "7:2"]).to_string();
        let announcement = Announcement::new(&key, "0f1e").unwrap();
        let text = announcement.to_string();
        assert!(
            text.starts_with("replays/geo/date=2020-08-28/hour=03/replay-")
                && text.ends_with(".parquet-0f1e"),
            "{text}"
        );
        assert_eq!(Announcement::parse(&text), Some(announcement));
        for other in [
            "replays/geo/x-0f",
            &key,
            "replays/geo/date=2020-08-28/hour=03/a.parquet",
        ] {
            assert_eq!(Announcement::parse(other), None, "{other}");
        }
        assert_eq!(
            Announcement::new("quarantine/date=2020-08-28/x", "0f"),
            None
        );
    }

    #[test]
    fn a_foreign_key_is_refused() {
        for key in [
            "",
            "clean/pin/",
            "clean/pin/date=2020-08-28/hour=3/shardId-000000000003-1-2.parquet",
            "clean/pin/date=2020-08-28/hour=24/shardId-000000000003-1-2.parquet",
            "clean/Pins/date=2020-08-28/hour=03/shardId-000000000003-1-2.parquet",
            "clean/pin/date=2020-02-30/hour=03/shardId-000000000003-1-2.parquet",
            "clean/pin/date=2020-08-28/hour=03/shardId-000000000003-1.parquet",
            "clean/pin/date=2020-08-28/hour=03/shardId-000000000003-1-2.parquet/x",
            "clean/pin/date=2020-08-28/hour=03/shardId-000000000003-01-2.parquet",
            "clean/pin/date=2020-08-28/hour=03/replay-shardId-000000000003-1-2.parquet",
            "clean/pin/date=2020-08-28/hour=03/replay-shardId-000000000003-1-2-0f.parquet",
            "clean/pin/date=2020-08-28/hour=03/replay-shardId-000000000003-1-2-00112233445566FF.parquet",
            "clean/pin/date=2020-08-28/hour=03/shardId-000000000003-1-2-00112233445566ff.parquet",
            "quarantine/date=2020-08-28/replay-shardId-000000000003-1-2-00112233445566ff.ndjson.gz",
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
            kind in "[a-z][a-z0-9_]{0,31}",
            is_clean in any::<bool>(),
            digest in any::<Option<u64>>(),
            micros in 0_i64..4_102_444_800_000_000,
            shard in 0_u32..=u32::MAX,
            limbs in any::<[[u64; 3]; 2]>(),
        ) {
            let kind: Kind = kind.parse().unwrap();
            let [first, last] = limbs.map(SequenceNumber::from_limbs);
            let range = SequenceRange { shard: ShardId::from_number(shard), first, last };
            let hour = ArrivalHour::of(micros);
            let key = if is_clean {
                ObjectKey::Clean { kind, hour, range, replay: digest.map(ReplayDigest) }
            } else {
                ObjectKey::Quarantine { date: hour.date, range }
            };
            prop_assert_eq!(key.to_string().parse::<ObjectKey>().unwrap(), key);
        }
    }
}
