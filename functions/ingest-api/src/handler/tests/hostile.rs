//! Bodies that are made to do harm, and any bytes at all.

use proptest::prelude::*;

use super::*;

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
    {"type":"urn:pinflow:problem:not-json","title":"The body is not JSON","status":400,"detail":"The body is not JSON: expected a value at byte 10000.","request_id":"r-1"}
    400 content-type: application/vnd.kafka.v2+json
    {"error_code":400,"message":"The body is not JSON: expected a value at byte 110000."}
    400 content-type: application/problem+json
    {"type":"urn:pinflow:problem:not-json","title":"The body is not JSON","status":400,"detail":"The body is not JSON: expected nesting of at most 128 levels at byte 132.","request_id":"r-1"}
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:not-a-row","title":"A value is not a row","status":422,"detail":"The body is not a JSON object.","request_id":"r-1"}
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:invalid-request","title":"The body has another shape","status":422,"detail":"The body has a number of more than 1100 digits, at byte 9; send it as text.","request_id":"r-1"}
    422 content-type: application/vnd.kafka.v2+json
    {"error_code":422,"message":"The value of record 0 has a number of more than 1100 digits, at byte 6; send it as text."}
    422 content-type: application/problem+json
    {"type":"urn:pinflow:problem:invalid-request","title":"The body has another shape","status":422,"detail":"`Data` has a number of more than 1100 digits, at byte 9; send it as text.","request_id":"r-1"}
    "#);
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
