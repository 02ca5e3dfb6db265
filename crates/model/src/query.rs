//! A query of the folder: a view that reports share, or a report.

use std::path::PathBuf;

use event_model::Kind;

use crate::Problem;

/// A view or a report: its name and its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The name, which is that of the file.
    pub name: String,
    /// The query, with what there is to say of it in the comments at its head.
    pub sql: String,
    /// The file.
    pub file: PathBuf,
}

impl Query {
    pub(crate) fn new(file: PathBuf, sql: String) -> Result<Self, Problem> {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let query = Self {
            name: name.into_owned(),
            sql,
            file,
        };
        let mut words = query.name.split('_');
        if query.name.len() > 128 || words.any(|word| word.is_empty() || !is_word(word)) {
            let message = format!(
                "`{}` is no name of a query; write a-z 0-9 and single _, a letter first, as in `top_boards.sql`",
                query.name
            );
            return Err(query.problem(message));
        }
        if query.body().trim().is_empty() {
            return Err(query.problem("there is no query; write one SELECT".to_owned()));
        }
        Ok(query)
    }

    /// Returns the text after `-- <label>:` at the head of the query; empty where there is none.
    pub fn note(&self, label: &str) -> &str {
        let notes = self.sql.lines().map_while(|line| line.strip_prefix("-- "));
        let mut parts = notes.filter_map(|note| note.split_once(": "));
        parts
            .find(|(found, _)| *found == label)
            .map_or("", |(_, text)| text)
    }

    /// Returns the query without the comments at its head.
    pub fn body(&self) -> &str {
        let mut rest = self.sql.as_str();
        while rest.starts_with("--") {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
        rest
    }

    /// Returns something that is wrong with the query as a whole.
    pub fn problem(&self, message: String) -> Problem {
        Problem {
            file: self.file.clone(),
            place: None,
            message,
        }
    }
}

fn is_word(word: &str) -> bool {
    word.bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && word.len() <= Kind::MAX_LENGTH
}
