//! What the reader returns: values and members as slices of the text, and the error.

use crate::text::Text;

/// Deepest nesting of arrays and objects that is read; deeper text is refused.
pub const MAX_DEPTH: u32 = 128;

/// Where a text stopped being JSON, and what the grammar expects there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at byte {offset}")]
pub struct SyntaxError {
    /// Byte offset in the text that was given.
    pub offset: usize,
    /// What the grammar asks for at that place.
    pub expected: &'static str,
}

/// One JSON value, as slices of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as spelled.
    Number(&'a str),
    /// A string.
    Text(Text<'a>),
    /// An array, brackets included; it is known to be well formed.
    Array(&'a str),
    /// An object, braces included; it is known to be well formed.
    Object(&'a str),
}

/// The type of a value's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Null,
    True,
    False,
    Number,
    Text,
    EscapedText,
    Array,
    Object,
}

impl Tag {
    /// Returns the value of its text.
    #[inline]
    pub(crate) fn value(self, raw: &str) -> Value<'_> {
        let text = |is_escaped| {
            let inside = raw.len().saturating_sub(1);
            Value::Text(Text {
                raw: raw.get(1..inside).unwrap_or_default(),
                is_escaped,
            })
        };
        match self {
            Self::Null => Value::Null,
            Self::True => Value::Bool(true),
            Self::False => Value::Bool(false),
            Self::Number => Value::Number(raw),
            Self::Text => text(false),
            Self::EscapedText => text(true),
            Self::Array => Value::Array(raw),
            Self::Object => Value::Object(raw),
        }
    }
}

/// One member of an object.
///
/// It is five words that are copied as such: of an enum in an enum, single bytes are moved, and each waits for the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its value as it is spelled in the text, quotes included.
    pub raw: &'a str,
    pub(crate) name: &'a str,
    pub(crate) is_name_escaped: bool,
    pub(crate) tag: Tag,
}

impl<'a> Member<'a> {
    /// The member whose name is empty and whose value is null: room for another one.
    pub const NOTHING: Self = Self {
        raw: "null",
        name: "",
        is_name_escaped: false,
        tag: Tag::Null,
    };

    /// Returns its name.
    #[inline]
    pub fn name(&self) -> Text<'a> {
        Text {
            raw: self.name,
            is_escaped: self.is_name_escaped,
        }
    }

    /// Returns its value.
    #[inline]
    pub fn value(&self) -> Value<'a> {
        self.tag.value(self.raw)
    }

    /// Returns its value, if that is a string without escapes, as most are.
    #[inline]
    pub fn plain_text(&self) -> Option<&'a str> {
        match self.tag {
            Tag::Text => self.raw.get(1..self.raw.len().saturating_sub(1)),
            _ => None,
        }
    }

    /// Returns the spelling of its value, if that is a number.
    #[inline]
    pub fn number(&self) -> Option<&'a str> {
        (self.tag == Tag::Number).then_some(self.raw)
    }

    /// Tells whether its value is an array or an object.
    #[inline]
    pub fn is_nested(&self) -> bool {
        matches!(self.tag, Tag::Array | Tag::Object)
    }
}
