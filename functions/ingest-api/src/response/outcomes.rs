//! What became of the records of a request, and the status that follows from it.

use lambda_http::Body;
use lambda_http::http::{Response, StatusCode};
use serde::Serialize;

use super::{Problem, ProblemKind, json};
use crate::producer::{Failure, Outcome};
use crate::route::Wire;

/// Returns the problem that every record had which was tried.
pub(crate) fn common_problem(wire: Wire, outcomes: &[Outcome]) -> Option<Problem> {
    let failure = common_failure(outcomes)?;
    Some(Problem::new(problem_kind(failure, wire), failure.message()))
}

/// Returns the answer that lists the outcome of each record.
pub(crate) fn answer(
    outcomes: &[Outcome],
    problem: Option<Problem>,
    request_id: &str,
    results: &(impl Serialize + Partial),
) -> Response<Body> {
    match problem {
        // A client that has to wait still sees its records, one by one.
        Some(problem) if problem.kind == ProblemKind::Throttled => {
            problem.response_with(request_id, results)
        }
        _ if all_failed(outcomes) => json(StatusCode::SERVICE_UNAVAILABLE, results),
        _ if outcomes.iter().any(Result::is_err) => json(results.partial_status(), results),
        _ => json(StatusCode::OK, results),
    }
}

pub(crate) fn all_failed(outcomes: &[Outcome]) -> bool {
    outcomes.iter().all(Result::is_err)
}

/// Returns the failure that every record had, but for those that never went to the stream.
fn common_failure(outcomes: &[Outcome]) -> Option<&Failure> {
    let mut tried = outcomes
        .iter()
        .filter(|outcome| !matches!(outcome, Err(Failure::Invalid(_))));
    let first = tried.next()?.as_ref().err()?;
    tried
        .all(|outcome| outcome.as_ref().err() == Some(first))
        .then_some(first)
}

fn problem_kind(failure: &Failure, wire: Wire) -> ProblemKind {
    match failure {
        Failure::Throttled => ProblemKind::Throttled,
        // A Kinesis or native client takes 408 for its own slowness; only Kafka REST has a code for the stream's.
        Failure::TimedOut if wire == Wire::Kafka => ProblemKind::Timeout,
        _ => ProblemKind::StreamUnavailable,
    }
}

/// The status of an answer in which some records failed.
pub(crate) trait Partial {
    fn partial_status(&self) -> StatusCode;
}

pub(crate) fn failed(outcomes: &[Outcome]) -> usize {
    outcomes.iter().filter(|outcome| outcome.is_err()).count()
}
