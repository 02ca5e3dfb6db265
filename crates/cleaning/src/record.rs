//! A record of the stream → its rows: producers pack several into one, to pay for fewer records.

use event_model::limits::RECORD_MAX_BYTES;
use event_model::{Declared, Kind, SubNumber};
use json_reader::{Elements, Value, Values};

use crate::compressed::{LogMessage, inflate, log_message};
use crate::{Cleaner, Rejection, RejectionCode, Row, decode};

/// Where a row's kind comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindSource {
    /// The record's partition key, where it is the row's own; else the fields.
    PartitionKey,
    /// The fields alone.
    Fields,
    /// A person says so.
    Given(Kind),
}

/// A row of a record, or what of it cannot become one.
#[derive(Debug)]
pub struct Piece<'r, 'p> {
    /// The row's place in the record; `None` when the record is the row.
    pub sub_number: Option<SubNumber>,
    /// The record's partition key, or the user record's of an aggregate.
    pub partition_key: &'p str,
    /// The row's bytes.
    pub data: &'p [u8],
    /// The row, which is yet to be cleaned, or why there is none.
    pub outcome: Result<Row<'r, 'p>, Rejection>,
}

/// Hands each row of a record to `each`, in their order; a record without any is one rejected piece.
///
/// A record holds one row, a JSON array of rows, a stream of JSON values with white space or nothing between them, gzip or
/// zlib of these, log events of CloudWatch Logs, or a KPL aggregate of all of these. `at` is the place of what was a part of a record before.
///
/// # Errors
///
/// The first error of `each`.
pub fn clean_record<E>(
    cleaner: &mut Cleaner,
    data: &[u8],
    partition_key: &str,
    at: Option<SubNumber>,
    source: KindSource,
    each: &mut impl FnMut(Piece<'_, '_>) -> Result<(), E>,
) -> Result<(), E> {
    let whole = Payload {
        sub_number: at,
        partition_key,
        data,
        source,
    };
    match kpl::read(data).filter(|_| at.is_none()) {
        None => whole.clean(cleaner, each),
        Some(Err(damage)) => each(whole.piece(Err(damage.into()))),
        Some(Ok(user_records)) => (0..)
            .zip(user_records)
            .try_for_each(|(place, user_record)| {
                let payload = Payload {
                    sub_number: Some(SubNumber::new(place)),
                    partition_key: user_record.partition_key,
                    data: user_record.data,
                    source,
                };
                payload.clean(cleaner, each)
            }),
    }
}

struct Payload<'p> {
    sub_number: Option<SubNumber>,
    partition_key: &'p str,
    data: &'p [u8],
    source: KindSource,
}

impl<'p> Payload<'p> {
    fn declared(&self) -> Declared<'p> {
        match self.source {
            KindSource::PartitionKey => Declared::Key(self.partition_key),
            KindSource::Fields => Declared::Nothing,
            KindSource::Given(kind) => Declared::Kind(kind),
        }
    }

    fn piece<'r, 'c>(&self, outcome: Result<Row<'r, 'c>, Rejection>) -> Piece<'r, 'c>
    where
        'p: 'c,
    {
        Piece {
            sub_number: self.sub_number,
            partition_key: self.partition_key,
            data: self.data,
            outcome,
        }
    }

    fn clean<E>(
        &self,
        cleaner: &mut Cleaner,
        each: &mut impl FnMut(Piece<'_, '_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let inflated = match inflate(self.data) {
            None => return self.clean_bytes(cleaner, self.data, each),
            Some(Ok(inflated)) => inflated,
            Some(Err(rejection)) => return each(self.piece(Err(rejection))),
        };
        let text = str::from_utf8(&inflated).ok();
        match text.and_then(log_message) {
            // Of what is larger than a record may be, the rows are still no larger.
            None if inflated.len() > RECORD_MAX_BYTES => match text.and_then(unpack) {
                Some(parts) => self.clean_parts(cleaner, &parts, each),
                None => self.clean_bytes(cleaner, &inflated, each),
            },
            None => self.clean_bytes(cleaner, &inflated, each),
            Some(LogMessage::Control) => {
                let message = "CloudWatch Logs tries whether the stream can be reached; there is no row in it";
                let control = Rejection::new(None, RejectionCode::ControlMessage, message);
                each(self.piece(Err(control)))
            }
            Some(LogMessage::Data(messages)) if messages.is_empty() => {
                self.clean_bytes(cleaner, &inflated, each)
            }
            Some(LogMessage::Data(messages)) => {
                let messages: Vec<&str> = messages.iter().map(|message| &**message).collect();
                self.clean_parts(cleaner, &messages, each)
            }
        }
    }

    /// Cleans what the payload holds, or what it holds once it is inflated.
    fn clean_bytes<E>(
        &self,
        cleaner: &mut Cleaner,
        bytes: &[u8],
        each: &mut impl FnMut(Piece<'_, '_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let text = match decode(bytes) {
            Ok(text) => text,
            Err(rejection) => return each(self.piece(Err(rejection))),
        };
        let rejection = match cleaner.read(&text, self.declared()) {
            Err(rejection)
                if [RejectionCode::NotJson, RejectionCode::NotAnObject]
                    .contains(&rejection.code) =>
            {
                rejection
            }
            outcome => return each(self.piece(outcome)),
        };
        // Only what is not one row is looked at again: most records are.
        match unpack(&text) {
            Some(parts) => self.clean_parts(cleaner, &parts, each),
            None => each(self.piece(Err(rejection))),
        }
    }

    /// Cleans the rows of a packed record, each at its place.
    fn clean_parts<E>(
        &self,
        cleaner: &mut Cleaner,
        parts: &[&str],
        each: &mut impl FnMut(Piece<'_, '_>) -> Result<(), E>,
    ) -> Result<(), E> {
        (0..).zip(parts).try_for_each(|(place, part)| {
            let text = decode(part.as_bytes());
            let text = text.as_deref().map_err(Clone::clone);
            let outcome = text.and_then(|text| cleaner.read(text, self.declared()));
            let sub_number = match self.sub_number {
                Some(outer) => outer.below(place),
                None => SubNumber::new(place),
            };
            let part = Payload {
                sub_number: Some(sub_number),
                data: part.as_bytes(),
                ..*self
            };
            each(part.piece(outcome))
        })
    }
}

/// Returns the rows of a text that holds several, and the text between them where they are broken; `None` for a text
/// without any row, or with nothing but one.
///
/// A piece is broken up to the next line that starts a value; of a broken array, the rows before the break are taken.
pub fn unpack(text: &str) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let mut is_packed = false;
    let mut values = Values::new(text);
    loop {
        match values.next_value() {
            Ok(None) => break,
            Ok(Some((Value::Array(array), _))) => {
                is_packed = true;
                elements(array, &mut parts);
            }
            Ok(Some((_, value))) => parts.push(value),
            Err(_) => {
                let broken = values.skip_line();
                let taken = elements(broken, &mut parts);
                is_packed |= taken > 0;
                let rest = broken.get(taken..).unwrap_or_default();
                let rest = rest.trim_start_matches([',', ' ', '\t', '\r', '\n']);
                // A line of an array that is broken elsewhere.
                if !rest.bytes().all(|byte| b",[] \t\r\n".contains(&byte)) {
                    parts.push(rest);
                }
            }
        }
    }
    is_packed |= parts.len() > 1;
    let has_row = parts.iter().any(|part| part.starts_with('{'));
    (is_packed && has_row).then_some(parts)
}

/// Appends the elements of an array up to where it breaks; returns how many bytes they take.
fn elements<'a>(array: &'a str, parts: &mut Vec<&'a str>) -> usize {
    let mut taken = 0;
    let mut elements = Elements::open(array);
    while let Some(Ok(Some((_, element)))) = elements.as_mut().map(Elements::next_element) {
        parts.push(element);
        // An element is a slice of the array.
        taken = element.as_ptr().addr() + element.len() - array.as_ptr().addr();
    }
    taken
}

#[cfg(test)]
mod tests;
