//! The native route: a JSON array of rows, one row, or one row per line.

use std::borrow::Cow;

use event_model::Position;
use json_reader::{Members, Value};
use lambda_http::Body;
use lambda_http::http::{HeaderName, HeaderValue, Response, StatusCode};
use model::Model;
use serde::Serialize;

use crate::producer::Outcome;
use crate::request::row::{Rows, not_a_row};
use crate::request::{Parsed, check_count, elements, invalid, not_json};
use crate::response::{self, Partial, Problem, common_problem, failed};
use crate::route::Wire;

/// Most rows of a request.
const MAX_ROWS: usize = 500;

/// Reads a JSON array of rows, or one row.
pub(crate) fn rows<'a>(text: &'a str, rows: Rows<'_>) -> Result<Vec<Parsed<'a>>, Problem> {
    if text.trim_ascii_start().starts_with('[') {
        let values = elements(text, |error| not_json("The body", text, error))?;
        check_rows(values.len())?;
        let entry =
            |(index, value): (usize, Value<'a>)| of_value(&format!("Row {index}"), &value, rows);
        return Ok(values.into_iter().enumerate().map(entry).collect());
    }
    let value = json_reader::parse(text).map_err(|error| not_json("The body", text, error))?;
    if let Value::Object(body) = value {
        refuse_other_wires(body, rows.model)?;
    }
    Ok(vec![of_value("The body", &value, rows)])
}

/// Reads a row a line; blank lines are skipped.
pub(crate) fn lines<'a>(text: &'a str, rows: Rows<'_>) -> Result<Vec<Parsed<'a>>, Problem> {
    let lines = || {
        (1..)
            .zip(text.lines())
            .filter(|(_, line)| !line.trim_ascii().is_empty())
    };
    check_rows(lines().count())?;
    let entry = |(number, line)| {
        let what = format!("Line {number}");
        let value = json_reader::parse(line).map_err(|error| not_json(&what, line, error))?;
        of_value(&what, &value, rows)
    };
    Ok(lines().map(entry).collect())
}

fn of_value<'a>(what: &str, value: &Value<'a>, rows: Rows<'_>) -> Parsed<'a> {
    match value {
        Value::Object(row) => rows.entry(what, Cow::Borrowed(row)),
        _ => Err(not_a_row(what)),
    }
}

/// Refuses the body of another route: it would be stored as one row that is none.
fn refuse_other_wires(body: &str, model: &Model) -> Result<(), Problem> {
    let Some(mut members) = Members::open(body) else {
        return Ok(());
    };
    let mut meant = None;
    while let Ok(Some(member)) = members.next_member() {
        let name = member.name().decode();
        if model.fields().find(&name).is_some() {
            return Ok(());
        }
        meant = match (&*name, member.value()) {
            ("records", Value::Array(records)) if records.contains("\"value\"") => {
                Some("POST /topics/{topic}")
            }
            ("records" | "Records", _) => Some("PUT /streams/{stream}/records"),
            ("Data" | "data", _) => Some("PUT /streams/{stream}/record"),
            _ => meant,
        };
    }
    meant.map_or(Ok(()), |route| {
        Err(invalid(format!(
            "The body is no row: it is that of {route}; send it there, or send the rows alone."
        )))
    })
}

fn check_rows(rows: usize) -> Result<(), Problem> {
    if rows == 0 {
        return Err(invalid("There is no row in the body."));
    }
    check_count(rows, MAX_ROWS)
}

/// Returns the answer to a request whose records were all tried.
pub(crate) fn answer(outcomes: &[Outcome], request_id: &str) -> Response<Body> {
    let problem = common_problem(Wire::Native, outcomes);
    response::answer(outcomes, problem, request_id, &NativeResults::of(outcomes))
}

/// Returns the short answer to a request whose rows are all stored.
pub(crate) fn stored(accepted: usize) -> Response<Body> {
    let body = serde_json::json!({"accepted": accepted, "failed": 0});
    let mut response = response::json(StatusCode::OK, &body);
    response.headers_mut().insert(
        HeaderName::from_static("preference-applied"),
        HeaderValue::from_static("return=minimal"),
    );
    response
}

#[derive(Serialize)]
struct NativeResults<'a> {
    accepted: usize,
    failed: usize,
    results: Vec<NativeResult<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum NativeResult<'a> {
    Stored {
        shard: &'a str,
        sequence_number: &'a str,
        /// Place of the row in its record, where that holds several.
        #[serde(skip_serializing_if = "Option::is_none")]
        sub_number: Option<u32>,
    },
    Failed {
        error: &'a str,
        retryable: bool,
    },
}

impl<'a> NativeResults<'a> {
    fn of(outcomes: &'a [Outcome]) -> Self {
        let result = |outcome: &'a Outcome| match outcome {
            Ok(Position { shard, sequence }) => {
                let (sequence_number, place) = match sequence.split_once(':') {
                    Some((number, place)) => (number, place.parse().ok()),
                    None => (sequence.as_str(), None),
                };
                NativeResult::Stored {
                    shard,
                    sequence_number,
                    sub_number: place,
                }
            }
            Err(failure) => NativeResult::Failed {
                error: failure.message(),
                retryable: failure.is_retryable(),
            },
        };
        let failed = failed(outcomes);
        Self {
            accepted: outcomes.len() - failed,
            failed,
            results: outcomes.iter().map(result).collect(),
        }
    }
}

impl Partial for NativeResults<'_> {
    fn partial_status(&self) -> StatusCode {
        StatusCode::MULTI_STATUS
    }
}
