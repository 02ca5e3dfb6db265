//! A quarantined record through the present rules.

use std::convert::Infallible;

use cleaning::{Cleaner, KindSource, Piece, Rejection, Row, clean_record};
use event_model::SubNumber;
use lake::{LakeError, Origin, Sequence};

/// Cleans a record as stream-cleaner does, and hands its rows to `each`. It passes whole or not at all: of a record of
/// several rows, one that is rejected keeps the others.
///
/// # Errors
///
/// The first error of `each`.
pub(super) fn clean(
    cleaner: &mut Cleaner,
    origin: &Origin,
    partition_key: &str,
    payload: &[u8],
    source: KindSource,
    mut each: impl FnMut(Sequence, &Row<'_, '_>) -> Result<(), LakeError>,
) -> Result<Result<(), Rejection>, LakeError> {
    let at = origin.sequence.sub_number;
    let first_rejection = pieces(cleaner, payload, partition_key, at, source, |piece| {
        piece.outcome.map(|_| ())
    });
    if let Err(rejection) = first_rejection {
        return Ok(Err(rejection));
    }
    pieces(cleaner, payload, partition_key, at, source, |piece| {
        let sequence = Sequence {
            number: origin.sequence.number,
            sub_number: piece.sub_number,
        };
        // None is rejected, as was seen above.
        piece.outcome.map_or(Ok(()), |row| each(sequence, &row))
    })
    .map(Ok)
}

/// Returns the places of a whole record's rows; none when the record is one row.
pub(super) fn places(cleaner: &mut Cleaner, payload: &[u8]) -> Vec<SubNumber> {
    let mut places = Vec::new();
    let Ok(()) = pieces(cleaner, payload, "", None, KindSource::Fields, |piece| {
        places.extend(piece.sub_number);
        Ok::<(), Infallible>(())
    });
    places
}

fn pieces<E>(
    cleaner: &mut Cleaner,
    payload: &[u8],
    partition_key: &str,
    at: Option<SubNumber>,
    source: KindSource,
    mut each: impl FnMut(Piece<'_, '_>) -> Result<(), E>,
) -> Result<(), E> {
    clean_record(cleaner, payload, partition_key, at, source, &mut each)
}
