#![doc = include_str!("../README.md")]

pub mod number;
mod reader;
mod text;
mod value;

use reader::{Reader, State};
pub use text::{Text, push_string};
pub use value::{MAX_DEPTH, Member, SyntaxError, Value};

/// Reads a whole text as one value; white space around it is skipped.
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
