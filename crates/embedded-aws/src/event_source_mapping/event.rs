//! A batch of records → the JSON of the event that Lambda invokes a function with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event_model::ShardId;
use serde::Serialize;

use crate::kinesis::store::StoredRecord;

/// Bytes of an event's JSON besides a record's data in base64 and its partition key: more than names, numbers and ARN take.
const RECORD_OVERHEAD_BYTES: usize = 700;

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "Records")]
    records: Vec<Record<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    kinesis: Kinesis<'a>,
    event_source: &'static str,
    event_version: &'static str,
    #[serde(rename = "eventID")]
    event_id: String,
    event_name: &'static str,
    invoke_identity_arn: &'static str,
    aws_region: &'static str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the fields have Lambda's names")]
struct Kinesis<'a> {
    kinesis_schema_version: &'static str,
    partition_key: &'a str,
    sequence_number: String,
    data: String,
    /// Seconds since 1970-01-01 UTC, to the millisecond.
    approximate_arrival_timestamp: f64,
}

/// Returns the event of a batch.
pub(super) fn of_batch(stream_arn: &str, shard: u32, batch: &[StoredRecord]) -> String {
    let shard = ShardId::from_number(shard);
    let record = |record| of_record(stream_arn, &shard, record);
    let event = Event {
        records: batch.iter().map(record).collect(),
    };
    // Plain structs of text and numbers always serialise.
    serde_json::to_string(&event).unwrap_or_default()
}

fn of_record<'a>(stream_arn: &'a str, shard: &ShardId, record: &'a StoredRecord) -> Record<'a> {
    let sequence_number = record.sequence_number.to_string();
    #[expect(
        clippy::cast_precision_loss,
        reason = "the event has times as seconds with a fraction"
    )]
    let approximate_arrival_timestamp = record.arrival_ms as f64 / 1000.0;
    Record {
        event_id: format!("{shard}:{sequence_number}"),
        kinesis: Kinesis {
            kinesis_schema_version: "1.0",
            partition_key: &record.partition_key,
            sequence_number,
            data: STANDARD.encode(&record.data),
            approximate_arrival_timestamp,
        },
        event_source: "aws:kinesis",
        event_version: "1.0",
        event_name: "aws:kinesis:record",
        invoke_identity_arn: "arn:aws:iam::000000000000:role/stream-cleaner",
        aws_region: "us-east-1",
        event_source_arn: stream_arn,
    }
}

/// Returns an upper bound of the bytes that a record takes in the event.
pub(super) fn size(record: &StoredRecord) -> usize {
    record.data.len().div_ceil(3) * 4 + 2 * record.partition_key.len() + RECORD_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use event_model::SequenceNumber;

    use super::*;

    #[test]
    fn an_event_has_lambdas_fields_and_stays_below_the_bound() {
        let record = StoredRecord {
            counter: 1,
            sequence_number: SequenceNumber::from_limbs([u64::MAX >> 6, u64::MAX, u64::MAX]),
            arrival_ms: 1_545_084_650_987,
            partition_key: "pin/1".to_owned(),
            data: b"{}".to_vec(),
        };
        let event = of_batch(
            "arn:aws:kinesis:us-east-1:000000000000:stream/events",
            6,
            std::slice::from_ref(&record),
        );
        assert!(event.len() < size(&record) + 20, "{}", event.len());
        let event: serde_json::Value = serde_json::from_str(&event).unwrap();
        let record = &event["Records"][0];
        assert_eq!(
            record["eventID"],
            format!(
                "shardId-000000000006:{}",
                record["kinesis"]["sequenceNumber"].as_str().unwrap()
            )
        );
        assert_eq!(
            record["kinesis"]["approximateArrivalTimestamp"],
            1_545_084_650.987
        );
        assert_eq!(record["kinesis"]["data"], "e30=");
        assert_eq!(record["eventSource"], "aws:kinesis");
        assert_eq!(record["awsRegion"], "us-east-1");
    }
}
