#![doc = include_str!("../README.md")]

pub mod archive;
mod encode;
pub mod key;
mod partitioned;
pub mod quarantine;
pub mod reader;
pub mod schema;
pub mod sequence;
pub mod writer;

pub use key::{ArrivalHour, ObjectKey, ReplayDigest, SequenceRange};
pub use partitioned::{Partition, PartitionedWriter};
pub use quarantine::{Origin, QuarantineLines, QuarantineRecord, QuarantineWriter, RejectedRecord};
pub use sequence::{Sequence, SpelledSequence};
pub use writer::{CleanWriter, Lineage};

use event_model::Kind;
use parquet::errors::ParquetError;

/// An object of the lake that could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LakeError {
    /// A row was given to the writer of another kind.
    #[error("a row of {row} was given to the writer of {writer}")]
    WrongKind {
        /// The writer's kind.
        writer: Kind,
        /// The row's kind.
        row: Kind,
    },
    /// A row is of a table that the model does not have.
    #[error("there is no table `{0}` in the model")]
    UnknownTable(Kind),
    /// Rows could not be written as Parquet; a bug, or memory ran out.
    #[error("could not write the rows as Parquet")]
    WriteParquet(#[source] ParquetError),
    /// Records could not be written as a quarantine object; a bug, or memory ran out.
    #[error("could not write the quarantine object")]
    WriteQuarantine(#[source] std::io::Error),
    /// An object is not a Parquet file, or a damaged one.
    #[error("could not read the object as Parquet")]
    ReadParquet(#[source] ParquetError),
    /// A Parquet object lacks a column, or has it with another type.
    #[error("the object has no column `{0}` of the type that a clean table has")]
    MissingColumn(&'static str),
    /// A quarantine object is not gzip.
    #[error("could not read the quarantine object as gzip")]
    ReadGzip(#[source] std::io::Error),
    /// A line of a quarantine object is not a quarantined record.
    #[error("could not read line {line} of the quarantine object")]
    ReadLine {
        /// The line's number, from 1.
        line: usize,
        /// What the JSON reader says.
        #[source]
        source: serde_json::Error,
    },
    /// A key that none of the pipeline's parts writes.
    #[error("`{0}` is not the key of a clean or a quarantine object")]
    UnknownKey(String),
    /// A `_sequence` that stream-cleaner does not write.
    #[error("`{0}` is not a sequence number, alone or with `:` and a sub-number")]
    InvalidSequence(String),
}
