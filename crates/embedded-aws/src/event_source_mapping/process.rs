//! A batch → invocations, until every record of it is done with or discarded.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{error, warn};

use super::failure::{Condition, Discarded, LastAnswer};
use super::gather::Gathered;
use super::lane::{Lane, pause};
use super::{Deliver, Function, Pace, Progress, event, response};
use crate::kinesis::store::StoredRecord;

/// Pause before a batch is tried again; it doubles with each try. AWS does not document its own.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A part of the batch that is still to be done.
struct Part<'a> {
    records: &'a [StoredRecord],
    /// Retries of this part that have failed; they count against the retry limit.
    retries: u32,
    /// Invocations that had these records.
    invocations: u32,
    last_answer: Option<LastAnswer>,
}

impl<F: Function, D: Deliver> Lane<F, D> {
    /// Processes a batch in order; returns the checkpoint.
    ///
    /// None after a stop: what is not done is delivered again by the next mapping.
    pub(super) async fn process(
        &self,
        gathered: Gathered,
        pace: &mut watch::Receiver<Pace>,
    ) -> Option<u64> {
        // The next part is the last one.
        let mut parts = vec![Part {
            records: &gathered.batch,
            retries: 0,
            invocations: 0,
            last_answer: None,
        }];
        while let Some(part) = parts.pop() {
            let mut part = self.discard_expired(part, pace).await?;
            if part.records.is_empty() {
                continue;
            }
            if part.invocations > 0 {
                self.shared.progress.retries.fetch_add(1, Ordering::Relaxed);
            }
            let (done, answer) = self.invoke(part.records).await;
            part.invocations += 1;
            part.last_answer = Some(answer);
            if done == part.records.len() {
                if let Some(next) = parts.last().and_then(|next| next.records.first()) {
                    self.save(next.counter - 1, pace).await?;
                }
                continue;
            }
            if let Some(first) = part.records.get(done).filter(|_| done > 0) {
                self.save(first.counter - 1, pace).await?;
                part.records = part.records.get(done..).unwrap_or_default();
                part.retries = 0;
            } else if self.shared.config.bisect_batch_on_function_error && part.records.len() > 1 {
                pause_before_retry(part.invocations, pace).await?;
                let (first, second) = part.records.split_at(part.records.len() / 2);
                parts.extend([second, first].map(|records| Part { records, ..part }));
                continue;
            }
            let is_exhausted = |attempts| part.retries >= attempts;
            if self
                .shared
                .config
                .maximum_retry_attempts
                .is_some_and(is_exhausted)
            {
                let condition = Condition::RetryAttemptsExhausted;
                self.discard(&part, part.records, condition, pace).await?;
                continue;
            }
            part.retries += 1;
            pause_before_retry(part.invocations, pace).await?;
            parts.push(part);
        }
        self.save(gathered.seen, pace).await?;
        Some(gathered.seen)
    }

    /// Invokes the function; returns how many records at the front are done, and what the function answered.
    async fn invoke(&self, records: &[StoredRecord]) -> (usize, LastAnswer) {
        let event = event::of_batch(&self.shared.stream_arn, self.consumer.shard, records);
        match (self.shared.function)(event).await {
            Ok(answer) if self.shared.config.report_batch_item_failures => (
                response::records_done(&answer, records),
                LastAnswer::Partial,
            ),
            Ok(_) => (records.len(), LastAnswer::Partial),
            Err(error) => {
                warn!(
                    shard = self.consumer.shard,
                    batch.records = records.len(),
                    error,
                    "The function failed"
                );
                (0, LastAnswer::Error)
            }
        }
    }

    /// Discards the records at the front that are older than the age limit, or than the stream keeps them; none after a stop.
    async fn discard_expired<'a>(
        &self,
        mut part: Part<'a>,
        pace: &mut watch::Receiver<Pace>,
    ) -> Option<Part<'a>> {
        let ages = [
            self.shared.config.maximum_record_age,
            self.shared.store.retention(),
        ];
        let Some(age) = ages.into_iter().flatten().min() else {
            return Some(part);
        };
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let oldest_ms = self.shared.clock.unix_millis().saturating_sub(age_ms);
        // Arrivals do not decrease within a shard.
        let expired = part
            .records
            .partition_point(|record| record.arrival_ms < oldest_ms);
        let (expired, rest) = part.records.split_at(expired);
        if !expired.is_empty() {
            let condition = Condition::RecordAgeExceeded;
            self.discard(&part, expired, condition, pace).await?;
            part.records = rest;
        }
        Some(part)
    }

    /// Gives records up, and reports them to the destination, as often as the settings say: it is all that is left of them.
    ///
    /// None when they could not be reported before a stop: the next mapping delivers them again, and gives them up.
    async fn discard(
        &self,
        part: &Part<'_>,
        records: &[StoredRecord],
        condition: Condition,
        pace: &mut watch::Receiver<Pace>,
    ) -> Option<()> {
        error!(shard = self.consumer.shard, batch.records = records.len(), %condition, "Gave up {} records", records.len());
        let discarded = Discarded {
            stream_arn: &self.shared.stream_arn,
            shard: self.consumer.shard,
            records,
            condition,
            invocations: part.invocations,
            last_answer: part.last_answer,
            now_ms: self.shared.clock.unix_millis(),
        };
        let invocation = discarded.to_invocation();
        let Progress {
            dropped,
            undelivered,
            ..
        } = &*self.shared.progress;
        let mut attempts = 0;
        while let Err(error) = (self.shared.deliver)(invocation.clone()).await {
            warn!(error, "The failure destination cannot be written to");
            attempts += 1;
            if Some(attempts) == self.shared.config.maximum_delivery_attempts {
                undelivered.fetch_add(records.len() as u64, Ordering::Relaxed);
                break;
            }
            pause(LONGEST_PAUSE, pace).await?;
        }
        dropped.fetch_add(records.len() as u64, Ordering::Relaxed);
        Some(())
    }
}

/// Waits before a retry; none after a stop.
async fn pause_before_retry(invocations: u32, pace: &mut watch::Receiver<Pace>) -> Option<()> {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(invocations.saturating_sub(1)));
    pause(doubled.min(LONGEST_PAUSE), pace).await
}
