mod api_gateway;
mod kinesis;
mod outages;
mod s3;
mod strangers;

use std::time::SystemTime;

use serde_json::{Value, json};

use super::*;
use crate::OnFailure;

fn clock() -> Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "signatures hold for minutes of the real time"
    )]
    Clock::new(SystemTime::now)
}

struct TestStack {
    folder: tempfile::TempDir,
    stack: Stack,
    faults: Faults,
    kinesis: aws_sdk_kinesis::Client,
    s3: aws_sdk_s3::Client,
    http: reqwest::Client,
}

async fn start_with(adjust: impl FnOnce(&mut StackConfig)) -> TestStack {
    let folder = tempfile::tempdir().unwrap();
    let mut config = StackConfig::new(folder.path(), model::Model::load_from(None).unwrap());
    adjust(&mut config);
    let faults = config.faults.clone();
    let stack = Stack::start(config, clock()).await.unwrap();
    let aws = stack.sdk_config();
    TestStack {
        folder,
        faults,
        kinesis: aws_sdk_kinesis::Client::new(&aws),
        s3: aws_sdk_s3::Client::new(&aws),
        http: reqwest::Client::new(),
        stack,
    }
}

async fn start() -> TestStack {
    start_with(|_| {}).await
}

impl TestStack {
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.stack.url())
    }
}

#[tokio::test]
async fn what_is_given_up_lands_in_the_bucket_or_in_the_queue() {
    for on_failure in [
        OnFailure::Bucket("failures".to_owned()),
        OnFailure::Queue("clean-failures".to_owned()),
    ] {
        let stack = start_with(|config| {
            config.event_source_mapping.maximum_retry_attempts = Some(0);
            config.event_source_mapping.on_failure = Some(on_failure.clone());
        })
        .await;
        let out = stack.folder.path();
        std::fs::create_dir(out.join("failures")).unwrap();
        // A file where a folder is to be: the lake takes nothing.
        std::fs::write(out.join("pinflow-lake/clean"), "").unwrap();
        let post = stack
            .http
            .post(stack.url("/events/user"))
            .body(r#"{"ind":1,"first_name":"Ada"}"#);
        assert_eq!(post.send().await.unwrap().status(), 200);
        stack.stack.drained().await;
        assert_eq!(stack.stack.totals().dropped(), 1);
        let is_bucket = matches!(on_failure, OnFailure::Bucket(_));
        let folder = if is_bucket {
            out.join("failures/aws/lambda")
        } else {
            out.join(".pinflow/queues/clean-failures")
        };
        let files = files(&folder);
        assert_eq!(files.len(), 1, "{files:?}");
        let invocation: Value = serde_json::from_slice(&std::fs::read(&files[0]).unwrap()).unwrap();
        assert_eq!(
            invocation["requestContext"]["condition"],
            "RetryAttemptsExhausted"
        );
        assert_eq!(invocation["KinesisBatchInfo"]["batchSize"], 1);
        assert_eq!(invocation["payload"].is_string(), is_bucket);
        stack.stack.shutdown().await.unwrap();
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[tokio::test]
async fn a_stack_that_cannot_start_says_why() {
    let stack = start().await;
    let same_folder = StackConfig::new(stack.folder.path(), model::Model::load_from(None).unwrap());
    let other = tempfile::tempdir().unwrap();
    let mut same_port = StackConfig::new(other.path(), model::Model::load_from(None).unwrap());
    same_port.port = stack
        .stack
        .url()
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let mut no_shards = StackConfig::new(other.path(), model::Model::load_from(None).unwrap());
    no_shards.shards = 0;
    let mut long_window = StackConfig::new(other.path(), model::Model::load_from(None).unwrap());
    long_window.event_source_mapping.maximum_batching_window = Duration::from_secs(301);
    let file = other.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (config, reason) in [
        (
            same_folder,
            "is in use: is another pinflow running on this folder?",
        ),
        (
            same_port,
            "is in use: stop the program that listens there, or choose another port",
        ),
        (no_shards, "the number of shards is 0; take 1 to 500"),
        (long_window, "the batching window is 301 s; take 0 to 300"),
        (
            StackConfig::new(&file, model::Model::load_from(None).unwrap()),
            "cannot write to the folder",
        ),
    ] {
        let error = Stack::start(config, clock()).await.err().unwrap();
        assert!(error.to_string().contains(reason), "{error}");
    }
    stack.stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_is_posted_ends_in_the_bucket_and_in_the_totals() {
    let stack = start().await;
    let post = stack
        .http
        .post(stack.url("/events/user"))
        .body(r#"[{"ind":1,"first_name":"Ada"},{"first_name":"Eve"}]"#);
    assert_eq!(post.send().await.unwrap().status(), 200);
    stack.stack.drained().await;
    let totals = stack.stack.totals();
    assert_eq!(
        (totals.tally.total_rows(), totals.tally.total_rejected()),
        (1, 1)
    );
    assert_eq!((totals.retries(), totals.dropped()), (0, 0));
    stack.stack.shutdown().await.unwrap();
}
