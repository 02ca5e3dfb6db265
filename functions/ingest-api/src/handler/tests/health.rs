//! The health, and who may ask how the stream is.

use aws_sdk_kinesis::operation::describe_stream_summary::DescribeStreamSummaryOutput;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::StreamDescriptionSummary;

use super::*;

/// A stream in a state.
fn described(status: &StreamStatus) -> Rule {
    let status = status.clone();
    mock!(Client::describe_stream_summary).then_output(move || {
        let summary = StreamDescriptionSummary::builder()
            .stream_name("events")
            .stream_arn("arn:aws:kinesis:us-east-1:0:stream/events")
            .stream_status(status.clone())
            .retention_period_hours(24)
            .stream_creation_timestamp(DateTime::from_secs(0))
            .set_enhanced_monitoring(Some(Vec::new()))
            .open_shard_count(1)
            .build()
            .unwrap();
        DescribeStreamSummaryOutput::builder()
            .stream_description_summary(summary)
            .build()
    })
}

fn deep() -> Request {
    let query = std::collections::HashMap::from([("deep".to_owned(), "1".to_owned())]);
    request("GET", "/health", "", "").with_query_string_parameters(query)
}

async fn status(app: &App, request: Request) -> u16 {
    send(app, request).await.status
}

#[tokio::test(start_paused = true)]
async fn only_a_stream_that_takes_records_is_well() {
    for (state, expected) in [
        (StreamStatus::Active, 200),
        (StreamStatus::Updating, 200),
        (StreamStatus::Deleting, 503),
        (StreamStatus::Creating, 503),
    ] {
        assert_eq!(
            status(&app(&[&described(&state)]), deep()).await,
            expected,
            "{state}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_stream_is_asked_once_in_five_seconds_however_many_ask() {
    let rule = described(&StreamStatus::Active);
    let app = app(&[&rule]);
    for _ in 0..50 {
        assert_eq!(status(&app, deep()).await, 200);
    }
    assert_eq!(rule.num_calls(), 1);
    tokio::time::advance(DESCRIBE_EVERY).await;
    assert_eq!(status(&app, deep()).await, 200);
    assert_eq!(rule.num_calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_may_not_post_does_not_reach_the_stream() {
    let rule = described(&StreamStatus::Active);
    let key = "0123456789abcdef";
    let with_keys = app(&[&rule]).with_api_keys(ApiKeys::parse(key).unwrap());
    assert_eq!(status(&with_keys, deep()).await, 401);
    assert_eq!(
        status(&with_keys, request("GET", "/health", "", "")).await,
        200
    );
    // Where API Gateway asks for tokens, the health's route is open to all.
    let mut behind_tokens = app(&[&rule]);
    behind_tokens.config.deep_health = false;
    assert_eq!(status(&behind_tokens, deep()).await, 401);
    assert_eq!(rule.num_calls(), 0);
}
