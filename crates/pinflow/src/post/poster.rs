//! One request, until each of its rows is accepted or has finally failed.

use std::error::Error as _;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use event_model::Kind;
use lake::reader::Position;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url, redirect};

use super::answer::{self, RowAnswer};
use super::backoff::Backoff;
use super::batch::Row;
use super::wire;
use crate::cli::Wire;
use crate::stop::Stop;

/// What makes it pointless to go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PostError {
    /// The HTTP client could not be made: the system has no certificates, or a proxy's address cannot be read.
    #[error("could not make an HTTP client")]
    Client(#[source] reqwest::Error),
    /// Nothing has ever answered at the address.
    #[error(
        "could not connect to {url}: {reason}; start a stack with `cargo pinflow local`, or give the API's address as --api"
    )]
    Unreachable {
        /// The base URL.
        url: String,
        /// What the system says.
        reason: String,
    },
    /// Something answers there, but it has accepted nothing and refuses the path.
    #[error(
        "{url} does not take posts: {answer}; --api is the API's base URL with its stage, as in \
         https://abc123.execute-api.eu-west-1.amazonaws.com/Dev"
    )]
    NotTheApi {
        /// The URL that was posted to.
        url: String,
        /// What it answered.
        answer: String,
    },
}

/// A row that the API did not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) offset: i64,
    pub(crate) reason: Reason,
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
pub(super) struct Delivery {
    /// Where the stream has each accepted row.
    pub(super) accepted: Vec<Position>,
    pub(super) failed: Vec<Failure>,
    /// How long each answer took.
    pub(super) latencies: Vec<Duration>,
}

/// Posts rows to one API.
#[derive(Debug)]
pub(crate) struct Poster {
    http: Client,
    /// The base URL, without a slash at its end.
    base: String,
    wire: Wire,
    /// Seed of the jitter.
    seed: u64,
    stop: Stop,
    requests: AtomicU64,
    /// Whether anything has ever answered.
    has_answered: AtomicBool,
    /// Whether anything has ever been accepted.
    has_accepted: AtomicBool,
}

/// API Gateway gives up after 29 seconds (an AWS limit), and then says so.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(35);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

impl Poster {
    /// Makes a poster; nothing is sent yet.
    pub(crate) fn try_new(api: &Url, wire: Wire, seed: u64, stop: Stop) -> Result<Self, PostError> {
        let mut http = Client::builder()
            .timeout(ANSWER_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            // A redirected PUT or POST would lose its body: the address is wrong, and is told.
            .redirect(redirect::Policy::none());
        if api.scheme() == "http" {
            // A machine without certificates can still post to its own stack.
            http = http.tls_certs_only([]);
        }
        if is_loopback(api) {
            http = http.no_proxy();
        }
        Ok(Self {
            http: http.build().map_err(PostError::Client)?,
            base: api.as_str().trim_end_matches('/').to_owned(),
            wire,
            seed,
            stop,
            requests: AtomicU64::new(0),
            has_answered: AtomicBool::new(false),
            has_accepted: AtomicBool::new(false),
        })
    }

    /// Posts rows of a kind in one request, and those that failed for now again.
    ///
    /// A row whose answer was lost is sent again too, so the stream may have it twice; only the position that was told
    /// is returned.
    pub(super) async fn deliver(&self, kind: Kind, rows: Vec<Row>) -> Result<Delivery, PostError> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let mut backoff = Backoff::new(self.seed, number);
        let mut delivery = Delivery::default();
        let mut pending = rows;
        loop {
            let sent = self.send(kind, &pending).await?;
            delivery.latencies.extend(sent.latency);
            let attempts = backoff.attempts();
            let mut again = Vec::new();
            for (row, answer) in pending.into_iter().zip(sent.answers) {
                match answer {
                    RowAnswer::Accepted(position) => delivery.accepted.push(position),
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
                            attempts,
                        };
                        if is_retryable {
                            again.push((row, failure));
                        } else {
                            delivery.failed.push(failure);
                        }
                    }
                }
            }
            if again.is_empty() || !self.pause(&mut backoff, sent.retry_after).await {
                let failures = again.into_iter().map(|(_, failure)| failure);
                delivery.failed.extend(failures);
                return Ok(delivery);
            }
            pending = again.into_iter().map(|(row, _)| row).collect();
        }
    }

    /// Waits before the next attempt; false when there is to be none.
    async fn pause(&self, backoff: &mut Backoff, retry_after: Option<Duration>) -> bool {
        let Some(wait) = backoff.next_wait(retry_after) else {
            return false;
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = self.stop.requested() => false,
        }
    }

    /// Sends a request once.
    async fn send(&self, kind: Kind, rows: &[Row]) -> Result<Sent, PostError> {
        let bodies: Vec<Bytes> = rows.iter().map(|row| row.json.clone()).collect();
        let request = wire::request(self.wire, kind, &bodies);
        let url = format!("{}{}", self.base, request.path);
        let started = Instant::now();
        let sent = self
            .http
            .request(request.method, &url)
            .header(CONTENT_TYPE, request.content_type)
            .body(request.body)
            .send();
        let answered = match sent.await {
            Ok(response) => Answered::read(response).await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(answered) => {
                self.has_answered.store(true, Ordering::Relaxed);
                self.judge(&url, rows.len(), &answered, started.elapsed())
            }
            Err(error) if error.is_connect() && !self.has_answered.load(Ordering::Relaxed) => {
                Err(PostError::Unreachable {
                    url: self.base.clone(),
                    reason: root_cause(&error),
                })
            }
            Err(error) => {
                let detail = root_cause(&error);
                Ok(Sent::refused(rows.len(), None, true, detail))
            }
        }
    }

    /// Reads what an answer says of each row.
    fn judge(
        &self,
        url: &str,
        rows: usize,
        answered: &Answered,
        latency: Duration,
    ) -> Result<Sent, PostError> {
        let status = answered.status;
        let tells_of_rows = status.is_success() || status == StatusCode::SERVICE_UNAVAILABLE;
        let answers = tells_of_rows
            .then(|| answer::read_rows(self.wire, rows, &answered.body))
            .flatten();
        let sent = if let Some(answers) = answers {
            Sent {
                answers,
                status: Some(status),
                ..Sent::default()
            }
        } else {
            let mut detail = answer::detail(&answered.body);
            if status.is_success() {
                detail = format!("not an answer in the wire format {}: {detail}", self.wire);
            }
            if is_about_the_address(status) && !self.has_accepted.load(Ordering::Relaxed) {
                return Err(PostError::NotTheApi {
                    url: url.to_owned(),
                    answer: format!("{status}: {detail}"),
                });
            }
            Sent::refused(rows, Some(status), answer::is_retryable(status), detail)
        };
        if sent.has_accepted() {
            self.has_accepted.store(true, Ordering::Relaxed);
        }
        Ok(Sent {
            latency: Some(latency),
            retry_after: answered.retry_after,
            ..sent
        })
    }
}

/// What became of a request that was sent once.
#[derive(Default)]
struct Sent {
    /// One for each row.
    answers: Vec<RowAnswer>,
    status: Option<StatusCode>,
    latency: Option<Duration>,
    retry_after: Option<Duration>,
}

impl Sent {
    /// A request that failed as a whole.
    fn refused(
        rows: usize,
        status: Option<StatusCode>,
        is_retryable: bool,
        detail: String,
    ) -> Self {
        let failed = RowAnswer::Failed {
            is_retryable,
            detail,
        };
        Self {
            answers: vec![failed; rows],
            status,
            ..Self::default()
        }
    }

    fn has_accepted(&self) -> bool {
        let mut answers = self.answers.iter();
        answers.any(|answer| matches!(answer, RowAnswer::Accepted(_)))
    }
}

struct Answered {
    status: StatusCode,
    retry_after: Option<Duration>,
    body: Bytes,
}

impl Answered {
    async fn read(response: Response) -> reqwest::Result<Self> {
        let header = response.headers().get(RETRY_AFTER);
        // The other form, a date, is left to the usual waits: it would need the clocks to agree.
        let seconds = header.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Ok(Self {
            status: response.status(),
            retry_after: seconds.map(Duration::from_secs),
            body: response.bytes().await?,
        })
    }
}

/// Returns whether a status tells of the address rather than of the rows.
fn is_about_the_address(status: StatusCode) -> bool {
    status.is_success()
        || status.is_redirection()
        || matches!(status.as_u16(), 401 | 403 | 404 | 405)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// Returns the innermost message: "Connection refused", not "error sending request".
fn root_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".to_owned();
    }
    let mut cause = error.source();
    let mut message = error.to_string();
    while let Some(error) = cause {
        message = error.to_string();
        cause = error.source();
    }
    message
}

#[cfg(test)]
mod tests;
