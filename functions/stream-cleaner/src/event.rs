//! The event that Lambda makes from a batch of Kinesis records.
//!
//! `aws_lambda_events` 1.2 has the same type, but reads the fraction of `approximateArrivalTimestamp` as a count of
//! milliseconds however many digits it has, so that `1607497475.12` becomes 12 ms after the second and not 120. The order
//! of arrival decides which version of a row is the latest, so the time is read here; a test holds the difference.

use aws_lambda_events::encodings::Base64Data;
use serde::{Deserialize, Deserializer};

/// A batch of records from one shard.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct KinesisEvent {
    /// The records, in the order of their sequence numbers.
    #[serde(rename = "Records")]
    pub records: Vec<KinesisEventRecord>,
}

/// A record and where it comes from.
#[derive(Clone, Debug, Deserialize)]
pub struct KinesisEventRecord {
    /// `<shard>:<sequence number>`
    #[serde(rename = "eventID")]
    pub event_id: String,
    /// The record.
    pub kinesis: KinesisRecord,
}

/// A record as it is on the stream.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KinesisRecord {
    /// When Kinesis took the record: microseconds since 1970-01-01 UTC.
    #[serde(rename = "approximateArrivalTimestamp", deserialize_with = "micros")]
    pub arrival_micros: i64,
    /// The record's bytes.
    pub data: Base64Data,
    /// The partition key.
    pub partition_key: String,
    /// The sequence number.
    pub sequence_number: String,
}

/// Reads seconds with a fraction. A double holds today's seconds to a quarter of a microsecond, so the nearest
/// microsecond is the one that was written.
fn micros<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float saturates, and no stream is that old or that late"
    )]
    let micros = (seconds * 1e6).round() as i64;
    Ok(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(timestamp: &str) -> String {
        format!(
            r#"{{"Records": [{{"eventID": "shardId-000000000000:1", "kinesis": {{"partitionKey": "pin/1",
                "sequenceNumber": "1", "data": "e30=", "approximateArrivalTimestamp": {timestamp}}}}}]}}"#
        )
    }

    #[test]
    fn the_time_of_arrival_is_exact_to_the_millisecond() {
        for (timestamp, micros) in [
            ("1607497475", 1_607_497_475_000_000),
            ("1607497475.000", 1_607_497_475_000_000),
            ("1607497475.12", 1_607_497_475_120_000),
            ("1607497475.005", 1_607_497_475_005_000),
            ("1607497475.999", 1_607_497_475_999_000),
            ("1.607497475123E9", 1_607_497_475_123_000),
        ] {
            let event: KinesisEvent = serde_json::from_str(&event(timestamp)).unwrap();
            assert_eq!(
                event.records[0].kinesis.arrival_micros, micros,
                "{timestamp}"
            );
        }
    }

    #[test]
    fn the_published_type_still_misreads_the_fraction() {
        let event: aws_lambda_events::event::kinesis::KinesisEvent =
            serde_json::from_str(&event("1607497475.12")).unwrap();
        let millis = event.records[0]
            .kinesis
            .approximate_arrival_timestamp
            .timestamp_subsec_millis();
        assert_eq!(
            millis, 12,
            "120 would be right: then this module can give way to the published type"
        );
    }
}
