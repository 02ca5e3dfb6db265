#![doc = include_str!("../README.md")]

pub mod base64;
pub mod number;
mod reader;
mod text;
mod value;

use reader::{Reader, State};
pub use text::{Text, push_string, replace_lone_surrogates, without_byte_order_mark};
pub use value::{MAX_DEPTH, Member, MemberPlace, Place, SyntaxError, Value};

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
    /// Offset behind the brace.
    first: usize,
}

/// What led to the value of a member: a comma, its name, a colon, and blanks. Objects of one writer have the same ones.
#[derive(Clone, Debug, Default)]
pub struct Lead {
    /// Empty where nothing is known.
    text: String,
    is_first: bool,
}

impl<'a> Members<'a> {
    /// Opens the object that is the whole of `text`. Returns `None` when another value, or nothing, starts there.
    #[inline]
    pub fn open(text: &'a str) -> Option<Self> {
        Self::opened(Reader::new(text))
    }

    /// Opens the object as [`open`](Self::open) does; what its members hold may be nested to any depth.
    pub fn open_any_depth(text: &'a str) -> Option<Self> {
        Self::opened(Reader::of_any_depth(text))
    }

    #[inline]
    fn opened(mut reader: Reader<'a>) -> Option<Self> {
        reader.skip_space();
        reader.eat(b'{').then(|| Self {
            first: reader.offset(),
            reader,
            state: State::First,
        })
    }

    /// Reads the next member; `None` once the object and the text have ended.
    pub fn next_member(&mut self) -> Result<Option<Member<'a>>, SyntaxError> {
        let place = self.next_place()?;
        Ok(place.map(|place| place.member(self.reader.whole_text())))
    }

    /// Reads the next member, and returns where it is in the text; `None` once the object and the text have ended.
    pub fn next_place(&mut self) -> Result<Option<MemberPlace>, SyntaxError> {
        if !self.reader.separator(&mut self.state, b'}', "`,` or `}`")? {
            return Ok(None);
        }
        if self.reader.peek() != Some(b'"') {
            return Err(self.reader.error("a name in double quotes"));
        }
        let name = self.reader.place()?;
        self.reader.skip_space();
        if !self.reader.eat(b':') {
            return Err(self.reader.error("`:`"));
        }
        self.reader.skip_space();
        let value = self.reader.place()?;
        Ok(Some(MemberPlace { name, value }))
    }

    /// Returns where the next member is looked for: how many bytes were read.
    pub fn offset(&self) -> usize {
        self.reader.offset()
    }

    /// Records the text between `from`, the [`offset`](Self::offset) in front of a member that was read, and its value.
    pub fn note(&self, from: usize, value: Place, lead: &mut Lead) {
        lead.text.clear();
        lead.text.push_str(self.reader.text_from(from, value.start));
        lead.is_first = from == self.first;
    }

    /// Passes what leads to the value of the next member, if it is the same as led to another one, which comparing bytes shows; false, and
    /// nothing is passed, if it is something else. [`value`](Self::value) is next.
    #[inline]
    pub fn pass(&mut self, lead: &Lead) -> bool {
        let is_alike = (self.state == State::First) == lead.is_first
            && self.state != State::Ended
            && self.reader.pass(&lead.text);
        if is_alike {
            self.state = State::Later;
        }
        is_alike
    }

    /// Reads the value behind what was [passed](Self::pass).
    #[inline]
    pub fn value(&mut self) -> Result<Place, SyntaxError> {
        self.reader.skip_space();
        self.reader.place()
    }

    /// Returns how many escapes so far were half of a surrogate pair alone; [`Text::decode`] reads each as U+FFFD.
    pub fn lone_surrogates(&self) -> u32 {
        self.reader.lone_surrogates()
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
        Self::opened(Reader::new(text))
    }

    /// Opens the array as [`open`](Self::open) does; its elements may be nested to any depth.
    pub fn open_any_depth(text: &'a str) -> Option<Self> {
        Self::opened(Reader::of_any_depth(text))
    }

    fn opened(mut reader: Reader<'a>) -> Option<Self> {
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

/// The values of a text that has any number of them, with white space or nothing between them.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    text: &'a str,
    reader: Reader<'a>,
}

impl<'a> Values<'a> {
    /// Starts at the text's first value.
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            reader: Reader::new(text),
        }
    }

    /// Reads the next value and its text; `None` at the end.
    ///
    /// An error leaves the place where it was, in front of the value; [`skip_line`](Self::skip_line) goes on behind it.
    pub fn next_value(&mut self) -> Result<Option<(Value<'a>, &'a str)>, SyntaxError> {
        self.reader.skip_space();
        if self.reader.peek().is_none() {
            return Ok(None);
        }
        let mut reader = self.reader.clone();
        let value = reader.value()?;
        self.reader = reader;
        Ok(Some(value))
    }

    /// Passes over what is no value, to the next line that starts with `{` or `[`, or else to the end; returns it.
    ///
    /// A value that is written on several lines is passed over whole, as long as none of its own lines starts so.
    pub fn skip_line(&mut self) -> &'a str {
        let from = self.reader.offset();
        let rest = self.text.get(from..).unwrap_or_default();
        let starts = rest.match_indices('\n').find(|(line_end, _)| {
            rest.get(line_end + 1..)
                .is_some_and(|line| line.starts_with(['{', '[']))
        });
        let length = starts.map_or(rest.len(), |(line_end, _)| line_end + 1);
        self.reader.move_to(from + length);
        rest.get(..length).unwrap_or_default().trim_ascii_end()
    }
}

#[cfg(test)]
mod tests;
