//! Kafka REST v2.

use bytes::Bytes;
use event_model::{Kind, Position};
use reqwest::Method;
use serde::Deserialize;

use super::{WireRequest, body};
use crate::answer::RowAnswer;

/// Puts rows into the records of one request.
pub(super) fn request(kind: Kind, rows: &[Bytes]) -> WireRequest {
    WireRequest {
        method: Method::POST,
        path: format!("/topics/pinflow.{kind}"),
        content_type: "application/vnd.kafka.json.v2+json",
        body: body("{\"records\":[", rows, "{\"value\":", "}", "]}"),
    }
}

/// Reads the answer to a request.
pub(super) fn answers(body: &[u8]) -> Option<Vec<RowAnswer>> {
    let answer: KafkaAnswer = serde_json::from_slice(body).ok()?;
    answer
        .offsets
        .into_iter()
        .map(KafkaOffset::answer)
        .collect()
}

#[derive(Deserialize)]
struct KafkaAnswer {
    offsets: Vec<KafkaOffset>,
}

#[derive(Deserialize)]
struct KafkaOffset {
    partition: Option<i64>,
    offset: Option<i64>,
    error_code: Option<i64>,
    error: Option<String>,
    shard: Option<String>,
    sequence_number: Option<String>,
}

/// Kafka REST's code for a record whose failure may pass.
const RETRYABLE_KAFKA_ERROR: i64 = 50003;

impl KafkaOffset {
    fn answer(self) -> Option<RowAnswer> {
        if let Some(code) = self.error_code {
            return Some(RowAnswer::Failed {
                is_retryable: code == RETRYABLE_KAFKA_ERROR,
                detail: format!("{code}: {}", self.error.unwrap_or_default()),
            });
        }
        // A real Kafka REST proxy knows no shards.
        let shard = self.shard.or_else(|| Some(self.partition?.to_string()))?;
        let sequence = self
            .sequence_number
            .or_else(|| Some(self.offset?.to_string()))?;
        Some(RowAnswer::Accepted(Position::new(shard, sequence)))
    }
}
