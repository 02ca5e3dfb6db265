//! The three kinds of event, and what distinguishes them.

use std::fmt;

/// Which of the three kinds a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A post (`pinterest_data`).
    Pin,
    /// Where and when it was posted (`geolocation_data`).
    Geo,
    /// Who posted it (`user_data`).
    User,
}

impl Kind {
    /// Every kind, in the order of the reports and of the posting script.
    pub const ALL: [Self; 3] = [Self::Pin, Self::Geo, Self::User];

    /// Returns the kind's name in paths, partition keys and object keys.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Geo => "geo",
            Self::User => "user",
        }
    }

    /// Returns the kind that is spelled exactly `name` (`pin`, `geo`, `user`).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Returns the kind that a topic, a stream or a client's partition key names.
    ///
    /// Its last part counts: `abc.pin`, `streaming-abc-pin`, `pin`; so do the database's table names.
    pub fn from_label(label: &str) -> Option<Self> {
        let last = label.rsplit(['.', '-', '/']).next()?;
        Self::from_name(last).or(match last {
            "pinterest_data" => Some(Self::Pin),
            "geolocation_data" => Some(Self::Geo),
            "user_data" => Some(Self::User),
            _ => None,
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_a_label_tells_the_kind() {
        for (label, kind) in [
            ("0a1b2c.pin", Some(Kind::Pin)),
            ("streaming-0a1b2c-geo", Some(Kind::Geo)),
            ("user", Some(Kind::User)),
            ("pin/7528", None),
            ("geolocation_data", Some(Kind::Geo)),
            ("pinterest_data", Some(Kind::Pin)),
            ("user_data", Some(Kind::User)),
            ("Kinesis-Prod-Stream", None),
            ("abc.Pin", None),
            ("spin", None),
            ("", None),
        ] {
            assert_eq!(Kind::from_label(label), kind, "{label}");
        }
    }
}
