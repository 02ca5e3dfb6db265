//! `quarantine list`: a line for each record, and the sums.

use model::Model;
use std::collections::BTreeMap;
use std::sync::Arc;

use aws_access::Bucket;

use super::walk::Walk;
use super::{Damaged, counted};
use crate::Terminal;
use crate::cli::Selection;

/// Lists the selected records.
pub(super) async fn command(
    selection: &Selection,
    model: &Arc<Model>,
    bucket: &Bucket,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Damaged> {
    let mut walk = Walk::start(bucket, selection, model).await?;
    // Records, and how many of them were replayed, by code.
    let mut codes = BTreeMap::<String, [u64; 2]>::new();
    while let Some((_, lines)) = walk.next(terminal.notes).await? {
        for line in lines {
            let record = line.record;
            let state = if line.is_replayed { "replayed" } else { "-" };
            writeln!(
                terminal.out,
                "{}  {:13}  {:4}  {}  {:56}  {state:8}  {}",
                record.arrival,
                record.code,
                record.kind.as_deref().unwrap_or("-"),
                record.shard,
                record.sequence_number,
                record.message,
            )?;
            let counts = codes.entry(record.code).or_default();
            counts[0] += 1;
            counts[1] += u64::from(line.is_replayed);
        }
    }
    if codes.is_empty() {
        let what = if selection.is_everything() {
            "Nothing is in quarantine"
        } else {
            "Nothing in quarantine is of that code and that time"
        };
        writeln!(terminal.out, "{what}")?;
    }
    for (code, [records, replayed]) in codes {
        let records = counted(records, "record", "records");
        writeln!(terminal.out, "{code}: {records}, {replayed} replayed")?;
    }
    Ok(walk.damaged)
}
