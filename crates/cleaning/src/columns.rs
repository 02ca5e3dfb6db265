//! The rules of each column.

use std::borrow::Cow;

use event_model::row::CleanText;
use event_model::{CleanRow, Field, GeoRow, Kind, PinRow, UserRow};
use json_reader::number;
use json_reader::{Elements, Value};

use crate::fields::Fields;
use crate::unread::Unread;
use crate::{Changes, Rejection, RejectionCode, Rule, timestamp};

/// Makes the clean row of a kind.
pub(crate) fn row<'a>(
    kind: Kind,
    fields: &Fields<'a>,
    changes: &mut impl Changes,
    unread: &mut Unread<'a>,
) -> Result<CleanRow<'a>, Rejection> {
    let mut columns = Columns {
        kind,
        fields,
        changes,
        unread,
    };
    let ind = columns.ind()?;
    let row = match kind {
        Kind::Pin => CleanRow::Pin(columns.pin(ind)),
        Kind::Geo => CleanRow::Geo(columns.geo(ind)),
        Kind::User => CleanRow::User(columns.user(ind)),
    };
    if row.is_empty() {
        changes.note(Rule::EmptyRow, Field::Ind.name());
    }
    Ok(row)
}

struct Columns<'f, 'a, C> {
    kind: Kind,
    fields: &'f Fields<'a>,
    changes: &'f mut C,
    unread: &'f mut Unread<'a>,
}

impl<'a, C: Changes> Columns<'_, 'a, C> {
    fn ind(&mut self) -> Result<i64, Rejection> {
        let [own, other] = Field::key_names(self.kind);
        let Some((field, ind)) = self.fields.key(self.kind) else {
            let message = format!("no `{}` that is a whole number of 64 bits", own.name());
            return Err(Rejection::new(
                Some(self.kind),
                RejectionCode::MissingKey,
                message,
            ));
        };
        if field == Field::Index {
            self.note(Rule::IndexRenamed, field);
        }
        let second = if field == own { other } else { own };
        if self.fields.has(second) && number::integer_value(&self.fields.value(second)) != Some(ind)
        {
            self.keep(second);
        }
        Ok(ind)
    }

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

    /// Notes that a value which says nothing became null.
    fn null<T>(&mut self, rule: Rule, field: Field) -> Option<T> {
        self.note(rule, field);
        None
    }

    /// Keeps the posted value, because it is not in the row's columns.
    fn keep(&mut self, field: Field) {
        // Nearly every row comes by here for a second spelling that it does not have.
        if !self.fields.has(field) {
            return;
        }
        let value = self.fields.value(field);
        self.unread
            .keep(self.kind, field, &value, self.fields.raw(field));
    }

    /// Notes that a value became null, and keeps it.
    fn unreadable<T>(&mut self, rule: Rule, field: Field) -> Option<T> {
        self.keep(field);
        self.null(rule, field)
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
        if is_too_long(field, &text) {
            return self.unreadable(Rule::TextTooLong, field);
        }
        Some(text)
    }

    fn save_location(&mut self) -> CleanText<'a> {
        let text = self.text(Field::SaveLocation)?;
        let Some(mut location) = without_prefix(&text) else {
            return Some(text);
        };
        self.note(Rule::SaveLocationPrefix, Field::SaveLocation);
        // Once is not enough where the prefix was put on twice: a clean row must stay as it is.
        while let Some(rest) = without_prefix(location) {
            location = rest;
        }
        if location.is_empty() {
            self.keep(Field::SaveLocation);
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
            return count.or_else(|| self.unreadable(Rule::FollowerCountUnreadable, field));
        }
        let text = self.text(field)?;
        let Some(count) = parse_follower_count(text.trim()) else {
            return self.unreadable(Rule::FollowerCountUnreadable, field);
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
                self.unreadable(Rule::NumberUnreadable, field)
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
            return self.unreadable(Rule::NumberUnreadable, Field::Age);
        };
        match i32::try_from(age) {
            Ok(age @ 0..=150) => Some(age),
            _ => self.unreadable(Rule::AgeOutOfRange, Field::Age),
        }
    }

    fn degrees(&mut self, field: Field, limit: f64, rule: Rule) -> Option<f64> {
        let spelling = self.number(field)?;
        let Some(degrees) = number::float(spelling.trim()) else {
            return self.unreadable(Rule::NumberUnreadable, field);
        };
        if degrees.abs() <= limit {
            Some(degrees)
        } else {
            self.unreadable(rule, field)
        }
    }

    fn coordinates(&mut self) -> Option<[f64; 2]> {
        let latitude = self.degrees(Field::Latitude, 90.0, Rule::LatitudeOutOfRange);
        let longitude = self.degrees(Field::Longitude, 180.0, Rule::LongitudeOutOfRange);
        let half = match (latitude, longitude) {
            (Some(latitude), Some(longitude)) => {
                let pair = [latitude, longitude];
                if self.posted_coordinates() != Some(pair) {
                    self.keep(Field::Coordinates);
                }
                return Some(pair);
            }
            (None, None) => return self.clean_coordinates(),
            (None, Some(_)) => Field::Longitude,
            (Some(_), None) => Field::Latitude,
        };
        self.keep(half);
        if self.fields.value(Field::Coordinates) == Value::Null {
            self.note(Rule::CoordinatesIncomplete, half);
        }
        self.clean_coordinates()
    }

    /// Coordinates of a row that was cleaned before.
    fn clean_coordinates(&mut self) -> Option<[f64; 2]> {
        if self.fields.value(Field::Coordinates) == Value::Null {
            return None;
        }
        self.posted_coordinates()
            .or_else(|| self.unreadable(Rule::CoordinatesIncomplete, Field::Coordinates))
    }

    fn posted_coordinates(&self) -> Option<[f64; 2]> {
        match self.fields.value(Field::Coordinates) {
            Value::Array(array) => pair_of_degrees(array),
            _ => None,
        }
    }

    fn user_name(&mut self) -> CleanText<'a> {
        let first = self.text(Field::FirstName);
        let last = self.text(Field::LastName);
        if first.is_none() && last.is_none() {
            return self.text(Field::UserName);
        }
        self.note(Rule::UserNameJoined, Field::FirstName);
        let name = match (first, last) {
            (Some(first), Some(last)) => Some(Cow::Owned(format!("{first} {last}"))),
            (first, last) => first.or(last),
        };
        if self.fields.has(Field::UserName) && self.text(Field::UserName) != name {
            self.keep(Field::UserName);
        }
        name
    }

    fn timestamp(&mut self, field: Field) -> Option<i64> {
        let text = self.text(field)?;
        let Some(timestamp) = timestamp::parse(text.trim()) else {
            return self.unreadable(Rule::TimestampUnreadable, field);
        };
        if !timestamp.is_exact {
            self.note(Rule::TimestampTruncated, field);
            self.keep(field);
        }
        Some(timestamp.micros)
    }
}

/// Returns a save location behind its prefix, which ends at a blank: `Local save information` has none.
fn without_prefix(location: &str) -> Option<&str> {
    let rest = location.strip_prefix("Local save in")?;
    let is_whole = rest.is_empty() || rest.starts_with(char::is_whitespace);
    is_whole.then(|| rest.trim_start())
}

/// The exact spellings of missing data in a column.
pub(crate) fn no_data_markers(field: Field) -> &'static [&'static str] {
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

/// Most characters of the names by which rows are grouped and told apart; `None` for text that may be of any length.
///
/// Reports hold such values whole, and in any number: megabytes in one would be megabytes on the page and in every join.
/// The name of a user is made of two parts and a blank.
const fn max_length(field: Field) -> Option<usize> {
    match field {
        Field::UniqueId
        | Field::PosterName
        | Field::IsImageOrVideo
        | Field::Category
        | Field::Country => Some(1_000),
        Field::FirstName | Field::LastName => Some(500),
        Field::UserName => Some(1_001),
        _ => None,
    }
}

fn is_too_long(field: Field, text: &str) -> bool {
    // No text has more characters than bytes.
    max_length(field).is_some_and(|most| text.len() > most && text.chars().count() > most)
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
