//! `clean`: the rules on rows from standard input, without a stream or a lake.

mod explain;

use std::io::{BufWriter, Write};

use anyhow::Context as _;
use cleaning::{Change, Cleaned, Rejection, RuleCounts, clean_into, decode};
use event_model::Kind;

use crate::cli::CleanOptions;
use crate::{Exit, Terminal};

/// Cleans the rows, one per line. A rejected row is printed and is no failure: the rules did their work.
pub(crate) fn command(options: &CleanOptions, terminal: &mut Terminal<'_>) -> anyhow::Result<Exit> {
    let mut out = BufWriter::new(&mut *terminal.out);
    let (mut clean, mut rejected) = (0_u64, 0_u64);
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let length = terminal.input.read_until(b'\n', &mut line);
        if length.context("could not read standard input")? == 0 {
            break;
        }
        let row = line.trim_ascii();
        if row.is_empty() {
            continue;
        }
        let mut changes = Vec::new();
        let outcome = clean_row(row, options.kind, &mut changes);
        match &outcome {
            Ok(_) => clean += 1,
            Err(_) => rejected += 1,
        }
        match outcome {
            outcome if options.explain => explain::write(&mut out, number, &outcome, &changes)?,
            Ok(row) => writeln!(out, "{}", row.json)?,
            Err(rejection) => writeln!(terminal.notes, "line {number}: {rejection}")?,
        }
    }
    out.flush()?;
    drop(out);
    writeln!(
        terminal.notes,
        "{} rows: {clean} clean, {rejected} rejected",
        clean + rejected
    )?;
    Ok(Exit::Success)
}

/// A row before and after.
struct CleanedRow {
    kind: Kind,
    /// The row as posted, taken out of its wrapping.
    posted: String,
    /// The clean row as JSON.
    json: String,
}

fn clean_row(
    payload: &[u8],
    declared: Option<Kind>,
    changes: &mut Vec<Change>,
) -> Result<CleanedRow, Rejection> {
    let text = decode(payload)?;
    let (row, rest) = clean_into(&text, declared, changes)?;
    let cleaned = Cleaned {
        row,
        rest,
        changes: RuleCounts::default(),
    };
    Ok(CleanedRow {
        kind: cleaned.row.kind(),
        json: cleaned.to_json(),
        posted: text.into_owned(),
    })
}

#[cfg(test)]
mod tests;
