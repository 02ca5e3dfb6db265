//! The partition key that ingest-api gives a row: `<kind>/<ind>`.

use std::fmt;

use crate::Kind;

/// A partition key of the pipeline's own form.
///
/// It spreads the load over the shards, and keeps the versions of one row in one shard, so in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartitionKey(String);

impl PartitionKey {
    /// Makes the key of a row; a hash of its bytes replaces an `ind` that is missing.
    ///
    /// The key of a row of no known kind (`row/<ind>`) declares none, so that cleaning says why it rejects the row.
    pub fn new(kind: Option<Kind>, ind: Option<i64>, bytes: &[u8]) -> Self {
        let kind = kind.map_or("row", Kind::as_str);
        Self(match ind {
            Some(ind) => format!("{kind}/{ind}"),
            None => format!("{kind}/#{:016x}", fnv1a(bytes)),
        })
    }

    /// Returns the kind that a record's partition key declares; `None` for a key of another form.
    pub fn declared_kind(key: &str) -> Option<Kind> {
        Kind::from_name(key.split_once('/')?.0)
    }

    /// Returns the key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// 64-bit FNV-1a: the same in every build and version, unlike the standard library's hashers.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_declares_its_kind() {
        let key = PartitionKey::new(Some(Kind::Geo), Some(-7), b"");
        assert_eq!(key.as_str(), "geo/-7");
        assert_eq!(PartitionKey::declared_kind(key.as_str()), Some(Kind::Geo));
        let unknown = PartitionKey::new(None, Some(7), b"");
        assert_eq!(unknown.as_str(), "row/7");
        for other in [unknown.as_str(), "pin", "abc.pin", "pins/1", "", "/pin"] {
            assert_eq!(PartitionKey::declared_kind(other), None, "{other}");
        }
    }

    #[test]
    fn rows_without_an_ind_are_told_apart_by_their_bytes() {
        let key = |bytes| PartitionKey::new(Some(Kind::Pin), None, bytes).to_string();
        assert_eq!(key(b"a"), "pin/#af63dc4c8601ec8c");
        assert_ne!(key(b"a"), key(b"b"));
    }
}
