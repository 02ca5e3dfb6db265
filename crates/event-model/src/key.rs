//! The partition key that ingest-api gives a row: `<kind>/<key>`.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU16;

use crate::Kind;

/// The value of a row's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyValue<'a> {
    /// Of an int64 column.
    Integer(i64),
    /// Of a text column.
    Text(Cow<'a, str>),
}

impl KeyValue<'_> {
    /// Returns the value with a text of its own.
    pub fn into_owned(self) -> KeyValue<'static> {
        match self {
            Self::Integer(value) => KeyValue::Integer(value),
            Self::Text(text) => KeyValue::Text(Cow::Owned(text.into_owned())),
        }
    }
}

impl From<i64> for KeyValue<'_> {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl fmt::Display for KeyValue<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => value.fmt(formatter),
            Self::Text(text) => text.fmt(formatter),
        }
    }
}

/// A partition key of the pipeline's own form.
///
/// It spreads the load over the shards, and keeps the versions of one row in one shard, so in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartitionKey(String);

/// Most bytes of a text in a partition key; Kinesis takes 256 characters with the kind's.
const TEXT_MAX_BYTES: usize = 200;

impl PartitionKey {
    /// Makes the key of a row; a hash of its bytes replaces a key that is missing, and one of the key a very long one.
    ///
    /// The key of a row of no known kind (`row/<key>`) declares none, so that cleaning says why it rejects the row.
    pub fn new(kind: Option<Kind>, key: Option<&KeyValue<'_>>, bytes: &[u8]) -> Self {
        let kind = kind.as_ref().map_or("row", Kind::as_str);
        Self(match key {
            Some(KeyValue::Integer(key)) => format!("{kind}/{key}"),
            Some(KeyValue::Text(key)) if key.len() <= TEXT_MAX_BYTES => format!("{kind}/{key}"),
            Some(KeyValue::Text(key)) => format!("{kind}/{}", hashed(key.as_bytes())),
            None => format!("{kind}/{}", hashed(bytes)),
        })
    }

    /// Returns the key that replaces this one where several rows share a record: one of `keys` of its kind (`<kind>/<n>-of-<keys>`), always
    /// the same, so that one row's versions stay in order.
    #[must_use]
    pub fn packed(&self, keys: NonZeroU16) -> Self {
        let kind = Self::kind_name(&self.0).unwrap_or_default();
        let place = fnv1a(self.0.as_bytes()) % u64::from(keys.get());
        Self(format!("{kind}/{place}-of-{keys}"))
    }

    /// Returns the name that a record's key has in the place of a kind; `None` for a key of another form.
    ///
    /// It declares the kind of that name only if it [`is_of`](Self::is_of) the record's row.
    pub fn kind_name(key: &str) -> Option<&str> {
        Some(key.split_once('/')?.0)
    }

    /// Returns whether `key` is one that [`new`](Self::new) makes of this row, or [`packed`](Self::packed) of that.
    pub fn is_of(key: &str, kind: Kind, value: Option<&KeyValue<'_>>, bytes: &[u8]) -> bool {
        let Some((name, place)) = key.split_once('/') else {
            return false;
        };
        let is_packed = || {
            let keys = place
                .rsplit_once('-')
                .and_then(|(_, keys)| keys.parse().ok());
            keys.is_some_and(|keys| Self::new(Some(kind), value, bytes).packed(keys).0 == key)
        };
        let is_place = match value {
            Some(KeyValue::Integer(value)) => {
                let digits = place.strip_prefix('-').unwrap_or(place);
                let is_canonical =
                    place == "0" || digits.starts_with(|digit| matches!(digit, '1'..='9'));
                is_canonical && place.parse() == Ok(*value)
            }
            Some(KeyValue::Text(value)) if value.len() <= TEXT_MAX_BYTES => place == *value,
            Some(KeyValue::Text(value)) => place == hashed(value.as_bytes()),
            None => place == hashed(bytes),
        };
        kind.is_named(name) && (is_place || is_packed())
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

/// The placeholder for the key of a row without one.
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

    const GEO: Kind = Kind::named("geo");
    const USER: Kind = Kind::named("user");

    #[test]
    fn a_key_names_its_kind() {
        let value = KeyValue::Integer(-7);
        let key = PartitionKey::new(Some(GEO), Some(&value), b"");
        assert_eq!(key.as_str(), "geo/-7");
        assert_eq!(PartitionKey::kind_name(key.as_str()), Some("geo"));
        let unknown = PartitionKey::new(None, Some(&value), b"");
        assert_eq!(unknown.as_str(), "row/-7");
        for other in ["pin", "abc.pin", ""] {
            assert_eq!(PartitionKey::kind_name(other), None, "{other}");
        }
    }

    #[test]
    fn a_key_is_of_one_row_in_one_spelling() {
        let long = "é".repeat(150);
        let text = |text: &str| Some(KeyValue::Text(Cow::Owned(text.to_owned())));
        for value in [
            None,
            Some(KeyValue::Integer(0)),
            Some(KeyValue::Integer(42)),
            Some(KeyValue::Integer(-7)),
            Some(KeyValue::Integer(i64::MIN)),
            Some(KeyValue::Integer(i64::MAX)),
            text("a/b"),
            text(&long),
        ] {
            let value = value.as_ref();
            let key = PartitionKey::new(Some(USER), value, b"{}");
            assert!(key.as_str().chars().count() <= 256);
            let one = KeyValue::Integer(1);
            assert!(
                PartitionKey::is_of(key.as_str(), USER, value, b"{}"),
                "{key}"
            );
            assert!(
                !PartitionKey::is_of(key.as_str(), GEO, value, b"{}"),
                "{key}"
            );
            assert!(
                !PartitionKey::is_of(key.as_str(), USER, Some(&one), b"{}"),
                "{key}"
            );
        }
        let key = PartitionKey::new(Some(USER), None, b"{}");
        assert!(!PartitionKey::is_of(key.as_str(), USER, None, b"{ }"));
        for (key, value) in [
            ("user/042", 42),
            ("user/+42", 42),
            ("user/-0", 0),
            ("user/", 0),
            ("user", 0),
        ] {
            let value = KeyValue::Integer(value);
            assert!(
                !PartitionKey::is_of(key, USER, Some(&value), b"{}"),
                "{key}"
            );
        }
    }

    #[test]
    fn rows_without_a_key_are_told_apart_by_their_bytes() {
        let key = |bytes| PartitionKey::new(Some(GEO), None, bytes).to_string();
        assert_eq!(key(b"a"), "geo/#af63dc4c8601ec8c");
        assert_ne!(key(b"a"), key(b"b"));
    }
}
