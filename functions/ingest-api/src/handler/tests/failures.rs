//! A stream that fails, throttles or is late.

use std::time::UNIX_EPOCH;

use aws_sdk_kinesis::error::ErrorMetadata;
use aws_sdk_kinesis::operation::describe_stream_summary::DescribeStreamSummaryError;
use aws_sdk_kinesis::operation::put_records::PutRecordsError;

use super::*;

#[tokio::test(start_paused = true)]
async fn failed_records_are_told_one_by_one() {
    let partly = stream(|row| match row {
        "{\"ind\":1}" => stored(5),
        _ => failed("InternalFailure"),
    });
    let answers = transcript(
        &app(&[&partly]),
        &[
            records(r#"{"records":[{"data":{"ind":1}},{"data":{"ind":2}}]}"#),
            kafka(r#"{"records":[{"value":{"ind":1}},{"value":{"ind":2}}]}"#),
            native(r#"[{"ind":1},{"ind":2}]"#),
            record(r#"{"Data":{"ind":2}}"#),
            records(r#"{"records":[{"data":{"ind":2}}]}"#),
            kafka(r#"{"records":[{"value":{"ind":2}}]}"#),
            native(r#"[{"ind":2}]"#),
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
            record(r#"{"Data":{"ind":1}}"#),
            records(r#"{"records":[{"data":{"ind":1}}]}"#),
            native(r#"[{"ind":1}]"#),
            kafka(r#"{"records":[{"value":{"ind":1}}]}"#),
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
async fn a_stream_whose_key_is_gone_is_not_available() {
    for code in [
        "KMSAccessDeniedException",
        "KMSDisabledException",
        "KMSInvalidStateException",
        "KMSNotFoundException",
    ] {
        let gone = move || ErrorMetadata::builder().code(code).build();
        let rule = mock!(Client::put_records).then_error(move || PutRecordsError::generic(gone()));
        let (method, path, kind, body) = native(r#"[{"ind":1}]"#);
        let answer = send(&app(&[&rule]), request(method, path, kind, body)).await;
        assert_eq!(answer.status, 503, "{code}");
        assert_eq!(rule.num_calls(), 1, "{code} does not pass by itself");
    }
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
            record(r#"{"Data":{"ind":1}}"#),
            kafka(r#"{"records":[{"value":{"ind":1}}]}"#),
            native(r#"[{"ind":1}]"#),
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
    {"type":"urn:pinflow:problem:stream-unavailable","title":"The stream is not available","status":503,"detail":"The stream is not available; contact its operators.","request_id":"r-1"}

    POST /topics/abc.pin {"records":[{"value":{"ind":1}}]}
    503 content-type: application/vnd.kafka.v2+json
    {"error_code":50302,"message":"The stream is not available; contact its operators."}

    POST /events/pin [{"ind":1}]
    503 content-type: application/json
    {"accepted":0,"failed":1,"results":[{"error":"The stream is not available; contact its operators.","retryable":true}]}

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
