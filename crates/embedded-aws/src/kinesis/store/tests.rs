use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::disk::Disk;

const ALL: ReadLimit = ReadLimit {
    records: usize::MAX,
    bytes: usize::MAX,
};

/// A clock that goes on by what the test says, in milliseconds, from the year 2001.
fn clock(millis: &Arc<AtomicI64>) -> Clock {
    let millis = Arc::clone(millis);
    let start = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    Clock::new(move || start + Duration::from_millis(millis.load(Ordering::Relaxed).unsigned_abs()))
}

fn record(key: &str, data: &str) -> NewRecord {
    NewRecord {
        partition_key: key.to_owned(),
        explicit_hash_key: None,
        data: data.as_bytes().to_vec(),
    }
}

struct Opened {
    store: Store,
    thread: std::thread::JoinHandle<()>,
}

fn open(folder: &Path, shards: u32) -> Result<Opened, StackError> {
    let path = folder.join("stream.redb");
    let (store, thread) = Store::open(
        open_file(&path)?,
        &path,
        shards,
        clock(&Arc::default()),
        Disk::new(PathBuf::new()),
        StreamSettings::default(),
    )?;
    Ok(Opened { store, thread })
}

fn close(opened: Opened) {
    drop(opened.store);
    opened.thread.join().unwrap();
}

#[tokio::test]
async fn records_and_checkpoints_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), 2).unwrap();
    let places = first
        .store
        .append(vec![record("a", "1"), record("b", "2"), record("a", "3")])
        .await
        .unwrap();
    let consumer = Consumer {
        shard: places[0].shard,
        lane: 0,
    };
    first.store.save_checkpoint(consumer, 1).await.unwrap();
    let created_ms = first.store.created_ms();
    close(first);

    let second = open(folder.path(), 2).unwrap();
    assert_eq!(second.store.created_ms(), created_ms);
    assert_eq!(second.store.checkpoint(consumer).unwrap(), 1);
    let records = second.store.read(places[0].shard, 0, ALL).unwrap();
    assert_eq!(records[0].sequence_number, places[0].sequence_number);
    assert_eq!(
        (
            records[0].partition_key.as_str(),
            records[0].data.as_slice()
        ),
        ("a", &b"1"[..])
    );
    let next = second.store.append(vec![record("a", "4")]).await.unwrap();
    assert!(
        next[0].sequence_number > places[2].sequence_number,
        "numbers grow over a restart"
    );
    close(second);
}

#[tokio::test]
async fn a_shard_keeps_the_order_and_has_no_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let opened = open(folder.path(), 1).unwrap();
    let puts = (0..50).map(|number| opened.store.append(vec![record("k", &number.to_string())]));
    let places: Vec<_> = futures::future::join_all(puts)
        .await
        .into_iter()
        .map(|places| places.unwrap()[0])
        .collect();
    let records = opened.store.read(0, 0, ALL).unwrap();
    assert!(records.iter().map(|record| record.counter).eq(1..=50));
    assert!(records.is_sorted_by(|left, right| left.sequence_number < right.sequence_number));
    for (number, place) in places.iter().enumerate() {
        let record = records
            .iter()
            .find(|record| record.sequence_number == place.sequence_number)
            .unwrap();
        assert_eq!(record.data, number.to_string().as_bytes());
    }
    assert_eq!(opened.store.end(0), 50);
    close(opened);
}

#[tokio::test]
async fn a_read_stops_at_its_limits() {
    let folder = tempfile::tempdir().unwrap();
    let opened = open(folder.path(), 1).unwrap();
    opened
        .store
        .append((0..10).map(|_| record("k", "12345")).collect())
        .await
        .unwrap();
    let count = |after, records, bytes| {
        opened
            .store
            .read(0, after, ReadLimit { records, bytes })
            .unwrap()
            .len()
    };
    assert_eq!(count(0, 3, usize::MAX), 3);
    assert_eq!(count(8, 3, usize::MAX), 2);
    assert_eq!(count(0, 100, 12), 2);
    assert_eq!(
        count(0, 100, 0),
        1,
        "a record that is larger than the limit is still handed out"
    );
    close(opened);
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_reverse_arrivals() {
    let folder = tempfile::tempdir().unwrap();
    let millis = Arc::new(AtomicI64::new(5_000));
    let path = folder.path().join("s");
    let (store, thread) = Store::open(
        open_file(&path).unwrap(),
        &path,
        1,
        clock(&millis),
        Disk::new(PathBuf::new()),
        StreamSettings::default(),
    )
    .unwrap();
    for offset in [5_000, 1_000, 9_000] {
        millis.store(offset, Ordering::Relaxed);
        store.append(vec![record("k", "")]).await.unwrap();
    }
    let arrivals: Vec<_> = store
        .read(0, 0, ALL)
        .unwrap()
        .iter()
        .map(|record| record.arrival_ms % 1_000_000)
        .collect();
    assert_eq!(arrivals, [5_000, 5_000, 9_000]);
    let start = 1_000_000_000_000;
    for (time, counter) in [(0, 0), (5_000, 0), (5_001, 2), (9_000, 2), (9_001, 3)] {
        assert_eq!(store.before(0, start + time).unwrap(), counter, "{time}");
    }
    close(Opened { store, thread });
}

#[tokio::test]
async fn a_change_of_lanes_goes_on_from_the_least() {
    let folder = tempfile::tempdir().unwrap();
    let opened = open(folder.path(), 1).unwrap();
    let store = &opened.store;
    let lanes = |lanes: u32| {
        (0..lanes)
            .map(|lane| store.checkpoint(Consumer { shard: 0, lane }).unwrap())
            .collect::<Vec<_>>()
    };
    store.set_lanes(2).await.unwrap();
    store
        .save_checkpoint(Consumer { shard: 0, lane: 0 }, 7)
        .await
        .unwrap();
    store
        .save_checkpoint(Consumer { shard: 0, lane: 1 }, 4)
        .await
        .unwrap();
    store.set_lanes(2).await.unwrap();
    assert_eq!(lanes(2), [7, 4]);
    store.set_lanes(3).await.unwrap();
    assert_eq!(lanes(3), [4, 4, 4]);
    close(opened);
}

#[tokio::test]
async fn a_folder_is_used_once_and_keeps_its_shards() {
    let folder = tempfile::tempdir().unwrap();
    let opened = open(folder.path(), 2).unwrap();
    let error = open(folder.path(), 2).err().unwrap();
    assert!(matches!(error, StackError::FolderInUse { .. }), "{error}");
    close(opened);
    let error = open(folder.path(), 3).err().unwrap();
    assert!(
        error
            .to_string()
            .ends_with("holds a stream of 2 shards, not 3: choose 2, or another folder"),
        "{error}"
    );
}
