//! `_unread`: the posted values that are in no column and not in `_extra`, kept as JSON.

use std::borrow::Cow;

use json_reader::{Member, Members, Value, push_string};
use model::{FieldId, Model, Role};

use crate::{Changes, Rule};

/// Name of the column, and of the member that a clean row has for it as JSON.
pub const UNREAD: &str = "_unread";

/// The values of one row that are kept, as they were posted.
#[derive(Debug, Default)]
pub(crate) struct Unread<'a> {
    values: Vec<(Cow<'a, str>, &'a str)>,
    /// How many of the values a clean row had already.
    carried: usize,
}

impl<'a> Unread<'a> {
    /// Keeps a value of a field, unless it says nothing: null, blank text, a no-data marker, a field that is dropped.
    pub(crate) fn keep(
        &mut self,
        model: &'a Model,
        table: usize,
        field: FieldId,
        value: &Value<'a>,
        raw: &'a str,
    ) {
        let says_nothing = match model.fields().role(table, field) {
            Role::Unknown => false,
            Role::Ignored => true,
            Role::Column(at) => {
                let table = model.tables().get(table);
                let column = table.and_then(|table| table.columns.get(at));
                let markers = column.map_or(&[][..], |column| &column.null_if);
                match value {
                    Value::Text(text) if !markers.is_empty() => {
                        let text = text.decode();
                        markers.iter().any(|marker| **marker == *text)
                    }
                    _ => false,
                }
            }
        };
        if !says_nothing {
            self.keep_unknown(Cow::Borrowed(model.fields().name(field)), value, raw);
        }
    }

    /// Keeps a value of a field that no rule knows, unless it is null or blank.
    pub(crate) fn keep_unknown(&mut self, name: Cow<'a, str>, value: &Value<'a>, raw: &'a str) {
        let says_nothing = match value {
            Value::Null => true,
            Value::Text(text) => text.decode().trim().is_empty(),
            _ => false,
        };
        if !says_nothing {
            self.values.push((name, raw));
        }
    }

    /// Keeps what a clean row had in `_unread`, so that cleaning it again changes nothing.
    pub(crate) fn carry(&mut self, member: Member<'a>) {
        let Value::Object(object) = member.value() else {
            return self.keep_unknown(Cow::Borrowed(UNREAD), &member.value(), member.raw);
        };
        let mut members = Members::open(object);
        while let Some(Ok(Some(member))) = members.as_mut().map(Members::next_member) {
            self.values.push((member.name().decode(), member.raw));
            self.carried += 1;
        }
    }

    /// Returns the values as one JSON object in the order of the names, and notes how many are new.
    ///
    /// Several values of one name are an array, in the order in which they were posted.
    pub(crate) fn finish(
        mut self,
        mended: impl Fn(&'a str) -> Cow<'a, str>,
        changes: &mut impl Changes,
    ) -> Option<String> {
        if self.values.is_empty() {
            return None;
        }
        for (name, _) in self.values.iter().skip(self.carried) {
            changes.note(Rule::UnreadKept, name);
        }
        self.values.sort_by(|left, right| left.0.cmp(&right.0));
        let mut json = String::new();
        for same in self.values.chunk_by(|left, right| left.0 == right.0) {
            json.push(if json.is_empty() { '{' } else { ',' });
            let name = same.first().map_or("", |(name, _)| name);
            push_string(&mut json, name);
            json.push(':');
            let values: Vec<_> = same.iter().map(|(_, raw)| mended(raw)).collect();
            match values.as_slice() {
                [only] => json.push_str(only),
                several => {
                    json.push('[');
                    json.push_str(&several.join(","));
                    json.push(']');
                }
            }
        }
        json.push('}');
        Some(json)
    }
}
