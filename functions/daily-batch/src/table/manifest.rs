//! Which clean objects a state of a curated table holds.
//!
//! A manifest is named by the digest of the table's set of files and written before the commit that leads to that set. It
//! says: these files hold the outcome of these objects. That stays true whatever happens to the table later, so a table that
//! anybody restores to an earlier version finds the manifest of that version again, and a run that is killed before its
//! commit leaves a manifest that no table asks for.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};

use event_model::Kind;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::civil::Date;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tracing::warn;

use crate::DailyError;
use crate::storage::clean::{CleanObject, arrival_hour};
use crate::storage::objects;
use crate::table::files::folder;

/// Folder of the manifests in a table; readers of Delta pass over names that begin with `_`.
const FOLDER: &str = "_merged";
/// How many manifests are kept besides the newest. A table that is restored to a version whose manifest is gone merges
/// everything again, which changes no row.
const KEPT: usize = 30;

/// The objects that a state of a table holds, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    objects: BTreeMap<String, Merged>,
}

/// What became of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Merged {
    version: String,
    rows: u64,
    /// Why no row could be read from this version of the object; it is tried again when it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    #[serde(flatten)]
    object: Merged,
}

/// Digest of a table's set of files, as 16 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilesDigest(String);

impl FilesDigest {
    /// Computes the digest of the paths of a table's files, in any order.
    pub(crate) fn new<'a>(paths: impl Iterator<Item = &'a str>) -> Self {
        let mut paths: Vec<_> = paths.collect();
        paths.sort_unstable();
        let digest = Sha256::digest(paths.join("\n"));
        let mut text = String::new();
        for byte in digest.iter().take(8) {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }
}

/// The name of a manifest: its place in time, and the state that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    number: u64,
    digest: FilesDigest,
}

impl Name {
    fn parse(name: &str) -> Option<Self> {
        let (number, digest) = name.strip_suffix(".ndjson.gz")?.split_once('-')?;
        Some(Self {
            number: number.parse().ok()?,
            digest: FilesDigest(digest.to_owned()),
        })
    }

    fn to_text(&self) -> String {
        format!("{:020}-{}.ndjson.gz", self.number, self.digest.0)
    }
}

impl Manifest {
    /// Tells whether this version of the object is merged, or is known to be unreadable.
    pub(crate) fn holds(&self, object: &CleanObject) -> bool {
        self.objects
            .get(object.path.as_ref())
            .is_some_and(|merged| merged.version == object.version)
    }

    pub(crate) fn insert(&mut self, object: &CleanObject, rows: u64) {
        self.insert_outcome(object, rows, None);
    }

    /// Notes that no row of this version of the object could be read, and why.
    pub(crate) fn insert_unreadable(&mut self, object: &CleanObject, error: String) {
        self.insert_outcome(object, 0, Some(error));
    }

    fn insert_outcome(&mut self, object: &CleanObject, rows: u64, error: Option<String>) {
        let merged = Merged {
            version: object.version.clone(),
            rows,
            error,
        };
        self.objects.insert(object.path.to_string(), merged);
    }

    /// Returns the keys of the objects that could not be read, each with the reason.
    pub(crate) fn unreadable(&self) -> impl Iterator<Item = (&str, &str)> {
        let objects = self.objects.iter();
        objects.filter_map(|(key, merged)| Some((key.as_str(), merged.error.as_deref()?)))
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

    /// Finds the newest manifest of a state; `None` when no manifest was written for it.
    pub(crate) async fn find(
        store: &dyn ObjectStore,
        kind: Kind,
        digest: &FilesDigest,
    ) -> Result<Option<Self>, DailyError> {
        let names = names(store, kind).await?;
        let newest = names.into_iter().rfind(|name| name.digest == *digest);
        match newest {
            Some(name) => Self::read(store, kind, &name.to_text()).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads a manifest by its name; an absent or damaged one is empty, so that everything is merged again.
    pub(crate) async fn read(
        store: &dyn ObjectStore,
        kind: Kind,
        name: &str,
    ) -> Result<Self, DailyError> {
        let path = path(kind, name);
        let Some(bytes) = objects::fetch_if_there(store, &path).await? else {
            warn!(lake.key = %path, "Merges everything again: `{path}` is gone");
            return Ok(Self::default());
        };
        Ok(Self::decode(&bytes).unwrap_or_else(|error| {
            warn!(lake.key = %path, error = %error, "Merges everything again: `{path}` is damaged");
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

    /// Writes the manifest of a state, newer than all others, and returns its name.
    pub(crate) async fn write(
        &self,
        store: &dyn ObjectStore,
        kind: Kind,
        digest: FilesDigest,
    ) -> Result<String, DailyError> {
        let newest = names(store, kind).await?.pop();
        let name = Name {
            number: newest.map_or(1, |newest| newest.number.saturating_add(1)),
            digest,
        };
        let bytes = self
            .encode()
            .map_err(|error| DailyError::Bug(error.to_string()))?;
        let name = name.to_text();
        // A run at the same time may take the same number, for a state of its own. For the same state, both are true.
        objects::put(store, &path(kind, &name), bytes.into()).await?;
        Ok(name)
    }

    /// Deletes all manifests but the newest.
    pub(crate) async fn delete_old(store: &dyn ObjectStore, kind: Kind) -> Result<(), DailyError> {
        let mut names = names(store, kind).await?;
        names.truncate(names.len().saturating_sub(KEPT + 1));
        delete(store, kind, &names).await
    }

    /// Forgets what every state of a table holds: the next merge reads each clean object again.
    pub(crate) async fn delete_all(store: &dyn ObjectStore, kind: Kind) -> Result<(), DailyError> {
        let names = names(store, kind).await?;
        delete(store, kind, &names).await
    }
}

async fn delete(store: &dyn ObjectStore, kind: Kind, names: &[Name]) -> Result<(), DailyError> {
    for name in names {
        let path = path(kind, &name.to_text());
        match store.delete(&path).await {
            // Another run cleans up as well.
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(DailyError::lake("delete", path)(error)),
        }
    }
    Ok(())
}

/// Lists the manifests of a table, oldest first.
async fn names(store: &dyn ObjectStore, kind: Kind) -> Result<Vec<Name>, DailyError> {
    let prefix = format!("{}/{FOLDER}/", folder(kind));
    let found = objects::list(store, &prefix).await?;
    let names = found.iter().filter_map(|meta| meta.location.filename());
    Ok(names.filter_map(Name::parse).collect())
}

fn path(kind: Kind, name: &str) -> Path {
    Path::from(format!("{}/{FOLDER}/{name}", folder(kind)))
}
