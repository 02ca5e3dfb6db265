//! Kafka REST v2. A record's `key` is not used: the row's own key decides its shard.

use std::borrow::Cow;

use event_model::{SequenceNumber, ShardId};
use json_reader::Value;
use lambda_http::Body;
use lambda_http::http::{Response, StatusCode};
use serde::Serialize;

use crate::producer::{Failure, Outcome};
use crate::request::row::{Rows, not_a_row};
use crate::request::{Parsed, invalid, members, not_json, records_member, set};
use crate::response::{KAFKA_JSON, Problem, all_failed, common_problem, with_type};
use crate::route::Wire;

/// Most records of a request. Each takes some 200 bytes of the answer, of which Lambda lets 6 MB pass.
const MAX_RECORDS: usize = 10_000;

/// Reads the body of `POST /topics/{topic}`.
pub(crate) fn records<'a>(text: &'a str, rows: Rows<'_>) -> Result<Vec<Parsed<'a>>, Problem> {
    let entry = |(index, record): (usize, Value<'a>)| {
        let Value::Object(object) = record else {
            return Err(invalid(format!(
                "Record {index} is not an object with a `value`."
            )));
        };
        let what = format!("The value of record {index}");
        match value(index, object)? {
            Some(Value::Object(row)) => rows.entry(&what, Cow::Borrowed(row)),
            Some(_) => Err(not_a_row(&what)),
            None => Err(invalid(format!(
                "Record {index} has no `value`; put the row there."
            ))),
        }
    };
    let records = records_member(text, &["records"], MAX_RECORDS)?;
    Ok(records.into_iter().enumerate().map(entry).collect())
}

fn value(index: usize, record: &str) -> Result<Option<Value<'_>>, Problem> {
    let what = format!("Record {index}");
    let mut members = members(&what, record)?;
    let mut value = None;
    while let Some(member) = members
        .next_member()
        .map_err(|error| not_json(&what, record, error))?
    {
        if member.name().decode() == "value" {
            set(&mut value, member.value(), &what, "value")?;
        }
    }
    Ok(value)
}

/// Returns the answer to a request whose records were all tried.
pub(crate) fn answer(outcomes: &[Outcome], request_id: &str) -> Response<Body> {
    match common_problem(Wire::Kafka, outcomes) {
        Some(problem) if is_of_the_stream(outcomes) => problem.response(Wire::Kafka, request_id),
        _ => {
            let status = if all_failed(outcomes) {
                StatusCode::SERVICE_UNAVAILABLE
            } else {
                StatusCode::OK
            };
            with_type(status, KAFKA_JSON, &KafkaResults::of(outcomes))
        }
    }
}

/// Returns whether the stream answered for no record at all, so that there is nothing to say of single records.
fn is_of_the_stream(outcomes: &[Outcome]) -> bool {
    outcomes.iter().all(|outcome| {
        matches!(
            outcome,
            Err(Failure::Unreachable | Failure::Forbidden | Failure::TimedOut)
        )
    })
}

/// Kafka REST's code for a failure that may be retried.
const KAFKA_RETRYABLE: u32 = 50003;
/// Kafka REST's code for a failure that stays one.
const KAFKA_FINAL: u32 = 50002;

#[derive(Serialize)]
struct KafkaResults<'a> {
    offsets: Vec<KafkaOffset<'a>>,
    key_schema_id: Option<u32>,
    value_schema_id: Option<u32>,
}

/// One record's place as Kafka clients know it; the real one is in two fields of our own.
#[derive(Default, Serialize)]
struct KafkaOffset<'a> {
    partition: Option<u32>,
    offset: Option<i64>,
    error_code: Option<u32>,
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<&'a str>,
}

impl<'a> KafkaResults<'a> {
    fn of(outcomes: &'a [Outcome]) -> Self {
        let offset = |outcome: &'a Outcome| match outcome {
            Ok(position) => KafkaOffset {
                partition: position
                    .shard
                    .parse()
                    .ok()
                    .and_then(|shard: ShardId| shard.number()),
                offset: position.sequence.parse().ok().map(SequenceNumber::offset),
                shard: Some(&position.shard),
                sequence_number: Some(&position.sequence),
                ..KafkaOffset::default()
            },
            Err(failure) => KafkaOffset {
                error_code: Some(if failure.is_retryable() {
                    KAFKA_RETRYABLE
                } else {
                    KAFKA_FINAL
                }),
                error: Some(failure.message()),
                ..KafkaOffset::default()
            },
        };
        Self {
            offsets: outcomes.iter().map(offset).collect(),
            key_schema_id: None,
            value_schema_id: None,
        }
    }
}
