//! The three wire formats: a body → the entries that go on the stream, and what became of them → the answer.
//!
//! A body whose frame can be read is taken record by record: one that is no row gets an error of its own.

mod kafka;
mod kinesis;
mod native;

pub(crate) use native::stored;

use lambda_http::Body;
use lambda_http::http::Response;

use crate::producer::Outcome;
use crate::request::row::Rows;
use crate::request::{self, MediaType, Parsed};
use crate::response::Problem;
use crate::route::Wire;

/// Reads the entries of a request; `rows` says what its rows may be.
pub(crate) fn entries<'b>(
    wire: Wire,
    rows: Rows<'_>,
    media_type: MediaType,
    body: &'b [u8],
) -> Result<Vec<Parsed<'b>>, Problem> {
    let text = request::text(body)?;
    match wire {
        Wire::KinesisRecord => Ok(vec![kinesis::record(text, rows)]),
        Wire::KinesisRecords => kinesis::records(text, rows),
        Wire::Kafka => kafka::records(text, rows),
        Wire::Native if media_type == MediaType::NdJson => native::lines(text, rows),
        Wire::Native => native::rows(text, rows),
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
