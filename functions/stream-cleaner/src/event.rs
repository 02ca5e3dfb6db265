//! The event that Lambda makes from a batch of Kinesis records.
//!
//! An event is 6 MB of JSON, of which base64 is more than half, so how it is read is a large part of what an invocation costs. All records
//! are read into three pieces of memory: their texts, their bytes, and where each of them begins.
//!
//! `aws_lambda_events` 1.2 has a type of its own, but reads the fraction of `approximateArrivalTimestamp` as a count of
//! milliseconds however many digits it has, so that `1607497475.12` becomes 12 ms after the second and not 120. The order
//! of arrival decides which version of a row is the latest, so the time is read here; a test holds the difference.

use std::borrow::Cow;
use std::ops::Range;
use std::str::Utf8Error;

use base64_simd::STANDARD;
use memchr::{memchr, memchr2};
use serde::de::Error as _;
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
        let json = <&RawValue>::deserialize(deserializer)?.get();
        Self::from_json(json.as_bytes()).map_err(D::Error::custom)
    }
}

/// Why a payload is not an event of Kinesis records.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// It is no text, and so no JSON.
    #[error("it is not UTF-8 from byte {} on", .0.valid_up_to())]
    NotUtf8(#[from] Utf8Error),
    /// A part of a record is not there.
    #[error("missing field `{0}`")]
    Missing(&'static str),
    /// A value is another than that of an event, or does not end.
    #[error("`{0}` is not {1}")]
    NotA(&'static str, &'static str),
}

/// What is read of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Sequence,
    PartitionKey,
    Data,
    Arrival,
    EventId,
}

impl Part {
    /// In the order in which a missing one is named.
    const ALL: [Self; 5] = [
        Self::Sequence,
        Self::PartitionKey,
        Self::Data,
        Self::Arrival,
        Self::EventId,
    ];

    /// Returns the part's name in an event.
    fn name(self) -> &'static str {
        match self {
            Self::EventId => "eventID",
            Self::Sequence => "sequenceNumber",
            Self::PartitionKey => "partitionKey",
            Self::Data => "data",
            Self::Arrival => "approximateArrivalTimestamp",
        }
    }
}

/// Where the values of a record's parts are in the event, without their quotes, in the order in which they are there.
type Found = Vec<(Part, Range<usize>)>;

impl KinesisEvent {
    /// Reads an event. Lambda writes JSON: what is between the parts of records is passed, and not checked.
    ///
    /// # Errors
    ///
    /// What is missing, or is something else.
    pub fn from_json(payload: &[u8]) -> Result<Self, EventError> {
        let text = str::from_utf8(payload)?;
        let mut event = Self::default();
        event.data.reserve(text.len() / 2);
        let mut json = Trusted { json: text, at: 0 };
        let mut has_records = false;
        let mut shape = Shape::default();
        let mut found = Found::with_capacity(Part::ALL.len());
        json.object(("the event", "an object"), |json, name| {
            if name != "Records" {
                json.skip();
                return Ok(());
            }
            has_records = true;
            json.array(("Records", "a list of records"), |json| {
                if !shape.find(json, &mut found) {
                    let from = json.at;
                    find_parts(json, &mut found)?;
                    shape = Shape::of(text, from..json.at, &found);
                }
                event.add_record(text, &found)
            })
        })?;
        if has_records {
            Ok(event)
        } else {
            Err(EventError::Missing("Records"))
        }
    }

    /// Adds a record by its parts in the event's text.
    fn add_record(&mut self, json: &str, found: &Found) -> Result<(), EventError> {
        let mut places = Places::default();
        let mut is_found = [false; Part::ALL.len()];
        for (part, range) in found {
            let raw = json.get(range.clone()).unwrap_or_default();
            let text = unescaped(raw).ok_or(EventError::NotA(part.name(), "text"))?;
            match part {
                Part::EventId => {
                    places.shard = self.shard(text.split(':').next().unwrap_or_default());
                }
                Part::Sequence => places.sequence = self.add(&text),
                Part::PartitionKey => places.partition_key = self.add(&text),
                Part::Data => {
                    let start = self.data.len();
                    let decoded = STANDARD.decode_append(text.as_bytes(), &mut self.data);
                    decoded.map_err(|_| EventError::NotA(part.name(), "base64"))?;
                    places.data = start..self.data.len();
                }
                Part::Arrival => {
                    let seconds = text.parse();
                    let seconds = seconds.map_err(|_| EventError::NotA(part.name(), "a number"))?;
                    places.arrival_micros = micros(seconds);
                }
            }
            if let Some(is_found) = is_found.get_mut(*part as usize) {
                *is_found = true;
            }
        }
        let mut missing = Part::ALL.iter().zip(is_found);
        if let Some((missing, _)) = missing.find(|(_, is_found)| !is_found) {
            return Err(EventError::Missing(missing.name()));
        }
        self.records.push(places);
        Ok(())
    }

    /// Adds the name of a shard, unless the record before has it: a batch is of one shard.
    fn shard(&mut self, name: &str) -> Range<usize> {
        let last = self.records.last().map(|record| record.shard.clone());
        match last {
            Some(last) if self.texts.get(last.clone()) == Some(name) => last,
            _ => self.add(name),
        }
    }
}

/// Finds the parts of the record that is next, wherever they are in it.
fn find_parts(json: &mut Trusted<'_>, found: &mut Found) -> Result<(), EventError> {
    found.clear();
    let mut has_kinesis = false;
    json.object(("Records", "a list of objects"), |json, name| {
        match name {
            "eventID" => found.push((Part::EventId, json.string(Part::EventId)?)),
            "kinesis" => {
                has_kinesis = true;
                json.object(("kinesis", "an object"), |json, name| {
                    let part = match name {
                        "sequenceNumber" => Part::Sequence,
                        "partitionKey" => Part::PartitionKey,
                        "data" => Part::Data,
                        "approximateArrivalTimestamp" => Part::Arrival,
                        _ => {
                            json.skip();
                            return Ok(());
                        }
                    };
                    let range = match part {
                        Part::Arrival => json.number(),
                        _ => json.string(part)?,
                    };
                    found.push((part, range));
                    Ok(())
                })?;
            }
            _ => json.skip(),
        }
        Ok(())
    })?;
    if has_kinesis {
        Ok(())
    } else {
        Err(EventError::Missing("kinesis"))
    }
}

/// What is written between the parts of a record. Of all records of an event that is the same text, so where it is found again, the
/// parts are between it.
#[derive(Debug, Default)]
struct Shape<'j> {
    /// Each part, and the text before it.
    parts: Vec<(&'j str, Part)>,
    /// The text behind the last one.
    end: &'j str,
}

impl<'j> Shape<'j> {
    /// Returns the shape of the record that is at a place of the event; none if a part is missing, or is there twice.
    fn of(json: &'j str, record: Range<usize>, found: &Found) -> Self {
        if found.len() != Part::ALL.len() {
            return Self::default();
        }
        let mut at = record.start;
        let parts = found.iter().map(|(part, range)| {
            let before = json.get(at..range.start).unwrap_or_default();
            at = range.end;
            (before, *part)
        });
        Self {
            parts: parts.collect(),
            end: json.get(at..record.end).unwrap_or_default(),
        }
    }

    /// Finds the parts of the record that is next, and passes it; false, and nothing passed, if it has another shape.
    fn find(&self, json: &mut Trusted<'_>, found: &mut Found) -> bool {
        found.clear();
        let mut ahead = Trusted { ..*json };
        for (before, part) in &self.parts {
            if !ahead.pass(before) {
                return false;
            }
            let from = ahead.at;
            let length = match part {
                Part::Arrival => ahead.rest().iter().position(|byte| ends_number(*byte)),
                _ => memchr(b'"', ahead.rest()),
            };
            let Some(length) = length else {
                return false;
            };
            // A quote that is escaped ends nothing.
            let value = ahead.rest().get(..length).unwrap_or_default();
            if memchr(b'\\', value).is_some() {
                return false;
            }
            ahead.at += length;
            found.push((*part, from..ahead.at));
        }
        let is_whole = !self.parts.is_empty() && ahead.pass(self.end);
        if is_whole {
            json.at = ahead.at;
        }
        is_whole
    }
}

/// Returns the text that is meant by what is between the quotes of a string; none for half of a surrogate pair.
fn unescaped(raw: &str) -> Option<Cow<'_, str>> {
    if memchr(b'\\', raw.as_bytes()).is_none() {
        return Some(Cow::Borrowed(raw));
    }
    let text = serde_json::from_str(&format!("\"{raw}\""));
    text.map(Cow::Owned).ok()
}

fn ends_number(byte: u8) -> bool {
    matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace()
}

/// JSON that somebody else wrote, and is trusted to be it: a walk over it looks for the ends of its values, and at nothing between them. What is
/// none comes to an error or to records that it has not, and always to an end.
struct Trusted<'j> {
    json: &'j str,
    at: usize,
}

impl<'j> Trusted<'j> {
    fn rest(&self) -> &'j [u8] {
        self.json.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Passes white space, and returns the byte behind it.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.rest();
        let space = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        self.at += space;
        rest.get(space).copied()
    }

    /// Passes a byte, if it is the next one behind white space.
    fn eat(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    /// Hands each member's name of an object to `each`, which reads or skips the value.
    fn object(
        &mut self,
        (name_of, kind): (&'static str, &'static str),
        mut each: impl FnMut(&mut Self, &str) -> Result<(), EventError>,
    ) -> Result<(), EventError> {
        if !self.eat(b'{') {
            return Err(EventError::NotA(name_of, kind));
        }
        while self.peek() == Some(b'"') {
            let name = self.quoted().and_then(|range| self.json.get(range));
            let name = name
                .and_then(unescaped)
                .ok_or(EventError::NotA(name_of, "an object with names"))?;
            self.eat(b':');
            each(self, &name)?;
            self.eat(b',');
        }
        if self.eat(b'}') {
            Ok(())
        } else {
            Err(EventError::NotA(name_of, kind))
        }
    }

    /// Lets `each` read the elements of an array.
    fn array(
        &mut self,
        (name, kind): (&'static str, &'static str),
        mut each: impl FnMut(&mut Self) -> Result<(), EventError>,
    ) -> Result<(), EventError> {
        if !self.eat(b'[') {
            return Err(EventError::NotA(name, kind));
        }
        while self.peek().is_some_and(|byte| byte != b']') {
            each(self)?;
            self.eat(b',');
        }
        if self.eat(b']') {
            Ok(())
        } else {
            Err(EventError::NotA(name, kind))
        }
    }

    /// Passes a text, if it is next.
    fn pass(&mut self, text: &str) -> bool {
        let is_there = self.rest().starts_with(text.as_bytes());
        self.at += if is_there { text.len() } else { 0 };
        is_there
    }

    /// Passes a string, and returns the place of what is between its quotes.
    fn quoted(&mut self) -> Option<Range<usize>> {
        if !self.eat(b'"') {
            return None;
        }
        let from = self.at;
        loop {
            self.at += memchr2(b'"', b'\\', self.rest())?;
            if self.rest().first() == Some(&b'"') {
                self.at += 1;
                return Some(from..self.at - 1);
            }
            self.at += 2;
        }
    }

    fn string(&mut self, part: Part) -> Result<Range<usize>, EventError> {
        self.quoted().ok_or(EventError::NotA(part.name(), "text"))
    }

    /// Passes a number, or what is in its place.
    fn number(&mut self) -> Range<usize> {
        self.peek();
        let from = self.at;
        self.skip();
        from..self.at
    }

    /// Passes a value.
    fn skip(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => drop(self.quoted()),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                // A number or a word, or what is between the values of an open bracket.
                _ => self.at += 1,
            }
            let is_ended = || {
                matches!(
                    self.rest().first(),
                    None | Some(b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t')
                )
            };
            if depth == 0 && is_ended() {
                return;
            }
        }
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
    use proptest::prelude::*;
    use serde_json::json;

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
            (r#"{"Records": 7}"#, "`Records` is not a list of records"),
            (r#"{"Records": [7]}"#, "`Records` is not a list of objects"),
            ("[]", "`the event` is not an object"),
            (
                r#"{"Records": [{"kinesis": {"data": null}}]}"#,
                "`data` is not text",
            ),
            (
                r#"{"Records": [{"kinesis": {"approximateArrivalTimestamp": "1"}}]}"#,
                "`approximateArrivalTimestamp` is not a number",
            ),
            (r#"{"Records": [{"kinesis": {}]}"#, "expected"),
        ] {
            let found = serde_json::from_str::<KinesisEvent>(json)
                .unwrap_err()
                .to_string();
            assert!(found.contains(error), "{found}");
        }
    }

    /// Any JSON, three levels deep.
    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(|value| json!(value)),
            any::<f64>().prop_map(|value| json!(value)),
            any::<String>().prop_map(|value| json!(value)),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|values| json!(values)),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|values| json!(values)),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_lambda_adds_to_an_event_changes_no_record(
            others in prop::collection::vec((any::<String>(), json()), 4),
            records in prop::collection::vec((any::<String>(), any::<Vec<u8>>(), any::<u32>()), 0..4),
            is_pretty in any::<bool>(),
        ) {
            let with = |mut of: serde_json::Map<String, serde_json::Value>, place: usize| {
                of.entry(others[place].0.clone()).or_insert(others[place].1.clone());
                of.into()
            };
            let list: Vec<serde_json::Value> = records.iter().enumerate().map(|(number, (key, data, millis))| {
                let kinesis = serde_json::Map::from_iter([
                    ("partitionKey".to_owned(), json!(key)),
                    ("sequenceNumber".to_owned(), json!(number.to_string())),
                    ("data".to_owned(), json!(STANDARD.encode_to_string(data))),
                    ("approximateArrivalTimestamp".to_owned(), json!(f64::from(*millis) / 1000.0)),
                ]);
                let name = json!(format!("shardId-{}:{number}", number / 2));
                let record = serde_json::Map::from_iter([
                    ("kinesis".to_owned(), with(kinesis, number % 2)),
                    ("eventID".to_owned(), name),
                ]);
                with(record, 2)
            }).collect();
            let event = with(serde_json::Map::from_iter([("Records".to_owned(), json!(list))]), 3);
            let text = if is_pretty { serde_json::to_string_pretty(&event) } else { serde_json::to_string(&event) };
            let read: KinesisEvent = serde_json::from_str(&text.unwrap()).unwrap();
            prop_assert_eq!(read.len(), records.len());
            for (number, (record, (key, data, millis))) in read.records().zip(&records).enumerate() {
                prop_assert_eq!(record.shard, format!("shardId-{}", number / 2));
                prop_assert_eq!(record.sequence, number.to_string());
                prop_assert_eq!(record.partition_key, key);
                prop_assert_eq!(record.data, data.as_slice());
                prop_assert_eq!(record.arrival_micros, i64::from(*millis) * 1000);
            }
        }
    }

    #[test]
    fn an_event_that_is_cut_or_spoiled_is_no_event() {
        let json = event("1607497475.12");
        assert_eq!(KinesisEvent::from_json(json.as_bytes()).unwrap().len(), 1);
        for end in 0..json.len() {
            let cut = &json.as_bytes()[..end];
            assert!(KinesisEvent::from_json(cut).is_err(), "{end}");
        }
        let error = KinesisEvent::from_json(b"\xff").unwrap_err();
        assert_eq!(error.to_string(), "it is not UTF-8 from byte 0 on");
    }

    proptest! {
        #[test]
        fn any_text_comes_to_an_end(text in r#"[\[\]{}":,\\a0 ]{0,60}"#) {
            let _ = KinesisEvent::from_json(text.as_bytes());
            let inside = format!(r#"{{"Records":[{{"kinesis":{text}"#);
            let _ = KinesisEvent::from_json(inside.as_bytes());
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
