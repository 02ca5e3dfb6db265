//! The stream read record by record: which of the records around a step are in the lake?

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::{DisplayErrorContext, SdkError};
use aws_sdk_kinesis::operation::get_records::GetRecordsError;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::ShardIteratorType;
use event_model::{SequenceNumber, ShardId};
use futures::{StreamExt as _, stream};
use jiff::{Timestamp, ToSpan as _};
use lake::key::QUARANTINE_PREFIX;
use lake::{ObjectKey, SequenceRange};
use tracing::{error, warn};

use super::accounts;
use crate::payload::day_of;
use crate::storage::clean::date_prefix;
use crate::storage::objects::list;
use crate::{DailyError, Lake};

/// Shards that are read at once.
const SHARDS: usize = 16;
/// How long one look takes, at most: a minute of a shard that is full is read in a little more than one.
const MAX_TIME: Duration = Duration::from_mins(2);
/// Most records that are kept in memory until they are found: 32 bytes each.
const MAX_RECORDS: usize = 4_000_000;
/// Time between two calls for a shard, and the bytes of an answer that are worth as much: the event source mapping has the same shard to read, of
/// which Kinesis serves 5 calls and 2 MB a second.
const PAUSE: Duration = Duration::from_secs(1);
const BYTES_PER_PAUSE: u64 = 1 << 20;

/// Number of the shard, and sequence number: a [`event_model::Position`] in 32 bytes.
type RecordKey = (u32, SequenceNumber);

/// What was found out of the records of some hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Looked {
    /// Records that are neither clean nor in quarantine.
    pub(super) missing: u64,
    /// Whether all records of the hours were looked for.
    pub(super) is_complete: bool,
}

/// Looks in the lake for each record that arrived from `start` to `end`, and names those that are missing.
pub(super) async fn look(
    client: &Client,
    stream: &str,
    shards: &[String],
    lake: &Lake,
    (start, end): (Timestamp, Timestamp),
) -> Result<Looked, DailyError> {
    let mut missing = BTreeSet::new();
    let read = read(client, stream, shards, (start, end), &mut missing).await;
    let is_complete = read.unwrap_or_else(|error| {
        let error = DisplayErrorContext(&error);
        warn!(stream, error = %error, "Could not read the stream for the reconciliation");
        false
    });
    let last = day_of(end);
    let days = day_of(start).series(1.day()).take_while(|day| *day <= last);
    for day in days {
        let clean = lake.model().kinds().map(|kind| date_prefix(kind, day));
        let quarantine = format!("{QUARANTINE_PREFIX}date={day}/");
        for prefix in clean.chain([quarantine]) {
            for meta in list(lake.store().as_ref(), &prefix).await? {
                let Some(range) = range(meta.location.as_ref()) else {
                    continue;
                };
                let Some(shard) = range.shard.number() else {
                    continue;
                };
                // Of most objects, no record is looked for any more.
                let wanted = (shard, range.first)..=(shard, range.last);
                if missing.range(wanted).next().is_none() {
                    continue;
                }
                for (number, _) in accounts::numbers(lake, &meta.location).await? {
                    missing.remove(&(shard, number));
                }
            }
        }
    }
    for (shard, number) in missing.iter().take(10) {
        error!(
            record.shard = %ShardId::from_number(*shard),
            record.sequence_number = %number,
            "An accepted record is neither clean nor in quarantine"
        );
    }
    Ok(Looked {
        missing: missing.len() as u64,
        is_complete,
    })
}

fn range(key: &str) -> Option<SequenceRange> {
    let key: ObjectKey = key.parse().ok()?;
    Some(key.range().clone())
}

/// Reads the positions of the records of some time; false when the time or the memory for it ran out.
async fn read(
    client: &Client,
    stream: &str,
    shards: &[String],
    window: (Timestamp, Timestamp),
    records: &mut BTreeSet<RecordKey>,
) -> Result<bool, aws_sdk_kinesis::Error> {
    let until = tokio::time::Instant::now() + MAX_TIME;
    let mut is_complete = true;
    let reads = stream::iter(shards)
        .map(|shard| read_shard(client, stream, shard, window, until))
        .buffered(SHARDS);
    let mut reads = std::pin::pin!(reads);
    while let Some(read) = reads.next().await {
        let (positions, is_whole) = read?;
        records.extend(positions);
        is_complete &= is_whole && records.len() <= MAX_RECORDS;
    }
    Ok(is_complete)
}

async fn read_shard(
    client: &Client,
    stream: &str,
    shard: &str,
    (start, end): (Timestamp, Timestamp),
    until: tokio::time::Instant,
) -> Result<(Vec<RecordKey>, bool), aws_sdk_kinesis::Error> {
    let mut records = Vec::new();
    let Some(number) = shard
        .parse::<ShardId>()
        .ok()
        .and_then(|shard| shard.number())
    else {
        return Ok((records, false));
    };
    let iterator = client
        .get_shard_iterator()
        .stream_name(stream)
        .shard_id(shard)
        .shard_iterator_type(ShardIteratorType::AtTimestamp)
        .timestamp(DateTime::from_secs(start.as_second()))
        .send()
        .await?;
    let mut iterator = iterator.shard_iterator;
    while let Some(current) = iterator {
        if tokio::time::Instant::now() >= until || records.len() > MAX_RECORDS {
            return Ok((records, false));
        }
        let read = client.get_records().shard_iterator(&current).send().await;
        let read = match read {
            Ok(read) => read,
            Err(error) if is_throttled(&error) => {
                // Somebody else reads the shard as well.
                iterator = Some(current);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let is_at_tip = read.millis_behind_latest() == Some(0);
        let mut bytes = 0;
        let mut is_past = false;
        for record in read.records() {
            bytes += record.data().as_ref().len() as u64;
            let arrival = record.approximate_arrival_timestamp();
            is_past = arrival.is_some_and(|arrival| arrival.secs() >= end.as_second());
            if !is_past && let Ok(sequence) = record.sequence_number().parse() {
                records.push((number, sequence));
            }
        }
        iterator = read.next_shard_iterator.filter(|_| !is_past && !is_at_tip);
        if iterator.is_some() {
            let pauses = u32::try_from(bytes / BYTES_PER_PAUSE).unwrap_or(u32::MAX);
            tokio::time::sleep(PAUSE * pauses.saturating_add(1)).await;
        }
    }
    Ok((records, true))
}

fn is_throttled(error: &SdkError<GetRecordsError>) -> bool {
    let error = error.as_service_error();
    error.is_some_and(GetRecordsError::is_provisioned_throughput_exceeded_exception)
}
