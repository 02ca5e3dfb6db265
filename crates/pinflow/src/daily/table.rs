//! Runs as tables.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use daily_report::RunRecord;

/// Columns of a terminal that a table takes; longer cells go over several lines.
const WIDTH: u16 = 110;

/// Shows the latest attempt of each run date.
pub(super) fn runs(records: &[RunRecord]) -> Table {
    let mut table = new([
        "run date", "attempt", "trigger", "state", "started", "took", "error",
    ]);
    for record in records {
        table.add_row([
            record.run_date.to_string(),
            record.attempt.to_string(),
            record.trigger.as_str().to_owned(),
            record.state.as_str().to_owned(),
            format!("{:.0}", record.started_at),
            took(record),
            record.error.clone().unwrap_or_default(),
        ]);
    }
    table
}

/// Shows the steps of a run.
pub(super) fn run(record: &RunRecord) -> Table {
    let title = format!("{} #{}", record.run_date, record.attempt);
    let mut table = new([title.as_str(), "state", "took", "counts"]);
    for step in &record.steps {
        let counts: Vec<_> = step
            .counts
            .iter()
            .filter(|(name, _)| !name.contains('.'))
            .collect();
        let counts: Vec<_> = counts
            .into_iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        table.add_row([
            step.name.clone(),
            step.state.as_str().to_owned(),
            step.duration_ms.map(milliseconds).unwrap_or_default(),
            counts.join(", "),
        ]);
    }
    table.add_row([
        String::new(),
        record.state.as_str().to_owned(),
        took(record),
        String::new(),
    ]);
    table
}

fn new<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(header);
    for (place, name) in header.iter().enumerate() {
        if let (true, Some(column)) = (*name == "took", table.column_mut(place)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn took(record: &RunRecord) -> String {
    let finished = record
        .finished_at
        .map(|finished| finished.duration_since(record.started_at));
    let millis = finished.and_then(|took| u64::try_from(took.as_millis()).ok());
    millis.map(milliseconds).unwrap_or_default()
}

fn milliseconds(millis: u64) -> String {
    format!("{}.{} s", millis / 1000, millis % 1000 / 100)
}
