//! A walk over JSON that is trusted to be it.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr2};

use super::{EventError, Part};

/// Returns the text that is meant by what is between the quotes of a string; none for half of a surrogate pair, and for what is no UTF-8.
pub(super) fn unescaped(raw: &[u8]) -> Option<Cow<'_, str>> {
    let raw = str::from_utf8(raw).ok()?;
    if memchr(b'\\', raw.as_bytes()).is_none() {
        return Some(Cow::Borrowed(raw));
    }
    let text = serde_json::from_str(&format!("\"{raw}\""));
    text.map(Cow::Owned).ok()
}

pub(super) fn ends_number(byte: u8) -> bool {
    matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace()
}

/// JSON that somebody else wrote, and is trusted to be it: a walk over it looks for the ends of its values, and at nothing between them. What is
/// none comes to an error or to records that it has not, and always to an end.
pub(super) struct Trusted<'j> {
    pub(super) json: &'j [u8],
    pub(super) at: usize,
}

impl<'j> Trusted<'j> {
    pub(super) fn rest(&self) -> &'j [u8] {
        self.json.get(self.at..).unwrap_or_default()
    }

    /// Passes white space, and returns the byte behind it.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.rest();
        let space = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        self.at += space;
        rest.get(space).copied()
    }

    /// Passes a byte, if it is the next one behind white space.
    fn eat(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    /// Hands each member's name of an object to `each`, which reads or skips the value.
    pub(super) fn object(
        &mut self,
        (name_of, kind): (&'static str, &'static str),
        mut each: impl FnMut(&mut Self, &str) -> Result<(), EventError>,
    ) -> Result<(), EventError> {
        if !self.eat(b'{') {
            return Err(EventError::NotA(name_of, kind));
        }
        while self.peek() == Some(b'"') {
            let name = self.quoted().and_then(|range| self.json.get(range));
            let name = name
                .and_then(unescaped)
                .ok_or(EventError::NotA(name_of, "an object with names"))?;
            self.eat(b':');
            each(self, &name)?;
            self.eat(b',');
        }
        if self.eat(b'}') {
            Ok(())
        } else {
            Err(EventError::NotA(name_of, kind))
        }
    }

    /// Lets `each` read the elements of an array.
    pub(super) fn array(
        &mut self,
        (name, kind): (&'static str, &'static str),
        mut each: impl FnMut(&mut Self) -> Result<(), EventError>,
    ) -> Result<(), EventError> {
        if !self.eat(b'[') {
            return Err(EventError::NotA(name, kind));
        }
        while self.peek().is_some_and(|byte| byte != b']') {
            each(self)?;
            self.eat(b',');
        }
        if self.eat(b']') {
            Ok(())
        } else {
            Err(EventError::NotA(name, kind))
        }
    }

    /// Passes a text, if it is next.
    pub(super) fn pass(&mut self, text: &[u8]) -> bool {
        let is_there = self.rest().starts_with(text);
        self.at += if is_there { text.len() } else { 0 };
        is_there
    }

    /// Passes so many bytes, and returns them.
    pub(super) fn take(&mut self, length: usize) -> Option<&'j [u8]> {
        let taken = self.rest().get(..length)?;
        self.at += length;
        Some(taken)
    }

    /// Passes what is up to a quote, if nothing in it is escaped and it begins with a character, and returns it.
    pub(super) fn plain(&mut self) -> Option<&'j [u8]> {
        let length = memchr2(b'"', b'\\', self.rest())?;
        let is_whole = self.rest().get(length) == Some(&b'"');
        let starts_inside = self.rest().first().is_some_and(|byte| byte & 0xc0 == 0x80);
        if is_whole && !starts_inside {
            self.take(length)
        } else {
            None
        }
    }

    /// Passes a string, and returns the place of what is between its quotes.
    fn quoted(&mut self) -> Option<Range<usize>> {
        if !self.eat(b'"') {
            return None;
        }
        let from = self.at;
        loop {
            self.at += memchr2(b'"', b'\\', self.rest())?;
            if self.rest().first() == Some(&b'"') {
                self.at += 1;
                return Some(from..self.at - 1);
            }
            self.at += 2;
        }
    }

    pub(super) fn string(&mut self, part: Part) -> Result<Range<usize>, EventError> {
        self.quoted().ok_or(EventError::NotA(part.name(), "text"))
    }

    /// Passes a number, or what is in its place.
    pub(super) fn number(&mut self) -> Range<usize> {
        self.peek();
        let from = self.at;
        self.skip();
        from..self.at
    }

    /// Passes a value.
    pub(super) fn skip(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => drop(self.quoted()),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                // A number or a word, or what is between the values of an open bracket.
                _ => self.at += 1,
            }
            let is_ended = || {
                matches!(
                    self.rest().first(),
                    None | Some(b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t')
                )
            };
            if depth == 0 && is_ended() {
                return;
            }
        }
    }
}
