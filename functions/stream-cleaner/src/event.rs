//! The event that Lambda makes from a batch of Kinesis records.
//!
//! An event is 6 MB of JSON, of which base64 is more than half, so how it is read is a large part of what an invocation costs. All records
//! are read into three pieces of memory: their texts, their bytes, and where each of them begins.
//!
//! `aws_lambda_events` 1.2 has a type of its own, but reads the fraction of `approximateArrivalTimestamp` as a count of
//! milliseconds however many digits it has, so that `1607497475.12` becomes 12 ms after the second and not 120. The order
//! of arrival decides which version of a row is the latest, so the time is read here; a test holds the difference.

use std::fmt;
use std::ops::Range;

use base64_simd::STANDARD;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A batch of records from one shard, in the order of their sequence numbers.
#[derive(Clone, Debug, Default)]
pub struct KinesisEvent {
    /// Shards, sequence numbers and partition keys, one after the other.
    texts: String,
    /// The records' bytes, one after the other.
    data: Vec<u8>,
    records: Vec<Places>,
}

/// Where the parts of a record are.
#[derive(Clone, Debug, Default)]
struct Places {
    shard: Range<usize>,
    sequence: Range<usize>,
    partition_key: Range<usize>,
    data: Range<usize>,
    arrival_micros: i64,
}

/// A record as it is on the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRecord<'e> {
    /// Name of the record's shard.
    pub shard: &'e str,
    /// The sequence number, as Kinesis spells it.
    pub sequence: &'e str,
    /// The partition key.
    pub partition_key: &'e str,
    /// The record's bytes.
    pub data: &'e [u8],
    /// When Kinesis took the record: microseconds since 1970-01-01 UTC.
    pub arrival_micros: i64,
}

impl KinesisEvent {
    /// Returns how many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Tells whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Returns the records, in their order.
    pub fn records(&self) -> impl ExactSizeIterator<Item = EventRecord<'_>> {
        let text = |range: &Range<usize>| self.texts.get(range.clone()).unwrap_or_default();
        self.records.iter().map(move |places| EventRecord {
            shard: text(&places.shard),
            sequence: text(&places.sequence),
            partition_key: text(&places.partition_key),
            data: self.data.get(places.data.clone()).unwrap_or_default(),
            arrival_micros: places.arrival_micros,
        })
    }

    /// Adds a record.
    pub fn push(&mut self, record: &EventRecord<'_>) {
        let data = self.data.len();
        self.data.extend_from_slice(record.data);
        let places = Places {
            shard: self.add(record.shard),
            sequence: self.add(record.sequence),
            partition_key: self.add(record.partition_key),
            data: data..self.data.len(),
            arrival_micros: record.arrival_micros,
        };
        self.records.push(places);
    }

    fn add(&mut self, text: &str) -> Range<usize> {
        let start = self.texts.len();
        self.texts.push_str(text);
        start..self.texts.len()
    }
}

impl<'de> Deserialize<'de> for KinesisEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The runtime notes the path to each value while it reads, which takes longer than reading: here it has one value.
        let json = <&RawValue>::deserialize(deserializer)?.get();
        let mut event = Self::default();
        event.data.reserve(json.len() / 2);
        let mut reader = serde_json::Deserializer::from_str(json);
        EventSeed(&mut event)
            .deserialize(&mut reader)
            .map_err(D::Error::custom)?;
        Ok(event)
    }
}

/// The names of what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Name {
    #[serde(rename = "Records")]
    Records,
    #[serde(rename = "eventID")]
    EventId,
    Kinesis,
    SequenceNumber,
    PartitionKey,
    Data,
    #[serde(rename = "approximateArrivalTimestamp")]
    Arrival,
    #[serde(other)]
    Other,
}

/// Reads the whole event.
struct EventSeed<'e>(&'e mut KinesisEvent);
/// Reads the list of records.
struct RecordsSeed<'e>(&'e mut KinesisEvent);
/// Reads a record and where it comes from.
struct RecordSeed<'e>(&'e mut KinesisEvent);
/// Reads a record as it is on the stream, and returns its places but for the shard.
struct KinesisSeed<'e>(&'e mut KinesisEvent);
/// Appends a text; of the name of an event only what is before the colon.
struct TextSeed<'e>(&'e mut KinesisEvent, &'static str);
/// Appends bytes that are written as base64.
struct DataSeed<'e>(&'e mut KinesisEvent);

/// Implements [`DeserializeSeed`] for a visitor by one of serde's methods.
macro_rules! seeds {
    ($($seed:ident: $method:ident -> $value:ty),* $(,)?) => {
        $(impl<'de> DeserializeSeed<'de> for $seed<'_> {
            type Value = $value;

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<$value, D::Error> {
                deserializer.$method(self)
            }
        })*
    };
}

seeds! {
    EventSeed: deserialize_map -> (),
    RecordsSeed: deserialize_seq -> (),
    RecordSeed: deserialize_map -> (),
    KinesisSeed: deserialize_map -> Places,
    TextSeed: deserialize_str -> Range<usize>,
    DataSeed: deserialize_str -> Range<usize>,
}

impl<'de> Visitor<'de> for EventSeed<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an event with `Records`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut has_records = false;
        while let Some(name) = map.next_key::<Name>()? {
            if name == Name::Records {
                has_records = true;
                map.next_value_seed(RecordsSeed(&mut *self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if has_records {
            Ok(())
        } else {
            Err(A::Error::missing_field("Records"))
        }
    }
}

impl<'de> Visitor<'de> for RecordsSeed<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut records: A) -> Result<(), A::Error> {
        while records
            .next_element_seed(RecordSeed(&mut *self.0))?
            .is_some()
        {}
        Ok(())
    }
}

impl<'de> Visitor<'de> for RecordSeed<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a record with `eventID` and `kinesis`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut shard, mut record) = (None, None);
        while let Some(name) = map.next_key::<Name>()? {
            match name {
                Name::EventId => shard = Some(map.next_value_seed(TextSeed(&mut *self.0, ":"))?),
                Name::Kinesis => record = Some(map.next_value_seed(KinesisSeed(&mut *self.0))?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let shard = shard.ok_or_else(|| A::Error::missing_field("eventID"))?;
        let record = record.ok_or_else(|| A::Error::missing_field("kinesis"))?;
        self.0.records.push(Places { shard, ..record });
        Ok(())
    }
}

impl<'de> Visitor<'de> for KinesisSeed<'_> {
    type Value = Places;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a record as it is on the stream")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Places, A::Error> {
        let (mut sequence, mut key, mut data, mut arrival) = (None, None, None, None);
        while let Some(name) = map.next_key::<Name>()? {
            match name {
                Name::SequenceNumber => {
                    sequence = Some(map.next_value_seed(TextSeed(&mut *self.0, ""))?);
                }
                Name::PartitionKey => key = Some(map.next_value_seed(TextSeed(&mut *self.0, ""))?),
                Name::Data => data = Some(map.next_value_seed(DataSeed(&mut *self.0))?),
                Name::Arrival => arrival = Some(micros(map.next_value()?)),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let missing = A::Error::missing_field;
        Ok(Places {
            shard: 0..0,
            sequence: sequence.ok_or_else(|| missing("sequenceNumber"))?,
            partition_key: key.ok_or_else(|| missing("partitionKey"))?,
            data: data.ok_or_else(|| missing("data"))?,
            arrival_micros: arrival.ok_or_else(|| missing("approximateArrivalTimestamp"))?,
        })
    }
}

impl Visitor<'_> for TextSeed<'_> {
    type Value = Range<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Range<usize>, E> {
        let Self(event, end) = self;
        let taken = if end.is_empty() {
            text
        } else {
            text.split_once(end).map_or("", |(taken, _)| taken)
        };
        Ok(event.add(taken))
    }
}

impl Visitor<'_> for DataSeed<'_> {
    type Value = Range<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("base64")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Range<usize>, E> {
        let data = &mut self.0.data;
        let start = data.len();
        STANDARD
            .decode_append(text, data)
            .map_err(|_| E::custom("`data` is not base64"))?;
        Ok(start..data.len())
    }
}

/// Reads seconds with a fraction. A double holds today's seconds to a quarter of a microsecond, so the nearest
/// microsecond is the one that was written.
fn micros(seconds: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float saturates, and no stream is that old or that late"
    )]
    let micros = (seconds * 1e6).round() as i64;
    micros
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
            let arrivals: Vec<_> = event
                .records()
                .map(|record| record.arrival_micros)
                .collect();
            assert_eq!(arrivals, [micros], "{timestamp}");
        }
    }

    #[test]
    fn parts_may_come_in_any_order_and_escaped_and_a_missing_one_is_named() {
        let json = r#"{"x": [1, {"y": "\u00e9"}], "Records": [{"kinesis": {"data": "e30\u003d", "approximateArrivalTimestamp": 1,
            "sequenceNumber": "1", "partitionKey": "\u0061\"b", "kinesisSchemaVersion": "1.0"}, "eventID": "shardId-7:1"}]}"#;
        let event: KinesisEvent = serde_json::from_str(json).unwrap();
        let records: Vec<_> = event.records().collect();
        let expected = EventRecord {
            shard: "shardId-7",
            sequence: "1",
            partition_key: "a\"b",
            data: b"{}",
            arrival_micros: 1_000_000,
        };
        assert_eq!(records, [expected]);
        let mut again = KinesisEvent::default();
        again.push(&expected);
        assert_eq!(again.records().next(), Some(expected));
        for (json, error) in [
            ("{}", "missing field `Records`"),
            (
                r#"{"Records": [{"eventID": "a:1"}]}"#,
                "missing field `kinesis`",
            ),
            (
                r#"{"Records": [{"kinesis": {"data": "?"}}]}"#,
                "`data` is not base64",
            ),
            (
                r#"{"Records": [{"kinesis": {"data": ""}}]}"#,
                "missing field `sequenceNumber`",
            ),
            (r#"{"Records": 7}"#, "a list of records"),
        ] {
            let found = serde_json::from_str::<KinesisEvent>(json)
                .unwrap_err()
                .to_string();
            assert!(found.contains(error), "{found}");
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
