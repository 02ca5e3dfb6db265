use std::time::{Duration, SystemTime};

use daily_batch::{App, Config, Request, Stream};
use event_model::{Clock, Kind};
use serde_json::{Value, json};

use crate::support::TestStack;

/// Longer than a record may be on its way.
const LATER: Duration = Duration::from_mins(20);

/// Runs the last day that is over, some time from now, and returns the reconciliation of its summary.
async fn check(stack: &TestStack, later: Duration) -> Value {
    #[expect(
        clippy::disallowed_methods,
        reason = "the stream's arrivals are of the real time"
    )]
    let now = move || SystemTime::now() + later;
    let aws = stack.stack.sdk_config();
    let app = App::new(
        daily_batch::Lake::from_bucket(&aws, "pinflow-lake").unwrap(),
        Some(Stream::new(
            aws_sdk_kinesis::Client::new(&aws),
            "pinflow-events",
        )),
        Config::new("pinflow-lake"),
        Clock::new(now),
    );
    // Each time anew: a day that is run again has the summary that it had.
    let event = json!({"as_of_now": true});
    let request = Request::from_event(event, now().try_into().unwrap()).unwrap();
    let records = app.run(&request, "test", &|_| {}).await.unwrap();
    let [record] = records.as_slice() else {
        panic!("{records:?}")
    };
    let summary = format!("pinflow-lake/reports/date={}/summary.json", record.run_date);
    let summary = std::fs::read(stack.folder.path().join(summary)).unwrap();
    serde_json::from_slice::<Value>(&summary).unwrap()["reconciliation"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_in_no_object_is_unaccounted_for_also_after_the_run_date() {
    let stack = TestStack::start().await;
    let rows: Vec<_> = (0..10)
        .map(|ind| json!({"ind": ind, "first_name": "Ada"}))
        .collect();
    stack.post(Kind::User, &rows).await;
    stack
        .post(Kind::Geo, &[json!({"country": "nowhere"})])
        .await;
    stack.drain().await;

    // The rows arrived after the day that the run is about.
    let all = json!({"accepted": 11, "found": 11, "unaccounted": 0, "is_complete": true});
    assert_eq!(check(&stack, LATER).await, all);

    let user = stack.folder.path().join("pinflow-lake/clean/user");
    std::fs::remove_dir_all(&user).unwrap();
    let missing = json!({"accepted": 11, "found": 1, "unaccounted": 10, "is_complete": true});
    assert_eq!(check(&stack, LATER).await, missing);

    // Within the time of grace they may still be on their way.
    let waiting = json!({"accepted": 1, "found": 1, "unaccounted": 0, "is_complete": true});
    assert_eq!(check(&stack, Duration::ZERO).await, waiting);
    stack.stop().await;
}
