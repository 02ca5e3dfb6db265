//! Where the rows come from that are posted: a data folder, or the generator.

mod folder;
pub mod generator;
mod ndjson;
mod sequence;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use event_model::Kind;

use folder::Folder;
use generator::Generator;

/// A row as it is posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedRow {
    /// The kind that it is posted as.
    pub kind: Kind,
    /// Its JSON, byte for byte as the source has it.
    pub json: Bytes,
}

/// What one turn of the posting script posts: the same row of each kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The row's offset, which is its `index` or `ind`.
    pub offset: i64,
    /// Its rows, in the order pin, geo, user; a kind that has no row at this offset is left out.
    pub rows: Vec<PostedRow>,
}

/// An endless source of turns.
#[derive(Debug)]
pub enum Source {
    /// The rows of a data folder; from the beginning again once all were posted.
    Folder(Folder),
    /// Rows made up from a seed.
    Generator(Generator),
}

impl Source {
    /// Opens a data folder, or the generator where there is none.
    pub fn open(folder: Option<&Path>, seed: u64) -> Result<Self, SourceError> {
        match folder {
            Some(folder) => Folder::open(folder).map(Self::Folder),
            None => Ok(Self::Generator(Generator::new(seed))),
        }
    }

    /// Returns the next turn.
    pub fn next_turn(&mut self) -> Turn {
        match self {
            Self::Folder(folder) => folder.next_turn(),
            Self::Generator(generator) => generator.next_turn(),
        }
    }
}

/// A data folder that cannot be posted from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A file is not there, or cannot be read.
    #[error(
        "could not read `{}`; a data folder has pin.ndjson, geo.ndjson and user.ndjson, and without --data \
         generated rows are posted",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A line is not a row.
    #[error("`{}`, line {line}: {problem}; mend the line or take it out", path.display())]
    BadLine {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The order of the rows is not one.
    #[error(
        "`{}`, line {line}: {problem}; it is to be a JSON array of row offsets, as in [7528, 2863]; without the file \
         the order is that of pin.ndjson",
        path.display()
    )]
    BadSequence {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// There is nothing to post.
    #[error("`{}` has no row to post: {problem}", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
        /// Why there is none.
        problem: &'static str,
    },
}

fn read_file(path: &Path) -> Result<Bytes, SourceError> {
    std::fs::read(path)
        .map(Bytes::from)
        .map_err(|source| SourceError::Unreadable {
            path: path.to_owned(),
            source,
        })
}

/// Returns the number of the line, from 1, that holds the byte at `offset`.
fn line_at(bytes: &[u8], offset: usize) -> usize {
    let before = bytes.get(..offset).unwrap_or(bytes);
    before.split(|&byte| byte == b'\n').count()
}
