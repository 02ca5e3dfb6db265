//! The order in which the old script posted its rows: a JSON array of row offsets.

use std::fs;
use std::path::Path;

use json_reader::Elements;
use json_reader::number;

use super::{SourceError, line_at, read_file};

/// Name of the file, in a data folder and beside the login of a database.
pub const FILE_NAME: &str = "row_sequence.json";

/// Reads the order of a data folder; `None` when it has none of its own.
pub(super) fn read_in(folder: &Path) -> Result<Option<Vec<i64>>, SourceError> {
    let path = folder.join(FILE_NAME);
    if !path.exists() {
        return Ok(None);
    }
    let file = read_file(&path)?;
    parse(&file, &path).map(Some)
}

/// Reads an order that was asked for by its file's name.
pub(super) fn read(path: &Path) -> Result<Vec<i64>, SourceError> {
    let file = fs::read(path).map_err(|source| SourceError::NoSequence {
        path: path.to_owned(),
        source,
    })?;
    parse(&file, path)
}

fn parse(file: &[u8], path: &Path) -> Result<Vec<i64>, SourceError> {
    let bad = |offset: usize, problem: String| SourceError::BadSequence {
        path: path.to_owned(),
        line: line_at(file, offset),
        problem,
    };
    let text =
        str::from_utf8(file).map_err(|error| bad(error.valid_up_to(), "not UTF-8".to_owned()))?;
    let mut elements = Elements::open(text).ok_or_else(|| bad(0, "not a JSON array".to_owned()))?;
    let mut offsets = Vec::new();
    loop {
        let element = elements
            .next_element()
            .map_err(|error| bad(error.offset, format!("not JSON: {error}")))?;
        let Some((value, raw)) = element else {
            return Ok(offsets);
        };
        let offset = number::integer_value(&value).ok_or_else(|| {
            let place = raw.as_ptr().addr() - text.as_ptr().addr();
            let shown: String = raw.chars().take(40).collect();
            bad(place, format!("`{shown}` is not a whole number"))
        })?;
        offsets.push(offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_text(text: &str) -> Result<Vec<i64>, String> {
        parse(text.as_bytes(), Path::new("row_sequence.json")).map_err(|error| error.to_string())
    }

    #[test]
    fn an_array_of_offsets_is_read() {
        assert_eq!(
            parse_text("[7528,\n 2863, 7528]\n"),
            Ok(vec![7528, 2863, 7528])
        );
        assert_eq!(parse_text("[]"), Ok(vec![]));
    }

    #[test]
    fn a_bad_sequence_names_the_line() {
        for (text, line, problem) in [
            ("{}", 1, "not a JSON array"),
            ("[1,\n2,\nnull]", 3, "`null` is not a whole number"),
            ("[1,\n2", 2, "not JSON: expected `,` or `]` at byte 5"),
        ] {
            let error = parse_text(text).unwrap_err();
            assert!(
                error.starts_with(&format!("`row_sequence.json`, line {line}: {problem}; ")),
                "{error}"
            );
        }
    }
}
