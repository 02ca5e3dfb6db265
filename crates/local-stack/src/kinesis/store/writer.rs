//! The one thread that writes.

use std::sync::Arc;

use event_model::Clock;
use redb::{Database, ReadableTable as _, WriteTransaction};
use tokio::sync::{mpsc, oneshot, watch};

use super::layout::{CHECKPOINTS, RECORDS, encode_record};
use super::{Consumer, NewRecord, Place, StoreError};
use crate::kinesis::sequence::Sequence;

/// Most changes in one transaction.
const MAX_GROUP: usize = 512;

type Done<T> = oneshot::Sender<Result<T, StoreError>>;

/// A change that waits for the writer, and who waits for the change.
pub(super) enum Change {
    Append {
        records: Vec<(u32, NewRecord)>,
        done: Done<Vec<Place>>,
    },
    Checkpoint {
        consumer: Consumer,
        counter: u64,
        done: Done<()>,
    },
    Lanes {
        lanes: u32,
        done: Done<()>,
    },
}

/// What a change came to, to be told after the flush.
enum Answer {
    Places(Done<Vec<Place>>, Vec<Place>),
    Unit(Done<()>),
}

pub(super) struct Writer {
    database: Arc<Database>,
    sequence: Sequence,
    clock: Clock,
    /// Counter and arrival of each shard's last record.
    shards: Vec<(u64, i64)>,
    ends: watch::Sender<Vec<u64>>,
}

impl Writer {
    pub(super) fn new(
        database: Arc<Database>,
        sequence: Sequence,
        clock: Clock,
        shards: Vec<(u64, i64)>,
    ) -> (Self, watch::Receiver<Vec<u64>>) {
        let (ends, receiver) = watch::channel(counters(&shards));
        (
            Self {
                database,
                sequence,
                clock,
                shards,
                ends,
            },
            receiver,
        )
    }

    /// Writes until every sender of changes is gone.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Change>) {
        while let Some(first) = queue.blocking_recv() {
            let mut group = vec![first];
            while group.len() < MAX_GROUP
                && let Ok(change) = queue.try_recv()
            {
                group.push(change);
            }
            self.write(group);
        }
    }

    fn write(&mut self, group: Vec<Change>) {
        let mut shards = self.shards.clone();
        let mut waiting = Vec::with_capacity(group.len());
        let written = self.transaction(group, &mut shards, &mut waiting);
        if written.is_ok() {
            self.shards = shards;
            self.ends.send_if_modified(|ends| {
                let counters = counters(&self.shards);
                let is_new = *ends != counters;
                *ends = counters;
                is_new
            });
        }
        // A receiver that is gone is a client that has hung up; what it put stays.
        for answer in waiting {
            match answer {
                Answer::Places(done, places) => drop(done.send(written.clone().map(|()| places))),
                Answer::Unit(done) => drop(done.send(written.clone())),
            }
        }
    }

    fn transaction(
        &self,
        group: Vec<Change>,
        shards: &mut [(u64, i64)],
        waiting: &mut Vec<Answer>,
    ) -> Result<(), StoreError> {
        let write = self.database.begin_write()?;
        for change in group {
            match change {
                Change::Append { records, done } => {
                    let places = self.append(&write, records, shards)?;
                    waiting.push(Answer::Places(done, places));
                }
                Change::Checkpoint {
                    consumer,
                    counter,
                    done,
                } => {
                    write
                        .open_table(CHECKPOINTS)?
                        .insert((consumer.shard, consumer.lane), counter)?;
                    waiting.push(Answer::Unit(done));
                }
                Change::Lanes { lanes, done } => {
                    for shard in 0..u32::try_from(shards.len()).unwrap_or_default() {
                        set_lanes(&write, shard, lanes)?;
                    }
                    waiting.push(Answer::Unit(done));
                }
            }
        }
        write.commit()?;
        Ok(())
    }

    fn append(
        &self,
        write: &WriteTransaction,
        records: Vec<(u32, NewRecord)>,
        shards: &mut [(u64, i64)],
    ) -> Result<Vec<Place>, StoreError> {
        let mut table = write.open_table(RECORDS)?;
        let now_ms = self.clock.unix_millis();
        let mut places = Vec::with_capacity(records.len());
        for (shard, record) in records {
            // The hash ranges name only shards that there are.
            let Some((counter, arrival_ms)) = shards.get_mut(shard as usize) else {
                continue;
            };
            *counter += 1;
            // A clock that is set back must not reverse the order of two versions of a row.
            *arrival_ms = now_ms.max(*arrival_ms);
            let value = encode_record(*arrival_ms, &record.partition_key, &record.data);
            table.insert((shard, *counter), value.as_slice())?;
            places.push(Place {
                shard,
                sequence_number: self.sequence.number(shard, *counter, *arrival_ms),
            });
        }
        Ok(places)
    }
}

fn set_lanes(write: &WriteTransaction, shard: u32, lanes: u32) -> Result<(), StoreError> {
    let mut table = write.open_table(CHECKPOINTS)?;
    let mut found = Vec::new();
    for entry in table.range((shard, 0)..=(shard, u32::MAX))? {
        found.push(entry?.1.value());
    }
    if u32::try_from(found.len()) == Ok(lanes) {
        return Ok(());
    }
    let least = found.iter().min().copied().unwrap_or_default();
    table.retain_in((shard, 0)..=(shard, u32::MAX), |_, _| false)?;
    for lane in 0..lanes {
        table.insert((shard, lane), least)?;
    }
    Ok(())
}

fn counters(shards: &[(u64, i64)]) -> Vec<u64> {
    shards.iter().map(|(counter, _)| *counter).collect()
}
