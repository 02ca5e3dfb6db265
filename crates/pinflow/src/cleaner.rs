//! stream-cleaner's own code at work on a person's machine: the keys and the bytes are those that the function itself would have written.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::ensure;
use event_model::Clock;
use lambda_runtime::{Context, LambdaEvent};
use model::Model;
use stream_cleaner::event::KinesisEvent;
use stream_cleaner::{App, BatchSummary, Config};

use crate::lake_options::Lake;
use crate::quarantine::counted;

/// stream-cleaner, and what it has done.
pub(crate) struct Cleaner {
    app: App,
    done: Arc<Mutex<Vec<BatchSummary>>>,
}

impl Cleaner {
    pub(crate) fn new(lake: &Lake, model: &Arc<Model>, clock: Clock) -> Self {
        let done = Arc::<Mutex<Vec<BatchSummary>>>::default();
        let summaries = Arc::clone(&done);
        let publish = Arc::new(move |summary: &BatchSummary| {
            lock(&summaries).push(summary.clone());
        });
        let config = Config::new(&lake.bucket, Arc::clone(model));
        Self {
            app: App::new(lake.aws.s3(), config, clock, publish).with_announcements(),
            done,
        }
    }

    pub(crate) async fn clean(&self, event: KinesisEvent) -> anyhow::Result<()> {
        let event = LambdaEvent::new(event, Context::default());
        let answer = self.app.handle(event).await?;
        ensure!(
            answer.batch_item_failures.is_empty(),
            "not all of its objects could be written; run the command again"
        );
        Ok(())
    }

    pub(crate) fn write_summary(
        &self,
        invocations: &str,
        out: &mut dyn Write,
    ) -> std::io::Result<()> {
        let done = lock(&self.done);
        let sum = |count: fn(&BatchSummary) -> u64| done.iter().map(count).sum::<u64>();
        writeln!(
            out,
            "Cleaned {invocations} again: {} into {} and {} in quarantine, in {}",
            counted(sum(|summary| summary.user_records), "record", "records"),
            counted(sum(|summary| summary.tally.total_rows()), "row", "rows"),
            sum(|summary| summary.tally.total_lost()),
            counted(sum(|summary| summary.objects), "object", "objects"),
        )
    }
}

/// A summary that was half pushed when another thread panicked is still a summary.
fn lock(done: &Mutex<Vec<BatchSummary>>) -> std::sync::MutexGuard<'_, Vec<BatchSummary>> {
    done.lock().unwrap_or_else(PoisonError::into_inner)
}
