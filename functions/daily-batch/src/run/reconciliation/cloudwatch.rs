//! How many records the stream took, as CloudWatch counts them.

use anyhow::{Context as _, ensure};
use aws_request::AwsRequest;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

/// Periods that are asked for, in seconds. CloudWatch keeps sums of an hour for 455 days, and those of a minute for 15
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html>).
pub(super) const HOUR: i64 = 3600;
pub(super) const MINUTE: i64 = 60;
/// Most points of one answer.
const MAX_POINTS: i64 = 1440;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    datapoints: Vec<Point>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Point {
    /// Seconds since 1970.
    timestamp: f64,
    sum: f64,
}

/// Returns the records that a stream took in each period from `start` to `end`, by the second at which it began. A period without records
/// has none.
pub(super) async fn incoming_records(
    aws: &AwsRequest,
    stream: &str,
    (start, end): (Timestamp, Timestamp),
    period: i64,
) -> anyhow::Result<Vec<(i64, u64)>> {
    let (mut from, end) = (start.as_second(), end.as_second());
    let mut records = Vec::new();
    while from < end {
        let until = end.min(from + MAX_POINTS * period);
        let body = json!({
            "Namespace": "AWS/Kinesis",
            "MetricName": "IncomingRecords",
            "Dimensions": [{"Name": "StreamName", "Value": stream}],
            "StartTime": from,
            "EndTime": until,
            "Period": period,
            "Statistics": ["Sum"],
        });
        let headers = [
            ("content-type", "application/x-amz-json-1.0"),
            (
                "x-amz-target",
                "GraniteServiceVersion20100801.GetMetricStatistics",
            ),
        ];
        let body = body.to_string().into_bytes();
        let answer = aws.post("monitoring", "/", &headers, body).await?;
        let text = || String::from_utf8_lossy(&answer.body).into_owned();
        ensure!(
            answer.status == 200,
            "CloudWatch answers {}: {}",
            answer.status,
            text()
        );
        let read: Answer = serde_json::from_slice(&answer.body)
            .with_context(|| format!("CloudWatch answers no statistics: {}", text()))?;
        for point in read.datapoints {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole numbers far below 2^53"
            )]
            let point = (point.timestamp as i64, point.sum.round() as u64);
            records.push(point);
        }
        from = until;
    }
    Ok(records)
}
