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

/// One member of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name.
    pub name: Text<'a>,
    /// Its value.
    pub value: Value<'a>,
    /// The value as it is spelled in the text, quotes included.
    pub raw: &'a str,
}
