//! `quarantine replay`: records that the present rules accept → clean objects.
//!
//! A row keeps the shard, sequence number and arrival of its record. Quarantine is left as it is: what was replayed is
//! told by the clean objects that replays have written, which nothing else writes, and which are never written with
//! other rows.

use std::collections::BTreeMap;
use std::io::{self, Write};

use bytes::Bytes;
use cleaning::{Cleaned, Rejection, RejectionCode};
use event_model::{Kind, ShardId};
use lake::{ArrivalHour, CleanWriter, LakeError, Lineage, ObjectKey, Sequence};

use super::walk::{Line, Walk};
use super::{Damaged, counted, listed, rules};
use crate::Terminal;
use crate::bucket::Bucket;
use crate::cli::ReplayOptions;

/// Cleans the selected records again and writes the rows, or only tells what would become of them.
pub(super) async fn command(
    options: &ReplayOptions,
    bucket: &Bucket,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Damaged> {
    let mut walk = Walk::start(bucket, &options.selection).await?;
    let mut tally = Tally::default();
    while let Some((key, lines)) = walk.next(terminal.notes).await? {
        let mut drafts = Vec::new();
        for line in lines {
            if line.is_replayed {
                tally.replayed_before += 1;
                continue;
            }
            let Some(payload) = line.record.payload() else {
                let line = format!("{key}, record {}", line.record.sequence_number);
                let problem = "its payload is no base64";
                walk.damaged.tell(terminal.notes, &line, &problem)?;
                continue;
            };
            let rejection = append(&mut drafts, &line, &payload)?.err();
            tally.add(rejection.as_ref());
        }
        for draft in drafts {
            *tally.rows.entry(draft.kind).or_default() += draft.writer.rows() as u64;
            let Some((key, object)) = draft.finish()? else {
                continue;
            };
            tally.objects += 1;
            if !options.dry_run {
                bucket.write(&key.to_string(), object).await?;
            }
        }
    }
    tally.write(options.dry_run, terminal.out)?;
    Ok(walk.damaged)
}

/// Cleans a record and appends its rows to the drafts that they belong to; it passes whole or not at all.
fn append(
    drafts: &mut Vec<Draft>,
    line: &Line,
    payload: &[u8],
) -> Result<Result<(), Rejection>, LakeError> {
    let decoded = match rules::decode(&line.origin, &line.record.partition_key, payload) {
        Ok(decoded) => decoded,
        Err(rejection) => return Ok(Err(rejection)),
    };
    let rows = match rules::clean(&decoded) {
        Ok(rows) => rows,
        Err(rejection) => return Ok(Err(rejection)),
    };
    for (row, decoded) in rows.iter().zip(&decoded) {
        Draft::of(drafts, line, row.row.kind()).append(row, line, decoded.sequence)?;
    }
    Ok(Ok(()))
}

/// A clean object while it is filled.
struct Draft {
    kind: Kind,
    hour: ArrivalHour,
    shard: ShardId,
    writer: CleanWriter,
    sequences: Vec<Sequence>,
}

impl Draft {
    /// Returns the draft that a row of a record belongs to, an empty one if it is the first.
    fn of<'a>(drafts: &'a mut Vec<Self>, line: &Line, kind: Kind) -> &'a mut Self {
        let (hour, shard) = (line.hour(), &line.origin.shard);
        let is_its =
            |draft: &Self| draft.kind == kind && draft.hour == hour && draft.shard == *shard;
        let position = drafts.iter().position(is_its).unwrap_or_else(|| {
            drafts.push(Self {
                kind,
                hour,
                shard: shard.clone(),
                writer: CleanWriter::new(kind),
                sequences: Vec::new(),
            });
            drafts.len() - 1
        });
        &mut drafts[position]
    }

    fn append(
        &mut self,
        row: &Cleaned<'_>,
        line: &Line,
        sequence: Sequence,
    ) -> Result<(), LakeError> {
        let lineage = Lineage {
            sequence,
            ..line.origin.lineage()
        };
        self.sequences.push(sequence);
        self.writer.append(row, &lineage)
    }

    fn finish(self) -> Result<Option<(ObjectKey, Bytes)>, LakeError> {
        let Some(key) = ObjectKey::replay(self.kind, self.hour, self.shard, self.sequences) else {
            return Ok(None);
        };
        Ok(Some((key, self.writer.finish_parquet()?)))
    }
}

/// What became of the records.
#[derive(Debug, Default)]
struct Tally {
    /// Records that the rules were asked about.
    records: u64,
    rows: BTreeMap<Kind, u64>,
    objects: u64,
    rejected: BTreeMap<RejectionCode, u64>,
    replayed_before: u64,
}

impl Tally {
    fn add(&mut self, rejection: Option<&Rejection>) {
        self.records += 1;
        if let Some(rejection) = rejection {
            *self.rejected.entry(rejection.code).or_default() += 1;
        }
    }

    fn write(&self, is_dry_run: bool, out: &mut dyn Write) -> io::Result<()> {
        let records = self.records;
        let passed = records - self.rejected.values().sum::<u64>();
        if is_dry_run {
            writeln!(out, "Would now pass: {passed} of {records}")?;
        } else {
            let records = counted(records, "record", "records");
            writeln!(out, "Replayed {passed} of {records}")?;
        }
        if passed > 0 {
            let rows = listed(self.rows.iter().map(|(kind, rows)| (kind, *rows)));
            let objects = counted(self.objects, "object", "objects");
            writeln!(out, "  rows: {rows}, in {objects}")?;
        }
        if passed < records {
            let codes = self.rejected.iter().map(|(code, records)| (code, *records));
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
