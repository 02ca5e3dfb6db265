//! The API's own route.

use bytes::Bytes;
use event_model::{Kind, Position};
use reqwest::Method;
use serde::Deserialize;

use super::{WireRequest, body};
use crate::answer::RowAnswer;

/// Puts rows into the JSON array of one request.
pub(super) fn request(kind: Kind, rows: &[Bytes]) -> WireRequest {
    WireRequest {
        method: Method::POST,
        path: format!("/events/{kind}"),
        content_type: "application/json",
        body: body("[", rows, "", "", "]"),
    }
}

/// Reads the answer to a request.
pub(super) fn answers(body: &[u8]) -> Option<Vec<RowAnswer>> {
    let answer: EventsAnswer = serde_json::from_slice(body).ok()?;
    Some(
        answer
            .results
            .into_iter()
            .map(EventResult::answer)
            .collect(),
    )
}

#[derive(Deserialize)]
struct EventsAnswer {
    results: Vec<EventResult>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum EventResult {
    Accepted {
        shard: String,
        sequence_number: String,
        sub_number: Option<u32>,
    },
    Failed {
        error: String,
        retryable: bool,
    },
}

impl EventResult {
    fn answer(self) -> RowAnswer {
        match self {
            Self::Accepted {
                shard,
                sequence_number,
                sub_number: None,
            } => RowAnswer::Accepted(Position::new(shard, sequence_number)),
            Self::Accepted {
                shard,
                sequence_number,
                sub_number: Some(place),
            } => RowAnswer::Accepted(Position::new(shard, format!("{sequence_number}:{place}"))),
            Self::Failed { error, retryable } => RowAnswer::Failed {
                is_retryable: retryable,
                detail: error,
            },
        }
    }
}
