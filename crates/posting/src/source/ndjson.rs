//! A file of rows: one JSON object a line, kept byte for byte.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use event_model::Kind;
use json_reader::Members;
use json_reader::number;

use super::{PostedRow, SourceError, read_file};

/// Reads the rows of a kind from `<kind>.ndjson`, each with its offset. Blank lines are skipped.
pub(super) fn read(folder: &Path, kind: Kind) -> Result<Vec<(i64, PostedRow)>, SourceError> {
    let path = folder.join(format!("{kind}.ndjson"));
    let file = read_file(&path)?;
    parse(&file, kind, &path)
}

fn parse(file: &Bytes, kind: Kind, path: &Path) -> Result<Vec<(i64, PostedRow)>, SourceError> {
    let mut rows = Vec::new();
    for (index, line) in file.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.trim_ascii().is_empty() {
            continue;
        }
        let offset = match offset(line, kind) {
            Ok(Some(offset)) => Ok(offset),
            Ok(None) => Err(format!("no `{}` that is a whole number", key(kind))),
            Err(problem) => Err(problem),
        };
        let offset = offset.map_err(|problem| SourceError::BadLine {
            path: PathBuf::from(path),
            line: index + 1,
            problem,
        })?;
        let json = file.slice_ref(line);
        rows.push((offset, PostedRow { kind, json }));
    }
    Ok(rows)
}

/// Returns the name of the field that a row of a kind is known by.
fn key(kind: Kind) -> &'static str {
    if kind == Kind::Pin { "index" } else { "ind" }
}

/// Returns the `index` or `ind` of a row, if it has one that is a whole number; the error is why it is no row at all.
pub(super) fn offset(line: &[u8], kind: Kind) -> Result<Option<i64>, String> {
    let name = key(kind);
    let text = str::from_utf8(line)
        .map_err(|error| format!("not UTF-8 from byte {} on", error.valid_up_to()))?;
    let mut members = Members::open(text).ok_or("not a JSON object")?;
    let mut offset = None;
    let not_json = |error| format!("not JSON: {error}");
    while let Some(member) = members.next_member().map_err(not_json)? {
        if member.name.decode() == name {
            offset = number::integer_value(&member.value);
        }
    }
    Ok(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str, kind: Kind) -> Result<Vec<(i64, PostedRow)>, String> {
        let file = Bytes::copy_from_slice(text.as_bytes());
        parse(&file, kind, Path::new("rows.ndjson")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_rows_bytes_are_kept_as_they_are() {
        let text = "{\"ind\":  7, \"country\": \"C\\u00f4te\"}\r\n\n{ \"ind\": \"8\" }";
        let rows = read_text(text, Kind::Geo).unwrap();
        let seen: Vec<_> = rows
            .iter()
            .map(|(offset, row)| (*offset, str::from_utf8(&row.json).unwrap()))
            .collect();
        assert_eq!(
            seen,
            [
                (7, "{\"ind\":  7, \"country\": \"C\\u00f4te\"}"),
                (8, "{ \"ind\": \"8\" }")
            ]
        );
    }

    #[test]
    fn a_bad_line_is_named() {
        for (line, problem) in [
            ("[1]", "not a JSON object"),
            ("{\"index\": 1", "not JSON: expected `,` or `}` at byte 11"),
            ("{\"ind\": 1}", "no `index` that is a whole number"),
            ("{\"index\": 1.5}", "no `index` that is a whole number"),
        ] {
            let text = format!("{{\"index\": 1}}\n\n{line}\n");
            assert_eq!(
                read_text(&text, Kind::Pin).unwrap_err(),
                format!("`rows.ndjson`, line 3: {problem}; fix or delete the line")
            );
        }
        let file = Bytes::from_static(b"{\"ind\": 1, \"country\": \"\xff\"}");
        let error = parse(&file, Kind::Geo, Path::new("geo.ndjson")).unwrap_err();
        assert!(
            error.to_string().contains("line 1: not UTF-8 from byte 23"),
            "{error}"
        );
    }
}
