//! API Gateway's part: an HTTP request → the payload 2.0 event → the function → an HTTP response.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use event_model::Clock;
use event_model::limits::{HTTP_API_MAX_BYTES, LAMBDA_PAYLOAD_MAX_BYTES};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use jiff::Timestamp;
use lambda_http::request::LambdaRequest;
use lambda_http::{Context, LambdaEvent, Service as _, service_fn};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tracing::error;

/// The function's own timeout.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(29);

/// The HTTP API in front of one function. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ApiGateway {
    app: ingest_api::App,
    stage: String,
    clock: Clock,
    requests: Arc<AtomicU64>,
}

/// What the function answers, as far as it is read here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    cookies: Vec<String>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

impl ApiGateway {
    pub(crate) fn new(app: ingest_api::App, stage: String, clock: Clock) -> Self {
        Self {
            app,
            stage,
            clock,
            requests: Arc::default(),
        }
    }

    /// Answers a request, whose body is known to be within the limit of an HTTP API.
    pub(crate) async fn answer(&self, parts: &Parts, body: &[u8]) -> Response<Bytes> {
        let path = parts.uri.path();
        if self.stage != "$default" && below(path, &self.stage).is_none() {
            return gateway_error(StatusCode::NOT_FOUND, "Not Found");
        }
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let request_id = format!("local-{number:012}");
        let event = self.event(parts, body, &request_id);
        if event.len() > LAMBDA_PAYLOAD_MAX_BYTES {
            return gateway_error(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        }
        // A task of its own: a panic ends the invocation, as on Lambda, and not the server.
        let app = self.app.clone();
        let context = self.context(request_id);
        match tokio::spawn(invoke(app, event, context)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                error!(error, "The function's event or answer is not readable");
                gateway_error(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }
            Err(error) => {
                error!(%error, "The function panicked");
                gateway_error(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }
        }
    }

    fn context(&self, request_id: String) -> Context {
        let mut context = Context::default();
        let deadline = self.clock.unix_millis().unsigned_abs();
        context.deadline = deadline
            .saturating_add(u64::try_from(FUNCTION_TIMEOUT.as_millis()).unwrap_or_default());
        context.request_id = request_id;
        context
    }

    /// Returns the event by [AWS's description of payload 2.0].
    ///
    /// [AWS's description of payload 2.0]: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    fn event(&self, parts: &Parts, body: &[u8], request_id: &str) -> String {
        let path = parts.uri.path();
        let query = parts.uri.query().unwrap_or_default();
        let now_ms = self.clock.unix_millis();
        let user_agent = text(&parts.headers, &http::header::USER_AGENT);
        let host = text(&parts.headers, &http::header::HOST);
        let mut event = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": headers(&parts.headers),
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "local",
                "domainName": host,
                "domainPrefix": "local",
                "http": {
                    "method": parts.method.as_str(),
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1",
                    "userAgent": user_agent,
                },
                "requestId": request_id,
                "routeKey": "$default",
                "stage": self.stage,
                "time": common_log_time(now_ms),
                "timeEpoch": now_ms,
            },
            "isBase64Encoded": false,
        });
        if !body.is_empty() {
            let (body, is_base64) = match str::from_utf8(body) {
                Ok(body) if is_text(&parts.headers) => (body.to_owned(), false),
                _ => (STANDARD.encode(body), true),
            };
            event["body"] = body.into();
            event["isBase64Encoded"] = is_base64.into();
        }
        event.to_string()
    }
}

/// Runs the function as its binary does: the event's JSON in, the answer's JSON out.
async fn invoke(
    app: ingest_api::App,
    event: String,
    context: Context,
) -> Result<Response<Bytes>, String> {
    let request: LambdaRequest = serde_json::from_str(&event).map_err(|error| error.to_string())?;
    let handler = service_fn(|request| app.handle(request));
    let mut adapter = lambda_http::Adapter::from(handler);
    let Ok(answer) = adapter.call(LambdaEvent::new(request, context)).await;
    let answer = serde_json::to_string(&answer).map_err(|error| error.to_string())?;
    if answer.len() > LAMBDA_PAYLOAD_MAX_BYTES {
        return Err(format!(
            "an answer of {} bytes is more than Lambda hands on",
            answer.len()
        ));
    }
    response(serde_json::from_str(&answer).map_err(|error| error.to_string())?)
}

fn response(answer: Answer) -> Result<Response<Bytes>, String> {
    let body = match answer.body {
        Some(body) if answer.is_base64_encoded => STANDARD
            .decode(body)
            .map_err(|error| error.to_string())?
            .into(),
        body => Bytes::from(body.unwrap_or_default()),
    };
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(answer.status_code).map_err(|error| error.to_string())?;
    let cookies = answer
        .cookies
        .into_iter()
        .map(|cookie| ("set-cookie".to_owned(), cookie));
    let headers = answer
        .headers
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())));
    for (name, value) in headers.chain(cookies) {
        let name: HeaderName = name
            .parse()
            .map_err(|_| format!("`{name}` is not a header"))?;
        let value: HeaderValue = value
            .parse()
            .map_err(|_| format!("the header `{name}` has an invalid value"))?;
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

/// Returns the answer that API Gateway itself gives.
pub(crate) fn gateway_error(status: StatusCode, message: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(json!({"message": message}).to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Returns whether a request says itself that its body is over the limit of an HTTP API.
pub(crate) fn is_announced_too_large(headers: &HeaderMap) -> bool {
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    length.is_some_and(|length| length > HTTP_API_MAX_BYTES)
}

fn below<'a>(path: &'a str, stage: &str) -> Option<&'a str> {
    path.strip_prefix('/')?
        .strip_prefix(stage)
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns the headers with lower-case names, several values of one joined by commas.
fn headers(headers: &HeaderMap) -> Map<String, Value> {
    let mut map = Map::new();
    for name in headers.keys() {
        let values = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()));
        map.insert(
            name.as_str().to_owned(),
            values.collect::<Vec<_>>().join(",").into(),
        );
    }
    map
}

fn text(headers: &HeaderMap, name: &HeaderName) -> String {
    headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .unwrap_or_default()
}

/// API Gateway hands these media types over as text, and all others in base64.
fn is_text(headers: &HeaderMap) -> bool {
    let content_type = text(headers, &CONTENT_TYPE).to_ascii_lowercase();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.starts_with("text/")
        || [
            "application/json",
            "application/javascript",
            "application/xml",
        ]
        .contains(&essence)
}

fn common_log_time(unix_ms: i64) -> String {
    Timestamp::from_millisecond(unix_ms)
        .unwrap_or_default()
        .strftime("%d/%b/%Y:%H:%M:%S +0000")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_the_form_of_an_access_log() {
        assert_eq!(
            common_log_time(1_710_276_900_000),
            "12/Mar/2024:20:55:00 +0000"
        );
    }

    #[test]
    fn a_body_is_text_for_the_media_types_of_api_gateway() {
        for (content_type, is_expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", true),
            ("application/vnd.kafka.json.v2+json", false),
            ("application/x-ndjson", false),
            ("", false),
        ] {
            let headers =
                HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
            assert_eq!(is_text(&headers), is_expected, "{content_type}");
        }
    }
}
