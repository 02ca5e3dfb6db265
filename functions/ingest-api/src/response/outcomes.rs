//! What became of each record → the answer of each wire.

use event_model::Position;
use event_model::{SequenceNumber, ShardId};
use lambda_http::Body;
use lambda_http::http::{Response, StatusCode};
use serde::Serialize;

use super::{KAFKA_JSON, Problem, ProblemKind, json, with_type};
use crate::producer::{Failure, Outcome};
use crate::route::Wire;

/// Kafka REST's code for a failure that may be retried.
const KAFKA_RETRYABLE: u32 = 50003;
/// Kafka REST's code for a failure that stays one.
const KAFKA_FINAL: u32 = 50002;

/// Returns the answer to a request whose records were all tried.
pub(crate) fn of_outcomes(wire: Wire, outcomes: &[Outcome], request_id: &str) -> Response<Body> {
    let problem = common_failure(outcomes)
        .map(|failure| Problem::new(problem_kind(failure, wire), failure.message()));
    match wire {
        Wire::KinesisRecord => match (outcomes.first(), problem) {
            (Some(Ok(position)), _) => json(StatusCode::OK, &KinesisPosition::of(position)),
            (_, Some(problem)) => problem.response(wire, request_id),
            // One record was put, so there is one outcome; had there been none, nothing would be stored.
            (_, None) => Problem::new(ProblemKind::StreamUnavailable, Failure::Internal.message())
                .response(wire, request_id),
        },
        Wire::KinesisRecords => {
            answer(outcomes, problem, request_id, &KinesisResults::of(outcomes))
        }
        Wire::Native => answer(outcomes, problem, request_id, &NativeResults::of(outcomes)),
        Wire::Kafka => match problem {
            Some(problem) if is_of_the_stream(outcomes) => problem.response(wire, request_id),
            _ => {
                let status = if all_failed(outcomes) {
                    StatusCode::SERVICE_UNAVAILABLE
                } else {
                    StatusCode::OK
                };
                with_type(status, KAFKA_JSON, &KafkaResults::of(outcomes))
            }
        },
    }
}

fn answer(
    outcomes: &[Outcome],
    problem: Option<Problem>,
    request_id: &str,
    results: &(impl Serialize + Partial),
) -> Response<Body> {
    match problem {
        // A client that is told to wait still sees its records, one by one.
        Some(problem) if problem.kind == ProblemKind::Throttled => {
            problem.response_with(request_id, results)
        }
        _ if all_failed(outcomes) => json(StatusCode::SERVICE_UNAVAILABLE, results),
        _ if outcomes.iter().any(Result::is_err) => json(results.partial_status(), results),
        _ => json(StatusCode::OK, results),
    }
}

fn all_failed(outcomes: &[Outcome]) -> bool {
    outcomes.iter().all(Result::is_err)
}

/// Returns the failure that every record had.
fn common_failure(outcomes: &[Outcome]) -> Option<Failure> {
    let first = outcomes.first()?.as_ref().err()?;
    outcomes
        .iter()
        .all(|outcome| outcome.as_ref().err() == Some(first))
        .then_some(*first)
}

/// Returns whether the stream answered for no record at all, so that there is nothing to tell of single records.
fn is_of_the_stream(outcomes: &[Outcome]) -> bool {
    outcomes.iter().all(|outcome| {
        matches!(
            outcome,
            Err(Failure::Unreachable | Failure::Forbidden | Failure::TimedOut)
        )
    })
}

fn problem_kind(failure: Failure, wire: Wire) -> ProblemKind {
    match failure {
        Failure::Throttled => ProblemKind::Throttled,
        // A Kinesis or native client takes 408 for its own slowness; only Kafka REST has a code for the stream's.
        Failure::TimedOut if wire == Wire::Kafka => ProblemKind::Timeout,
        _ => ProblemKind::StreamUnavailable,
    }
}

/// Tells the status of an answer in which some records failed.
trait Partial {
    fn partial_status(&self) -> StatusCode;
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KinesisPosition<'a> {
    shard_id: &'a str,
    sequence_number: &'a str,
}

impl<'a> KinesisPosition<'a> {
    fn of(position: &'a Position) -> Self {
        Self {
            shard_id: &position.shard,
            sequence_number: &position.sequence,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KinesisResults<'a> {
    failed_record_count: usize,
    records: Vec<KinesisResult<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum KinesisResult<'a> {
    Stored(KinesisPosition<'a>),
    #[serde(rename_all = "PascalCase")]
    Failed {
        error_code: &'a str,
        error_message: &'a str,
    },
}

impl<'a> KinesisResults<'a> {
    fn of(outcomes: &'a [Outcome]) -> Self {
        let result = |outcome: &'a Outcome| match outcome {
            Ok(position) => KinesisResult::Stored(KinesisPosition::of(position)),
            Err(failure) => KinesisResult::Failed {
                error_code: failure.code(),
                error_message: failure.message(),
            },
        };
        Self {
            failed_record_count: failed(outcomes),
            records: outcomes.iter().map(result).collect(),
        }
    }
}

impl Partial for KinesisResults<'_> {
    fn partial_status(&self) -> StatusCode {
        StatusCode::OK
    }
}

#[derive(Serialize)]
struct NativeResults<'a> {
    accepted: usize,
    failed: usize,
    results: Vec<NativeResult<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum NativeResult<'a> {
    Stored {
        shard: &'a str,
        sequence_number: &'a str,
    },
    Failed {
        error: &'a str,
        retryable: bool,
    },
}

impl<'a> NativeResults<'a> {
    fn of(outcomes: &'a [Outcome]) -> Self {
        let result = |outcome: &'a Outcome| match outcome {
            Ok(Position {
                shard,
                sequence: sequence_number,
            }) => NativeResult::Stored {
                shard,
                sequence_number,
            },
            Err(failure) => NativeResult::Failed {
                error: failure.message(),
                retryable: failure.is_retryable(),
            },
        };
        let failed = failed(outcomes);
        Self {
            accepted: outcomes.len() - failed,
            failed,
            results: outcomes.iter().map(result).collect(),
        }
    }
}

impl Partial for NativeResults<'_> {
    fn partial_status(&self) -> StatusCode {
        StatusCode::MULTI_STATUS
    }
}

fn failed(outcomes: &[Outcome]) -> usize {
    outcomes.iter().filter(|outcome| outcome.is_err()).count()
}

#[derive(Serialize)]
struct KafkaResults<'a> {
    offsets: Vec<KafkaOffset<'a>>,
    key_schema_id: Option<u32>,
    value_schema_id: Option<u32>,
}

/// One record's place as Kafka clients know it; the real one stands in two fields of our own.
#[derive(Default, Serialize)]
struct KafkaOffset<'a> {
    partition: Option<u32>,
    offset: Option<i64>,
    error_code: Option<u32>,
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<&'a str>,
}

impl<'a> KafkaResults<'a> {
    fn of(outcomes: &'a [Outcome]) -> Self {
        let offset = |outcome: &'a Outcome| match outcome {
            Ok(position) => KafkaOffset {
                partition: position
                    .shard
                    .parse()
                    .ok()
                    .map(|shard: ShardId| shard.number()),
                offset: position.sequence.parse().ok().map(SequenceNumber::offset),
                shard: Some(&position.shard),
                sequence_number: Some(&position.sequence),
                ..KafkaOffset::default()
            },
            Err(failure) => KafkaOffset {
                error_code: Some(if failure.is_retryable() {
                    KAFKA_RETRYABLE
                } else {
                    KAFKA_FINAL
                }),
                error: Some(failure.message()),
                ..KafkaOffset::default()
            },
        };
        Self {
            offsets: outcomes.iter().map(offset).collect(),
            key_schema_id: None,
            value_schema_id: None,
        }
    }
}
