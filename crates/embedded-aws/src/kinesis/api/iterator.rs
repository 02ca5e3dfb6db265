//! Shard iterators: a place in a shard that a client hands back.

use std::fmt;
use std::str::FromStr;

/// How long an iterator holds: 5 minutes (a Kinesis limit).
const LIFETIME_MS: i64 = 5 * 60 * 1000;

/// A place in a shard. Its text is opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShardIterator {
    pub(super) shard: u32,
    /// Counter of the last record before the place.
    pub(super) after: u64,
    /// When it was made: milliseconds since 1970-01-01 UTC.
    pub(super) issued_ms: i64,
}

impl ShardIterator {
    pub(super) fn is_expired(self, now_ms: i64) -> bool {
        now_ms.saturating_sub(self.issued_ms) > LIFETIME_MS
    }
}

impl fmt::Display for ShardIterator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "v1-{:08x}-{:016x}-{:016x}",
            self.shard, self.after, self.issued_ms
        )
    }
}

impl FromStr for ShardIterator {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.strip_prefix("v1-").ok_or(())?.splitn(3, '-');
        let mut part = || u64::from_str_radix(parts.next().unwrap_or_default(), 16).map_err(|_| ());
        Ok(Self {
            shard: part()?.try_into().map_err(|_| ())?,
            after: part()?,
            issued_ms: part()?.try_into().map_err(|_| ())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iterator_reads_back_and_others_are_refused() {
        let iterator = ShardIterator {
            shard: 3,
            after: u64::MAX,
            issued_ms: 1_700_000_000_000,
        };
        assert_eq!(iterator.to_string().parse(), Ok(iterator));
        for text in ["", "v1", "v1-0-0", "v1-100000000-0-0", "v1-0-0-x", "AAAA"] {
            assert_eq!(text.parse::<ShardIterator>(), Err(()), "{text}");
        }
    }

    #[test]
    fn an_iterator_holds_for_five_minutes() {
        let iterator = ShardIterator {
            shard: 0,
            after: 0,
            issued_ms: 1000,
        };
        assert!(!iterator.is_expired(301_000));
        assert!(iterator.is_expired(301_001));
    }
}
