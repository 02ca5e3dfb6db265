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
        match self {
            Self::Null => Value::Null,
            Self::True => Value::Bool(true),
            Self::False => Value::Bool(false),
            Self::Number => Value::Number(raw),
            Self::Text | Self::EscapedText => Value::Text(self.text(raw)),
            Self::Array => Value::Array(raw),
            Self::Object => Value::Object(raw),
        }
    }

    /// Returns the string that has this text, quotes included.
    #[inline]
    pub(crate) fn text(self, raw: &str) -> Text<'_> {
        let inside = raw.len().saturating_sub(1);
        Text {
            raw: raw.get(1..inside).unwrap_or_default(),
            is_escaped: self == Self::EscapedText,
        }
    }
}

/// One member of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its value as it is spelled in the text, quotes included.
    pub raw: &'a str,
    pub(crate) name: Text<'a>,
    pub(crate) tag: Tag,
}

impl<'a> Member<'a> {
    /// Returns its name.
    pub fn name(&self) -> Text<'a> {
        self.name
    }

    /// Returns its value.
    pub fn value(&self) -> Value<'a> {
        self.tag.value(self.raw)
    }
}

/// Where a value is in its text, and what it is: it borrows nothing, so its room serves for the values of another text.
///
/// Each method takes the text; of another one it returns something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) tag: Tag,
}

impl Place {
    /// Returns the value as it is spelled in the text, quotes included.
    #[inline]
    pub fn raw(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }

    /// Returns the value.
    #[inline]
    pub fn value(self, text: &str) -> Value<'_> {
        self.tag.value(self.raw(text))
    }

    /// Returns the value, if it is a string without escapes, as most are.
    #[inline]
    pub fn plain_text(self, text: &str) -> Option<&str> {
        match self.tag {
            Tag::Text => text.get(self.start + 1..self.end - 1),
            _ => None,
        }
    }

    /// Returns the spelling of the value, if it is a number.
    #[inline]
    pub fn number(self, text: &str) -> Option<&str> {
        (self.tag == Tag::Number).then(|| self.raw(text))
    }

    /// Tells whether the value is an array or an object.
    #[inline]
    pub fn is_nested(self) -> bool {
        matches!(self.tag, Tag::Array | Tag::Object)
    }
}

/// Where a member of an object is in its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberPlace {
    /// Its name, quotes included.
    pub(crate) name: Place,
    /// Its value.
    pub value: Place,
}

impl MemberPlace {
    /// Returns the member.
    pub fn member(self, text: &str) -> Member<'_> {
        let name = self.name.raw(text);
        Member {
            raw: self.value.raw(text),
            name: self.name.tag.text(name),
            tag: self.value.tag,
        }
    }
}
