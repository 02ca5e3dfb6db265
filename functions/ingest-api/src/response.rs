//! What became of a request → status, headers and body, in the form of its wire.

mod outcomes;
mod problem;

use lambda_http::Body;
use lambda_http::http::header::{CONTENT_TYPE, HeaderValue};
use lambda_http::http::{Response, StatusCode};
use serde::Serialize;

pub(crate) use outcomes::{Partial, all_failed, answer, common_problem, failed};
pub(crate) use problem::{Problem, ProblemKind, quoted};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const KAFKA_JSON: HeaderValue =
    HeaderValue::from_static("application/vnd.kafka.v2+json");
const YAML: HeaderValue = HeaderValue::from_static("application/yaml");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Returns an answer in plain JSON.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    with_type(status, JSON, body)
}

/// Returns a document in YAML.
pub(crate) fn yaml(document: String) -> Response<Body> {
    text(StatusCode::OK, YAML, document)
}

pub(crate) fn with_type(
    status: StatusCode,
    content_type: HeaderValue,
    body: &impl Serialize,
) -> Response<Body> {
    // Plain structs of text and numbers always serialise.
    text(
        status,
        content_type,
        serde_json::to_string(body).unwrap_or_default(),
    )
}

fn text(status: StatusCode, content_type: HeaderValue, body: String) -> Response<Body> {
    let mut response = Response::new(Body::Text(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
