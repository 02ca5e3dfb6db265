//! Small files of a curated table → few of the target size.

use event_model::{Clock, Kind};
use tracing::info;

use crate::fold::FILE_BYTES;
use crate::rewrite::{Rows, Source, Target, rewrite};
use crate::table::{Change, CuratedFile, CuratedTable, folder};
use crate::{DailyError, Lake};

use deltalake_core::protocol::DeltaOperation;

/// Files below this size are small.
const SMALL_BYTES: u64 = FILE_BYTES as u64 / 2;

/// Rewrites the small files of a table as one or few, and returns how many there were.
///
/// No row changes. When somebody else commits meanwhile, nothing happens: the next run compacts.
pub(crate) async fn compact(lake: &Lake, kind: Kind, clock: &Clock) -> Result<u64, DailyError> {
    let Some(table) = CuratedTable::open(lake, kind).await? else {
        return Ok(0);
    };
    let small: Vec<CuratedFile> = table
        .files()?
        .into_iter()
        .filter(|file| file.size < SMALL_BYTES)
        .collect();
    if small.len() < 2 {
        return Ok(0);
    }
    let sources = small
        .iter()
        .map(|file| Source {
            path: file.path.clone(),
            size: file.size,
            rows: Rows::AllBut(Vec::new()),
            is_clean: false,
        })
        .collect();
    let target = Target {
        folder: folder(kind),
        schema: table.schema()?,
        file_bytes: FILE_BYTES,
        at_ms: clock.unix_millis(),
    };
    let adds = rewrite(
        &lake.store(),
        sources,
        std::collections::HashMap::new(),
        target,
    )
    .await?;
    let files = small.len() as u64;
    let change = Change {
        adds,
        removes: small,
        ..Change::default()
    };
    let operation = DeltaOperation::Optimize {
        predicate: None,
        target_size: i64::try_from(FILE_BYTES).unwrap_or(i64::MAX),
    };
    let is_done = table.commit(change, operation).await?;
    if is_done {
        info!(kind = %kind, compaction.files = files, "Compacted {files} files of {kind}");
    }
    Ok(if is_done { files } else { 0 })
}
