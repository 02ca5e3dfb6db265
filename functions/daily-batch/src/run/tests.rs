use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use daily_report::Summary;
use object_store::ObjectStoreExt as _;

use object_store::path::Path;

use super::*;
use crate::merge::{Merge, merge};
use crate::table::delta::CuratedTable;
use crate::test_lake::{self, memory, posted};

mod calendar;
mod days;

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
    let steps = steps();
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
    let names: Vec<_> = reports::all().map(|report| report.name).collect();
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
    let lock = lock_table(&runner, Kind::Geo).await;
    let error = run(&runner, Trigger::Manual).await.unwrap_err();
    assert!(error.to_string().contains("`curated/geo/`"), "{error}");
    let failed = last_attempt(&runner).await;
    assert_eq!(
        states(&failed)[..4],
        ["succeeded", "failed", "succeeded", "pending"]
    );
    assert_eq!(failed.steps[2].counts["inserted"], 1);
    assert!(failed.steps[1].error.is_some());

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
        merge(&runner.work(), Kind::User, day(), 1).await.unwrap();
    }
    // The footers are whole, the values are not.
    let table = CuratedTable::open(&runner.lake, Kind::User).await.unwrap();
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
    let lock = lock_table(&runner, Kind::Geo).await;
    run(&runner, Trigger::Manual).await.unwrap_err();
    assert!(last_attempt(&runner).await.tables.is_empty());
    test_lake::put(&runner.lake, &[posted(2, 20, 10, "101")]).await;
    runner.lake.store().delete(&lock).await.unwrap();
    let record = run(&runner, Trigger::Manual).await.unwrap();
    assert_eq!(summary(&runner).await.tables["user"].rows, 2);
    assert_eq!(record.tables.len(), 3);

    // The next one dies after every table is merged: its versions stay the run's, whatever comes later.
    let mut attempt = begin(&runner).await;
    for (place, kind) in Kind::ALL.into_iter().enumerate() {
        let outcome = merge(&runner.work(), kind, day(), 3).await.unwrap();
        let version = outcome.table.version;
        attempt.record.tables.insert(kind.to_string(), version);
        attempt.record.steps[place].state = RunState::Succeeded;
    }
    attempt.save().await.unwrap();
    let failed = attempt.end(Err(DailyError::Bug("killed".to_owned()))).await;
    failed.unwrap_err();
    test_lake::put(&runner.lake, &[posted(3, 20, 10, "102")]).await;
    merge(&runner.work(), Kind::User, day(), 9).await.unwrap();
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
        let before = runner.merged_before(Kind::User, &record).await.unwrap();
        let mut killed = Merge::new(&work, Kind::User, day, before);
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
        for report in reports::all() {
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

/// A clock that follows tokio's, which a paused test moves.
fn paused_clock() -> Clock {
    let started = tokio::time::Instant::now();
    Clock::new(move || UNIX_EPOCH + started.elapsed())
}

fn paused_runner() -> Runner {
    Runner {
        clock: paused_clock(),
        ..runner(&TestClock::default())
    }
}

/// Runs the day as Lambda starts it: 15 minutes, under the identifier of a request.
async fn start(runner: &Runner, request_id: &str) -> Result<Ended, DailyError> {
    let start = Start {
        trigger: Trigger::Schedule,
        as_of_now: true,
        holder: request_id,
        deadline: Some(runner.ledger().now() + SignedDuration::from_mins(15)),
        memory_bytes: None,
    };
    runner.run(day(), start, &|_| {}).await
}

#[tokio::test(start_paused = true)]
async fn a_retry_of_the_same_request_takes_over_at_once_and_another_one_waits_for_the_lease() {
    // Lambda starts an asynchronous event again 1 and 2 minutes after an attempt has failed; the process may also die right
    // after it has renewed its lease.
    for (retry_after, request_id, takes) in [
        (0, "request", 0..1),
        (60, "request", 0..1),
        (1, "another", 55..66),
        (60, "another", 0..10),
        (120, "another", 0..1),
    ] {
        let runner = paused_runner();
        let ledger = runner.ledger();
        let steps = steps();
        let dead = ledger.begin(day(), Trigger::Schedule, "request", &steps, None);
        assert!(matches!(dead.await.unwrap(), Begun::Attempt(_)));
        tokio::time::sleep(Duration::from_secs(retry_after)).await;
        let before = runner.ledger().now();
        let Ended::Done(record) = start(&runner, request_id).await.unwrap() else {
            panic!("there is time enough")
        };
        let took = record.started_at.duration_since(before).as_secs();
        assert_eq!((record.attempt, record.state), (2, RunState::Succeeded));
        assert!(
            takes.contains(&took),
            "{request_id} after {retry_after} s: {took} s"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_renews_its_lease_is_left_alone() {
    let runner = paused_runner();
    let ledger = runner.ledger();
    let begun = ledger
        .begin(day(), Trigger::Schedule, "alive", &steps(), None)
        .await;
    let Begun::Attempt(attempt) = begun.unwrap() else {
        panic!("the date is free")
    };
    let (lost, is_lost) = oneshot::channel();
    let mut renewal = JoinSet::new();
    renewal.spawn(renew(Arc::new(Mutex::new(*attempt)), lost));
    let held = start(&runner, "another").await;
    assert!(matches!(held, Err(DailyError::Held { .. })), "{held:?}");
    assert!(runner.ledger().now().as_second() <= 30);
    // Whoever loses the lease all the same gets an error.
    renewal.abort_all();
    drop(is_lost);
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_time_is_nearly_over_is_saved_and_goes_on_at_the_next_start() {
    let runner = paused_runner();
    test_lake::put(&runner.lake, &[posted(1, 20, 10, "100")]).await;
    let slow = Runner {
        lake: test_lake::slow(&runner.lake, Duration::from_secs(100), "reports/"),
        ..runner.clone()
    };
    let Ended::Paused(stop) = start(&slow, "first").await.unwrap() else {
        panic!("the bucket is too slow")
    };
    assert_eq!(
        stop.to_string(),
        "the run of 1970-01-01 stopped in step `reports`, shortly before the end of the function's time; the next attempt \
         goes on from there"
    );
    let paused = last_attempt(&runner).await;
    assert_eq!(paused.state, RunState::Paused);
    assert_eq!(states(&paused)[6], "paused");
    assert_eq!(crate::run::metrics::line(&paused, ""), None);
    // A second start that comes no further gives up, so that nobody starts it for ever.
    let stuck = start(&slow, "second").await;
    assert!(
        matches!(stuck, Err(DailyError::OutOfTime { .. })),
        "{stuck:?}"
    );
    let Ended::Done(record) = start(&runner, "third").await.unwrap() else {
        panic!("there is time enough")
    };
    assert_eq!((record.attempt, record.state), (3, RunState::Succeeded));
    assert_eq!(states(&record)[..5], ["kept"; 5]);
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
