//! What a commit changes, and why.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::files::{CuratedFile, NewFile};
use super::manifest::Manifest;

/// What a commit changes.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) adds: Vec<NewFile>,
    pub(crate) removes: Vec<CuratedFile>,
    /// Columns that the table does not have yet.
    pub(crate) schema: Option<SchemaRef>,
    /// The objects that the table holds after the commit.
    pub(crate) manifest: Manifest,
    /// What the rows are changed by.
    pub(crate) rows: RowChange,
}

/// By how much a commit says that it changes a table's number of rows: by this, and by nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowChange {
    pub(crate) inserted: u64,
    pub(crate) removed: u64,
}

/// A commit that was made: the version, and the rows of the table before and after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) version: u64,
    pub(crate) rows_before: u64,
    pub(crate) rows_after: u64,
}

/// Why a commit is made, for the table's history.
#[derive(Clone, Debug)]
pub(crate) enum Reason {
    /// New rows are merged.
    Merge(MergeNote),
    /// Files are packed into fewer of about this many bytes; every row stays as it is.
    Compaction { target_bytes: usize },
    /// Files that are gone or damaged leave the table.
    DropDamaged,
}

/// What the log says of a merge: the commit is there when the ledger could not be written any more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MergeNote {
    pub(crate) run_date: Date,
    pub(crate) attempt: u32,
    /// The date of arrival under which its rows are, for the reports of that date and of later ones.
    pub(crate) date: Date,
    /// The counts of its step, those of the merges before it included that belong to the same run.
    pub(crate) counts: BTreeMap<String, u64>,
}

/// Returns the columns of a table after a merge: those it has, then those that the pipeline knows and it lacks.
pub(crate) fn evolved(table: &SchemaRef, known: &SchemaRef) -> Option<SchemaRef> {
    let missing: Vec<_> = known
        .fields()
        .iter()
        .filter(|field| table.column_with_name(field.name()).is_none())
        .map(|field| Arc::new(field.as_ref().clone().with_nullable(true)))
        .collect();
    if missing.is_empty() {
        return None;
    }
    let fields: Vec<_> = table.fields().iter().cloned().chain(missing).collect();
    Some(Arc::new(Schema::new(fields)))
}
