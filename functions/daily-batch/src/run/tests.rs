use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use daily_report::Summary;
use object_store::ObjectStoreExt as _;

use super::*;
use crate::test_lake::{self, memory, posted};

/// A clock that a test sets.
#[derive(Clone, Default)]
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn clock(&self) -> Clock {
        let seconds = Arc::clone(&self.0);
        Clock::new(move || {
            UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::Relaxed).unsigned_abs())
        })
    }

    fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

fn runner(hands: &Hands) -> Runner {
    Runner {
        lake: memory(),
        stream: None,
        config: Config::new("test"),
        clock: hands.clock(),
    }
}

fn day() -> Date {
    "1970-01-01".parse().unwrap()
}

async fn run(runner: &Runner, trigger: Trigger) -> Result<RunRecord, DailyError> {
    runner.run(day(), trigger, "test", &|_| {}).await
}

async fn put(runner: &Runner, key: &str, bytes: &'static [u8]) {
    runner
        .lake
        .store()
        .put(&Path::from(key), bytes.into())
        .await
        .unwrap();
}

/// Begins an attempt that somebody else holds.
async fn begin(runner: &Runner) -> Attempt {
    let ledger = runner.ledger();
    let begun = ledger.begin(day(), Trigger::Schedule, "another", &STEPS);
    let Begun::Attempt(attempt) = begun.await.unwrap() else {
        panic!("the date is free")
    };
    *attempt
}

async fn read(runner: &Runner, key: &str) -> Bytes {
    let object = runner.lake.store().get(&Path::from(key)).await.unwrap();
    object.bytes().await.unwrap()
}

async fn summary(runner: &Runner) -> Summary {
    serde_json::from_slice(&read(runner, &summary::key(day())).await).unwrap()
}

const BAD: &str = "clean/geo/date=1970-01-01/hour=00/shardId-000000000000-1-2.parquet";

#[tokio::test(flavor = "multi_thread")]
async fn a_day_without_rows_has_reports_and_a_page_too() {
    let runner = runner(&Hands::default());
    let record = run(&runner, Trigger::Manual).await.unwrap();
    assert_eq!((record.state, record.attempt), (RunState::Succeeded, 1));
    let names: Vec<_> = reports::all().map(|report| report.name).collect();
    assert_eq!(names.len(), 10, "{names:?}");
    for name in names {
        for extension in ["csv", "parquet"] {
            let key = format!("reports/date=1970-01-01/{name}.{extension}");
            read(&runner, &key).await;
        }
    }
    assert!(read(&runner, &page_key(day())).await.starts_with(b"<!"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_goes_on_at_the_step_that_failed() {
    let hands = Hands::default();
    let runner = runner(&hands);
    put(&runner, BAD, b"not Parquet").await;
    let error = run(&runner, Trigger::Manual).await.unwrap_err();
    assert!(error.to_string().contains(BAD), "{error}");
    let failed = runner
        .ledger()
        .attempts(day())
        .await
        .unwrap()
        .pop()
        .unwrap();
    let states = |record: &RunRecord| -> Vec<_> {
        record
            .steps
            .iter()
            .take(4)
            .map(|step| step.state.as_str())
            .collect()
    };
    assert_eq!(
        states(&failed),
        ["succeeded", "failed", "pending", "pending"]
    );
    assert!(failed.error.unwrap().contains("not a Parquet file"));

    runner.lake.store().delete(&Path::from(BAD)).await.unwrap();
    let record = run(&runner, Trigger::Manual).await.unwrap();
    assert_eq!(record.attempt, 2);
    assert_eq!(
        states(&record),
        ["kept", "succeeded", "succeeded", "succeeded"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_attempt_committed_is_counted_once() {
    let hands = Hands::default();
    let runner = runner(&hands);
    let inserted = |record: &RunRecord| {
        let fold = record.steps.iter().find(|step| step.name == "fold-user");
        fold.unwrap().counts["inserted"]
    };
    // Twice in a row, it is killed after the commit, and before the ledger is told.
    for (attempt, rows) in [
        (1, vec![posted(1, 20, 10, "100"), posted(2, 20, 10, "101")]),
        (2, vec![posted(3, 20, 10, "102")]),
    ] {
        test_lake::put(&runner.lake, &rows).await;
        assert_eq!(begin(&runner).await.record.attempt, attempt);
        let folded = fold(&runner.lake, Kind::User, day(), attempt, &runner.clock);
        assert_eq!(folded.await.unwrap().counts.inserted, rows.len() as u64);
        hands.advance(901);
    }
    test_lake::put(&runner.lake, &[posted(4, 20, 10, "103")]).await;
    let record = run(&runner, Trigger::Schedule).await.unwrap();
    assert_eq!((record.attempt, inserted(&record)), (3, 4));
    let summary = summary(&runner).await;
    assert_eq!(summary.folds["user"].rows_in, 4);

    let again = run(&runner, Trigger::Manual).await.unwrap();
    assert_eq!((again.attempt, inserted(&again)), (4, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_that_somebody_holds_is_refused_until_it_expires() {
    let hands = Hands::default();
    let runner = runner(&hands);
    let mut other = begin(&runner).await;
    let error = run(&runner, Trigger::Manual).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the run of 1970-01-01 is held by another until 1970-01-01T00:15:00Z; wait, or try again after that"
    );
    hands.advance(901);
    let record = run(&runner, Trigger::Manual).await.unwrap();
    assert_eq!((record.attempt, record.state), (2, RunState::Succeeded));
    // The one that was taken over notices, and writes nothing more.
    assert!(matches!(
        other.save().await,
        Err(DailyError::TakenOver { attempt: 2, .. })
    ));
    let attempts = runner.ledger().attempts(day()).await.unwrap();
    assert_eq!(attempts[0].state, RunState::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_renews_is_not_taken_over() {
    let hands = Hands::default();
    let runner = runner(&hands);
    let mut other = begin(&runner).await;
    hands.advance(800);
    other.save().await.unwrap();
    hands.advance(800);
    assert!(matches!(
        run(&runner, Trigger::Manual).await,
        Err(DailyError::Held { .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_runs_that_begin_at_once_one_works() {
    let runner = runner(&Hands::default());
    let (first, second) =
        tokio::join!(run(&runner, Trigger::Manual), run(&runner, Trigger::Manual));
    let held = [&first, &second]
        .into_iter()
        .filter(|run| matches!(run, Err(DailyError::Held { .. })))
        .count();
    let done = [&first, &second]
        .into_iter()
        .filter(|run| run.is_ok())
        .count();
    assert_eq!((held, done), (1, 1), "{first:?} {second:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_runs_a_day_once_and_a_person_as_often_as_asked() {
    let runner = runner(&Hands::default());
    for (trigger, attempt) in [
        (Trigger::Schedule, 1),
        (Trigger::Schedule, 1),
        (Trigger::Manual, 2),
    ] {
        assert_eq!(
            run(&runner, trigger).await.unwrap().attempt,
            attempt,
            "{trigger:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_tables_give_the_same_bytes() {
    let hands = Hands::default();
    let runner = runner(&hands);
    let mut written = Vec::new();
    for _ in 0..2 {
        run(&runner, Trigger::Manual).await.unwrap();
        let mut files = Vec::new();
        for report in reports::all() {
            for extension in ["csv", "parquet"] {
                let key = format!("reports/date=1970-01-01/{}.{extension}", report.name);
                files.push(read(&runner, &key).await);
            }
        }
        written.push(files);
        hands.advance(3600);
    }
    assert_eq!(written[0], written[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_stream_the_summary_does_not_claim_that_all_was_found() {
    let runner = runner(&Hands::default());
    run(&runner, Trigger::Manual).await.unwrap();
    assert!(!summary(&runner).await.conservation.is_complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_summary_tells_what_the_days_posts_cost() {
    let runner = runner(&Hands::default());
    run(&runner, Trigger::Manual).await.unwrap();
    assert_eq!(summary(&runner).await.cost, None);

    let rows = [posted(1, 30, 10, "1"), posted(2, 31, 20, "2")];
    test_lake::put(&runner.lake, &rows).await;
    run(&runner, Trigger::Manual).await.unwrap();
    let cost = summary(&runner).await.cost.unwrap();
    // Two posts; what is told of a million of them is rounded in its sixth decimal.
    let per_million = cost.usd / 2.0 * 1e6;
    assert!((cost.usd_per_million_posts - per_million).abs() < 1.0);
    let services: f64 = cost.usd_by_service.iter().map(|(_, usd)| usd).sum();
    assert!((services - cost.usd).abs() < 1e-4);
    // A day of a shard, of the key, and of alarms and a dashboard.
    assert!((0.9..1.0).contains(&cost.usd), "{cost:?}");
    assert!(
        cost.assumptions
            .contains("one provisioned shard, as no stream was looked at"),
        "{cost:?}"
    );
    let page = read(&runner, &page_key(day())).await;
    assert!(str::from_utf8(&page).unwrap().contains("Cost of the day"));
}
