//! A Kinesis event → clean and quarantine objects → a partial batch response.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::streams::KinesisEventResponse;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::primitives::ByteStream;
use conditional_put::{Put, PutError};
use event_model::{Clock, SequenceNumber, ShardId};
use futures::future::join_all;
use lake::key::Announcement;
use lambda_runtime::{Context, LambdaEvent};
use tokio::time::timeout;
use tracing::{info, instrument, warn};

use crate::batch::{PreparedObject, Record, prepare};
use crate::event::KinesisEvent;
use crate::{BatchSummary, CleanerError, Config};

/// Longest that the objects of a batch are written: the function's own timeout, less the reserve.
const LONGEST_WRITES: Duration = Duration::from_secs(110);
/// Time left before Lambda's deadline to answer.
const ANSWER_RESERVE: Duration = Duration::from_secs(5);

/// Why an object is not written.
#[derive(Debug, thiserror::Error)]
enum PutFailure {
    #[error(transparent)]
    Refused(PutError),
    #[error("S3 did not answer within {} ms", waited.as_millis())]
    Silent { waited: Duration },
}

/// Returns the time limits of a client of S3: of one try until its answer begins, for an object of 6 MB over a slow connection, and of all
/// tries. What is left of the invocation's time bounds both.
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(15))
        .operation_timeout(Duration::from_mins(1))
        .build()
}

/// Is handed the summary of each invocation that got as far as the lake.
pub type Publish = Arc<dyn Fn(&BatchSummary) + Send + Sync>;

/// The function: its client, its configuration, its clock, and where its summaries go. Cheap to clone.
#[derive(Clone)]
pub struct App {
    s3: Client,
    config: Config,
    clock: Clock,
    publish: Publish,
    announces: bool,
}

impl App {
    /// Makes the function.
    pub fn new(s3: Client, config: Config, clock: Clock, publish: Publish) -> Self {
        Self {
            s3,
            config,
            clock,
            publish,
            announces: false,
        }
    }

    /// Announces each object of clean rows before it is written: for batches that are cleaned so late that the daily merge does not list
    /// their date any more.
    #[must_use]
    pub fn with_announcements(mut self) -> Self {
        self.announces = true;
        self
    }

    /// Cleans a batch and writes its objects; the batch is acknowledged only as far as all of it is written.
    ///
    /// A record that cannot become a row goes to quarantine and is done with. When objects cannot be written, the answer
    /// names the first record of the first of them, and Lambda delivers the batch again from there: what was written
    /// twice is the same rows, which the daily merge takes once. That holds for all of them too: an invocation that failed
    /// would have its batch cut in half again and again, down to one record an object, although no record is at fault.
    /// The metric `objects_failed` wakes the alarm instead.
    #[instrument(skip_all, fields(batch.records = event.payload.len()))]
    pub async fn handle(
        &self,
        event: LambdaEvent<KinesisEvent>,
    ) -> Result<KinesisEventResponse, CleanerError> {
        let started = self.clock.unix_millis();
        let shards = shards(&event.payload)?;
        let records = records(&event.payload, &shards)?;
        let batch = prepare(&self.config.model, &records)?;
        let objects = &batch.objects;
        let left = self.time_left(&event.context);
        let outcomes = join_all(objects.iter().map(|object| async {
            match timeout(left, self.put(object)).await {
                Ok(put) => put.map_err(PutFailure::Refused),
                Err(_) => Err(PutFailure::Silent { waited: left }),
            }
        }));
        let outcomes = outcomes.await;

        let (mut written, mut kept, mut failures) = (Vec::new(), 0, Vec::new());
        for (object, outcome) in objects.iter().zip(outcomes) {
            match outcome {
                Ok(Put::Written) => written.push(object),
                Ok(Put::Kept { records }) => {
                    kept += 1;
                    warn!(
                        lake.key = %object.key,
                        "`{}` stays: it has {records} records, this batch {}",
                        object.key,
                        object.contents.records(),
                    );
                }
                Err(error) => {
                    warn!(lake.key = %object.key, error = %DisplayErrorContext(&error), "Could not write `{}`", object.key);
                    failures.push(object);
                }
            }
        }
        // From the first record on that is in no object, the batch is delivered again.
        let first_failed = failures.first().map(|object| object.first_record);
        let retried = first_failed.and_then(|first| records.get(first));
        let function = &event.context.env_config.function_name;
        let mut summary = if let Some(first) = first_failed {
            let done = records.get(..first).unwrap_or_default();
            let done_batch = prepare(&self.config.model, done)?;
            BatchSummary::new(function, done, &done_batch, done_batch.objects.iter())
        } else {
            BatchSummary::new(function, &records, &batch, written.iter().copied())
        };
        for object in written {
            summary.add_object(object);
        }
        summary.objects_kept = kept;
        summary.objects_failed = failures.len() as u64;
        summary.retried_from = retried.map(|record| record.sequence.to_owned());
        summary.finished_at_ms = self.clock.unix_millis();
        summary.handling_ms = summary
            .finished_at_ms
            .saturating_sub(started)
            .unsigned_abs();

        let mut response = KinesisEventResponse::default();
        if let Some(record) = retried {
            response.add_failure(record.sequence);
        }
        log(&summary);
        (self.publish)(&summary);
        Ok(response)
    }

    /// Returns how long the objects may be written: until Lambda's deadline, less what an orderly answer needs. Lambda would take a
    /// function that it has to stop for one that failed, and cut the batch in half, although no record is at fault.
    fn time_left(&self, context: &Context) -> Duration {
        let now = Duration::from_millis(self.clock.unix_millis().unsigned_abs());
        let deadline = Duration::from_millis(context.deadline);
        // Where nobody stops the process, the runtime says 0.
        match deadline.saturating_sub(now) {
            Duration::ZERO => LONGEST_WRITES,
            left => left.saturating_sub(ANSWER_RESERVE).min(LONGEST_WRITES),
        }
    }

    /// Writes an object, unless there is one of more records under its key.
    ///
    /// A batch that is delivered again has the same records between the same bounds, and so the same key. A mapping that
    /// passes records over (a filter, or several batches of a shard at a time) would break that: its batches have equal
    /// bounds and fewer records, and must not take the place of one that has all.
    async fn put(&self, object: &PreparedObject) -> Result<Put, PutError> {
        let (bucket, key) = (&self.config.bucket_name, object.key.to_string());
        let records = object.contents.records();
        if self.announces
            && let Some(announcement) =
                Announcement::new(&key, &conditional_put::digest(&object.body))
        {
            let put = self
                .s3
                .put_object()
                .bucket(bucket)
                .key(announcement.to_string());
            let put = put.body(ByteStream::from_static(b"")).send().await;
            put.map_err(|error| PutError::Put(Box::new(error)))?;
        }
        let (positions, body) = (Some(&object.positions), object.body.clone());
        conditional_put::put(&self.s3, bucket, &key, records, positions, body).await
    }
}

fn log(summary: &BatchSummary) {
    info!(
        batch.records = summary.records,
        batch.user_records = summary.user_records,
        batch.rows = summary.tally.total_rows(),
        batch.rejected = summary.tally.total_lost(),
        batch.objects = summary.objects,
        size_bytes = summary.bytes_written,
        handling_ms = summary.handling_ms,
        retried_from = summary.retried_from,
        "Cleaned {} records ({} user records) into {} rows, {} rejected",
        summary.records,
        summary.user_records,
        summary.tally.total_rows(),
        summary.tally.total_lost(),
    );
}

/// Returns the shards of an event's records, each with its name and once; Lambda makes a batch of one.
fn shards(event: &KinesisEvent) -> Result<Vec<(&str, ShardId)>, CleanerError> {
    let mut shards = Vec::new();
    for (index, record) in event.records().enumerate() {
        if find(&shards, record.shard).is_none() {
            let shard = record.shard.parse::<ShardId>();
            shards.push((
                record.shard,
                shard.map_err(|error| malformed(index, &error))?,
            ));
        }
    }
    Ok(shards)
}

/// Returns the shard of a name: at once, if it is the same text of the event, as it is for the records of one shard.
fn find<'s>(shards: &'s [(&str, ShardId)], name: &str) -> Option<&'s ShardId> {
    let is_same = |known: &str| std::ptr::eq(known, name) || known == name;
    let mut shards = shards.iter();
    let found = shards.find(|(known, _)| is_same(known));
    found.map(|(_, shard)| shard)
}

fn malformed(index: usize, error: &dyn std::fmt::Display) -> CleanerError {
    CleanerError::MalformedEvent {
        index,
        reason: error.to_string(),
    }
}

/// Returns the records of an event, which are of these shards.
fn records<'e>(
    event: &'e KinesisEvent,
    shards: &'e [(&str, ShardId)],
) -> Result<Vec<Record<'e>>, CleanerError> {
    let mut records = Vec::with_capacity(event.len());
    for (index, record) in event.records().enumerate() {
        let shard = find(shards, record.shard);
        let shard = shard.ok_or_else(|| malformed(index, &"it is of another shard"))?;
        let sequence = record.sequence;
        if !SequenceNumber::is_spelled(sequence) {
            let number = sequence.parse::<SequenceNumber>();
            number.map_err(|error| malformed(index, &error))?;
        }
        records.push(Record {
            shard,
            sequence,
            partition_key: record.partition_key,
            arrival_micros: record.arrival_micros,
            data: record.data,
        });
    }
    Ok(records)
}

#[cfg(test)]
mod tests;
