mod failures;
mod health;
mod hostile;
mod kinds;
mod odd_records;
mod packing;
mod refusals;
mod samples;
mod wires;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use aws_sdk_kinesis::operation::put_records::{PutRecordsInput, PutRecordsOutput};
use aws_sdk_kinesis::types::PutRecordsResultEntry;
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use lambda_http::http::HeaderMap;
use lambda_http::request::from_str;

use super::*;
use crate::config::Patterns;

const KAFKA: &str = "application/vnd.kafka.json.v2+json";
const JSON: &str = "application/json";

fn stored(sequence_number: u64) -> PutRecordsResultEntry {
    PutRecordsResultEntry::builder()
        .shard_id("shardId-000000000001")
        .sequence_number(sequence_number.to_string())
        .build()
}

fn failed(code: &str) -> PutRecordsResultEntry {
    let internal =
        "Rate exceeded for shard shardId-000000000001 in stream events under account 111122223333.";
    PutRecordsResultEntry::builder()
        .error_code(code)
        .error_message(internal)
        .build()
}

fn output(entries: Vec<PutRecordsResultEntry>) -> PutRecordsOutput {
    PutRecordsOutput::builder()
        .set_records(Some(entries))
        .build()
        .unwrap()
}

/// A stream that answers each record as `answer` says, given its JSON.
fn stream(answer: impl Fn(&str) -> PutRecordsResultEntry + Send + Sync + 'static) -> Rule {
    mock!(Client::put_records).then_compute_output(move |input: &PutRecordsInput| {
        let data = |record: &aws_sdk_kinesis::types::PutRecordsRequestEntry| {
            answer(str::from_utf8(record.data().as_ref()).unwrap())
        };
        output(input.records().iter().map(data).collect())
    })
}

/// A stream that stores every record, under the sequence numbers 0, 1, 2.
fn storing() -> Rule {
    let next = AtomicU64::new(0);
    stream(move |_| stored(next.fetch_add(1, Ordering::Relaxed)))
}

fn app(rules: &[&Rule]) -> App {
    let mut config = Config::new("events", model::Model::load_from(None).unwrap());
    config.topics = Patterns::parse("abc.*").unwrap();
    config.streams = Patterns::parse("*-Stream,streaming-*").unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "no test here depends on the time of day"
    )]
    let clock = Clock::new(SystemTime::now);
    App::new(
        mock_client!(aws_sdk_kinesis, RuleMode::MatchAny, rules),
        config,
        clock,
        7,
    )
}

/// Makes a request as API Gateway's payload 2.0 does.
fn request(method: &str, path: &str, content_type: &str, body: impl Into<Body>) -> Request {
    let mut request = from_str(&json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": {},
        "requestContext": {
            "requestId": "r-1", "stage": "$default", "timeEpoch": 0, "http": {"method": method, "path": path},
        },
        "isBase64Encoded": false,
    }).to_string()).unwrap();
    if !content_type.is_empty() {
        request
            .headers_mut()
            .insert("content-type", content_type.parse().unwrap());
    }
    *request.body_mut() = body.into();
    request
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

async fn send(app: &App, request: Request) -> Answer {
    let response = app.handle(request).await.unwrap();
    let Body::Text(body) = response.body() else {
        panic!("{:?}", response.body())
    };
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: body.clone(),
    }
}

/// Renders an answer as a client sees it: status, headers, body.
fn render(answer: &Answer) -> String {
    let mut text = answer.status.to_string();
    for (name, value) in &answer.headers {
        write!(text, " {name}: {}", value.to_str().unwrap()).unwrap();
    }
    format!("{text}\n{}", answer.body)
}

/// Method, path, media type and body of a request.
type Asked<'a> = (&'a str, &'a str, &'a str, &'a str);

fn record(body: &str) -> Asked<'_> {
    ("PUT", "/streams/Prod-Stream/record", JSON, body)
}

fn records(body: &str) -> Asked<'_> {
    ("PUT", "/streams/Prod-Stream/records", JSON, body)
}

fn kafka(body: &str) -> Asked<'_> {
    ("POST", "/topics/abc.pin", KAFKA, body)
}

fn native(body: &str) -> Asked<'_> {
    ("POST", "/events/pin", JSON, body)
}

/// Renders the answers to several requests, one below the other.
async fn transcript(app: &App, requests: &[Asked<'_>]) -> String {
    let mut text = String::new();
    for (method, path, content_type, body) in requests {
        let answer = send(app, request(method, path, content_type, *body)).await;
        writeln!(text, "{method} {path} {body}\n{}\n", render(&answer)).unwrap();
    }
    text
}
