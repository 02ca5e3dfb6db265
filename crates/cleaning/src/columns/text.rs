//! Texts: as they are, without a prefix, joined, and JSON.

use std::borrow::Cow;
use std::fmt::Write as _;

use arrow::array::StringBuilder;
use json_reader::Value;
use model::{Column, FieldId, is_longer};

use super::Columns;
use crate::spelling::{says_nothing, suffix, without_prefix};
use crate::{Changes, Rule};

impl<'u, C: Changes> Columns<'_, 'u, '_, C> {
    /// Returns the text of a column that is one field as it is, and a string without escapes: what most cells are.
    #[inline]
    pub(super) fn plain_text(&self, plain: Option<FieldId>) -> Option<(FieldId, &'u str)> {
        let field = plain?;
        Some((field, self.fields.posted(field)?.plain_text()?))
    }

    /// Text, kept byte for byte unless it is blank or a marker for missing data. A number or a truth value in a text
    /// column keeps its JSON spelling.
    pub(super) fn text(&mut self, column: &'u Column, field: FieldId) -> Option<Cow<'u, str>> {
        self.text_up_to(column, field, column.max_length)
    }

    pub(super) fn text_up_to(
        &mut self,
        column: &'u Column,
        field: FieldId,
        most: Option<usize>,
    ) -> Option<Cow<'u, str>> {
        let posted = self.fields.posted(field)?;
        let text = match posted.plain_text() {
            Some(text) => Cow::Borrowed(text),
            None => match posted.value() {
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
    pub(super) fn stripped(&mut self, column: &'u Column, field: FieldId) -> Option<Cow<'u, str>> {
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
    pub(super) fn joined_in_place(
        &mut self,
        column: &'u Column,
        cells: &mut StringBuilder,
    ) -> bool {
        let most = column.part_length();
        let part = |field: &FieldId| match self.fields.posted(*field) {
            None => Some(None),
            Some(posted) => {
                let text = posted.plain_text()?;
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
    pub(super) fn joined(&mut self, column: &'u Column) -> Option<Cow<'u, str>> {
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

    /// An object or array as its text; also one that was encoded twice.
    pub(super) fn json(&mut self, column: &'u Column, field: FieldId) -> Option<Cow<'u, str>> {
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
}
