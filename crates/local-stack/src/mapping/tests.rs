use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use super::*;
use crate::kinesis::store::NewRecord;

/// What the function saw: the data of the records of each invocation.
type Seen = Arc<Mutex<Vec<Vec<String>>>>;

/// What the function does: answers, or fails.
type Script = Vec<Result<&'static str, &'static str>>;

struct Rig {
    _folder: tempfile::TempDir,
    store: Store,
    mapping: Mapping,
    seen: Seen,
}

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

fn config() -> MappingConfig {
    MappingConfig {
        maximum_batching_window: Duration::ZERO,
        ..MappingConfig::default()
    }
}

/// A mapping whose function plays a script and then always succeeds. An answer `fail:x` names the record with data `x`.
async fn rig(config: MappingConfig, shards: u32, script: Script, records: &[(&str, &str)]) -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let (store, _writer) = Store::open(&folder.path().join("s"), shards, clock()).unwrap();
    put(&store, records).await;
    let (mapping, seen) = start(&store, config, script).await;
    Rig {
        _folder: folder,
        store,
        mapping,
        seen,
    }
}

async fn start(store: &Store, config: MappingConfig, script: Script) -> (Mapping, Seen) {
    let seen = Seen::default();
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
    let mapping = Mapping::start(store.clone(), "arn".to_owned(), config, clock(), function)
        .await
        .unwrap();
    (mapping, seen)
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

#[tokio::test]
async fn a_batch_has_at_most_its_size() {
    let config = MappingConfig {
        batch_size: 2,
        ..config()
    };
    let rig = rig(config, 1, vec![], &THREE).await;
    rig.mapping.drained().await;
    assert_eq!(*rig.seen.lock().unwrap(), [vec!["1", "2"], vec!["3"]]);
    assert_eq!(checkpoint(&rig.store), 3);
}

#[tokio::test]
async fn a_batch_stays_below_the_payload_limit() {
    let large = "x".repeat(1024 * 1024 - 1);
    let records: Vec<_> = (0..6).map(|_| ("a", large.as_str())).collect();
    let rig = rig(config(), 1, vec![], &records).await;
    rig.mapping.drained().await;
    let sizes: Vec<_> = rig.seen.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [4, 2], "four records of 1 MiB are 5.3 MiB in base64");
}

#[tokio::test]
async fn a_window_gathers_what_comes_within_it() {
    let config = MappingConfig {
        maximum_batching_window: Duration::from_mins(5),
        ..config()
    };
    let rig = rig(config, 1, vec![], &THREE).await;
    put(&rig.store, &[("d", "4")]).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(
        rig.seen.lock().unwrap().is_empty(),
        "the window is not over"
    );
    rig.mapping.drained().await;
    assert_eq!(*rig.seen.lock().unwrap(), [["1", "2", "3", "4"]]);
}

#[tokio::test]
async fn a_window_that_is_over_hands_out_what_there_is() {
    let config = MappingConfig {
        maximum_batching_window: Duration::from_millis(10),
        ..config()
    };
    let rig = rig(config, 1, vec![], &THREE).await;
    let done = rig
        .mapping
        .done
        .clone()
        .wait_for(|done| done[0].1 == 3)
        .await
        .map(|_| ());
    assert_eq!(done.ok(), Some(()));
    assert_eq!(*rig.seen.lock().unwrap(), [["1", "2", "3"]]);
}

#[tokio::test]
async fn a_failed_batch_is_delivered_again_and_blocks_its_shard() {
    let rig = rig(
        MappingConfig {
            batch_size: 2,
            ..config()
        },
        1,
        vec![Err("boom"), Err("boom")],
        &THREE,
    )
    .await;
    rig.mapping.drained().await;
    assert_eq!(
        *rig.seen.lock().unwrap(),
        [vec!["1", "2"], vec!["1", "2"], vec!["1", "2"], vec!["3"]]
    );
    assert_eq!(
        (
            rig.mapping.progress().retries(),
            rig.mapping.progress().dropped()
        ),
        (2, 0)
    );
}

#[tokio::test]
async fn a_partial_response_delivers_again_from_the_record_it_names() {
    let rig = rig(config(), 1, vec![Ok("fail:2"), Ok("fail:3")], &THREE).await;
    rig.mapping.drained().await;
    assert_eq!(
        *rig.seen.lock().unwrap(),
        [vec!["1", "2", "3"], vec!["2", "3"], vec!["3"]]
    );
    assert_eq!(checkpoint(&rig.store), 3);
}

#[tokio::test]
async fn without_report_batch_item_failures_an_answer_is_a_success() {
    let config = MappingConfig {
        report_batch_item_failures: false,
        ..config()
    };
    let rig = rig(config, 1, vec![Ok("fail:2")], &THREE).await;
    rig.mapping.drained().await;
    assert_eq!(*rig.seen.lock().unwrap(), [["1", "2", "3"]]);
}

#[tokio::test]
async fn after_the_last_retry_the_batch_is_given_up_and_told() {
    let config = MappingConfig {
        maximum_retry_attempts: Some(1),
        batch_size: 2,
        ..config()
    };
    let rig = rig(config, 1, vec![Err("boom"), Err("boom")], &THREE).await;
    rig.mapping.drained().await;
    assert_eq!(
        *rig.seen.lock().unwrap(),
        [vec!["1", "2"], vec!["1", "2"], vec!["3"]]
    );
    assert_eq!(
        (
            rig.mapping.progress().retries(),
            rig.mapping.progress().dropped()
        ),
        (1, 2)
    );
}

#[tokio::test]
async fn progress_within_a_batch_starts_the_count_of_retries_again() {
    let config = MappingConfig {
        maximum_retry_attempts: Some(1),
        ..config()
    };
    let rig = rig(
        config,
        1,
        vec![Err("boom"), Ok("fail:2"), Ok("fail:3"), Err("boom")],
        &THREE,
    )
    .await;
    rig.mapping.drained().await;
    assert_eq!(
        *rig.seen.lock().unwrap(),
        [
            vec!["1", "2", "3"],
            vec!["1", "2", "3"],
            vec!["2", "3"],
            vec!["3"]
        ]
    );
    assert_eq!(
        rig.mapping.progress().dropped(),
        1,
        "only record 3 failed twice in a row at the front"
    );
}

#[tokio::test]
async fn a_mapping_goes_on_from_the_last_checkpoint() {
    let rig = rig(config(), 1, vec![], &THREE).await;
    rig.mapping.drained().await;
    rig.mapping.stop().await;
    put(&rig.store, &[("d", "4")]).await;
    let (mapping, seen) = start(&rig.store, config(), vec![]).await;
    mapping.drained().await;
    assert_eq!(*seen.lock().unwrap(), [["4"]]);
}

#[tokio::test]
async fn a_stop_leaves_a_failing_batch_to_the_next_mapping() {
    let rig = rig(
        config(),
        1,
        vec![
            Ok("fail:2"),
            Err("boom"),
            Err("boom"),
            Err("boom"),
            Err("boom"),
        ],
        &THREE,
    )
    .await;
    while rig.seen.lock().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    rig.mapping.stop().await;
    assert_eq!(checkpoint(&rig.store), 1);
    let (mapping, seen) = start(&rig.store, config(), vec![]).await;
    mapping.drained().await;
    assert_eq!(*seen.lock().unwrap(), [["2", "3"]]);
}

#[tokio::test]
async fn lanes_share_a_shard_and_keep_each_keys_order() {
    let records: Vec<(String, String)> = (0..200)
        .map(|number| (format!("key-{}", number % 7), number.to_string()))
        .collect();
    let records: Vec<(&str, &str)> = records
        .iter()
        .map(|(key, data)| (key.as_str(), data.as_str()))
        .collect();
    let config = MappingConfig {
        parallelization_factor: 3,
        batch_size: 10,
        ..config()
    };
    let rig = rig(
        config,
        2,
        vec![Err("boom"), Ok("{}"), Err("boom")],
        &records,
    )
    .await;
    rig.mapping.drained().await;
    let seen = rig.seen.lock().unwrap().concat();
    for key in 0..7 {
        let mut numbers: Vec<u32> = seen
            .iter()
            .map(|data| data.parse().unwrap())
            .filter(|number| number % 7 == key)
            .collect();
        // A batch that was delivered again stands there again, right behind itself.
        numbers.sort_by_key(|number| seen.iter().position(|data| *data == number.to_string()));
        numbers.dedup();
        assert!(numbers.is_sorted(), "{key}: {numbers:?}");
        assert_eq!(
            numbers.len(),
            (0..200).filter(|number| number % 7 == key).count()
        );
    }
}
