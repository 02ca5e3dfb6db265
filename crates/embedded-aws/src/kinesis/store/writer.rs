//! The one thread that writes.

use std::sync::Arc;

use event_model::Clock;
use redb::{Database, ReadableTable as _, WriteTransaction};
use tokio::sync::{mpsc, oneshot, watch};

use super::layout::{CHECKPOINTS, LANES, META, RECORDS, encode_record, seconds, write_topology};
use super::{Consumer, NewRecord, Place, Reshard, StoreError, StreamState};
use crate::disk::Disk;
use crate::kinesis::topology::{ReshardError, Topology};

/// Most changes in one transaction.
const MAX_GROUP: usize = 512;

type Done<T> = oneshot::Sender<Result<T, StoreError>>;

/// A change that waits for the writer, and who waits for the change.
pub(super) enum Change {
    Append {
        records: Vec<NewRecord>,
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
    Reshard {
        reshard: Reshard,
        done: Done<Result<(), ReshardError>>,
    },
}

/// Outcome of a change, to be sent after the flush.
enum Answer {
    Places(Done<Vec<Place>>, Vec<Place>),
    Resharded(Done<Result<(), ReshardError>>, Result<(), ReshardError>),
    Unit(Done<()>),
}

/// Counter and arrival of a shard's last record.
type End = (u64, i64);

pub(super) struct Writer {
    database: Arc<Database>,
    clock: Clock,
    topology: Topology,
    ends: Vec<End>,
    state: watch::Sender<StreamState>,
    disk: Disk,
    arrival_jitter: ArrivalJitter,
}

/// By how much an arrival may lie before the time of its record: AWS calls arrivals approximate, and promises no order of theirs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ArrivalJitter {
    pub(crate) max_ms: u32,
}

impl ArrivalJitter {
    /// Returns the arrival of a shard's record.
    fn arrival(self, counter: u64, now_ms: i64) -> i64 {
        // Another step for each record, the same whenever it is asked for.
        let step = counter.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let back = step % (u64::from(self.max_ms) + 1);
        now_ms - i64::try_from(back).unwrap_or_default()
    }
}

impl Writer {
    pub(super) fn new(
        database: Arc<Database>,
        clock: Clock,
        topology: Topology,
        ends: Vec<End>,
        disk: Disk,
        arrival_jitter: ArrivalJitter,
    ) -> (Self, watch::Receiver<StreamState>) {
        let (state, receiver) = watch::channel(StreamState::new(&topology, &ends));
        (
            Self {
                database,
                clock,
                topology,
                ends,
                state,
                disk,
                arrival_jitter,
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
        let mut topology = self.topology.clone();
        let mut ends = self.ends.clone();
        let mut waiting = Vec::with_capacity(group.len());
        let written = self.transaction(group, &mut topology, &mut ends, &mut waiting);
        if let Err(StoreError::Store(error)) = &written
            && let redb::Error::Io(error) = &**error
        {
            self.disk.note(error);
        }
        if written.is_ok() {
            self.topology = topology;
            self.ends = ends;
            self.state.send_if_modified(|state| {
                let now = StreamState::new(&self.topology, &self.ends);
                let is_new = *state != now;
                *state = now;
                is_new
            });
        }
        // A receiver that is gone is a client that has hung up; what it put stays.
        for answer in waiting {
            match answer {
                Answer::Places(done, places) => drop(done.send(written.clone().map(|()| places))),
                Answer::Resharded(done, outcome) => {
                    drop(done.send(written.clone().map(|()| outcome)));
                }
                Answer::Unit(done) => drop(done.send(written.clone())),
            }
        }
    }

    fn transaction(
        &self,
        group: Vec<Change>,
        topology: &mut Topology,
        ends: &mut Vec<End>,
        waiting: &mut Vec<Answer>,
    ) -> Result<(), StoreError> {
        let write = self.database.begin_write()?;
        for change in group {
            match change {
                Change::Append { records, done } => {
                    let places = self.append(&write, records, topology, ends)?;
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
                    set_lanes(&write, topology, lanes)?;
                    waiting.push(Answer::Unit(done));
                }
                Change::Reshard { reshard, done } => {
                    let changed = reshard.apply(topology, seconds(self.clock.unix_millis()));
                    if let Ok(changed) = &changed {
                        write_topology(&write, changed)?;
                        ends.resize(changed.shards().count(), (0, 0));
                        *topology = changed.clone();
                    }
                    waiting.push(Answer::Resharded(done, changed.map(drop)));
                }
            }
        }
        write.commit()?;
        Ok(())
    }

    fn append(
        &self,
        write: &WriteTransaction,
        records: Vec<NewRecord>,
        topology: &Topology,
        ends: &mut [End],
    ) -> Result<Vec<Place>, StoreError> {
        let mut table = write.open_table(RECORDS)?;
        let now_ms = self.clock.unix_millis();
        let mut places = Vec::with_capacity(records.len());
        for record in records {
            // The open shards cover every hash key.
            let shard = topology.open_shard(record.hash_key()).unwrap_or_default();
            let (Some((counter, arrival_ms)), Some(info)) =
                (ends.get_mut(shard as usize), topology.get(shard))
            else {
                return Err(StoreError::Closed);
            };
            *counter += 1;
            // A clock that is set back must not reverse the order of two versions of a row.
            *arrival_ms = now_ms.max(*arrival_ms);
            let arrival = self.arrival_jitter.arrival(*counter, *arrival_ms);
            let value = encode_record(arrival, &record.partition_key, &record.data);
            table.insert((shard, *counter), value.as_slice())?;
            places.push(Place {
                shard,
                sequence_number: info.sequence().number(shard, *counter, arrival),
            });
        }
        Ok(places)
    }
}

/// Gives every shard a number of lanes. When it is another than before, all lanes of a shard go on from the one that had
/// come least far: what the others had done is delivered again, and nothing is passed over.
fn set_lanes(write: &WriteTransaction, topology: &Topology, lanes: u32) -> Result<(), StoreError> {
    let mut meta = write.open_table(META)?;
    let before = meta.get(LANES)?.map_or(0, |lanes| lanes.value());
    if before == i64::from(lanes) {
        return Ok(());
    }
    meta.insert(LANES, i64::from(lanes))?;
    let before = u32::try_from(before).unwrap_or_default();
    let mut table = write.open_table(CHECKPOINTS)?;
    for (shard, _) in topology.shards() {
        let mut least = None::<u64>;
        for lane in 0..before {
            // A lane without a checkpoint has not come past its first record.
            let counter = table
                .get((shard, lane))?
                .map_or(0, |counter| counter.value());
            least = Some(least.map_or(counter, |least| least.min(counter)));
        }
        table.retain_in((shard, 0)..=(shard, u32::MAX), |_, _| false)?;
        for lane in 0..lanes {
            table.insert((shard, lane), least.unwrap_or_default())?;
        }
    }
    Ok(())
}
