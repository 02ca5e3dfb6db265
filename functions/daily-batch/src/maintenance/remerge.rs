//! The repair of a curated table: everything in `clean/` is merged again.

use event_model::{Kind, chain};
use tracing::warn;

use crate::DailyError;
use crate::error::RowsError;
use crate::storage::objects::fetch_if_there;
use crate::storage::parquet_input;
use crate::table::change::{Change, Reason, RowChange};
use crate::table::delta::CuratedTable;
use crate::table::files::CuratedFile;
use crate::table::manifest::Manifest;
use crate::work::{Work, join_reader};

/// What was done to a table so that the next run merges everything again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remerge {
    /// Keys of the damaged files that the table does not name any more.
    pub dropped: Vec<String>,
    /// Rows that they had; those that are still in `clean/` come back with the next run.
    pub dropped_rows: u64,
}

/// Forgets what a table holds. Its rows stay: merging a row again changes nothing.
///
/// With `drop_damaged`, every file of the table is read to its end, and one that is gone or damaged leaves the table.
pub(crate) async fn remerge(
    work: &Work,
    kind: Kind,
    drop_damaged: bool,
) -> Result<Remerge, DailyError> {
    let store = work.lake.store();
    let mut remerge = Remerge::default();
    if drop_damaged && let Some(table) = CuratedTable::open(&work.lake, kind).await? {
        let mut removes = Vec::new();
        for file in table.files().await? {
            if let Some(error) = damage(work, &file).await? {
                warn!(lake.key = %file.path, error = chain(&error), "Drops `{}` from the table", file.path);
                remerge.dropped.push(file.path.to_string());
                remerge.dropped_rows += file.rows;
                removes.push(file);
            }
        }
        if !removes.is_empty() {
            let change = Change {
                adds: Vec::new(),
                removes,
                schema: None,
                manifest: Manifest::default(),
                rows: RowChange {
                    inserted: 0,
                    removed: remerge.dropped_rows,
                },
            };
            if table.commit(change, Reason::DropDamaged).await?.is_none() {
                return Err(DailyError::Contention { kind, times: 1 });
            }
        }
    }
    Manifest::delete_all(store.as_ref(), kind).await?;
    Ok(remerge)
}

/// Returns what is wrong with a file; `None` when every row can be read.
async fn damage(work: &Work, file: &CuratedFile) -> Result<Option<RowsError>, DailyError> {
    let Some(bytes) = fetch_if_there(work.lake.store().as_ref(), &file.path).await? else {
        return Ok(Some(RowsError::MissingFile));
    };
    let batch_bytes = work.sizes.batch_bytes;
    let task = tokio::task::spawn_blocking(move || {
        for batch in parquet_input::read(bytes, batch_bytes)? {
            batch?;
        }
        Ok(())
    });
    Ok(join_reader(task).await.err())
}
