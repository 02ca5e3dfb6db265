use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_kinesis::error::ErrorMetadata;
use aws_sdk_kinesis::operation::describe_stream_summary::{
    DescribeStreamSummaryError, DescribeStreamSummaryOutput,
};
use aws_sdk_kinesis::operation::put_records::{PutRecordsError, PutRecordsInput, PutRecordsOutput};
use aws_sdk_kinesis::types::{PutRecordsResultEntry, StreamDescriptionSummary, StreamStatus};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use lambda_http::http::HeaderMap;
use lambda_http::request::from_str;
use proptest::prelude::*;

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
    let mut config = Config::new("events");
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

/// Renders the answers to several requests, one below the other.
async fn transcript(app: &App, requests: &[(&str, &str, &str, &str)]) -> String {
    let mut text = String::new();
    for (method, path, content_type, body) in requests {
        let answer = send(app, request(method, path, content_type, *body)).await;
        writeln!(text, "{method} {path} {body}\n{}\n", render(&answer)).unwrap();
    }
    text
}

#[tokio::test]
async fn each_wire_answers_in_its_own_form() {
    let answers = transcript(
        &app(&[&storing()]),
        &[
            (
                "PUT",
                "/streams/Prod-Stream/record",
                JSON,
                r#"{"Data":{"index":1,"category":"art"},"PartitionKey":"pin"}"#,
            ),
            (
                "PUT",
                "/streams/Prod-Stream/records",
                JSON,
                r#"{"records":[{"data":{"ind":1}},{"data":{"ind":2}}]}"#,
            ),
            (
                "POST",
                "/topics/abc.pin",
                KAFKA,
                r#"{"records":[{"value":{"index":1}}]}"#,
            ),
            ("POST", "/events/pin", "", r#"[{"index":1},{"index":2}]"#),
            (
                "POST",
                "/events/pin",
                "application/x-ndjson",
                "{\"index\":1}\n\n{\"index\":2}",
            ),
            ("GET", "/streams", "", ""),
            ("GET", "/health", "", ""),
        ],
    )
    .await;
    insta::assert_snapshot!(answers, @r#"
    PUT /streams/Prod-Stream/record {"Data":{"index":1,"category":"art"},"PartitionKey":"pin"}
    200 content-type: application/json
    {"ShardId":"shardId-000000000001","SequenceNumber":"0"}

    PUT /streams/Prod-Stream/records {"records":[{"data":{"ind":1}},{"data":{"ind":2}}]}
    200 content-type: application/json
    {"FailedRecordCount":0,"Records":[{"ShardId":"shardId-000000000001","SequenceNumber":"1"},{"ShardId":"shardId-000000000001","SequenceNumber":"2"}]}

    POST /topics/abc.pin {"records":[{"value":{"index":1}}]}
    200 content-type: application/vnd.kafka.v2+json
    {"offsets":[{"partition":1,"offset":0,"error_code":null,"error":null,"shard":"shardId-000000000001","sequence_number":"3"}],"key_schema_id":null,"value_schema_id":null}

    POST /events/pin [{"index":1},{"index":2}]
    200 content-type: application/json
    {"accepted":2,"failed":0,"results":[{"shard":"shardId-000000000001","sequence_number":"4"},{"shard":"shardId-000000000001","sequence_number":"5"}]}

    POST /events/pin {"index":1}

    {"index":2}
    200 content-type: application/json
    {"accepted":2,"failed":0,"results":[{"shard":"shardId-000000000001","sequence_number":"6"},{"shard":"shardId-000000000001","sequence_number":"7"}]}

    GET /streams 
    200 content-type: application/json
    {"HasMoreStreams":false,"StreamNames":["events"]}

    GET /health 
    200 content-type: application/json
    {"status":"ok","version":"0.1.0"}
    "#);
}

/// Section 2.4 of the contract, case by case, with the exact status and body.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table and its answers")]
async fn every_bad_request_has_its_answer() {
    let answers = transcript(
        &app(&[]),
        &[
            (
                "PUT",
                "/streams/Prod-Stream/record",
                JSON,
                "{\n \"Data\": }",
            ),
            ("PUT", "/streams/Prod-Stream/record", JSON, ""),
            ("POST", "/topics/abc.pin", KAFKA, "{\"records\":[1,]}"),
            (
                "POST",
                "/events/pin",
                "application/x-ndjson",
                "{}\n{\"a\" 1}",
            ),
            ("PUT", "/streams/unknown/record", JSON, "{}"),
            ("POST", "/topics/unknown.pin", KAFKA, "{}"),
            ("PUT", "/streams/Prod-Stream/PutRecord", JSON, "{}"),
            ("POST", "/topics/abc.pin/records", KAFKA, "{}"),
            ("POST", "/events/pins", JSON, "{}"),
            ("GET", "/nothing", "", ""),
            ("GET", "/streams/Prod-Stream/record", "", ""),
            ("DELETE", "/streams", "", ""),
            ("PUT", "/topics/abc.pin", KAFKA, "{}"),
            ("PUT", "/streams/Prod-Stream/record", "text/plain", "{}"),
            (
                "POST",
                "/topics/abc.pin",
                "application/vnd.kafka.binary.v2+json",
                "{}",
            ),
            ("POST", "/events/pin", "application/xml", "{}"),
            ("PUT", "/streams/Prod-Stream/record", JSON, "[]"),
            ("PUT", "/streams/Prod-Stream/record", JSON, "{}"),
            ("PUT", "/streams/Prod-Stream/record", JSON, r#"{"Data":7}"#),
            (
                "PUT",
                "/streams/Prod-Stream/record",
                JSON,
                r#"{"Data":"not base64!"}"#,
            ),
            (
                "PUT",
                "/streams/Prod-Stream/record",
                JSON,
                r#"{"Data":{},"PartitionKey":1}"#,
            ),
            (
                "PUT",
                "/streams/Prod-Stream/records",
                JSON,
                r#"{"records":[]}"#,
            ),
            (
                "PUT",
                "/streams/Prod-Stream/records",
                JSON,
                r#"{"Records":[{"Data":{}},{"Data":"{\"a\":}"}]}"#,
            ),
            (
                "PUT",
                "/streams/Prod-Stream/records",
                JSON,
                r#"{"records":[{"data":{}}],"Records":[{"Data":{}}]}"#,
            ),
            (
                "PUT",
                "/streams/Prod-Stream/record",
                JSON,
                r#"{"Data":{},"PartitionKey":"pin","partition-key":null}"#,
            ),
            (
                "POST",
                "/topics/abc.pin",
                KAFKA,
                r#"{"records":[{"value":{},"value":{}}]}"#,
            ),
            ("POST", "/topics/", KAFKA, "{}"),
            ("POST", "/topics/abc.pin", KAFKA, r#"{"value":{}}"#),
            ("POST", "/topics/abc.pin", KAFKA, r#"{"records":{}}"#),
            (
                "POST",
                "/topics/abc.pin",
                KAFKA,
                r#"{"records":[{"key":1}]}"#,
            ),
            (
                "POST",
                "/topics/abc.pin",
                KAFKA,
                r#"{"records":[{"value":{}},{"value":"{}"}]}"#,
            ),
            ("POST", "/events/pin", JSON, "[]"),
            ("POST", "/events/pin", JSON, "[{},7]"),
            ("POST", "/events/pin", JSON, "\"row\""),
        ],
    )
    .await;
    insta::assert_snapshot!(answers, @r#"
    PUT /streams/Prod-Stream/record {
     "Data": }
    400 content-type: application/problem+json
    {"type":"urn:pinflow:problem:not-json","title":"The body is not JSON","status":400,"detail":"The body is not JSON: expected a value at byte 11 (line 2, column 10).","request_id":"r-1"}

    PUT /streams/Prod-Stream/record 
    400 content-type: application/problem+json
    {"type":"urn:pinflow:problem:not-json","title":"The body is not JSON","status":400,"detail":"The body is not JSON: expected a value at byte 0.","request_id":"r-1"}

    POST /topics/abc.pin {"records":[1,]}
    400 content-type: application/vnd.kafka.v2+json
    {"error_code":400,"message":"The body is not JSON: expected a value at byte 14."}

    POST /events/pin {}
    {"a" 1}
    400 content-type: application/problem+json
    {"type":"urn:pinflow:problem:not-json","title":"The body is not JSON","status":400,"detail":"Line 2 is not JSON: expected `:` at byte 5.","request_id":"r-1"}

    PUT /streams/unknown/record {}
    404 content-type: application/problem+json
    {"type":"urn:pinflow:problem:unknown-stream","title":"There is no such stream","status":404,"detail":"There is no stream `unknown`; GET /streams lists those there are.","request_id":"r-1"}

    POST /topics/unknown.pin {}
    404 content-type: application/vnd.kafka.v2+json
    {"error_code":40401,"message":"There is no topic `unknown.pin`."}

    PUT /streams/Prod-Stream/PutRecord {}
    404 content-type: application/problem+json
    {"type":"urn:pinflow:problem:unknown-path","title":"There is nothing at this path","status":404,"detail":"There is nothing at `/streams/Prod-Stream/PutRecord`. Did you mean PUT /streams/{stream}/record?","request_id":"r-1"}

    POST /topics/abc.pin/records {}
    404 content-type: application/vnd.kafka.v2+json
    {"error_code":404,"message":"There is nothing at `/topics/abc.pin/records`. Did you mean POST /topics/{topic}?"}

    POST /events/pins {}
    404 content-type: application/problem+json
    {"type":"urn:pinflow:problem:unknown-path","title":"There is nothing at this path","status":404,"detail":"There is no kind `pins`; the kinds are pin, geo and user.","request_id":"r-1"}

    GET /nothing 
    404 content-type: application/problem+json
    {"type":"urn:pinflow:problem:unknown-path","title":"There is nothing at this path","status":404,"detail":"There is nothing at `/nothing`. The routes are PUT /streams/{stream}/record, PUT /streams/{stream}/records, GET /streams, POST /topics/{topic}, POST /events/{kind}, GET /health, GET /openapi.yaml.","request_id":"r-1"}

    GET /streams/Prod-Stream/record 
    405 content-type: application/problem+json allow: PUT
    {"type":"urn:pinflow:problem:method-not-allowed","title":"The path takes another method","status":405,"detail":"This path takes PUT, not `GET`.","request_id":"r-1"}

    DELETE /streams 
    405 content-type: application/problem+json allow: GET
    {"type":"urn:pinflow:problem:method-not-allowed","title":"The path takes another method","status":405,"detail":"This path takes GET, not `DELETE`.","request_id":"r-1"}

    PUT /topics/abc.pin {}
    405 content-type: application/vnd.kafka.v2+json allow: POST
    {"error_code":405,"message":"This path takes POST, not `PUT`."}

    PUT /streams/Prod-Stream/record {}
    415 content-type: application/problem+json
    {"type":"urn:pinflow:problem:unsupported-media-type","title":"The body has another media type","status":415,"detail":"The content type is `text/plain`; send application/json.","request_id":"r-1"}

    POST /topics/abc.pin {}
    415 content-type: application/vnd.kafka.v2+json
    {"error_code":415,"message":"The content type is `application/vnd.kafka.binary.v2+json`; send application/vnd.kafka.json.v2+json or application/json."}

    POST /events/pin {}
    415 content-type: application/problem+json
    {"type":"urn:pinflow:problem:unsupported-media-type","title":"The body has another media type","status":415,"detail":"The content type is `application/xml`; send application/json or application/x-ndjson.","request_id":"r-1"}

    PUT /streams/Prod-Stream/record []
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:invalid-request","title":"The body has another shape","status":422,"detail":"The body is not a JSON object.","request_id":"r-1"}

    PUT /streams/Prod-Stream/record {}
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:invalid-request","title":"The body has another shape","status":422,"detail":"The body has no `Data`; put the row there.","request_id":"r-1"}

    PUT /streams/Prod-Stream/record {"Data":7}
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:not-a-row","title":"A value is not a row","status":422,"detail":"`Data` is not a JSON object.","request_id":"r-1"}

    PUT /streams/Prod-Stream/record {"Data":"not base64!"}
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:not-a-row","title":"A value is not a row","status":422,"detail":"`Data` is not a JSON object.","request_id":"r-1"}

    PUT /streams/Prod-Stream/record {"Data":{},"PartitionKey":1}
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:invalid-request","title":"The body has another shape","status":422,"detail":"The body has a partition key that is not text.","request_id":"r-1"}

    PUT /streams/Prod-Stream/records {"records":[]}
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:invalid-request","title":"The body has another shape","status":422,"detail":"`records` is missing or empty; put the rows there.","request_id":"r-1"}

    PUT /streams/Prod-Stream/records {"Records":[{"Data":{}},{"Data":"{\"a\":}"}]}
    400 content-type: application/problem+json
    {"type":"urn:pinflow:problem:not-json","title":"The body is not JSON","status":400,"detail":"The data of record 1 is not JSON: expected a value at byte 5.","request_id":"r-1"}

    PUT /streams/Prod-Stream/records {"records":[{"data":{}}],"Records":[{"Data":{}}]}
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:invalid-request","title":"The body has another shape","status":422,"detail":"The body has `records` twice; send one.","request_id":"r-1"}

    PUT /streams/Prod-Stream/record {"Data":{},"PartitionKey":"pin","partition-key":null}
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:invalid-request","title":"The body has another shape","status":422,"detail":"The body has `PartitionKey` twice; send one.","request_id":"r-1"}

    POST /topics/abc.pin {"records":[{"value":{},"value":{}}]}
    422 content-type: application/vnd.kafka.v2+json
    {"error_code":422,"message":"Record 0 has `value` twice; send one."}

    POST /topics/ {}
    404 content-type: application/vnd.kafka.v2+json
    {"error_code":404,"message":"There is nothing at `/topics/`. Did you mean POST /topics/{topic}?"}

    POST /topics/abc.pin {"value":{}}
    422 content-type: application/vnd.kafka.v2+json
    {"error_code":422,"message":"`records` is missing or empty; put the rows there."}

    POST /topics/abc.pin {"records":{}}
    422 content-type: application/vnd.kafka.v2+json
    {"error_code":422,"message":"`records` is not an array."}

    POST /topics/abc.pin {"records":[{"key":1}]}
    422 content-type: application/vnd.kafka.v2+json
    {"error_code":422,"message":"Record 0 has no `value`; put the row there."}

    POST /topics/abc.pin {"records":[{"value":{}},{"value":"{}"}]}
    422 content-type: application/vnd.kafka.v2+json
    {"error_code":42206,"message":"The value of record 1 is not a JSON object."}

    POST /events/pin []
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:invalid-request","title":"The body has another shape","status":422,"detail":"There is no row in the body.","request_id":"r-1"}

    POST /events/pin [{},7]
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:not-a-row","title":"A value is not a row","status":422,"detail":"Row 1 is not a JSON object.","request_id":"r-1"}

    POST /events/pin "row"
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:not-a-row","title":"A value is not a row","status":422,"detail":"The body is not a JSON object.","request_id":"r-1"}
    "#);
}

#[tokio::test]
async fn what_is_too_large_is_refused_whole() {
    let app = app(&[]);
    let row = |bytes: usize| format!(r#"{{"index":1,"title":"{}"}}"#, "x".repeat(bytes));
    let mut text = String::new();
    for (path, content_type, body) in [
        ("/events/pin", JSON, row(6_000_000)),
        ("/topics/abc.pin", KAFKA, row(6_000_000)),
        ("/events/pin", JSON, row(1024 * 1024)),
        (
            "/topics/abc.pin",
            KAFKA,
            format!(r#"{{"records":[{{"value":{}}}]}}"#, row(1024 * 1024)),
        ),
        (
            "/events/pin",
            JSON,
            format!("[{}]", vec!["{}"; 501].join(",")),
        ),
    ] {
        writeln!(
            text,
            "{}",
            render(&send(&app, request("POST", path, content_type, body)).await)
        )
        .unwrap();
    }
    insta::assert_snapshot!(text, @r#"
    413 content-type: application/problem+json
    {"type":"urn:pinflow:problem:too-large","title":"The request is too large","status":413,"detail":"The body has 6000022 bytes; send at most 5242880.","request_id":"r-1"}
    413 content-type: application/vnd.kafka.v2+json
    {"error_code":413,"message":"The body has 6000022 bytes; send at most 5242880."}
    413 content-type: application/problem+json
    {"type":"urn:pinflow:problem:too-large","title":"The request is too large","status":413,"detail":"The body has 1048603 bytes with its partition key; the stream takes 1048576.","request_id":"r-1"}
    413 content-type: application/vnd.kafka.v2+json
    {"error_code":413,"message":"The value of record 0 has 1048603 bytes with its partition key; the stream takes 1048576."}
    413 content-type: application/problem+json
    {"type":"urn:pinflow:problem:too-large","title":"The request is too large","status":413,"detail":"The body has 501 rows; send at most 500.","request_id":"r-1"}
    "#);
}

#[tokio::test]
async fn hostile_bodies_are_refused_at_once() {
    let app = app(&[]);
    let million_digits = "7".repeat(1_000_000);
    let encoded = json!({"Data": format!(r#"{{"index":{million_digits}}}"#)}).to_string();
    let mut text = String::new();
    for (method, path, body) in [
        (
            "POST",
            "/events/pin",
            Body::from(&b"{\"title\":\"\xff\"}"[..]),
        ),
        (
            "PUT",
            "/streams/Prod-Stream/record",
            Body::from(&b"\x80"[..]),
        ),
        ("POST", "/events/pin", Body::from("[".repeat(10_000))),
        (
            "POST",
            "/topics/abc.pin",
            Body::from("{\"records\":".repeat(10_000)),
        ),
        (
            "POST",
            "/events/pin",
            Body::from(format!(
                "{{\"a\":{}{}}}",
                "[".repeat(10_000),
                "]".repeat(10_000)
            )),
        ),
        ("POST", "/events/pin", Body::from(million_digits.clone())),
        (
            "POST",
            "/events/pin",
            Body::from(format!("{{\"index\":{million_digits}}}")),
        ),
        (
            "POST",
            "/topics/abc.pin",
            Body::from(format!(
                r#"{{"records":[{{"value":{{"a":[{million_digits}]}}}}]}}"#
            )),
        ),
        ("PUT", "/streams/Prod-Stream/record", Body::from(encoded)),
    ] {
        writeln!(
            text,
            "{}",
            render(&send(&app, request(method, path, JSON, body)).await)
        )
        .unwrap();
    }
    insta::assert_snapshot!(text, @r#"
    400 content-type: application/problem+json
    {"type":"urn:pinflow:problem:not-json","title":"The body is not JSON","status":400,"detail":"The body is not UTF-8 from byte 10 on.","request_id":"r-1"}
    400 content-type: application/problem+json
    {"type":"urn:pinflow:problem:not-json","title":"The body is not JSON","status":400,"detail":"The body is not UTF-8 from byte 0 on.","request_id":"r-1"}
    400 content-type: application/problem+json
    {"type":"urn:pinflow:problem:not-json","title":"The body is not JSON","status":400,"detail":"The body is not JSON: expected nesting of at most 128 levels at byte 129.","request_id":"r-1"}
    400 content-type: application/vnd.kafka.v2+json
    {"error_code":400,"message":"The body is not JSON: expected nesting of at most 128 levels at byte 1419."}
    400 content-type: application/problem+json
    {"type":"urn:pinflow:problem:not-json","title":"The body is not JSON","status":400,"detail":"The body is not JSON: expected nesting of at most 128 levels at byte 132.","request_id":"r-1"}
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:invalid-request","title":"The body has another shape","status":422,"detail":"The number at byte 0 has more than 1100 digits.","request_id":"r-1"}
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:invalid-request","title":"The body has another shape","status":422,"detail":"The number at byte 9 has more than 1100 digits.","request_id":"r-1"}
    422 content-type: application/vnd.kafka.v2+json
    {"error_code":422,"message":"The number at byte 27 has more than 1100 digits."}
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:invalid-request","title":"The body has another shape","status":422,"detail":"The number at byte 9 has more than 1100 digits.","request_id":"r-1"}
    "#);
}

#[tokio::test(start_paused = true)]
async fn failed_records_are_told_one_by_one() {
    let partly = stream(|row| match row {
        "{\"ind\":1}" => stored(5),
        _ => failed("InternalFailure"),
    });
    let answers = transcript(
        &app(&[&partly]),
        &[
            (
                "PUT",
                "/streams/Prod-Stream/records",
                JSON,
                r#"{"records":[{"data":{"ind":1}},{"data":{"ind":2}}]}"#,
            ),
            (
                "POST",
                "/topics/abc.pin",
                KAFKA,
                r#"{"records":[{"value":{"ind":1}},{"value":{"ind":2}}]}"#,
            ),
            ("POST", "/events/pin", JSON, r#"[{"ind":1},{"ind":2}]"#),
            (
                "PUT",
                "/streams/Prod-Stream/record",
                JSON,
                r#"{"Data":{"ind":2}}"#,
            ),
            (
                "PUT",
                "/streams/Prod-Stream/records",
                JSON,
                r#"{"records":[{"data":{"ind":2}}]}"#,
            ),
            (
                "POST",
                "/topics/abc.pin",
                KAFKA,
                r#"{"records":[{"value":{"ind":2}}]}"#,
            ),
            ("POST", "/events/pin", JSON, r#"[{"ind":2}]"#),
        ],
    )
    .await;
    insta::assert_snapshot!(answers, @r#"
    PUT /streams/Prod-Stream/records {"records":[{"data":{"ind":1}},{"data":{"ind":2}}]}
    200 content-type: application/json
    {"FailedRecordCount":1,"Records":[{"ShardId":"shardId-000000000001","SequenceNumber":"5"},{"ErrorCode":"InternalFailure","ErrorMessage":"The stream failed to store the record; send it again."}]}

    POST /topics/abc.pin {"records":[{"value":{"ind":1}},{"value":{"ind":2}}]}
    200 content-type: application/vnd.kafka.v2+json
    {"offsets":[{"partition":1,"offset":0,"error_code":null,"error":null,"shard":"shardId-000000000001","sequence_number":"5"},{"partition":null,"offset":null,"error_code":50003,"error":"The stream failed to store the record; send it again."}],"key_schema_id":null,"value_schema_id":null}

    POST /events/pin [{"ind":1},{"ind":2}]
    207 content-type: application/json
    {"accepted":1,"failed":1,"results":[{"shard":"shardId-000000000001","sequence_number":"5"},{"error":"The stream failed to store the record; send it again.","retryable":true}]}

    PUT /streams/Prod-Stream/record {"Data":{"ind":2}}
    503 content-type: application/problem+json
    {"type":"urn:pinflow:problem:stream-unavailable","title":"The stream is not available","status":503,"detail":"The stream failed to store the record; send it again.","request_id":"r-1"}

    PUT /streams/Prod-Stream/records {"records":[{"data":{"ind":2}}]}
    503 content-type: application/json
    {"FailedRecordCount":1,"Records":[{"ErrorCode":"InternalFailure","ErrorMessage":"The stream failed to store the record; send it again."}]}

    POST /topics/abc.pin {"records":[{"value":{"ind":2}}]}
    503 content-type: application/vnd.kafka.v2+json
    {"offsets":[{"partition":null,"offset":null,"error_code":50003,"error":"The stream failed to store the record; send it again."}],"key_schema_id":null,"value_schema_id":null}

    POST /events/pin [{"ind":2}]
    503 content-type: application/json
    {"accepted":0,"failed":1,"results":[{"error":"The stream failed to store the record; send it again.","retryable":true}]}
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_throttles_to_the_end_asks_to_wait() {
    let throttling = stream(|_| failed("ProvisionedThroughputExceededException"));
    let answers = transcript(
        &app(&[&throttling]),
        &[
            (
                "PUT",
                "/streams/Prod-Stream/record",
                JSON,
                r#"{"Data":{"ind":1}}"#,
            ),
            (
                "PUT",
                "/streams/Prod-Stream/records",
                JSON,
                r#"{"records":[{"data":{"ind":1}}]}"#,
            ),
            ("POST", "/events/pin", JSON, r#"[{"ind":1}]"#),
            (
                "POST",
                "/topics/abc.pin",
                KAFKA,
                r#"{"records":[{"value":{"ind":1}}]}"#,
            ),
        ],
    )
    .await;
    insta::assert_snapshot!(answers, @r#"
    PUT /streams/Prod-Stream/record {"Data":{"ind":1}}
    429 content-type: application/problem+json retry-after: 1
    {"type":"urn:pinflow:problem:throttled","title":"The stream takes no more at the moment","status":429,"detail":"The stream takes no more at the moment; send it again in a second.","request_id":"r-1"}

    PUT /streams/Prod-Stream/records {"records":[{"data":{"ind":1}}]}
    429 content-type: application/problem+json retry-after: 1
    {"type":"urn:pinflow:problem:throttled","title":"The stream takes no more at the moment","status":429,"detail":"The stream takes no more at the moment; send it again in a second.","request_id":"r-1","FailedRecordCount":1,"Records":[{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"The stream takes no more at the moment; send it again in a second."}]}

    POST /events/pin [{"ind":1}]
    429 content-type: application/problem+json retry-after: 1
    {"type":"urn:pinflow:problem:throttled","title":"The stream takes no more at the moment","status":429,"detail":"The stream takes no more at the moment; send it again in a second.","request_id":"r-1","accepted":0,"failed":1,"results":[{"error":"The stream takes no more at the moment; send it again in a second.","retryable":true}]}

    POST /topics/abc.pin {"records":[{"value":{"ind":1}}]}
    503 content-type: application/vnd.kafka.v2+json
    {"offsets":[{"partition":null,"offset":null,"error_code":50003,"error":"The stream takes no more at the moment; send it again in a second."}],"key_schema_id":null,"value_schema_id":null}
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_gone_is_not_available() {
    let gone = || {
        ErrorMetadata::builder()
            .code("ResourceNotFoundException")
            .message("under account 111122223333")
            .build()
    };
    let rule = mock!(Client::put_records).then_error(move || PutRecordsError::generic(gone()));
    let describe = mock!(Client::describe_stream_summary)
        .then_error(move || DescribeStreamSummaryError::generic(gone()));
    let mut answers = transcript(
        &app(&[&rule, &describe]),
        &[
            (
                "PUT",
                "/streams/Prod-Stream/record",
                JSON,
                r#"{"Data":{"ind":1}}"#,
            ),
            (
                "POST",
                "/topics/abc.pin",
                KAFKA,
                r#"{"records":[{"value":{"ind":1}}]}"#,
            ),
            ("POST", "/events/pin", JSON, r#"[{"ind":1}]"#),
        ],
    )
    .await;
    let mut deep = request("GET", "/health", "", "");
    deep = deep.with_query_string_parameters(std::collections::HashMap::from([(
        "deep".to_owned(),
        "1".to_owned(),
    )]));
    answers += &render(&send(&app(&[&describe]), deep).await);
    insta::assert_snapshot!(answers, @r#"
    PUT /streams/Prod-Stream/record {"Data":{"ind":1}}
    503 content-type: application/problem+json
    {"type":"urn:pinflow:problem:stream-unavailable","title":"The stream is not available","status":503,"detail":"The stream is not available; tell its operators.","request_id":"r-1"}

    POST /topics/abc.pin {"records":[{"value":{"ind":1}}]}
    503 content-type: application/vnd.kafka.v2+json
    {"error_code":50302,"message":"The stream is not available; tell its operators."}

    POST /events/pin [{"ind":1}]
    503 content-type: application/json
    {"accepted":0,"failed":1,"results":[{"error":"The stream is not available; tell its operators.","retryable":true}]}

    503 content-type: application/problem+json
    {"type":"urn:pinflow:problem:stream-unavailable","title":"The stream is not available","status":503,"detail":"The stream cannot be reached.","request_id":"r-1"}
    "#);
}

#[tokio::test]
async fn a_request_whose_time_is_up_sends_nothing_and_says_so() {
    let mut app = app(&[]);
    app.clock = Clock::new(|| UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let mut context = lambda_http::Context::default();
    context.deadline = 1_700_000_000_400;
    let mut text = String::new();
    for (path, body) in [
        ("/topics/abc.pin", r#"{"records":[{"value":{"ind":1}}]}"#),
        ("/events/pin", r#"{"ind":1}"#),
    ] {
        let late = request("POST", path, JSON, body).with_lambda_context(context.clone());
        writeln!(text, "{}", render(&send(&app, late).await)).unwrap();
    }
    insta::assert_snapshot!(text, @r#"
    408 content-type: application/vnd.kafka.v2+json
    {"error_code":40801,"message":"The stream did not answer in time; send it again."}
    503 content-type: application/json
    {"accepted":0,"failed":1,"results":[{"error":"The stream did not answer in time; send it again.","retryable":true}]}
    "#);
}

/// `cargo lambda watch` 1.9 sends this deadline with every invocation.
#[tokio::test]
async fn a_deadline_that_is_long_gone_is_none() {
    let app = app(&[&storing()]);
    let mut context = lambda_http::Context::default();
    context.deadline = 600_000;
    let watched = request("POST", "/events/pin", JSON, r#"{"ind":1}"#).with_lambda_context(context);
    assert_eq!(send(&app, watched).await.status, 200);
}

#[tokio::test]
async fn a_closed_api_answers_only_with_a_key() {
    let key = "a-key-of-some-length";
    let app = app(&[&storing()]).with_api_keys(ApiKeys::parse(key).unwrap());
    let mut text = String::new();
    for (path, given) in [
        ("/topics/abc.pin", ""),
        ("/events/pin", "another-key-of-some-length"),
        ("/nothing", ""),
        ("/events/pin", key),
    ] {
        let mut request = request("POST", path, JSON, r#"{"index":1}"#);
        request
            .headers_mut()
            .insert("x-api-key", given.parse().unwrap());
        writeln!(text, "{}", render(&send(&app, request).await)).unwrap();
    }
    for path in ["/health", "/openapi.yaml"] {
        let answer = send(&app, request("GET", path, "", "")).await;
        assert_eq!(answer.status, 200, "{path}");
    }
    insta::assert_snapshot!(text, @r#"
    401 content-type: application/vnd.kafka.v2+json www-authenticate: ApiKey
    {"error_code":40101,"message":"Send one of the API's keys in the header `x-api-key`."}
    401 content-type: application/problem+json www-authenticate: ApiKey
    {"type":"urn:pinflow:problem:unauthorized","title":"The request has no valid key","status":401,"detail":"Send one of the API's keys in the header `x-api-key`.","request_id":"r-1"}
    401 content-type: application/problem+json www-authenticate: ApiKey
    {"type":"urn:pinflow:problem:unauthorized","title":"The request has no valid key","status":401,"detail":"Send one of the API's keys in the header `x-api-key`.","request_id":"r-1"}
    200 content-type: application/json
    {"accepted":1,"failed":0,"results":[{"shard":"shardId-000000000001","sequence_number":"0"}]}
    "#);
}

fn sample(name: &str) -> Request {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../events/ingest-api")
        .join(name);
    from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[tokio::test]
async fn every_sample_event_has_its_answer() {
    let summary = StreamDescriptionSummary::builder()
        .stream_name("events")
        .stream_arn("arn:aws:kinesis:us-east-1:123456789012:stream/events")
        .stream_status(StreamStatus::Active)
        .retention_period_hours(24)
        .stream_creation_timestamp(aws_sdk_kinesis::primitives::DateTime::from_secs(0))
        .enhanced_monitoring(aws_sdk_kinesis::types::EnhancedMetrics::builder().build())
        .open_shard_count(1)
        .build()
        .unwrap();
    let described = DescribeStreamSummaryOutput::builder()
        .stream_description_summary(summary)
        .build();
    let describe = mock!(Client::describe_stream_summary).then_output(move || described.clone());
    let puts = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&puts);
    let put = mock!(Client::put_records).then_compute_output(move |input: &PutRecordsInput| {
        let keys = input
            .records()
            .iter()
            .map(|record| record.partition_key().unwrap().to_owned());
        seen.lock().unwrap().extend(keys);
        output(input.records().iter().map(|_| stored(1)).collect())
    });
    let app = app(&[&put, &describe]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/ingest-api");
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut text = String::new();
    for name in names {
        let answer = send(&app, sample(&name)).await;
        let keys = std::mem::take(&mut *puts.lock().unwrap()).join(" ");
        writeln!(text, "{name}: {} {keys}", answer.status).unwrap();
    }
    insta::assert_snapshot!(text, @r"
    bad-method.json: 405 
    bad-no-records.json: 422 
    bad-not-json.json: 400 
    bad-path.json: 404 
    events-array.json: 200 user/7528 user/7529
    events-duplicate.json: 200 user/7528 user/7528
    events-ndjson.json: 200 pin/1 pin/2 pin/3
    events-row.json: 200 geo/7528
    health-deep.json: 200 
    health.json: 200 
    kafka-base64-body.json: 200 geo/7528
    kafka-wrong-kind.json: 200 user/7528
    kafka.json: 200 pin/7528 pin/7529
    kinesis-record-base64.json: 200 user/7528
    kinesis-record-object.json: 200 pin/7528
    kinesis-record-text.json: 200 geo/7528
    kinesis-records-api-spelling.json: 200 geo/7528 user/7528
    kinesis-records.json: 200 pin/7528 pin/7529
    kinesis-streams.json: 200 
    openapi.json: 200 
    payload-1-0.json: 200 pin/7528
    ");
}

#[tokio::test]
async fn the_description_is_served_byte_for_byte() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.yaml");
    let answer = send(&app(&[]), sample("openapi.json")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/yaml");
    assert_eq!(answer.body, std::fs::read_to_string(path).unwrap());
}

#[tokio::test]
async fn the_bytes_on_the_stream_are_the_rows_json_and_nothing_else() {
    let rows = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&rows);
    let rule = stream(move |row| {
        seen.lock().unwrap().push(row.to_owned());
        stored(1)
    });
    let app = app(&[&rule]);
    let row = r#"{"ind" : 1, "first_name":"\u00c5sa 🌙", "age": 1e1}"#;
    let text = json!({"Data": row}).to_string();
    let base64 =
        json!({"Data": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, row)})
            .to_string();
    let object = format!(r#"{{"Data": {row} }}"#);
    for body in [object, text, base64] {
        assert_eq!(
            send(&app, request("PUT", "/streams/a-Stream/record", JSON, body))
                .await
                .status,
            200
        );
    }
    assert_eq!(*rows.lock().unwrap(), [row; 3]);
}

/// A body that is JSON, or nearly: what a route reads, with bytes changed here and there.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let shapes = prop::sample::select(vec![
        r#"{"records":[{"value":{"index":1,"category":"art"}},{"value":{"ind":"2"}}]}"#,
        r#"{"StreamName":"a","Data":{"ind":1,"latitude":2.5},"PartitionKey":"geo"}"#,
        r#"{"Data":"{\"ind\":1}","PartitionKey":"abc.user"}"#,
        r#"{"Data":"eyJpbmQiOjF9"}"#,
        r#"{"Records":[{"Data":"eyJpbmQiOjF9","PartitionKey":"a"}]}"#,
        r#"[{"ind":1,"first_name":"\ud83c\udf19"},{"ind":-2e3}]"#,
        "{\"ind\":1}\n{\"ind\":2}\n",
    ]);
    let changed = (
        shapes,
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    )
        .prop_map(|(shape, changes)| {
            let mut body = shape.as_bytes().to_vec();
            for (place, byte) in changes {
                let place = place.index(body.len());
                body[place] = byte;
            }
            body
        });
    let tokens = prop::collection::vec(
        prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            "\"records\"",
            "\"value\"",
            "\"Data\"",
            "1",
            "-",
            "1e9",
            "null",
            "true",
            " ",
            "\n",
            "\\u12",
            "é",
            "=",
        ]),
        0..40,
    );
    prop_oneof![
        3 => changed,
        1 => tokens.prop_map(|tokens| tokens.concat().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..300),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn no_body_brings_a_server_error(
        body in bodies(),
        (method, path, content_type) in prop::sample::select(vec![
            ("PUT", "/streams/a-Stream/record", JSON),
            ("PUT", "/streams/a-Stream/records", "application/x-amz-json-1.1"),
            ("POST", "/topics/abc.pin", KAFKA),
            ("POST", "/events/geo", ""),
            ("POST", "/events/pin", "application/x-ndjson"),
        ]),
    ) {
        thread_local! {
            static RUNTIME: tokio::runtime::Runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            static APP: App = app(&[&storing()]);
        }
        let request = request(method, path, content_type, Body::from(body));
        let app = APP.with(Clone::clone);
        let answer = RUNTIME.with(|runtime| runtime.block_on(send(&app, request)));
        prop_assert!(answer.status < 500, "{}: {}", answer.status, answer.body);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&answer.body).is_ok());
    }
}
