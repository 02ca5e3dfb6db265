use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use lambda_runtime::Context;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use super::*;
use crate::test_lake::{memory, slow};

const SAMPLE_FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/daily-batch");

/// What each sample event comes to: the run dates, or the beginning of the error.
const SAMPLES: &[(&str, Result<&[&str], &str>)] = &[
    ("backfill", Ok(&["2026-02-27", "2026-02-28", "2026-03-01"])),
    ("bad-date", Err("`run_date` is \"2026-02-30\"")),
    (
        "bad-range",
        Err("`from` (2026-03-01) is after `to` (2026-02-27)"),
    ),
    ("empty", Ok(&["2026-03-09"])),
    ("run-date", Ok(&["2026-03-01"])),
    ("scheduled", Ok(&["2026-03-01"])),
];

fn app(config: Config) -> App {
    // 2026-03-10T06:00:00Z
    let clock = Clock::new(|| UNIX_EPOCH + Duration::from_hours(492_534));
    App::new(memory(), None, config, clock)
}

async fn handle(app: &App, event: Value) -> Result<Vec<String>, String> {
    let records = app
        .handle(LambdaEvent::new(event, Context::default()))
        .await;
    let records = records.map_err(|error| error.to_string())?;
    Ok(records
        .iter()
        .map(|record| record.run_date.to_string())
        .collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sample_event_runs_its_days() {
    let files = std::fs::read_dir(SAMPLE_FOLDER).unwrap();
    assert_eq!(files.count(), SAMPLES.len(), "samples that no test reads");
    for (name, expected) in SAMPLES {
        let json = std::fs::read_to_string(format!("{SAMPLE_FOLDER}/{name}.json")).unwrap();
        let found = handle(
            &app(Config::new("test")),
            serde_json::from_str(&json).unwrap(),
        )
        .await;
        match expected {
            Ok(dates) => assert_eq!(found.unwrap(), *dates, "{name}"),
            Err(error) => assert!(
                found.clone().unwrap_err().starts_with(error),
                "{name}: {found:?}"
            ),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_makes_up_for_the_days_that_it_missed() {
    let app = app(Config::new("test"));
    let scheduled = |day: &str| serde_json::json!({"scheduled_time": format!("{day}T06:00:00Z")});
    // The first run of all has nothing to make up for.
    assert_eq!(
        handle(&app, scheduled("2026-03-02")).await.unwrap(),
        ["2026-03-01"]
    );
    assert_eq!(
        handle(&app, scheduled("2026-03-05")).await.unwrap(),
        ["2026-03-02", "2026-03-03", "2026-03-04"]
    );
    // Fired again, it finds all done.
    assert_eq!(
        handle(&app, scheduled("2026-03-05")).await.unwrap(),
        ["2026-03-04"]
    );
    let catch_up = app
        .ledger()
        .attempts("2026-03-02".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(
        catch_up
            .iter()
            .map(|record| record.trigger)
            .collect::<Vec<_>>(),
        [Trigger::CatchUp]
    );
}

/// Returns an app, and the lines of metrics that it publishes.
fn app_with_metrics() -> (App, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let published = Arc::clone(&lines);
    let publish = Arc::new(move |line: &str| published.lock().unwrap().push(line.to_owned()));
    (app(Config::new("test")).with_metrics(publish), lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_run_of_an_invocation_sends_its_metrics_and_one_by_hand_does_not() {
    let (app, lines) = app_with_metrics();
    let sent = || -> Vec<_> {
        let lines = std::mem::take(&mut *lines.lock().unwrap());
        let lines = lines
            .iter()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .map(|line| {
                (
                    line["runs_succeeded"].as_u64(),
                    line["runs_failed"].as_u64(),
                )
            })
            .collect()
    };
    let event = serde_json::json!({"from": "2026-03-01", "to": "2026-03-02"});
    handle(&app, event.clone()).await.unwrap();
    assert_eq!(sent(), [(Some(1), Some(0)); 2]);

    let request = Request::from_event(event, app.ledger().now()).unwrap();
    app.run(&request, "process 1", &|_| {}).await.unwrap();
    assert_eq!(sent(), []);

    let lock = "curated/geo/_delta_log/00000000000000000001.json";
    let protocol = r#"{"protocol":{"minReaderVersion":9,"minWriterVersion":99}}"#;
    let store = app.runner.lake.store();
    let put = store.put(&Path::from(lock), protocol.into()).await;
    put.unwrap();
    let anew = serde_json::json!({"run_date": "2026-03-01", "as_of_now": true});
    handle(&app, anew).await.unwrap_err();
    assert_eq!(sent(), [(Some(0), Some(1))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_tells_of_a_day_that_a_person_has_done() {
    let (app, lines) = app_with_metrics();
    let by_hand = serde_json::json!({"run_date": "2026-03-01"});
    let request = Request::from_event(by_hand, app.ledger().now()).unwrap();
    app.run(&request, "a person", &|_| {}).await.unwrap();

    let scheduled = serde_json::json!({"scheduled_time": "2026-03-02T06:00:00Z"});
    handle(&app, scheduled).await.unwrap();
    let lines = lines.lock().unwrap();
    let [line] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["scheduled_runs_succeeded"], 1);
    assert_eq!(line["runs_succeeded"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn catching_up_is_a_setting() {
    let mut config = Config::new("test");
    config.catch_up_days = 0;
    let app = app(config);
    for day in ["2026-03-02", "2026-03-05"] {
        let event = serde_json::json!({"scheduled_time": format!("{day}T06:00:00Z")});
        assert_eq!(handle(&app, event).await.unwrap().len(), 1);
    }
}

/// A function and the event with which it was started.
type Started = (String, Value);

/// Returns an app, and the events with which it starts the function again.
fn app_that_restarts(app: App) -> (App, Arc<Mutex<Vec<Started>>>) {
    let started = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&started);
    let restart: Restart = Arc::new(move |function, event| {
        events.lock().unwrap().push((function, event));
        async { Ok(()) }.boxed()
    });
    (app.with_restart(restart), started)
}

#[tokio::test(start_paused = true)]
async fn an_invocation_whose_time_is_nearly_over_starts_the_function_again_for_the_days_that_are_left()
 {
    let begun = tokio::time::Instant::now();
    let clock = Clock::new(move || UNIX_EPOCH + Duration::from_hours(492_534) + begun.elapsed());
    let app = App::new(memory(), None, Config::new("test"), clock);
    let (mut app, started) = app_that_restarts(app);
    let whole = app.runner.lake.clone();
    // The second of three days is too slow.
    app.runner.lake = slow(&whole, Duration::from_secs(200), "reports/date=2026-02-28/");
    let event = serde_json::json!({"from": "2026-02-27", "to": "2026-03-01"});
    let invoke = async |app: &App, event: &Value| {
        let mut context = Context::default();
        let now = app.ledger().now().as_millisecond();
        context.deadline = u64::try_from(now).unwrap() + 900_000;
        context.request_id = format!("at {now}");
        context.env_config = Arc::new(lambda_runtime::Config {
            function_name: "daily-batch".to_owned(),
            ..lambda_runtime::Config::default()
        });
        app.handle(LambdaEvent::new(event.clone(), context)).await
    };
    let records = invoke(&app, &event).await.unwrap();
    assert_eq!(records.len(), 1);
    let again = serde_json::json!({
        "from": "2026-02-28", "to": "2026-03-01", "trigger": "backfill", "as_of_now": false,
    });
    assert_eq!(
        *started.lock().unwrap(),
        [("daily-batch".to_owned(), again.clone())]
    );
    // The bucket is itself again.
    app.runner.lake = whole;
    let records = invoke(&app, &again).await.unwrap();
    let dates: Vec<_> = records
        .iter()
        .map(|record| record.run_date.to_string())
        .collect();
    assert_eq!(dates, ["2026-02-28", "2026-03-01"]);
    assert_eq!(records[0].attempt, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_has_not_begun_is_refused() {
    let app = app(Config::new("test"));
    for event in [
        serde_json::json!({"run_date": "2026-03-11"}),
        serde_json::json!({"from": "2026-03-09", "to": "2027-01-01"}),
    ] {
        let error = handle(&app, event).await.unwrap_err();
        assert!(
            error.contains("2026-03-11 has not begun: today is 2026-03-10 (UTC)"),
            "{error}"
        );
    }
    assert!(app.ledger().latest_runs().await.unwrap().is_empty());
    // The day under way is a preview, which the schedule does not count.
    let today = serde_json::json!({"run_date": "2026-03-10"});
    assert_eq!(handle(&app, today).await.unwrap(), ["2026-03-10"]);
    assert!(!app.ledger().latest_runs().await.unwrap()[0].is_days_run());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_by_the_schedule_while_a_run_is_at_work_is_no_error() {
    let app = app(Config::new("test"));
    let day = "2026-03-09".parse().unwrap();
    let begun = app
        .ledger()
        .begin(day, Trigger::Manual, "a person", &[], None)
        .await;
    assert!(begun.is_ok());
    let context = |trigger: &str| {
        let mut context = Context::default();
        // Too little time to wait until the lease ends.
        context.deadline = 1_773_122_460_000;
        let event = serde_json::json!({"run_date": "2026-03-09", "trigger": trigger});
        LambdaEvent::new(event, context)
    };
    assert_eq!(app.handle(context("schedule")).await.unwrap(), []);
    let error = app.handle(context("manual")).await.unwrap_err();
    assert!(matches!(error, DailyError::Held { .. }), "{error}");
}
