//! The API's answers: what became of each row, or what is wrong with the whole request.

use event_model::Position;
use reqwest::StatusCode;
use serde::Deserialize;

use crate::Wire;

/// What became of one row of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RowAnswer {
    /// The stream has it, here.
    Accepted(Position),
    /// The stream does not have it.
    Failed {
        is_retryable: bool,
        /// Why, as the API says.
        detail: String,
    },
}

/// Reads the answer to a request of `rows` rows; `None` when it does not tell about each of them.
pub(crate) fn read_rows(wire: Wire, rows: usize, body: &[u8]) -> Option<Vec<RowAnswer>> {
    let answers: Vec<RowAnswer> = match wire {
        Wire::Kinesis if rows == 1 => {
            let record: KinesisRecord = serde_json::from_slice(body).ok()?;
            vec![record.answer()?]
        }
        Wire::Kinesis => {
            let answer: KinesisAnswer = serde_json::from_slice(body).ok()?;
            answer
                .records
                .into_iter()
                .map(KinesisRecord::answer)
                .collect::<Option<_>>()?
        }
        Wire::Kafka => {
            let answer: KafkaAnswer = serde_json::from_slice(body).ok()?;
            answer
                .offsets
                .into_iter()
                .map(KafkaOffset::answer)
                .collect::<Option<_>>()?
        }
        Wire::Events => {
            let answer: EventsAnswer = serde_json::from_slice(body).ok()?;
            answer
                .results
                .into_iter()
                .map(EventResult::answer)
                .collect()
        }
    };
    (answers.len() == rows).then_some(answers)
}

/// Returns whether a request that got this status may succeed when it is sent again.
pub(crate) fn is_retryable(status: StatusCode) -> bool {
    status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
}

/// Returns what the body of an error says: the problem's detail, or the message of Kafka REST and of API Gateway.
///
/// It becomes a part of a sentence, so the full stop at its end is left out.
pub(crate) fn detail(body: &[u8]) -> String {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let detail = problem.detail.or(problem.message).or(problem.title);
    let detail = detail.as_deref().map(|detail| detail.trim_end_matches('.'));
    detail.map_or_else(|| excerpt(body), str::to_owned)
}

/// Longest excerpt of a body that is none of the API's.
const EXCERPT_CHARS: usize = 200;

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    let mut excerpt: String = text.chars().take(EXCERPT_CHARS).collect();
    if excerpt.is_empty() {
        "no body".clone_into(&mut excerpt);
    } else if excerpt.len() < text.len() {
        excerpt.push('…');
    }
    excerpt
}

#[derive(Default, Deserialize)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KinesisAnswer {
    records: Vec<KinesisRecord>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KinesisRecord {
    shard_id: Option<String>,
    sequence_number: Option<String>,
    error_code: Option<String>,
    error_message: Option<String>,
}

impl KinesisRecord {
    fn answer(self) -> Option<RowAnswer> {
        let Some(code) = self.error_code else {
            return Some(RowAnswer::Accepted(Position::new(
                self.shard_id?,
                self.sequence_number?,
            )));
        };
        Some(RowAnswer::Failed {
            is_retryable: !PERMANENT_CODES.contains(&code.as_str()),
            detail: match self.error_message {
                Some(message) => format!("{code}: {message}"),
                None => code,
            },
        })
    }
}

/// Error codes of a record that fails each time; all that Kinesis itself gives a record pass.
const PERMANENT_CODES: [&str; 4] = [
    "InvalidArgumentException",
    "ValidationException",
    "SerializationException",
    "InvalidData",
];

#[derive(Deserialize)]
struct KafkaAnswer {
    offsets: Vec<KafkaOffset>,
}

#[derive(Deserialize)]
struct KafkaOffset {
    partition: Option<i64>,
    offset: Option<i64>,
    error_code: Option<i64>,
    error: Option<String>,
    shard: Option<String>,
    sequence_number: Option<String>,
}

/// Kafka REST's code for a record whose failure may pass.
const RETRYABLE_KAFKA_ERROR: i64 = 50003;

impl KafkaOffset {
    fn answer(self) -> Option<RowAnswer> {
        if let Some(code) = self.error_code {
            return Some(RowAnswer::Failed {
                is_retryable: code == RETRYABLE_KAFKA_ERROR,
                detail: format!("{code}: {}", self.error.unwrap_or_default()),
            });
        }
        // A real Kafka REST proxy knows no shards.
        let shard = self.shard.or_else(|| Some(self.partition?.to_string()))?;
        let sequence = self
            .sequence_number
            .or_else(|| Some(self.offset?.to_string()))?;
        Some(RowAnswer::Accepted(Position::new(shard, sequence)))
    }
}

#[derive(Deserialize)]
struct EventsAnswer {
    results: Vec<EventResult>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum EventResult {
    Accepted {
        shard: String,
        sequence_number: String,
    },
    Failed {
        error: String,
        retryable: bool,
    },
}

impl EventResult {
    fn answer(self) -> RowAnswer {
        match self {
            Self::Accepted {
                shard,
                sequence_number,
            } => RowAnswer::Accepted(Position::new(shard, sequence_number)),
            Self::Failed { error, retryable } => RowAnswer::Failed {
                is_retryable: retryable,
                detail: error,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            read_rows(Wire::Kinesis, 1, one),
            Some(vec![accepted("shardId-000000000000", "495")])
        );
        let more = br#"{"FailedRecordCount":2,"Records":[
            {"SequenceNumber":"7","ShardId":"s"},
            {"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"slow down"},
            {"ErrorCode":"InvalidArgumentException"}]}"#;
        assert_eq!(
            read_rows(Wire::Kinesis, 3, more),
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
            read_rows(Wire::Kafka, 4, body),
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
            read_rows(Wire::Events, 2, body),
            Some(vec![accepted("s", "7"), failed(false, "not an object")])
        );
    }

    #[test]
    fn an_answer_that_does_not_tell_about_each_row_is_none() {
        let one = br#"{"results":[{"shard":"s","sequence_number":"7"}]}"#;
        assert_eq!(read_rows(Wire::Events, 2, one), None);
        assert_eq!(read_rows(Wire::Kinesis, 1, b"{}"), None);
        assert_eq!(
            read_rows(Wire::Kafka, 1, br#"{"offsets":[{"partition":1}]}"#),
            None
        );
        assert_eq!(read_rows(Wire::Kinesis, 2, b"<html>"), None);
    }

    #[test]
    fn the_detail_of_an_error_is_found_in_each_shape() {
        for (body, expected) in [
            (
                r#"{"type":"about:blank","title":"Not found","status":404,"detail":"No such path."}"#,
                "No such path",
            ),
            (
                r#"{"error_code":40401,"message":"unknown topic"}"#,
                "unknown topic",
            ),
            (r#"{"message":"Too Many Requests"}"#, "Too Many Requests"),
            (r#"{"title":"Not found"}"#, "Not found"),
            (" <h1>It works!</h1>\n", "<h1>It works!</h1>"),
            ("", "no body"),
        ] {
            assert_eq!(detail(body.as_bytes()), expected);
        }
        assert_eq!(detail(&[b'x'; 300]).chars().count(), EXCERPT_CHARS + 1);
    }
}
