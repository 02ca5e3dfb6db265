use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use daily_report::Summary;
use object_store::ObjectStoreExt as _;
use object_store::memory::InMemory;
use object_store::path::Path;

use super::*;

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
        lake: Lake::new(Arc::new(InMemory::new()), "s3://test/"),
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
            runner.lake.store().get(&Path::from(key)).await.unwrap();
        }
    }
    let page = runner
        .lake
        .store()
        .get(&Path::from(page_key(day())))
        .await
        .unwrap();
    assert!(page.bytes().await.unwrap().starts_with(b"<!"));
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
async fn a_date_that_somebody_holds_is_refused_until_it_expires() {
    let hands = Hands::default();
    let runner = runner(&hands);
    let begun = runner
        .ledger()
        .begin(day(), Trigger::Schedule, "another", &STEPS)
        .await
        .unwrap();
    let Begun::Attempt(mut other) = begun else {
        panic!("a first attempt begins")
    };
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
    let begun = runner
        .ledger()
        .begin(day(), Trigger::Schedule, "another", &STEPS)
        .await
        .unwrap();
    let Begun::Attempt(mut other) = begun else {
        panic!("a first attempt begins")
    };
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
                files.push(
                    runner
                        .lake
                        .store()
                        .get(&Path::from(key))
                        .await
                        .unwrap()
                        .bytes()
                        .await
                        .unwrap(),
                );
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
    let summary = runner
        .lake
        .store()
        .get(&Path::from(summary::key(day())))
        .await
        .unwrap();
    let summary: Summary = serde_json::from_slice(&summary.bytes().await.unwrap()).unwrap();
    assert!(!summary.conservation.is_complete);
}
