use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_request::AwsRequest;
use daily_batch::restart;
use embedded_aws::{Fault, Invocation, Service};
use event_model::{Clock, Kind};
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::support::{TIME_LIMIT, TestStack, files, now};

const FUNCTION: &str = "pinflow-daily-batch";

/// Lambda starts an event again under the same request id when the function died: the run that it left behind is its own, so that the
/// second try neither waits for its expiry nor hears that somebody else has the day.
#[tokio::test(flavor = "multi_thread")]
async fn an_asynchronous_run_that_dies_is_taken_over_by_its_second_try() {
    let folder = tempfile::tempdir().unwrap();
    let mut faults = None;
    let stack = TestStack::start_in(folder, |config| {
        config.retry_pause_scale = 0.0;
        faults = Some(config.faults.clone());
    })
    .await;
    let rows: Vec<_> = (0..30)
        .map(|ind| json!({"ind": ind, "first_name": "Ada", "age": 36}))
        .collect();
    stack.post(Kind::named("user"), &rows).await;
    stack.drain().await;
    // Each call takes long enough that the first try dies in the middle of its merge.
    faults.unwrap().set(|call| {
        let is_slow = call.service == Service::S3 && call.target.contains("curated");
        is_slow.then_some(Fault::Delay(Duration::from_millis(50)))
    });
    // Of tomorrow, the day before is today, and over.
    let app = Arc::new(stack.app(Duration::from_hours(24)));
    let tries = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&tries);
    let lake = stack.folder.path().join("pinflow-lake");
    stack.stack.add_function(FUNCTION, move |invocation| {
        let number = counter.fetch_add(1, Ordering::Relaxed);
        let (app, lake) = (Arc::clone(&app), lake.clone());
        // A run stays on its thread.
        let thread = tokio::task::spawn_blocking(move || {
            Handle::current().block_on(async {
                let run = app.handle(lambda_event(&invocation));
                let outcome = tokio::select! {
                    outcome = run => outcome,
                    () = merging(&lake), if number == 0 => return Err("Runtime exited".to_owned()),
                };
                let records = outcome.map_err(|error| error.to_string())?;
                serde_json::to_string(&records).map_err(|error| error.to_string())
            })
        });
        async { thread.await.unwrap() }
    });
    let clock = Clock::new(|| now(Duration::ZERO));
    let lambda = AwsRequest::new(&stack.stack.sdk_config(), clock).unwrap();
    restart(lambda, FUNCTION.to_owned(), json!({}))
        .await
        .unwrap();
    let runs = || {
        let mut runs = stack.json_objects("runs", ".json");
        // The totals of the counts are there as well.
        runs.retain(|object| object["state"].is_string());
        runs
    };
    tokio::time::timeout(TIME_LIMIT, async {
        while runs().iter().all(|run| run["state"] != "succeeded") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the second try ends the day");
    let summary = &stack.json_objects("reports", "summary.json")[0];
    assert_eq!(summary["tables"]["user"]["rows"], 30, "{summary:#}");
    assert_eq!(tries.load(Ordering::Relaxed), 2);
    let runs = runs();
    let states: Vec<_> = runs.iter().map(|run| run["state"].clone()).collect();
    assert_eq!(states, [json!("failed"), json!("succeeded")], "{runs:#?}");
    assert_eq!(runs[0]["holder"], runs[1]["holder"]);
    stack.stop().await;
}

/// Returns when a merge has begun.
async fn merging(lake: &Path) {
    while files(&lake.join("curated")).is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn lambda_event(invocation: &Invocation) -> LambdaEvent<Value> {
    let mut context = Context::default();
    context.request_id.clone_from(&invocation.request_id);
    LambdaEvent::new(serde_json::from_str(&invocation.event).unwrap(), context)
}
