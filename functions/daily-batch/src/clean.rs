//! What stream-cleaner wrote: the clean objects, and which of them have been folded.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use event_model::Kind;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::civil::Date;
use lake::key::CLEAN_PREFIX;
use lake::{ArrivalHour, ObjectKey};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{DailyError, objects};

/// A clean object as a listing shows it.
#[derive(Clone, Debug)]
pub(crate) struct CleanObject {
    pub(crate) path: Path,
    /// Changes when the object is written again with other bytes.
    pub(crate) version: String,
    pub(crate) size: u64,
}

/// Lists the clean objects of a kind whose rows arrived on `through` or before, in the order of their keys.
///
/// Every date is listed each time, because a batch may be written long after its rows arrived.
pub(crate) async fn list(
    store: &dyn ObjectStore,
    kind: Kind,
    through: Date,
) -> Result<Vec<CleanObject>, DailyError> {
    let prefix = format!("{CLEAN_PREFIX}{kind}/");
    let found = objects::list(store, &prefix).await?;
    let clean = found
        .into_iter()
        .filter_map(|meta| {
            let hour = arrival_hour(meta.location.as_ref());
            if hour.is_none() {
                warn!(lake.key = %meta.location, "Passed over `{}`, which is not a clean object", meta.location);
            }
            (hour?.date <= through).then(|| CleanObject {
                version: version(&meta),
                size: meta.size,
                path: meta.location,
            })
        });
    Ok(clean.collect())
}

fn version(meta: &ObjectMeta) -> String {
    meta.e_tag
        .clone()
        .unwrap_or_else(|| format!("{}-{}", meta.size, meta.last_modified.timestamp_micros()))
}

fn arrival_hour(key: &str) -> Option<ArrivalHour> {
    match key.parse().ok()? {
        ObjectKey::Clean { hour, .. } => Some(hour),
        ObjectKey::Quarantine { .. } => None,
    }
}

/// Which clean objects a curated table already holds, by key.
///
/// It is written under a number of its own before the commit that names the number, so that table and manifest agree
/// whenever a run is killed. Without one, every object is folded again, which changes nothing but the time it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    objects: BTreeMap<String, FoldedObject>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FoldedObject {
    version: String,
    rows: u64,
}

#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    #[serde(flatten)]
    object: FoldedObject,
}

impl Manifest {
    pub(crate) fn holds(&self, object: &CleanObject) -> bool {
        self.objects
            .get(object.path.as_ref())
            .is_some_and(|folded| folded.version == object.version)
    }

    pub(crate) fn insert(&mut self, object: &CleanObject, rows: u64) {
        let folded = FoldedObject {
            version: object.version.clone(),
            rows,
        };
        self.objects.insert(object.path.to_string(), folded);
    }

    /// Forgets the objects of past dates that `listed` does not have: the bucket's lifecycle took them away.
    pub(crate) fn retain_listed(&mut self, listed: &[CleanObject], through: Date) {
        self.objects.retain(|key, _| {
            let is_later = arrival_hour(key).is_some_and(|hour| hour.date > through);
            is_later
                || listed
                    .binary_search_by(|object| object.path.as_ref().cmp(key.as_str()))
                    .is_ok()
        });
    }

    /// Returns the rows of the objects of a date, for each hour of arrival.
    pub(crate) fn rows_by_hour(&self, date: Date) -> Vec<u64> {
        let mut hours = vec![0; 24];
        for (key, object) in &self.objects {
            let Some(hour) = arrival_hour(key).filter(|hour| hour.date == date) else {
                continue;
            };
            if let Some(rows) = usize::try_from(hour.hour)
                .ok()
                .and_then(|hour| hours.get_mut(hour))
            {
                *rows += object.rows;
            }
        }
        hours
    }

    /// Reads a manifest; an absent or damaged one is empty.
    pub(crate) async fn read(
        store: &dyn ObjectStore,
        kind: Kind,
        number: i64,
    ) -> Result<Self, DailyError> {
        let path = manifest_path(kind, number);
        let Some(bytes) = objects::fetch_if_there(store, &path).await? else {
            warn!(lake.key = %path, "Folds everything again: `{path}` is gone");
            return Ok(Self::default());
        };
        Ok(Self::decode(&bytes).unwrap_or_else(|error| {
            warn!(lake.key = %path, error = %error, "Folds everything again: `{path}` is damaged");
            Self::default()
        }))
    }

    fn decode(bytes: &[u8]) -> std::io::Result<Self> {
        let mut text = String::new();
        GzDecoder::new(bytes).read_to_string(&mut text)?;
        let mut objects = BTreeMap::new();
        for line in text.lines() {
            let Line { key, object } = serde_json::from_str(line)?;
            objects.insert(key, object);
        }
        Ok(Self { objects })
    }

    fn encode(&self) -> std::io::Result<Vec<u8>> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        for (key, object) in &self.objects {
            let line = Line {
                key: key.clone(),
                object: object.clone(),
            };
            serde_json::to_writer(&mut encoder, &line)?;
            encoder.write_all(b"\n")?;
        }
        encoder.finish()
    }

    /// Writes the manifest under the first free number above `above`, and returns the number.
    pub(crate) async fn write(
        &self,
        store: &dyn ObjectStore,
        kind: Kind,
        above: i64,
    ) -> Result<i64, DailyError> {
        let bytes = bytes::Bytes::from(
            self.encode()
                .map_err(|error| DailyError::Bug(error.to_string()))?,
        );
        let mut number = above + 1;
        loop {
            let path = manifest_path(kind, number);
            let put = store
                .put_opts(
                    &path,
                    bytes.clone().into(),
                    object_store::PutMode::Create.into(),
                )
                .await;
            match put {
                Ok(_) => return Ok(number),
                // Left by a run that did not come to its commit, or written by one that is under way.
                Err(object_store::Error::AlreadyExists { .. }) => number += 1,
                Err(error) => return Err(DailyError::lake("write", path)(error)),
            }
        }
    }

    /// Deletes the manifests below `number` that no version of the last few commits names.
    pub(crate) async fn delete_old(
        store: &dyn ObjectStore,
        kind: Kind,
        number: i64,
    ) -> Result<(), DailyError> {
        let prefix = format!("curated/{kind}/{MANIFESTS}");
        let oldest = manifest_path(kind, number.saturating_sub(KEPT_MANIFESTS).max(0));
        let found = objects::list(store, &prefix).await?;
        for meta in found.into_iter().filter(|meta| meta.location < oldest) {
            store
                .delete(&meta.location)
                .await
                .map_err(DailyError::lake("delete", meta.location))?;
        }
        Ok(())
    }
}

/// Folder of the manifests in a table; readers of Delta pass over names that begin with `_`.
const MANIFESTS: &str = "_folded";
/// How many manifests are kept below the newest: a table that is restored to a version of those days goes on from there.
const KEPT_MANIFESTS: i64 = 30;

fn manifest_path(kind: Kind, number: i64) -> Path {
    Path::from(format!("curated/{kind}/{MANIFESTS}/{number:020}.ndjson.gz"))
}
