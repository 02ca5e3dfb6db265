//! Takes the row out of the wrapping that a producer may have put around it.

use std::borrow::Cow;

use event_model::limits::RECORD_MAX_BYTES;
use json_reader::{Value, base64, without_byte_order_mark};

use crate::{Rejection, RejectionCode};

/// Returns the text of the row that a record's payload holds.
///
/// A row comes as a JSON object (borrowed as it is), as a JSON string that holds one, or as base64 of one, bare or in a
/// JSON string; several rows may stand for the one. What holds no object is returned as it is, for
/// [`Cleaner::read`](crate::Cleaner::read) to reject with the right code.
pub fn decode(payload: &[u8]) -> Result<Cow<'_, str>, Rejection> {
    if payload.len() > RECORD_MAX_BYTES {
        let message = format!(
            "the payload has {} bytes; a record may have {RECORD_MAX_BYTES}",
            payload.len()
        );
        return Err(Rejection::new(None, RejectionCode::TooLarge, message));
    }
    let text = utf8(payload)?;
    if starts_row(text) {
        return Ok(Cow::Borrowed(text));
    }
    if let Ok(Value::Text(string)) = json_reader::parse(text) {
        let inner = string.decode();
        if starts_row(&inner) {
            return Ok(inner);
        }
        return Ok(from_base64(&inner)?.map_or(Cow::Borrowed(text), Cow::Owned));
    }
    Ok(from_base64(text)?.map_or(Cow::Borrowed(text), Cow::Owned))
}

fn utf8(bytes: &[u8]) -> Result<&str, Rejection> {
    simdutf8::compat::from_utf8(bytes).map_err(|error| {
        let message = format!(
            "the payload is not UTF-8 from byte {} on",
            error.valid_up_to()
        );
        Rejection::new(None, RejectionCode::NotUtf8, message)
    })
}

/// Returns the object that `text` is base64 of; `None` when it is not base64, or of something else.
fn from_base64(text: &str) -> Result<Option<String>, Rejection> {
    if !may_hold_row(text) {
        return Ok(None);
    }
    let Ok(bytes) = base64::decode(text) else {
        return Ok(None);
    };
    // Bytes that only look like base64 come to anything; of a row, the start at least is text.
    if !starts_row(&String::from_utf8_lossy(&bytes)) {
        return Ok(None);
    }
    utf8(&bytes).map(|text| Some(text.to_owned()))
}

/// Returns whether the first letters may be base64 of what a row begins with: most texts are told apart without reading all of them.
fn may_hold_row(text: &str) -> bool {
    let letters = text.chars().filter(|letter| !letter.is_ascii_whitespace());
    let first: String = letters.take(4).collect();
    base64::decode(&first).is_ok_and(|bytes| match bytes.first() {
        // The last is a byte order mark's.
        Some(byte) => byte.is_ascii_whitespace() || matches!(byte, b'{' | b'[' | 0xef),
        None => false,
    })
}

fn starts_row(text: &str) -> bool {
    without_byte_order_mark(text)
        .trim_ascii_start()
        .starts_with(['{', '['])
}

#[cfg(test)]
mod tests {
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::STANDARD as BASE64;

    use super::*;

    const ROW: &str = r#"{"ind": 1, "country": "Åland"}"#;

    #[test]
    fn the_three_encodings_hold_the_same_row() {
        let base64 = BASE64.encode(ROW);
        let in_string = |text: &str| serde_json::to_string(text).unwrap();
        for payload in [
            ROW.to_owned(),
            in_string(ROW),
            base64.clone(),
            in_string(&base64),
            base64.trim_end_matches('=').to_owned(),
            format!(" {base64}\n"),
            BASE64.encode(format!("\n {ROW}")),
        ] {
            assert_eq!(decode(payload.as_bytes()).unwrap().trim(), ROW, "{payload}");
        }
    }

    #[test]
    fn an_object_is_borrowed() {
        assert!(matches!(decode(ROW.as_bytes()).unwrap(), Cow::Borrowed(_)));
    }

    #[test]
    fn what_only_looks_like_base64_is_left_alone() {
        for payload in ["null", "1234", "\"abcd\"", "", "hello", "[1]"] {
            assert_eq!(decode(payload.as_bytes()).unwrap(), payload);
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_rejected_bare_or_in_base64() {
        let bare = decode(b"{\"a\":\"\xff\"}").unwrap_err();
        assert_eq!(
            bare.to_string(),
            "not_utf8: the payload is not UTF-8 from byte 6 on"
        );
        let wrapped = BASE64.encode(b"{\"a\":\"\xff\"}");
        assert_eq!(
            decode(wrapped.as_bytes()).unwrap_err().code,
            RejectionCode::NotUtf8
        );
    }
}
