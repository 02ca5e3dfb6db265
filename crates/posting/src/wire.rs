//! The three wire formats: rows → a request, and its answer → what became of each row. A row's bytes go into the body as
//! they are.

mod events;
mod kafka;
mod kinesis;

use std::fmt;

use bytes::Bytes;
use event_model::Kind;
use reqwest::Method;

use crate::answer::RowAnswer;

/// The wire format of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// `PUT /streams/{stream}/record` and `/records`, as through the Kinesis proxy.
    Kinesis,
    /// `POST /topics/{topic}`, as to a Kafka REST proxy.
    Kafka,
    /// `POST /events/{kind}`, the API's own.
    Events,
}

impl fmt::Display for Wire {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Kinesis => "kinesis",
            Self::Kafka => "kafka",
            Self::Events => "events",
        })
    }
}

/// A request to the API.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WireRequest {
    pub(crate) method: Method,
    /// What follows the base URL.
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
}

/// Puts rows of one kind into one request.
pub(crate) fn request(wire: Wire, kind: Kind, rows: &[Bytes]) -> WireRequest {
    match wire {
        Wire::Kinesis => kinesis::request(kind, rows),
        Wire::Kafka => kafka::request(kind, rows),
        Wire::Events => events::request(kind, rows),
    }
}

/// Returns a media type of a wire's JSON that API Gateway does not take for text: what is not UTF-8 in a text it may replace.
pub(crate) fn binary_type(wire: Wire) -> &'static str {
    match wire {
        Wire::Kinesis => "application/x-amz-json-1.1",
        Wire::Kafka => "application/vnd.kafka.json.v2+json",
        Wire::Events => "application/vnd.pinflow.rows+json",
    }
}

/// Reads the answer to a request of `rows` rows; `None` when it does not say what became of each of them.
pub(crate) fn answers(wire: Wire, rows: usize, body: &[u8]) -> Option<Vec<RowAnswer>> {
    let answers = match wire {
        Wire::Kinesis => kinesis::answers(rows, body),
        Wire::Kafka => kafka::answers(body),
        Wire::Events => events::answers(body),
    }?;
    (answers.len() == rows).then_some(answers)
}

fn body(head: &str, rows: &[Bytes], before: &str, after: &str, tail: &str) -> Bytes {
    let around = before.len() + after.len() + 1;
    let length: usize = rows.iter().map(|row| row.len() + around).sum();
    let mut body = Vec::with_capacity(head.len() + length + tail.len());
    body.extend_from_slice(head.as_bytes());
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(before.as_bytes());
        body.extend_from_slice(row);
        body.extend_from_slice(after.as_bytes());
    }
    body.extend_from_slice(tail.as_bytes());
    body.into()
}

#[cfg(test)]
mod tests {
    use event_model::Position;

    use super::*;

    const ROWS: [Bytes; 2] = [
        Bytes::from_static(b"{\"ind\": 1.0, \"x\": 1e400}"),
        Bytes::from_static(b"{\"ind\":\"2\"}"),
    ];

    fn shown(wire: Wire, kind: Kind, count: usize) -> String {
        let request = request(wire, kind, &ROWS[..count]);
        let body = str::from_utf8(&request.body).unwrap();
        format!(
            "{} {}\n{}\n\n{body}",
            request.method, request.path, request.content_type
        )
    }

    #[test]
    fn one_row_goes_through_the_kinesis_proxy_as_the_script_posts_it() {
        insta::assert_snapshot!(shown(Wire::Kinesis, Kind::named("pin"), 1), @r#"
        PUT /streams/streaming-pinflow-pin/record
        application/json

        {"StreamName":"streaming-pinflow-pin","Data":{"ind": 1.0, "x": 1e400},"PartitionKey":"pin"}
        "#);
    }

    #[test]
    fn more_rows_go_through_the_kinesis_proxy_in_one_request() {
        insta::assert_snapshot!(shown(Wire::Kinesis, Kind::named("geo"), 2), @r#"
        PUT /streams/streaming-pinflow-geo/records
        application/json

        {"records":[{"data":{"ind": 1.0, "x": 1e400},"partition-key":"geo"},{"data":{"ind":"2"},"partition-key":"geo"}]}
        "#);
    }

    #[test]
    fn rows_go_to_the_kafka_rest_proxy() {
        insta::assert_snapshot!(shown(Wire::Kafka, Kind::named("user"), 2), @r#"
        POST /topics/pinflow.user
        application/vnd.kafka.json.v2+json

        {"records":[{"value":{"ind": 1.0, "x": 1e400}},{"value":{"ind":"2"}}]}
        "#);
    }

    #[test]
    fn rows_go_to_the_apis_own_route() {
        insta::assert_snapshot!(shown(Wire::Events, Kind::named("pin"), 2), @r#"
        POST /events/pin
        application/json

        [{"ind": 1.0, "x": 1e400},{"ind":"2"}]
        "#);
    }

    fn accepted(shard: &str, sequence: &str) -> RowAnswer {
        RowAnswer::Accepted(Position::new(shard, sequence))
    }

    fn failed(is_retryable: bool, detail: &str) -> RowAnswer {
        RowAnswer::Failed {
            is_retryable,
            detail: detail.to_owned(),
        }
    }

    #[test]
    fn the_answers_of_the_kinesis_proxy_are_read() {
        let one = br#"{"ShardId":"shardId-000000000000","SequenceNumber":"495"}"#;
        assert_eq!(
            answers(Wire::Kinesis, 1, one),
            Some(vec![accepted("shardId-000000000000", "495")])
        );
        let more = br#"{"FailedRecordCount":2,"Records":[
            {"SequenceNumber":"7","ShardId":"s"},
            {"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"slow down"},
            {"ErrorCode":"InvalidArgumentException"}]}"#;
        assert_eq!(
            answers(Wire::Kinesis, 3, more),
            Some(vec![
                accepted("s", "7"),
                failed(true, "ProvisionedThroughputExceededException: slow down"),
                failed(false, "InvalidArgumentException"),
            ])
        );
    }

    #[test]
    fn the_answer_of_the_kafka_route_is_read() {
        let body = br#"{"offsets":[
            {"partition":1,"offset":23,"error_code":null,"error":null,"shard":"s","sequence_number":"7"},
            {"partition":1,"offset":24,"error_code":null,"error":null},
            {"partition":null,"offset":null,"error_code":50003,"error":"later"},
            {"partition":null,"offset":null,"error_code":50002,"error":"never"}],"key_schema_id":null}"#;
        assert_eq!(
            answers(Wire::Kafka, 4, body),
            Some(vec![
                accepted("s", "7"),
                accepted("1", "24"),
                failed(true, "50003: later"),
                failed(false, "50002: never"),
            ])
        );
    }

    #[test]
    fn the_answer_of_the_apis_own_route_is_read() {
        let body = br#"{"accepted":1,"failed":1,"results":[
            {"shard":"s","sequence_number":"7"},{"error":"not an object","retryable":false}]}"#;
        assert_eq!(
            answers(Wire::Events, 2, body),
            Some(vec![accepted("s", "7"), failed(false, "not an object")])
        );
    }

    #[test]
    fn an_answer_that_does_not_tell_about_each_row_is_none() {
        let one = br#"{"results":[{"shard":"s","sequence_number":"7"}]}"#;
        assert_eq!(answers(Wire::Events, 2, one), None);
        assert_eq!(answers(Wire::Kinesis, 1, b"{}"), None);
        assert_eq!(
            answers(Wire::Kafka, 1, br#"{"offsets":[{"partition":1}]}"#),
            None
        );
        assert_eq!(answers(Wire::Kinesis, 2, b"<html>"), None);
    }
}
