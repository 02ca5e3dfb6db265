use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event_model::Kind;
use event_model::Position;
use serde_json::{Value, json};

use crate::support::{TestStack, position};

const KAFKA: &str = "application/vnd.kafka.json.v2+json";

fn pin(index: i64) -> Value {
    json!({"index": index, "title": "Caf\u{e9} \u{1f319}", "category": "art"})
}

/// Sends one request of an old client and returns the position that it was acknowledged with.
async fn put(stack: &TestStack, path: &str, body: Value) -> Position {
    let answer = stack
        .send("PUT", path, "application/json", body.to_string())
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let record = if path.ends_with('s') {
        &answer.body["Records"][0]
    } else {
        &answer.body
    };
    position(&record["ShardId"], &record["SequenceNumber"])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_the_kinesis_proxy_ends_in_a_clean_row() {
    let stack = TestStack::start().await;
    let record = "/streams/Kinesis-Prod-Stream/record";
    let records = "/streams/streaming-abc-pin/records";
    let text = pin(2).to_string();
    let base64 = STANDARD.encode(pin(3).to_string());
    let mut accepted = Vec::new();
    for (path, body) in [
        (
            record,
            json!({"StreamName": "other", "Data": pin(1), "PartitionKey": "pinterest_data"}),
        ),
        (
            record,
            json!({"StreamName": "Kinesis-Prod-Stream", "Data": text, "PartitionKey": "abc.pin"}),
        ),
        (record, json!({"Data": base64, "PartitionKey": "pin"})),
        (
            records,
            json!({"records": [{"data": pin(4), "partition-key": "any"}]}),
        ),
        (
            records,
            json!({"Records": [{"Data": pin(5), "PartitionKey": "any"}]}),
        ),
    ] {
        accepted.push(put(&stack, path, body).await);
    }
    stack.drain().await;
    let lake = stack.lake();
    assert_eq!(lake.clean.keys().collect::<Vec<_>>(), [&Kind::named("pin")]);
    assert_eq!(
        lake.clean_positions().into_iter().collect::<BTreeSet<_>>(),
        accepted.into_iter().collect()
    );
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kafka_rest_proxy_ends_in_a_clean_row_and_offsets_grow() {
    let stack = TestStack::start().await;
    let mut offsets = Vec::new();
    for _ in 0..3 {
        let body =
            json!({"records": [{"value": pin(1)}, {"key": "k", "value": pin(1)}]}).to_string();
        let answer = stack.send("POST", "/topics/abc.pin", KAFKA, body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        for offset in answer.body["offsets"].as_array().unwrap() {
            assert_eq!(
                (&offset["error_code"], &offset["error"]),
                (&Value::Null, &Value::Null)
            );
            offsets.push(offset["offset"].as_i64().unwrap());
        }
    }
    assert!(
        offsets.is_sorted_by(|left, right| left < right),
        "{offsets:?}"
    );
    stack.drain().await;
    assert_eq!(stack.lake().clean[&Kind::named("pin")].len(), 6);
    stack.stop().await;
}
