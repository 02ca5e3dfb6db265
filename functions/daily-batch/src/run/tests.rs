use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use daily_report::Summary;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use event_model::Kind;

use super::*;
use crate::merge::{Merge, merge};
use crate::table::delta::CuratedTable;
use crate::test_lake::{self, memory, posted};

mod calendar;
mod days;
mod growth;
mod time;

const DAY_SECONDS: u64 = 86_400;

/// A clock that a test sets; it begins with the day after [`day`].
#[derive(Clone, Default)]
struct TestClock(Arc<AtomicI64>);

impl TestClock {
    fn clock(&self) -> Clock {
        let seconds = Arc::clone(&self.0);
        Clock::new(move || {
            let seconds = seconds.load(Ordering::Relaxed);
            UNIX_EPOCH + Duration::from_secs(DAY_SECONDS.saturating_add_signed(seconds))
        })
    }

    fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

fn runner(clock: &TestClock) -> Runner {
    Runner {
        lake: memory(),
        stream: None,
        config: Config::new("test"),
        clock: clock.clock(),
        sizes: test_lake::sizes(),
    }
}

/// The day that the tests run.
fn day() -> Date {
    "1970-01-01".parse().unwrap()
}

async fn run(runner: &Runner, trigger: Trigger) -> Result<RunRecord, DailyError> {
    run_as(runner, trigger, "test").await
}

/// Runs the day with so little time that nobody waits for a lease.
async fn run_as(runner: &Runner, trigger: Trigger, holder: &str) -> Result<RunRecord, DailyError> {
    let start = Start {
        trigger,
        as_of_now: true,
        holder,
        deadline: Some(runner.ledger().now() + SignedDuration::from_secs(45)),
        memory_bytes: None,
    };
    match runner.run(day(), start, &|_| {}).await? {
        Ended::Done(record) => Ok(record),
        Ended::Paused(stop) => Err(stop),
    }
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
    let steps = steps(&runner.lake);
    let begun = ledger.begin(day(), Trigger::Manual, "another", &steps, None);
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
    serde_json::from_slice(&read(runner, &summary::summary_key(day())).await).unwrap()
}

const BAD: &str = "clean/geo/date=1970-01-01/hour=00/shardId-000000000000-1-2.parquet";

#[tokio::test(flavor = "multi_thread")]
async fn a_day_without_rows_has_reports_and_a_page_too() {
    let runner = runner(&TestClock::default());
    let record = run(&runner, Trigger::Manual).await.unwrap();
    assert_eq!((record.state, record.attempt), (RunState::Succeeded, 1));
    let names: Vec<_> = runner
        .lake
        .model()
        .reports()
        .iter()
        .map(|report| report.name.clone())
        .collect();
    assert!(!names.is_empty());
    for name in names {
        for extension in ["csv", "parquet"] {
            let key = format!("reports/date=1970-01-01/{name}.{extension}");
            read(&runner, &key).await;
        }
    }
    assert!(read(&runner, &page_key(day())).await.starts_with(b"<!"));
}

fn states(record: &RunRecord) -> Vec<&'static str> {
    record
        .steps
        .iter()
        .map(|step| step.state.as_str())
        .collect()
}

async fn last_attempt(runner: &Runner) -> RunRecord {
    let attempts = runner.ledger().attempts(day()).await.unwrap();
    attempts.into_iter().next_back().unwrap()
}

/// Puts a commit of a newer protocol on top of a table, so that it can be read and written by nobody here.
async fn lock_table(runner: &Runner, kind: Kind) -> Path {
    let table = CuratedTable::open_or_create(&runner.lake, kind).await;
    let next = table.unwrap().version() + 1;
    let path = Path::from(format!("curated/{kind}/_delta_log/{next:020}.json"));
    let protocol = r#"{"protocol":{"minReaderVersion":9,"minWriterVersion":99}}"#;
    let put = runner.lake.store().put(&path, protocol.into()).await;
    put.unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_merged_stops_no_other_and_the_run_goes_on_there() {
    let runner = runner(&TestClock::default());
    test_lake::put(&runner.lake, &[posted(1, 20, 10, "100")]).await;
    let lock = lock_table(&runner, Kind::named("geo")).await;
    let error = run(&runner, Trigger::Manual).await.unwrap_err();
    assert!(error.to_string().contains("`curated/geo/`"), "{error}");
    let failed = last_attempt(&runner).await;
    assert_eq!(
        states(&failed)[..4],
        ["failed", "succeeded", "succeeded", "pending"]
    );
    assert_eq!(failed.steps[2].counts["inserted"], 1);
    assert!(failed.steps[0].error.is_some());

    runner.lake.store().delete(&lock).await.unwrap();
    let record = run(&runner, Trigger::Manual).await.unwrap();
    assert_eq!((record.attempt, record.state), (2, RunState::Succeeded));
    // What the first attempt merged is counted, and its tables are looked at again.
    assert_eq!(record.steps[2].counts["inserted"], 1);
    assert_eq!(states(&record), ["succeeded"; 8]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_read_keeps_no_report_back_and_is_told() {
    let runner = runner(&TestClock::default());
    put(&runner, BAD, b"not Parquet").await;
    let rejected = "quarantine/date=1970-01-01/shardId-000000000000-1-2.ndjson.gz";
    put(&runner, rejected, b"not gzip").await;
    for _ in 0..2 {
        let record = run(&runner, Trigger::Manual).await.unwrap();
        assert_eq!(record.state, RunState::Succeeded);
        let summary = summary(&runner).await;
        assert_eq!(summary.unreadable_objects["geo"], 1);
        assert_eq!(summary.quarantine.unreadable, [rejected]);
        let line = crate::run::metrics::line(&record, "daily-batch").unwrap();
        assert!(line.contains(r#""objects_unreadable":1"#), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compaction_that_fails_keeps_no_report_back_and_is_told() {
    let runner = runner(&TestClock::default());
    for (ind, sequence) in [(1, "100"), (2, "101")] {
        test_lake::put(&runner.lake, &[posted(ind, 20, 10, sequence)]).await;
        merge(&runner.work(), Kind::named("user"), day(), 1)
            .await
            .unwrap();
    }
    // The footers are whole, the values are not.
    let table = CuratedTable::open(&runner.lake, Kind::named("user"))
        .await
        .unwrap();
    for file in table.unwrap().files().await.unwrap() {
        let bytes = read(&runner, file.path.as_ref()).await;
        let damaged = test_lake::with_damaged_values(&bytes, "user_name");
        let put = runner.lake.store().put(&file.path, damaged.into()).await;
        put.unwrap();
    }
    let record = run(&runner, Trigger::Manual).await.unwrap();
    assert_eq!(record.state, RunState::Succeeded);
    let compact = &record.steps[3];
    assert_eq!(compact.state, RunState::Failed);
    let error = compact.error.as_deref().unwrap();
    assert!(
        error.contains("daily remerge user --drop-damaged"),
        "{error}"
    );
    let line = crate::run::metrics::line(&record, "daily-batch").unwrap();
    assert!(line.contains(r#""steps_failed":1"#), "{line}");
    assert!(!read(&runner, &page_key(day())).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_run_reads_all_tables_as_of_one_moment() {
    let runner = runner(&TestClock::default());
    test_lake::put(&runner.lake, &[posted(1, 20, 10, "100")]).await;
    // The first attempt merges the users, and dies before geo is merged: nothing of it may be joined with later rows.
    let lock = lock_table(&runner, Kind::named("geo")).await;
    run(&runner, Trigger::Manual).await.unwrap_err();
    assert!(last_attempt(&runner).await.tables.is_empty());
    test_lake::put(&runner.lake, &[posted(2, 20, 10, "101")]).await;
    runner.lake.store().delete(&lock).await.unwrap();
    let record = run(&runner, Trigger::Manual).await.unwrap();
    assert_eq!(summary(&runner).await.tables["user"].rows, 2);
    assert_eq!(record.tables.len(), 3);

    // The next one dies after every table is merged: its versions stay the run's, whatever comes later.
    let mut attempt = begin(&runner).await;
    for (place, kind) in runner.lake.kinds().into_iter().enumerate() {
        let outcome = merge(&runner.work(), kind, day(), 3).await.unwrap();
        let version = outcome.table.version;
        attempt.record.tables.insert(kind.to_string(), version);
        attempt.record.steps[place].state = RunState::Succeeded;
    }
    attempt.save().await.unwrap();
    let failed = attempt.end(Err(DailyError::Bug("killed".to_owned()))).await;
    failed.unwrap_err();
    test_lake::put(&runner.lake, &[posted(3, 20, 10, "102")]).await;
    merge(&runner.work(), Kind::named("user"), day(), 9)
        .await
        .unwrap();
    let resumed = run(&runner, Trigger::Manual).await.unwrap();
    assert_eq!(states(&resumed)[..3], ["kept"; 3]);
    assert_eq!(resumed.tables["user"], attempt.record.tables["user"]);
    assert_eq!(summary(&runner).await.tables["user"].rows, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_attempt_committed_is_counted_once() {
    let clock = TestClock::default();
    let runner = runner(&clock);
    let inserted = |record: &RunRecord| {
        let merge = record.steps.iter().find(|step| step.name == "merge-user");
        merge.unwrap().counts["inserted"]
    };
    // Twice in a row, it is killed after the commit, and before the ledger is written.
    for (attempt, rows) in [
        (1, vec![posted(1, 20, 10, "100"), posted(2, 20, 10, "101")]),
        (2, vec![posted(3, 20, 10, "102")]),
    ] {
        test_lake::put(&runner.lake, &rows).await;
        let record = begin(&runner).await.record;
        assert_eq!(record.attempt, attempt);
        let (work, day) = (runner.work(), runner.merge_day(&record).await.unwrap());
        let before = runner
            .merged_before(Kind::named("user"), &record)
            .await
            .unwrap();
        let mut killed = Merge::new(&work, Kind::named("user"), day, before);
        while killed.next().await.unwrap() {}
        assert_eq!(killed.outcome().counts.inserted, rows.len() as u64);
        clock.advance(61);
    }
    test_lake::put(&runner.lake, &[posted(4, 20, 10, "103")]).await;
    let record = run(&runner, Trigger::Schedule).await.unwrap();
    assert_eq!((record.attempt, inserted(&record)), (3, 4));
    let summary = summary(&runner).await;
    assert_eq!(summary.merges["user"].rows_in, 4);

    let again = run(&runner, Trigger::Manual).await.unwrap();
    assert_eq!((again.attempt, inserted(&again)), (4, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_that_somebody_holds_is_refused_until_it_expires() {
    let clock = TestClock::default();
    let runner = runner(&clock);
    let mut other = begin(&runner).await;
    let error = run(&runner, Trigger::Manual).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the run of 1970-01-01 is held by another until 1970-01-02T00:01:00Z; wait, or try again after that"
    );
    clock.advance(61);
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
    let clock = TestClock::default();
    let runner = runner(&clock);
    let mut other = begin(&runner).await;
    clock.advance(50);
    other.save().await.unwrap();
    clock.advance(20);
    assert!(matches!(
        run(&runner, Trigger::Manual).await,
        Err(DailyError::Held { .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_runs_that_begin_at_once_one_works() {
    let runner = runner(&TestClock::default());
    let (first, second) = tokio::join!(
        run_as(&runner, Trigger::Manual, "one"),
        run_as(&runner, Trigger::Manual, "other")
    );
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
async fn the_same_tables_give_the_same_bytes() {
    let clock = TestClock::default();
    let runner = runner(&clock);
    let mut written = Vec::new();
    for _ in 0..2 {
        run(&runner, Trigger::Manual).await.unwrap();
        let mut files = Vec::new();
        for report in runner.lake.model().reports() {
            for extension in ["csv", "parquet"] {
                let key = format!("reports/date=1970-01-01/{}.{extension}", report.name);
                files.push(read(&runner, &key).await);
            }
        }
        written.push(files);
        clock.advance(3600);
    }
    assert_eq!(written[0], written[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_stream_the_summary_does_not_claim_that_all_was_found() {
    let runner = runner(&TestClock::default());
    run(&runner, Trigger::Manual).await.unwrap();
    assert!(!summary(&runner).await.reconciliation.is_complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_summary_has_what_the_day_used() {
    let runner = runner(&TestClock::default());
    run(&runner, Trigger::Manual).await.unwrap();
    assert_eq!(summary(&runner).await.usage.records, 0);

    let rows = [posted(1, 30, 10, "1"), posted(2, 31, 20, "2")];
    test_lake::put(&runner.lake, &rows).await;
    run(&runner, Trigger::Manual).await.unwrap();
    let usage = summary(&runner).await.usage;
    assert_eq!((usage.records, usage.objects, usage.stream), (2, 1, None));
    assert!(usage.clean_bytes > 0 && usage.table_bytes > 0, "{usage:?}");
    let page = read(&runner, &page_key(day())).await;
    assert!(str::from_utf8(&page).unwrap().contains("Cost of the day"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_stored_and_answered_with_an_error_is_no_second_run() {
    // The client tries again, and the bucket then says that the object is there already.
    for prefix in ["runs/", "curated/user/_delta_log/", "curated/user/_merged/"] {
        let whole = runner(&TestClock::default());
        let runner = Runner {
            lake: test_lake::refusing_after_write(&whole.lake, prefix),
            ..whole
        };
        test_lake::put(&runner.lake, &[posted(1, 20, 10, "100")]).await;
        let record = run(&runner, Trigger::Manual).await.unwrap();
        assert_eq!(
            (record.attempt, record.state),
            (1, RunState::Succeeded),
            "{prefix}"
        );
        assert_eq!(record.steps[2].counts["inserted"], 1, "{prefix}");
    }
}
