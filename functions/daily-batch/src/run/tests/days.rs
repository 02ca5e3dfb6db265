//! The run of a day is the run of that day, whatever was run before.

use event_model::Kind;

use super::*;

/// Seconds back to a moment of the day itself.
const NOON: i64 = -43_200;

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_runs_a_day_once_and_a_person_as_often_as_asked() {
    let runner = runner(&TestClock::default());
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
async fn a_run_before_the_day_is_over_is_a_preview_and_hides_nothing() {
    let clock = TestClock::default();
    let runner = runner(&clock);
    clock.advance(NOON);
    test_lake::put(&runner.lake, &[posted(1, 20, 40_000, "100")]).await;
    let preview = run(&runner, Trigger::Manual).await.unwrap();
    assert_eq!(
        (preview.state, preview.partial, preview.is_days_run()),
        (RunState::Succeeded, true, false)
    );
    assert!(summary(&runner).await.partial);
    // What arrives in the afternoon is merged by the schedule's run of the next morning.
    test_lake::put(&runner.lake, &[posted(2, 20, 60_000, "101")]).await;
    clock.advance(-NOON);
    let days_run = run(&runner, Trigger::Schedule).await.unwrap();
    assert_eq!((days_run.attempt, days_run.is_days_run()), (2, true));
    let summary = summary(&runner).await;
    assert_eq!((summary.partial, summary.tables["user"].rows), (false, 2));
    // Only this one is the day's.
    let again = run(&runner, Trigger::Schedule).await.unwrap();
    assert_eq!(again.attempt, 2);
    let line = |record: &RunRecord| {
        let record = RunRecord {
            trigger: Trigger::Schedule,
            ..record.clone()
        };
        metrics::line(&record, "").unwrap()
    };
    assert!(line(&preview).contains("\"scheduled_runs_succeeded\":0"));
    assert!(line(&days_run).contains("\"scheduled_runs_succeeded\":1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_days_run_does_not_go_on_from_a_preview_that_failed() {
    let clock = TestClock::default();
    let runner = runner(&clock);
    clock.advance(NOON);
    test_lake::put(&runner.lake, &[posted(1, 20, 40_000, "100")]).await;
    let mut preview = begin(&runner).await;
    for (place, kind) in runner.lake.kinds().into_iter().enumerate() {
        let outcome = merge(&runner.work(), kind, day(), 1).await.unwrap();
        let version = outcome.table.version;
        preview.record.tables.insert(kind.to_string(), version);
        preview.record.steps[place].state = RunState::Succeeded;
    }
    let failed = preview.end(Err(DailyError::Bug("killed".to_owned()))).await;
    failed.unwrap_err();
    test_lake::put(&runner.lake, &[posted(2, 20, 60_000, "101")]).await;
    clock.advance(-NOON);
    let record = run(&runner, Trigger::Schedule).await.unwrap();
    assert_eq!(states(&record)[..3], ["succeeded"; 3]);
    assert_eq!(summary(&runner).await.tables["user"].rows, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_summary_is_the_dates_whichever_run_writes_it() {
    let runner = runner(&TestClock::default());
    test_lake::put(
        &runner.lake,
        &[posted(1, 20, 10, "100"), posted(2, 20, 11, "101")],
    )
    .await;
    run(&runner, Trigger::Manual).await.unwrap();
    let first = summary(&runner).await;
    assert_eq!(first.merges["user"].rows_in, 2);
    run(&runner, Trigger::Manual).await.unwrap();
    let second = summary(&runner).await;
    assert_eq!(second.merges, first.merges);
    assert_eq!(second.row_balance, first.row_balance);
    assert_eq!(second.changes_by_rule, first.changes_by_rule);
    // A late row adds to them, and what a table gained is what it has.
    test_lake::put(&runner.lake, &[posted(3, 20, 12, "102")]).await;
    run(&runner, Trigger::Manual).await.unwrap();
    let third = summary(&runner).await;
    assert_eq!(third.merges["user"].rows_in, 3);
    let balance = third.row_balance["user"];
    assert_eq!((balance.before, balance.inserted, balance.after), (0, 3, 3));
    assert_eq!(balance.difference(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_a_newer_version_stops_nobody() {
    let clock = TestClock::default();
    let runner = runner(&clock);
    let record = run(&runner, Trigger::Schedule).await.unwrap();
    let text = serde_json::to_string(&record).unwrap();
    let newer = text
        .replace("\"state\":\"succeeded\"", "\"state\":\"archived\"")
        .replace(
            "\"trigger\":\"schedule\"",
            "\"trigger\":\"event\",\"more\":[1]",
        );
    let key = "runs/date=1970-01-01/attempt-0001.json";
    let body = Bytes::from(newer.into_bytes());
    let store = runner.lake.store();
    store.put(&Path::from(key), body.into()).await.unwrap();
    let read = runner.ledger().latest_runs().await.unwrap();
    assert_eq!(
        (read[0].state, read[0].trigger),
        (RunState::Unknown, Trigger::Unknown)
    );
    // It may be at work until its lease ends.
    let held = run_as(&runner, Trigger::Manual, "somebody").await;
    assert!(matches!(held, Err(DailyError::Held { .. })), "{held:?}");
    clock.advance(1_000);
    let again = run_as(&runner, Trigger::Schedule, "somebody")
        .await
        .unwrap();
    assert_eq!((again.attempt, again.is_days_run()), (2, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_orders_is_counted_with_examples() {
    let runner = runner(&TestClock::default());
    // The clock went back between two records of one row; later, between one that the table has and a late one.
    let rows = [
        posted(1, 20, 10, "100"),
        posted(1, 21, 9, "101"),
        posted(2, 20, 10, "102"),
    ];
    test_lake::put(&runner.lake, &rows).await;
    run(&runner, Trigger::Manual).await.unwrap();
    let first = summary(&runner).await;
    assert_eq!(first.merges["user"].order_undecided, 1);
    assert_eq!(first.order_undecided_examples["user"], ["1"]);
    test_lake::put(
        &runner.lake,
        &[posted(2, 30, 9, "103"), posted(3, 30, 11, "104")],
    )
    .await;
    let record = run(&runner, Trigger::Schedule).await;
    // A person's run has done the day; the rows are late.
    assert_eq!(record.unwrap().attempt, 1);
    let record = run(&runner, Trigger::Manual).await.unwrap();
    let second = summary(&runner).await;
    assert_eq!(second.merges["user"].order_undecided, 2);
    assert_eq!(second.order_undecided_examples["user"], ["1", "2"]);
    assert!(
        metrics::line(&record, "")
            .unwrap()
            .contains("\"order_undecided\":1")
    );
}

/// Runs the day as a person does.
async fn run_again(runner: &Runner, as_of_now: bool) -> Result<RunRecord, DailyError> {
    let start = Start {
        trigger: Trigger::Manual,
        as_of_now,
        holder: "person",
        deadline: None,
        memory_bytes: None,
    };
    match runner.run(day(), start, &|_| {}).await? {
        Ended::Done(record) => Ok(record),
        Ended::Paused(stop) => Err(stop),
    }
}

async fn report_bytes(runner: &Runner) -> Vec<Bytes> {
    let mut files = Vec::new();
    for report in runner.lake.model().reports() {
        for extension in ["csv", "parquet"] {
            let key = format!("reports/date=1970-01-01/{}.{extension}", report.name);
            files.push(read(runner, &key).await);
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_is_run_again_has_the_tables_of_then() {
    let clock = TestClock::default();
    let runner = runner(&clock);
    test_lake::put(&runner.lake, &[posted(1, 20, 10, "100")]).await;
    let first = run(&runner, Trigger::Schedule).await.unwrap();
    let (reports, before) = (report_bytes(&runner).await, summary(&runner).await);
    // Later days change the tables, and a row of the day comes late.
    let later = [posted(1, 90, 100_000, "200"), posted(2, 30, 100_001, "201")];
    test_lake::put(&runner.lake, &later).await;
    test_lake::put(&runner.lake, &[posted(3, 40, 12, "150")]).await;
    clock.advance(5 * 86_400);
    let next: Date = "1970-01-02".parse().unwrap();
    merge(&runner.work(), Kind::named("user"), next, 1)
        .await
        .unwrap();
    let again = run_again(&runner, false).await.unwrap();
    assert_eq!((again.attempt, again.as_of), (2, Some(1)));
    assert_eq!(again.tables, first.tables);
    assert_eq!(report_bytes(&runner).await, reports);
    let after = summary(&runner).await;
    assert_eq!(
        (
            &after.merges,
            &after.tables,
            &after.row_balance,
            &after.rows_by_hour
        ),
        (
            &before.merges,
            &before.tables,
            &before.row_balance,
            &before.rows_by_hour
        )
    );
    // And a third time, which goes by the first.
    let third = run_again(&runner, false).await.unwrap();
    assert_eq!((third.attempt, third.as_of), (3, Some(1)));
    assert_eq!(summary(&runner).await.merges, before.merges);
    // Of the tables as they are now it is only made when somebody says so.
    let now = run_again(&runner, true).await.unwrap();
    assert_eq!((now.attempt, now.as_of), (4, None));
    assert_eq!(summary(&runner).await.tables["user"].rows, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_day_that_was_run_are_late_and_of_a_missed_day_are_not() {
    let clock = TestClock::default();
    let runner = runner(&clock);
    clock.advance(3 * 86_400);
    test_lake::put(&runner.lake, &[posted(1, 20, 10, "100")]).await;
    run(&runner, Trigger::Schedule).await.unwrap();
    // Of the first day, which was run, and of the second, which was not.
    test_lake::put(
        &runner.lake,
        &[posted(2, 20, 11, "101"), posted(3, 20, 12, "102")],
    )
    .await;
    test_lake::put(&runner.lake, &[posted(4, 20, 90_000, "103")]).await;
    let start = Start {
        trigger: Trigger::Schedule,
        as_of_now: false,
        holder: "test",
        deadline: None,
        memory_bytes: None,
    };
    let third: Date = "1970-01-03".parse().unwrap();
    let Ended::Done(record) = runner.run(third, start, &|_| {}).await.unwrap() else {
        panic!("there is time enough")
    };
    let key = summary::summary_key(third);
    let summary: Summary = serde_json::from_slice(&read(&runner, &key).await).unwrap();
    assert_eq!(
        (summary.merges["user"].rows_in, summary.merges["user"].late),
        (3, 2)
    );
    assert!(
        metrics::line(&record, "")
            .unwrap()
            .contains("\"rows_late\":2")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_whose_tables_are_vacuumed_is_refused_and_nothing_changes() {
    let runner = runner(&TestClock::default());
    test_lake::put(&runner.lake, &[posted(1, 20, 10, "100")]).await;
    run(&runner, Trigger::Schedule).await.unwrap();
    let reports = report_bytes(&runner).await;
    // A later version of the row makes a new file, and the old one is vacuumed.
    test_lake::put(&runner.lake, &[posted(1, 90, 100_000, "200")]).await;
    let table = CuratedTable::open_or_create(&runner.lake, Kind::named("user"))
        .await
        .unwrap();
    let old = table.files().await.unwrap();
    merge(
        &runner.work(),
        Kind::named("user"),
        "1970-01-02".parse().unwrap(),
        1,
    )
    .await
    .unwrap();
    runner.lake.store().delete(&old[0].path).await.unwrap();
    let refused = run_again(&runner, false).await.unwrap_err();
    let text = refused.to_string();
    assert!(
        text.contains("1970-01-01 was run before") && text.contains("--as-of-now"),
        "{text}"
    );
    assert_eq!(runner.ledger().attempts(day()).await.unwrap().len(), 1);
    assert_eq!(report_bytes(&runner).await, reports);
    let now = run_again(&runner, true).await.unwrap();
    assert_eq!((now.attempt, now.as_of), (2, None));
}
