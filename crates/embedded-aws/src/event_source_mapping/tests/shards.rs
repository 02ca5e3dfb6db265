//! Shards, their lanes and their children, and the checkpoints of them.

use super::*;

#[tokio::test]
async fn a_mapping_goes_on_from_the_last_checkpoint() {
    let setup = set_up(config(), 1, vec![], &THREE).await;
    setup.mapping.drained().await;
    setup.mapping.stop().await;
    put(&setup.store, &[("d", "4")]).await;
    let (mapping, seen, _) = start(&setup.store, config(), vec![], clock()).await;
    mapping.drained().await;
    assert_eq!(*seen.lock().unwrap(), [["4"]]);
}

#[tokio::test]
async fn a_stop_leaves_a_failing_batch_to_the_next_mapping() {
    let setup = set_up(
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
    while setup.seen.lock().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    setup.mapping.stop().await;
    assert_eq!(checkpoint(&setup.store), 1);
    let (mapping, seen, _) = start(&setup.store, config(), vec![], clock()).await;
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
    let config = EventSourceMappingConfig {
        parallelization_factor: 3,
        batch_size: 10,
        ..config()
    };
    let setup = set_up(
        config,
        2,
        vec![Err("boom"), Ok("{}"), Err("boom")],
        &records,
    )
    .await;
    setup.mapping.drained().await;
    let seen = setup.seen.lock().unwrap().concat();
    for key in 0..7 {
        let mut numbers: Vec<u32> = seen
            .iter()
            .map(|data| data.parse().unwrap())
            .filter(|number| number % 7 == key)
            .collect();
        // A batch that was delivered again follows itself.
        numbers.sort_by_key(|number| seen.iter().position(|data| *data == number.to_string()));
        numbers.dedup();
        assert!(numbers.is_sorted(), "{key}: {numbers:?}");
        assert_eq!(
            numbers.len(),
            (0..200).filter(|number| number % 7 == key).count()
        );
    }
}

/// [Children after parents](https://docs.aws.amazon.com/streams/latest/dev/kinesis-using-sdk-java-after-resharding.html).
#[tokio::test]
async fn a_child_shard_is_read_only_after_its_parents() {
    use crate::kinesis::store::Reshard;

    let setup = set_up(
        config(),
        2,
        vec![Err("boom"), Err("boom"), Err("boom")],
        &[],
    )
    .await;
    let store = &setup.store;
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
    setup.mapping.drained().await;
    let mut seen = setup.seen.lock().unwrap().concat();
    seen.dedup();
    assert_eq!(seen.first().map(String::as_str), Some("before"), "{seen:?}");
    assert_eq!(seen.last().map(String::as_str), Some("merged"), "{seen:?}");
    let mut middle = seen.get(1..seen.len() - 1).unwrap().to_vec();
    middle.sort();
    middle.dedup();
    assert_eq!(middle, ["high", "low"]);
    setup.mapping.stop().await;

    let (mapping, seen, _) = start(store, config(), vec![], clock()).await;
    store.append(vec![record(0, "later")]).await.unwrap();
    mapping.drained().await;
    assert_eq!(
        *seen.lock().unwrap(),
        [["later"]],
        "closed shards are not read again"
    );
}
