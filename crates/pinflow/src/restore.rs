//! `restore`: the archive's rows → clean objects again, so that a table can be made anew.
//!
//! A merge changes no row that a table has: after a restore, the next run inserts what the table lacks and nothing else. Of a table that is
//! whole it says 0; of one that is gone it makes all of it.

use aws_access::Bucket;
use event_model::Kind;
use jiff::civil::Date;
use lake::ObjectKey;
use lake::archive::{
    ARCHIVE_PREFIX, ArchivedDate, ArchivedPartition, marker_date, month_prefix, partitions,
};
use lake::reader::read_parquet;
use lake::writer::write_clean;
use model::Model;
use std::sync::Arc;

use crate::announced::write_announced;
use crate::cli::RestoreOptions;
use crate::quarantine::counted;
use crate::{Exit, Terminal, check_table};

/// Puts the archived rows of a table back into `clean/`.
pub(crate) async fn command(
    options: &RestoreOptions,
    model: &Arc<Model>,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    let bucket = options.lake.find().await?.open();
    let kind = options.table;
    check_table(model, kind)?;
    let mut markers = bucket
        .list(&format!("{ARCHIVE_PREFIX}{kind}/"), None)
        .await?;
    markers.retain(|key| marker_date(key).is_some_and(|date| options.has(date)));
    let (mut rows, mut objects) = (0, 0);
    for key in &markers {
        let marker: ArchivedDate = serde_json::from_slice(&bucket.read(key).await?)?;
        let Some(date) = marker_date(key) else {
            continue;
        };
        for file in &marker.files {
            let key = format!("{}{}", month_prefix(kind, date), file.name);
            let batches = read_parquet(bucket.read(&key).await?)?;
            for batch in batches {
                rows += batch.num_rows() as u64;
                objects += restore(&bucket, kind, partitions(&batch)?).await?;
            }
        }
    }
    if markers.is_empty() {
        writeln!(
            terminal.out,
            "The archive of {kind} has no date that is meant"
        )?;
        return Ok(Exit::Success);
    }
    let (dates, rows, objects) = (
        counted(markers.len() as u64, "date", "dates"),
        counted(rows, "row", "rows"),
        counted(objects, "object", "objects"),
    );
    writeln!(
        terminal.out,
        "Put back {rows} of {dates} as {objects}; the next daily run merges those that the table {kind} lacks"
    )?;
    Ok(Exit::Success)
}

/// Writes rows as the objects of their shards and hours, and returns how many these are.
async fn restore(
    bucket: &Bucket,
    kind: Kind,
    partitions: Vec<ArchivedPartition>,
) -> anyhow::Result<u64> {
    let mut objects = 0;
    for partition in partitions {
        let ArchivedPartition {
            shard,
            hour,
            sequences,
            rows,
        } = partition;
        if let Some(key) = ObjectKey::replay(kind, hour, shard, sequences) {
            let (count, body) = (rows.num_rows() as u64, write_clean(&rows)?);
            write_announced(bucket, key.to_string(), count, body).await?;
            objects += 1;
        }
    }
    Ok(objects)
}

impl RestoreOptions {
    fn has(&self, date: Date) -> bool {
        self.from.is_none_or(|from| from <= date) && self.to.is_none_or(|to| date <= to)
    }
}

#[cfg(test)]
mod tests;
