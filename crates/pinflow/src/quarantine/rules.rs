//! A quarantined record through the present rules.

use std::borrow::Cow;

use cleaning::{Cleaned, Rejection};
use event_model::PartitionKey;
use lake::{Origin, Sequence};

/// A record, or a user record of an aggregate, that could be decoded.
#[derive(Debug)]
pub(super) struct Decoded<'a> {
    pub(super) sequence: Sequence,
    partition_key: &'a str,
    text: Cow<'a, str>,
}

/// Decodes a payload as stream-cleaner does; one is an aggregate if it was damaged when it was quarantined.
pub(super) fn decode<'a>(
    origin: &Origin,
    partition_key: &'a str,
    payload: &'a [u8],
) -> Result<Vec<Decoded<'a>>, Rejection> {
    let is_whole = origin.sequence.sub_number.is_none();
    let Some(user_records) = is_whole.then(|| kpl::read(payload)).flatten() else {
        return Ok(vec![Decoded {
            sequence: origin.sequence,
            partition_key,
            text: cleaning::decode(payload)?,
        }]);
    };
    let decoded = |(sub_number, user_record): (u64, kpl::UserRecord<'a>)| {
        Ok(Decoded {
            sequence: Sequence {
                number: origin.sequence.number,
                sub_number: Some(sub_number),
            },
            partition_key: user_record.partition_key,
            text: cleaning::decode(user_record.data)?,
        })
    };
    (0..).zip(user_records?).map(decoded).collect()
}

/// Cleans what a record was decoded to. It passes whole: of an aggregate, one user record that is rejected keeps the others.
pub(super) fn clean<'a>(decoded: &'a [Decoded<'_>]) -> Result<Vec<Cleaned<'a>>, Rejection> {
    let clean = |decoded: &'a Decoded<'_>| {
        let declared = PartitionKey::declared_kind(decoded.partition_key);
        cleaning::clean(&decoded.text, declared)
    };
    decoded.iter().map(clean).collect()
}
