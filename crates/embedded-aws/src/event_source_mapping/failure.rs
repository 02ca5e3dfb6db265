//! Records that are given up → what the on-failure destination is invocation.
//!
//! Source: [discarded batches](https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html). A queue gets
//! the metadata, a bucket the metadata and the whole invocation.

use std::fmt;

use event_model::ShardId;
use jiff::Timestamp;
use md5::{Digest as _, Md5};
use serde::Serialize;

use super::event;
use crate::kinesis::store::StoredRecord;

/// Why records are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Condition {
    /// The retry limit is reached.
    RetryAttemptsExhausted,
    /// They are older than the age limit.
    RecordAgeExceeded,
}

impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

/// What the function did when it last had the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastAnswer {
    /// It named records that failed.
    Partial,
    /// It failed.
    Error,
}

/// Records that are given up, and why.
pub(super) struct Discarded<'a> {
    pub(super) stream_arn: &'a str,
    pub(super) shard: u32,
    /// At least one.
    pub(super) records: &'a [StoredRecord],
    pub(super) condition: Condition,
    pub(super) invocations: u32,
    /// None when the records were never handed to the function.
    pub(super) last_answer: Option<LastAnswer>,
    /// Milliseconds since 1970-01-01 UTC.
    pub(super) now_ms: i64,
}

/// What a destination is invocation of an invocation that failed for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FailedInvocation {
    /// Key of the object on a bucket: `aws/lambda/<mapping>/<shard>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<id>`.
    pub(crate) key: String,
    /// The metadata, as JSON.
    pub(crate) metadata: String,
    /// The metadata and the whole invocation, as JSON.
    pub(crate) whole: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation<'a> {
    request_context: RequestContext,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<ResponseContext>,
    version: &'static str,
    timestamp: String,
    #[serde(rename = "KinesisBatchInfo")]
    batch: BatchInfo<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    request_id: String,
    function_arn: &'static str,
    condition: Condition,
    approximate_invoke_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext {
    status_code: u16,
    executed_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchInfo<'a> {
    shard_id: String,
    start_sequence_number: String,
    end_sequence_number: String,
    approximate_arrival_of_first_record: String,
    approximate_arrival_of_last_record: String,
    batch_size: usize,
    stream_arn: &'a str,
}

impl Discarded<'_> {
    pub(super) fn to_invocation(&self) -> FailedInvocation {
        let id = self.id();
        let text = |payload| {
            // A plain struct of text and numbers always serialises.
            serde_json::to_string(&self.invocation(&id, payload)).unwrap_or_default()
        };
        let payload = event::of_batch(self.stream_arn, self.shard, self.records);
        FailedInvocation {
            key: self.key(&id),
            metadata: text(None),
            whole: text(Some(payload)),
        }
    }

    fn invocation(&self, id: &str, payload: Option<String>) -> Invocation<'_> {
        let response = |answer| ResponseContext {
            status_code: 200,
            executed_version: "$LATEST",
            function_error: (answer == LastAnswer::Error).then_some("Unhandled"),
        };
        let sequence_number = |record: Option<&StoredRecord>| {
            record
                .map(|record| record.sequence_number.to_string())
                .unwrap_or_default()
        };
        let arrival =
            |record: Option<&StoredRecord>| iso(record.map_or(0, |record| record.arrival_ms));
        let (first, last) = (self.records.first(), self.records.last());
        Invocation {
            request_context: RequestContext {
                request_id: id.to_owned(),
                function_arn: "arn:aws:lambda:us-east-1:000000000000:function:stream-cleaner",
                condition: self.condition,
                approximate_invoke_count: self.invocations,
            },
            response_context: self.last_answer.map(response),
            version: "1.0",
            timestamp: iso(self.now_ms),
            batch: BatchInfo {
                shard_id: ShardId::from_number(self.shard).to_string(),
                start_sequence_number: sequence_number(first),
                end_sequence_number: sequence_number(last),
                approximate_arrival_of_first_record: arrival(first),
                approximate_arrival_of_last_record: arrival(last),
                batch_size: self.records.len(),
                stream_arn: self.stream_arn,
            },
            payload,
        }
    }

    fn key(&self, id: &str) -> String {
        let shard = ShardId::from_number(self.shard);
        let mapping = uuid(&[self.stream_arn]);
        let day = timestamp(self.now_ms).strftime("%Y/%m/%d");
        let time = timestamp(self.now_ms).strftime("%Y-%m-%dT%H.%M.%S");
        format!("aws/lambda/{mapping}/{shard}/{day}/{time}-{id}")
    }

    /// Returns an id that is the same when the same records are given up again at the same time: it is written once.
    fn id(&self) -> String {
        let ends = [self.records.first(), self.records.last()];
        let [first, last] = ends.map(|record| {
            record.map_or(String::new(), |record| record.sequence_number.to_string())
        });
        uuid(&[
            self.stream_arn,
            &self.shard.to_string(),
            &first,
            &last,
            &self.now_ms.to_string(),
        ])
    }
}

/// Returns the MD5 of some parts in the form of a UUID.
fn uuid(parts: &[&str]) -> String {
    let hash = u128::from_be_bytes(Md5::digest(parts.join("/")).into());
    let digits = format!("{hash:032x}");
    let parts =
        [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| digits.get(range).unwrap_or_default());
    parts.join("-")
}

fn iso(unix_ms: i64) -> String {
    timestamp(unix_ms)
        .strftime("%Y-%m-%dT%H:%M:%S.%3fZ")
        .to_string()
}

fn timestamp(unix_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(unix_ms).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use event_model::SequenceNumber;
    use serde_json::{Value, json};

    use super::*;

    fn record(number: u64) -> StoredRecord {
        StoredRecord {
            counter: number,
            sequence_number: SequenceNumber::from_limbs([0, 0, number]),
            arrival_ms: 1_573_691_884_000 + i64::try_from(number).unwrap(),
            partition_key: "k".to_owned(),
            data: b"{}".to_vec(),
        }
    }

    fn discarded(records: &[StoredRecord], last_answer: Option<LastAnswer>) -> FailedInvocation {
        Discarded {
            stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/events",
            shard: 1,
            records,
            condition: Condition::RetryAttemptsExhausted,
            invocations: 3,
            last_answer,
            now_ms: 1_573_691_886_021,
        }
        .to_invocation()
    }

    #[test]
    fn a_queue_gets_the_metadata_in_awss_form() {
        let invocation = discarded(&[record(7), record(9)], Some(LastAnswer::Error));
        let metadata: Value = serde_json::from_str(&invocation.metadata).unwrap();
        assert_eq!(
            metadata,
            json!({
                "requestContext": {
                    "requestId": metadata["requestContext"]["requestId"],
                    "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:stream-cleaner",
                    "condition": "RetryAttemptsExhausted",
                    "approximateInvokeCount": 3,
                },
                "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
                "version": "1.0",
                "timestamp": "2019-11-14T00:38:06.021Z",
                "KinesisBatchInfo": {
                    "shardId": "shardId-000000000001",
                    "startSequenceNumber": "7",
                    "endSequenceNumber": "9",
                    "approximateArrivalOfFirstRecord": "2019-11-14T00:38:04.007Z",
                    "approximateArrivalOfLastRecord": "2019-11-14T00:38:04.009Z",
                    "batchSize": 2,
                    "streamArn": "arn:aws:kinesis:us-east-1:000000000000:stream/events",
                },
            })
        );
    }

    #[test]
    fn a_bucket_gets_the_whole_invocation_too() {
        let invocation = discarded(&[record(7)], Some(LastAnswer::Partial));
        let whole: Value = serde_json::from_str(&invocation.whole).unwrap();
        assert_eq!(
            whole["responseContext"],
            json!({"statusCode": 200, "executedVersion": "$LATEST"})
        );
        let payload: Value = serde_json::from_str(whole["payload"].as_str().unwrap()).unwrap();
        assert_eq!(payload["Records"][0]["kinesis"]["sequenceNumber"], "7");
        let id = whole["requestContext"]["requestId"].as_str().unwrap();
        let mapping = uuid(&["arn:aws:kinesis:us-east-1:000000000000:stream/events"]);
        let key = format!(
            "aws/lambda/{mapping}/shardId-000000000001/2019/11/14/2019-11-14T00.38.06-{id}"
        );
        assert_eq!(invocation.key, key);
        assert_eq!(id.len(), 36);
    }

    #[test]
    fn records_that_no_function_saw_have_no_response() {
        let invocation = discarded(&[record(7)], None);
        assert!(!invocation.metadata.contains("responseContext"));
    }
}
