//! The data files of a curated table.

use event_model::Kind;
use object_store::path::Path;
use serde_json::Value;

use crate::merge::keys::KeyRange;

/// A file of a table.
#[derive(Clone, Debug)]
pub(crate) struct CuratedFile {
    /// Its key in the bucket.
    pub(crate) path: Path,
    pub(crate) size: u64,
    pub(crate) rows: u64,
    /// Where its keys lie, when the log says so.
    pub(crate) range: Option<KeyRange>,
    /// Statistics of the log, as JSON: counts, bounds and nulls.
    pub(super) stats: Value,
    /// Its path in the table's log.
    pub(super) name: String,
}

/// A file that is in the bucket, and that no version of the table names yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct NewFile {
    /// Its path in the table's log.
    pub(crate) name: String,
    /// Bytes.
    pub(crate) size: i64,
    /// When it was written, in milliseconds since 1970.
    pub(crate) modified_ms: i64,
    pub(crate) rows: u64,
    /// Statistics for the log, as JSON: counts, bounds and nulls.
    pub(crate) stats: String,
}

/// Returns the key prefix of a table, without the last slash.
pub(crate) fn folder(kind: Kind) -> String {
    format!("curated/{kind}")
}
