//! Leases, deadlines, and runs that need more than one invocation.

use event_model::Kind;

use super::*;
use crate::test_lake::ages_of;

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
        memory_bytes: Some(3 << 30),
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
        let steps = steps(&runner.lake);
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
        .begin(
            day(),
            Trigger::Schedule,
            "alive",
            &steps(&runner.lake),
            None,
        )
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

/// Returns the users of a lake: `ind` → age.
async fn users(runner: &Runner) -> std::collections::BTreeMap<i64, i32> {
    let table = CuratedTable::open(&runner.lake, Kind::named("user"))
        .await
        .unwrap();
    ages_of(&table.unwrap()).await.0
}

#[tokio::test(start_paused = true)]
async fn a_backlog_of_several_invocations_ends_with_the_tables_of_one_go() {
    let (at_once, mut runner) = (paused_runner(), paused_runner());
    for object in 0..60 {
        let (ind, age) = (object % 25, i32::try_from(20 + object).unwrap());
        let row = posted(ind, age, object, &(100 + object).to_string());
        for lake in [&at_once.lake, &runner.lake] {
            test_lake::put(lake, std::slice::from_ref(&row)).await;
        }
    }
    let Ended::Done(whole) = start(&at_once, "one").await.unwrap() else {
        panic!("there is time enough")
    };
    // A commit of a slice takes a minute: of 60, some fourteen are done before the function's time is nearly over.
    runner.sizes.slice_rows = 1;
    runner.lake = test_lake::slow(&runner.lake, Duration::from_secs(15), "curated/user/");
    let mut starts = 0;
    let record = loop {
        starts += 1;
        assert!(starts < 20, "it comes to no end");
        match start(&runner, &format!("start {starts}")).await.unwrap() {
            Ended::Done(record) => break record,
            Ended::Paused(_) => {
                let paused = last_attempt(&runner).await;
                assert_eq!(paused.state, RunState::Paused);
                assert!(paused.steps[2].counts["objects_left"] > 0);
            }
        }
    };
    assert!(starts >= 3, "{starts}");
    assert_eq!(users(&runner).await, users(&at_once).await);
    // The last start had time enough; the alarm hears of those that had not.
    let used = record.used.unwrap().time_percent;
    assert!(used > 90, "{used} %");
    // What all of them merged is the day's.
    let merged = |record: &RunRecord| record.steps[2].counts["rows_in"];
    assert_eq!((merged(&record), merged(&whole)), (60, 60));
    assert_eq!(summary(&runner).await.tables["user"].rows, 25);
}
