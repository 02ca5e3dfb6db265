//! The kind of a row: the name of its table.

use std::fmt;
use std::str::FromStr;

/// Which table a row belongs to, by the table's name: 1 to 32 of `a-z 0-9 _`, a letter first.
///
/// It is small and [`Copy`], and says nothing of the table: the model does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind {
    /// The name, with zeros behind it, so that the derived order is that of the names.
    bytes: [u8; Kind::MAX_LENGTH],
}

/// A text that is no table's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a table's name (1 to 32 of a-z 0-9 _, a letter first)")]
pub struct InvalidKind(String);

impl Kind {
    /// Most characters of a table's name.
    pub const MAX_LENGTH: usize = 32;

    /// Makes the kind of a name that is written in a program.
    ///
    /// # Panics
    ///
    /// If it is no table's name.
    #[expect(
        clippy::panic,
        reason = "a name in a program is a constant, and wrong in each run"
    )]
    pub const fn named(name: &str) -> Self {
        match Self::checked(name.as_bytes()) {
            Some(kind) => kind,
            None => panic!("not a table's name"),
        }
    }

    const fn checked(name: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::MAX_LENGTH];
        if name.is_empty() || name.len() > bytes.len() || !name[0].is_ascii_lowercase() {
            return None;
        }
        let mut at = 0;
        while at < name.len() {
            if !matches!(name[at], b'a'..=b'z' | b'0'..=b'9' | b'_') {
                return None;
            }
            bytes[at] = name[at];
            at += 1;
        }
        Some(Self { bytes })
    }

    /// Tells whether this is the name, as comparing [`as_str`](Self::as_str) does, which has to find its end.
    #[inline]
    pub fn is_named(&self, name: &str) -> bool {
        let (start, end) = match self.bytes.split_at_checked(name.len()) {
            Some((start, end)) => (start, end.first()),
            None => return false,
        };
        let is_whole = end.is_none_or(|byte| *byte == 0) && start.last() != Some(&0);
        is_whole && start == name.as_bytes()
    }

    /// Returns the kind's name in paths, partition keys and object keys.
    pub fn as_str(&self) -> &str {
        let length = self.bytes.iter().position(|byte| *byte == 0);
        let name = self.bytes.get(..length.unwrap_or(Self::MAX_LENGTH));
        // Each byte is an ASCII character.
        name.and_then(|name| str::from_utf8(name).ok())
            .unwrap_or_default()
    }
}

impl FromStr for Kind {
    type Err = InvalidKind;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::checked(name.as_bytes()).ok_or_else(|| InvalidKind(name.chars().take(64).collect()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Kind({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_a_table_s_name() {
        let longest = "a".repeat(Kind::MAX_LENGTH);
        for name in ["pin", "b2", "board_pins", &longest] {
            let kind: Kind = name.parse().unwrap();
            assert_eq!((kind.as_str(), kind.to_string().as_str()), (name, name));
            for other in [
                "",
                "p",
                "pin",
                "pins",
                "b2",
                "board_pins",
                &longest,
                &"a".repeat(33),
                "pin\0",
            ] {
                assert_eq!(kind.is_named(other), name == other, "{name} {other}");
            }
        }
        for name in ["", "Pin", "2b", "_pin", "a-b", "a b", "é", &"a".repeat(33)] {
            assert!(name.parse::<Kind>().is_err(), "{name}");
        }
        let mut kinds = ["user", "geo", "pin", "pins"].map(Kind::named);
        kinds.sort_unstable();
        assert_eq!(kinds, ["geo", "pin", "pins", "user"].map(Kind::named));
    }
}
