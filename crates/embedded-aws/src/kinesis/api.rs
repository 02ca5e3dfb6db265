//! The service's API: JSON 1.1 over `POST /` with `X-Amz-Target`.

mod iterator;
mod model;
mod shards;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event_model::limits::{
    PARTITION_KEY_MAX_CHARS, PUT_RECORDS_MAX_BYTES, PUT_RECORDS_MAX_RECORDS, RECORD_MAX_BYTES,
};
use event_model::{Clock, ShardId, chain};
use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::iterator::ShardIterator;
use self::model::{
    DescribeStreamSummaryInput, GetRecordsInput, GetRecordsOutput, GetShardIteratorInput,
    GetShardIteratorOutput, ListStreamsOutput, PutRecordInput, PutRecordOutput, PutRecordsEntry,
    PutRecordsInput, PutRecordsOutput, Record, StreamDescriptionSummary, StreamId, StreamSummary,
};
use super::store::{NewRecord, Place, ReadLimit, Store, StoreError};
use super::throughput::{ShardLimits, Throughput};

/// Most records that `GetRecords` returns (a Kinesis limit).
const GET_RECORDS_MAX_RECORDS: usize = 10_000;
/// Most bytes that `GetRecords` returns: 10 MiB (a Kinesis limit).
const GET_RECORDS_MAX_BYTES: usize = 10 * 1024 * 1024;

/// The code of what goes beyond a shard's limits.
const THROTTLED: &str = "ProvisionedThroughputExceededException";

/// The account that every name here belongs to.
const ACCOUNT: &str = "000000000000";

/// The service, with its one stream. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Kinesis {
    store: Store,
    stream: String,
    clock: Clock,
    throughput: Throughput,
}

/// An error in the service's own form.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    fn client(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code,
            message: message.into(),
        }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::client("InvalidArgumentException", message)
    }
}

impl From<StoreError> for ApiError {
    fn from(source: StoreError) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: "InternalFailure",
            message: chain(&source),
        }
    }
}

impl Kinesis {
    pub(crate) fn new(store: Store, stream: String, clock: Clock, limits: ShardLimits) -> Self {
        Self {
            store,
            stream,
            clock,
            throughput: Throughput::new(limits),
        }
    }

    /// Returns the stream's ARN.
    pub(crate) fn arn(&self) -> String {
        arn(&self.stream)
    }

    /// Answers a call: status and JSON.
    pub(crate) async fn call(&self, target: &str, body: &[u8]) -> (StatusCode, String) {
        let operation = target
            .split_once('.')
            .map_or(target, |(_, operation)| operation);
        let answer = match operation {
            "PutRecord" => json(self.put_record(read(body)).await),
            "PutRecords" => json(self.put_records(read(body)).await),
            "DescribeStreamSummary" => json(self.describe_stream_summary(read(body))),
            "ListStreams" => json(Ok(self.list_streams())),
            "SplitShard" => json(self.split_shard(read(body)).await),
            "MergeShards" => json(self.merge_shards(read(body)).await),
            "ListShards" => json(self.list_shards(read(body))),
            "GetShardIterator" => json(self.get_shard_iterator(read(body))),
            "GetRecords" => json(self.get_records(read(body))),
            _ => Err(ApiError::client(
                "UnknownOperationException",
                format!("The embedded stack does not have the operation {operation}."),
            )),
        };
        answer.map_or_else(
            |ApiError {
                 status,
                 code,
                 message,
             }| {
                (
                    status,
                    serde_json::json!({"__type": code, "message": message}).to_string(),
                )
            },
            |body| (StatusCode::OK, body),
        )
    }

    fn check_stream(&self, id: &StreamId) -> Result<(), ApiError> {
        let is_ours = match (&id.stream_name, &id.stream_arn) {
            (Some(name), _) => *name == self.stream,
            (None, Some(arn)) => *arn == self.arn(),
            (None, None) => {
                return Err(ApiError::invalid(
                    "Either StreamName or StreamARN is required.",
                ));
            }
        };
        if is_ours {
            return Ok(());
        }
        let name = id
            .stream_name
            .as_deref()
            .or(id.stream_arn.as_deref())
            .unwrap_or_default();
        let message = format!("Stream {name} under account {ACCOUNT} not found.");
        Err(ApiError::client("ResourceNotFoundException", message))
    }

    async fn put_record(
        &self,
        input: Result<PutRecordInput, ApiError>,
    ) -> Result<PutRecordOutput, ApiError> {
        let input = input?;
        self.check_stream(&input.stream)?;
        let record = new_record(input.record)?;
        let shard = self.shard_of(&record);
        if !self.throughput.put(shard, size(&record)) {
            return Err(ApiError::client(THROTTLED, self.rate_exceeded(shard)));
        }
        let places = self.store.append(vec![record]).await?;
        let place = places.first().ok_or(StoreError::Closed)?;
        Ok(put_record_output(place))
    }

    async fn put_records(
        &self,
        input: Result<PutRecordsInput, ApiError>,
    ) -> Result<PutRecordsOutput, ApiError> {
        let input = input?;
        self.check_stream(&input.stream)?;
        if input.records.is_empty() || input.records.len() > PUT_RECORDS_MAX_RECORDS {
            return Err(ApiError::invalid(format!(
                "{} records; one call takes 1 to {PUT_RECORDS_MAX_RECORDS}.",
                input.records.len()
            )));
        }
        let records: Vec<_> = input
            .records
            .into_iter()
            .map(new_record)
            .collect::<Result<_, _>>()?;
        let bytes: usize = records.iter().map(size).sum();
        if bytes > PUT_RECORDS_MAX_BYTES {
            return Err(ApiError::invalid(format!(
                "{bytes} bytes; one call takes {PUT_RECORDS_MAX_BYTES}."
            )));
        }
        // Those that their shard takes, and for the others the shard.
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        for record in records {
            let shard = self.shard_of(&record);
            if self.throughput.put(shard, size(&record)) {
                taken.push(record);
                refused.push(None);
            } else {
                refused.push(Some(shard));
            }
        }
        let failed_record_count = refused.len() - taken.len();
        let mut places = if taken.is_empty() {
            Vec::new().into_iter()
        } else {
            self.store.append(taken).await?.into_iter()
        };
        let records = refused.into_iter().map(|refused| {
            if let Some(shard) = refused {
                return Ok(PutRecordsEntry::Failed {
                    error_code: THROTTLED,
                    error_message: self.rate_exceeded(shard),
                });
            }
            let place = places.next().ok_or(StoreError::Closed)?;
            Ok(PutRecordsEntry::Stored(put_record_output(&place)))
        });
        let records = records.collect::<Result<_, StoreError>>()?;
        Ok(PutRecordsOutput {
            failed_record_count,
            records,
        })
    }

    /// Returns the shard that a record goes to.
    fn shard_of(&self, record: &NewRecord) -> u32 {
        let state = self.store.state();
        let shard = state.borrow().topology.open_shard(record.hash_key());
        // The open shards cover every hash key.
        shard.unwrap_or_default()
    }

    fn rate_exceeded(&self, shard: u32) -> String {
        format!(
            "Rate exceeded for shard {} in stream {} under account {ACCOUNT}.",
            ShardId::from_number(shard),
            self.stream
        )
    }

    fn describe_stream_summary(
        &self,
        input: Result<DescribeStreamSummaryInput, ApiError>,
    ) -> Result<StreamDescriptionSummary, ApiError> {
        self.check_stream(&input?.stream)?;
        Ok(StreamDescriptionSummary::new(
            self.summary(),
            self.store
                .state()
                .borrow()
                .topology
                .shards()
                .filter(|(_, info)| !info.is_closed)
                .count(),
        ))
    }

    fn list_streams(&self) -> ListStreamsOutput {
        let summary = self.summary();
        ListStreamsOutput {
            has_more_streams: false,
            stream_names: vec![summary.stream_name.clone()],
            stream_summaries: vec![summary],
        }
    }

    fn summary(&self) -> StreamSummary {
        StreamSummary {
            stream_name: self.stream.clone(),
            stream_arn: self.arn(),
            stream_status: "ACTIVE",
            stream_creation_timestamp: seconds(self.store.created_ms()),
        }
    }

    fn get_shard_iterator(
        &self,
        input: Result<GetShardIteratorInput, ApiError>,
    ) -> Result<GetShardIteratorOutput, ApiError> {
        let input = input?;
        self.check_stream(&input.stream)?;
        let shard = self.shard(&input.shard_id)?;
        let counter = || {
            let number = input.starting_sequence_number.as_deref().ok_or_else(|| {
                ApiError::invalid(format!(
                    "{} needs a StartingSequenceNumber.",
                    input.shard_iterator_type
                ))
            })?;
            let number = number
                .parse()
                .ok()
                .and_then(|number| self.store.counter(shard, number));
            number.ok_or_else(|| {
                ApiError::invalid("StartingSequenceNumber is not one of this shard's.")
            })
        };
        let after = match input.shard_iterator_type.as_str() {
            "TRIM_HORIZON" => 0,
            "LATEST" => self.store.end(shard),
            "AT_SEQUENCE_NUMBER" => counter()?.saturating_sub(1),
            "AFTER_SEQUENCE_NUMBER" => counter()?,
            "AT_TIMESTAMP" => {
                let timestamp = input
                    .timestamp
                    .ok_or_else(|| ApiError::invalid("AT_TIMESTAMP needs a Timestamp."))?;
                self.store.before(shard, millis(timestamp))?
            }
            other => {
                return Err(ApiError::invalid(format!(
                    "There is no ShardIteratorType {other}."
                )));
            }
        };
        let iterator = ShardIterator {
            shard,
            after,
            issued_ms: self.clock.unix_millis(),
        };
        Ok(GetShardIteratorOutput {
            shard_iterator: iterator.to_string(),
        })
    }

    fn get_records(
        &self,
        input: Result<GetRecordsInput, ApiError>,
    ) -> Result<GetRecordsOutput, ApiError> {
        let input = input?;
        let now_ms = self.clock.unix_millis();
        let iterator: ShardIterator = input
            .shard_iterator
            .parse()
            .map_err(|()| ApiError::invalid("Invalid ShardIterator."))?;
        let state = self.store.state().borrow().clone();
        if state.topology.get(iterator.shard).is_none() {
            return Err(ApiError::invalid("Invalid ShardIterator."));
        }
        if iterator.is_expired(now_ms) {
            let message = "Iterator expired; it holds for 5 minutes.";
            return Err(ApiError::client("ExpiredIteratorException", message));
        }
        let records = input.limit.unwrap_or(GET_RECORDS_MAX_RECORDS);
        if !(1..=GET_RECORDS_MAX_RECORDS).contains(&records) {
            return Err(ApiError::invalid(format!(
                "Limit is {records}; take 1 to {GET_RECORDS_MAX_RECORDS}."
            )));
        }
        if !self.throughput.begin_read(iterator.shard) {
            let message = self.rate_exceeded(iterator.shard);
            return Err(ApiError::client(THROTTLED, message));
        }
        let limit = ReadLimit {
            records,
            bytes: GET_RECORDS_MAX_BYTES,
        };
        let stored = self.store.read(iterator.shard, iterator.after, limit)?;
        let bytes = stored.iter().map(|record| record.data.len()).sum();
        self.throughput.end_read(iterator.shard, bytes);
        let after = stored
            .last()
            .map_or(iterator.after, |record| record.counter);
        let is_at_end = after >= state.end(iterator.shard);
        let is_over = is_at_end && state.is_closed(iterator.shard);
        let behind = stored
            .last()
            .filter(|_| !is_at_end)
            .map_or(0, |record| now_ms.saturating_sub(record.arrival_ms));
        let next = ShardIterator {
            after,
            issued_ms: now_ms,
            ..iterator
        };
        let record = |record: super::store::StoredRecord| Record {
            sequence_number: record.sequence_number.to_string(),
            approximate_arrival_timestamp: seconds(record.arrival_ms),
            data: STANDARD.encode(record.data),
            partition_key: record.partition_key,
        };
        Ok(GetRecordsOutput {
            records: stored.into_iter().map(record).collect(),
            next_shard_iterator: (!is_over).then(|| next.to_string()),
            millis_behind_latest: behind,
            child_shards: is_over.then(|| shards::children(&state.topology, iterator.shard)),
        })
    }
}

/// Returns a stream's ARN.
fn arn(stream: &str) -> String {
    format!("arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{stream}")
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::client("SerializationException", error.to_string()))
}

fn json(output: Result<impl Serialize, ApiError>) -> Result<String, ApiError> {
    // Plain structs of text and numbers always serialise.
    output.map(|output| serde_json::to_string(&output).unwrap_or_default())
}

fn new_record(entry: model::Entry) -> Result<NewRecord, ApiError> {
    let characters = entry.partition_key.chars().count();
    if !(1..=PARTITION_KEY_MAX_CHARS).contains(&characters) {
        return Err(ApiError::invalid(format!(
            "A PartitionKey has {characters} characters; it may have 1 to {PARTITION_KEY_MAX_CHARS}."
        )));
    }
    let data = STANDARD
        .decode(&entry.data)
        .map_err(|_| ApiError::client("SerializationException", "Data is not base64."))?;
    let explicit_hash_key = match entry.explicit_hash_key.as_deref() {
        None => None,
        Some(key) => Some(key.parse().map_err(|_| {
            ApiError::invalid(format!("ExplicitHashKey {key} is not a 128-bit number."))
        })?),
    };
    let record = NewRecord {
        partition_key: entry.partition_key,
        explicit_hash_key,
        data,
    };
    if size(&record) > RECORD_MAX_BYTES {
        return Err(ApiError::invalid(format!(
            "A record has {} bytes; it may have {RECORD_MAX_BYTES}.",
            size(&record)
        )));
    }
    Ok(record)
}

fn size(record: &NewRecord) -> usize {
    record.data.len() + record.partition_key.len()
}

fn put_record_output(place: &Place) -> PutRecordOutput {
    PutRecordOutput {
        shard_id: ShardId::from_number(place.shard).to_string(),
        sequence_number: place.sequence_number.to_string(),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the service writes times as seconds with a fraction"
)]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a time beyond the range of milliseconds is its end"
)]
fn millis(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}
