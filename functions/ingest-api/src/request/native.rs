//! The bodies of the native route: a JSON array of rows, one row, or a row a line.

use std::borrow::Cow;

use event_model::Kind;
use json_reader::Value;

use super::row::{entry, not_a_row};
use super::{Entry, elements, invalid, not_json};
use crate::response::{Problem, ProblemKind};

/// Most rows of a request.
const MAX_ROWS: usize = 500;

/// Reads a JSON array of rows, or one row.
pub(super) fn rows<'a>(text: &'a str, declared: Option<Kind>) -> Result<Vec<Entry<'a>>, Problem> {
    if text.trim_ascii_start().starts_with('[') {
        let values = elements(text, |error| not_json("The body", text, error))?;
        check_count(values.len())?;
        let entry = |(index, value): (usize, Value<'a>)| {
            of_value(&format!("Row {index}"), &value, declared)
        };
        return values.into_iter().enumerate().map(entry).collect();
    }
    let value = json_reader::parse(text).map_err(|error| not_json("The body", text, error))?;
    of_value("The body", &value, declared).map(|entry| vec![entry])
}

/// Reads a row a line; blank lines are skipped.
pub(super) fn lines(text: &str, declared: Option<Kind>) -> Result<Vec<Entry<'_>>, Problem> {
    let lines = || {
        (1..)
            .zip(text.lines())
            .filter(|(_, line)| !line.trim_ascii().is_empty())
    };
    check_count(lines().count())?;
    lines()
        .map(|(number, line)| {
            let what = format!("Line {number}");
            let value = json_reader::parse(line).map_err(|error| not_json(&what, line, error))?;
            of_value(&what, &value, declared)
        })
        .collect()
}

fn of_value<'a>(
    what: &str,
    value: &Value<'a>,
    declared: Option<Kind>,
) -> Result<Entry<'a>, Problem> {
    match value {
        Value::Object(row) => entry(what, Cow::Borrowed(row), declared),
        _ => Err(not_a_row(what)),
    }
}

fn check_count(rows: usize) -> Result<(), Problem> {
    match rows {
        0 => Err(invalid("There is no row in the body.")),
        1..=MAX_ROWS => Ok(()),
        _ => {
            let detail = format!("The body has {rows} rows; send at most {MAX_ROWS}.");
            Err(Problem::new(ProblemKind::TooLarge, detail))
        }
    }
}
