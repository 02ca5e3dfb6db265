//! The sample events of `events/ingest-api`.

use std::path::Path;
use std::sync::Arc;

use aws_sdk_kinesis::operation::describe_stream_summary::DescribeStreamSummaryOutput;
use aws_sdk_kinesis::types::{StreamDescriptionSummary, StreamStatus};

use super::*;

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
    events-gzip.json: 200 geo/7528
    events-ndjson.json: 200 pin/1 pin/2 pin/3
    events-row.json: 200 geo/7528
    health-deep.json: 200 
    health.json: 200 
    kafka-base64-body.json: 200 geo/7528
    kafka-odd-record.json: 200 pin/7528 pin/7530
    kafka-topic.json: 200 
    kafka-topics.json: 200 
    kafka-wrong-kind.json: 200 user/7528
    kafka.json: 200 pin/7528 pin/7529
    kinesis-record-base64.json: 200 user/7528
    kinesis-record-object.json: 200 pin/7528
    kinesis-record-text.json: 200 geo/7528
    kinesis-records-api-spelling.json: 200 geo/7528 user/7528
    kinesis-records.json: 200 pin/7528 pin/7529
    kinesis-stream.json: 200 
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
