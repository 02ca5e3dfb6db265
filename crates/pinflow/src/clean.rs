//! `clean`: the rules on rows from standard input, without a stream or a lake.

mod explain;

use std::io::{self, BufRead, BufWriter, Read as _, Write};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use cleaning::{Change, Cleaner, Rejection, RejectionCode, decode};
use event_model::Kind;
use event_model::limits::RECORD_MAX_BYTES;
use model::{Model, Table};

use crate::cli::CleanOptions;
use crate::{Exit, Terminal, check_table};

/// Cleans the rows, one per line. A rejected row is printed and is no failure: the rules did their work.
pub(crate) fn command(
    options: &CleanOptions,
    model: &Arc<Model>,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    if let Some(kind) = options.kind {
        check_table(model, kind)?;
    }
    let mut cleaner = Cleaner::new(Arc::clone(model));
    let mut out = BufWriter::new(&mut *terminal.out);
    let (mut clean, mut rejected) = (0_u64, 0_u64);
    let mut line = Vec::new();
    for number in 1_u64.. {
        if !read_line(terminal.input, &mut line).context("could not read standard input")? {
            break;
        }
        if number == 1
            && [&b"\xff\xfe"[..], b"\xfe\xff"]
                .iter()
                .any(|mark| line.starts_with(mark))
        {
            bail!(
                "standard input is UTF-16, as some shells write it; convert it: `iconv -f UTF-16 -t UTF-8`"
            );
        }
        let row = line.trim_ascii();
        if row.is_empty() {
            continue;
        }
        let mut changes = Vec::new();
        let outcome = clean_row(&mut cleaner, model, row, options.kind, &mut changes);
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

/// Reads a line; false at the end of the input. Of one that is too large to be a row, no more is kept than shows that.
fn read_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let most = RECORD_MAX_BYTES as u64 + 2;
    let mut limited = input.take(most);
    limited.read_until(b'\n', line)?;
    if line.len() as u64 == most && !line.ends_with(b"\n") {
        skip_line(input)?;
    }
    Ok(!line.is_empty())
}

fn skip_line(input: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let bytes = input.fill_buf()?;
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let (length, is_over) = (
            end.map_or(bytes.len(), |end| end + 1),
            end.is_some() || bytes.is_empty(),
        );
        input.consume(length);
        if is_over {
            return Ok(());
        }
    }
}

/// A row before and after.
struct CleanedRow<'m> {
    table: &'m Table,
    /// The row as posted, taken out of its wrapping.
    posted: String,
    /// The clean row as JSON.
    json: String,
}

fn clean_row<'m>(
    cleaner: &mut Cleaner,
    model: &'m Model,
    payload: &[u8],
    declared: Option<Kind>,
    changes: &mut Vec<Change>,
) -> Result<CleanedRow<'m>, Rejection> {
    let text = decode(payload)?;
    let clean = cleaner.clean(&text, declared, changes)?;
    let table = model.table(clean.kind).ok_or_else(|| Rejection {
        kind: Some(clean.kind),
        code: RejectionCode::UnknownKind,
        message: "the row has no table".to_owned(),
    })?;
    Ok(CleanedRow {
        table,
        json: clean.to_json().to_owned(),
        posted: text.into_owned(),
    })
}

#[cfg(test)]
mod tests;
