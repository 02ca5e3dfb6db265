//! Numbers and truth values.

use std::borrow::Cow;

use json_reader::{Value, number};
use model::{Column, ColumnType, FieldId};

use super::Columns;
use crate::spelling::{parse_short_count, says_nothing};
use crate::{Changes, Rule};

impl<'u, C: Changes> Columns<'_, 'u, '_, C> {
    /// A whole number with separators, a decimal part or a suffix.
    pub(super) fn short_count(&mut self, column: &'u Column, field: FieldId) -> Option<i64> {
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
    pub(super) fn number(&mut self, column: &Column, field: FieldId) -> Option<Cow<'u, str>> {
        let posted = self.fields.posted(field)?;
        if let Some(spelling) = posted.number().filter(|_| column.null_if.is_empty()) {
            return Some(Cow::Borrowed(spelling));
        }
        let value = posted.value();
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

    pub(super) fn in_range(&mut self, is_in_range: bool, field: FieldId) -> Option<()> {
        if is_in_range {
            Some(())
        } else {
            self.unreadable(Rule::NumberOutOfRange, field)
        }
    }

    pub(super) fn int64(&mut self, column: &'u Column, field: FieldId) -> Option<i64> {
        let spelling = self.number(column, field)?;
        let Some(number) = number::integer(&spelling) else {
            return self.unreadable(Rule::NumberUnreadable, field);
        };
        self.in_range(column.range.has(number.into()), field)?;
        Some(number)
    }

    pub(super) fn int32(&mut self, column: &'u Column, field: FieldId) -> Option<i32> {
        let number = self.int64(column, field)?;
        let narrow = i32::try_from(number).ok();
        self.in_range(narrow.is_some(), field)?;
        narrow
    }

    pub(super) fn float64(&mut self, column: &'u Column, field: FieldId) -> Option<f64> {
        let spelling = self.number(column, field)?;
        let Some(number) = number::float(&spelling) else {
            return self.unreadable(Rule::NumberUnreadable, field);
        };
        self.in_range(column.range.has_float(number), field)?;
        Some(number)
    }

    /// A number in units of its column's last digit.
    pub(super) fn decimal(&mut self, column: &'u Column, field: FieldId) -> Option<i128> {
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

    pub(super) fn boolean(&mut self, column: &'u Column, field: FieldId) -> Option<bool> {
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
}
