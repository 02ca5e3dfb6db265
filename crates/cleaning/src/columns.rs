//! The rules of each column.

use std::borrow::Cow;

use event_model::row::CleanText;
use event_model::{CleanRow, GeoRow, Kind, PinRow, UserRow};
use json_reader::number;
use json_reader::{Elements, Value};

use crate::fields::{Field, Fields};
use crate::{Changes, Rejection, RejectionCode, Rule, timestamp};

/// Makes the clean row of a kind.
pub(crate) fn row<'a>(
    kind: Kind,
    fields: &Fields<'a>,
    changes: &mut impl Changes,
) -> Result<CleanRow<'a>, Rejection> {
    let ind = ind(kind, fields, changes)?;
    let mut columns = Columns { fields, changes };
    Ok(match kind {
        Kind::Pin => CleanRow::Pin(columns.pin(ind)),
        Kind::Geo => CleanRow::Geo(columns.geo(ind)),
        Kind::User => CleanRow::User(columns.user(ind)),
    })
}

/// Reads the key: the kind's own name for it first, the other where that one cannot be read.
fn ind(kind: Kind, fields: &Fields<'_>, changes: &mut impl Changes) -> Result<i64, Rejection> {
    let names = match kind {
        Kind::Pin => [Field::Index, Field::Ind],
        Kind::Geo | Kind::User => [Field::Ind, Field::Index],
    };
    let found = names
        .iter()
        .find_map(|&field| Some((field, number::integer_value(&fields.value(field))?)));
    let Some((field, ind)) = found else {
        let message = format!("no `{}` that is a whole number of 64 bits", names[0].name());
        return Err(Rejection::new(
            Some(kind),
            RejectionCode::MissingKey,
            message,
        ));
    };
    if field == Field::Index {
        changes.note(Rule::IndexRenamed, field.name());
    }
    Ok(ind)
}

struct Columns<'f, 'a, C> {
    fields: &'f Fields<'a>,
    changes: &'f mut C,
}

impl<'a, C: Changes> Columns<'_, 'a, C> {
    fn pin(&mut self, ind: i64) -> PinRow<'a> {
        if self.fields.has(Field::Downloaded) {
            self.note(Rule::DownloadedDropped, Field::Downloaded);
        }
        PinRow {
            ind,
            unique_id: self.text(Field::UniqueId),
            title: self.text(Field::Title),
            description: self.text(Field::Description),
            follower_count: self.follower_count(),
            poster_name: self.text(Field::PosterName),
            tag_list: self.text(Field::TagList),
            is_image_or_video: self.text(Field::IsImageOrVideo),
            image_src: self.text(Field::ImageSrc),
            save_location: self.save_location(),
            category: self.text(Field::Category),
        }
    }

    fn geo(&mut self, ind: i64) -> GeoRow<'a> {
        GeoRow {
            ind,
            country: self.text(Field::Country),
            coordinates: self.coordinates(),
            timestamp: self.timestamp(Field::Timestamp),
        }
    }

    fn user(&mut self, ind: i64) -> UserRow<'a> {
        UserRow {
            ind,
            user_name: self.user_name(),
            age: self.age(),
            date_joined: self.timestamp(Field::DateJoined),
        }
    }

    fn note(&mut self, rule: Rule, field: Field) {
        self.changes.note(rule, field.name());
    }

    /// Notes a change and returns null.
    fn null<T>(&mut self, rule: Rule, field: Field) -> Option<T> {
        self.note(rule, field);
        None
    }

    /// Text, kept byte for byte unless it is blank or a marker for missing data. A number or a truth value in a text
    /// column keeps its JSON spelling.
    fn text(&mut self, field: Field) -> CleanText<'a> {
        let text = match self.fields.value(field) {
            Value::Text(text) => text.decode(),
            Value::Number(spelling) => Cow::Borrowed(spelling),
            Value::Bool(true) => Cow::Borrowed("true"),
            Value::Bool(false) => Cow::Borrowed("false"),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        if text.trim().is_empty() {
            return self.null(Rule::BlankText, field);
        }
        if no_data_markers(field).contains(&&*text) {
            return self.null(Rule::NoDataMarker, field);
        }
        Some(text)
    }

    fn save_location(&mut self) -> CleanText<'a> {
        let text = self.text(Field::SaveLocation)?;
        let Some(mut location) = text.strip_prefix(SAVE_LOCATION_PREFIX).map(str::trim_start)
        else {
            return Some(text);
        };
        self.note(Rule::SaveLocationPrefix, Field::SaveLocation);
        // Once is not enough where the prefix was put on twice: a clean row must stay as it is.
        while let Some(rest) = location.strip_prefix(SAVE_LOCATION_PREFIX) {
            location = rest.trim_start();
        }
        if location.is_empty() {
            return None;
        }
        Some(match &text {
            Cow::Borrowed(text) => Cow::Borrowed(suffix(text, location.len())),
            Cow::Owned(_) => Cow::Owned(location.to_owned()),
        })
    }

    fn follower_count(&mut self) -> Option<i64> {
        let field = Field::FollowerCount;
        if let Value::Number(spelling) = self.fields.value(field) {
            let count = number::integer(spelling).filter(|count| *count >= 0);
            return count.or_else(|| self.null(Rule::FollowerCountUnreadable, field));
        }
        let text = self.text(field)?;
        let Some(count) = parse_follower_count(&text) else {
            return self.null(Rule::FollowerCountUnreadable, field);
        };
        if !number::is_digits(&text) {
            self.note(Rule::FollowerCountExpanded, field);
        }
        Some(count)
    }

    /// The spelling of a number; text that is blank becomes null here.
    fn number(&mut self, field: Field) -> Option<Cow<'a, str>> {
        let value = self.fields.value(field);
        let Some(spelling) = number::spelling(&value) else {
            return if value == Value::Null {
                None
            } else {
                self.null(Rule::NumberUnreadable, field)
            };
        };
        if spelling.trim().is_empty() {
            self.null(Rule::BlankText, field)
        } else {
            Some(spelling)
        }
    }

    fn age(&mut self) -> Option<i32> {
        let spelling = self.number(Field::Age)?;
        let Some(age) = number::integer(spelling.trim()) else {
            return self.null(Rule::NumberUnreadable, Field::Age);
        };
        match i32::try_from(age) {
            Ok(age @ 0..=150) => Some(age),
            _ => self.null(Rule::AgeOutOfRange, Field::Age),
        }
    }

    fn degrees(&mut self, field: Field, limit: f64, rule: Rule) -> Option<f64> {
        let spelling = self.number(field)?;
        let Some(degrees) = number::float(spelling.trim()) else {
            return self.null(Rule::NumberUnreadable, field);
        };
        if degrees.abs() <= limit {
            Some(degrees)
        } else {
            self.null(rule, field)
        }
    }

    fn coordinates(&mut self) -> Option<[f64; 2]> {
        let latitude = self.degrees(Field::Latitude, 90.0, Rule::LatitudeOutOfRange);
        let longitude = self.degrees(Field::Longitude, 180.0, Rule::LongitudeOutOfRange);
        match (latitude, longitude) {
            (Some(latitude), Some(longitude)) => Some([latitude, longitude]),
            (None, None) => self.clean_coordinates(),
            (None, Some(_)) => self.null(Rule::CoordinatesIncomplete, Field::Longitude),
            (Some(_), None) => self.null(Rule::CoordinatesIncomplete, Field::Latitude),
        }
    }

    /// Coordinates of a row that was cleaned before.
    fn clean_coordinates(&mut self) -> Option<[f64; 2]> {
        let value = self.fields.value(Field::Coordinates);
        if value == Value::Null {
            return None;
        }
        let pair = if let Value::Array(array) = value {
            pair_of_degrees(array)
        } else {
            None
        };
        pair.or_else(|| self.null(Rule::CoordinatesIncomplete, Field::Coordinates))
    }

    fn user_name(&mut self) -> CleanText<'a> {
        let first = self.text(Field::FirstName);
        let last = self.text(Field::LastName);
        if first.is_none() && last.is_none() {
            return self.text(Field::UserName);
        }
        self.note(Rule::UserNameJoined, Field::FirstName);
        match (first, last) {
            (Some(first), Some(last)) => Some(Cow::Owned(format!("{first} {last}"))),
            (first, last) => first.or(last),
        }
    }

    fn timestamp(&mut self, field: Field) -> Option<i64> {
        let text = self.text(field)?;
        timestamp::parse(&text).or_else(|| self.null(Rule::TimestampUnreadable, field))
    }
}

const SAVE_LOCATION_PREFIX: &str = "Local save in";

/// The exact spellings of missing data in a column.
fn no_data_markers(field: Field) -> &'static [&'static str] {
    match field {
        Field::Title => &["No Title Data Available"],
        Field::Description => &[
            "No description available",
            "No description available Story format",
            "Untitled",
        ],
        Field::PosterName | Field::FollowerCount => &["User Info Error"],
        Field::TagList => &["N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"],
        Field::ImageSrc => &["Image src error.", "Image src error"],
        _ => &[],
    }
}

/// Reads digits with `,` between thousands, an optional decimal part and an optional `k`, `M` or `B`, exactly.
fn parse_follower_count(text: &str) -> Option<i64> {
    let (amount, exponent) = match text.strip_suffix(['k', 'K', 'm', 'M', 'b', 'B']) {
        Some(amount) => match text.as_bytes().last()?.to_ascii_lowercase() {
            b'k' => (amount, 3),
            b'm' => (amount, 6),
            _ => (amount, 9),
        },
        None => (text, 0),
    };
    let (whole, fraction) = match amount.split_once('.') {
        Some((whole, fraction)) => (whole, number::is_digits(fraction).then_some(fraction)?),
        None => (amount, ""),
    };
    let count = if whole.contains(',') {
        let mut groups = whole.split(',');
        let is_whole = groups
            .next()
            .is_some_and(|group| group.len() <= 3 && number::is_digits(group))
            && groups.all(|group| group.len() == 3 && number::is_digits(group));
        number::scale(
            &is_whole.then(|| whole.replace(',', ""))?,
            fraction,
            exponent,
        )
    } else {
        number::scale(
            number::is_digits(whole).then_some(whole)?,
            fraction,
            exponent,
        )
    };
    i64::try_from(count?).ok()
}

fn pair_of_degrees(array: &str) -> Option<[f64; 2]> {
    let mut elements = Elements::open(array)?;
    let mut degrees = |limit: f64| {
        let (value, _) = elements.next_element().ok()??;
        number::float(number::spelling(&value)?.trim()).filter(|degrees| degrees.abs() <= limit)
    };
    let pair = [degrees(90.0)?, degrees(180.0)?];
    elements.next_element().ok()?.is_none().then_some(pair)
}

/// Returns the last `length` bytes; the caller knows that they start at a character.
fn suffix(text: &str, length: usize) -> &str {
    text.get(text.len() - length..).unwrap_or_default()
}
