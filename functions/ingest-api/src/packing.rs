//! Rows → records that hold several of them, one a line: Kinesis bills a record by the 25 KB, and a shard takes 1,000 of them a second.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::io::Write as _;
use std::num::NonZeroU16;

use event_model::{PartitionKey, Position, SubNumber};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::producer::{Failure, Outcome};
use crate::request::Entry;

/// How rows are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// How many partition keys the rows of a table are spread over. The rows of a request that share one are packed together.
    pub partition_keys: NonZeroU16,
    /// Whether the lines are compressed (gzip).
    pub is_compressed: bool,
}

impl Packing {
    /// Most bytes of the rows of a record that is not compressed: four of the units of 25 KB that Kinesis bills by, and few enough that
    /// records fill the 6 MB of an event of stream-cleaner well.
    pub const LINES_MAX_BYTES: usize = 4 * 25 * 1024;

    /// Most bytes of the rows of a record that is compressed, before they are: some 90 KB of generated rows afterwards.
    pub const GZIP_MAX_BYTES: usize = 512 * 1024;

    /// The number of partition keys where nothing else is said: 500 rows of 700 bytes, a full request, make 16 records of a unit of 25 KB each.
    pub const DEFAULT_PARTITION_KEYS: NonZeroU16 = NonZeroU16::new(16).unwrap();

    fn max_bytes(self) -> usize {
        if self.is_compressed {
            Self::GZIP_MAX_BYTES
        } else {
            Self::LINES_MAX_BYTES
        }
    }
}

/// The records of a request, and where in them its rows are.
#[derive(Debug)]
pub(crate) struct Records<'a> {
    pub(crate) entries: Vec<Entry<'a>>,
    /// For each row its record, and its place in it where the record holds several.
    places: Vec<(usize, Option<SubNumber>)>,
}

impl<'a> Records<'a> {
    /// Makes a record of each row.
    pub(crate) fn one_each(entries: Vec<Entry<'a>>) -> Self {
        let places = (0..entries.len()).map(|record| (record, None)).collect();
        Self { entries, places }
    }

    /// Packs the rows of each partition key, in their order. A row that is too large for others beside it has a record of its own.
    pub(crate) fn packed(rows: Vec<Entry<'a>>, packing: Packing) -> Self {
        let mut packs: Vec<Pack<'a>> = Vec::new();
        let mut open: HashMap<PartitionKey, usize> = HashMap::new();
        let mut places = Vec::with_capacity(rows.len());
        for row in rows {
            let next = packs.len();
            let record = match open.entry(row.key.clone()) {
                Slot::Occupied(mut slot) => {
                    let bytes = packs[*slot.get()].bytes + row.data.len() + 1;
                    if bytes > packing.max_bytes() {
                        slot.insert(next);
                    }
                    *slot.get()
                }
                Slot::Vacant(slot) => *slot.insert(next),
            };
            if record == next {
                packs.push(Pack::default());
            }
            places.push((record, packs[record].add(row)));
        }
        for (record, place) in &mut places {
            place.take_if(|_| packs[*record].rows.len() == 1);
        }
        let entries = packs
            .into_iter()
            .filter_map(|pack| pack.into_entry(packing))
            .collect();
        Self { entries, places }
    }

    /// Returns what became of each row, from what became of each record.
    pub(crate) fn outcomes(&self, records: &[Outcome]) -> Vec<Outcome> {
        let outcome = |(record, place): &(usize, Option<SubNumber>)| {
            // There is an outcome for each record.
            let outcome = records.get(*record).cloned();
            let position = outcome.unwrap_or(Err(Failure::Internal))?;
            Ok(match place {
                Some(place) => Position {
                    sequence: format!("{}:{place}", position.sequence),
                    ..position
                },
                None => position,
            })
        };
        self.places.iter().map(outcome).collect()
    }
}

/// The rows of a record.
#[derive(Debug, Default)]
struct Pack<'a> {
    rows: Vec<Entry<'a>>,
    bytes: usize,
}

impl<'a> Pack<'a> {
    fn add(&mut self, row: Entry<'a>) -> Option<SubNumber> {
        let place = u32::try_from(self.rows.len()).ok()?;
        self.bytes += row.data.len() + 1;
        self.rows.push(row);
        Some(SubNumber::new(place))
    }

    /// Makes the record; a pack without a row is none.
    fn into_entry(mut self, packing: Packing) -> Option<Entry<'a>> {
        let last = self.rows.pop()?;
        let data = if self.rows.is_empty() {
            last.data
        } else {
            let mut lines = Vec::with_capacity(self.bytes);
            for row in &self.rows {
                lines.extend_from_slice(&row.data);
                lines.push(b'\n');
            }
            lines.extend_from_slice(&last.data);
            Cow::Owned(lines)
        };
        let gzip = packing.is_compressed.then(|| gzip(&data)).flatten();
        let data = match gzip.filter(|gzip| gzip.len() < data.len()) {
            Some(gzip) => Cow::Owned(gzip),
            None => data,
        };
        Some(Entry {
            key: last.key,
            data,
        })
    }
}

/// Compresses at the fastest level: on 256 MB of memory, a seventh of a processor, a millisecond is worth more than a tenth of the bytes.
fn gzip(data: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(data.len() / 4), Compression::fast());
    encoder.write_all(data).ok()?;
    encoder.finish().ok()
}
