//! What each wire answers, and what it puts on the stream.

use std::sync::Arc;

use super::*;

#[tokio::test]
async fn each_wire_answers_in_its_own_form() {
    let answers = transcript(
        &app(&[&storing()]),
        &[
            record(r#"{"Data":{"index":1,"category":"art"},"PartitionKey":"pin"}"#),
            records(r#"{"records":[{"data":{"ind":1}},{"data":{"ind":2}}]}"#),
            kafka(r#"{"records":[{"value":{"index":1}}]}"#),
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

#[tokio::test]
async fn a_client_may_want_to_hear_of_failures_alone() {
    let post = |prefer: &str, body: &str| {
        let mut post = request("POST", "/events/pin", "application/json", body);
        post.headers_mut().insert("prefer", prefer.parse().unwrap());
        post
    };
    let rows = r#"[{"index":1},{"index":2}]"#;
    for prefer in [
        "return=minimal",
        "Return = Minimal",
        "respond-async, return=\"minimal\"; x=1",
    ] {
        let answer = send(&app(&[&storing()]), post(prefer, rows)).await;
        assert_eq!(
            (answer.status, &*answer.body),
            (200, r#"{"accepted":2,"failed":0}"#)
        );
        assert_eq!(answer.headers["preference-applied"], "return=minimal");
    }
    for (prefer, body) in [
        ("return=representation", rows),
        ("minimal", rows),
        // One of the rows is none: which one is in the results.
        ("return=minimal", r#"[{"index":1},7]"#),
    ] {
        let answer = send(&app(&[&storing()]), post(prefer, body)).await;
        assert!(answer.body.contains("results"), "{prefer}: {}", answer.body);
        assert!(!answer.headers.contains_key("preference-applied"));
    }
}
