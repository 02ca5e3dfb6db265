//! Records that were compressed: gzip or zlib of what a record may hold, and what CloudWatch Logs puts on a stream.

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use json_reader::{Elements, Members, Value};

use crate::{Rejection, RejectionCode};

/// Most bytes that a record inflates to: what the largest record that Kinesis takes may have.
const INFLATED_MAX_BYTES: usize = 10 << 20;

/// Inflates a record; `None` when it is not compressed.
pub(crate) fn inflate(data: &[u8]) -> Option<Result<Vec<u8>, Rejection>> {
    if data.starts_with(&[0x1f, 0x8b]) {
        return Some(
            read(MultiGzDecoder::new(data))
                .map_err(|error| damaged(&error))
                .and_then(bounded),
        );
    }
    // The first two bytes of zlib's are a multiple of 31; `x` and such a letter may also begin a text.
    let is_zlib =
        matches!(data, [0x78, flags, ..] if (0x7800 + u32::from(*flags)).is_multiple_of(31));
    let inflated = is_zlib.then(|| read(ZlibDecoder::new(data)).ok())?;
    inflated.map(bounded)
}

/// Reads no more than shows that it is too much.
fn read(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader
        .take(INFLATED_MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn bounded(bytes: Vec<u8>) -> Result<Vec<u8>, Rejection> {
    if bytes.len() <= INFLATED_MAX_BYTES {
        return Ok(bytes);
    }
    let message =
        format!("the payload is compressed, and inflates to more than {INFLATED_MAX_BYTES} bytes");
    Err(Rejection::new(None, RejectionCode::Compressed, message))
}

fn damaged(error: &io::Error) -> Rejection {
    let message = format!("the payload begins as gzip does, and cannot be inflated: {error}");
    Rejection::new(None, RejectionCode::Compressed, message)
}

/// What CloudWatch Logs sends of a log group.
#[derive(Debug)]
pub(crate) enum LogMessage<'a> {
    /// The messages of log events, which are text of the log's writer.
    Data(Vec<Cow<'a, str>>),
    /// A sign that the stream can be reached. There is no row in it.
    Control,
}

/// Reads the envelope of CloudWatch Logs; `None` for any other text.
pub(crate) fn log_message(text: &str) -> Option<LogMessage<'_>> {
    let mut members = Members::open(text)?;
    let (mut kind, mut events) = (None, None);
    while let Some(member) = members.next_member().ok()? {
        match (&*member.name().decode(), member.value()) {
            ("messageType", Value::Text(text)) => kind = Some(text.decode()),
            ("logEvents", Value::Array(array)) => events = Some(array),
            _ => {}
        }
    }
    match (kind.as_deref()?, events?) {
        ("CONTROL_MESSAGE", _) => Some(LogMessage::Control),
        ("DATA_MESSAGE", events) => messages(events).map(LogMessage::Data),
        _ => None,
    }
}

fn messages(events: &str) -> Option<Vec<Cow<'_, str>>> {
    let mut messages = Vec::new();
    let mut events = Elements::open(events)?;
    while let Some((event, _)) = events.next_element().ok()? {
        let Value::Object(event) = event else {
            return None;
        };
        let mut members = Members::open(event)?;
        let mut message = None;
        while let Some(member) = members.next_member().ok()? {
            if let ("message", Value::Text(text)) = (&*member.name().decode(), member.value()) {
                message = Some(text.decode());
            }
        }
        messages.push(message?);
    }
    Some(messages)
}
