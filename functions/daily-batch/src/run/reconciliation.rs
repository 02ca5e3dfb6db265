//! Reconciliation: is every record that the stream took in `clean/` or in `quarantine/`?

use std::collections::HashSet;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::DisplayErrorContext;
use aws_sdk_kinesis::types::{ShardIteratorType, StreamDescriptionSummary, StreamModeDetails};
use daily_report::summary::{Reconciliation, StreamMode, StreamUsage};
use event_model::{Clock, Kind, SequenceNumber, ShardId, chain};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use lake::key::{CLEAN_PREFIX, QUARANTINE_PREFIX};
use tracing::{error, warn};

use crate::error::RowsError;
use crate::storage::objects::{fetch, list};
use crate::{DailyError, Lake};

/// Most records that are looked for: they are kept in memory until they are found.
const MAX_RECORDS: usize = 4_000_000;
/// How long the stream is read, at most.
const MAX_TIME: SignedDuration = SignedDuration::from_secs(120);
/// A record that is missing and younger than this may be waiting for its batch, or for a retry.
const GRACE: SignedDuration = SignedDuration::from_mins(10);
/// Objects that are fetched at once.
const FETCHES: usize = 16;

/// The stream that a reconciliation reads. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stream {
    client: Client,
    name: String,
}

/// Number of the shard, and sequence number: a [`event_model::Position`] in 32 bytes.
type RecordKey = (u32, SequenceNumber);

impl Stream {
    /// Makes the stream.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self {
            client,
            name: name.into(),
        }
    }
}

/// Records that are still on the stream.
#[derive(Default)]
struct Accepted {
    /// Dates on which they may have arrived.
    dates: Vec<Date>,
    /// `None` when the stream could not be looked at.
    stream: Option<StreamUsage>,
    settled: HashSet<RecordKey>,
    /// Records within the time of grace.
    recent: HashSet<RecordKey>,
    /// Records whose position cannot be read, as shard and sequence number: none can be looked up.
    unreadable: Vec<(String, String)>,
    is_complete: bool,
}

/// Looks in the lake for every record that the stream still has, from the run date on until now.
///
/// So runs that are a day apart look at each record of a stream that keeps them for a day, but for those that are within the
/// time of grace. Returns as well what the stream was found to be. A stream that cannot be read makes the check incomplete, not the run
/// fail: the tables are right without it.
pub(crate) async fn reconcile(
    lake: &Lake,
    stream: Option<&Stream>,
    run_date: Date,
    clock: &Clock,
) -> Result<(Reconciliation, Option<StreamUsage>), DailyError> {
    let Some(stream) = stream else {
        return Ok((Reconciliation::default(), None));
    };
    let accepted = read_stream(stream, run_date, clock).await.unwrap_or_else(|error| {
        let error = DisplayErrorContext(&error);
        warn!(stream = stream.name, error = %error, "Could not read the stream for the reconciliation");
        Accepted::default()
    });
    let Accepted {
        dates,
        stream: stream_usage,
        mut settled,
        mut recent,
        unreadable,
        is_complete,
    } = accepted;
    let total = settled.len() + recent.len() + unreadable.len();
    let mut is_complete = is_complete;
    for date in dates {
        if settled.is_empty() && recent.is_empty() {
            break;
        }
        for (key, positions) in positions_of(lake, date).await? {
            let positions = positions.unwrap_or_else(|error| {
                let error = chain(&error);
                warn!(
                    lake.key = key,
                    error, "Left `{key}` out of the reconciliation: it cannot be read"
                );
                is_complete = false;
                Vec::new()
            });
            for position in positions {
                settled.remove(&position);
                recent.remove(&position);
            }
        }
    }
    for (shard, number) in settled.iter().take(10) {
        error!(
            record.shard = %ShardId::from_number(*shard),
            record.sequence_number = %number,
            "An accepted record is neither clean nor in quarantine"
        );
    }
    for (shard, number) in unreadable.iter().take(10) {
        error!(
            record.shard = shard,
            record.sequence_number = number,
            "The position of an accepted record cannot be read, so it is not accounted for"
        );
    }
    let missing = settled.len() + unreadable.len();
    let reconciliation = Reconciliation {
        accepted: (total - recent.len()) as u64,
        found: (total - recent.len() - missing) as u64,
        unaccounted: missing as u64,
        is_complete,
    };
    Ok((reconciliation, stream_usage))
}

async fn read_stream(
    stream: &Stream,
    run_date: Date,
    clock: &Clock,
) -> Result<Accepted, aws_sdk_kinesis::Error> {
    let started = now(clock);
    let summary = stream
        .client
        .describe_stream_summary()
        .stream_name(&stream.name)
        .send()
        .await?;
    let summary = summary.stream_description_summary();
    let hours = summary.map_or(24, StreamDescriptionSummary::retention_period_hours);
    let oldest = started
        .saturating_sub(SignedDuration::from_hours(i64::from(hours)))
        .unwrap_or(Timestamp::MIN);
    let start = start_of(run_date).max(oldest);
    let date = |time: Timestamp| time.to_zoned(TimeZone::UTC).date();
    let mut accepted = Accepted {
        dates: date(start)
            .series(1.day())
            .take_while(|day| *day <= date(started))
            .collect(),
        stream: summary.map(stream_usage),
        is_complete: true,
        ..Accepted::default()
    };
    for shard in shards(stream).await? {
        let number = shard
            .parse::<ShardId>()
            .ok()
            .and_then(|shard| shard.number());
        let iterator = stream
            .client
            .get_shard_iterator()
            .stream_name(&stream.name)
            .shard_id(&shard)
            .shard_iterator_type(ShardIteratorType::AtTimestamp)
            .timestamp(aws_sdk_kinesis::primitives::DateTime::from_secs(
                start.as_second(),
            ))
            .send()
            .await?;
        let mut iterator = iterator.shard_iterator;
        while let Some(current) = iterator {
            if accepted.settled.len() > MAX_RECORDS || now(clock).duration_since(started) > MAX_TIME
            {
                accepted.is_complete = false;
                return Ok(accepted);
            }
            let read = stream
                .client
                .get_records()
                .shard_iterator(current)
                .send()
                .await?;
            let is_at_end = read.millis_behind_latest() == Some(0) && read.records().is_empty();
            for record in read.records() {
                let arrival = record
                    .approximate_arrival_timestamp()
                    .map_or(start, |time| {
                        Timestamp::from_nanosecond(time.as_nanos()).unwrap_or(start)
                    });
                let sequence = record.sequence_number();
                let (Some(number), Ok(sequence)) = (number, sequence.parse()) else {
                    accepted
                        .unreadable
                        .push((shard.clone(), sequence.to_owned()));
                    continue;
                };
                let is_recent = arrival > started.saturating_sub(GRACE).unwrap_or(Timestamp::MIN);
                let set = if is_recent {
                    &mut accepted.recent
                } else {
                    &mut accepted.settled
                };
                set.insert((number, sequence));
            }
            iterator = read.next_shard_iterator.filter(|_| !is_at_end);
        }
    }
    Ok(accepted)
}

fn stream_usage(summary: &StreamDescriptionSummary) -> StreamUsage {
    let mode = summary
        .stream_mode_details()
        .map(StreamModeDetails::stream_mode);
    StreamUsage {
        mode: match mode {
            Some(aws_sdk_kinesis::types::StreamMode::OnDemand) => StreamMode::OnDemand,
            _ => StreamMode::Provisioned,
        },
        shards: u32::try_from(summary.open_shard_count()).unwrap_or_default(),
        retention_hours: u32::try_from(summary.retention_period_hours()).unwrap_or_default(),
    }
}

async fn shards(stream: &Stream) -> Result<Vec<String>, aws_sdk_kinesis::Error> {
    let mut shards = Vec::new();
    let mut token = None;
    loop {
        let request = stream.client.list_shards();
        // A token includes the stream.
        let request = match token {
            Some(token) => request.next_token(token),
            None => request.stream_name(&stream.name),
        };
        let page = request.send().await?;
        shards.extend(
            page.shards()
                .iter()
                .map(|shard| shard.shard_id().to_owned()),
        );
        token = page.next_token;
        if token.is_none() {
            return Ok(shards);
        }
    }
}

fn start_of(date: Date) -> Timestamp {
    date.to_zoned(TimeZone::UTC)
        .map_or(Timestamp::MIN, |time| time.timestamp())
}

fn now(clock: &Clock) -> Timestamp {
    Timestamp::from_millisecond(clock.unix_millis()).unwrap_or(Timestamp::MAX)
}

type ObjectPositions = (String, Result<Vec<RecordKey>, RowsError>);

/// Returns the positions of the rows and rejected records of the objects of a date.
async fn positions_of(lake: &Lake, date: Date) -> Result<Vec<ObjectPositions>, DailyError> {
    let clean = Kind::ALL.map(|kind| format!("{CLEAN_PREFIX}{kind}/date={date}/"));
    let prefixes = clean
        .into_iter()
        .chain([format!("{QUARANTINE_PREFIX}date={date}/")]);
    let mut keys = Vec::new();
    for prefix in prefixes {
        let found = list(lake.store().as_ref(), &prefix).await?;
        keys.extend(found.into_iter().map(|meta| meta.location));
    }
    stream::iter(keys)
        .map(|path| async move {
            let bytes = fetch(lake.store().as_ref(), &path).await?;
            let positions = positions(path.as_ref(), bytes);
            Ok((path.to_string(), positions))
        })
        .buffered(FETCHES)
        .try_collect()
        .await
}

fn positions(key: &str, bytes: bytes::Bytes) -> Result<Vec<RecordKey>, RowsError> {
    let texts = if key.starts_with(QUARANTINE_PREFIX) {
        let records = lake::quarantine::read_quarantine(&bytes)?;
        records
            .iter()
            .map(lake::QuarantineRecord::position)
            .collect()
    } else {
        lake::reader::read_positions(bytes)?
    };
    let mut keys = Vec::with_capacity(texts.len());
    for position in texts {
        // A row whose position cannot be read accounts for no record.
        let shard = position.shard.parse::<ShardId>().ok();
        let number = shard.and_then(|shard| shard.number());
        let sequence = position.sequence.parse::<lake::Sequence>().ok();
        keys.extend(number.zip(sequence.map(|sequence| sequence.number)));
    }
    Ok(keys)
}
