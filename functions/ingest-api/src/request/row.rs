//! One row: what its fields decide, and its place among the shards.

use std::borrow::Cow;

use event_model::limits::RECORD_MAX_BYTES;
use event_model::{Field, Kind, KnownFields, PartitionKey};
use json_reader::base64;
use json_reader::number::integer_value;
use json_reader::{Members, Text, Value, without_byte_order_mark};

use super::{Entry, check_numbers, not_json};
use crate::response::{Problem, ProblemKind};

/// Makes the entry of a row's JSON. `what` names the row at the start of a sentence.
///
/// A row whose fields decide no kind, or another than the declared one, is taken too: cleaning puts it in quarantine, where it can be looked at.
pub(crate) fn entry<'a>(
    what: &str,
    row: Cow<'a, str>,
    declared: Option<Kind>,
) -> Result<Entry<'a>, Problem> {
    check_numbers(what, &row)?;
    let key = key(what, &row, declared)?;
    let entry = Entry { key, data: row };
    if entry.size() > RECORD_MAX_BYTES {
        let detail = format!(
            "{what} has {} bytes with its partition key; the stream takes {RECORD_MAX_BYTES}.",
            entry.size()
        );
        return Err(Problem::new(ProblemKind::TooLarge, detail));
    }
    Ok(entry)
}

fn key(what: &str, row: &str, declared: Option<Kind>) -> Result<PartitionKey, Problem> {
    let Some(mut members) = Members::open(row) else {
        return Err(not_a_row(what));
    };
    let mut known = KnownFields::default();
    let (mut index, mut ind) = (None, None);
    while let Some(member) = members
        .next_member()
        .map_err(|error| not_json(what, row, error))?
    {
        match Field::from_name(&member.name.decode()) {
            Some(Field::Index) => index = integer_value(&member.value),
            Some(Field::Ind) => ind = integer_value(&member.value),
            Some(field) => known.note(field),
            None => {}
        }
    }
    let kind = declared.or_else(|| known.kind());
    // Of a row of no known kind either name is as good.
    let names = Field::key_names(kind.unwrap_or(Kind::Geo));
    let ind = names.into_iter().find_map(|name| match name {
        Field::Index => index,
        _ => ind,
    });
    Ok(PartitionKey::new(kind, ind, row.as_bytes()))
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
