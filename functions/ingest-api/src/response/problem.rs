//! The errors of a request: RFC 9457 problems, and Kafka REST's own form under `/topics`.

use lambda_http::Body;
use lambda_http::http::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use lambda_http::http::{Method, Response, StatusCode};
use serde::Serialize;

use super::{KAFKA_JSON, PROBLEM_JSON, with_type};
use crate::route::Wire;

/// Most characters of a request that an answer quotes.
const MAX_QUOTED_CHARS: usize = 64;

/// Seconds after which a throttled client may come back: the limits of a shard are per second.
const RETRY_AFTER_S: &str = "1";

/// Why a request is refused, or failed as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: ProblemKind,
    /// What is wrong and what to do, as a sentence.
    pub(crate) detail: String,
    /// The methods that the path takes.
    allow: Vec<Method>,
}

/// The kinds of problem; each has a stable `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    /// The body is not JSON, or not UTF-8.
    NotJson,
    /// The body says that it is gzip, and is not.
    NotGzip,
    /// The request has none of the API's keys.
    Unauthorized,
    /// No route has this path.
    UnknownPath,
    /// The patterns do not allow the stream's name.
    UnknownStream,
    /// The patterns do not allow the topic's name.
    UnknownTopic,
    /// The path is known, the method is not.
    MethodNotAllowed,
    /// The stream did not answer before the deadline.
    Timeout,
    /// The body, the number of rows or a row is too large.
    TooLarge,
    /// The body is in a form that the route does not read.
    UnsupportedMediaType,
    /// The body is JSON, but lacks records or has a member of a wrong type.
    InvalidRequest,
    /// A record's value is not a JSON object.
    NotARow,
    /// The stream takes no more at the moment.
    Throttled,
    /// The stream cannot be reached, or refuses.
    StreamUnavailable,
}

impl ProblemKind {
    /// Returns the status, the last part of the `type`, the `title`, and Kafka REST's error code.
    fn parts(self) -> (StatusCode, &'static str, &'static str, u32) {
        match self {
            Self::NotJson => (
                StatusCode::BAD_REQUEST,
                "not-json",
                "The body is not JSON",
                400,
            ),
            Self::NotGzip => (
                StatusCode::BAD_REQUEST,
                "not-gzip",
                "The body is not gzip",
                400,
            ),
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "The request has no valid key",
                40101,
            ),
            Self::UnknownPath => (
                StatusCode::NOT_FOUND,
                "unknown-path",
                "There is nothing at this path",
                404,
            ),
            Self::UnknownStream => (
                StatusCode::NOT_FOUND,
                "unknown-stream",
                "There is no such stream",
                404,
            ),
            Self::UnknownTopic => (
                StatusCode::NOT_FOUND,
                "unknown-topic",
                "There is no such topic",
                40401,
            ),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "The path takes another method",
                405,
            ),
            Self::Timeout => (
                StatusCode::REQUEST_TIMEOUT,
                "timeout",
                "The stream did not answer in time",
                40801,
            ),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                "The request is too large",
                413,
            ),
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "The body has another media type",
                415,
            ),
            Self::InvalidRequest => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid-request",
                "The body has another shape",
                422,
            ),
            Self::NotARow => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "not-a-row",
                "A value is not a row",
                42206,
            ),
            Self::Throttled => (
                StatusCode::TOO_MANY_REQUESTS,
                "throttled",
                "The stream takes no more at the moment",
                50302,
            ),
            Self::StreamUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "stream-unavailable",
                "The stream is not available",
                50302,
            ),
        }
    }
}

#[derive(Serialize)]
struct ProblemBody<'a, E> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    request_id: &'a str,
    #[serde(flatten)]
    extension: E,
}

#[derive(Serialize)]
struct KafkaError<'a> {
    error_code: u32,
    message: &'a str,
}

#[derive(Serialize)]
struct NoExtension {}

impl Problem {
    pub(crate) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            allow: Vec::new(),
        }
    }

    pub(crate) fn method_not_allowed(method: &Method, allow: Vec<Method>) -> Self {
        let names: Vec<_> = allow.iter().map(Method::as_str).collect();
        let detail = format!(
            "This path takes {}, not {}.",
            names.join(", "),
            quoted(method.as_str())
        );
        Self {
            kind: ProblemKind::MethodNotAllowed,
            detail,
            allow,
        }
    }

    /// Returns the answer in the form of the wire.
    pub(crate) fn response(&self, wire: Wire, request_id: &str) -> Response<Body> {
        if wire == Wire::Kafka {
            let (status, _, _, error_code) = self.kind.parts();
            let mut response = with_type(
                status,
                KAFKA_JSON,
                &KafkaError {
                    error_code,
                    message: &self.detail,
                },
            );
            self.add_headers(&mut response);
            return response;
        }
        self.response_with(request_id, NoExtension {})
    }

    /// Returns the answer as an RFC 9457 problem with members of its own.
    pub(super) fn response_with(
        &self,
        request_id: &str,
        extension: impl Serialize,
    ) -> Response<Body> {
        let (status, name, title, _) = self.kind.parts();
        let body = ProblemBody {
            r#type: format!("urn:pinflow:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            request_id,
            extension,
        };
        let mut response = with_type(status, PROBLEM_JSON, &body);
        self.add_headers(&mut response);
        response
    }

    fn add_headers(&self, response: &mut Response<Body>) {
        let headers = response.headers_mut();
        let allow: Vec<_> = self.allow.iter().map(Method::as_str).collect();
        if let (false, Ok(allow)) = (allow.is_empty(), HeaderValue::from_str(&allow.join(", "))) {
            headers.insert(ALLOW, allow);
        }
        if self.kind == ProblemKind::Unauthorized {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("ApiKey"));
        }
        if self.kind == ProblemKind::Throttled {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        }
    }
}

/// Returns a short piece of a request for an answer: in backticks, control characters escaped, the rest cut off.
pub(crate) fn quoted(text: &str) -> String {
    let mut characters = text.chars();
    let short: String = characters
        .by_ref()
        .take(MAX_QUOTED_CHARS)
        .flat_map(escaped)
        .collect();
    let rest = if characters.next().is_some() {
        "\u{2026}"
    } else {
        ""
    };
    format!("`{short}{rest}`")
}

fn escaped(character: char) -> impl Iterator<Item = char> {
    let is_plain = !character.is_control() && !['`', '<', '>', '&'].contains(&character);
    let (plain, escape) = if is_plain {
        (Some(character), None)
    } else {
        (None, Some(character.escape_unicode()))
    };
    plain.into_iter().chain(escape.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_short_and_escaped() {
        assert_eq!(quoted("abc.pin"), "`abc.pin`");
        assert_eq!(quoted("a\n<b>`"), "`a\\u{a}\\u{3c}b\\u{3e}\\u{60}`");
        assert_eq!(quoted(&"é".repeat(70)), format!("`{}…`", "é".repeat(64)));
    }
}
