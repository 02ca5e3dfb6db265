//! One lane of a shard: the records whose partition keys fall into it, in order.

use std::sync::Arc;
use std::time::Duration;

use event_model::{Clock, chain};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::error;

use super::{EventSourceMappingConfig, Pace, Progress};
use crate::kinesis::store::{Consumer, Store, StoreError};

/// Pause before the store is asked again.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// What the lanes of a mapping have in common.
pub(super) struct Shared<F, D> {
    pub(super) store: Store,
    pub(super) stream_arn: String,
    pub(super) config: EventSourceMappingConfig,
    pub(super) clock: Clock,
    pub(super) function: F,
    pub(super) deliver: D,
    pub(super) progress: Arc<Progress>,
    /// Counter up to which each lane that was begun is done.
    pub(super) done: watch::Sender<Vec<(Consumer, u64)>>,
}

/// One lane of a shard.
pub(super) struct Lane<F, D> {
    pub(super) shared: Arc<Shared<F, D>>,
    pub(super) consumer: Consumer,
}

impl<F, D> Lane<F, D> {
    /// Returns the counter up to which earlier processes are done, however often the store has to be asked; none after a stop.
    pub(super) async fn checkpoint(&self, pace: &mut watch::Receiver<Pace>) -> Option<u64> {
        loop {
            match self.shared.store.checkpoint(self.consumer) {
                Ok(checkpoint) => return Some(checkpoint),
                Err(error) => pause_for_store("read", &error, pace).await?,
            }
        }
    }

    /// Writes the checkpoint to disk, however often that takes: a batch must not be passed over in memory alone.
    ///
    /// None when it could not be written before a stop: what was done is delivered again by the next mapping.
    pub(super) async fn save(&self, counter: u64, pace: &mut watch::Receiver<Pace>) -> Option<()> {
        while let Err(error) = self
            .shared
            .store
            .save_checkpoint(self.consumer, counter)
            .await
        {
            pause_for_store("write", &error, pace).await?;
        }
        Some(())
    }
}

/// Waits until the store may be asked again; none after a stop.
pub(super) async fn pause_for_store(
    what: &str,
    error: &StoreError,
    pace: &mut watch::Receiver<Pace>,
) -> Option<()> {
    error!(error = chain(error), "The stream's store failed to {what}");
    pause(STORE_PAUSE, pace).await
}

/// Waits before another try; none after a stop, which no try may hold up: its reason may be why nothing can be written.
pub(super) async fn pause(time: Duration, pace: &mut watch::Receiver<Pace>) -> Option<()> {
    tokio::select! {
        () = sleep(time) => Some(()),
        _ = pace.wait_for(|pace| *pace == Pace::Stopping) => None,
    }
}
