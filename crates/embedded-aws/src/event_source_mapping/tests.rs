use std::path::PathBuf;
mod batching;
mod retries;
mod shards;
mod stops;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use super::*;
use crate::disk::Disk;
use crate::kinesis::store::{NewRecord, StreamSettings, open_file};

/// What the function saw: the data of the records of each invocation.
type Seen = Arc<Mutex<Vec<Vec<String>>>>;

/// What the function does: answers, or fails.
type Script = Vec<Result<&'static str, &'static str>>;

/// What the failure destination was delivered.
type Delivered = Arc<Mutex<Vec<FailedInvocation>>>;

struct Setup {
    _folder: tempfile::TempDir,
    store: Store,
    mapping: EventSourceMapping,
    seen: Seen,
    delivered: Delivered,
}

/// A clock that is stopped in the year 2001.
fn clock() -> Clock {
    Clock::new(|| UNIX_EPOCH + Duration::from_secs(1_000_000_000))
}

fn data(event: &str) -> Vec<String> {
    let event: Value = serde_json::from_str(event).unwrap();
    let decode = |record: &Value| {
        let data = base64::Engine::decode(
            &base64::engine::general_purpose::STANDARD,
            record["kinesis"]["data"].as_str().unwrap(),
        );
        String::from_utf8(data.unwrap()).unwrap()
    };
    event["Records"]
        .as_array()
        .unwrap()
        .iter()
        .map(decode)
        .collect()
}

/// Returns the answer that names the record with this data as the first to be delivered again.
fn failing(event: &str, item: &str) -> String {
    let event: Value = serde_json::from_str(event).unwrap();
    let record = event["Records"].as_array().unwrap().iter().find(|record| {
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, item)
            == record["kinesis"]["data"].as_str().unwrap()
    });
    json!({"batchItemFailures": [{"itemIdentifier": record.unwrap()["kinesis"]["sequenceNumber"]}]})
        .to_string()
}

fn config() -> EventSourceMappingConfig {
    EventSourceMappingConfig {
        maximum_batching_window: Duration::ZERO,
        ..EventSourceMappingConfig::default()
    }
}

/// A mapping whose function plays a script and then always succeeds. An answer `fail:x` names the record with data `x`.
async fn set_up(
    config: EventSourceMappingConfig,
    shards: u32,
    script: Script,
    records: &[(&str, &str)],
) -> Setup {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let (store, _writer) = Store::open(
        open_file(&path).unwrap(),
        &path,
        shards,
        clock(),
        Disk::new(PathBuf::new()),
        StreamSettings::default(),
    )
    .unwrap();
    put(&store, records).await;
    let (mapping, seen, delivered) = start(&store, config, script, clock()).await;
    Setup {
        _folder: folder,
        store,
        mapping,
        seen,
        delivered,
    }
}

async fn start(
    store: &Store,
    config: EventSourceMappingConfig,
    script: Script,
    clock: Clock,
) -> (EventSourceMapping, Seen, Delivered) {
    let (seen, delivered) = (Seen::default(), Delivered::default());
    let (noted, script) = (Arc::clone(&seen), Mutex::new(VecDeque::from(script)));
    let function = move |event: String| {
        noted.lock().unwrap().push(data(&event));
        let step = script.lock().unwrap().pop_front().unwrap_or(Ok("{}"));
        let answer = step
            .map_err(str::to_owned)
            .map(|answer| match answer.strip_prefix("fail:") {
                Some(item) => failing(&event, item),
                None => answer.to_owned(),
            });
        async move { answer }
    };
    let noted = Arc::clone(&delivered);
    let deliver = move |invocation: FailedInvocation| {
        noted.lock().unwrap().push(invocation);
        async { Ok(()) }
    };
    let mapping = EventSourceMapping::start(
        store.clone(),
        "arn".to_owned(),
        config,
        clock,
        function,
        deliver,
    )
    .await;
    (mapping.unwrap(), seen, delivered)
}

async fn put(store: &Store, records: &[(&str, &str)]) {
    for (key, data) in records {
        let record = NewRecord {
            partition_key: (*key).to_owned(),
            explicit_hash_key: None,
            data: data.as_bytes().to_vec(),
        };
        store.append(vec![record]).await.unwrap();
    }
}

const THREE: [(&str, &str); 3] = [("a", "1"), ("b", "2"), ("c", "3")];

fn checkpoint(store: &Store) -> u64 {
    store.checkpoint(Consumer { shard: 0, lane: 0 }).unwrap()
}
