use std::time::Duration;

use event_model::Kind;
use serde_json::{Value, json};

use crate::support::TestStack;

/// Longer than a record may be on its way.
const LATER: Duration = Duration::from_mins(20);

/// Runs today as a preview, some time from now, and returns the reconciliation of its summary.
async fn check(stack: &TestStack, later: Duration) -> Value {
    stack.run_today(later).await["reconciliation"].take()
}

/// The numbers of a check, without the totals.
fn numbers(check: &Value) -> [Value; 4] {
    ["accepted", "found", "unaccounted", "is_complete"].map(|name| check[name].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_in_no_object_is_unaccounted_for() {
    let stack = TestStack::start().await;
    let rows: Vec<_> = (0..10)
        .map(|ind| json!({"ind": ind, "first_name": "Ada"}))
        .collect();
    stack.post(Kind::named("user"), &rows).await;
    stack
        .post(Kind::named("geo"), &[json!({"country": "nowhere"})])
        .await;
    stack.drain().await;

    let all = check(&stack, LATER).await;
    assert_eq!(numbers(&all), [json!(11), json!(11), json!(0), json!(true)]);

    let user = stack.folder.path().join("pinflow-lake/clean/user");
    std::fs::remove_dir_all(&user).unwrap();
    let missing = check(&stack, LATER).await;
    assert_eq!(
        numbers(&missing),
        [json!(11), json!(1), json!(10), json!(true)]
    );
    assert!(missing["missing_since"].is_string(), "{missing}");

    // Within the time of grace they may still be on their way.
    let waiting = check(&stack, Duration::ZERO).await;
    assert_eq!(
        numbers(&waiting),
        [json!(11), json!(1), json!(0), json!(true)]
    );
    stack.stop().await;
}
