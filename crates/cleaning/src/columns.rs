//! The rules of each column: a posted value → a cell.

use std::borrow::Cow;
use std::fmt::Write as _;

use arrow::array::StringBuilder;
use event_model::KeyValue;
use json_reader::Value;
use json_reader::number;
use model::{Column, ColumnType, FieldId, LATITUDE_MAX, LONGITUDE_MAX, Table, is_longer};

use crate::builder::{ColumnBuilder, TableBuilder};
use crate::fields::Fields;
use crate::spelling::{
    from_epoch, pair_of_degrees, parse_short_count, says_nothing, suffix, without_prefix,
};
use crate::unread::Unread;
use crate::{Changes, Rule, timestamp};

/// The columns of one row while they are appended.
pub(crate) struct Columns<'c, 'u, 'a, C> {
    pub(crate) fields: &'u Fields<'u, 'a>,
    /// The table, and its place in the model.
    pub(crate) table: &'u Table,
    pub(crate) place: usize,
    pub(crate) changes: &'c mut C,
    pub(crate) unread: &'c mut Unread<'u>,
}

impl<'u, C: Changes> Columns<'_, 'u, '_, C> {
    /// Appends the row's cells to the builder of its table.
    pub(crate) fn append(
        &mut self,
        key: Option<&(FieldId, KeyValue<'u>)>,
        builder: &mut TableBuilder,
    ) {
        let mut is_empty = true;
        let table = self.table;
        for (at, (column, cells)) in table.columns.iter().zip(&mut builder.columns).enumerate() {
            if table.key == Some(at) {
                self.key(column, key, cells);
            } else {
                is_empty &= !self.cell(column, cells);
            }
        }
        for field in self.fields.ignored(table) {
            self.note(Rule::FieldIgnored, field);
        }
        if is_empty {
            let name = table.key_column().map_or("", |column| &column.name);
            self.changes.note(Rule::EmptyRow, name);
        }
    }

    fn key(
        &mut self,
        column: &'u Column,
        key: Option<&(FieldId, KeyValue<'u>)>,
        cells: &mut ColumnBuilder,
    ) {
        let Some((field, value)) = key else {
            null(cells);
            return;
        };
        if self.name(*field) != column.name {
            self.note(Rule::FieldRenamed, *field);
        }
        for other in column.inputs.iter().chain(&column.own) {
            let is_same = || column.key_value(&self.fields.value(*other)).as_ref() == Some(value);
            if other != field && self.fields.has(*other) && !is_same() {
                self.keep(*other);
            }
        }
        match (cells, value) {
            (ColumnBuilder::Int64(cells), KeyValue::Integer(value)) => cells.append_value(*value),
            (ColumnBuilder::Text(cells), KeyValue::Text(value)) => cells.append_value(value),
            // The model has no other keys.
            (cells, _) => null(cells),
        }
    }

    /// Appends a cell; false for null.
    fn cell(&mut self, column: &'u Column, cells: &mut ColumnBuilder) -> bool {
        macro_rules! append {
            ($cells:expr, $value:expr) => {{
                let value = $value;
                $cells.append_option(value);
                value.is_some()
            }};
        }
        match cells {
            ColumnBuilder::Text(cells) => {
                if let Some((field, text)) = self.plain_text(column) {
                    let rule = says_nothing(column, text);
                    if rule.is_none() && !is_too_long(column, text) {
                        cells.append_value(text);
                        return true;
                    }
                    cells.append_null();
                    let _: Option<()> = match rule {
                        Some(rule) => self.null(rule, field),
                        None => self.unreadable(Rule::TextTooLong, field),
                    };
                    return false;
                }
                if column.is_joined && self.joined_in_place(column, cells) {
                    return true;
                }
                let text = match column.data_type {
                    ColumnType::Json => self.first_of(column, Self::json),
                    _ if column.is_joined => self.joined(column),
                    _ if column.strip_prefix.is_some() => self.first_of(column, Self::stripped),
                    _ => self.first_of(column, Self::text),
                };
                cells.append_option(text.as_deref());
                text.is_some()
            }
            ColumnBuilder::Int32(cells) => append!(cells, self.first_of(column, Self::int32)),
            ColumnBuilder::Int64(cells) => append!(
                cells,
                match column.format {
                    Some(model::Format::ShortCount) => self.first_of(column, Self::short_count),
                    None => self.first_of(column, Self::int64),
                }
            ),
            ColumnBuilder::Float64(cells) => append!(cells, self.first_of(column, Self::float64)),
            ColumnBuilder::Boolean(cells) => append!(cells, self.first_of(column, Self::boolean)),
            ColumnBuilder::Date(cells) => append!(cells, self.first_of(column, Self::date)),
            ColumnBuilder::Timestamp(cells) => {
                append!(cells, self.first_of(column, Self::timestamp))
            }
            ColumnBuilder::Decimal(cells) => append!(cells, self.first_of(column, Self::decimal)),
            ColumnBuilder::Point(cells) => {
                let point = self.point(column);
                if let Some(point) = point {
                    cells.values().append_slice(&point);
                }
                cells.append(point.is_some());
                point.is_some()
            }
        }
    }

    /// Returns the text of a column that is one field as it is, and a string without escapes: what most cells are.
    #[inline]
    fn plain_text(&self, column: &'u Column) -> Option<(FieldId, &'u str)> {
        let (&[field], None) = (column.inputs.as_slice(), column.own) else {
            return None;
        };
        let is_plain = column.data_type == ColumnType::Text && column.strip_prefix.is_none();
        let member = self.fields.member(field).filter(|_| is_plain)?;
        Some((field, member.plain_text()?))
    }

    /// Reads a column from the first of its fields that is readable; what the others hold is kept.
    fn first_of<T>(
        &mut self,
        column: &'u Column,
        read: impl Fn(&mut Self, &'u Column, FieldId) -> Option<T>,
    ) -> Option<T> {
        if let (&[field], None) = (column.inputs.as_slice(), column.own) {
            // The field has the column's name.
            return if self.fields.has(field) {
                read(self, column, field)
            } else {
                None
            };
        }
        let mut found = None;
        let mut source = None;
        for &field in column.inputs.iter().chain(&column.own) {
            if !self.fields.has(field) {
                continue;
            }
            let Some(first) = source else {
                found = read(self, column, field);
                if found.is_some() {
                    source = Some(field);
                }
                continue;
            };
            if self.fields.raw(field) != self.fields.raw(first) {
                self.keep(field);
            }
        }
        if let Some(field) = source
            && self.name(field) != column.name
        {
            self.note(Rule::FieldRenamed, field);
        }
        found
    }

    fn name(&self, field: FieldId) -> &'u str {
        self.fields.model().fields().name(field)
    }

    fn note(&mut self, rule: Rule, field: FieldId) {
        let name = self.name(field);
        self.changes.note(rule, name);
    }

    /// Notes that a value which says nothing became null.
    fn null<T>(&mut self, rule: Rule, field: FieldId) -> Option<T> {
        self.note(rule, field);
        None
    }

    /// Keeps the posted value, because it is not in the row's columns.
    fn keep(&mut self, field: FieldId) {
        let value = self.fields.value(field);
        let (model, raw) = (self.fields.model(), self.fields.raw(field));
        self.unread.keep(model, self.place, field, &value, raw);
    }

    /// Notes that a value became null, and keeps it.
    fn unreadable<T>(&mut self, rule: Rule, field: FieldId) -> Option<T> {
        self.keep(field);
        self.null(rule, field)
    }

    /// Text, kept byte for byte unless it is blank or a marker for missing data. A number or a truth value in a text
    /// column keeps its JSON spelling.
    fn text(&mut self, column: &'u Column, field: FieldId) -> Option<Cow<'u, str>> {
        self.text_up_to(column, field, column.max_length)
    }

    fn text_up_to(
        &mut self,
        column: &'u Column,
        field: FieldId,
        most: Option<usize>,
    ) -> Option<Cow<'u, str>> {
        let member = self.fields.member(field)?;
        let text = match member.plain_text() {
            Some(text) => Cow::Borrowed(text),
            None => match member.value() {
                Value::Text(text) => text.decode(),
                Value::Number(spelling) => Cow::Borrowed(spelling),
                Value::Bool(true) => Cow::Borrowed("true"),
                Value::Bool(false) => Cow::Borrowed("false"),
                Value::Null | Value::Array(_) | Value::Object(_) => return None,
            },
        };
        if let Some(rule) = says_nothing(column, &text) {
            return self.null(rule, field);
        }
        if most.is_some_and(|most| is_longer(&text, most)) {
            return self.unreadable(Rule::TextTooLong, field);
        }
        Some(text)
    }

    /// Text without its column's prefix.
    fn stripped(&mut self, column: &'u Column, field: FieldId) -> Option<Cow<'u, str>> {
        let text = self.text(column, field)?;
        let prefix = column.strip_prefix.as_deref().unwrap_or_default();
        let Some(mut stripped) = without_prefix(&text, prefix) else {
            return Some(text);
        };
        self.note(Rule::PrefixStripped, field);
        // Once is not enough where the prefix was put on twice: a clean row must stay as it is.
        while let Some(rest) = without_prefix(stripped, prefix) {
            stripped = rest;
        }
        if stripped.is_empty() {
            self.keep(field);
            return None;
        }
        Some(match &text {
            Cow::Borrowed(text) => Cow::Borrowed(suffix(text, stripped.len())),
            Cow::Owned(_) => Cow::Owned(stripped.to_owned()),
        })
    }

    /// Joins texts where they stay, if they are plain ones that say something; false, and nothing is done, if some other value is there.
    fn joined_in_place(&mut self, column: &'u Column, cells: &mut StringBuilder) -> bool {
        let most = column.part_length();
        let part = |field: &FieldId| match self.fields.member(*field) {
            None => Some(None),
            Some(member) => {
                let text = member.plain_text()?;
                let is_fine = says_nothing(column, text).is_none()
                    && most.is_none_or(|most| !is_longer(text, most));
                is_fine.then_some(Some(text))
            }
        };
        let is_whole = column.own.is_none_or(|own| !self.fields.has(own))
            && column.inputs.iter().all(|field| part(field).is_some());
        let mut parts = column.inputs.iter().filter_map(|field| part(field)?);
        let Some(first) = parts.next().filter(|_| is_whole) else {
            return false;
        };
        // The builder takes any text, and its cell ends with an empty value.
        let _ = cells.write_str(first);
        for part in parts {
            let _ = cells.write_str(" ");
            let _ = cells.write_str(part);
        }
        cells.append_value("");
        for field in column.inputs.iter().take(1) {
            self.note(Rule::TextJoined, *field);
        }
        true
    }

    /// The texts of several fields, with one blank between those that are there.
    fn joined(&mut self, column: &'u Column) -> Option<Cow<'u, str>> {
        let mut joined: Option<Cow<'u, str>> = None;
        for &field in &column.inputs {
            let Some(part) = self.text_up_to(column, field, column.part_length()) else {
                continue;
            };
            joined = Some(match joined {
                Some(joined) => Cow::Owned([&joined, " ", &*part].concat()),
                None => part,
            });
        }
        let own = column.own;
        let Some(joined) = joined else {
            return own.and_then(|own| self.text(column, own));
        };
        for field in column.inputs.iter().take(1) {
            self.note(Rule::TextJoined, *field);
        }
        if let Some(own) = own
            && self.fields.has(own)
            && self.text(column, own).as_ref() != Some(&joined)
        {
            self.keep(own);
        }
        Some(joined)
    }

    /// A whole number with separators, a decimal part or a suffix.
    fn short_count(&mut self, column: &'u Column, field: FieldId) -> Option<i64> {
        let count = if let Value::Number(spelling) = self.fields.value(field) {
            number::integer(spelling).filter(|count| *count >= 0)
        } else {
            let text = self.text(column, field)?;
            let count = parse_short_count(text.trim());
            if count.is_some() && !number::is_digits(&text) {
                self.note(Rule::ShortCountExpanded, field);
            }
            count
        };
        let Some(count) = count else {
            return self.unreadable(Rule::ShortCountUnreadable, field);
        };
        self.in_range(column.range.has(count.into()), field)?;
        Some(count)
    }

    /// The spelling of a number; text that says nothing becomes null here.
    #[inline]
    fn number(&mut self, column: &Column, field: FieldId) -> Option<Cow<'u, str>> {
        let member = self.fields.member(field)?;
        if let Some(spelling) = member.number().filter(|_| column.null_if.is_empty()) {
            return Some(Cow::Borrowed(spelling));
        }
        let value = member.value();
        let Some(spelling) = number::spelling(&value) else {
            return if value == Value::Null {
                None
            } else {
                self.unreadable(Rule::NumberUnreadable, field)
            };
        };
        if let Some(rule) = says_nothing(column, &spelling) {
            return self.null(rule, field);
        }
        Some(spelling)
    }

    fn in_range(&mut self, is_in_range: bool, field: FieldId) -> Option<()> {
        if is_in_range {
            Some(())
        } else {
            self.unreadable(Rule::NumberOutOfRange, field)
        }
    }

    fn int64(&mut self, column: &'u Column, field: FieldId) -> Option<i64> {
        let spelling = self.number(column, field)?;
        let Some(number) = number::integer(spelling.trim()) else {
            return self.unreadable(Rule::NumberUnreadable, field);
        };
        self.in_range(column.range.has(number.into()), field)?;
        Some(number)
    }

    fn int32(&mut self, column: &'u Column, field: FieldId) -> Option<i32> {
        let number = self.int64(column, field)?;
        let narrow = i32::try_from(number).ok();
        self.in_range(narrow.is_some(), field)?;
        narrow
    }

    fn float64(&mut self, column: &'u Column, field: FieldId) -> Option<f64> {
        let spelling = self.number(column, field)?;
        let Some(number) = number::float(spelling.trim()) else {
            return self.unreadable(Rule::NumberUnreadable, field);
        };
        self.in_range(column.range.has_float(number), field)?;
        Some(number)
    }

    /// A number in units of its column's last digit.
    fn decimal(&mut self, column: &'u Column, field: FieldId) -> Option<i128> {
        let ColumnType::Decimal(precision, scale) = column.data_type else {
            return None;
        };
        let spelling = self.number(column, field)?;
        let spelling = spelling.trim();
        if number::float(spelling).is_none() {
            return self.unreadable(Rule::NumberUnreadable, field);
        }
        let has_room = |number: &i128| {
            let most = 10_i128.checked_pow(precision.into());
            most.is_none_or(|most| number.unsigned_abs() < most.unsigned_abs())
        };
        let number = number::scaled(spelling, scale)
            .filter(has_room)
            .filter(|number| column.range.has(*number));
        self.in_range(number.is_some(), field)?;
        number
    }

    fn boolean(&mut self, column: &'u Column, field: FieldId) -> Option<bool> {
        let value = self.fields.value(field);
        let text = match value {
            Value::Null => return None,
            Value::Bool(truth) => return Some(truth),
            _ => number::spelling(&value).unwrap_or_default(),
        };
        if let Some(rule) = says_nothing(column, &text) {
            return self.null(rule, field);
        }
        let text = text.trim();
        let is_word = |word: &str| text.eq_ignore_ascii_case(word);
        match text {
            "1" => Some(true),
            "0" => Some(false),
            _ if is_word("true") => Some(true),
            _ if is_word("false") => Some(false),
            _ => self.unreadable(Rule::BooleanUnreadable, field),
        }
    }

    /// Microseconds since 1970-01-01 UTC.
    fn timestamp(&mut self, column: &'u Column, field: FieldId) -> Option<i64> {
        if let Some(text) = self.fields.member(field)?.plain_text()
            && column.null_if.is_empty()
            && column.max_length.is_none()
            && column.epoch.is_none()
            && let Some(time) = timestamp::parse(text)
            && time.is_exact
        {
            return Some(time.micros);
        }
        let text = self.text(column, field)?;
        let time = match column.epoch {
            Some(epoch) => from_epoch(text.trim(), epoch).or_else(|| timestamp::parse(text.trim())),
            None => timestamp::parse(text.trim()),
        };
        let Some(time) = time else {
            return self.unreadable(Rule::TimestampUnreadable, field);
        };
        if !time.is_exact {
            self.note(Rule::TimestampTruncated, field);
            self.keep(field);
        }
        Some(time.micros)
    }

    /// Days since 1970-01-01, in UTC.
    fn date(&mut self, column: &'u Column, field: FieldId) -> Option<i32> {
        let text = self.text(column, field)?;
        let Some(time) = timestamp::parse(text.trim()) else {
            return self.unreadable(Rule::TimestampUnreadable, field);
        };
        if !time.is_exact || time.micros.rem_euclid(timestamp::DAY_MICROS) != 0 {
            self.note(Rule::TimestampTruncated, field);
            self.keep(field);
        }
        i32::try_from(time.micros.div_euclid(timestamp::DAY_MICROS)).ok()
    }

    /// An object or array as its text; also one that was encoded twice.
    fn json(&mut self, column: &'u Column, field: FieldId) -> Option<Cow<'u, str>> {
        match self.fields.value(field) {
            Value::Null => return None,
            Value::Object(json) | Value::Array(json) => return Some(self.fields.mended(json)),
            Value::Text(text) => {
                let text = text.decode();
                if let Some(rule) = says_nothing(column, &text) {
                    return self.null(rule, field);
                }
                let value = json_reader::parse(&text);
                if matches!(value, Ok(Value::Object(_) | Value::Array(_))) {
                    let json = json_reader::replace_lone_surrogates(text.trim());
                    return Some(Cow::Owned(json.into_owned()));
                }
            }
            Value::Number(_) | Value::Bool(_) => {}
        }
        self.unreadable(Rule::JsonUnreadable, field)
    }

    fn degrees(&mut self, column: &Column, field: FieldId, limit: f64) -> Option<f64> {
        let spelling = self.number(column, field)?;
        let Some(degrees) = number::float(spelling.trim()) else {
            return self.unreadable(Rule::NumberUnreadable, field);
        };
        self.in_range(degrees.abs() <= limit, field)?;
        Some(degrees)
    }

    fn point(&mut self, column: &Column) -> Option<[f64; 2]> {
        let &[north, east] = column.inputs.as_slice() else {
            return None;
        };
        let latitude = self.degrees(column, north, LATITUDE_MAX);
        let longitude = self.degrees(column, east, LONGITUDE_MAX);
        let posted = column
            .own
            .filter(|own| self.fields.value(*own) != Value::Null);
        let half = match (latitude, longitude) {
            (Some(latitude), Some(longitude)) => {
                let pair = [latitude, longitude];
                if let Some(own) = posted
                    && self.posted_point(own) != Some(pair)
                {
                    self.keep(own);
                }
                return Some(pair);
            }
            (None, None) => None,
            (None, Some(_)) => Some(east),
            (Some(_), None) => Some(north),
        };
        if let Some(half) = half {
            self.keep(half);
            if posted.is_none() {
                self.note(Rule::PointIncomplete, half);
            }
        }
        // A row that was cleaned before has the point itself.
        let own = posted?;
        self.posted_point(own)
            .or_else(|| self.unreadable(Rule::PointIncomplete, own))
    }

    fn posted_point(&self, field: FieldId) -> Option<[f64; 2]> {
        match self.fields.value(field) {
            Value::Array(array) => pair_of_degrees(array),
            _ => None,
        }
    }
}

fn is_too_long(column: &Column, text: &str) -> bool {
    column.max_length.is_some_and(|most| is_longer(text, most))
}

fn null(cells: &mut ColumnBuilder) {
    match cells {
        ColumnBuilder::Text(cells) => cells.append_null(),
        ColumnBuilder::Int64(cells) => cells.append_null(),
        // Only these are keys.
        _ => {}
    }
}
