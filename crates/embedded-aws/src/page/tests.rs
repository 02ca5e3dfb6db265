use std::time::SystemTime;

use event_model::Clock;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::*;
use crate::{Stack, StackConfig};

async fn stack(folder: &tempfile::TempDir, stage: &str) -> Stack {
    let mut config = StackConfig::new(folder.path(), model::Model::load_from(None).unwrap());
    stage.clone_into(&mut config.stage);
    #[expect(
        clippy::disallowed_methods,
        reason = "signatures hold for minutes of the real time"
    )]
    let clock = Clock::new(SystemTime::now);
    Stack::start(config, clock).await.unwrap()
}

async fn get(stack: &Stack, path: &str) -> Response {
    reqwest::get(format!("{}{path}", stack.url()))
        .await
        .unwrap()
}

async fn status(stack: &Stack) -> Value {
    let answer = get(stack, "/_local/status.json").await;
    assert_eq!(answer.headers()["content-type"], "application/json");
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

#[tokio::test]
async fn the_status_has_the_counts_and_the_objects() {
    let folder = tempfile::tempdir().unwrap();
    let first = stack(&folder, "Dev").await;
    let rows = r#"[{"ind":1,"age":"x","first_name":"Ada","last_name":"L"},{"ind":2},{"age":7}]"#;
    let posted = reqwest::Client::new()
        .post(format!("{}/Dev/events/user", first.url()))
        .body(rows)
        .send()
        .await
        .unwrap();
    assert_eq!(posted.status(), StatusCode::OK);
    first.drained().await;
    let mut found = status(&first).await;
    let newest = found["newest"].take();
    let totals = first.totals();
    assert_eq!(
        found,
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "stage": "Dev",
            "stream": "pinflow-events",
            "bucket": "pinflow-lake",
            "needs_key": false,
            "records": {"accepted": 3, "on_stream": 3},
            "rows": {"pin": 0, "geo": 0, "user": totals.tally.total_rows()},
            "rejected": totals.tally.rejected.iter().map(|(code, count)| (code.as_str(), *count)).collect::<Value>(),
            "changes": totals.tally.changes.iter().map(|(rule, count)| (rule.as_str(), count)).collect::<Value>(),
            "objects": totals.objects,
            "bytes_written": totals.bytes_written,
            "invocations": totals.invocations,
            "retries": 0,
            "dropped": 0,
            "newest": null,
        })
    );
    assert_eq!(totals.tally.total_rows() + totals.tally.total_rejected(), 3);
    let newest = newest.as_array().unwrap();
    assert_eq!(newest.len() as u64, totals.objects);
    for object in newest {
        let path = format!("/pinflow-lake/{}", object["key"].as_str().unwrap());
        let bytes = get(&first, &path).await.bytes().await.unwrap();
        assert_eq!(object["size_bytes"], bytes.len());
    }
    first.shutdown().await.unwrap();

    // The counts are of one run, what is on the stream and in the bucket is not.
    let second = stack(&folder, "Dev").await;
    let found = status(&second).await;
    assert_eq!(found["records"], json!({"accepted": 0, "on_stream": 3}));
    assert_eq!(found["newest"].as_array().unwrap().len(), newest.len());
    second.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_page_stands_beside_the_api() {
    let folder = tempfile::tempdir().unwrap();
    let stack = stack(&folder, "$default").await;
    let page = get(&stack, "/").await;
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert!(page.headers().contains_key("content-security-policy"));
    assert_eq!(page.text().await.unwrap(), INDEX);
    assert_eq!(get(&stack, "/_local/x").await.status(), 404);
    assert_eq!(get(&stack, "/health").await.status(), 200);
    let posted = reqwest::Client::new().post(stack.url()).send().await;
    let posted = posted.unwrap();
    assert_eq!(posted.status(), 405);
    assert_eq!(posted.headers()["allow"], "GET, HEAD");
    stack.shutdown().await.unwrap();
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    // The one name with a scheme is that of SVG.
    let names: Vec<_> = INDEX.match_indices("://").collect();
    assert_eq!(names.len(), INDEX.matches("xmlns='http://").count());
    assert!(!INDEX.contains("innerHTML") && !INDEX.contains("<script src"));
}
