//! A table's file → the table.

mod column;
mod options;

use std::collections::HashMap;
use std::path::Path;

use event_model::Kind;
use saphyr::MarkedYaml;

use self::column::read_columns;
use self::options::Options;
use crate::Problem;
use crate::table::{ColumnType, Merge, Table};
use crate::yaml::{self, Problems, place};

const OPTIONS: &[&str] = &[
    "description",
    "labels",
    "recognised_by",
    "key",
    "order_by",
    "merge",
    "dedupe",
    "version",
    "columns",
    "ignore",
];
/// Names that mean something else in the lake or in partition keys.
const RESERVED: &[&str] = &["quarantine", "row"];

/// Reads a table's file.
pub(crate) fn read_table(file: &Path, contents: &str) -> Result<Table, Vec<Problem>> {
    let mut problems = Problems::of(file);
    let table = read(file, contents, &mut problems);
    match table {
        Some(table) if problems.found.is_empty() => Ok(table),
        _ => Err(problems.found),
    }
}

fn read(file: &Path, contents: &str, problems: &mut Problems<'_>) -> Option<Table> {
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let kind = name.parse::<Kind>();
    if RESERVED.contains(&&*name) || name.starts_with("clean_") {
        problems.add(
            None,
            format!("`{name}` has a meaning of its own in the lake; give the table another name"),
        );
    } else if let Err(error) = &kind {
        problems.add(None, format!("{error}; give the file another name"));
    }
    let document = yaml::load(contents, problems)?;
    let options = Options::read(&document, OPTIONS, "a table", problems)?;
    let columns = read_columns(&options, &document, problems);
    let mut table = Table {
        kind: kind.ok()?,
        description: options.text("description", problems).unwrap_or_default(),
        labels: options.list("labels", problems),
        recognised_by: options.list("recognised_by", problems),
        key: None,
        order_by: None,
        merge: Merge::Latest,
        columns,
        ignore: options.list("ignore", problems),
        version: version(&options, problems).unwrap_or(1),
        file: file.to_owned(),
        labels_place: options.place("labels").unwrap_or((1, 1)),
        ignored: Vec::new(),
    };
    check_labels(&mut table, problems);
    check_fields(&table, &options, problems);
    let is_append = is_append(&options, problems);
    table.key = key(&table, &options, &document, is_append, problems);
    table.order_by = order_by(&table, &options, is_append, problems);
    let dedupe = dedupe(&table, &options, is_append, problems);
    if is_append {
        table.merge = Merge::Append { dedupe };
    }
    Some(table)
}

/// Finds the column that an option names.
fn find(
    table: &Table,
    options: &Options<'_, '_>,
    (option, name): (&str, &str),
    problems: &mut Problems<'_>,
) -> Option<usize> {
    let found = table.columns.iter().position(|column| column.name == name);
    if found.is_none() && !table.columns.is_empty() {
        let names = table.columns.iter().map(|column| column.name.as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        let message = format!("`{option}` names `{name}`, which is no column; there are {names}");
        problems.add(options.place(option), message);
    }
    found
}

fn is_append(options: &Options<'_, '_>, problems: &mut Problems<'_>) -> bool {
    match options.text("merge", problems).as_deref() {
        None | Some("latest") => false,
        Some("append") => true,
        Some(other) => {
            let message = format!("`merge: {other}` means nothing; write `latest` or `append`");
            problems.add(options.place("merge"), message);
            false
        }
    }
}

fn key(
    table: &Table,
    options: &Options<'_, '_>,
    document: &MarkedYaml<'_>,
    is_append: bool,
    problems: &mut Problems<'_>,
) -> Option<usize> {
    let Some(name) = options.text("key", problems) else {
        if !is_append && options.get("key").is_none() {
            let message = "there is no `key`; name the column that tells rows apart, or write `merge: append` to keep every record";
            problems.add(Some(place(document)), message);
        }
        return None;
    };
    let key = find(table, options, ("key", &name), problems)?;
    let column = table.columns.get(key)?;
    if !matches!(column.data_type, ColumnType::Int64 | ColumnType::Text) || column.is_joined {
        let message = format!(
            "the key `{name}` is {}; a key is int64 or text, read from one field",
            column.data_type
        );
        problems.add(options.place("key"), message);
    }
    Some(key)
}

fn order_by(
    table: &Table,
    options: &Options<'_, '_>,
    is_append: bool,
    problems: &mut Problems<'_>,
) -> Option<usize> {
    let name = options.text("order_by", problems)?;
    let order_by = find(table, options, ("order_by", &name), problems)?;
    let data_type = table.columns.get(order_by)?.data_type;
    let has_order = matches!(
        data_type,
        ColumnType::Int32 | ColumnType::Int64 | ColumnType::Date | ColumnType::Timestamp
    );
    if is_append {
        let message = "`order_by` says which row of a key is the latest, and `merge: append` keeps every one; take one of them away";
        problems.add(options.place("order_by"), message);
    } else if !has_order {
        let message = format!(
            "`order_by` names a column of {data_type}; it takes int32, int64, date and timestamp"
        );
        problems.add(options.place("order_by"), message);
    }
    Some(order_by)
}

fn dedupe(
    table: &Table,
    options: &Options<'_, '_>,
    is_append: bool,
    problems: &mut Problems<'_>,
) -> Vec<usize> {
    let place = options.place("dedupe");
    if !is_append && place.is_some() {
        let message = "`dedupe` goes with `merge: append`; `latest` keeps one row of a key anyway";
        problems.add(place, message);
    }
    let names = options.list("dedupe", problems);
    let mut columns = Vec::new();
    for name in names {
        let Some(found) = find(table, options, ("dedupe", &name), problems) else {
            continue;
        };
        let data_type = table.columns.get(found).map(|column| column.data_type);
        if let Some(data_type @ (ColumnType::Point | ColumnType::Json | ColumnType::Float64)) =
            data_type
        {
            let message = format!(
                "`dedupe` names `{name}`, which is {data_type}; it takes columns whose values are equal or not"
            );
            problems.add(place, message);
        }
        columns.push(found);
    }
    columns
}

fn version(options: &Options<'_, '_>, problems: &mut Problems<'_>) -> Option<u16> {
    let written = options.text("version", problems)?;
    let version = written
        .parse()
        .ok()
        .filter(|version| (1..=0x7fff).contains(version));
    if version.is_none() {
        problems.add(
            options.get("version").map(place),
            "`version` must be a whole number from 1 to 32767",
        );
    }
    version
}

fn check_labels(table: &mut Table, problems: &mut Problems<'_>) {
    for label in &table.labels {
        let is_label = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if label.is_empty() || !label.bytes().all(is_label) {
            let message = format!(
                "`{label}` is no label; it is the last part of a name such as `abc.board`, of A-Z a-z 0-9 _"
            );
            problems.add(Some(table.labels_place), message);
        }
    }
    let own = table.kind.to_string();
    table.labels.retain(|label| *label != own);
    table.labels.insert(0, own);
}

/// Checks that each field has one place.
fn check_fields(table: &Table, options: &Options<'_, '_>, problems: &mut Problems<'_>) {
    let at = |option: &str| options.place(option);
    let mut owners: HashMap<&str, &str> = HashMap::new();
    for column in &table.columns {
        for field in column.from.iter().chain([&column.name]) {
            let earlier = owners.insert(field, &column.name);
            if let Some(other) = earlier.filter(|other| *other != column.name) {
                let message = format!(
                    "`{}` and `{other}` both read the field `{field}`; a field belongs to one column",
                    column.name
                );
                problems.add(at("columns"), message);
            }
        }
    }
    for field in &table.ignore {
        if let Some(column) = owners.get(field.as_str()) {
            problems.add(
                at("ignore"),
                format!("`{field}` is ignored, and the column `{column}` reads it; take one away"),
            );
        }
    }
    for field in &table.recognised_by {
        // A column that could not be read may read it.
        let is_whole = problems.found.is_empty();
        if is_whole && !owners.contains_key(field.as_str()) && !table.ignore.contains(field) {
            problems.add(
                at("recognised_by"),
                format!("`recognised_by` names `{field}`, which no column reads"),
            );
        }
    }
}
