//! Where the rows come from that are posted: a data folder, a database, or the generator.

mod folder;
pub mod generator;
pub mod mysql;
mod ndjson;
pub mod order;
pub mod sequence;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use event_model::{KeyValue, Kind};
use model::Model;

use folder::Folder;
use generator::Generator;
use mysql::{Mysql, MysqlError};

/// The key of a row.
pub type RowKey = KeyValue<'static>;

/// A row as it is posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedRow {
    /// The kind that it is posted as.
    pub kind: Kind,
    /// Its key: rows of a kind with the same one are versions, and are sent in their order. `None` where it has none that can be read.
    pub key: Option<RowKey>,
    /// Its JSON, byte for byte as the source has it.
    pub json: Bytes,
}

/// What one post of the posting script posts: the same row of each kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// What the post is named by: its rows' key, or their place in a file or in the tables of a database.
    pub offset: i64,
    /// Its rows, in the order of the tables; a kind that has no row at this offset is left out.
    pub rows: Vec<PostedRow>,
}

/// A source of posts; each is endless.
#[derive(Debug)]
pub enum Source {
    /// The rows of a data folder; from the beginning again once all were posted.
    Folder(Folder),
    /// The rows of a database, in an order of their own.
    Mysql(Box<Mysql>),
    /// Rows made up from a seed.
    Generator(Generator),
}

impl Source {
    /// Opens a data folder, or the generator where there is none.
    pub fn open(model: &Arc<Model>, folder: Option<&Path>, seed: u64) -> Result<Self, SourceError> {
        match folder {
            Some(folder) => Folder::open(model, folder).map(Self::Folder),
            None => Ok(Self::Generator(Generator::new(Arc::clone(model), seed))),
        }
    }

    /// Returns the next post. Only that of a database can fail, or take its time.
    pub async fn next_post(&mut self) -> Result<Post, SourceError> {
        match self {
            Self::Folder(folder) => Ok(folder.next_post()),
            Self::Mysql(mysql) => Ok(mysql.next_post().await?),
            Self::Generator(generator) => Ok(generator.next_post()),
        }
    }

    /// Goes past posts, as if they had been returned.
    pub fn skip(&mut self, posts: u64) {
        match self {
            Self::Folder(folder) => folder.skip(posts),
            Self::Mysql(mysql) => mysql.skip(posts),
            Self::Generator(generator) => generator.skip(posts),
        }
    }
}

/// A data folder or a database that cannot be posted from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A file is not there, or cannot be read.
    #[error(
        "could not read `{}`; a data folder has a file `<table>.ndjson` for each table or some of them, and without --data \
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
    /// Lines are no JSON objects.
    #[error("`{}`: {problems}; fix or delete these lines", path.display())]
    BadLines {
        /// The file.
        path: PathBuf,
        /// The lines, each by its number from 1, with what is wrong with it.
        problems: String,
    },
    /// A file is not in UTF-8.
    #[error(
        "`{}` is in UTF-16, as some editors and shells write it; save it in UTF-8 (`iconv -f UTF-16 -t UTF-8`)",
        path.display()
    )]
    Utf16 {
        /// The file.
        path: PathBuf,
    },
    /// The order of the rows is not one.
    #[error(
        "`{}`, line {line}: {problem}; it is to be a JSON array of row offsets, as in [7528, 2863]",
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
    /// The order that was asked for is not there, or cannot be read.
    #[error(
        "could not read `{}`; --order sequence needs a JSON array of row offsets, as in [7528, 2863]: name it with \
         --sequence, or put it beside the file with the login as row_sequence.json",
        path.display()
    )]
    NoSequence {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The database cannot be posted from.
    #[error(transparent)]
    Mysql(#[from] MysqlError),
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
