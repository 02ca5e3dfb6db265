//! What became of a run's records, as a table and a few sentences.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use cleaning::Rule;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use event_model::{Kind, Position};
use lake::key::{CLEAN_PREFIX, QUARANTINE_PREFIX};
use model::{ColumnType, Model};
use posting::Tally;

use super::reconciliation::Reconciliation;

/// A run, from the first post to the last object.
#[derive(Debug)]
pub(super) struct Report<'a> {
    /// The kinds of rows.
    pub(super) kinds: Vec<Kind>,
    /// What the API said of the posts.
    pub(super) tally: &'a Tally,
    /// What the lake has of them.
    pub(super) reconciliation: &'a Reconciliation,
    /// What stream-cleaner did meanwhile.
    pub(super) cleaned: CleanerWork,
    /// How long the posts took.
    pub(super) posting: Duration,
    /// How long it took from the first post until the stream was drained.
    pub(super) until_drained: Duration,
}

/// What stream-cleaner did for the run; what was delivered again counts again.
#[derive(Clone, Debug, Default)]
pub(super) struct CleanerWork {
    /// Values changed by each rule that changed any.
    pub(super) changes: Vec<(Rule, u64)>,
    pub(super) objects: u64,
    pub(super) bytes_written: u64,
    /// Batches that were delivered again.
    pub(super) retries: u64,
}

impl Report<'_> {
    /// Returns the number of accepted rows that are missing in the lake.
    ///
    /// Rows that were acknowledged under one and the same position are one record in the lake, so they count too.
    pub(super) fn unaccounted(&self) -> u64 {
        let found = self.reconciliation.total_clean() + self.reconciliation.total_quarantined();
        self.tally.accepted.saturating_sub(found)
    }

    /// Writes the table, and whether everything is accounted for.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "Sent {} in {:.1} s; the lake was complete after {:.1} s",
            self.tally.counted_posts(),
            self.posting.as_secs_f64(),
            self.until_drained.as_secs_f64()
        )?;
        writeln!(out, "{}", self.table())?;
        self.tally.write_failures(out)?;
        let (accepted, unaccounted) = (self.tally.accepted, self.unaccounted());
        let (clean, quarantined) = (
            self.reconciliation.total_clean(),
            self.reconciliation.total_quarantined(),
        );
        if unaccounted == 0 {
            return writeln!(
                out,
                "Every accepted record was read back from the lake: \
                 {accepted} accepted = {clean} clean + {quarantined} quarantined, unaccounted = 0"
            );
        }
        writeln!(
            out,
            "NOT every accepted record is in the lake: \
             {accepted} accepted, {clean} clean, {quarantined} quarantined, unaccounted = {unaccounted}"
        )?;
        for Position { shard, sequence } in self.reconciliation.unaccounted.iter().take(MAX_SHOWN) {
            writeln!(out, "  {shard} {sequence}")?;
        }
        Ok(())
    }

    fn table(&self) -> Table {
        let mut lines = Lines::default();
        lines.add("accepted", "", &self.tally.accepted);
        if self.tally.failed > 0 {
            lines.add("failed", "", &self.tally.failed);
        }
        for kind in &self.kinds {
            let rows = self.reconciliation.clean.get(kind).copied();
            lines.add("clean", kind.as_str(), &rows.unwrap_or_default());
        }
        for (code, records) in &self.reconciliation.quarantined {
            lines.add("quarantined", code, records);
        }
        if self.reconciliation.quarantined.is_empty() {
            lines.add("quarantined", "", &0);
        }
        lines.add("unaccounted", "", &self.unaccounted());
        for (rule, values) in &self.cleaned.changes {
            lines.add("values changed", rule.as_str(), values);
        }
        lines.add("written", "objects", &self.cleaned.objects);
        lines.add("written", "MB", &megabytes(self.cleaned.bytes_written));
        if self.cleaned.retries > 0 {
            lines.add("delivered again", "batches", &self.cleaned.retries);
        }
        if let Some([median, high]) = self.tally.percentiles() {
            lines.add("a request took", "p50", &median);
            lines.add("a request took", "p99", &high);
        }
        lines.table
    }
}

/// Records that are named when they are missing; more would hide the number.
const MAX_SHOWN: usize = 5;

/// The lines of the table; a repeated heading is left out.
#[derive(Debug)]
struct Lines {
    table: Table,
    heading: &'static str,
}

impl Default for Lines {
    fn default() -> Self {
        let mut table = Table::new();
        table
            .load_style(UTF8_FULL_CONDENSED)
            .set_content_arrangement(ContentArrangement::Disabled);
        Self { table, heading: "" }
    }
}

impl Lines {
    fn add(&mut self, heading: &'static str, what: &str, value: &dyn Display) {
        let shown = if heading == self.heading { "" } else { heading };
        self.heading = heading;
        self.table
            .add_row([shown.to_owned(), what.to_owned(), value.to_string()]);
        if let Some(column) = self.table.column_mut(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn megabytes(bytes: u64) -> String {
    // Thousandths of a megabyte, rounded up: an object that was written is never 0 MB.
    let kilobytes = bytes.div_ceil(1_000);
    format!("{}.{:03}", kilobytes / 1_000, kilobytes % 1_000)
}

/// Writes where the files are, and a query to look at them.
pub(super) fn write_files(
    out: &mut dyn Write,
    model: &Model,
    bucket: &Path,
    reconciliation: &Reconciliation,
) -> io::Result<()> {
    let folder = |prefix| bucket.join(prefix).display().to_string();
    writeln!(
        out,
        "Clean rows are in {}, rejected records in {}",
        folder(CLEAN_PREFIX),
        folder(QUARANTINE_PREFIX)
    )?;
    // A query over no file at all is an error to DuckDB.
    let mut tables = model.tables().iter();
    if let Some(table) = tables.find(|table| reconciliation.clean.contains_key(&table.kind)) {
        writeln!(out, "To look at them, paste this into DuckDB:")?;
        writeln!(out, "{}", query(bucket, table))?;
    }
    Ok(())
}

/// Returns a query in one line over the clean rows of a table.
fn query(bucket: &Path, table: &model::Table) -> String {
    let mut texts = table.columns.iter().rev();
    let text = texts.find(|column| column.data_type == ColumnType::Text);
    let columns = text.or(table.columns.first()).map(|column| &column.name);
    let column = columns.map_or("", String::as_str);
    let kind = table.kind;
    let files = bucket.join(format!("{CLEAN_PREFIX}{kind}/**/*.parquet"));
    let files = files.display().to_string().replace('\'', "''");
    format!(
        "SELECT \"{column}\", count(*) AS rows FROM read_parquet('{files}') GROUP BY 1 ORDER BY 2 DESC, 1;"
    )
}

#[cfg(test)]
mod tests;
