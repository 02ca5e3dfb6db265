//! A row's JSON, in the spellings that clients use.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;
use json_reader::push_string;

/// A value of a row.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Text, to be quoted.
    Text(String),
    /// JSON that is written as it is: a number, `null`, a nested value.
    Raw(String),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Raw(number.to_string())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// How a client writes its JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Whether a blank follows `,` and `:`, as Python writes them.
    pub(super) is_spaced: bool,
    /// Whether all but ASCII is escaped, as Python does by default.
    pub(super) is_ascii: bool,
}

/// The fields of a row, in the order of the database's columns.
#[derive(Clone, Debug, Default)]
pub(super) struct Row(Vec<(Cow<'static, str>, Value)>);

impl Row {
    /// Adds a field at the end.
    pub(super) fn with(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Value>,
    ) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    /// Puts another value in the place of a field's; adds the field where it is missing.
    pub(super) fn set(&mut self, name: &'static str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((Cow::Borrowed(name), value)),
        }
    }

    /// Takes a field away.
    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| *known != name);
    }

    /// Puts a field's number in quotes.
    pub(super) fn quote(&mut self, name: &str) {
        for (known, value) in &mut self.0 {
            if let (true, Value::Raw(raw)) = (*known == name, &*value) {
                *value = Value::Text(raw.clone());
            }
        }
    }

    /// Returns the row's JSON.
    pub(super) fn render(&self, style: Style) -> Bytes {
        let (comma, colon) = if style.is_spaced {
            (", ", ": ")
        } else {
            (",", ":")
        };
        let mut json = String::from("{");
        for (index, (name, value)) in self.0.iter().enumerate() {
            if index > 0 {
                json.push_str(comma);
            }
            push_quoted(&mut json, name, style.is_ascii);
            json.push_str(colon);
            match value {
                Value::Text(text) => push_quoted(&mut json, text, style.is_ascii),
                Value::Raw(raw) => json.push_str(raw),
            }
        }
        json.push('}');
        Bytes::from(json)
    }
}

fn push_quoted(json: &mut String, text: &str, is_ascii: bool) {
    let start = json.len();
    push_string(json, text);
    if is_ascii {
        for character in json.split_off(start).chars() {
            match character {
                ' '..='~' => json.push(character),
                _ => push_escaped(json, character),
            }
        }
    }
}

/// JSON escapes UTF-16 code units, so a character beyond the first plane becomes two escapes.
fn push_escaped(json: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        let _ = write!(json, "\\u{unit:04x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_mean_the_same_row() {
        let title = "a \"b\" \\ \n\u{1}\u{7f}\u{a0}é 🧵";
        let row = Row::default().with("index", 7).with("title", title);
        for (is_spaced, is_ascii) in [(true, true), (true, false), (false, true), (false, false)] {
            let json = row.render(Style {
                is_spaced,
                is_ascii,
            });
            let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
            assert_eq!(value, serde_json::json!({"index": 7, "title": title}));
            assert_eq!(json.is_ascii(), is_ascii);
        }
    }

    #[test]
    fn python_writes_a_row_like_this() {
        let row = Row::default().with("ind", -7).with("country", "Åland");
        let style = Style {
            is_spaced: true,
            is_ascii: true,
        };
        assert_eq!(row.render(style), r#"{"ind": -7, "country": "\u00c5land"}"#);
    }
}
