//! One row: what its fields decide, and its place among the shards.

use std::borrow::Cow;
use std::num::NonZeroU16;

use event_model::limits::RECORD_MAX_BYTES;
use event_model::{KeyValue, Kind, PartitionKey};
use json_reader::base64;
use json_reader::{Members, Text, Value, without_byte_order_mark};
use model::{FieldSet, Model, Table};

use super::{Entry, check_numbers, not_json};
use crate::response::{Problem, ProblemKind};

/// What the rows of a request may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'m> {
    pub(crate) model: &'m Model,
    /// Kind that the path declares, or the record's own partition key.
    pub(crate) kind: Option<Kind>,
    /// How many partition keys the rows of a table are spread over, where several rows may be packed into a record.
    pub(crate) partition_keys: Option<NonZeroU16>,
}

impl Rows<'_> {
    /// Makes the entry of a row's JSON. `what` names the row at the start of a sentence.
    ///
    /// A row whose fields decide no kind, or another than the declared one, is taken too: cleaning puts it in quarantine, where it can be
    /// looked at.
    pub(crate) fn entry<'a>(self, what: &str, row: Cow<'a, str>) -> Result<Entry<'a>, Problem> {
        check_numbers(what, &row)?;
        let row = match self.partition_keys {
            Some(_) => on_one_line(row),
            None => row,
        };
        let mut key = self.key(what, &row)?;
        if let Some(keys) = self.partition_keys {
            key = key.packed(keys);
        }
        let data = match row {
            Cow::Borrowed(row) => Cow::Borrowed(row.as_bytes()),
            Cow::Owned(row) => Cow::Owned(row.into_bytes()),
        };
        let entry = Entry { key, data };
        if entry.size() > RECORD_MAX_BYTES {
            let detail = format!(
                "{what} has {} bytes with its partition key; the stream takes {RECORD_MAX_BYTES}.",
                entry.size()
            );
            return Err(Problem::new(ProblemKind::TooLarge, detail));
        }
        Ok(entry)
    }

    fn key(self, what: &str, row: &str) -> Result<PartitionKey, Problem> {
        let Some(mut members) = Members::open(row) else {
            return Err(not_a_row(what));
        };
        let fields = self.model.fields();
        let mut known = FieldSet::default();
        known.clear(fields);
        let mut values = Vec::new();
        while let Some(member) = members
            .next_member()
            .map_err(|error| not_json(what, row, error))?
        {
            if let Some(field) = fields.find(&member.name().decode()) {
                known.note(fields, field);
                if fields.is_key(field) {
                    values.push((field, member.value()));
                }
            }
        }
        let by_fields = || {
            let place = known.tell(fields)?;
            self.model.tables().get(place).map(|table| table.kind)
        };
        let kind = self.kind.or_else(by_fields);
        let key_of = |table: &Table| -> Option<KeyValue<'_>> {
            let column = table.key_column()?;
            let mut names = column.inputs.iter().chain(&column.own);
            names.find_map(|name| {
                // If a name is repeated, the last value counts.
                let (_, value) = values.iter().rev().find(|(field, _)| field == name)?;
                column.key_value(value)
            })
        };
        let key = match kind {
            Some(kind) => self.model.table(kind).and_then(key_of),
            // Of a row of no known kind any table's key is as good.
            None => self.model.tables().iter().find_map(key_of),
        };
        Ok(PartitionKey::new(kind, key.as_ref(), row.as_bytes()))
    }
}

/// Returns a row without line ends, which stand between the rows of a record. JSON has none but between its tokens.
fn on_one_line(row: Cow<'_, str>) -> Cow<'_, str> {
    if row.contains(['\n', '\r']) {
        Cow::Owned(row.replace(['\n', '\r'], " "))
    } else {
        row
    }
}

/// Takes the row out of a member that holds it as an object, as JSON text, or as base64 of JSON text.
pub(crate) fn unwrapped<'a>(what: &str, value: &Value<'a>) -> Result<Cow<'a, str>, Problem> {
    match value {
        Value::Object(row) => Ok(Cow::Borrowed(row)),
        Value::Text(text) => from_text(what, text),
        _ => Err(not_a_row(what)),
    }
}

fn from_text<'a>(what: &str, text: &Text<'a>) -> Result<Cow<'a, str>, Problem> {
    let text = text.decode();
    let start = without_byte_order_mark(&text);
    if start.trim_ascii_start().starts_with('{') {
        return Ok(text);
    }
    let not_a_row = |detail: String| Problem::new(ProblemKind::NotARow, detail);
    let bytes = base64::decode(&text).map_err(|error| {
        not_a_row(format!(
            "{what} is text that does not start with `{{`, so it was read as base64, and is {error}."
        ))
    })?;
    String::from_utf8(bytes).map(Cow::Owned).map_err(|error| {
        not_a_row(format!(
            "{what} was read as base64, and is that of bytes that are not UTF-8 from byte {} on.",
            error.utf8_error().valid_up_to()
        ))
    })
}

pub(crate) fn not_a_row(what: &str) -> Problem {
    Problem::new(
        ProblemKind::NotARow,
        format!("{what} is not a JSON object."),
    )
}
