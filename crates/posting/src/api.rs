//! One request to the API, sent once, and what its answer says of each row.

use std::error::Error as _;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use event_model::Kind;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use reqwest::{Client, Response, StatusCode, Url, redirect};

use crate::answer::{self, RowAnswer};
use crate::batch::Row;
use crate::signer::{Signer, SignerError};
use crate::wire;
use crate::{Access, Wire, without_login};

/// What makes it pointless to go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostError {
    /// The HTTP client could not be made: the system has no certificates, or a proxy's address cannot be read.
    #[error("could not make an HTTP client")]
    Client(#[source] reqwest::Error),
    /// A key or a token cannot be in a header.
    #[error("the value has characters that a header cannot hold; look at {option}")]
    NotAHeader {
        /// The option that has the value.
        option: &'static str,
    },
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
    /// A request cannot be signed, or cannot be any more.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The API does not let the signer of the requests in.
    #[error(
        "{url} refuses the signed request: {answer}; {} (it is for the region {region})",
        DENIED
    )]
    Denied {
        /// The URL that was posted to.
        url: String,
        /// What it answered.
        answer: String,
        /// The region that the signature is for.
        region: String,
    },
    /// The API asks for more than the requests have.
    #[error(
        "{url} does not let the request in: {answer}; give --api-key-file, --token-file or --sigv4, whichever the API asks for"
    )]
    Unauthorized {
        /// The URL that was posted to.
        url: String,
        /// What it answered.
        answer: String,
    },
    /// Something answers there, but it has accepted nothing and refuses the path.
    #[error(
        "{url} does not take posts: {answer}; --api is the API's base URL with its stage, as in \
         https://abc123.execute-api.us-east-1.amazonaws.com/Dev"
    )]
    NotTheApi {
        /// The URL that was posted to.
        url: String,
        /// What it answered.
        answer: String,
    },
}

/// An API at an address.
#[derive(Debug)]
pub struct Api {
    http: Client,
    /// The base URL, without a slash at its end.
    base: String,
    /// The same without a login, for messages.
    shown: String,
    is_in_clear: bool,
    wire: Wire,
    /// Signs the requests, if they are to be.
    signer: Option<Signer>,
    /// Whether bodies go out as gzip.
    is_compressed: bool,
    /// Whether anything has ever answered.
    has_answered: AtomicBool,
    /// Whether anything has ever been accepted.
    has_accepted: AtomicBool,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) outcome: RequestOutcome,
    /// Status of the answer; `None` when there was none.
    pub(crate) status: Option<StatusCode>,
    /// How long the answer took.
    pub(crate) latency: Option<Duration>,
    /// How long the API asks to wait.
    pub(crate) retry_after: Option<Duration>,
}

#[derive(Debug)]
pub(crate) enum RequestOutcome {
    /// What became of each row, in their order.
    Rows(Vec<RowAnswer>),
    /// The request failed as a whole.
    Refused {
        is_retryable: bool,
        /// Whether the API itself refuses what is in the body. Of a gateway's or a proxy's answer nothing follows for a
        /// row: a maintenance page may have any status.
        is_about_the_body: bool,
        detail: String,
    },
}

/// What a 403 means to whoever signs: API Gateway does not distinguish the two.
const DENIED: &str = "the identity lacks execute-api:Invoke on this API, or the signature was wrong: look at the \
                      credentials, the region and this machine's clock";

/// API Gateway gives up after 29 seconds (an AWS limit), and then says so.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(35);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

impl Api {
    /// Makes the client of an API; nothing is sent yet.
    pub fn try_new(url: &Url, wire: Wire, access: &Access) -> Result<Self, PostError> {
        let mut http = Client::builder()
            .default_headers(access_headers(access)?)
            .timeout(ANSWER_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            // A redirected PUT or POST would lose its body: the address is wrong, and is reported.
            .redirect(redirect::Policy::none());
        if url.scheme() == "http" {
            // A machine without certificates can still post to its own stack.
            http = http.tls_certs_only([]);
        }
        if is_loopback(url) {
            http = http.no_proxy();
        }
        Ok(Self {
            http: http.build().map_err(PostError::Client)?,
            base: url.as_str().trim_end_matches('/').to_owned(),
            shown: without_login(url).trim_end_matches('/').to_owned(),
            is_in_clear: url.scheme() == "http" && !is_loopback(url) && has_secret(url, access),
            wire,
            signer: None,
            is_compressed: false,
            has_answered: AtomicBool::new(false),
            has_accepted: AtomicBool::new(false),
        })
    }

    /// Tells whether keys go to another machine in clear text, for whoever is between to read.
    pub fn is_in_clear(&self) -> bool {
        self.is_in_clear
    }

    /// Makes it sign each request.
    #[must_use]
    pub fn signed(self, signer: Signer) -> Self {
        Self {
            signer: Some(signer),
            ..self
        }
    }

    /// Makes it compress each body as gzip: API Gateway bills a request by its 512 KB.
    #[must_use]
    pub fn compressed(self) -> Self {
        Self {
            is_compressed: true,
            ..self
        }
    }

    /// Sends rows of a kind in one request, once.
    pub(crate) async fn send(&self, kind: Kind, rows: &[Row]) -> Result<Sent, PostError> {
        let bodies: Vec<Bytes> = rows.iter().map(|row| row.json.clone()).collect();
        let request = wire::request(self.wire, kind, &bodies);
        let url = format!("{}{}", self.base, request.path);
        let (body, content_type) = if self.is_compressed {
            (gzip(&request.body), wire::binary_type(self.wire))
        } else {
            (request.body, request.content_type)
        };
        let mut to_send = self
            .http
            .request(request.method, &url)
            .header(CONTENT_TYPE, content_type)
            .body(body.clone())
            .build()
            .map_err(PostError::Client)?;
        if self.is_compressed {
            let gzip = HeaderValue::from_static("gzip");
            to_send.headers_mut().insert(CONTENT_ENCODING, gzip);
        }
        if let Some(signer) = &self.signer {
            let headers =
                signer.headers(to_send.method(), to_send.url(), request.content_type, &body);
            let headers = headers.await?;
            to_send.headers_mut().extend(headers);
        }
        let started = Instant::now();
        let answered = match self.http.execute(to_send).await {
            Ok(response) => Answered::read(response).await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(answered) => {
                self.has_answered.store(true, Ordering::Relaxed);
                Ok(Sent {
                    outcome: self.judge(
                        &format!("{}{}", self.shown, request.path),
                        rows.len(),
                        &answered,
                    )?,
                    status: Some(answered.status),
                    latency: Some(started.elapsed()),
                    retry_after: answered.retry_after,
                })
            }
            Err(error) if error.is_connect() && !self.has_answered.load(Ordering::Relaxed) => {
                Err(PostError::Unreachable {
                    url: self.shown.clone(),
                    reason: root_cause(&error),
                })
            }
            Err(error) => Ok(Sent {
                outcome: RequestOutcome::Refused {
                    is_retryable: true,
                    is_about_the_body: false,
                    detail: root_cause(&error),
                },
                status: None,
                latency: None,
                retry_after: None,
            }),
        }
    }

    /// Reads what an answer says of the rows, whatever its status: a 429 and a 503 may list each row too.
    fn judge(
        &self,
        url: &str,
        rows: usize,
        answered: &Answered,
    ) -> Result<RequestOutcome, PostError> {
        let status = answered.status;
        if let Some(answers) = wire::answers(self.wire, rows, &answered.body) {
            let is_accepted = |answer: &RowAnswer| matches!(answer, RowAnswer::Accepted(_));
            if answers.iter().any(is_accepted) {
                self.has_accepted.store(true, Ordering::Relaxed);
            }
            return Ok(RequestOutcome::Rows(answers));
        }
        let mut detail = answer::detail(&answered.body);
        if status.is_success() {
            detail = format!("not an answer in the wire format {}: {detail}", self.wire);
        }
        if is_about_the_address(status) && !self.has_accepted.load(Ordering::Relaxed) {
            return Err(self.refusal(url.to_owned(), status, &detail));
        }
        if self.signer.is_some() && status == StatusCode::FORBIDDEN {
            detail = format!("{detail}; {DENIED}");
        }
        let is_about_the_body =
            matches!(status.as_u16(), 400 | 413 | 422) && answer::is_ours(&answered.body);
        // What lets nobody in, or is not there, does not change within a request's tries; all else may.
        let is_about_access = matches!(status.as_u16(), 401 | 403 | 404 | 405);
        Ok(RequestOutcome::Refused {
            is_retryable: !is_about_the_body && !is_about_access,
            is_about_the_body,
            detail,
        })
    }

    /// Returns what an answer means that is about the address or about who posts.
    fn refusal(&self, url: String, status: StatusCode, detail: &str) -> PostError {
        let answer = format!("{status}: {detail}");
        match (status, &self.signer) {
            (StatusCode::FORBIDDEN, Some(signer)) => PostError::Denied {
                url,
                answer,
                region: signer.region().to_owned(),
            },
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => {
                PostError::Unauthorized { url, answer }
            }
            _ => PostError::NotTheApi { url, answer },
        }
    }
}

fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Memory takes what is written.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
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

/// Returns the headers that let a request in.
fn access_headers(access: &Access) -> Result<HeaderMap, PostError> {
    let bearer = access.token.as_ref().map(|token| format!("Bearer {token}"));
    let mut headers = HeaderMap::new();
    for (name, option, value) in [
        (
            HeaderName::from_static("x-api-key"),
            "the API key",
            &access.api_key,
        ),
        (AUTHORIZATION, "the token", &bearer),
    ] {
        if let Some(value) = value {
            let mut value =
                HeaderValue::from_str(value).map_err(|_| PostError::NotAHeader { option })?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    Ok(headers)
}

/// Returns whether a status is about the address, or about who posts, rather than about the rows.
fn is_about_the_address(status: StatusCode) -> bool {
    status.is_success()
        || status.is_redirection()
        || matches!(status.as_u16(), 401 | 403 | 404 | 405)
}

fn has_secret(url: &Url, access: &Access) -> bool {
    access.api_key.is_some() || access.token.is_some() || url.password().is_some()
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
