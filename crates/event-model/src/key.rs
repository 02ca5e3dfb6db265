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
            None => format!("{kind}/{}", hashed(bytes)),
        })
    }

    /// Returns the kind that a record's key names; `None` for a key of another form.
    ///
    /// It declares that kind only if it [`is_of`](Self::is_of) the record's row.
    pub fn named_kind(key: &str) -> Option<Kind> {
        Kind::from_name(key.split_once('/')?.0)
    }

    /// Returns whether `key` is the one that [`new`](Self::new) makes of this row.
    pub fn is_of(key: &str, kind: Kind, ind: Option<i64>, bytes: &[u8]) -> bool {
        let Some((name, place)) = key.split_once('/') else {
            return false;
        };
        let is_place = match ind {
            Some(ind) => {
                let digits = place.strip_prefix('-').unwrap_or(place);
                let is_canonical =
                    place == "0" || digits.starts_with(|digit| matches!(digit, '1'..='9'));
                is_canonical && place.parse() == Ok(ind)
            }
            None => place == hashed(bytes),
        };
        name == kind.as_str() && is_place
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

/// What is known of a row's kind before its fields are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared<'a> {
    /// Nothing: the fields alone decide.
    Nothing,
    /// It is of this kind.
    Kind(Kind),
    /// The record has this partition key. It declares a kind only where it is the very key that ingest-api makes of the
    /// row: producers have keys of their own, and `user/42` may be one.
    Key(&'a str),
}

impl From<Kind> for Declared<'_> {
    fn from(kind: Kind) -> Self {
        Self::Kind(kind)
    }
}

impl From<Option<Kind>> for Declared<'_> {
    fn from(kind: Option<Kind>) -> Self {
        kind.map_or(Self::Nothing, Self::Kind)
    }
}

/// What stands for the `ind` of a row without one.
fn hashed(bytes: &[u8]) -> String {
    format!("#{:016x}", fnv1a(bytes))
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
    fn a_key_names_its_kind() {
        let key = PartitionKey::new(Some(Kind::Geo), Some(-7), b"");
        assert_eq!(key.as_str(), "geo/-7");
        assert_eq!(PartitionKey::named_kind(key.as_str()), Some(Kind::Geo));
        let unknown = PartitionKey::new(None, Some(7), b"");
        assert_eq!(unknown.as_str(), "row/7");
        for other in [unknown.as_str(), "pin", "abc.pin", "pins/1", "", "/pin"] {
            assert_eq!(PartitionKey::named_kind(other), None, "{other}");
        }
    }

    #[test]
    fn a_key_is_of_one_row_in_one_spelling() {
        for ind in [
            None,
            Some(0),
            Some(42),
            Some(-7),
            Some(i64::MIN),
            Some(i64::MAX),
        ] {
            let key = PartitionKey::new(Some(Kind::User), ind, b"{}");
            assert!(
                PartitionKey::is_of(key.as_str(), Kind::User, ind, b"{}"),
                "{key}"
            );
            assert!(
                !PartitionKey::is_of(key.as_str(), Kind::Pin, ind, b"{}"),
                "{key}"
            );
            assert!(
                !PartitionKey::is_of(key.as_str(), Kind::User, Some(1), b"{}"),
                "{key}"
            );
        }
        let key = PartitionKey::new(Some(Kind::User), None, b"{}");
        assert!(!PartitionKey::is_of(key.as_str(), Kind::User, None, b"{ }"));
        for (key, ind) in [
            ("user/042", 42),
            ("user/+42", 42),
            ("user/-0", 0),
            ("user/", 0),
            ("user", 0),
        ] {
            assert!(
                !PartitionKey::is_of(key, Kind::User, Some(ind), b"{}"),
                "{key}"
            );
        }
    }

    #[test]
    fn rows_without_an_ind_are_told_apart_by_their_bytes() {
        let key = |bytes| PartitionKey::new(Some(Kind::Pin), None, bytes).to_string();
        assert_eq!(key(b"a"), "pin/#af63dc4c8601ec8c");
        assert_ne!(key(b"a"), key(b"b"));
    }
}
