//! A stop is held up by nothing that is tried again.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use redb::backends::InMemoryBackend;
use redb::{Database, StorageBackend};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::*;

/// Longer than any stop takes that waits for nothing.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// A disk that may be full.
#[derive(Debug, Default)]
struct SmallDisk {
    stored: InMemoryBackend,
    is_full: Arc<AtomicBool>,
}

impl SmallDisk {
    fn check(&self) -> io::Result<()> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl StorageBackend for SmallDisk {
    fn len(&self) -> io::Result<u64> {
        self.stored.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.stored.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check()?;
        self.stored.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.check()?;
        self.stored.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check()?;
        self.stored.write(offset, data)
    }
}

/// Opens a stream of one shard on a disk, with one record.
async fn stream_on(disk: SmallDisk) -> Store {
    let database = Database::builder().create_with_backend(disk).unwrap();
    let (path, disk) = (Path::new("s"), Disk::new(PathBuf::new()));
    let (store, _writer) =
        Store::open(database, path, 1, clock(), disk, StreamSettings::default()).unwrap();
    put(&store, &[("a", "1")]).await;
    store
}

#[tokio::test]
async fn a_full_disk_holds_up_no_stop_and_what_it_did_not_note_is_delivered_again() {
    let disk = SmallDisk::default();
    let is_full = Arc::clone(&disk.is_full);
    let store = stream_on(disk).await;
    let invoked = Arc::new(Notify::new());
    let noted = Arc::clone(&invoked);
    let function = move |_: String| {
        // The records are done with, and it cannot be written down.
        is_full.store(true, Ordering::Relaxed);
        noted.notify_one();
        async { Ok("{}".to_owned()) }
    };
    let deliver = |_: FailedInvocation| async { Ok(()) };
    let (given, arn) = (store.clone(), "arn".to_owned());
    let mapping = EventSourceMapping::start(given, arn, config(), clock(), function, deliver);
    let mapping = mapping.await.unwrap();
    invoked.notified().await;
    timeout(STOP_TIMEOUT, mapping.stop()).await.unwrap();
    assert_eq!(checkpoint(&store), 0);
}

#[tokio::test]
async fn a_destination_that_takes_nothing_holds_up_no_stop() {
    let store = stream_on(SmallDisk::default()).await;
    let asked = Arc::new(Notify::new());
    let noted = Arc::clone(&asked);
    let function = |_: String| async { Err("it fails".to_owned()) };
    let deliver = move |_: FailedInvocation| {
        noted.notify_one();
        async { Err("it is full".to_owned()) }
    };
    let config = EventSourceMappingConfig {
        maximum_retry_attempts: Some(0),
        bisect_batch_on_function_error: false,
        maximum_delivery_attempts: None,
        ..config()
    };
    let (given, arn) = (store.clone(), "arn".to_owned());
    let mapping = EventSourceMapping::start(given, arn, config, clock(), function, deliver);
    let mapping = mapping.await.unwrap();
    asked.notified().await;
    timeout(STOP_TIMEOUT, mapping.stop()).await.unwrap();
    assert_eq!(checkpoint(&store), 0);
}
