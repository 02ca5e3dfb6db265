//! The API's answers: what became of each row, or what is wrong with the whole request.

use event_model::Position;
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

/// Returns whether the body of an error is the API's own, and not that of a gateway or a proxy in front of it: a problem with
/// the API's `type`, or Kafka REST's form with a code.
pub(crate) fn is_ours(body: &[u8]) -> bool {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let is_problem = problem
        .r#type
        .is_some_and(|name| name.starts_with("urn:pinflow:problem:"));
    is_problem || (problem.error_code.is_some() && problem.message.is_some())
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
    r#type: Option<String>,
    error_code: Option<u32>,
    title: Option<String>,
    detail: Option<String>,
    message: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_apis_own_errors_are_ours() {
        for (body, expected) in [
            (
                r#"{"type":"urn:pinflow:problem:too-large","status":413}"#,
                true,
            ),
            (r#"{"error_code":42206,"message":"no row"}"#, true),
            (r#"{"type":"about:blank","title":"Not found"}"#, false),
            (r#"{"message":"Request Entity Too Large"}"#, false),
            ("<html>maintenance</html>", false),
            ("[]", false),
            ("", false),
        ] {
            assert_eq!(is_ours(body.as_bytes()), expected, "{body}");
        }
    }

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
