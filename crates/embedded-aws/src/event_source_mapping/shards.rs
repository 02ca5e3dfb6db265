//! Which shards are polled when: all at once, but a shard only when those it came of are processed to their end.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::lane::{Lane, Shared};
use super::{Deliver, Function, Pace};
use crate::kinesis::store::{Consumer, StreamState};

/// Starts the lanes of each shard as soon as its parents are done, until a stop; then waits for the lanes.
pub(super) async fn run<F: Function, D: Deliver>(
    shared: Arc<Shared<F, D>>,
    mut pace: watch::Receiver<Pace>,
) {
    let mut state = shared.store.state();
    let mut done = shared.done.subscribe();
    let mut lanes = JoinSet::new();
    'polls: loop {
        let now = state.borrow_and_update().clone();
        done.mark_unchanged();
        for shard in next_shards(&shared, &now) {
            for lane in 0..shared.config.parallelization_factor {
                let consumer = Consumer { shard, lane };
                let shared = Arc::clone(&shared);
                let lane = Lane { shared, consumer };
                let Some(checkpoint) = lane.checkpoint(&mut pace).await else {
                    break 'polls;
                };
                lane.shared
                    .done
                    .send_modify(|done| done.push((consumer, checkpoint)));
                lanes.spawn(poll(lane, checkpoint, pace.clone()));
            }
        }
        if *pace.borrow() == Pace::Stopping {
            break;
        }
        tokio::select! {
            changed = state.changed() => if changed.is_err() { break; },
            changed = done.changed() => if changed.is_err() { break; },
            changed = pace.changed() => if changed.is_err() { break; },
        }
    }
    while lanes.join_next().await.is_some() {}
}

/// Returns the shards that are not polled yet and whose parents are done with.
fn next_shards<F: Function, D: Deliver>(shared: &Shared<F, D>, state: &StreamState) -> Vec<u32> {
    let done = shared.done.borrow();
    let is_begun = |shard: u32| done.iter().any(|(consumer, _)| consumer.shard == shard);
    let is_done = |shard: u32| {
        let lanes = || done.iter().filter(|(consumer, _)| consumer.shard == shard);
        lanes().count() > 0 && lanes().all(|(_, counter)| *counter >= state.end(shard))
    };
    let is_next = |parents: &[u32]| parents.iter().all(|&parent| is_done(parent));
    let shards = state.topology.shards();
    shards
        .filter(|(shard, info)| !is_begun(*shard) && is_next(&info.parents))
        .map(|(shard, _)| shard)
        .collect()
}

/// Polls a lane until a stop, or until its shard is closed and processed to its end.
async fn poll<F: Function, D: Deliver>(
    lane: Lane<F, D>,
    mut checkpoint: u64,
    mut pace: watch::Receiver<Pace>,
) {
    while let Some(gathered) = lane.gather(checkpoint, &mut pace).await {
        checkpoint = match lane.process(gathered, &mut pace).await {
            Some(checkpoint) => checkpoint,
            None => return,
        };
        lane.shared.done.send_modify(|done| {
            for (other, counter) in done {
                if *other == lane.consumer {
                    *counter = checkpoint;
                }
            }
        });
    }
}
