//! Which clean objects a state of a curated table holds.
//!
//! A manifest is named by the digest of the table's set of files and written before the commit that leads to that set. It
//! says: these files hold the outcome of these objects. That stays true whatever happens to the table later, so a table that
//! anybody restores to an earlier version finds the manifest of that version again, and a run that is killed before its
//! commit leaves a manifest that no table asks for.
//!
//! The objects are kept by the date of their arrival, in segments that are written once ([`parts`]), so that what a commit reads and
//! writes grows with its own objects, not with the age of the stack.

mod parts;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use event_model::Kind;
use event_model::metadata::PositionCounts;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use lake::key::Announcement;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tracing::warn;

use self::parts::{Objects, Part};
use crate::DailyError;
use crate::storage::clean::{CleanObject, arrival_hour};
use crate::storage::objects;
use crate::table::files::folder;

/// Folder of the manifests in a table; readers of Delta pass over names that begin with `_`.
const FOLDER: &str = "_merged";
/// How many manifests are kept besides the newest: those of a month, when a day makes ten commits. A table that is restored to a version
/// whose manifest is gone merges everything again, which changes no row.
const KEPT: usize = 300;
/// How many manifests there are more before the old ones are deleted.
const DELETED_AT_ONCE: usize = 20;
/// How many dates are kept whose version is known; files of older versions are vacuumed.
pub(crate) const DATED: usize = 100;
/// Age of a segment that the newest manifest does not name, from which on it is deleted: that of Delta's log.
const SEGMENT_AGE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Whose objects a part of a manifest has: those that arrived on a date, or those that were put into `clean/` long after their
/// arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum PartOf {
    Date(Date),
    Replays,
}

/// The objects that a state of a table holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The newest date under which rows were merged.
    pub(crate) through: Option<Date>,
    /// For a date under which rows were merged: the version of the table when the next date's first row came.
    #[serde(default)]
    versions: BTreeMap<Date, u64>,
    /// Of dates before this one, no version of the table is known.
    #[serde(default)]
    known_from: Option<Date>,
    /// Up to this date, nothing arrives any more, and all that had is merged.
    #[serde(default)]
    pub(crate) sealed_through: Option<Date>,
    dates: BTreeMap<Date, Part>,
    #[serde(default)]
    replays: Part,
    /// The objects of the parts that were read.
    #[serde(skip)]
    read: BTreeMap<PartOf, Objects>,
    /// Of them, those that no segment has yet.
    #[serde(skip)]
    unwritten: BTreeMap<PartOf, Objects>,
}

/// What became of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Merged {
    version: String,
    /// What stream-cleaner says of the object's bytes; the bucket's own version may change when they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
    pub(crate) rows: u64,
    /// The stream records that the object accounts for.
    #[serde(default, with = "positions", skip_serializing_if = "is_none")]
    pub(crate) positions: PositionCounts,
    /// Newest version of the rules that cleaned a row of it.
    #[serde(default)]
    pub(crate) rules: i32,
    /// The date under which its rows were merged.
    under: Date,
    /// Why no row could be read from this version of the object; it is tried again when it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

fn is_none(counts: &PositionCounts) -> bool {
    counts.total() == 0
}

/// [`PositionCounts`] as their text.
mod positions {
    use event_model::metadata::PositionCounts;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(
        counts: &PositionCounts,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(counts)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<PositionCounts, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
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
        let (number, digest) = name.strip_suffix(".json")?.split_once('-')?;
        Some(Self {
            number: number.parse().ok()?,
            digest: FilesDigest(digest.to_owned()),
        })
    }

    fn to_text(&self) -> String {
        format!("{:020}-{}.json", self.number, self.digest.0)
    }
}

impl Manifest {
    /// Tells whether nothing is known to be merged.
    pub(crate) fn is_empty(&self) -> bool {
        self.through.is_none() && self.dates.is_empty() && self.replays.objects == 0
    }

    /// Returns the version of the table in which `date` was the newest under which rows were merged; `current`, the version that
    /// this manifest belongs to, when no later one was. `None` when that is not known any more.
    pub(crate) fn version_of(&self, date: Date, current: u64) -> Option<u64> {
        if self.known_from.is_some_and(|known| date < known) {
            return None;
        }
        if self.through.is_none_or(|through| through <= date) {
            return Some(current);
        }
        let (_, version) = self.versions.range(..=date).next_back()?;
        Some(*version)
    }

    /// Notes that rows of all dates before one are merged together, under that date: nobody will know which version was which date's.
    pub(crate) fn know_from(&mut self, date: Date) {
        self.versions = self.versions.split_off(&date);
        self.known_from = self.known_from.max(Some(date));
    }

    /// Returns the first date of which a version of the table is known.
    pub(crate) fn known_from(&self) -> Option<Date> {
        self.known_from
    }

    /// Returns the dates of which it has objects.
    pub(crate) fn known_dates(&self) -> impl Iterator<Item = Date> {
        self.dates.keys().copied()
    }

    /// Forgets the objects of sealed dates that are not in `clean/` any more.
    pub(crate) fn forget(&mut self, dates: &[Date]) {
        for date in dates {
            self.dates.remove(date);
        }
    }

    /// Notes that rows are merged under a date on top of a version of the table.
    pub(crate) fn merge_under(&mut self, date: Date, version: u64) {
        if self.through.is_some_and(|through| through >= date) {
            return;
        }
        // Before the first date, the table was as it is.
        let before = self.through.unwrap_or(Date::MIN);
        self.versions.insert(before, version);
        while self.versions.len() > DATED {
            self.versions.pop_first();
        }
        self.through = Some(date);
    }

    /// Returns what became of an object of a part that was read, if it was merged.
    pub(crate) fn find(&self, part: PartOf, object: &CleanObject) -> Option<&Merged> {
        self.read.get(&part)?.get(object.path.as_ref())
    }

    /// Tells whether this version of the object is merged, or is known to be unreadable.
    pub(crate) fn holds(&self, part: PartOf, object: &CleanObject) -> bool {
        self.find(part, object)
            .is_some_and(|merged| merged.version == object.version)
    }

    /// Notes that the rows of an object were merged under a date.
    pub(crate) fn insert(&mut self, part: PartOf, object: &CleanObject, rows: u64, under: Date) {
        let merged = Merged {
            version: object.version.clone(),
            digest: object.noted.digest.clone(),
            rows,
            positions: object.noted.positions.clone().unwrap_or_default(),
            rules: object.rules,
            under,
            error: None,
        };
        self.insert_merged(part, object, merged);
    }

    /// Notes that no row of this version of the object could be read, and why.
    pub(crate) fn insert_unreadable(
        &mut self,
        part: PartOf,
        object: &CleanObject,
        error: String,
        under: Date,
    ) {
        let merged = Merged {
            version: object.version.clone(),
            digest: None,
            rows: 0,
            positions: PositionCounts::default(),
            rules: 0,
            under,
            error: Some(error),
        };
        self.insert_merged(part, object, merged);
    }

    /// Notes that an object's bytes are those that were merged, whatever the bucket says of its version.
    pub(crate) fn insert_same(&mut self, part: PartOf, object: &CleanObject) {
        if let Some(merged) = self.find(part, object).cloned() {
            let merged = Merged {
                version: object.version.clone(),
                ..merged
            };
            self.insert_merged(part, object, merged);
        }
    }

    fn insert_merged(&mut self, part: PartOf, object: &CleanObject, merged: Merged) {
        let key = object.path.to_string();
        let unwritten = self.unwritten.entry(part).or_default();
        unwritten.insert(key.clone(), merged.clone());
        self.read.entry(part).or_default().insert(key, merged);
    }

    /// Takes the objects of a part out of memory, unless something was noted of them: they are read again when they are asked for.
    pub(crate) fn release(&mut self, part: PartOf) {
        if !self.unwritten.contains_key(&part) {
            self.read.remove(&part);
        }
    }

    /// Tells whether something was noted that no segment has yet.
    pub(crate) fn has_news(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// Forgets the objects of a date that `listed` does not have: somebody took them away.
    pub(crate) fn retain_listed(&mut self, part: PartOf, listed: &[CleanObject]) {
        let Some(read) = self.read.get_mut(&part) else {
            return;
        };
        let keys: BTreeSet<&str> = listed.iter().map(|object| object.path.as_ref()).collect();
        let before = read.len();
        read.retain(|key, _| keys.contains(key.as_str()));
        if read.len() < before {
            // All of the part is written again.
            self.unwritten.insert(part, read.clone());
            self.part_mut(part).segments.clear();
        }
    }

    /// Tells whether an object is merged as it was announced.
    pub(crate) async fn holds_announced(
        &mut self,
        store: &dyn ObjectStore,
        kind: Kind,
        announced: &Announcement,
    ) -> Result<bool, DailyError> {
        let replays = self.objects(store, kind, PartOf::Replays).await?;
        let merged = replays.get(&announced.key);
        Ok(merged.is_some_and(|merged| merged.digest.as_ref() == Some(&announced.digest)))
    }

    /// Counts the objects that could not be read.
    pub(crate) fn unreadable(&self) -> u64 {
        let parts = self.dates.values().chain([&self.replays]);
        parts.map(|part| part.unreadable).sum()
    }

    /// Counts the rows that arrived by the end of a day and were merged under a later date than the newest of a version of the table.
    pub(crate) fn rows_merged_after(&self, day: Date, version: u64) -> u64 {
        let mut ended = self.versions.iter();
        let newest = ended.find(|(_, last)| **last >= version);
        let Some(newest) = newest.map(|(date, _)| *date).or(self.through) else {
            return 0;
        };
        let of_dates = self.dates.range(..=day).map(|(_, part)| part);
        let late = of_dates.chain([&self.replays]).flat_map(|part| &part.late);
        late.filter(|late| late.arrival <= day && late.under > newest)
            .map(|late| late.rows)
            .sum()
    }

    /// Returns the rows of the objects of a date, for each hour of arrival.
    pub(crate) async fn rows_by_hour(
        &mut self,
        store: &dyn ObjectStore,
        kind: Kind,
        date: Date,
    ) -> Result<Vec<u64>, DailyError> {
        let mut hours = vec![0; 24];
        for part in [PartOf::Date(date), PartOf::Replays] {
            for (key, object) in self.objects(store, kind, part).await? {
                let Some(hour) = arrival_hour(key).filter(|hour| hour.date == date) else {
                    continue;
                };
                let hour = usize::try_from(hour.hour).ok();
                if let Some(rows) = hour.and_then(|hour| hours.get_mut(hour)) {
                    *rows += object.rows;
                }
            }
        }
        Ok(hours)
    }

    fn part_mut(&mut self, part: PartOf) -> &mut Part {
        match part {
            PartOf::Date(date) => self.dates.entry(date).or_default(),
            PartOf::Replays => &mut self.replays,
        }
    }

    fn part(&self, part: PartOf) -> Option<&Part> {
        match part {
            PartOf::Date(date) => self.dates.get(&date),
            PartOf::Replays => Some(&self.replays),
        }
    }

    /// Finds the newest manifest of a state; `None` when no manifest was written for it.
    pub(crate) async fn of_state(
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
        Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            warn!(lake.key = %path, error = %error, "Merges everything again: `{path}` is damaged");
            Self::default()
        }))
    }

    /// Writes the manifest of a state, newer than all others, and returns its name.
    pub(crate) async fn write(
        mut self,
        store: &dyn ObjectStore,
        kind: Kind,
        digest: FilesDigest,
    ) -> Result<String, DailyError> {
        for (part, objects) in std::mem::take(&mut self.unwritten) {
            self.write_segment(store, kind, part, objects).await?;
        }
        let newest = names(store, kind).await?.pop();
        let name = Name {
            number: newest.map_or(1, |newest| newest.number.saturating_add(1)),
            digest,
        };
        let bytes =
            serde_json::to_vec(&self).map_err(|error| DailyError::Bug(error.to_string()))?;
        let name = name.to_text();
        // A run at the same time may take the same number, for a state of its own. For the same state, both are true.
        objects::put(store, &path(kind, &name), bytes.into()).await?;
        Ok(name)
    }

    /// Deletes all manifests but the newest.
    pub(crate) async fn delete_old(store: &dyn ObjectStore, kind: Kind) -> Result<(), DailyError> {
        let mut names = names(store, kind).await?;
        let old = names.len().saturating_sub(KEPT + 1);
        names.truncate(if old < DELETED_AT_ONCE { 0 } else { old });
        let paths = names.iter().map(|name| path(kind, &name.to_text()));
        delete(store, paths.collect()).await
    }

    /// Deletes the segments that this manifest does not name and that no version of the log may need any more.
    pub(crate) async fn delete_unnamed(
        &self,
        store: &dyn ObjectStore,
        kind: Kind,
        now: Timestamp,
    ) -> Result<(), DailyError> {
        let parts = self.dates.values().chain([&self.replays]);
        let named: BTreeSet<&str> = parts
            .flat_map(|part| &part.segments)
            .map(String::as_str)
            .collect();
        let oldest = now.saturating_sub(SEGMENT_AGE).unwrap_or(Timestamp::MIN);
        let found = objects::list(store, &parts::prefix(kind)).await?;
        let unnamed = found.into_iter().filter(|meta| {
            let is_named = meta
                .location
                .filename()
                .is_some_and(|name| named.contains(name));
            !is_named && meta.last_modified.timestamp() < oldest.as_second()
        });
        delete(store, unnamed.map(|meta| meta.location).collect()).await
    }

    /// Forgets what every state of a table holds: the next merge reads each clean object again.
    pub(crate) async fn delete_all(store: &dyn ObjectStore, kind: Kind) -> Result<(), DailyError> {
        let found = objects::list(store, &format!("{}/{FOLDER}/", folder(kind))).await?;
        delete(store, found.into_iter().map(|meta| meta.location).collect()).await
    }
}

async fn delete(store: &dyn ObjectStore, paths: Vec<Path>) -> Result<(), DailyError> {
    for path in paths {
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
    let prefix = format!("{}/{FOLDER}/states/", folder(kind));
    let found = objects::list(store, &prefix).await?;
    let names = found.iter().filter_map(|meta| meta.location.filename());
    Ok(names.filter_map(Name::parse).collect())
}

fn path(kind: Kind, name: &str) -> Path {
    Path::from(format!("{}/{FOLDER}/states/{name}", folder(kind)))
}

#[cfg(test)]
mod tests;
