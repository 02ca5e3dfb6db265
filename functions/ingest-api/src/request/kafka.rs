//! The body of Kafka REST v2. A record's `key` is not used: the row's own key decides its shard.

use std::borrow::Cow;

use event_model::Kind;
use json_reader::Value;

use super::row::{entry, not_a_row};
use super::{Entry, invalid, members, not_json, records_member, set};
use crate::response::Problem;

/// Reads the body of `POST /topics/{topic}`.
pub(super) fn records<'a>(
    text: &'a str,
    declared: Option<Kind>,
) -> Result<Vec<Entry<'a>>, Problem> {
    let entry = |(index, record): (usize, Value<'a>)| {
        let Value::Object(object) = record else {
            return Err(invalid(format!(
                "Record {index} is not an object with a `value`."
            )));
        };
        let what = format!("The value of record {index}");
        match value(index, object)? {
            Some(Value::Object(row)) => entry(&what, Cow::Borrowed(row), declared),
            Some(_) => Err(not_a_row(&what)),
            None => Err(invalid(format!(
                "Record {index} has no `value`; put the row there."
            ))),
        }
    };
    records_member(text, &["records"])?
        .into_iter()
        .enumerate()
        .map(entry)
        .collect()
}

fn value(index: usize, record: &str) -> Result<Option<Value<'_>>, Problem> {
    let what = format!("Record {index}");
    let mut members = members(&what, record)?;
    let mut value = None;
    while let Some(member) = members
        .next_member()
        .map_err(|error| not_json(&what, record, error))?
    {
        if member.name.decode() == "value" {
            set(&mut value, member.value, &what, "value")?;
        }
    }
    Ok(value)
}
