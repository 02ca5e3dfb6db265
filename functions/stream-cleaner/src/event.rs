//! The event that Lambda makes from a batch of Kinesis records.
//!
//! An event is 6 MB of JSON, of which base64 is more than half, so how it is read is a large part of what an invocation costs. All records
//! are read into three pieces of memory: their texts, their bytes, and where each of them begins.
//!
//! `aws_lambda_events` 1.2 has a type of its own, but reads the fraction of `approximateArrivalTimestamp` as a count of
//! milliseconds however many digits it has, so that `1607497475.12` becomes 12 ms after the second and not 120. The order
//! of arrival decides which version of a row is the latest, so the time is read here; a test holds the difference.

mod trusted;

use base64_simd::STANDARD;
use memchr::memchr;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::ops::Range;

use trusted::{Trusted, ends_number, unescaped};

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
        let mut records = Records::default();
        records.data.reserve(payload.len() / 2);
        let mut json = Trusted {
            json: payload,
            at: 0,
        };
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
                if shape.read(json, &mut records) {
                    return Ok(());
                }
                let from = json.at;
                find_parts(json, &mut found)?;
                shape = Shape::of(payload, from..json.at, &found);
                records.add_record(payload, &found)
            })
        })?;
        if !has_records {
            return Err(EventError::Missing("Records"));
        }
        let not_text = EventError::NotA(Part::PartitionKey.name(), "text");
        Ok(Self {
            texts: String::from_utf8(records.texts).map_err(|_| not_text)?,
            data: records.data,
            records: records.places,
        })
    }
}

/// The records of an event while they are read; its texts are checked to be UTF-8 together.
#[derive(Debug, Default)]
struct Records {
    texts: Vec<u8>,
    data: Vec<u8>,
    places: Vec<Places>,
}

impl Records {
    /// Adds a record by its parts in the event's text.
    fn add_record(&mut self, json: &[u8], found: &Found) -> Result<(), EventError> {
        let mut places = Places::default();
        let mut is_found = [false; Part::ALL.len()];
        for (part, range) in found {
            let raw = json.get(range.clone()).unwrap_or_default();
            let text = || unescaped(raw).ok_or(EventError::NotA(part.name(), "text"));
            match part {
                Part::EventId => places.shard = self.shard(text()?.as_bytes()),
                Part::Sequence => places.sequence = self.add(text()?.as_bytes()),
                Part::PartitionKey => places.partition_key = self.add(text()?.as_bytes()),
                Part::Data => places.data = self.decode(raw)?,
                Part::Arrival => {
                    let micros = micros(raw).ok_or(EventError::NotA(part.name(), "a number"))?;
                    places.arrival_micros = micros;
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
        self.places.push(places);
        Ok(())
    }

    fn add(&mut self, text: &[u8]) -> Range<usize> {
        let start = self.texts.len();
        self.texts.extend_from_slice(text);
        start..self.texts.len()
    }

    /// Adds what a text in base64 means; it may be escaped, as a slash is by some.
    fn decode(&mut self, raw: &[u8]) -> Result<Range<usize>, EventError> {
        let start = self.data.len();
        if STANDARD.decode_append(raw, &mut self.data).is_err() {
            self.data.truncate(start);
            let decoded = match unescaped(raw) {
                Some(Cow::Owned(text)) => STANDARD.decode_append(&text, &mut self.data).ok(),
                _ => None,
            };
            decoded.ok_or(EventError::NotA(Part::Data.name(), "base64"))?;
        }
        Ok(start..self.data.len())
    }

    /// Adds the name of a shard, which is before the colon of an event's ID, unless the record before has it: a batch is of one shard.
    fn shard(&mut self, event_id: &[u8]) -> Range<usize> {
        let last = self.places.last().map(|record| record.shard.clone());
        if let Some(last) = last
            && let Some(name) = self.texts.get(last.clone())
            && event_id.strip_prefix(name).and_then(<[u8]>::first) == Some(&b':')
        {
            return last;
        }
        let colon = memchr(b':', event_id).unwrap_or(event_id.len());
        self.add(event_id.get(..colon).unwrap_or_default())
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
                    let mut parts = Part::ALL.into_iter().filter(|part| *part != Part::EventId);
                    let Some(part) = parts.find(|part| part.name() == name) else {
                        json.skip();
                        return Ok(());
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
    parts: Vec<(&'j [u8], Part)>,
    /// The text behind the last one.
    end: &'j [u8],
}

impl<'j> Shape<'j> {
    /// Returns the shape of the record that is at a place of the event; none if a part is missing, or is there twice.
    fn of(json: &'j [u8], record: Range<usize>, found: &Found) -> Self {
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

    /// Adds the record that is next, and passes it; false, and nothing is added or passed, if it has another shape.
    fn read(&self, json: &mut Trusted<'_>, records: &mut Records) -> bool {
        let mut ahead = Trusted { ..*json };
        let (texts, data) = (records.texts.len(), records.data.len());
        let Some(places) = self.places(&mut ahead, records) else {
            records.texts.truncate(texts);
            records.data.truncate(data);
            return false;
        };
        records.places.push(places);
        *json = ahead;
        true
    }

    fn places(&self, json: &mut Trusted<'_>, records: &mut Records) -> Option<Places> {
        let mut places = Places::default();
        for (before, part) in &self.parts {
            json.pass(before).then_some(())?;
            match part {
                Part::EventId => places.shard = records.shard(json.plain()?),
                Part::Sequence => places.sequence = records.add(json.plain()?),
                Part::PartitionKey => places.partition_key = records.add(json.plain()?),
                Part::Data => {
                    // Base64 has no quote, and none that is escaped.
                    let length = memchr(b'"', json.rest())?;
                    places.data = records.decode(json.take(length)?).ok()?;
                }
                Part::Arrival => {
                    let length = json.rest().iter().position(|byte| ends_number(*byte))?;
                    places.arrival_micros = micros(json.take(length)?)?;
                }
            }
        }
        let is_whole = !self.parts.is_empty() && json.pass(self.end);
        is_whole.then_some(places)
    }
}

/// Reads seconds with a fraction as microseconds; `None` for what is no number.
fn micros(seconds: &[u8]) -> Option<i64> {
    if let Some(micros) = plain_micros(seconds) {
        return Some(micros);
    }
    let seconds: f64 = str::from_utf8(seconds).ok()?.parse().ok()?;
    // A double holds today's seconds to a quarter of a microsecond, so the nearest microsecond is the one that was written.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float saturates, and no stream is that old or that late"
    )]
    let micros = (seconds * 1e6).round() as i64;
    Some(micros)
}

/// Reads at most twelve digits, and at most six behind a point, as Lambda writes them.
fn plain_micros(seconds: &[u8]) -> Option<i64> {
    const UNITS: [i64; 7] = [1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
    let (mut number, mut digits, mut behind) = (0, 0, None);
    for byte in seconds {
        match byte {
            b'0'..=b'9' => number = number * 10 + i64::from(byte - b'0'),
            b'.' if behind.is_none() && digits > 0 => {
                behind = Some(digits);
                continue;
            }
            _ => return None,
        }
        digits += 1;
        if digits > 18 {
            return None;
        }
    }
    let behind = behind.map_or(0, |point| digits - point);
    let units = UNITS
        .get(behind)
        .filter(|_| digits > 0 && digits - behind <= 12);
    units.map(|unit| number * unit)
}

#[cfg(test)]
mod tests;
