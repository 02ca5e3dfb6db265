//! The three kinds of event, and what distinguishes them.

use std::fmt;

use json_reader::Text;

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

/// The kinds that a row's own field names speak for, gathered one name at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindMarkers {
    seen: [bool; 3],
}

impl KindMarkers {
    /// Notes a field's name.
    ///
    /// `unique_id` and `category` speak for pin, `latitude` for geo, `first_name` for user; so do the clean columns
    /// `coordinates` and `user_name`, which lets a clean row be cleaned again.
    pub fn note(&mut self, name: &str) {
        match name {
            "unique_id" | "category" => self.seen[0] = true,
            "latitude" | "coordinates" => self.seen[1] = true,
            "first_name" | "user_name" => self.seen[2] = true,
            _ => {}
        }
    }

    /// Notes a field's name as it is spelled in the JSON.
    pub fn note_text(&mut self, name: &Text<'_>) {
        self.note(&name.decode());
    }

    /// Returns the kind that the fields decide, the first in the order pin, geo, user.
    pub fn kind(self) -> Option<Kind> {
        Kind::ALL.into_iter().find(|&kind| self.speak_for(kind))
    }

    /// Returns whether some field speaks for `kind`.
    pub fn speak_for(self, kind: Kind) -> bool {
        match kind {
            Kind::Pin => self.seen[0],
            Kind::Geo => self.seen[1],
            Kind::User => self.seen[2],
        }
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

    #[test]
    fn the_first_marked_kind_in_the_order_pin_geo_user_is_told() {
        let mut markers = KindMarkers::default();
        assert_eq!(markers.kind(), None);
        markers.note("first_name");
        assert_eq!(markers.kind(), Some(Kind::User));
        markers.note("category");
        assert_eq!(markers.kind(), Some(Kind::Pin));
        assert!(markers.speak_for(Kind::User) && !markers.speak_for(Kind::Geo));
    }
}
