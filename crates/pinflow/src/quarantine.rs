//! `quarantine`: the records that were rejected, looked at and cleaned again by the present rules.

mod failed;
mod list;
mod replay;
mod rules;
mod show;
#[cfg(test)]
mod tests;
mod walk;

use model::Model;
use std::fmt::Display;
use std::io::{self, Write};
use std::sync::Arc;

use event_model::Clock;

use crate::cli::{QuarantineCommand, QuarantineOptions};
use crate::{Exit, Terminal};

/// Runs one of the commands. Damage is reported and fails the command in the end; all else is done.
pub(crate) async fn command(
    options: &QuarantineOptions,
    model: &Arc<Model>,
    clock: Clock,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    let damaged = match &options.command {
        QuarantineCommand::List(options) => {
            let bucket = options.lake.find().await?.open();
            list::command(&options.selection, model, &bucket, terminal).await?
        }
        QuarantineCommand::Show(options) => {
            let bucket = options.lake.find().await?.open();
            show::command(&options.what, model, &bucket, terminal).await?
        }
        QuarantineCommand::Replay(options) if options.failed => {
            failed::command(options, model, &options.lake.find().await?, clock, terminal).await?
        }
        QuarantineCommand::Replay(options) => {
            let bucket = options.lake.find().await?.open();
            replay::command(options, model, &bucket, terminal).await?
        }
    };
    Ok(match damaged {
        Damaged(0) => Exit::Success,
        Damaged(_) => Exit::Failure,
    })
}

/// How many objects and lines could not be used; each was reported.
#[derive(Debug, Default)]
struct Damaged(u64);

impl Damaged {
    /// Tells of an object that is passed over.
    fn report(
        &mut self,
        notes: &mut dyn Write,
        key: &str,
        problem: &dyn Display,
    ) -> io::Result<()> {
        self.0 += 1;
        writeln!(notes, "error: `{key}` is passed over: {problem}")
    }
}

/// Returns a count and what is counted, in words.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    }
}

/// Returns counts and their names in one line: `30 pin, 7 user`.
fn listed<K: Display>(counts: impl IntoIterator<Item = (K, u64)>) -> String {
    let counts = counts.into_iter();
    let shown: Vec<_> = counts
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    shown.join(", ")
}
