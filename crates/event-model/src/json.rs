//! A strict JSON reader (RFC 8259) that borrows from its input.
//!
//! One pass, no tree: [`Members`] walks an object and hands out each value as a slice of the text, so that a row's bytes
//! reach a column without a copy. A number is handed out as it is spelled, so no digit is lost, and a nested value is
//! checked and skipped without recursion: any input ends in a value or an error, in linear time and constant memory.

mod reader;
mod text;

use reader::{Reader, State};
pub use text::{Text, push_string};

/// Deepest nesting of arrays and objects that is read; deeper text is refused.
pub const MAX_DEPTH: u32 = 128;

/// Where a text stopped being JSON, and what should have stood there.
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

/// Reads a whole text as one value; white space may stand around it.
pub fn parse(text: &str) -> Result<Value<'_>, SyntaxError> {
    let mut reader = Reader::new(text);
    let (value, _) = reader.value()?;
    reader.end()?;
    Ok(value)
}

/// The members of an object, in order, each checked as it is reached.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    reader: Reader<'a>,
    state: State,
}

/// One member of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name.
    pub name: Text<'a>,
    /// Its value.
    pub value: Value<'a>,
    /// The value as it stands in the text, quotes included.
    pub raw: &'a str,
}

impl<'a> Members<'a> {
    /// Opens the object that is the whole of `text`. Returns `None` when another value, or nothing, starts there.
    pub fn open(text: &'a str) -> Option<Self> {
        let mut reader = Reader::new(text);
        reader.skip_space();
        reader.eat(b'{').then_some(Self {
            reader,
            state: State::First,
        })
    }

    /// Reads the next member; `None` once the object and the text have ended.
    pub fn next_member(&mut self) -> Result<Option<Member<'a>>, SyntaxError> {
        if !self.reader.separator(&mut self.state, b'}', "`,` or `}`")? {
            return Ok(None);
        }
        if self.reader.peek() != Some(b'"') {
            return Err(self.reader.error("a name in double quotes"));
        }
        let name = self.reader.text()?;
        self.reader.skip_space();
        if !self.reader.eat(b':') {
            return Err(self.reader.error("`:`"));
        }
        let (value, raw) = self.reader.value()?;
        Ok(Some(Member { name, value, raw }))
    }
}

/// The elements of an array, in order, each checked as it is reached.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    reader: Reader<'a>,
    state: State,
}

impl<'a> Elements<'a> {
    /// Opens the array that is the whole of `text`. Returns `None` when another value, or nothing, starts there.
    pub fn open(text: &'a str) -> Option<Self> {
        let mut reader = Reader::new(text);
        reader.skip_space();
        reader.eat(b'[').then_some(Self {
            reader,
            state: State::First,
        })
    }

    /// Reads the next element and its text; `None` once the array and the text have ended.
    pub fn next_element(&mut self) -> Result<Option<(Value<'a>, &'a str)>, SyntaxError> {
        if !self.reader.separator(&mut self.state, b']', "`,` or `]`")? {
            return Ok(None);
        }
        self.reader.value().map(Some)
    }
}

#[cfg(test)]
mod tests;
