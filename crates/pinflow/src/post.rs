//! The posting emulator: turns of rows → requests to an API, with retries of what failed.

mod answer;
mod api;
mod backoff;
mod batch;
mod poster;
mod run;
#[cfg(test)]
mod server;
mod tally;
mod wire;

use std::time::Instant;

pub(crate) use poster::Poster;
pub(crate) use run::{Pace, post_turns};
pub(crate) use tally::Tally;

use crate::cli::PostOptions;
use crate::source::Source;
use crate::stop::Stop;
use crate::{Exit, Terminal, progress};

/// Posts the rows of a data folder or of the generator, and tells what became of them.
pub(crate) async fn command(
    options: &PostOptions,
    stop: &Stop,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    let mut source = Source::open(options.data.as_deref(), options.seed)?;
    let poster = Poster::try_new(&options.api, options.wire, options.seed, stop.clone())?;
    let pace = Pace {
        limit: (!options.forever).then_some(options.limit),
        rate: options.rate,
        turns_per_batch: usize::from(options.batch),
    };
    let bar = progress::turns(pace.limit);
    let mut tally = Tally::default();
    let started = Instant::now();
    let outcome = post_turns(poster, &mut source, &pace, stop, |posted| {
        tally.add(posted);
        tally.show_on(&bar);
    });
    let outcome = outcome.await;
    bar.finish_and_clear();
    outcome?;
    tally.write_summary(terminal.out, started.elapsed())?;
    Ok(match tally.failed {
        _ if stop.is_requested() => Exit::Interrupted,
        0 => Exit::Success,
        _ => Exit::Failure,
    })
}

#[cfg(test)]
mod tests;
