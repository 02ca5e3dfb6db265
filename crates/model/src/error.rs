//! What is wrong with a folder's files.

use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Line and column, from 1; `None` where the file as a whole is meant.
    pub place: Option<(usize, usize)>,
    /// A sentence.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(formatter, ":{line}:{column}")?;
        }
        write!(formatter, ": {}", self.message)
    }
}

/// A folder that declares no model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// There is no folder.
    #[error(
        "there is no folder `model` with the tables here, in a folder above or beside the program; name it with --model or MODEL_DIR"
    )]
    NotFound,
    /// Files cannot be used as they are.
    #[error("{}", sentences(.0))]
    Invalid(Vec<Problem>),
}

impl ModelError {
    /// Returns what is wrong with the files.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::NotFound => &[],
            Self::Invalid(problems) => problems,
        }
    }
}

fn sentences(problems: &[Problem]) -> String {
    let lines: Vec<_> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}
