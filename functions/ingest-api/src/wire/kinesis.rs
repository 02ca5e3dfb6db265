//! The Kinesis proxy: its own spelling (`data`, `partition-key`) and the API's (`Data`, `PartitionKey`).

use event_model::Position;
use event_model::limits::PUT_RECORDS_MAX_RECORDS;
use json_reader::Value;
use lambda_http::Body;
use lambda_http::http::{Response, StatusCode};
use serde::Serialize;

use crate::producer::{Failure, Outcome};
use crate::request::row::{Rows, unwrapped};
use crate::request::{Parsed, invalid, members, not_json, records_member, set};
use crate::response::{self, Partial, Problem, ProblemKind, common_problem, failed, json};
use crate::route::Wire;

/// Reads the body of `PUT /streams/{stream}/record`.
pub(crate) fn record<'a>(text: &'a str, rows: Rows<'_>) -> Parsed<'a> {
    Put::read("The body", text, rows)?.entry("`Data`")
}

/// Reads the body of `PUT /streams/{stream}/records`.
pub(crate) fn records<'a>(text: &'a str, rows: Rows<'_>) -> Result<Vec<Parsed<'a>>, Problem> {
    let records = records_member(text, &["records", "Records"], PUT_RECORDS_MAX_RECORDS)?;
    let entry = |(index, record): (usize, Value<'a>)| {
        let what = format!("Record {index}");
        let Value::Object(object) = record else {
            return Err(invalid(format!(
                "{what} is not an object with `data` and `partition-key`."
            )));
        };
        Put::read(&what, object, rows)?.entry(&format!("The data of record {index}"))
    };
    Ok(records.into_iter().enumerate().map(entry).collect())
}

/// The members of a body or of a record that count.
struct Put<'a, 'm> {
    data: Value<'a>,
    /// What the row may be; where the path declares no kind, the client's partition key does.
    rows: Rows<'m>,
}

impl<'a, 'm> Put<'a, 'm> {
    fn read(what: &str, text: &'a str, rows: Rows<'m>) -> Result<Self, Problem> {
        let mut members = members(what, text)?;
        let (mut data, mut key) = (None, None);
        while let Some(member) = members
            .next_member()
            .map_err(|error| not_json(what, text, error))?
        {
            match &*member.name().decode() {
                "Data" | "data" => set(&mut data, member.value(), what, "Data")?,
                "PartitionKey" | "partition-key" => match member.value() {
                    Value::Text(text) => {
                        let declared = rows.model.labelled(&text.decode());
                        set(&mut key, declared, what, "PartitionKey")?;
                    }
                    Value::Null => set(&mut key, None, what, "PartitionKey")?,
                    _ => {
                        return Err(invalid(format!(
                            "{what} has a partition key that is not text."
                        )));
                    }
                },
                // `StreamName` may be missing or differ: the path counts.
                _ => {}
            }
        }
        let data =
            data.ok_or_else(|| invalid(format!("{what} has no `Data`; put the row there.")))?;
        let kind = rows.kind.or(key.flatten());
        Ok(Self {
            data,
            rows: Rows { kind, ..rows },
        })
    }

    fn entry(&self, what: &str) -> Parsed<'a> {
        self.rows.entry(what, unwrapped(what, &self.data)?)
    }
}

/// Returns the answer to `PUT /streams/{stream}/record`, whose one record was tried.
pub(crate) fn answer_record(outcomes: &[Outcome], request_id: &str) -> Response<Body> {
    let wire = Wire::KinesisRecord;
    match (outcomes.first(), common_problem(wire, outcomes)) {
        (Some(Ok(position)), _) => json(StatusCode::OK, &KinesisPosition::of(position)),
        (_, Some(problem)) => problem.response(wire, request_id),
        // One record was put, so there is one outcome; had there been none, nothing would be stored.
        (_, None) => Problem::new(ProblemKind::StreamUnavailable, Failure::Internal.message())
            .response(wire, request_id),
    }
}

/// Returns the answer to `PUT /streams/{stream}/records`, whose records were all tried.
pub(crate) fn answer_records(outcomes: &[Outcome], request_id: &str) -> Response<Body> {
    let problem = common_problem(Wire::KinesisRecords, outcomes);
    response::answer(outcomes, problem, request_id, &KinesisResults::of(outcomes))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KinesisPosition<'a> {
    shard_id: &'a str,
    sequence_number: &'a str,
}

impl<'a> KinesisPosition<'a> {
    fn of(position: &'a Position) -> Self {
        Self {
            shard_id: &position.shard,
            sequence_number: &position.sequence,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KinesisResults<'a> {
    failed_record_count: usize,
    records: Vec<KinesisResult<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum KinesisResult<'a> {
    Stored(KinesisPosition<'a>),
    #[serde(rename_all = "PascalCase")]
    Failed {
        error_code: &'a str,
        error_message: &'a str,
    },
}

impl<'a> KinesisResults<'a> {
    fn of(outcomes: &'a [Outcome]) -> Self {
        let result = |outcome: &'a Outcome| match outcome {
            Ok(position) => KinesisResult::Stored(KinesisPosition::of(position)),
            Err(failure) => KinesisResult::Failed {
                error_code: failure.code(),
                error_message: failure.message(),
            },
        };
        Self {
            failed_record_count: failed(outcomes),
            records: outcomes.iter().map(result).collect(),
        }
    }
}

impl Partial for KinesisResults<'_> {
    fn partial_status(&self) -> StatusCode {
        StatusCode::OK
    }
}
