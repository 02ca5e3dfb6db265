//! `quarantine replay`: records that the present rules accept → clean objects.
//!
//! A row keeps the shard, sequence number and arrival of its record. Quarantine is left as it is: what was replayed
//! shows in the clean objects that replays have written, which nothing else writes, and which are never written with
//! other rows.

use model::Model;
use std::io::{self, Write};
use std::sync::Arc;

use aws_access::Bucket;
use cleaning::{Cleaner, KindSource, Rejection, Tally};
use lake::{LakeError, Lineage, ObjectKey, Partition, PartitionedWriter, Sequence};

use super::walk::{Line, Walk};
use super::{Damaged, counted, listed, rules};
use crate::announced::write_announced;
use crate::cli::ReplayOptions;
use crate::{Terminal, check_table};

/// Cleans the selected records again and writes the rows, or only prints what would become of them.
pub(super) async fn command(
    options: &ReplayOptions,
    model: &Arc<Model>,
    bucket: &Bucket,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Damaged> {
    if let Some(kind) = options.kind {
        check_table(model, kind)?;
    }
    let mut walk = Walk::start(bucket, &options.selection, model).await?;
    let mut replay = Replay::default();
    while let Some((key, lines)) = walk.next(terminal.notes).await? {
        let mut rows = PartitionedWriter::new(Arc::clone(model));
        for line in lines {
            if line.is_replayed {
                replay.replayed_before += 1;
                continue;
            }
            let Some(payload) = line.record.payload() else {
                let line = format!("{key}, record {}", line.record.sequence_number);
                let problem = "its payload is no base64";
                walk.damaged.report(terminal.notes, &line, &problem)?;
                continue;
            };
            let rejection = append(
                &mut rows,
                &mut walk.cleaner,
                &line,
                &payload,
                options.kind_source(),
            )?
            .err();
            replay.add(rejection.as_ref());
        }
        for partition in rows.into_partitions() {
            let Partition {
                kind,
                hour,
                shard,
                writer,
                state: sequences,
            } = partition;
            let rows = writer.rows() as u64;
            replay.tally.add_rows(kind, rows);
            let Some(key) = ObjectKey::replay(kind, hour, shard, sequences) else {
                continue;
            };
            replay.objects += 1;
            if !options.dry_run {
                write_announced(bucket, key.to_string(), rows, writer.finish_parquet()?).await?;
            }
        }
    }
    replay.write(options.dry_run, terminal.out)?;
    Ok(walk.damaged)
}

/// Cleans a record and appends its rows, each with its sequence; it passes whole or not at all.
fn append(
    rows: &mut PartitionedWriter<Vec<Sequence>>,
    cleaner: &mut Cleaner,
    line: &Line,
    payload: &[u8],
    source: KindSource,
) -> Result<Result<(), Rejection>, LakeError> {
    let key = &line.record.partition_key;
    rules::clean(
        cleaner,
        &line.origin,
        key,
        payload,
        source,
        |sequence, row| {
            let lineage = Lineage {
                sequence: sequence.into(),
                ..line.origin.lineage()
            };
            rows.append(row, &lineage, Vec::new)?.push(sequence);
            Ok(())
        },
    )
}

/// What became of the records.
#[derive(Debug, Default)]
struct Replay {
    /// Records that the rules were asked about.
    records: u64,
    tally: Tally,
    objects: u64,
    replayed_before: u64,
}

impl Replay {
    fn add(&mut self, rejection: Option<&Rejection>) {
        self.records += 1;
        if let Some(rejection) = rejection {
            self.tally.add_rejected(rejection.code);
        }
    }

    fn write(&self, is_dry_run: bool, out: &mut dyn Write) -> io::Result<()> {
        let records = self.records;
        let passed = records - self.tally.total_rejected();
        if is_dry_run {
            writeln!(out, "Would now pass: {passed} of {records}")?;
        } else {
            let records = counted(records, "record", "records");
            writeln!(out, "Replayed {passed} of {records}")?;
        }
        if passed > 0 {
            let rows = listed(self.tally.rows.iter().map(|(kind, rows)| (kind, *rows)));
            let objects = counted(self.objects, "object", "objects");
            writeln!(out, "  rows: {rows}, in {objects}")?;
        }
        if passed < records {
            let codes = self
                .tally
                .rejected
                .iter()
                .map(|(code, records)| (code, *records));
            writeln!(out, "  still rejected: {}", listed(codes))?;
        }
        if self.replayed_before > 0 {
            writeln!(out, "  replayed before: {}", self.replayed_before)?;
        }
        if is_dry_run && passed > 0 {
            writeln!(out, "Nothing was written; without --dry-run the rows are")?;
        }
        Ok(())
    }
}
