//! Requests that are refused, with their exact answers.

use super::*;

/// Section 2.4 of the contract, case by case, with the exact status and body.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table and its answers")]
async fn every_bad_request_has_its_answer() {
    let answers = transcript(
        &app(&[]),
        &[
            record("{\n \"Data\": }"),
            record(""),
            kafka("{\"records\":[1,]}"),
            (
                "POST",
                "/events/pin",
                "application/x-ndjson",
                "{\"a\" 1}\n7",
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
            record("[]"),
            record("{}"),
            record(r#"{"Data":7}"#),
            record(r#"{"Data":"not base64!"}"#),
            record(r#"{"Data":{},"PartitionKey":1}"#),
            records(r#"{"records":[]}"#),
            records(r#"{"Records":[{"Data":"{\"a\":}"}]}"#),
            records(r#"{"records":[{"data":{}}],"Records":[{"Data":{}}]}"#),
            record(r#"{"Data":{},"PartitionKey":"pin","partition-key":null}"#),
            kafka(r#"{"records":[{"value":{},"value":{}}]}"#),
            ("POST", "/topics/", KAFKA, "{}"),
            ("POST", "/topics/..%2F..%2Fpin", KAFKA, "{}"),
            kafka(r#"{"value":{}}"#),
            kafka(r#"{"records":{}}"#),
            kafka(r#"{"records":[{"key":1}]}"#),
            kafka(r#"{"records":[{"value":"{}"},{"value":null}]}"#),
            native("[]"),
            native("[7]"),
            native(r#"{"ind":NaN}"#),
            native(r#"{"records":[{"value":{"ind":1}}]}"#),
            native(r#"{"records":[{"data":{"ind":1}}]}"#),
            native(r#"{"StreamName":"a","Data":{"ind":1},"PartitionKey":"pin"}"#),
            native("\"row\""),
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

    POST /events/pin {"a" 1}
    7
    400 content-type: application/problem+json
    {"type":"urn:pinflow:problem:not-json","title":"The body is not JSON","status":400,"detail":"Line 1 is not JSON: expected `:` at byte 5.","request_id":"r-1"}

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
    {"type":"urn:pinflow:problem:unknown-path","title":"There is nothing at this path","status":404,"detail":"There is no kind `pins`; a kind is geo, pin or user.","request_id":"r-1"}

    GET /nothing 
    404 content-type: application/problem+json
    {"type":"urn:pinflow:problem:unknown-path","title":"There is nothing at this path","status":404,"detail":"There is nothing at `/nothing`. The routes are PUT /streams/{stream}/record, PUT /streams/{stream}/records, GET /streams, GET /streams/{stream}, GET /topics, GET /topics/{topic}, POST /topics/{topic}, POST /events/{kind}, GET /health, GET /openapi.yaml.","request_id":"r-1"}

    GET /streams/Prod-Stream/record 
    405 content-type: application/problem+json allow: PUT
    {"type":"urn:pinflow:problem:method-not-allowed","title":"The path takes another method","status":405,"detail":"This path takes PUT, not `GET`.","request_id":"r-1"}

    DELETE /streams 
    405 content-type: application/problem+json allow: GET, HEAD
    {"type":"urn:pinflow:problem:method-not-allowed","title":"The path takes another method","status":405,"detail":"This path takes GET, HEAD, not `DELETE`.","request_id":"r-1"}

    PUT /topics/abc.pin {}
    405 content-type: application/vnd.kafka.v2+json allow: GET, POST, HEAD
    {"error_code":405,"message":"This path takes GET, POST, HEAD, not `PUT`."}

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
    {"type":"urn:pinflow:problem:not-a-row","title":"A value is not a row","status":422,"detail":"`Data` is text that does not start with `{`, so it was read as base64, and is not base64 from byte 10 on.","request_id":"r-1"}

    PUT /streams/Prod-Stream/record {"Data":{},"PartitionKey":1}
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:invalid-request","title":"The body has another shape","status":422,"detail":"The body has a partition key that is not text.","request_id":"r-1"}

    PUT /streams/Prod-Stream/records {"records":[]}
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:invalid-request","title":"The body has another shape","status":422,"detail":"`records` is missing or empty; put the rows there.","request_id":"r-1"}

    PUT /streams/Prod-Stream/records {"Records":[{"Data":"{\"a\":}"}]}
    400 content-type: application/problem+json
    {"type":"urn:pinflow:problem:not-json","title":"The body is not JSON","status":400,"detail":"The data of record 0 is not JSON: expected a value at byte 5.","request_id":"r-1"}

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
    405 content-type: application/vnd.kafka.v2+json allow: GET, HEAD
    {"error_code":405,"message":"This path takes GET, HEAD, not `POST`."}

    POST /topics/..%2F..%2Fpin {}
    404 content-type: application/vnd.kafka.v2+json
    {"error_code":40401,"message":"Kafka allows no topic `../../pin`: a name is 1 to 249 of `A-Z a-z 0-9 . _ -`."}

    POST /topics/abc.pin {"value":{}}
    422 content-type: application/vnd.kafka.v2+json
    {"error_code":422,"message":"`records` is missing or empty; put the rows there."}

    POST /topics/abc.pin {"records":{}}
    422 content-type: application/vnd.kafka.v2+json
    {"error_code":422,"message":"`records` is not an array."}

    POST /topics/abc.pin {"records":[{"key":1}]}
    422 content-type: application/vnd.kafka.v2+json
    {"error_code":422,"message":"Record 0 has no `value`; put the row there."}

    POST /topics/abc.pin {"records":[{"value":"{}"},{"value":null}]}
    422 content-type: application/vnd.kafka.v2+json
    {"error_code":42206,"message":"The value of record 0 is not a JSON object."}

    POST /events/pin []
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:invalid-request","title":"The body has another shape","status":422,"detail":"There is no row in the body.","request_id":"r-1"}

    POST /events/pin [7]
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:not-a-row","title":"A value is not a row","status":422,"detail":"Row 0 is not a JSON object.","request_id":"r-1"}

    POST /events/pin {"ind":NaN}
    400 content-type: application/problem+json
    {"type":"urn:pinflow:problem:not-json","title":"The body is not JSON","status":400,"detail":"The body is not JSON: expected a number or `null` (`NaN` and `Infinity` are not JSON; send `null` instead) at byte 7.","request_id":"r-1"}

    POST /events/pin {"records":[{"value":{"ind":1}}]}
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:invalid-request","title":"The body has another shape","status":422,"detail":"The body is no row: it is that of POST /topics/{topic}; send it there, or send the rows alone.","request_id":"r-1"}

    POST /events/pin {"records":[{"data":{"ind":1}}]}
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:invalid-request","title":"The body has another shape","status":422,"detail":"The body is no row: it is that of PUT /streams/{stream}/records; send it there, or send the rows alone.","request_id":"r-1"}

    POST /events/pin {"StreamName":"a","Data":{"ind":1},"PartitionKey":"pin"}
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:invalid-request","title":"The body has another shape","status":422,"detail":"The body is no row: it is that of PUT /streams/{stream}/record; send it there, or send the rows alone.","request_id":"r-1"}

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
    {"type":"urn:pinflow:problem:too-large","title":"The request is too large","status":413,"detail":"The body has 501 rows; send at most 500 at once.","request_id":"r-1"}
    "#);
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
