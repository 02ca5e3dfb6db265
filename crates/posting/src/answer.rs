//! The API's answers: what became of each row, or what is wrong with the whole request.

use event_model::Position;
use reqwest::StatusCode;
use serde::Deserialize;

/// What became of one row of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RowAnswer {
    /// The stream has it, here.
    Accepted(Position),
    /// The stream does not have it.
    Failed {
        is_retryable: bool,
        /// Why, as the API says.
        detail: String,
    },
}

/// Returns whether a request that got this status may succeed when it is sent again.
pub(crate) fn is_retryable(status: StatusCode) -> bool {
    status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
}

/// Returns what the body of an error says: the problem's detail, or the message of Kafka REST and of API Gateway.
///
/// It becomes a part of a sentence, so the full stop at its end is left out.
pub(crate) fn detail(body: &[u8]) -> String {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let detail = problem.detail.or(problem.message).or(problem.title);
    let detail = detail.as_deref().map(|detail| detail.trim_end_matches('.'));
    detail.map_or_else(|| excerpt(body), str::to_owned)
}

/// Longest excerpt of a body that is none of the API's.
const EXCERPT_CHARS: usize = 200;

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    let mut excerpt: String = text.chars().take(EXCERPT_CHARS).collect();
    if excerpt.is_empty() {
        "no body".clone_into(&mut excerpt);
    } else if excerpt.len() < text.len() {
        excerpt.push('…');
    }
    excerpt
}

#[derive(Default, Deserialize)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
    message: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_detail_of_an_error_is_found_in_each_shape() {
        for (body, expected) in [
            (
                r#"{"type":"about:blank","title":"Not found","status":404,"detail":"No such path."}"#,
                "No such path",
            ),
            (
                r#"{"error_code":40401,"message":"unknown topic"}"#,
                "unknown topic",
            ),
            (r#"{"message":"Too Many Requests"}"#, "Too Many Requests"),
            (r#"{"title":"Not found"}"#, "Not found"),
            (" <h1>It works!</h1>\n", "<h1>It works!</h1>"),
            ("", "no body"),
        ] {
            assert_eq!(detail(body.as_bytes()), expected);
        }
        assert_eq!(detail(&[b'x'; 300]).chars().count(), EXCERPT_CHARS + 1);
    }
}
