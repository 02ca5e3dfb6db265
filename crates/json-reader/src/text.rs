//! A JSON string: its escapes resolved, or written.

use std::borrow::Cow;

/// A JSON string: the text between its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    pub(super) raw: &'a str,
    pub(super) is_escaped: bool,
}

impl<'a> Text<'a> {
    /// Returns the text between the quotes, escapes and all.
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// Returns the string that is meant: borrowed, unless it has escapes.
    pub fn decode(&self) -> Cow<'a, str> {
        if self.is_escaped {
            Cow::Owned(unescape(self.raw))
        } else {
            Cow::Borrowed(self.raw)
        }
    }
}

/// Resolves the escapes of a string that the reader has checked; half of a surrogate pair becomes U+FFFD.
fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let (character, length) = character(escape.as_bytes());
        text.push(character);
        rest = escape.get(length..).unwrap_or_default();
    }
    text.push_str(rest);
    text
}

/// Returns the character that an escape means, and the bytes that it takes behind its backslash.
fn character(escape: &[u8]) -> (char, usize) {
    match escape.first() {
        Some(b'u') => {
            let code = escape.get(1..5).and_then(hex4).unwrap_or_default();
            let low = if (0xD800..0xDC00).contains(&code) {
                low_surrogate(escape.get(5..).unwrap_or_default())
            } else {
                None
            };
            match low {
                Some(low) => (
                    scalar(0x1_0000 + ((code - 0xD800) << 10) + (low - 0xDC00)),
                    11,
                ),
                None => (scalar(code), 5),
            }
        }
        Some(b'b') => ('\u{8}', 1),
        Some(b'f') => ('\u{c}', 1),
        Some(b'n') => ('\n', 1),
        Some(b'r') => ('\r', 1),
        Some(b't') => ('\t', 1),
        Some(&other) => (char::from(other), 1),
        None => (char::REPLACEMENT_CHARACTER, 0),
    }
}

fn scalar(code: u32) -> char {
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Returns the low half of a surrogate pair whose escape starts here.
pub(super) fn low_surrogate(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    hex4(digits).filter(|code| (0xDC00..0xE000).contains(code))
}

/// Returns JSON in which each escape of half a surrogate pair is the one of U+FFFD, as [`Text::decode`] reads it.
///
/// `json` is a value that the reader returned. Other readers refuse such escapes, or return text that is not UTF-8.
pub fn replace_lone_surrogates(json: &str) -> Cow<'_, str> {
    let mut replaced = String::new();
    let mut copied = 0;
    let mut at = 0;
    // Outside of strings JSON has no backslash.
    while let Some(found) = json.get(at..).and_then(|rest| rest.find('\\')) {
        let escape = at + found;
        let rest = json.as_bytes().get(escape + 1..).unwrap_or_default();
        let (meant, length) = character(rest);
        at = escape + 1 + length.max(1);
        let is_lone =
            rest.first() == Some(&b'u') && meant == char::REPLACEMENT_CHARACTER && length == 5;
        if is_lone {
            replaced.push_str(json.get(copied..escape).unwrap_or_default());
            replaced.push_str("\\ufffd");
            copied = at;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    replaced.push_str(json.get(copied..).unwrap_or_default());
    Cow::Owned(replaced)
}

/// Returns a text without the byte order mark that some editors and exports put in front; it means nothing.
pub fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Appends `text` to `json` as a JSON string.
pub fn push_string(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            control if control < ' ' => {
                json.push_str("\\u00");
                for nibble in [u32::from(control) >> 4, u32::from(control) & 15] {
                    json.extend(char::from_digit(nibble, 16));
                }
            }
            other => json.push(other),
        }
    }
    json.push('"');
}

/// Returns the number that hexadecimal digits spell; `None` if one is none.
pub(super) fn hex4(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |code, &digit| {
        Some(code << 4 | char::from(digit).to_digit(16)?)
    })
}
