//! The Kinesis proxy.

use bytes::Bytes;
use event_model::{Kind, Position};
use reqwest::Method;
use serde::Deserialize;

use super::{WireRequest, body};
use crate::answer::RowAnswer;

/// One row as the posting script puts it, more than one as `PutRecords` of the proxy.
pub(super) fn request(kind: Kind, rows: &[Bytes]) -> WireRequest {
    let stream = format!("streaming-pinflow-{kind}");
    let (operation, body) = if let [_] = rows {
        let head = format!("{{\"StreamName\":\"{stream}\",");
        let tail = format!(",\"PartitionKey\":\"{kind}\"}}");
        ("record", body(&head, rows, "\"Data\":", "", &tail))
    } else {
        let after = format!(",\"partition-key\":\"{kind}\"}}");
        (
            "records",
            body("{\"records\":[", rows, "{\"data\":", &after, "]}"),
        )
    };
    WireRequest {
        method: Method::PUT,
        path: format!("/streams/{stream}/{operation}"),
        content_type: "application/json",
        body,
    }
}

/// Reads the answer to a request of `rows` rows.
pub(super) fn answers(rows: usize, body: &[u8]) -> Option<Vec<RowAnswer>> {
    if rows == 1 {
        let record: KinesisRecord = serde_json::from_slice(body).ok()?;
        return Some(vec![record.answer()?]);
    }
    let answer: KinesisAnswer = serde_json::from_slice(body).ok()?;
    let records = answer.records.into_iter();
    records.map(KinesisRecord::answer).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KinesisAnswer {
    records: Vec<KinesisRecord>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KinesisRecord {
    shard_id: Option<String>,
    sequence_number: Option<String>,
    error_code: Option<String>,
    error_message: Option<String>,
}

impl KinesisRecord {
    fn answer(self) -> Option<RowAnswer> {
        let Some(code) = self.error_code else {
            return Some(RowAnswer::Accepted(Position::new(
                self.shard_id?,
                self.sequence_number?,
            )));
        };
        Some(RowAnswer::Failed {
            is_retryable: !PERMANENT_CODES.contains(&code.as_str()),
            detail: match self.error_message {
                Some(message) => format!("{code}: {message}"),
                None => code,
            },
        })
    }
}

/// Error codes of a record that fails each time; all that Kinesis itself gives a record pass.
const PERMANENT_CODES: [&str; 4] = [
    "InvalidArgumentException",
    "ValidationException",
    "SerializationException",
    "InvalidData",
];
