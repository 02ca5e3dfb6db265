//! A column's line → the column.

use json_reader::number;
use saphyr::MarkedYaml;

use super::options::Options;
use crate::table::{Column, ColumnType, Epoch, Format, Range};
use crate::yaml::{Problems, members, place, text};

const COLUMN_OPTIONS: &[&str] = &[
    "type",
    "from",
    "join",
    "null_if",
    "format",
    "strip_prefix",
    "max_length",
    "min",
    "max",
    "epoch",
];
const TYPES: &str =
    "text, int32, int64, float64, boolean, date, timestamp, \"decimal(10,2)\", point or json";
/// Names of the clean table's partitions.
const RESERVED: &[&str] = &["date", "hour"];
/// Most columns of a table.
const COLUMNS_MAX: usize = 1_000;

fn is_column_name(name: &str) -> bool {
    let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    (1..=128).contains(&name.len())
        && name.bytes().all(is_allowed)
        && name.starts_with(|first: char| first.is_ascii_lowercase())
}

/// Reads the columns of a table.
pub(super) fn read_columns(
    options: &Options<'_, '_>,
    document: &MarkedYaml<'_>,
    problems: &mut Problems<'_>,
) -> Vec<Column> {
    let Some(node) = options.get("columns") else {
        problems.add(
            Some(place(document)),
            "there are no `columns`; write `columns:` and a line for each, as `name: {type: text}`",
        );
        return Vec::new();
    };
    let Some(found) = members(node).filter(|found| !found.is_empty()) else {
        problems.add(
            Some(place(node)),
            "`columns` must be a mapping, as `name: {type: text}` in a line each",
        );
        return Vec::new();
    };
    if found.len() > COLUMNS_MAX {
        problems.add(
            Some(place(node)),
            format!(
                "there are {} columns; a table has at most {COLUMNS_MAX}",
                found.len()
            ),
        );
    }
    let mut columns = Vec::new();
    for (name, name_node, value) in found {
        if !is_column_name(&name) {
            let message = format!(
                "`{name}` is no column's name (a-z 0-9 _, a letter first); write a plain one, and `from: {name}`"
            );
            problems.add(Some(place(name_node)), message);
        } else if RESERVED.contains(&name.as_str()) {
            let message = format!(
                "`{name}` is the name of a partition of the clean table; write another name, and `from: {name}`"
            );
            problems.add(Some(place(name_node)), message);
        }
        columns.extend(read_column(name, value, problems));
    }
    columns
}

fn read_column(name: String, node: &MarkedYaml<'_>, problems: &mut Problems<'_>) -> Option<Column> {
    // `name: text` says as much as `name: {type: text}`.
    let (data_type, options) = if let Some(short) = text(node) {
        (column_type(&short, node, problems)?, Options::none())
    } else {
        let options = Options::read(node, COLUMN_OPTIONS, "a column", problems)?;
        let Some(written) = options.text("type", problems) else {
            return problems.at(node, format!("`{name}` has no `type`; write {TYPES}"));
        };
        let type_node = options.get("type").unwrap_or(node);
        (column_type(&written, type_node, problems)?, options)
    };
    let join = options.list("join", problems);
    let from = options.list("from", problems);
    let is_joined = options.get("join").is_some();
    let mut column = Column {
        from: match (is_joined, from.is_empty()) {
            (true, _) => join,
            (false, true) => vec![name.clone()],
            (false, false) => from,
        },
        name,
        data_type,
        is_joined,
        null_if: options.list("null_if", problems),
        format: None,
        strip_prefix: options.text("strip_prefix", problems),
        max_length: None,
        range: Range::default(),
        epoch: None,
        inputs: Vec::new(),
        own: None,
    };
    check_options(&column, &options, problems);
    if let Some(written) = options.text("max_length", problems) {
        column.max_length = written.parse().ok().filter(|most| *most >= 1);
        if column.max_length.is_none() {
            problems.add(
                options.place("max_length"),
                "`max_length` must be a number of characters, from 1",
            );
        }
    }
    if let Some(most) = column.max_length.filter(|_| column.is_joined)
        && most + 1 < 2 * column.from.len()
    {
        let message = format!(
            "`max_length: {most}` has no room for {} texts with a blank between them",
            column.from.len()
        );
        problems.add(options.place("max_length"), message);
    }
    column.format = named(
        &options,
        "format",
        &[("short_count", Format::ShortCount)],
        problems,
    );
    let epochs = [("s", Epoch::Seconds), ("ms", Epoch::Milliseconds)];
    column.epoch = named(&options, "epoch", &epochs, problems);
    column.range = range(&options, data_type, problems);
    Some(column)
}

fn column_type(
    written: &str,
    node: &MarkedYaml<'_>,
    problems: &mut Problems<'_>,
) -> Option<ColumnType> {
    ColumnType::parse(written).or_else(|| {
        let message = if written.starts_with("decimal") {
            "a decimal is written with its digits in all and behind the point, in quotes: `type: \"decimal(10,2)\"`, at most 38".to_owned()
        } else {
            format!("`{written}` is no type; write {TYPES}")
        };
        problems.at(node, message)
    })
}

/// Reads an option that is one of some words.
fn named<T: Copy>(
    options: &Options<'_, '_>,
    option: &str,
    words: &[(&str, T)],
    problems: &mut Problems<'_>,
) -> Option<T> {
    let written = options.text(option, problems)?;
    let found = words.iter().find(|(word, _)| *word == written);
    if found.is_none() {
        let words: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let message = format!(
            "`{option}: {written}` means nothing; write {}",
            words.join(" or ")
        );
        problems.add(options.place(option), message);
    }
    found.map(|(_, meaning)| *meaning)
}

/// Checks that a column has no option that its type has no use for.
fn check_options(column: &Column, options: &Options<'_, '_>, problems: &mut Problems<'_>) {
    use ColumnType as T;
    let data_type = column.data_type;
    for (option, is_fit, belongs) in [
        ("join", data_type == T::Text, "text"),
        (
            "strip_prefix",
            data_type == T::Text && !column.is_joined,
            "text that is not joined",
        ),
        ("max_length", data_type == T::Text, "text"),
        ("format", data_type == T::Int64, "int64"),
        ("epoch", data_type == T::Timestamp, "timestamp"),
        (
            "null_if",
            !matches!(data_type, T::Point | T::Json),
            "columns that are read from text",
        ),
    ] {
        if !is_fit && let Some(node) = options.get(option) {
            let message = format!(
                "`{option}` is for {belongs}, and `{}` is {data_type}; take it away",
                column.name
            );
            problems.add(Some(place(node)), message);
        }
    }
    let is_number = matches!(data_type, T::Int32 | T::Int64 | T::Float64 | T::Decimal(..));
    for option in ["min", "max"] {
        if !is_number && let Some(node) = options.get(option) {
            problems.add(
                Some(place(node)),
                format!(
                    "`{option}` is for numbers, and `{}` is {data_type}; take it away",
                    column.name
                ),
            );
        }
    }
    if options.get("join").is_some() && options.get("from").is_some() {
        problems.add(
            options.place("from"),
            "`join` names the fields already; take `from` away",
        );
    }
    if column.is_joined && column.from.len() < 2 {
        problems.add(
            options.place("join"),
            "`join` names at least two fields, as `join: [first_name, last_name]`",
        );
    }
    if data_type == T::Point && column.from.len() != 2 {
        let node = options.get("from").or_else(|| options.get("type"));
        problems.add(
            node.map(place),
            "a point is read from two fields: `from: [latitude, longitude]`",
        );
    }
    if column.from.iter().any(String::is_empty) {
        problems.add(options.place("from"), "a field has a name");
    }
    if column
        .strip_prefix
        .as_deref()
        .is_some_and(|prefix| prefix.trim() != prefix || prefix.is_empty())
    {
        problems.add(
            options.place("strip_prefix"),
            "`strip_prefix` has no blanks around it; those behind the prefix go with it",
        );
    }
}

/// Reads `min` and `max`: of a decimal in units of its last digit.
fn range(options: &Options<'_, '_>, data_type: ColumnType, problems: &mut Problems<'_>) -> Range {
    let mut range = Range::default();
    let mut read = |option: &str| {
        let written = options.text(option, problems)?;
        let scale = match data_type {
            ColumnType::Decimal(_, scale) => scale,
            _ => 0,
        };
        let whole = number::scaled(&written, scale);
        let float = written
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite());
        let is_read = match data_type {
            ColumnType::Float64 => float.is_some(),
            _ => whole.is_some(),
        };
        if !is_read {
            let message = format!("`{option}: {written}` is no number of a column of {data_type}");
            problems.add(options.place(option), message);
        }
        Some((whole, float))
    };
    let (min, max) = (read("min"), read("max"));
    if data_type == ColumnType::Float64 {
        range.float = (min.and_then(|min| min.1), max.and_then(|max| max.1));
    } else {
        range.whole = (min.and_then(|min| min.0), max.and_then(|max| max.0));
    }
    let is_empty = match (range.whole, range.float) {
        ((Some(min), Some(max)), _) => min > max,
        (_, (Some(min), Some(max))) => min > max,
        _ => false,
    };
    if is_empty {
        problems.add(options.place("min"), "`min` is greater than `max`");
    }
    range
}
