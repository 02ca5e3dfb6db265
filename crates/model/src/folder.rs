//! Where the folder is, and which files it has.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use crate::fields::Fields;
use crate::query::Query;
use crate::read::read_table;
use crate::{Model, ModelError, Problem, Table};

/// Name of the folder.
pub const FOLDER: &str = "model";
/// Its folder of tables, without which it is another one.
const TABLES: &str = "tables";

/// Most fields that all tables together name: each has a number of 16 bits.
const FIELDS_MAX: usize = 65_535;

/// Returns the folder `model` of the current directory, of one above it, or else of the program's or one above that.
///
/// # Errors
///
/// If there is none.
pub fn find() -> Result<PathBuf, ModelError> {
    let current = env::current_dir().ok();
    let program = env::current_exe().ok();
    let starts = current.iter().chain(&program);
    let mut folders = starts.flat_map(|start| start.ancestors().map(|above| above.join(FOLDER)));
    folders
        .find(|folder| folder.join(TABLES).is_dir())
        .ok_or(ModelError::NotFound)
}

pub(crate) fn load(folder: &Path) -> Result<Model, ModelError> {
    if !folder.is_dir() {
        return Err(ModelError::Invalid(vec![Problem {
            file: folder.to_owned(),
            place: None,
            message: "there is no such folder; name the one that has `tables` in it".to_owned(),
        }]));
    }
    let mut problems = Vec::new();
    let mut tables = Vec::new();
    for (path, text) in files(&folder.join(TABLES), "yaml", &mut problems) {
        match read_table(&path, &text) {
            Ok(table) => tables.push(table),
            Err(found) => problems.extend(found),
        }
    }
    if tables.is_empty() && problems.is_empty() {
        problems.push(Problem {
            file: folder.join(TABLES),
            place: None,
            message: "there is no table; write `<name>.yaml`, one file for each".to_owned(),
        });
    }
    tables.sort_by_key(|table| table.kind);
    check_labels(&tables, &mut problems);
    let queries = |part: &str, problems: &mut Vec<Problem>| {
        let files = files(&folder.join(part), "sql", problems);
        let queries = files.into_iter().map(|(path, sql)| Query::new(path, sql));
        let mut queries: Vec<Query> = queries
            .filter_map(|query| query.map_err(|problem| problems.push(problem)).ok())
            .collect();
        queries.sort_by(|left, right| left.name.cmp(&right.name));
        queries
    };
    let views = queries("views", &mut problems);
    let reports = queries("reports", &mut problems);
    for view in &views {
        if tables.iter().any(|table| table.kind.as_str() == view.name) {
            let message = format!("`{}` is a table; give the view another name", view.name);
            problems.push(view.problem(message));
        }
    }
    let fields = tables.iter().map(|table| {
        let of_columns = table.columns.iter().map(|column| column.from.len() + 1);
        of_columns.sum::<usize>() + table.ignore.len()
    });
    let fields: usize = fields.sum();
    if fields > FIELDS_MAX {
        problems.push(Problem {
            file: folder.join(TABLES),
            place: None,
            message: format!("all tables name {fields} fields; there may be {FIELDS_MAX}"),
        });
    }
    if !problems.is_empty() {
        return Err(ModelError::Invalid(problems));
    }
    let fields = Fields::new(&mut tables);
    Ok(Model {
        rules: tables.iter().map(Table::rules).collect(),
        tables,
        fields,
        views,
        reports,
    })
}

/// Reads the files of a folder that have this extension; a folder that is not there has none.
fn files(folder: &Path, extension: &str, problems: &mut Vec<Problem>) -> Vec<(PathBuf, String)> {
    let unreadable = |path: &Path, error: io::Error| Problem {
        file: path.to_owned(),
        place: None,
        message: format!("cannot be read: {error}"),
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            problems.push(unreadable(folder, error));
            return Vec::new();
        }
    };
    let mut files = Vec::new();
    for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        if path.extension().is_none_or(|found| found != extension) {
            // `yml` would be left out in silence.
            if path.extension().is_some_and(|found| found == "yml") {
                problems.push(Problem {
                    file: path,
                    place: None,
                    message: "is left out; its name must end with `.yaml`".to_owned(),
                });
            }
            continue;
        }
        match fs::read_to_string(&path) {
            Ok(text) => files.push((path, text)),
            Err(error) => problems.push(unreadable(&path, error)),
        }
    }
    files.sort();
    files
}

fn check_labels(tables: &[Table], problems: &mut Vec<Problem>) {
    for (place, table) in tables.iter().enumerate() {
        for label in &table.labels {
            let mut others = tables.iter().take(place);
            if let Some(other) = others.find(|other| other.labels.contains(label)) {
                problems.push(Problem {
                    file: table.file.clone(),
                    place: Some(table.labels_place),
                    message: format!(
                        "the label `{label}` is `{}`'s; a label belongs to one table",
                        other.kind
                    ),
                });
            }
        }
    }
}
