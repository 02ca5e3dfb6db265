//! Which shards are polled when: all at once, but a shard only when those it came of are processed to their end.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::lane::{self, Shared, pause_for_store};
use super::{Deliver, Function, Pace};
use crate::kinesis::store::{Consumer, StreamState};

/// Starts the lanes of each shard when it is its turn, until a stop; then waits for the lanes.
pub(super) async fn run<F: Function, D: Deliver>(
    shared: Arc<Shared<F, D>>,
    mut pace: watch::Receiver<Pace>,
) {
    let mut state = shared.store.state();
    let mut done = shared.done.subscribe();
    let mut lanes = JoinSet::new();
    loop {
        let now = state.borrow_and_update().clone();
        done.mark_unchanged();
        for shard in next_shards(&shared, &now) {
            for lane in 0..shared.config.parallelization_factor {
                let consumer = Consumer { shard, lane };
                let checkpoint = checkpoint(&shared, consumer).await;
                shared
                    .done
                    .send_modify(|done| done.push((consumer, checkpoint)));
                lanes.spawn(lane::run(
                    Arc::clone(&shared),
                    consumer,
                    checkpoint,
                    pace.clone(),
                ));
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

async fn checkpoint<F: Function, D: Deliver>(shared: &Shared<F, D>, consumer: Consumer) -> u64 {
    loop {
        match shared.store.checkpoint(consumer) {
            Ok(checkpoint) => return checkpoint,
            Err(error) => pause_for_store("read", &error).await,
        }
    }
}
