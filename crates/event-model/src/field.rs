//! The fields that the tables' rules know, and what a row's own fields say of its kind.

use crate::Kind;

/// Declares [`Field`] with the name of each field beside it.
macro_rules! fields {
    ($($field:ident = $name:literal),* $(,)?) => {
        /// A field that some rule knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each is named as the field is")]
        pub enum Field {
            $($field),*
        }

        impl Field {
            /// Number of the fields.
            pub const COUNT: usize = [$(Self::$field),*].len();

            /// Returns the field with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$field),)*
                    _ => None,
                }
            }

            /// Returns the field's name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$field => $name),*
                }
            }
        }
    };
}

fields! {
    Index = "index",
    Ind = "ind",
    UniqueId = "unique_id",
    Title = "title",
    Description = "description",
    PosterName = "poster_name",
    FollowerCount = "follower_count",
    TagList = "tag_list",
    IsImageOrVideo = "is_image_or_video",
    ImageSrc = "image_src",
    Downloaded = "downloaded",
    SaveLocation = "save_location",
    Category = "category",
    Timestamp = "timestamp",
    Latitude = "latitude",
    Longitude = "longitude",
    Coordinates = "coordinates",
    Country = "country",
    FirstName = "first_name",
    LastName = "last_name",
    UserName = "user_name",
    Age = "age",
    DateJoined = "date_joined",
}

use Field as F;

impl Field {
    /// The names that a key has, each of them in every table.
    pub const KEYS: &[Self] = &[F::Index, F::Ind];

    /// Returns the names of a kind's key, its own name first; the other counts where that one cannot be read.
    pub const fn key_names(kind: Kind) -> [Self; 2] {
        match kind {
            Kind::Pin => [F::Index, F::Ind],
            Kind::Geo | Kind::User => [F::Ind, F::Index],
        }
    }

    /// Returns the fields of a kind beside its key, in the order in which they are posted.
    ///
    /// The clean columns `coordinates` and `user_name` are among them, so that a clean row can be cleaned again.
    pub const fn of(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::Pin => &[
                F::UniqueId,
                F::Title,
                F::Description,
                F::PosterName,
                F::FollowerCount,
                F::TagList,
                F::IsImageOrVideo,
                F::ImageSrc,
                F::Downloaded,
                F::SaveLocation,
                F::Category,
            ],
            Kind::Geo => &[
                F::Timestamp,
                F::Latitude,
                F::Longitude,
                F::Coordinates,
                F::Country,
            ],
            Kind::User => &[
                F::FirstName,
                F::LastName,
                F::UserName,
                F::Age,
                F::DateJoined,
            ],
        }
    }

    /// Returns the fields that decide for a kind where a row has as many fields of another.
    const fn telling(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::Pin => &[F::UniqueId, F::Category],
            Kind::Geo => &[F::Latitude],
            Kind::User => &[F::FirstName],
        }
    }
}

/// The known fields that a row has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownFields(u32);

impl KnownFields {
    /// Notes that the row has a field. A clean column counts as the two fields that it is made of, so that a clean row has
    /// as many as it was posted with.
    pub const fn note(&mut self, field: Field) {
        self.0 |= match field {
            F::Coordinates => 1 << F::Latitude as u32 | 1 << F::Longitude as u32,
            F::UserName => 1 << F::FirstName as u32 | 1 << F::LastName as u32,
            _ => 1 << field as u32,
        };
    }

    /// Returns how many fields of a kind the row has, beside the key.
    pub const fn count(self, kind: Kind) -> u32 {
        (self.0 & MASKS[kind as usize]).count_ones()
    }

    /// Returns whether the row has a known field of another kind alone.
    pub const fn has_foreign(self, kind: Kind) -> bool {
        self.0 & !(MASKS[kind as usize] | mask(Field::KEYS)) != 0
    }

    /// Returns the kind of which the row has the most fields.
    ///
    /// Among kinds with as many, the telling fields decide: `unique_id` and `category` for pin, `latitude` for geo,
    /// `first_name` for user. `None` where they do not, or without any field.
    pub fn kind(self) -> Option<Kind> {
        let most = Kind::ALL.into_iter().map(|kind| self.count(kind)).max();
        let most = most.filter(|&most| most > 0)?;
        let mut tied = Kind::ALL
            .into_iter()
            .filter(|&kind| self.count(kind) == most);
        if let (Some(only), None) = (tied.next(), tied.next()) {
            return Some(only);
        }
        let mut told = Kind::ALL
            .into_iter()
            .filter(|&kind| self.count(kind) == most && self.0 & mask(Field::telling(kind)) != 0);
        told.next().filter(|_| told.next().is_none())
    }

    /// Returns a kind of which the row has more fields than of the declared one, the one with the most.
    pub fn other_than(self, declared: Kind) -> Option<Kind> {
        let other = Kind::ALL.into_iter().max_by_key(|&kind| self.count(kind));
        other.filter(|&other| self.count(other) > self.count(declared))
    }
}

/// The bits of each kind's fields.
const MASKS: [u32; 3] = [
    mask(Field::of(Kind::Pin)),
    mask(Field::of(Kind::Geo)),
    mask(Field::of(Kind::User)),
];

const fn mask(fields: &[Field]) -> u32 {
    let mut bits = 0;
    let mut rest = fields;
    while let [field, others @ ..] = rest {
        bits |= 1 << *field as u32;
        rest = others;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(names: &[&str]) -> KnownFields {
        let mut known = KnownFields::default();
        for field in names.iter().filter_map(|name| Field::from_name(name)) {
            known.note(field);
        }
        known
    }

    #[test]
    fn the_kind_with_the_most_fields_is_the_rows() {
        for (names, kind) in [
            (&["country"][..], Some(Kind::Geo)),
            (&["age", "date_joined", "category"], Some(Kind::User)),
            (&["title", "description", "first_name"], Some(Kind::Pin)),
            // As many of two kinds.
            (&["title", "first_name"], Some(Kind::User)),
            (&["category", "country"], Some(Kind::Pin)),
            (&["coordinates", "age", "date_joined"], Some(Kind::Geo)),
            (
                &["user_name", "title", "tag_list", "country"],
                Some(Kind::User),
            ),
            (&["title", "age"], None),
            (&["category", "latitude"], None),
            (&["coordinates", "user_name"], None),
            (&["index", "ind", "board"], None),
            (&[], None),
        ] {
            assert_eq!(known(names).kind(), kind, "{names:?}");
        }
    }

    #[test]
    fn a_declared_kind_stands_unless_another_has_more_fields() {
        let pin_as_user = known(&["title", "description", "age"]);
        assert_eq!(pin_as_user.other_than(Kind::User), Some(Kind::Pin));
        assert_eq!(pin_as_user.other_than(Kind::Pin), None);
        let as_many = known(&["title", "age"]);
        assert_eq!(as_many.other_than(Kind::User), None);
        assert_eq!(
            known(&["category", "age"]).other_than(Kind::Geo),
            Some(Kind::User)
        );
        assert_eq!(known(&[]).other_than(Kind::Geo), None);
    }
}
