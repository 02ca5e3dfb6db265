//! Rows → a request in one of the three wire formats. A row's bytes go into the body as they are.

use std::fmt;

use bytes::Bytes;
use event_model::Kind;
use reqwest::Method;

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
        Wire::Kinesis => kinesis(kind, rows),
        Wire::Kafka => WireRequest {
            method: Method::POST,
            path: format!("/topics/pinflow.{kind}"),
            content_type: "application/vnd.kafka.json.v2+json",
            body: body("{\"records\":[", rows, "{\"value\":", "}", "]}"),
        },
        Wire::Events => WireRequest {
            method: Method::POST,
            path: format!("/events/{kind}"),
            content_type: "application/json",
            body: body("[", rows, "", "", "]"),
        },
    }
}

/// One row as the posting script puts it, more than one as `PutRecords` of the proxy.
fn kinesis(kind: Kind, rows: &[Bytes]) -> WireRequest {
    let stream = format!("streaming-pinflow-{kind}");
    let (operation, body) = if let [_] = rows {
        let head = format!("{{\"StreamName\":\"{stream}\",");
        let tail = format!(",\"PartitionKey\":\"{kind}\"}}");
        ("record", body(&head, rows, "\"Data\":", "", &tail))
    } else {
        let after = format!(",\"partition-key\":\"{kind}\"}}");
        (
            "records",
            body("{\"records\":[", rows, "{\"data\":", &after, "]}"),
        )
    };
    WireRequest {
        method: Method::PUT,
        path: format!("/streams/{stream}/{operation}"),
        content_type: "application/json",
        body,
    }
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
        insta::assert_snapshot!(shown(Wire::Kinesis, Kind::Pin, 1), @r#"
        PUT /streams/streaming-pinflow-pin/record
        application/json

        {"StreamName":"streaming-pinflow-pin","Data":{"ind": 1.0, "x": 1e400},"PartitionKey":"pin"}
        "#);
    }

    #[test]
    fn more_rows_go_through_the_kinesis_proxy_in_one_request() {
        insta::assert_snapshot!(shown(Wire::Kinesis, Kind::Geo, 2), @r#"
        PUT /streams/streaming-pinflow-geo/records
        application/json

        {"records":[{"data":{"ind": 1.0, "x": 1e400},"partition-key":"geo"},{"data":{"ind":"2"},"partition-key":"geo"}]}
        "#);
    }

    #[test]
    fn rows_go_to_the_kafka_rest_proxy() {
        insta::assert_snapshot!(shown(Wire::Kafka, Kind::User, 2), @r#"
        POST /topics/pinflow.user
        application/vnd.kafka.json.v2+json

        {"records":[{"value":{"ind": 1.0, "x": 1e400}},{"value":{"ind":"2"}}]}
        "#);
    }

    #[test]
    fn rows_go_to_the_apis_own_route() {
        insta::assert_snapshot!(shown(Wire::Events, Kind::Pin, 2), @r#"
        POST /events/pin
        application/json

        [{"ind": 1.0, "x": 1e400},{"ind":"2"}]
        "#);
    }
}
