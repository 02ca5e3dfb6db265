//! The stream on disk: records by shard and counter, and how far each consumer has come.
//!
//! One thread writes. It takes what has queued up while the disk was busy into one transaction, so that many small
//! puts share one flush; a put is answered after the flush, so what was acknowledged survives a kill.

mod layout;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use event_model::{Clock, SequenceNumber};
use redb::{Database, ReadableDatabase as _};
use tokio::sync::{mpsc, oneshot, watch};

use self::layout::{CHECKPOINTS, RECORDS, decode_record};
pub(crate) use self::writer::ArrivalJitter;
use self::writer::{Change, Writer};
use super::hash::hash_key;
use super::topology::{ReshardError, ShardInfo, Topology};
use crate::StackError;
use crate::disk::Disk;

/// Changes that may wait for the writer; then producers wait.
const QUEUE: usize = 1024;

/// How much of the file is kept in memory. redb's default, 1 GiB, looks like a leak: the stream only grows.
const CACHE_BYTES: usize = 16 << 20;

/// What a producer puts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewRecord {
    pub(crate) partition_key: String,
    /// Hash key that the producer chose itself, in place of the partition key's MD5.
    pub(crate) explicit_hash_key: Option<u128>,
    pub(crate) data: Vec<u8>,
}

impl NewRecord {
    /// Returns the hash key that decides the shard.
    pub(crate) fn hash_key(&self) -> u128 {
        self.explicit_hash_key
            .unwrap_or_else(|| hash_key(&self.partition_key))
    }
}

/// A record of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRecord {
    /// The record's place in its shard, from 1, without gaps.
    pub(crate) counter: u64,
    pub(crate) sequence_number: SequenceNumber,
    /// Milliseconds since 1970-01-01 UTC.
    pub(crate) arrival_ms: i64,
    pub(crate) partition_key: String,
    pub(crate) data: Vec<u8>,
}

/// Where a record was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) shard: u32,
    pub(crate) sequence_number: SequenceNumber,
}

/// The most that one read returns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadLimit {
    pub(crate) records: usize,
    /// Bytes of data and partition keys; the first record is returned whatever its size.
    pub(crate) bytes: usize,
}

/// A consumer of a shard: with a parallelization factor of more than one, several lanes share it by partition key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Consumer {
    pub(crate) shard: u32,
    pub(crate) lane: u32,
}

/// A change of the shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reshard {
    /// Two shards take the place of one; the second begins at the hash key.
    Split { shard: u32, hash_key: u128 },
    /// One shard takes the place of two.
    Merge { shard: u32, adjacent: u32 },
}

impl Reshard {
    fn apply(self, topology: &Topology, now_s: u64) -> Result<Topology, ReshardError> {
        match self {
            Self::Split { shard, hash_key } => topology.split(shard, hash_key, now_s),
            Self::Merge { shard, adjacent } => topology.merge(shard, adjacent, now_s),
        }
    }
}

/// The shards, and how far each goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamState {
    pub(crate) topology: Topology,
    /// Counter of the last record of each shard; 0 when it has none.
    ends: Vec<u64>,
}

impl StreamState {
    fn new(topology: &Topology, ends: &[(u64, i64)]) -> Self {
        Self {
            topology: topology.clone(),
            ends: ends.iter().map(|(counter, _)| *counter).collect(),
        }
    }

    /// Returns the counter of a shard's last record; 0 when it has none.
    pub(crate) fn end(&self, shard: u32) -> u64 {
        self.ends.get(shard as usize).copied().unwrap_or_default()
    }

    /// Returns the number of records on all shards.
    pub(crate) fn records(&self) -> u64 {
        self.ends.iter().sum()
    }

    /// Returns whether a shard takes no more records.
    pub(crate) fn is_closed(&self, shard: u32) -> bool {
        self.topology.get(shard).is_some_and(|info| info.is_closed)
    }
}

/// A change or a read failed in the embedded store.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the stream's store failed")]
    Store(#[source] Arc<redb::Error>),
    #[error("the stream is closed")]
    Closed,
    #[error("a change that was to be written together with this one failed")]
    GivenUp,
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self::Store(Arc::new(error.into()))
    }
}

/// The stream. Cheap to clone; the file is closed when the last clone and the writer are gone.
#[derive(Clone)]
pub(crate) struct Store {
    database: Arc<Database>,
    changes: mpsc::Sender<Change>,
    state: watch::Receiver<StreamState>,
    created_ms: i64,
    arrival_jitter: ArrivalJitter,
    clock: Clock,
    retention: Option<Duration>,
}

/// How a stream differs from one that keeps each record for ever, and its time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StreamSettings {
    pub(crate) arrival_jitter: ArrivalJitter,
    /// How long a record is given out; none is for ever.
    pub(crate) retention: Option<Duration>,
}

/// Opens the file of a stream, or makes it.
pub(crate) fn open_file(path: &Path) -> Result<Database, StackError> {
    Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create(path)
        .map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => StackError::FolderInUse {
                path: path.to_owned(),
            },
            error => StackError::Stream {
                path: path.to_owned(),
                source: Box::new(error.into()),
            },
        })
}

impl Store {
    /// Opens the stream in a database, whose path errors name. The second value ends when the writer has flushed everything.
    pub(crate) fn open(
        database: Database,
        path: &Path,
        shards: u32,
        clock: Clock,
        disk: Disk,
        settings: StreamSettings,
    ) -> Result<(Self, std::thread::JoinHandle<()>), StackError> {
        let failed = |source: redb::Error| StackError::Stream {
            path: path.to_owned(),
            source: Box::new(source),
        };
        let meta = layout::open(&database, shards, clock.unix_millis()).map_err(failed)?;
        if meta.shards != shards {
            return Err(StackError::OtherShards {
                path: PathBuf::from(path),
                found: meta.shards,
                wanted: shards,
            });
        }
        let database = Arc::new(database);
        let ends = layout::ends(&database, &meta.topology).map_err(failed)?;
        let (changes, queue) = mpsc::channel(QUEUE);
        let topology = meta.topology;
        let stream = Arc::clone(&database);
        let arrival_jitter = settings.arrival_jitter;
        let (writer, state) =
            Writer::new(stream, clock.clone(), topology, ends, disk, arrival_jitter);
        let thread = std::thread::Builder::new()
            .name("stream-writer".to_owned())
            .spawn(move || writer.run(queue))
            .map_err(|source| StackError::Folder {
                path: path.to_owned(),
                source,
            })?;
        let store = Self {
            database,
            changes,
            state,
            created_ms: meta.created_ms,
            arrival_jitter,
            clock,
            retention: settings.retention,
        };
        Ok((store, thread))
    }

    /// Returns when the stream was made: milliseconds since 1970-01-01 UTC.
    pub(crate) fn created_ms(&self) -> i64 {
        self.created_ms
    }

    /// Returns how long a record is given out.
    pub(crate) fn retention(&self) -> Option<Duration> {
        self.retention
    }

    /// Returns a receiver of the shards and how far they go, which sees changes.
    pub(crate) fn state(&self) -> watch::Receiver<StreamState> {
        self.state.clone()
    }

    /// Returns the counter in a sequence number of this shard; none if it is not one of its numbers.
    pub(crate) fn counter(&self, shard: u32, number: SequenceNumber) -> Option<u64> {
        let state = self.state.borrow();
        if number == state.topology.start(shard) {
            return Some(0);
        }
        state.topology.get(shard)?.sequence().counter(shard, number)
    }

    /// Returns the counter of a shard's last record; 0 when it has none.
    pub(crate) fn end(&self, shard: u32) -> u64 {
        self.state.borrow().end(shard)
    }

    /// Puts records, all or none, and returns their places once they are on disk.
    pub(crate) async fn append(&self, records: Vec<NewRecord>) -> Result<Vec<Place>, StoreError> {
        let (done, answer) = oneshot::channel();
        self.change(Change::Append { records, done }, answer).await
    }

    /// Notes that a consumer is done with the records up to a counter.
    pub(crate) async fn save_checkpoint(
        &self,
        consumer: Consumer,
        counter: u64,
    ) -> Result<(), StoreError> {
        let (done, answer) = oneshot::channel();
        self.change(
            Change::Checkpoint {
                consumer,
                counter,
                done,
            },
            answer,
        )
        .await
    }

    /// Splits or merges shards. Records that are put later go to the new ones.
    pub(crate) async fn reshard(
        &self,
        reshard: Reshard,
    ) -> Result<Result<(), ReshardError>, StoreError> {
        let (done, answer) = oneshot::channel();
        self.change(Change::Reshard { reshard, done }, answer).await
    }

    /// Makes every shard have `lanes` lanes; those of another number go on from the one that had come least far.
    pub(crate) async fn set_lanes(&self, lanes: u32) -> Result<(), StoreError> {
        let (done, answer) = oneshot::channel();
        self.change(Change::Lanes { lanes, done }, answer).await
    }

    async fn change<T>(
        &self,
        change: Change,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.changes
            .send(change)
            .await
            .map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::GivenUp)?
    }

    /// Returns how far a consumer has come; 0 before the first record.
    pub(crate) fn checkpoint(&self, consumer: Consumer) -> Result<u64, StoreError> {
        let table = self.database.begin_read()?.open_table(CHECKPOINTS)?;
        let counter = table.get((consumer.shard, consumer.lane))?;
        Ok(counter.map_or(0, |counter| counter.value()))
    }

    /// Returns the counter of the last record of a shard that is older than the stream keeps its records; 0 when none is.
    pub(crate) fn trimmed(&self, shard: u32) -> Result<u64, StoreError> {
        let Some(retention) = self.retention else {
            return Ok(0);
        };
        let retention_ms = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
        let oldest_ms = self.clock.unix_millis().saturating_sub(retention_ms);
        self.before(shard, oldest_ms)
    }

    /// Returns the records of a shard behind a counter, in order, without those that the stream no longer keeps.
    pub(crate) fn read(
        &self,
        shard: u32,
        after: u64,
        limit: ReadLimit,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        let after = after.max(self.trimmed(shard)?);
        let table = self.database.begin_read()?.open_table(RECORDS)?;
        let sequence = self
            .state
            .borrow()
            .topology
            .get(shard)
            .map(ShardInfo::sequence);
        let sequence = sequence.ok_or(StoreError::Closed)?;
        let mut records = Vec::new();
        let mut bytes = 0;
        for entry in table.range((shard, after.saturating_add(1))..=(shard, u64::MAX))? {
            let (key, value) = entry?;
            let (_, counter) = key.value();
            let (arrival_ms, partition_key, data) = decode_record(value.value());
            bytes += partition_key.len() + data.len();
            if records.len() >= limit.records || (!records.is_empty() && bytes > limit.bytes) {
                break;
            }
            records.push(StoredRecord {
                counter,
                sequence_number: sequence.number(shard, counter, arrival_ms),
                arrival_ms,
                partition_key: partition_key.to_owned(),
                data: data.to_owned(),
            });
        }
        Ok(records)
    }

    /// Returns the counter before a shard's first record that arrived at a time or later.
    pub(crate) fn before(&self, shard: u32, arrival_ms: i64) -> Result<u64, StoreError> {
        let table = self.database.begin_read()?.open_table(RECORDS)?;
        let arrival = |counter: u64| -> Result<Option<i64>, StoreError> {
            let record = table.get((shard, counter))?;
            Ok(record.map(|record| decode_record(record.value()).0))
        };
        // But for the jitter, arrivals do not decrease within a shard.
        let sure = arrival_ms.saturating_sub(i64::from(self.arrival_jitter.max_ms));
        let end = self.end(shard);
        let (mut low, mut high) = (0, end);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            let is_before = arrival(middle)?.is_some_and(|arrival| arrival < sure);
            (low, high) = if is_before {
                (middle, high)
            } else {
                (low, middle - 1)
            };
        }
        while low < end && arrival(low + 1)?.is_some_and(|arrival| arrival < arrival_ms) {
            low += 1;
        }
        Ok(low)
    }
}

#[cfg(test)]
mod tests;
