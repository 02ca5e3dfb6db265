//! Rows of a kind, sent until each of them is accepted or has finally failed.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use event_model::Kind;
use event_model::Position;
use reqwest::StatusCode;
use tokio_util::sync::CancellationToken;

use crate::answer::RowAnswer;
use crate::api::{Api, PostError, RequestOutcome, Sent};
use crate::backoff::Backoff;
use crate::batch::Row;

/// A row that the API did not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) offset: i64,
    pub(crate) reason: Reason,
    /// Whether the API itself refuses the row, and would whenever it is sent. Not so when the API is not there, is not the
    /// right one, or something in front of it answers.
    pub(crate) is_about_the_row: bool,
    /// How often it was sent.
    pub(crate) attempts: u32,
}

/// Why a row was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    /// Status of the answer; `None` when there was none.
    pub(crate) status: Option<StatusCode>,
    /// What the API, or the system, says.
    pub(crate) detail: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(formatter, "{status}: {}", self.detail),
            None => write!(formatter, "no answer: {}", self.detail),
        }
    }
}

/// What became of the rows of a request.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    /// Where the stream has each accepted row.
    pub(crate) accepted: Vec<Position>,
    pub(crate) failed: Vec<Failure>,
    /// How long each answer took.
    pub(crate) latencies: Vec<Duration>,
}

/// Posts rows to one API.
#[derive(Debug)]
pub struct Poster {
    api: Api,
    /// Seed of the jitter.
    seed: u64,
    stop: CancellationToken,
    requests: AtomicU64,
}

/// A row that is to be sent again, and its failure, should it not be.
type Again = (Row, Failure);

impl Poster {
    /// Makes a poster; nothing is sent yet.
    pub fn new(api: Api, seed: u64, stop: CancellationToken) -> Self {
        Self {
            api,
            seed,
            stop,
            requests: AtomicU64::new(0),
        }
    }

    /// Posts rows of a kind in one request, and those that failed for now again.
    ///
    /// The API takes a body whole or refuses it whole: one that it refuses is cut in two, so that a bad row is alone.
    /// A row whose answer was lost is sent again too, so the stream may have it twice; only the position that was answered
    /// is returned.
    pub(crate) async fn deliver(&self, kind: Kind, rows: Vec<Row>) -> Result<Delivery, PostError> {
        let mut delivery = Delivery::default();
        let mut requests = vec![rows];
        while let Some(mut rows) = requests.pop() {
            let number = self.requests.fetch_add(1, Ordering::Relaxed);
            let mut backoff = Backoff::new(self.seed, number);
            loop {
                let sent = self.api.send(kind, &rows).await?;
                let retry_after = sent.retry_after;
                if rows.len() > 1 && is_to_be_cut(&sent) {
                    delivery.latencies.extend(sent.latency);
                    let rest = rows.split_off(rows.len() / 2);
                    requests.extend([rest, rows]);
                    break;
                }
                let again = delivery.take(kind, rows, sent, backoff.attempts());
                if again.is_empty() {
                    break;
                }
                if !self.pause(&mut backoff, retry_after).await {
                    delivery
                        .failed
                        .extend(again.into_iter().map(|(_, failure)| failure));
                    break;
                }
                rows = again.into_iter().map(|(row, _)| row).collect();
            }
        }
        Ok(delivery)
    }

    /// Waits before the next attempt; false when there is to be none.
    async fn pause(&self, backoff: &mut Backoff, retry_after: Option<Duration>) -> bool {
        let Some(wait) = backoff.next_wait(retry_after) else {
            return false;
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = self.stop.cancelled() => false,
        }
    }
}

impl Delivery {
    /// Adds what became of rows that were sent; returns those that are to be sent again.
    fn take(&mut self, kind: Kind, rows: Vec<Row>, sent: Sent, attempts: u32) -> Vec<Again> {
        self.latencies.extend(sent.latency);
        // What the API says of each row is about that row.
        let mut is_about_the_row = true;
        let answers = match sent.outcome {
            RequestOutcome::Rows(answers) => answers,
            RequestOutcome::Refused {
                is_retryable,
                is_about_the_body,
                detail,
            } => {
                is_about_the_row = is_about_the_body;
                let failed = RowAnswer::Failed {
                    is_retryable,
                    detail,
                };
                vec![failed; rows.len()]
            }
        };
        let mut again = Vec::new();
        for (row, answer) in rows.into_iter().zip(answers) {
            match answer {
                RowAnswer::Accepted(position) => self.accepted.push(position),
                RowAnswer::Failed {
                    is_retryable,
                    detail,
                } => {
                    let failure = Failure {
                        kind,
                        offset: row.offset,
                        reason: Reason {
                            status: sent.status,
                            detail,
                        },
                        is_about_the_row: is_about_the_row && !is_retryable,
                        attempts,
                    };
                    if is_retryable {
                        again.push((row, failure));
                    } else {
                        self.failed.push(failure);
                    }
                }
            }
        }
        again
    }
}

/// Returns whether a request was refused for one of its rows, or for its size, by whomever.
fn is_to_be_cut(sent: &Sent) -> bool {
    let is_too_large = sent.status == Some(StatusCode::PAYLOAD_TOO_LARGE);
    matches!(
        sent.outcome,
        RequestOutcome::Refused {
            is_about_the_body, ..
        } if is_about_the_body || is_too_large
    )
}

#[cfg(test)]
mod tests;
