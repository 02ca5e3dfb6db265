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

/// What the failure destination was told.
type Told = Arc<Mutex<Vec<FailedInvocation>>>;

struct Rig {
    _folder: tempfile::TempDir,
    store: Store,
    mapping: Mapping,
    seen: Seen,
    told: Told,
}

/// A clock that stands still, in the year 2001.
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
    let (mapping, seen, told) = start(&store, config, script, clock()).await;
    Rig {
        _folder: folder,
        store,
        mapping,
        seen,
        told,
    }
}

async fn start(
    store: &Store,
    config: MappingConfig,
    script: Script,
    clock: Clock,
) -> (Mapping, Seen, Told) {
    let (seen, told) = (Seen::default(), Told::default());
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
    let noted = Arc::clone(&told);
    let deliver = move |invocation: FailedInvocation| {
        noted.lock().unwrap().push(invocation);
        async { Ok(()) }
    };
    let mapping = Mapping::start(
        store.clone(),
        "arn".to_owned(),
        config,
        clock,
        function,
        deliver,
    )
    .await;
    (mapping.unwrap(), seen, told)
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
        .wait_for(|done| done.iter().any(|(_, counter)| *counter == 3))
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
    let told = batches(&rig.told);
    assert_eq!(
        told,
        [(
            "RetryAttemptsExhausted".to_owned(),
            2,
            vec!["1".to_owned(), "2".to_owned()]
        )]
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
    let (mapping, seen, _) = start(&rig.store, config(), vec![], clock()).await;
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
    let (mapping, seen, _) = start(&rig.store, config(), vec![], clock()).await;
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

/// Reason, number of invocations and data of each batch that the destination was told of.
fn batches(told: &Told) -> Vec<(String, u64, Vec<String>)> {
    let told = told.lock().unwrap();
    let batch = |invocation: &FailedInvocation| {
        let whole: Value = serde_json::from_str(&invocation.whole).unwrap();
        let context = &whole["requestContext"];
        let reason = context["condition"].as_str().unwrap().to_owned();
        (
            reason,
            context["approximateInvokeCount"].as_u64().unwrap(),
            data(whole["payload"].as_str().unwrap()),
        )
    };
    told.iter().map(batch).collect()
}

/// `BisectBatchOnFunctionError`: a split does not count as a retry, and isolates the bad record.
#[tokio::test]
async fn bisect_halves_a_failing_batch_until_the_bad_record_is_alone() {
    let config = MappingConfig {
        bisect_batch_on_function_error: true,
        maximum_retry_attempts: Some(1),
        ..config()
    };
    let four = [("a", "1"), ("b", "2"), ("c", "bad"), ("d", "4")];
    // 1-4, then 1-2, then bad-4, then bad twice, then 4.
    let script = vec![
        Err("boom"),
        Ok("{}"),
        Err("boom"),
        Err("boom"),
        Err("boom"),
        Ok("{}"),
    ];
    let rig = rig(config, 1, script, &four).await;
    rig.mapping.drained().await;
    let seen = [
        vec!["1", "2", "bad", "4"],
        vec!["1", "2"],
        vec!["bad", "4"],
        vec!["bad"],
        vec!["bad"],
        vec!["4"],
    ];
    assert_eq!(*rig.seen.lock().unwrap(), seen);
    assert_eq!(
        batches(&rig.told),
        [(
            "RetryAttemptsExhausted".to_owned(),
            4,
            vec!["bad".to_owned()]
        )]
    );
    assert_eq!(checkpoint(&rig.store), 4);
}

/// With both settings on, the batch is cut at the record that the answer names, and not halved.
#[tokio::test]
async fn bisect_with_a_partial_response_cuts_at_the_record_it_names() {
    let config = MappingConfig {
        bisect_batch_on_function_error: true,
        ..config()
    };
    let rig = rig(config, 1, vec![Ok("fail:2")], &THREE).await;
    rig.mapping.drained().await;
    assert_eq!(
        *rig.seen.lock().unwrap(),
        [vec!["1", "2", "3"], vec!["2", "3"]]
    );
}

/// `MaximumRecordAgeInSeconds`: what is older is given up before the function sees it.
#[tokio::test]
async fn a_record_over_the_age_limit_is_given_up_unseen() {
    let rig = rig(config(), 1, vec![], &[]).await;
    rig.mapping.stop().await;
    put(&rig.store, &THREE).await;
    let config = MappingConfig {
        maximum_record_age: Some(Duration::from_mins(1)),
        ..config()
    };
    let later = Clock::new(|| UNIX_EPOCH + Duration::from_secs(1_000_000_061));
    let (mapping, seen, told) = start(&rig.store, config, vec![], later).await;
    mapping.drained().await;
    assert!(seen.lock().unwrap().is_empty());
    let all = ["1", "2", "3"].map(str::to_owned).to_vec();
    assert_eq!(batches(&told), [("RecordAgeExceeded".to_owned(), 0, all)]);
    assert_eq!(
        (checkpoint(&rig.store), mapping.progress().dropped()),
        (3, 3)
    );
}

/// [Children after parents](https://docs.aws.amazon.com/streams/latest/dev/kinesis-using-sdk-java-after-resharding.html).
#[tokio::test]
async fn a_child_shard_is_read_only_after_its_parents() {
    use crate::kinesis::store::Reshard;

    let rig = rig(
        config(),
        2,
        vec![Err("boom"), Err("boom"), Err("boom")],
        &[],
    )
    .await;
    let store = &rig.store;
    let hash_key = 1 << 126;
    let record = |hash_key, data: &str| NewRecord {
        partition_key: "k".to_owned(),
        explicit_hash_key: Some(hash_key),
        data: data.as_bytes().to_vec(),
    };
    store.append(vec![record(0, "before")]).await.unwrap();
    store
        .reshard(Reshard::Split { shard: 0, hash_key })
        .await
        .unwrap()
        .unwrap();
    store
        .append(vec![record(0, "low"), record(hash_key, "high")])
        .await
        .unwrap();
    store
        .reshard(Reshard::Merge {
            shard: 2,
            adjacent: 3,
        })
        .await
        .unwrap()
        .unwrap();
    store
        .append(vec![record(hash_key, "merged")])
        .await
        .unwrap();
    rig.mapping.drained().await;
    let mut seen = rig.seen.lock().unwrap().concat();
    seen.dedup();
    assert_eq!(seen.first().map(String::as_str), Some("before"), "{seen:?}");
    assert_eq!(seen.last().map(String::as_str), Some("merged"), "{seen:?}");
    let mut middle = seen.get(1..seen.len() - 1).unwrap().to_vec();
    middle.sort();
    middle.dedup();
    assert_eq!(middle, ["high", "low"]);
    rig.mapping.stop().await;

    let (mapping, seen, _) = start(store, config(), vec![], clock()).await;
    store.append(vec![record(0, "later")]).await.unwrap();
    mapping.drained().await;
    assert_eq!(
        *seen.lock().unwrap(),
        [["later"]],
        "closed shards are not read again"
    );
}

#[tokio::test]
async fn a_destination_that_fails_is_told_again_before_the_batch_is_passed_over() {
    let rig = rig(config(), 1, vec![], &[]).await;
    rig.mapping.stop().await;
    put(&rig.store, &THREE).await;
    let tries = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&tries);
    let deliver = move |_| {
        let is_first = counted.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            if is_first {
                Err("down".to_owned())
            } else {
                Ok(())
            }
        }
    };
    let config = MappingConfig {
        maximum_retry_attempts: Some(0),
        ..config()
    };
    let function = |_| async { Err("boom".to_owned()) };
    tokio::time::pause();
    let mapping = Mapping::start(
        rig.store.clone(),
        "arn".to_owned(),
        config,
        clock(),
        function,
        deliver,
    )
    .await
    .unwrap();
    mapping.drained().await;
    assert_eq!(tries.load(Ordering::Relaxed), 2);
}
