//! `import`: the old sink's objects, posted to an API in the order of topic, partition and offset.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use aws_access::Bucket;
use event_model::{Clock, Kind};
use posting::source::Source;
use posting::source::sink::{Place, Sink};
use posting::{Api, Pace, Poster, Settings, Signer, State, Tally, post_all, without_login};
use tokio_util::sync::CancellationToken;

use crate::cli::{ImportOptions, SinkLocation};
use crate::{Exit, Terminal, progress};

/// Name of the file that keeps how far the run is, where none is given.
const STATE_PATH: &str = ".pinflow-import.json";

/// Posts the objects, or only counts what they hold.
pub(crate) async fn command(
    options: &ImportOptions,
    clock: Clock,
    stop: &CancellationToken,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    let sink = tokio::select! {
        sink = open(options) => sink?,
        () = stop.cancelled() => return Ok(Exit::Interrupted),
    };
    tell_left_out(&sink, terminal.notes)?;
    let is_complete = sink.left_out().topics.is_empty();
    let exit = if options.dry_run {
        count(sink, stop, terminal).await?
    } else {
        post(options, sink, clock, stop, terminal).await?
    };
    Ok(match exit {
        Exit::Success if !is_complete => Exit::Failure,
        exit => exit,
    })
}

async fn open(options: &ImportOptions) -> anyhow::Result<Sink> {
    let place = match &options.from {
        SinkLocation::Folder(folder) => Place::Folder(folder.clone()),
        SinkLocation::Bucket { bucket, prefix } => Place::Bucket {
            bucket: Bucket::new(&options.aws.find().await?, bucket.clone()),
            prefix: prefix.clone(),
        },
    };
    Ok(Sink::open(place).await?)
}

fn tell_left_out(sink: &Sink, notes: &mut dyn Write) -> io::Result<()> {
    for (topic, objects) in &sink.left_out().topics {
        writeln!(
            notes,
            "error: the topic `{topic}` is passed over, objects: {objects}; its name ends in no kind, as in abc.pin"
        )?;
    }
    match sink.left_out().others {
        0 => Ok(()),
        others => writeln!(notes, "Objects that are not the old sink's: {others}"),
    }
}

/// Reads every object, and prints how many rows there are.
async fn count(
    sink: Sink,
    stop: &CancellationToken,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    let objects = sink.objects();
    let mut source = Source::Sink(Box::new(sink));
    let bar = progress::objects(objects);
    let mut rows = BTreeMap::<Kind, u64>::new();
    for _ in 0..objects {
        let post = tokio::select! {
            post = source.next_post() => post?,
            () = stop.cancelled() => return Ok(Exit::Interrupted),
        };
        for row in post.rows {
            *rows.entry(row.kind).or_default() += 1;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let bad = tell_bad(&source, terminal.notes)?;
    let total: u64 = rows.values().sum();
    let kinds: Vec<_> = rows
        .iter()
        .map(|(kind, rows)| format!("{rows} {kind}"))
        .collect();
    writeln!(
        terminal.out,
        "Would post {total} rows from {objects} objects: {}",
        kinds.join(", ")
    )?;
    Ok(if bad > 0 {
        Exit::Failure
    } else {
        Exit::Success
    })
}

async fn post(
    options: &ImportOptions,
    sink: Sink,
    clock: Clock,
    stop: &CancellationToken,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    let objects = sink.objects();
    let url = options.api.as_ref().context("--api is missing")?;
    let mut api = Api::try_new(
        url,
        options.wire.into(),
        &options.access.resolve(options.sigv4)?,
    )?;
    if let Some(identity) = options.identity() {
        let signer = tokio::select! {
            signer = Signer::find(&identity, url, clock) => signer?,
            () = stop.cancelled() => return Ok(Exit::Interrupted),
        };
        api = api.signed(signer);
    }
    let poster = Poster::new(api, 0, stop.clone());
    let settings = Settings {
        source: options.from.to_string(),
        order: None,
        // There may be one more object before those that are done.
        rows: Some(objects),
        seed: 0,
        api: without_login(url),
    };
    let path = options
        .state
        .clone()
        .unwrap_or_else(|| PathBuf::from(STATE_PATH));
    let mut state = if options.resume {
        State::resume(&path, &settings)?
    } else {
        State::start(&path, settings)?
    };
    let done = state.posts_done();
    if options.resume {
        writeln!(terminal.notes, "Going on after {done} of {objects} objects")?;
    }
    let mut source = Source::Sink(Box::new(sink));
    source.skip(done);
    let pace = Pace {
        done,
        limit: Some(objects),
        interval: None,
        posts_per_batch: usize::from(options.rows_per_request),
    };
    let bar = progress::objects(objects.saturating_sub(done));
    let mut tally = Tally::default();
    let started = Instant::now();
    let outcome = post_all(poster, &mut source, &pace, stop, |posted| {
        tally.add(posted);
        tally.show_on(&bar);
        state.add(posted)?;
        Ok(())
    });
    let outcome = outcome.await;
    bar.finish_and_clear();
    // Also when an error ended the run: what was posted until then is in the stream.
    let bad = tell_bad(&source, terminal.notes)?;
    writeln!(
        terminal.out,
        "Imported {} of {objects} objects in {:.1} s: {} rows accepted, {} failed",
        tally.posts.saturating_sub(bad),
        started.elapsed().as_secs_f64(),
        tally.accepted,
        tally.failed
    )?;
    tally.write_failures(terminal.out)?;
    if let Source::Sink(sink) = &source
        && let Some(name) = sink.name(state.posts_done())
    {
        writeln!(
            terminal.out,
            "The next object is `{name}`; the same command with --resume goes on with it"
        )?;
    }
    outcome?;
    Ok(if stop.is_cancelled() {
        Exit::Interrupted
    } else if tally.failed + bad > 0 {
        Exit::Failure
    } else {
        Exit::Success
    })
}

/// Tells of the objects that hold no row, and returns how many there were.
fn tell_bad(source: &Source, notes: &mut dyn Write) -> io::Result<u64> {
    let Source::Sink(sink) = source else {
        return Ok(0);
    };
    let bad = sink.bad();
    for (name, problem) in &bad.named {
        writeln!(notes, "error: `{name}` is passed over: {problem}")?;
    }
    if bad.count > 0 {
        writeln!(notes, "Objects that hold no row: {}", bad.count)?;
    }
    Ok(bad.count)
}
