//! What AWS refuses, forgets and repeats.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_kinesis::error::ProvideErrorMetadata as _;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use aws_sdk_s3::primitives::ByteStream;

use super::*;
use crate::{Fault, LifecycleRule, Service};

const THROTTLED: Option<&str> = Some("ProvisionedThroughputExceededException");

fn entry(number: usize) -> PutRecordsRequestEntry {
    PutRecordsRequestEntry::builder()
        .partition_key("one key")
        .data(aws_sdk_kinesis::primitives::Blob::new(number.to_string()))
        .build()
        .unwrap()
}

/// A client that asks once.
fn once(aws: &SdkConfig) -> aws_sdk_kinesis::Client {
    let retries = aws_config::retry::RetryConfig::disabled();
    let config = aws_sdk_kinesis::config::Builder::from(aws).retry_config(retries);
    aws_sdk_kinesis::Client::from_conf(config.build())
}

#[tokio::test]
async fn a_shard_that_is_full_takes_some_records_and_names_the_others() {
    let stack = start_with(|config| {
        config.shard_limits.records_per_second = 30.0;
        config.shard_limits.burst = Duration::from_secs(1);
    })
    .await;
    let kinesis = once(&stack.stack.sdk_config());
    let put = kinesis
        .put_records()
        .stream_name("pinflow-events")
        .set_records(Some((0..100).map(entry).collect()));
    let put = put.send().await.unwrap();
    let stored: Vec<_> = put
        .records()
        .iter()
        .enumerate()
        .filter_map(|(number, record)| record.sequence_number().map(|_| number.to_string()))
        .collect();
    let failed = put.records().iter().filter(|record| {
        let message = record.error_message().unwrap_or_default();
        record.error_code() == THROTTLED && message.starts_with("Rate exceeded for shard shardId-")
    });
    assert_eq!(put.failed_record_count(), Some(70));
    assert_eq!((stored.len(), failed.count()), (30, 70));

    let single = kinesis
        .put_record()
        .stream_name("pinflow-events")
        .partition_key("one key")
        .data(aws_sdk_kinesis::primitives::Blob::new("x"));
    assert_eq!(single.send().await.unwrap_err().code(), THROTTLED);

    let shard = put.records().iter().find_map(|record| record.shard_id());
    let iterator = stack
        .iterator(shard.unwrap(), ShardIteratorType::TrimHorizon, None)
        .await;
    let (read, _) = stack.read(&iterator).await;
    assert_eq!(read, stored, "what was answered is what is there");
    let reads = (0..6).map(|_| kinesis.get_records().shard_iterator(&iterator).send());
    let refused = futures::future::join_all(reads).await;
    let refused = refused
        .iter()
        .filter_map(|read| read.as_ref().err()?.code());
    let refused: Vec<_> = refused.collect();
    assert_eq!(refused, [THROTTLED.unwrap(); 2], "the first read counts");
}

/// A clock that can be set forward.
fn adjustable() -> (Clock, Arc<AtomicU64>) {
    let hours = Arc::<AtomicU64>::default();
    let shared = Arc::clone(&hours);
    #[expect(
        clippy::disallowed_methods,
        reason = "signatures hold for minutes of the real time"
    )]
    let now = move || SystemTime::now() + Duration::from_hours(shared.load(Ordering::Relaxed));
    (Clock::new(now), hours)
}

#[tokio::test]
async fn records_leave_the_stream_after_its_retention_read_or_not() {
    let (clock, hours) = adjustable();
    let folder = tempfile::tempdir().unwrap();
    let mut config = StackConfig::new(folder.path(), model::Model::load_from(None).unwrap());
    config.retention = Some(Duration::from_hours(24));
    config.shards = 1;
    config.event_source_mapping.on_failure = Some(OnFailure::Queue("failures".to_owned()));
    // A file where a folder is to be: the lake takes nothing.
    std::fs::create_dir_all(folder.path().join("pinflow-lake")).unwrap();
    std::fs::write(folder.path().join("pinflow-lake/clean"), "").unwrap();
    let stack = Stack::start(config, clock).await.unwrap();
    let kinesis = aws_sdk_kinesis::Client::new(&stack.sdk_config());
    let put = async |data: &'static str| {
        let put = kinesis
            .put_record()
            .stream_name("pinflow-events")
            .partition_key("user/1")
            .data(aws_sdk_kinesis::primitives::Blob::new(data));
        put.send().await.unwrap()
    };
    let shard = put(r#"{"ind":1,"first_name":"Ada"}"#).await;
    // The first batch is under way, and fails; the second record waits behind it.
    while stack.totals().retries() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    put(r#"{"ind":2,"first_name":"Ada"}"#).await;
    hours.store(25, Ordering::Relaxed);
    stack.drained().await;
    let queue = folder.path().join(".pinflow/queues/failures");
    assert_eq!(files(&queue).len(), 1, "the batch that was under way");
    assert_eq!(stack.totals().dropped(), 1);
    let iterator = kinesis
        .get_shard_iterator()
        .stream_name("pinflow-events")
        .shard_id(shard.shard_id())
        .shard_iterator_type(ShardIteratorType::TrimHorizon);
    let iterator = iterator.send().await.unwrap();
    let read = kinesis
        .get_records()
        .set_shard_iterator(iterator.shard_iterator)
        .send();
    assert_eq!(read.await.unwrap().records().len(), 0);
    stack.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_failure_destination_that_fails_loses_what_was_given_up() {
    let stack = start_with(|config| {
        config.event_source_mapping.maximum_retry_attempts = Some(0);
        config.event_source_mapping.maximum_delivery_attempts = Some(1);
        // There is no such bucket.
        config.event_source_mapping.on_failure = Some(OnFailure::Bucket("failures".to_owned()));
    })
    .await;
    let clean = stack.folder.path().join("pinflow-lake/clean");
    std::fs::write(clean, "").unwrap();
    let post = stack
        .http
        .post(stack.url("/events/user"))
        .body(r#"[{"ind":1,"first_name":"Ada"},{"ind":2,"first_name":"Ada"}]"#);
    assert_eq!(post.send().await.unwrap().status(), 200);
    stack.stack.drained().await;
    let totals = stack.stack.totals();
    assert_eq!((totals.dropped(), totals.undelivered()), (2, 2));
}

#[tokio::test]
async fn an_outage_is_what_a_client_sees_of_it() {
    let stack = start().await;
    let faults = stack.faults.clone();
    let retries = aws_config::retry::RetryConfig::disabled();
    let config = aws_sdk_s3::config::Builder::from(&stack.stack.sdk_config()).retry_config(retries);
    let s3 = aws_sdk_s3::Client::from_conf(config.build());
    for (fault, code, is_there) in [
        (Fault::Status(503), Some("SlowDown"), false),
        (Fault::Status(500), Some("InternalError"), false),
        (Fault::DoneButStatus(500), Some("InternalError"), true),
        (Fault::Reset, None, false),
        (Fault::DoneButReset, None, true),
    ] {
        let key = format!("reports/{fault:?}");
        faults.set(move |call| {
            let is_put = call.service == Service::S3 && call.method == http::Method::PUT;
            is_put.then_some(fault)
        });
        let put = s3
            .put_object()
            .bucket("pinflow-lake")
            .key(&key)
            .body(ByteStream::from_static(b"x"));
        let error = put.send().await.unwrap_err();
        assert_eq!(error.code(), code, "{fault:?}");
        let path = stack.folder.path().join("pinflow-lake").join(&key);
        assert_eq!(path.exists(), is_there, "{fault:?}");
    }
    faults.clear();
    s3.list_buckets().send().await.unwrap();
}

#[tokio::test]
async fn a_function_that_fails_is_tried_three_times_with_one_request_id() {
    let stack = start_with(|config| config.retry_pause_scale = 0.0).await;
    let seen = Arc::<Mutex<Vec<Invocation>>>::default();
    let calls = Arc::clone(&seen);
    stack.stack.add_function("daily", move |invocation| {
        calls.lock().unwrap().push(invocation.clone());
        async move {
            let is_good = invocation.event.contains("good");
            is_good
                .then(|| "null".to_owned())
                .ok_or("it is bad".to_owned())
        }
    });
    let invoke = async |name: &str, kind: &str, event: &str| {
        let url = stack.url(&format!("{}{name}/invocations", crate::lambda::PATH));
        let post = stack.http.post(url).header("x-amz-invocation-type", kind);
        let scope = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/lambda/aws4_request";
        let answer = post.header("authorization", scope).body(event.to_owned());
        answer.send().await.unwrap()
    };
    let answer = invoke("daily", "Event", r#"{"day":"bad"}"#).await;
    assert_eq!(answer.status(), 202);
    let queue = stack.folder.path().join(".pinflow/queues/dead-letters");
    while !queue.exists() || files(&queue).is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let tries = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(tries.len(), 3);
    assert!(tries.iter().all(|invocation| *invocation == tries[0]));
    let letter: Value = serde_json::from_slice(&std::fs::read(&files(&queue)[0]).unwrap()).unwrap();
    assert_eq!(letter["requestPayload"], json!({"day": "bad"}));
    assert_eq!(letter["requestContext"]["requestId"], tries[0].request_id);

    let answer = invoke("daily", "RequestResponse", r#"{"day":"good"}"#).await;
    assert_eq!(answer.text().await.unwrap(), "null");
    let answer = invoke("daily", "RequestResponse", "{}").await;
    assert_eq!(answer.headers()["x-amz-function-error"], "Unhandled");
    assert_eq!(invoke("none", "Event", "{}").await.status(), 404);
}

#[tokio::test]
async fn versions_are_kept_until_a_rule_deletes_them() {
    let (clock, hours) = adjustable();
    let folder = tempfile::tempdir().unwrap();
    let mut config = StackConfig::new(folder.path(), model::Model::load_from(None).unwrap());
    config.keeps_versions = true;
    let stack = Stack::start(config, clock).await.unwrap();
    let s3 = aws_sdk_s3::Client::new(&stack.sdk_config());
    for body in ["first", "second"] {
        let put = s3.put_object().bucket("pinflow-lake").key("curated/pin/a");
        let body = ByteStream::from_static(body.as_bytes());
        put.body(body).send().await.unwrap();
    }
    let delete = s3.delete_object().bucket("pinflow-lake");
    delete.key("curated/pin/a").send().await.unwrap();
    let list = async || {
        let list = s3.list_object_versions().bucket("pinflow-lake");
        let listed = list.prefix("curated/").send().await.unwrap();
        listed.versions().to_vec()
    };
    let versions = list().await;
    let mut bodies = Vec::new();
    for version in &versions {
        assert_eq!(version.key(), Some("curated/pin/a"));
        let get = s3.get_object().bucket("pinflow-lake").key("curated/pin/a");
        let get = get.set_version_id(version.version_id().map(str::to_owned));
        let body = get.send().await.unwrap().body.collect().await.unwrap();
        bodies.push(String::from_utf8(body.to_vec()).unwrap());
    }
    bodies.sort();
    assert_eq!(bodies, ["first", "second"]);

    let put = s3.put_object().bucket("pinflow-lake").key("replays/a");
    let body = ByteStream::from_static(b"x");
    put.body(body).send().await.unwrap();
    let rules = [LifecycleRule {
        prefix: "replays/".to_owned(),
        age: Duration::from_hours(24),
    }];
    let month = Duration::from_hours(30 * 24);
    assert_eq!(stack.apply_lifecycle(&rules, month).unwrap(), 0);
    hours.store(25, Ordering::Relaxed);
    assert_eq!(stack.apply_lifecycle(&rules, month).unwrap(), 1);
    assert_eq!(list().await.len(), 2);
    hours.store(31 * 24, Ordering::Relaxed);
    assert_eq!(stack.apply_lifecycle(&rules, month).unwrap(), 0);
    assert_eq!(list().await.len(), 0);
    stack.shutdown().await.unwrap();
}
