//! The requests and answers of the API, as far as they are read and written here.

#![expect(
    clippy::struct_field_names,
    reason = "the fields have the service's names"
)]

use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StreamId {
    pub(super) stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    /// In base64.
    pub(super) data: String,
    pub(super) partition_key: String,
    pub(super) explicit_hash_key: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct PutRecordInput {
    #[serde(flatten)]
    pub(super) stream: StreamId,
    #[serde(flatten)]
    pub(super) record: Entry,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecordOutput {
    pub(super) shard_id: String,
    pub(super) sequence_number: String,
}

#[derive(Deserialize)]
pub(super) struct PutRecordsInput {
    #[serde(flatten)]
    pub(super) stream: StreamId,
    #[serde(rename = "Records")]
    pub(super) records: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRecordsOutput {
    pub(super) failed_record_count: usize,
    pub(super) records: Vec<PutRecordsEntry>,
}

/// What became of a record of `PutRecords`.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum PutRecordsEntry {
    Stored(PutRecordOutput),
    #[serde(rename_all = "PascalCase")]
    Failed {
        error_code: &'static str,
        error_message: String,
    },
}

#[derive(Deserialize)]
pub(super) struct DescribeStreamSummaryInput {
    #[serde(flatten)]
    pub(super) stream: StreamId,
}

#[derive(Deserialize)]
pub(super) struct ListShardsInput {
    #[serde(flatten)]
    pub(super) stream: StreamId,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StreamSummary {
    pub(super) stream_name: String,
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: String,
    pub(super) stream_status: &'static str,
    /// Seconds since 1970-01-01 UTC.
    pub(super) stream_creation_timestamp: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StreamDescriptionSummary {
    stream_description_summary: Description,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    #[serde(flatten)]
    summary: StreamSummary,
    retention_period_hours: u32,
    enhanced_monitoring: [EnhancedMetrics; 1],
    encryption_type: &'static str,
    open_shard_count: usize,
    consumer_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EnhancedMetrics {
    shard_level_metrics: [&'static str; 0],
}

impl StreamDescriptionSummary {
    pub(super) fn new(summary: StreamSummary, open_shard_count: usize) -> Self {
        Self {
            stream_description_summary: Description {
                summary,
                retention_period_hours: 24,
                enhanced_monitoring: [EnhancedMetrics {
                    shard_level_metrics: [],
                }],
                encryption_type: "NONE",
                open_shard_count,
                consumer_count: 0,
            },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListStreamsOutput {
    pub(super) has_more_streams: bool,
    pub(super) stream_names: Vec<String>,
    pub(super) stream_summaries: Vec<StreamSummary>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListShardsOutput {
    pub(super) shards: Vec<Shard>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Shard {
    pub(super) shard_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parent_shard_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) adjacent_parent_shard_id: Option<String>,
    pub(super) hash_key_range: HashKeyRange,
    pub(super) sequence_number_range: SequenceNumberRange,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChildShard {
    pub(super) shard_id: String,
    pub(super) parent_shards: Vec<String>,
    pub(super) hash_key_range: HashKeyRange,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SplitShardInput {
    #[serde(flatten)]
    pub(super) stream: StreamId,
    pub(super) shard_to_split: String,
    pub(super) new_starting_hash_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MergeShardsInput {
    #[serde(flatten)]
    pub(super) stream: StreamId,
    pub(super) shard_to_merge: String,
    pub(super) adjacent_shard_to_merge: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HashKeyRange {
    pub(super) starting_hash_key: String,
    pub(super) ending_hash_key: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SequenceNumberRange {
    pub(super) starting_sequence_number: String,
    /// None while the shard is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ending_sequence_number: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetShardIteratorInput {
    #[serde(flatten)]
    pub(super) stream: StreamId,
    pub(super) shard_id: String,
    pub(super) shard_iterator_type: String,
    pub(super) starting_sequence_number: Option<String>,
    /// Seconds since 1970-01-01 UTC.
    pub(super) timestamp: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetShardIteratorOutput {
    pub(super) shard_iterator: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetRecordsInput {
    pub(super) shard_iterator: String,
    pub(super) limit: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetRecordsOutput {
    pub(super) records: Vec<Record>,
    /// None at the end of a shard that is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_shard_iterator: Option<String>,
    pub(super) millis_behind_latest: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) child_shards: Option<Vec<ChildShard>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Record {
    pub(super) sequence_number: String,
    /// Seconds since 1970-01-01 UTC.
    pub(super) approximate_arrival_timestamp: f64,
    /// In base64.
    pub(super) data: String,
    pub(super) partition_key: String,
}
