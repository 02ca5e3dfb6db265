//! The parts of a manifest: the objects of a date, as segments that are written once.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use event_model::Kind;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::civil::Date;
use object_store::ObjectStore;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use tracing::warn;
use uuid::Uuid;

use super::{FOLDER, Manifest, Merged, PartOf};
use crate::DailyError;
use crate::storage::clean::arrival_hour;
use crate::storage::objects;
use crate::table::files::folder;

/// Segments of a part from which on the next one has all of its objects.
const MAX_SEGMENTS: usize = 8;
/// Segments that are fetched at once.
const FETCHES: usize = 16;

/// Objects by key.
pub(super) type Objects = BTreeMap<String, Merged>;

/// A part of a manifest: the names of its segments, and what they come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    /// Later segments replace what earlier ones say of an object.
    pub(super) segments: Vec<String>,
    pub(super) objects: u64,
    pub(super) rows: u64,
    #[serde(default)]
    pub(super) unreadable: u64,
    /// Rows that were merged under a later date than that of their arrival, by both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) late: Vec<Late>,
}

/// Rows that were merged under a later date than that of their arrival.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Late {
    pub(super) arrival: Date,
    pub(super) under: Date,
    pub(super) rows: u64,
}

#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    #[serde(flatten)]
    object: Merged,
}

impl Part {
    /// Counts what the objects come to.
    fn count(&mut self, objects: &Objects) {
        self.objects = objects.len() as u64;
        self.rows = objects.values().map(|object| object.rows).sum();
        let unreadable = objects.values().filter(|object| object.error.is_some());
        self.unreadable = unreadable.count() as u64;
        let mut late: BTreeMap<(Date, Date), u64> = BTreeMap::new();
        for (key, object) in objects {
            let arrival = arrival_hour(key).map(|hour| hour.date);
            if let Some(arrival) = arrival.filter(|arrival| *arrival < object.under) {
                *late.entry((arrival, object.under)).or_default() += object.rows;
            }
        }
        let late = late.into_iter().filter(|(_, rows)| *rows > 0);
        self.late = late
            .map(|((arrival, under), rows)| Late {
                arrival,
                under,
                rows,
            })
            .collect();
    }
}

impl Manifest {
    /// Returns the objects of a part, which is read when it was not yet. A segment that is gone or damaged has none: its objects are
    /// merged again.
    pub(crate) async fn objects(
        &mut self,
        store: &dyn ObjectStore,
        kind: Kind,
        part: PartOf,
    ) -> Result<&Objects, DailyError> {
        if !self.read.contains_key(&part) {
            let names = self.part(part).map_or(&[][..], |part| &part.segments);
            let segments: Vec<Objects> = stream::iter(names)
                .map(|name| read_segment(store, kind, name))
                .buffered(FETCHES)
                .try_collect()
                .await?;
            let objects = segments.into_iter().flatten().collect();
            self.read.insert(part, objects);
        }
        Ok(self.read.entry(part).or_default())
    }

    /// Writes what a part has gained; many segments become one.
    pub(super) async fn write_segment(
        &mut self,
        store: &dyn ObjectStore,
        kind: Kind,
        part: PartOf,
        mut gained: Objects,
    ) -> Result<(), DailyError> {
        let all = self.read.get(&part).cloned().unwrap_or_default();
        let counted = self.part_mut(part);
        counted.count(&all);
        if counted.segments.len() >= MAX_SEGMENTS {
            counted.segments.clear();
            gained = all;
        }
        let of = match part {
            PartOf::Date(date) => date.to_string(),
            PartOf::Replays => "replays".to_owned(),
        };
        let name = format!("{of}-{}.ndjson.gz", Uuid::new_v4());
        counted.segments.push(name.clone());
        let bytes = encode(&gained).map_err(|error| DailyError::Bug(error.to_string()))?;
        objects::put(store, &path(kind, &name), bytes.into()).await
    }
}

async fn read_segment(
    store: &dyn ObjectStore,
    kind: Kind,
    name: &str,
) -> Result<Objects, DailyError> {
    let path = path(kind, name);
    let Some(bytes) = objects::fetch_if_there(store, &path).await? else {
        warn!(lake.key = %path, "Merges its objects again: `{path}` is gone");
        return Ok(Objects::new());
    };
    Ok(decode(&bytes).unwrap_or_else(|error| {
        warn!(lake.key = %path, error = %error, "Merges its objects again: `{path}` is damaged");
        Objects::new()
    }))
}

fn decode(bytes: &[u8]) -> std::io::Result<Objects> {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text)?;
    let mut objects = Objects::new();
    for line in text.lines() {
        let Line { key, object } = serde_json::from_str(line)?;
        objects.insert(key, object);
    }
    Ok(objects)
}

fn encode(objects: &Objects) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    for (key, object) in objects {
        let line = Line {
            key: key.clone(),
            object: object.clone(),
        };
        serde_json::to_writer(&mut encoder, &line)?;
        encoder.write_all(b"\n")?;
    }
    encoder.finish()
}

/// Returns the prefix of the segments of a table.
pub(super) fn prefix(kind: Kind) -> String {
    format!("{}/{FOLDER}/objects/", folder(kind))
}

fn path(kind: Kind, name: &str) -> Path {
    Path::from(format!("{}{name}", prefix(kind)))
}
