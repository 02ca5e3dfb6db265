//! `refetch`: what the stream still has of some time → the objects that stream-cleaner should have written of it.
//!
//! The batches are cut otherwise than Lambda cut them. Nothing is counted twice by that: the merge takes each record once, and the
//! reconciliation looks where batches overlap.

use model::Model;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{Record, ShardIteratorType};
use daily_batch::list_shards;
use event_model::Clock;
use jiff::Timestamp;
use stream_cleaner::event::{EventRecord, KinesisEvent};

use crate::cleaner::Cleaner;
use crate::cli::RefetchOptions;
use crate::quarantine::counted;
use crate::{Exit, Terminal, daily};

/// Time between two calls for a shard: the event source mapping reads it as well, and Kinesis serves 5 calls and 2 MB a second.
const PAUSE: Duration = Duration::from_secs(1);
/// Records of a batch, as the event source mapping has them at most, and bytes of their data: what fits into its events.
const BATCH_RECORDS: usize = 10_000;
const BATCH_BYTES: usize = 4 << 20;

/// Reads the records that arrived in the time, and cleans them again.
pub(crate) async fn command(
    options: &RefetchOptions,
    model: &Arc<Model>,
    clock: Clock,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Exit> {
    let RefetchOptions {
        from, to, stream, ..
    } = options;
    ensure!(
        to.is_none_or(|to| *from < to),
        "--from is not before --to: no record is meant"
    );
    let lake = daily::find(&options.lake).await?;
    let client = Client::new(&lake.aws.sdk_config);
    let cleaner = Cleaner::new(&lake, model, clock);
    let mut batches = 0;
    let shards = list_shards(&client, stream).await;
    let shards = shards.with_context(|| format!("could not read the stream `{stream}`"))?;
    for shard in shards {
        let mut reader = ShardReader::open(&client, stream, shard, *from).await?;
        while let Some(event) = reader.next(*to).await? {
            batches += 1;
            cleaner.clean(event).await?;
        }
    }
    if batches == 0 {
        writeln!(
            terminal.out,
            "The stream `{stream}` has no record of that time"
        )?;
    } else {
        let batches = counted(batches, "batch", "batches");
        cleaner.write_summary(&batches, terminal.out)?;
        writeln!(
            terminal.out,
            "The next daily run merges what the lake did not have"
        )?;
    }
    Ok(Exit::Success)
}

/// Reads a shard from a time on, an event at a time.
struct ShardReader<'a> {
    client: &'a Client,
    shard: String,
    iterator: Option<String>,
    /// Records that were read and are in no event yet.
    waiting: Vec<Record>,
}

impl<'a> ShardReader<'a> {
    async fn open(
        client: &'a Client,
        stream: &str,
        shard: String,
        from: Timestamp,
    ) -> anyhow::Result<Self> {
        let iterator = client
            .get_shard_iterator()
            .stream_name(stream)
            .shard_id(&shard)
            .shard_iterator_type(ShardIteratorType::AtTimestamp)
            .timestamp(DateTime::from_secs(from.as_second()))
            .send()
            .await;
        let iterator = iterator.with_context(|| format!("could not read the shard {shard}"))?;
        Ok(Self {
            client,
            shard,
            iterator: iterator.shard_iterator,
            waiting: Vec::new(),
        })
    }

    /// Returns the next batch of records that arrived before `to`; `None` when there is none.
    async fn next(&mut self, to: Option<Timestamp>) -> anyhow::Result<Option<KinesisEvent>> {
        while self.waiting.is_empty() {
            let Some(iterator) = self.iterator.take() else {
                return Ok(None);
            };
            let read = self
                .client
                .get_records()
                .shard_iterator(&iterator)
                .send()
                .await;
            let read = match read {
                Ok(read) => read,
                Err(error)
                    if error.as_service_error().is_some_and(|error| {
                        error.is_provisioned_throughput_exceeded_exception()
                    }) =>
                {
                    self.iterator = Some(iterator);
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("could not read the shard {}", self.shard));
                }
            };
            let is_at_tip = read.millis_behind_latest() == Some(0);
            let length = read.records.len();
            self.waiting = read.records;
            if let Some(to) = to {
                self.waiting
                    .retain(|record| arrival(record) < to.as_microsecond());
            }
            let is_past = self.waiting.len() < length;
            self.iterator = read.next_shard_iterator.filter(|_| !is_past && !is_at_tip);
            if self.iterator.is_some() {
                tokio::time::sleep(PAUSE).await;
            }
        }
        let mut bytes = 0;
        let batch = self
            .waiting
            .iter()
            .take(BATCH_RECORDS)
            .take_while(|record| {
                let is_first = bytes == 0;
                bytes += record.data().as_ref().len();
                is_first || bytes <= BATCH_BYTES
            });
        let length = batch.count();
        let mut event = KinesisEvent::default();
        for record in self.waiting.drain(..length) {
            event.push(&EventRecord {
                shard: &self.shard,
                sequence: record.sequence_number(),
                partition_key: record.partition_key().unwrap_or_default(),
                data: record.data().as_ref(),
                arrival_micros: arrival(&record),
            });
        }
        Ok(Some(event))
    }
}

/// Returns when a record arrived, in microseconds since 1970. Lambda has milliseconds of it, and so has the row.
fn arrival(record: &Record) -> i64 {
    let arrival = record.approximate_arrival_timestamp();
    arrival.map_or(0, |time| {
        let millis = time.to_millis().unwrap_or_default();
        millis.saturating_mul(1000)
    })
}

#[cfg(test)]
mod tests;
