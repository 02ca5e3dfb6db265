//! What is shown to a person's terminal: text alone.
//!
//! Rows, messages and names come from strangers. A terminal takes some characters for commands: to move, to colour, to answer
//! for whoever sits there, or to show text in another order than it has. On a terminal they are written out.

use std::fmt::Write as _;
use std::io::{self, Write};

/// Writes text to a terminal, with each character that is a command to it written out as `\u{1b}`.
pub(crate) struct Plain<W>(pub(crate) W);

impl<W: Write> Write for Plain<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // What is handed on here comes in whole texts.
        let text = String::from_utf8_lossy(bytes);
        self.0.write_all(plain(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Writes to a file or a pipe, and says so where it cannot: a full disk is somebody's output file.
pub(crate) struct Output<W>(pub(crate) W);

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(|error| unwritten(&error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(|error| unwritten(&error))
    }
}

fn unwritten(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("could not write the output: {error}"))
}

/// Writes out the characters that a terminal would obey.
pub(crate) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_command(letter) {
            // Writing to a `String` does not fail.
            let _ = write!(shown, "{}", letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown
}

fn is_command(letter: char) -> bool {
    match letter {
        '\n' | '\t' => false,
        // Marks, embeddings, overrides and isolates of the direction of writing; separators of lines.
        '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            true
        }
        letter => letter.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing_but_text() {
        for (text, shown) in [
            ("Уют 🧵\n\ta", "Уют 🧵\n\ta"),
            (
                "\u{1b}]0;title\u{7}\u{1b}[2J",
                "\\u{1b}]0;title\\u{7}\\u{1b}[2J",
            ),
            ("a\rb\u{8}c\u{7f}\u{0}", "a\\u{d}b\\u{8}c\\u{7f}\\u{0}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}gpj.exe\u{2066}", "\\u{202e}gpj.exe\\u{2066}"),
        ] {
            assert_eq!(plain(text), shown);
            let mut written = Vec::new();
            write!(Plain(&mut written), "{text}").unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), shown);
        }
    }
}
