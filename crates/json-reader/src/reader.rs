//! The grammar, byte by byte; what it hands out is checked.

use crate::text::{hex4, low_surrogate, without_byte_order_mark};
use crate::value::{MAX_DEPTH, Place, SyntaxError, Tag, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    First,
    Later,
    Ended,
}

#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Escapes of one half of a surrogate pair, read so far.
    lone_surrogates: u32,
    max_depth: u32,
}

/// What is expected where Python's json wrote `NaN` or `Infinity`.
const NOT_A_NUMBER: &str =
    "a number or `null` (`NaN` and `Infinity` are not JSON; send `null` instead)";

impl<'a> Reader<'a> {
    /// Starts behind the text's byte order mark, if it has one.
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: text.len() - without_byte_order_mark(text).len(),
            lone_surrogates: 0,
            max_depth: MAX_DEPTH,
        }
    }

    /// Reads values of any depth.
    pub(super) fn of_any_depth(text: &'a str) -> Self {
        Self {
            max_depth: u32::MAX,
            ..Self::new(text)
        }
    }

    pub(super) fn lone_surrogates(&self) -> u32 {
        self.lone_surrogates
    }

    /// Returns how many bytes were read.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// Moves forward to a place that is next to an ASCII byte.
    pub(super) fn move_to(&mut self, offset: usize) {
        self.at = offset.clamp(self.at, self.text.len());
    }

    /// Passes a text that is not empty, if it is next.
    #[inline]
    pub(super) fn pass(&mut self, text: &str) -> bool {
        let next = self.bytes().get(self.at..self.at + text.len());
        let is_there = next.is_some_and(|next| are_same(next, text.as_bytes())) && !text.is_empty();
        self.at += if is_there { text.len() } else { 0 };
        is_there
    }

    /// Every place where this slices is next to an ASCII byte, so it is a character boundary.
    pub(super) fn text_from(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    fn starts_with(&self, word: &str) -> bool {
        let rest = self.bytes().get(self.at..);
        rest.is_some_and(|rest| rest.starts_with(word.as_bytes()))
    }

    pub(super) fn error(&self, expected: &'static str) -> SyntaxError {
        SyntaxError {
            offset: self.at,
            expected,
        }
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes().get(self.at).copied()
    }

    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    pub(super) fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    pub(super) fn end(&mut self) -> Result<(), SyntaxError> {
        self.skip_space();
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(self.error("the end of the text"))
        }
    }

    /// Moves to the next item of a list; false, and the text checked to its end, once `close` was there.
    pub(super) fn separator(
        &mut self,
        state: &mut State,
        close: u8,
        expected: &'static str,
    ) -> Result<bool, SyntaxError> {
        if *state == State::Ended {
            return Ok(false);
        }
        self.skip_space();
        if self.eat(close) {
            *state = State::Ended;
            return self.end().map(|()| false);
        }
        if *state == State::Later && !self.eat(b',') {
            return Err(self.error(expected));
        }
        *state = State::Later;
        self.skip_space();
        Ok(true)
    }

    pub(super) fn whole_text(&self) -> &'a str {
        self.text
    }

    /// Reads one value and its text, white space before it skipped.
    pub(super) fn value(&mut self) -> Result<(Value<'a>, &'a str), SyntaxError> {
        self.skip_space();
        let place = self.place()?;
        Ok((place.value(self.text), place.raw(self.text)))
    }

    /// Reads the value that starts here.
    pub(super) fn place(&mut self) -> Result<Place, SyntaxError> {
        let start = self.at;
        let tag = match self.peek() {
            Some(b'"') => self.text()?,
            Some(b'{') => self.skip_nested().map(|()| Tag::Object)?,
            Some(b'[') => self.skip_nested().map(|()| Tag::Array)?,
            _ => self.scalar()?,
        };
        Ok(Place {
            start,
            end: self.at,
            tag,
        })
    }

    #[inline]
    fn scalar(&mut self) -> Result<Tag, SyntaxError> {
        match self.peek() {
            Some(b'"') => self.text(),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| Tag::Number),
            Some(b'n') => self.word("null", Tag::Null),
            Some(b't') => self.word("true", Tag::True),
            Some(b'f') => self.word("false", Tag::False),
            _ if self.starts_with("NaN") || self.starts_with("Infinity") => {
                Err(self.error(NOT_A_NUMBER))
            }
            _ => Err(self.error("a value")),
        }
    }

    fn word(&mut self, word: &'static str, tag: Tag) -> Result<Tag, SyntaxError> {
        if !self.starts_with(word) {
            return Err(self.error("a value"));
        }
        self.at += word.len();
        Ok(tag)
    }

    fn number(&mut self) -> Result<(), SyntaxError> {
        if self.starts_with("-Infinity") {
            return Err(self.error(NOT_A_NUMBER));
        }
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), SyntaxError> {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == from {
            Err(self.error("a digit"))
        } else {
            Ok(())
        }
    }

    /// Reads a string; the caller has seen its opening quote.
    pub(super) fn text(&mut self) -> Result<Tag, SyntaxError> {
        self.at += 1;
        let mut tag = Tag::Text;
        loop {
            self.at += plain_prefix(self.bytes().get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(tag);
                }
                Some(b'\\') => {
                    tag = Tag::EscapedText;
                    self.escape()?;
                }
                Some(_) => return Err(self.error("an escaped control character")),
                None => return Err(self.error("the end of the string")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), SyntaxError> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                match self.hex4()? {
                    0xD800..=0xDBFF if self.is_at_low_surrogate() => self.at += 6,
                    0xD800..=0xDFFF => self.lone_surrogates += 1,
                    _ => {}
                }
            }
            _ => return Err(self.error("an escape")),
        }
        Ok(())
    }

    /// The grammar allows a half alone; text that was cut inside an emoji has one.
    fn is_at_low_surrogate(&self) -> bool {
        low_surrogate(self.bytes().get(self.at..).unwrap_or_default()).is_some()
    }

    fn hex4(&mut self) -> Result<u32, SyntaxError> {
        let code = self.bytes().get(self.at..self.at + 4).and_then(hex4);
        let code = code.ok_or_else(|| self.error("four hexadecimal digits"))?;
        self.at += 4;
        Ok(code)
    }

    /// Checks and skips an array or object.
    fn skip_nested(&mut self) -> Result<(), SyntaxError> {
        // The kinds of the open brackets are the bits of `objects`; those of every 128 levels before are in `outer`.
        let mut outer: Vec<u128> = Vec::new();
        let mut objects: u128 = 0;
        let mut depth = 0;
        let close = |depth: &mut u32, objects: &mut u128, outer: &mut Vec<u128>| {
            *depth -= 1;
            *objects = if depth.is_multiple_of(u128::BITS) {
                outer.pop().unwrap_or_default()
            } else {
                *objects >> 1
            };
        };
        loop {
            // Here a value must start.
            self.skip_space();
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    if depth == self.max_depth {
                        return Err(self.error("nesting of at most 128 levels"));
                    }
                    if depth > 0 && depth.is_multiple_of(u128::BITS) {
                        outer.push(std::mem::take(&mut objects));
                    }
                    self.at += 1;
                    depth += 1;
                    objects = objects << 1 | u128::from(open == b'{');
                    self.skip_space();
                    let is_empty = self.eat(if open == b'{' { b'}' } else { b']' });
                    if !is_empty {
                        if open == b'{' {
                            self.name()?;
                        }
                        continue;
                    }
                    close(&mut depth, &mut objects, &mut outer);
                }
                _ => {
                    self.scalar()?;
                }
            }
            // Here a value has ended.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let in_object = objects & 1 == 1;
                self.skip_space();
                if self.eat(b',') {
                    if in_object {
                        self.skip_space();
                        self.name()?;
                    }
                    break;
                }
                if !self.eat(if in_object { b'}' } else { b']' }) {
                    return Err(self.error(if in_object {
                        "`,` or `}`"
                    } else {
                        "`,` or `]`"
                    }));
                }
                close(&mut depth, &mut objects, &mut outer);
            }
        }
    }

    fn name(&mut self) -> Result<(), SyntaxError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("a name in double quotes"));
        }
        self.text()?;
        self.skip_space();
        if self.eat(b':') {
            Ok(())
        } else {
            Err(self.error("`:`"))
        }
    }
}

/// Returns whether two texts of the same length are the same. Those that are compared for each member are short: a call takes longer.
#[inline]
fn are_same(left: &[u8], right: &[u8]) -> bool {
    match (left.last_chunk::<8>(), right.last_chunk::<8>()) {
        (Some(left_end), Some(right_end)) => {
            let (left, right) = (left.as_chunks::<8>().0, right.as_chunks::<8>().0);
            left_end == right_end && left.iter().zip(right).all(|(left, right)| left == right)
        }
        _ => left == right,
    }
}

/// Returns how many leading bytes are neither a quote, a backslash nor a control character, eight at a time.
fn plain_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES * 0x80;
    let has_zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (chunks, rest) = bytes.as_chunks::<8>();
    for (index, chunk) in chunks.iter().enumerate() {
        let word = u64::from_le_bytes(*chunk);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let special = control
            | has_zero(word ^ (ONES * u64::from(b'"')))
            | has_zero(word ^ (ONES * u64::from(b'\\')));
        if special != 0 {
            // A borrow may mark a byte above the first special one, never one below it.
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let is_special = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < 0x20;
    bytes.len() - rest.len() + rest.iter().position(is_special).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_position_of_a_special_byte_is_found() {
        for length in 0..40 {
            for special in [b'"', b'\\', 0, 0x1f] {
                for filler in [b' ', b'a', 0x7f, 0x80, 0xff, b'!', b'#', b'[', b']'] {
                    let mut bytes = vec![filler; 40];
                    bytes[length] = special;
                    assert_eq!(
                        plain_prefix(&bytes),
                        length,
                        "{special:#x} after {length} of {filler:#x}"
                    );
                }
            }
        }
    }
}
