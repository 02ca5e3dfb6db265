//! A file of rows: one JSON object a line, kept byte for byte.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use json_reader::Members;
use model::Table;

use super::{PostedRow, RowKey, SourceError, read_file};

/// Most bad lines of a file that are reported.
const MAX_TOLD: usize = 20;

/// Reads the rows of a table from `<table>.ndjson`, each with its key if it has one; no rows where there is no such file. Blank lines
/// are skipped.
///
/// All lines that are no JSON object are reported at once; each other one is posted as it is, for the API to judge.
pub(super) fn read(folder: &Path, table: &Table) -> Result<Vec<PostedRow>, SourceError> {
    let path = path(folder, table);
    let file = read_file(&path)?;
    parse(&file, table, &path)
}

/// Returns the file of a table's rows.
pub(super) fn path(folder: &Path, table: &Table) -> PathBuf {
    folder.join(format!("{}.ndjson", table.kind))
}

fn parse(file: &Bytes, table: &Table, path: &Path) -> Result<Vec<PostedRow>, SourceError> {
    if [&b"\xff\xfe"[..], b"\xfe\xff"]
        .iter()
        .any(|mark| file.starts_with(mark))
    {
        return Err(SourceError::Utf16 {
            path: PathBuf::from(path),
        });
    }
    let mut rows = Vec::new();
    let mut bad = Vec::new();
    for (index, line) in file.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.trim_ascii().is_empty() {
            continue;
        }
        match key(line, table) {
            Ok(key) => {
                let json = file.slice_ref(line);
                let kind = table.kind;
                rows.push(PostedRow { kind, key, json });
            }
            Err(problem) => bad.push(format!("line {}: {problem}", index + 1)),
        }
    }
    if bad.is_empty() {
        return Ok(rows);
    }
    let count = bad.len();
    if count > MAX_TOLD {
        bad.truncate(MAX_TOLD);
        bad.push(format!("and {} more", count - MAX_TOLD));
    }
    Err(SourceError::BadLines {
        path: PathBuf::from(path),
        problems: bad.join("; "),
    })
}

/// Returns the key of a row, if it has one that can be read; the error is why it is no row at all.
pub(super) fn key(line: &[u8], table: &Table) -> Result<Option<RowKey>, String> {
    let text = str::from_utf8(line)
        .map_err(|error| format!("not UTF-8 from byte {} on", error.valid_up_to()))?;
    let mut members = Members::open(text).ok_or("not a JSON object")?;
    let not_json = |error| format!("not JSON: {error}");
    let column = table.key_column();
    let names: Vec<&String> = column.map_or_else(Vec::new, |column| {
        column.from.iter().chain([&column.name]).collect()
    });
    // The first of the names that is readable counts, and the last value of a repeated name.
    let mut keys = vec![None; names.len()];
    while let Some(member) = members.next_member().map_err(not_json)? {
        let name = member.name().decode();
        for (key, known) in keys.iter_mut().zip(&names) {
            if name == known.as_str() {
                let value = column.and_then(|column| column.key_value(&member.value()));
                *key = value.map(event_model::KeyValue::into_owned);
            }
        }
    }
    Ok(keys.into_iter().flatten().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &[u8], table: &str) -> Result<Vec<PostedRow>, String> {
        let file = Bytes::copy_from_slice(text);
        let model = model::Model::load_from(None).unwrap();
        let table = model.named(table).unwrap();
        parse(&file, table, Path::new("rows.ndjson")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_rows_bytes_are_kept_as_they_are() {
        let text =
            b"{\"ind\":  7, \"country\": \"C\\u00f4te\"}\r\n\n{ \"index\": \"8\" }\n{\"ind\": 1.5}";
        let rows = read_text(text, "geo").unwrap();
        let seen: Vec<_> = rows
            .iter()
            .map(|row| (row.key.clone(), str::from_utf8(&row.json).unwrap()))
            .collect();
        assert_eq!(
            seen,
            [
                (Some(7.into()), "{\"ind\":  7, \"country\": \"C\\u00f4te\"}"),
                (Some(8.into()), "{ \"index\": \"8\" }"),
                (None, "{\"ind\": 1.5}"),
            ]
        );
    }

    #[test]
    fn all_bad_lines_are_named_at_once() {
        let text = b"{\"index\": 1}\n\n[1]\n{\"index\": 1\n{\"country\": \"\xff\"}\n";
        insta::assert_snapshot!(read_text(text, "pin").unwrap_err(), @"`rows.ndjson`: line 3: not a JSON object; line 4: not JSON: expected `,` or `}` at byte 11; line 5: not UTF-8 from byte 13 on; fix or delete these lines");
        let many = read_text(&b"[1]\n".repeat(30), "pin").unwrap_err();
        assert!(
            many.contains("line 20: not a JSON object; and 10 more; fix"),
            "{many}"
        );
    }

    #[test]
    fn a_file_of_another_encoding_is_told_once() {
        let text: Vec<u8> = "\u{feff}{\"index\": 1}\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        insta::assert_snapshot!(read_text(&text, "pin").unwrap_err(), @"`rows.ndjson` is in UTF-16, as some editors and shells write it; save it in UTF-8 (`iconv -f UTF-16 -t UTF-8`)");
    }
}
