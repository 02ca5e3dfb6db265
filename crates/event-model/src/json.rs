//! A strict JSON reader (RFC 8259) that borrows from its input.
//!
//! One pass, no tree: [`Members`] walks an object and hands out each value as a slice of the text, so that a row's bytes
//! reach a column without a copy. A number is handed out as it is spelled, so no digit is lost, and a nested value is
//! checked and skipped without recursion: any input ends in a value or an error, in linear time and constant memory.

use std::borrow::Cow;

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

/// A JSON string: what stands between its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    raw: &'a str,
    is_escaped: bool,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    First,
    Later,
    Ended,
}

#[derive(Clone, Debug)]
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn error(&self, expected: &'static str) -> SyntaxError {
        SyntaxError {
            offset: self.at,
            expected,
        }
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn end(&mut self) -> Result<(), SyntaxError> {
        self.skip_space();
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(self.error("the end of the text"))
        }
    }

    /// Moves to the next item of a list; false, and the text checked to its end, once `close` was there.
    fn separator(
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

    /// Every place where this slices is next to an ASCII byte, so it is a character boundary.
    fn slice(&self, from: usize) -> &'a str {
        self.text.get(from..self.at).unwrap_or_default()
    }

    /// Reads one value and its text, white space before it skipped.
    fn value(&mut self) -> Result<(Value<'a>, &'a str), SyntaxError> {
        self.skip_space();
        let from = self.at;
        let value = match self.peek() {
            Some(b'{') => {
                self.skip_nested()?;
                Value::Object(self.slice(from))
            }
            Some(b'[') => {
                self.skip_nested()?;
                Value::Array(self.slice(from))
            }
            _ => self.scalar()?,
        };
        Ok((value, self.slice(from)))
    }

    fn scalar(&mut self) -> Result<Value<'a>, SyntaxError> {
        match self.peek() {
            Some(b'"') => self.text().map(Value::Text),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b'n') => self.word("null", Value::Null),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            _ => Err(self.error("a value")),
        }
    }

    fn word(&mut self, word: &'static str, value: Value<'a>) -> Result<Value<'a>, SyntaxError> {
        if !self
            .bytes()
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word.as_bytes()))
        {
            return Err(self.error("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<&'a str, SyntaxError> {
        let from = self.at;
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
        Ok(self.slice(from))
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
    fn text(&mut self) -> Result<Text<'a>, SyntaxError> {
        self.at += 1;
        let from = self.at;
        let mut is_escaped = false;
        loop {
            self.at += plain_prefix(self.bytes().get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    let raw = self.slice(from);
                    self.at += 1;
                    return Ok(Text { raw, is_escaped });
                }
                Some(b'\\') => {
                    is_escaped = true;
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
                    0xD800..=0xDBFF => {
                        let at = self.at;
                        let is_pair = self.eat(b'\\')
                            && self.eat(b'u')
                            && matches!(self.hex4()?, 0xDC00..=0xDFFF);
                        if !is_pair {
                            return Err(SyntaxError {
                                offset: at,
                                expected: "a low surrogate",
                            });
                        }
                    }
                    0xDC00..=0xDFFF => return Err(self.error("a high surrogate before a low one")),
                    _ => {}
                }
            }
            _ => return Err(self.error("an escape")),
        }
        Ok(())
    }

    fn hex4(&mut self) -> Result<u32, SyntaxError> {
        let code = self.bytes().get(self.at..self.at + 4).and_then(hex4);
        let code = code.ok_or_else(|| self.error("four hexadecimal digits"))?;
        self.at += 4;
        Ok(code)
    }

    /// Checks and skips an array or object; the kinds of the open brackets are the bits of `objects`.
    fn skip_nested(&mut self) -> Result<(), SyntaxError> {
        let mut objects: u128 = 0;
        let mut depth = 0;
        loop {
            // Here a value must start.
            self.skip_space();
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    if depth == MAX_DEPTH {
                        return Err(self.error("nesting of at most 128 levels"));
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
                    depth -= 1;
                    objects >>= 1;
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
                depth -= 1;
                objects >>= 1;
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

fn hex4(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |code, &digit| {
        Some(code << 4 | char::from(digit).to_digit(16)?)
    })
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

/// Resolves the escapes of a string that [`Reader::text`] has checked.
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

#[cfg(test)]
mod tests;
