//! The three wire formats: a body → the entries that go on the stream, and what became of them → the answer.
//!
//! A body whose frame can be read is taken record by record: one that is no row gets an error of its own.

mod kafka;
mod kinesis;
mod native;

pub(crate) use native::stored;

use event_model::Kind;
use lambda_http::Body;
use lambda_http::http::Response;

use crate::producer::Outcome;
use crate::request::{self, MediaType, Parsed};
use crate::response::Problem;
use crate::route::Wire;

/// Reads the entries of a request; `kind` is what its path declares.
pub(crate) fn entries(
    wire: Wire,
    kind: Option<Kind>,
    media_type: MediaType,
    body: &[u8],
) -> Result<Vec<Parsed<'_>>, Problem> {
    let text = request::text(body)?;
    match wire {
        Wire::KinesisRecord => Ok(vec![kinesis::record(text, kind)]),
        Wire::KinesisRecords => kinesis::records(text, kind),
        Wire::Kafka => kafka::records(text, kind),
        Wire::Native if media_type == MediaType::NdJson => native::lines(text, kind),
        Wire::Native => native::rows(text, kind),
    }
}

/// Returns the answer to a request whose records were all tried.
pub(crate) fn answer(wire: Wire, outcomes: &[Outcome], request_id: &str) -> Response<Body> {
    match wire {
        Wire::KinesisRecord => kinesis::answer_record(outcomes, request_id),
        Wire::KinesisRecords => kinesis::answer_records(outcomes, request_id),
        Wire::Kafka => kafka::answer(outcomes, request_id),
        Wire::Native => native::answer(outcomes, request_id),
    }
}
