//! The fields of a posted row, found in one pass over its text.

use event_model::Kind;
use event_model::kind::KindMarkers;
use json_reader::{Elements, Member, Members, Value};

use crate::{Rejection, RejectionCode, extra};

/// Declares [`Field`] with the name of each field beside it.
macro_rules! fields {
    ($($field:ident = $name:literal),* $(,)?) => {
        /// A field that some rule knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Field {
            $($field),*
        }

        impl Field {
            const COUNT: usize = [$(Self::$field),*].len();

            fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$field),)*
                    _ => None,
                }
            }

            pub(crate) const fn name(self) -> &'static str {
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
    const PIN: &[Self] = &[
        F::Index,
        F::Ind,
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
    ];
    const GEO: &[Self] = &[
        F::Index,
        F::Ind,
        F::Timestamp,
        F::Latitude,
        F::Longitude,
        F::Coordinates,
        F::Country,
    ];
    const USER: &[Self] = &[
        F::Index,
        F::Ind,
        F::FirstName,
        F::LastName,
        F::UserName,
        F::Age,
        F::DateJoined,
    ];

    /// The fields whose presence decides a kind.
    const MARKERS: [Self; 6] = [
        F::UniqueId,
        F::Category,
        F::Latitude,
        F::Coordinates,
        F::FirstName,
        F::UserName,
    ];

    fn of(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::Pin => Self::PIN,
            Kind::Geo => Self::GEO,
            Kind::User => Self::USER,
        }
    }
}

/// A row's fields as posted. If a name is repeated, the last value wins, as in every JSON reader in wide use.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    known: [Option<Member<'a>>; Field::COUNT],
    unknown: Vec<Member<'a>>,
}

impl<'a> Fields<'a> {
    /// Reads the object that is the whole of `text`.
    pub(crate) fn read(text: &'a str, declared: Option<Kind>) -> Result<Self, Rejection> {
        let not_json = |error| {
            Rejection::new(
                declared,
                RejectionCode::NotJson,
                format!("not JSON: {error}"),
            )
        };
        let Some(mut members) = Members::open(text) else {
            json_reader::parse(text).map_err(not_json)?;
            return Err(Rejection::new(
                declared,
                RejectionCode::NotAnObject,
                "JSON, but not an object",
            ));
        };
        let mut fields = Self {
            known: [None; Field::COUNT],
            unknown: Vec::new(),
        };
        while let Some(member) = members.next_member().map_err(not_json)? {
            match Field::from_name(&member.name.decode()) {
                Some(field) => fields.known[field as usize] = Some(member),
                None => fields.unknown.push(member),
            }
        }
        Ok(fields)
    }

    /// Returns the value posted for `field`, null when there is none.
    pub(crate) fn value(&self, field: Field) -> Value<'a> {
        self.known[field as usize].map_or(Value::Null, |member| member.value)
    }

    /// Returns whether `field` was posted at all.
    pub(crate) fn has(&self, field: Field) -> bool {
        self.known[field as usize].is_some()
    }

    /// Tells the kind, from what was declared and from the fields.
    pub(crate) fn tell_kind(&self, declared: Option<Kind>) -> Result<Kind, Rejection> {
        let mut markers = KindMarkers::default();
        for field in Field::MARKERS {
            if self.has(field) {
                markers.note(field.name());
            }
        }
        match (declared, markers.kind()) {
            (Some(declared), Some(found)) if !markers.speak_for(declared) => {
                let message =
                    format!("declared as {declared}, but its fields are those of {found}");
                Err(Rejection::new(
                    Some(declared),
                    RejectionCode::WrongKind,
                    message,
                ))
            }
            (Some(kind), _) | (None, Some(kind)) => Ok(kind),
            (None, None) => {
                let message = "neither the partition key nor the fields say whether it is a pin, geo or user row";
                Err(Rejection::new(None, RejectionCode::UnknownKind, message))
            }
        }
    }

    /// Rejects a row that has an object or an array where a scalar belongs.
    pub(crate) fn check_types(&self, kind: Kind) -> Result<(), Rejection> {
        for &field in Field::of(kind) {
            let is_fine = match self.value(field) {
                Value::Object(_) => false,
                Value::Array(array) => field == Field::Coordinates && is_flat(array),
                _ => true,
            };
            if !is_fine {
                let message = format!(
                    "`{}` holds an object or an array where a scalar belongs",
                    field.name()
                );
                return Err(Rejection::new(Some(kind), RejectionCode::BadType, message));
            }
        }
        Ok(())
    }

    /// Returns the JSON object of the fields that no rule of `kind` knows.
    pub(crate) fn extra(&self, kind: Kind) -> Option<String> {
        let own = Field::of(kind);
        let is_foreign = |member: &&Member<'a>| {
            Field::from_name(&member.name.decode()).is_some_and(|field| !own.contains(&field))
        };
        let foreign = self.known.iter().flatten().filter(is_foreign);
        extra::object(self.unknown.iter().chain(foreign))
    }
}

fn is_flat(array: &str) -> bool {
    let Some(mut elements) = Elements::open(array) else {
        return false;
    };
    while let Ok(Some((value, _))) = elements.next_element() {
        if matches!(value, Value::Object(_) | Value::Array(_)) {
            return false;
        }
    }
    true
}
