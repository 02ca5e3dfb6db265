//! The posting emulator: posts of rows → requests to an API, with retries of what failed.

use model::Model;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::bail;
use event_model::Clock;
use posting::source::mysql::Mysql;
use posting::source::order::Order;
use posting::source::{Source, sequence};
use posting::{
    Api, DEFAULT_PATH, Pace, Poster, Settings, Signer, State, Tally, post_all, without_login,
};
use tokio_util::sync::CancellationToken;

use crate::cli::{OrderName, PostOptions};
use crate::{Exit, Terminal, progress};

/// Posts the rows of a data folder, of a database or of the generator, and prints what became of them.
pub(crate) async fn command(
    options: &PostOptions,
    model: &Arc<Model>,
    clock: Clock,
    stop: &CancellationToken,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    let (api, mut source, settings) = tokio::select! {
        opened = async {
            let api = api(options, clock, terminal.notes).await?;
            let (source, settings) = open(options, model, terminal.notes).await?;
            anyhow::Ok((api, source, settings))
        } => opened?,
        () = stop.cancelled() => return Ok(Exit::Interrupted),
    };
    let poster = Poster::new(api, options.seed, stop.clone());
    let mut state = state(options, settings)?;
    let done = state.as_ref().map_or(0, State::posts_done);
    source.skip(done);
    if options.resume {
        let next = done + 1;
        writeln!(
            terminal.notes,
            "Going on with post {next}; --posts counts those before it, too"
        )?;
    }
    let pace = Pace {
        done,
        limit: (!options.forever).then_some(options.posts),
        interval: options.posts_per_second.map(|rate| rate.interval),
        posts_per_batch: usize::from(options.rows_per_request),
    };
    let bar = progress::posts(pace.limit.map(|limit| limit.saturating_sub(done)));
    let mut tally = Tally::default();
    let started = Instant::now();
    let outcome = post_all(poster, &mut source, &pace, stop, |posted| {
        tally.add(posted);
        tally.show_on(&bar);
        state.as_mut().map_or(Ok(()), |state| state.add(posted))?;
        Ok(())
    });
    let outcome = outcome.await;
    bar.finish_and_clear();
    // Also when an error ended the run: what was posted until then is in the stream.
    if outcome.is_ok() || !tally.is_empty() {
        tally.write_summary(terminal.out, started.elapsed())?;
    }
    if let Some(next) = state.map(|state| state.posts_done() + 1)
        && pace.limit.is_none_or(|limit| next <= limit)
    {
        writeln!(
            terminal.out,
            "The next post is {next}; the same command with --resume goes on with it"
        )?;
    }
    outcome?;
    Ok(match tally.failed {
        _ if stop.is_cancelled() => Exit::Interrupted,
        0 => Exit::Success,
        _ => Exit::Failure,
    })
}

async fn api(options: &PostOptions, clock: Clock, notes: &mut dyn Write) -> anyhow::Result<Api> {
    let api = Api::try_new(
        &options.api,
        options.wire.into(),
        &options.access.resolve(options.signing.sigv4)?,
    )?;
    if api.is_in_clear() {
        writeln!(
            notes,
            "warning: the key goes to another machine over http://, and whoever is between can read it; use https://"
        )?;
    }
    let api = if options.gzip { api.compressed() } else { api };
    Ok(match options.signing.identity() {
        Some(identity) => api.signed(Signer::find(&identity, &options.api, clock).await?),
        None => api,
    })
}

/// Opens the source, and returns the settings by which a later run recognises it.
async fn open(
    options: &PostOptions,
    model: &Arc<Model>,
    notes: &mut dyn Write,
) -> anyhow::Result<(Source, Settings)> {
    let mut settings = Settings {
        source: "the generator".to_owned(),
        order: None,
        rows: None,
        seed: options.seed,
        api: without_login(&options.api),
    };
    let source = if let Some(login) = &options.mysql {
        let (order, name) = order(options, login)?;
        let has_fixed_rows = order != Order::Table;
        let mysql = Mysql::open(model, login, order).await?;
        for (kind, names) in mysql.missing() {
            writeln!(
                notes,
                "warning: {} has no table for {kind} ({names}); none of its rows are posted",
                mysql.place()
            )?;
        }
        settings.source = mysql.place();
        settings.order = Some(name);
        // With other rows, other posts are random ones, or are left out of the sequence.
        settings.rows = has_fixed_rows.then(|| mysql.rows());
        Source::Mysql(Box::new(mysql))
    } else {
        if let Some(folder) = &options.data {
            settings.source = folder.display().to_string();
        }
        Source::open(model, options.data.as_deref(), options.seed)?
    };
    Ok((source, settings))
}

/// Returns the order of a database's rows, and its name with the file that has it.
fn order(options: &PostOptions, login: &Path) -> anyhow::Result<(Order, String)> {
    let name = match (options.order, &options.sequence) {
        (None | Some(OrderName::Sequence), Some(_)) => OrderName::Sequence,
        (Some(_), Some(_)) => bail!("--sequence is for --order sequence; leave one of them out"),
        (order, None) => order.unwrap_or(OrderName::Random),
    };
    Ok(match name {
        OrderName::Random => (Order::Random { seed: options.seed }, "random".to_owned()),
        OrderName::Table => (Order::Table, "table".to_owned()),
        OrderName::Sequence => {
            let beside = || login.with_file_name(sequence::FILE_NAME);
            let path = options.sequence.clone().unwrap_or_else(beside);
            let order = Order::read_sequence(&path)?;
            (order, format!("sequence {}", path.display()))
        }
    })
}

/// Starts or goes on with the file that keeps how far the run is; a short run from nowhere else has none.
fn state(options: &PostOptions, settings: Settings) -> anyhow::Result<Option<State>> {
    let is_kept = options.mysql.is_some() || options.resume;
    let default = || is_kept.then(|| PathBuf::from(DEFAULT_PATH));
    let Some(path) = options.state.clone().or_else(default) else {
        return Ok(None);
    };
    Ok(Some(if options.resume {
        State::resume(&path, &settings)?
    } else {
        State::start(&path, settings)?
    }))
}

#[cfg(test)]
mod tests;
