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

/// Resolves the escapes of a string that the reader has checked.
fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut parts = raw.split('\\');
    text.push_str(parts.next().unwrap_or_default());
    let mut high = None;
    while let Some(part) = parts.next() {
        let (code, rest) = match part.as_bytes().first() {
            // Two backslashes in a row: the split leaves an empty part, and the next one is plain text.
            None => ('\\', parts.next().unwrap_or_default()),
            Some(b'u') => {
                let code = part.as_bytes().get(1..5).and_then(hex4).unwrap_or_default();
                let rest = part.get(5..).unwrap_or_default();
                if (0xD800..0xDC00).contains(&code) {
                    high = Some(code - 0xD800);
                    continue;
                }
                let code = match high.take() {
                    Some(high) => 0x1_0000 + (high << 10) + (code.wrapping_sub(0xDC00) & 0x3FF),
                    None => code,
                };
                (
                    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
                    rest,
                )
            }
            Some(&letter) => {
                let code = match letter {
                    b'b' => '\u{8}',
                    b'f' => '\u{c}',
                    b'n' => '\n',
                    b'r' => '\r',
                    b't' => '\t',
                    other => char::from(other),
                };
                (code, part.get(1..).unwrap_or_default())
            }
        };
        text.push(code);
        text.push_str(rest);
    }
    text
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
