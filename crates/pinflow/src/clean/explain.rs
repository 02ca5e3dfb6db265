//! What the rules did to a row, for a person.

use std::borrow::Cow;
use std::io::{self, Write};

use cleaning::{Change, Rejection, Rule};
use json_reader::Members;

use super::CleanedRow;

/// Writes which rule changed which field from what to what, and the clean row; or why there is none.
pub(super) fn write(
    out: &mut impl Write,
    line: u64,
    outcome: &Result<CleanedRow, Rejection>,
    changes: &[Change],
) -> io::Result<()> {
    let row = match outcome {
        Ok(row) => row,
        Err(rejection) => return writeln!(out, "line {line}: rejected, {rejection}"),
    };
    let ind = member(&row.json, "ind").unwrap_or_default();
    write!(out, "line {line}: {} {ind}", row.kind)?;
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
fn before(row: &CleanedRow, change: &Change) -> String {
    let field = |name| member(&row.posted, name).map(|value| format!("{name}: {value}"));
    let fields = match change.rule {
        Rule::UnreadKept => {
            let unread = raw_member(&row.json, "_unread");
            let kept = unread.and_then(|unread| member(unread, change.field));
            [kept.map(|value| format!("{}: {value}", change.field)), None]
        }
        Rule::EmptyRow | Rule::LoneSurrogate => [Some("the row".to_owned()), None],
        // The name is joined of two fields, of which one may be missing.
        Rule::UserNameJoined => [field("first_name"), field("last_name")],
        _ => [field(change.field), None],
    };
    fields.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// What became of it.
fn after(row: &CleanedRow, change: &Change) -> Cow<'static, str> {
    let column = match (change.rule, change.field) {
        (Rule::DownloadedDropped, _) => return "dropped".into(),
        (Rule::UnreadKept, _) => return "kept in _unread".into(),
        (Rule::EmptyRow, _) => return "every column but the key is null".into(),
        (Rule::LoneSurrogate, _) => return "half of a surrogate pair is U+FFFD".into(),
        (Rule::IndexRenamed, _) => "ind",
        (Rule::UserNameJoined, _) => "user_name",
        // The other part of the pair, or of the name, may have been kept: the value itself is what became null.
        (_, "latitude" | "longitude" | "first_name" | "last_name") => return "null".into(),
        (_, field) => field,
    };
    let value = member(&row.json, column).unwrap_or_else(|| "null".to_owned());
    if column == change.field {
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
        if member.name.decode() == name {
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
        if member.name.decode() == name {
            found = Some(shown(&member));
        }
    }
    found
}

/// Text is shown as it is meant, with escapes only where it must have them.
fn shown(member: &json_reader::Member<'_>) -> String {
    let json_reader::Value::Text(text) = member.value else {
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
