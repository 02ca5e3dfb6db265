//! What the rules did to a row, for a person.

use std::borrow::Cow;
use std::io::{self, Write};

use cleaning::{Change, Rejection, Rule};
use json_reader::Members;
use model::{Column, ColumnType};

use super::CleanedRow;

/// Writes which rule changed which field from what to what, and the clean row; or why there is none.
pub(super) fn write(
    out: &mut impl Write,
    line: u64,
    outcome: &Result<CleanedRow<'_>, Rejection>,
    changes: &[Change],
) -> io::Result<()> {
    let row = match outcome {
        Ok(row) => row,
        Err(rejection) => return writeln!(out, "line {line}: rejected, {rejection}"),
    };
    let key = row.table.key_column();
    let key = key.and_then(|column| member(&row.json, &column.name));
    write!(out, "line {line}: {}", row.table.kind)?;
    if let Some(key) = key {
        write!(out, " {key}")?;
    }
    writeln!(
        out,
        "{}",
        if changes.is_empty() {
            ", no rule changed it"
        } else {
            ""
        }
    )?;
    let width = changes
        .iter()
        .map(|change| change.rule.as_str().len())
        .max();
    for change in changes {
        let (before, after) = (before(row, change), after(row, change));
        let rule = change.rule;
        writeln!(
            out,
            "  {rule:width$}  {before} → {after}",
            width = width.unwrap_or_default()
        )?;
    }
    writeln!(out, "  {}", row.json)
}

/// The field as posted.
fn before(row: &CleanedRow<'_>, change: &Change) -> String {
    let field = |name: &str| member(&row.posted, name).map(|value| format!("{name}: {value}"));
    let fields = match change.rule {
        Rule::UnreadKept => {
            let unread = raw_member(&row.json, cleaning::UNREAD);
            let kept = unread.and_then(|unread| member(unread, &change.field));
            vec![kept.map(|value| format!("{}: {value}", change.field))]
        }
        Rule::EmptyRow | Rule::LoneSurrogate => vec![Some("the row".to_owned())],
        // Of those that are joined, some may be missing.
        Rule::TextJoined => {
            let column = column(row, change);
            let names = column.map_or(&[][..], |column| &column.from);
            names.iter().map(|name| field(name)).collect()
        }
        _ => vec![field(&change.field)],
    };
    fields.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Returns the column that is read from the field.
fn column<'r>(row: &'r CleanedRow<'_>, change: &Change) -> Option<&'r Column> {
    let mut columns = row.table.columns.iter();
    columns.find(|column| column.name == change.field || column.from.contains(&change.field))
}

/// What became of it.
fn after<'r>(row: &'r CleanedRow<'_>, change: &'r Change) -> Cow<'r, str> {
    match change.rule {
        Rule::FieldIgnored => return "dropped".into(),
        Rule::UnreadKept => return "kept in _unread".into(),
        Rule::EmptyRow => return "every column but the key is null".into(),
        Rule::LoneSurrogate => return "half of a surrogate pair is U+FFFD".into(),
        _ => {}
    }
    let column = match column(row, change) {
        // The other parts may have been kept: the value itself is what became null.
        Some(column)
            if column.from.len() > 1
                && (column.is_joined || column.data_type == ColumnType::Point)
                && column.name != change.field
                && change.rule != Rule::TextJoined =>
        {
            return "null".into();
        }
        Some(column) => &column.name,
        None => &change.field,
    };
    let value = member(&row.json, column).unwrap_or_else(|| "null".to_owned());
    if *column == change.field {
        value.into()
    } else {
        format!("{column}: {value}").into()
    }
}

/// Returns a member's value as it is spelled.
fn raw_member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let mut members = Members::open(object)?;
    let mut found = None;
    while let Ok(Some(member)) = members.next_member() {
        if member.name().decode() == name {
            found = Some(member.raw);
        }
    }
    found
}

/// Returns the text of a member's value; if a name is repeated, the last value wins, as it does for the rules.
fn member(object: &str, name: &str) -> Option<String> {
    let mut members = Members::open(object)?;
    let mut found = None;
    while let Ok(Some(member)) = members.next_member() {
        if member.name().decode() == name {
            found = Some(shown(&member));
        }
    }
    found
}

/// Text is shown as it is meant, with escapes only where it must have them.
fn shown(member: &json_reader::Member<'_>) -> String {
    let json_reader::Value::Text(text) = member.value() else {
        return member.raw.to_owned();
    };
    let mut shown = String::new();
    json_reader::push_string(&mut shown, &text.decode());
    shown
        .chars()
        .map(|character| match character {
            // A no-break space would look like a blank.
            blank if blank.is_whitespace() && blank != ' ' => {
                format!("\\u{:04x}", u32::from(blank))
            }
            other => other.to_string(),
        })
        .collect()
}
