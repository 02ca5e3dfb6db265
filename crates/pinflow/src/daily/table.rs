//! Runs as tables.

use comfy_table::Table;
use daily_report::RunRecord;

use crate::table::{self, align_right};

/// Shows the latest attempt of each run date.
pub(super) fn runs(records: &[RunRecord]) -> Table {
    let mut table = new(&[
        "run date", "attempt", "trigger", "state", "started", "took", "error",
    ]);
    for record in records {
        table.add_row([
            record.run_date.to_string(),
            record.attempt.to_string(),
            record.trigger.as_str().to_owned(),
            state(record),
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
    let mut table = new(&[title.as_str(), "state", "took", "counts"]);
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
    table.add_row([String::new(), state(record), took(record), String::new()]);
    table
}

fn new(header: &[&str]) -> Table {
    let mut table = table::new(header);
    for (place, _) in header
        .iter()
        .enumerate()
        .filter(|(_, name)| **name == "took")
    {
        align_right(&mut table, place);
    }
    table
}

/// Tells a preview, and a run that was made again, from the run of its day.
fn state(record: &RunRecord) -> String {
    let state = record.state.as_str();
    match record.as_of {
        _ if record.partial => format!("{state} (preview)"),
        Some(attempt) => format!("{state} (as of attempt {attempt})"),
        None => state.to_owned(),
    }
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
