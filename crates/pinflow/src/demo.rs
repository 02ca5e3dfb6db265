//! `demo`: the whole path, once, and the proof that nothing was lost on it.

mod reconciliation;
mod report;

use model::Model;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use daily_batch::{App, Config, Lake, Request, Stream, page_key};
use daily_report::{RunRecord, Trigger};
use embedded_aws::{Stack, StackConfig, Totals};
use event_model::Clock;
use event_model::Position;
use posting::Access;
use posting::source::Source;
use posting::{Api, Pace, Poster, Tally, post_all};
use tokio_util::sync::CancellationToken;

use crate::cli::DemoOptions;
use crate::{Exit, Terminal, daily, progress};
use reconciliation::Reconciliation;
use report::{CleanerWork, Report};

/// Starts the stack, posts, waits until the stream is drained, and looks for every acknowledged record in the lake.
///
/// Ctrl-C ends the posting; what was posted is drained and looked for all the same.
pub(crate) async fn command(
    options: &DemoOptions,
    model: &Arc<Model>,
    clock: Clock,
    stop: &CancellationToken,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    let mut source = Source::open(model, options.data.as_deref(), options.seed)?;
    let mut config = StackConfig::new(options.out.clone(), Arc::clone(model));
    config.port = options.port;
    config.seed = options.seed;
    let (bucket_name, stream) = (config.bucket.clone(), config.stream.clone());
    let bucket = options.out.join(&bucket_name);
    let stack = Stack::start(config, clock.clone()).await?;
    writeln!(terminal.notes, "The stack is up at {}", stack.url())?;
    let worked = tokio::select! {
        worked = work(&stack, options, model, &mut source, (&bucket_name, &stream), clock, stop) => Ok(worked),
        full = stack.disk_full() => Err(full),
    };
    stack.shutdown().await?;
    let Worked {
        posted,
        daily,
        cleaned,
        posting,
        until_drained,
    } = worked?;

    let (tally, acknowledged) = posted?;
    let reconciliation = Reconciliation::read(&bucket, &acknowledged)?;
    let report = Report {
        kinds: model.kinds().collect(),
        tally: &tally,
        reconciliation: &reconciliation,
        cleaned,
        posting,
        until_drained,
    };
    if stop.is_cancelled() {
        writeln!(terminal.out, "Ctrl-C ended the run early")?;
    }
    report.write(terminal.out)?;
    report::write_files(terminal.out, model, &bucket, &reconciliation)?;
    if let Some(runs) = daily.transpose()? {
        for run in runs {
            let page = bucket.join(page_key(run.run_date));
            writeln!(
                terminal.out,
                "\nThe day's reports, for a browser: {}",
                page.display()
            )?;
        }
    }
    Ok(if report.unaccounted() > 0 {
        Exit::Failure
    } else if stop.is_cancelled() {
        Exit::Interrupted
    } else if tally.failed > 0 {
        Exit::Failure
    } else {
        Exit::Success
    })
}

/// What a run did on the stack, each part as far as it came.
struct Worked {
    posted: anyhow::Result<(Tally, HashSet<Position>)>,
    /// The runs of the daily batch, if there was one.
    daily: Option<anyhow::Result<Vec<RunRecord>>>,
    cleaned: CleanerWork,
    posting: Duration,
    until_drained: Duration,
}

/// Posts, waits until the stream is drained, and runs the daily batch.
async fn work(
    stack: &Stack,
    options: &DemoOptions,
    model: &Arc<Model>,
    source: &mut Source,
    (bucket, stream): (&str, &str),
    clock: Clock,
    stop: &CancellationToken,
) -> Worked {
    // What an earlier run left on the stream is not this run's work.
    tokio::select! {
        () = drain(stack) => {}
        () = stop.cancelled() => {}
    }
    let before = stack.totals();

    let started = Instant::now();
    let posted = post(stack, options, source, stop).await;
    let posting = started.elapsed();
    if posted.as_ref().is_ok_and(|(tally, _)| tally.accepted > 0) {
        // Also after Ctrl-C: what was acknowledged is printed. A second one does not wait.
        drain(stack).await;
    }
    let until_drained = started.elapsed();
    let cleaned = work_between(&before, &stack.totals());
    let daily = if posted.is_ok() {
        Some(merge_and_report(stack, model, bucket, stream, clock).await)
    } else {
        None
    };
    Worked {
        posted,
        daily,
        cleaned,
        posting,
        until_drained,
    }
}

/// Runs the daily batch for today, as the schedule does for each day.
async fn merge_and_report(
    stack: &Stack,
    model: &Arc<Model>,
    bucket: &str,
    stream: &str,
    clock: Clock,
) -> anyhow::Result<Vec<RunRecord>> {
    let aws = stack.sdk_config();
    let stream = Stream::from_name(&aws, stream, clock.clone())?;
    let request = Request {
        run_dates: vec![daily::today(&clock)],
        trigger: Trigger::Manual,
        as_of_now: false,
    };
    let app = App::new(
        Lake::from_bucket(&aws, bucket, Arc::clone(model))?,
        Some(stream),
        Config::new(bucket),
        clock,
    );
    daily::run_days(&app, &request).await
}

fn work_between(before: &Totals, after: &Totals) -> CleanerWork {
    let changes = after.tally.changes.iter();
    let changes = changes.map(|(rule, values)| (rule, values - before.tally.changes.count(rule)));
    CleanerWork {
        changes: changes.filter(|(_, values)| *values > 0).collect(),
        objects: after.objects - before.objects,
        bytes_written: after.bytes_written - before.bytes_written,
        retries: after.retries() - before.retries(),
    }
}

/// Sends the posts; returns the numbers, and where the stream has each row that it acknowledged.
async fn post(
    stack: &Stack,
    options: &DemoOptions,
    source: &mut Source,
    stop: &CancellationToken,
) -> anyhow::Result<(Tally, HashSet<Position>)> {
    let url = stack.url().parse().context("the stack has no URL")?;
    let api = Api::try_new(&url, options.wire.into(), &Access::default())?;
    let poster = Poster::new(api, options.seed, stop.clone());
    let pace = Pace {
        done: 0,
        limit: Some(options.posts),
        interval: None,
        posts_per_batch: 1,
    };
    let bar = progress::posts(pace.limit);
    let mut tally = Tally::default();
    let mut acknowledged = HashSet::new();
    let run = post_all(poster, source, &pace, stop, |posted| {
        tally.add(posted);
        tally.show_on(&bar);
        acknowledged.extend(posted.accepted().cloned());
        Ok(())
    });
    let ended = run.await;
    bar.finish_and_clear();
    ended?;
    Ok((tally, acknowledged))
}

/// Waits until every record that is on the stream was processed.
async fn drain(stack: &Stack) {
    let spinner = progress::waiting("waiting until every record is in the lake");
    stack.drained().await;
    spinner.finish_and_clear();
}

#[cfg(test)]
mod tests;
