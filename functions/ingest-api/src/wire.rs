//! The three wire formats: a body → the entries that go on the stream, and what became of them → the answer.
//!
//! A body is taken whole or refused whole: nothing of a refused one is stored.

mod kafka;
mod kinesis;
mod native;

use event_model::Kind;
use lambda_http::Body;
use lambda_http::http::{HeaderMap, Response};

use crate::producer::Outcome;
use crate::request::{self, Entry, MediaType};
use crate::response::Problem;
use crate::route::Wire;

/// Reads the entries of a request; `kind` is what its path declares.
pub(crate) fn entries<'a>(
    wire: Wire,
    kind: Option<Kind>,
    headers: &HeaderMap,
    body: &'a [u8],
) -> Result<Vec<Entry<'a>>, Problem> {
    let media_type = request::media_type(wire, headers)?;
    let text = request::text(body)?;
    match wire {
        Wire::KinesisRecord => kinesis::record(text, kind).map(|entry| vec![entry]),
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
