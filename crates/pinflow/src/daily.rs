//! `daily`: runs of the daily batch by hand, and a look at those that were.

mod schedule;
mod show;
mod table;

use model::Model;
use std::sync::Arc;
use std::sync::Mutex;

use daily_batch::{App, Config, Lake, Request, Stream, days};
use daily_report::{RunRecord, RunState, Trigger};
use event_model::Clock;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::cli::{DailyCommand, DailyOptions, DailyRunOptions};
use crate::lake_options::{self, LakeOptions};
use crate::{Exit, Terminal, check_table, progress};

pub(crate) use schedule::Schedule;

/// Runs days, lists the runs, or shows one.
pub(crate) async fn command(
    options: &DailyOptions,
    model: &Arc<Model>,
    clock: Clock,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    match &options.command {
        DailyCommand::Run(options) => run(options, model, clock, terminal).await,
        DailyCommand::Runs { lake } => {
            let runs = app(lake, model, None, clock)
                .await?
                .ledger()
                .latest_runs()
                .await?;
            if runs.is_empty() {
                writeln!(
                    terminal.out,
                    "There were no runs yet; `pinflow daily run` begins one"
                )?;
            } else {
                writeln!(terminal.out, "{}", table::runs(&runs))?;
            }
            Ok(Exit::Success)
        }
        DailyCommand::Remerge {
            table,
            drop_damaged,
            lake,
        } => {
            let app = app(lake, model, None, clock).await?;
            check_table(model, *table)?;
            let remerge = app.remerge(*table, *drop_damaged).await?;
            for key in &remerge.dropped {
                writeln!(terminal.out, "Dropped {key}")?;
            }
            if !remerge.dropped.is_empty() {
                let (files, rows) = (remerge.dropped.len(), remerge.dropped_rows);
                writeln!(
                    terminal.out,
                    "The table {table} lost {rows} rows with {files} files; those in `clean/` come back with the next run"
                )?;
            }
            writeln!(
                terminal.out,
                "The next run merges every clean object of {table} again; start it with `pinflow daily run`"
            )?;
            Ok(Exit::Success)
        }
        DailyCommand::Explain {
            records,
            reason,
            lake,
        } => {
            let app = app(lake, model, None, clock).await?;
            app.explain(*records, reason.clone()).await?;
            writeln!(
                terminal.out,
                "From the next run on, {records} of the unaccounted records are explained: {reason}"
            )?;
            Ok(Exit::Success)
        }
        DailyCommand::Show { date, open, lake } => {
            let found = find(lake).await?;
            let lake = Lake::from_bucket(&found.aws.sdk_config, &found.bucket, Arc::clone(model))?;
            let app = App::new(lake.clone(), None, Config::new(found.bucket), clock);
            show::show(&app, &lake, *date, *open, terminal).await
        }
    }
}

/// Finds a lake and makes sure that it can be read: the daily batch would try for a long time, and not say what helps.
pub(crate) async fn find(options: &LakeOptions) -> anyhow::Result<lake_options::Lake> {
    let found = options.find().await?;
    found.open().check("runs/").await?;
    Ok(found)
}

async fn app(
    options: &LakeOptions,
    model: &Arc<Model>,
    settings: Option<&DailyRunOptions>,
    clock: Clock,
) -> anyhow::Result<App> {
    let lake_options::Lake { aws, bucket } = find(options).await?;
    let mut config = Config::new(&bucket);
    let mut stream = None;
    if let Some(settings) = settings {
        config.run_expiry_seconds = settings.expiry_seconds;
        config.vacuum_retention_hours = settings.vacuum_retention_hours;
        config.slice_rows = settings.slice_rows;
        stream = Some(Stream::from_name(
            &aws.sdk_config,
            &settings.stream,
            clock.clone(),
        )?);
    }
    let lake = Lake::from_bucket(&aws.sdk_config, &bucket, Arc::clone(model))?;
    Ok(App::new(lake, stream, config, clock))
}

async fn run(
    options: &DailyRunOptions,
    model: &Arc<Model>,
    clock: Clock,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    let request = match (options.date, options.from, options.to) {
        (_, Some(from), Some(to)) => Request {
            run_dates: days(from, to)?,
            trigger: Trigger::Backfill,
            as_of_now: options.as_of_now,
        },
        (date, ..) => Request {
            run_dates: vec![date.unwrap_or_else(|| today(&clock))],
            trigger: Trigger::Manual,
            as_of_now: options.as_of_now,
        },
    };
    let app = app(&options.lake, model, Some(options), clock).await?;
    for record in run_days(&app, &request).await? {
        writeln!(terminal.out, "{}", table::run(&record))?;
    }
    Ok(Exit::Success)
}

/// Runs the days of a request, with a spinner that names the step.
pub(crate) async fn run_days(app: &App, request: &Request) -> anyhow::Result<Vec<RunRecord>> {
    let spinner = progress::step();
    // The record is shown step by step, and a spinner is shared as it is.
    let shown = Mutex::new(spinner.clone());
    let holder = format!("process {}", std::process::id());
    let on_step = move |record: &RunRecord| {
        let running = record
            .steps
            .iter()
            .find(|step| step.state == RunState::Running);
        if let (Some(step), Ok(spinner)) = (running, shown.lock()) {
            spinner.set_message(format!("{}: {}", record.run_date, step.name));
        }
    };
    let records = app.run(request, &holder, &on_step).await;
    spinner.finish_and_clear();
    records.map_err(|error| {
        let is_refused = matches!(
            error.error_type(),
            "Held" | "Payload" | "Vacuumed" | "NoVersion"
        );
        let error = anyhow::Error::from(error);
        if is_refused {
            return error;
        }
        error
            .context("the daily run failed; the ledger has it, and the next one goes on from there")
    })
}

/// Returns the day under way, in UTC.
pub(crate) fn today(clock: &Clock) -> Date {
    let now = Timestamp::from_millisecond(clock.unix_millis()).unwrap_or_default();
    now.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use crate::test_stack::{TestStack, run};

    const COMMANDS: [&str; 5] = [
        "daily run",
        "daily runs",
        "daily remerge pin",
        "daily show 2026-03-01",
        "cost --day 2026-03-01",
    ];

    #[tokio::test(flavor = "multi_thread")]
    async fn a_damaged_table_is_repaired_as_the_error_advises() {
        let stack = TestStack::start().await;
        let api = format!("{}/events/pin", stack.stack.endpoint());
        let post = async || {
            let rows = r#"[{"index":1,"title":"One","category":"art"},{"index":2,"title":"Two","category":"art"}]"#;
            let request = reqwest::Client::new().post(&api).body(rows);
            let request = request.header("content-type", "application/json");
            assert_eq!(request.send().await.unwrap().status(), 200);
            stack.drain().await;
        };
        post().await;
        let before = stack.run("daily run").await;
        before.exit.unwrap();
        let files = stack.objects("pinflow-lake/curated/pin");
        let is_data = |(key, _): &&(String, Vec<u8>)| key.ends_with(".zstd.parquet");
        let (damaged, _) = files.iter().find(is_data).unwrap();
        stack.write(damaged, b"PAR1 and no more");
        // A new row of the same table meets the damage.
        post().await;
        let error = stack.run("daily run").await.exit.unwrap_err();
        let advice = "pinflow daily remerge pin --drop-damaged";
        assert!(error.contains(advice), "{error}");
        let remerged = stack.run("daily remerge pin --drop-damaged").await;
        remerged.exit.unwrap();
        assert!(
            remerged.out.starts_with("Dropped curated/pin/"),
            "{}",
            remerged.out
        );
        let cost = stack.run("cost --day 2027-01-15").await;
        cost.exit.unwrap();
        assert!(cost.out.contains("2 provisioned shards"), "{}", cost.out);
        let repaired = stack.run("daily run").await;
        repaired.exit.unwrap();
        let rows = |out: &str| {
            let step = out.lines().find(|line| line.contains("merge-pin")).unwrap();
            let (_, rows) = step.split_once("rows_after ").unwrap();
            rows.split(',').next().unwrap().to_owned()
        };
        assert_eq!(rows(&repaired.out), rows(&before.out));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_lake_that_is_not_there_says_what_to_do() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let stack = TestStack::start().await;
        for command in COMMANDS {
            let error = run(&format!("{command} --endpoint {endpoint}")).await.exit;
            let expected = format!(
                "could not connect to {endpoint}; start a stack with `cargo pinflow local`, "
            );
            assert!(error.unwrap_err().starts_with(&expected), "{command}");

            let error = stack.run(&format!("{command} --bucket other")).await.exit;
            let expected = "there is no bucket `other` at ";
            assert!(error.unwrap_err().starts_with(expected), "{command}");
        }
    }
}
