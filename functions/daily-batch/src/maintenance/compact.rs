//! Small files of a curated table → few of the target size.

use std::collections::HashMap;

use event_model::Kind;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tracing::info;

use crate::DailyError;
use crate::table::change::{Change, Committed, Reason, RowChange};
use crate::table::delta::CuratedTable;
use crate::table::files::CuratedFile;
use crate::table::rewrite::{FileNames, Rows, Source, Target, rewrite};
use crate::work::{Sizes, Work};

/// What a compaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compaction {
    /// Files that it packed into fewer.
    pub(crate) files: u64,
    /// The version that it read.
    pub(crate) base: u64,
    pub(crate) committed: Committed,
}

/// Packs the small files of a table into bins, and writes each bin as one file. `None` when there is nothing to pack.
///
/// No row changes. When somebody else commits meanwhile, nothing happens: the next run compacts.
pub(crate) async fn compact(work: &Work, kind: Kind) -> Result<Option<Compaction>, DailyError> {
    let Some(table) = CuratedTable::open(&work.lake, kind).await? else {
        return Ok(None);
    };
    let bins = pack(table.files().await?, &work.sizes);
    if bins.is_empty() {
        return Ok(None);
    }
    let target = Target {
        kind,
        files: FileNames::OfTable,
        schema: table.schema()?,
        // One bin, one writer, one file.
        sizes: Sizes {
            file_bytes: usize::MAX,
            writers: 1,
            ..work.sizes
        },
        at_ms: work.clock.unix_millis(),
    };
    let store = work.lake.store();
    let written: Vec<_> = stream::iter(&bins)
        .map(|bin| {
            let sources = bin.iter().map(whole).collect();
            rewrite(&store, sources, HashMap::new(), target.clone())
        })
        .buffered(work.sizes.writers)
        .try_collect()
        .await?;
    let adds: Vec<_> = written.into_iter().flatten().collect();
    let removes: Vec<_> = bins.into_iter().flatten().collect();
    if adds.len() >= removes.len() {
        return Err(DailyError::Bug(format!(
            "a compaction of {} files of `{kind}` would make {}",
            removes.len(),
            adds.len()
        )));
    }
    let (files, base) = (removes.len() as u64, table.version());
    let (manifest, _) = table.manifest().await?;
    let change = Change {
        adds,
        removes,
        schema: None,
        manifest,
        rows: RowChange::default(),
    };
    let reason = Reason::Compaction {
        target_bytes: work.sizes.file_bytes,
    };
    let Some(committed) = table.commit(change, reason).await? else {
        return Ok(None);
    };
    info!(kind = %kind, compaction.files = files, "Compacted {files} files of {kind}");
    Ok(Some(Compaction {
        files,
        base,
        committed,
    }))
}

/// Packs small files into bins of some, neighbours by key, each of about the size of a file.
fn pack(files: Vec<CuratedFile>, sizes: &Sizes) -> Vec<Vec<CuratedFile>> {
    let mut small: Vec<_> = files
        .into_iter()
        .filter(|file| file.size < sizes.small_bytes())
        .collect();
    small.sort_by(|a, b| (&a.range, &a.path).cmp(&(&b.range, &b.path)));
    let mut bins: Vec<Vec<CuratedFile>> = Vec::new();
    let mut open_bytes = 0;
    for file in small {
        match bins.last_mut() {
            Some(bin) if open_bytes + file.size <= sizes.file_bytes as u64 => {
                open_bytes += file.size;
                bin.push(file);
            }
            _ => {
                open_bytes = file.size;
                bins.push(vec![file]);
            }
        }
    }
    bins.retain(|bin| bin.len() >= sizes.packed_files);
    bins
}

fn whole(file: &CuratedFile) -> Source {
    Source {
        path: file.path.clone(),
        e_tag: None,
        size: file.size,
        rows: Rows::AllBut(Vec::new()),
        is_clean: false,
    }
}
