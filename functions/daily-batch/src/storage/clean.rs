//! What stream-cleaner wrote: the clean objects of a kind, as a listing shows them.

use event_model::Kind;
use jiff::civil::Date;
use lake::key::{Announcement, CLEAN_PREFIX, REPLAYS_PREFIX};
use lake::{ArrivalHour, ObjectKey};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use tracing::warn;

use crate::DailyError;
use crate::storage::objects::{self, Noted};

/// A clean object as a listing shows it.
#[derive(Clone, Debug)]
pub(crate) struct CleanObject {
    pub(crate) path: Path,
    /// Changes when the object is written again with other bytes.
    pub(crate) version: String,
    /// What a reader asks for, so that it gets this version or none.
    pub(crate) e_tag: Option<String>,
    pub(crate) size: u64,
    /// What its writer says of it, when somebody has asked.
    pub(crate) noted: Noted,
    /// Newest version of the rules that cleaned a row of it, when its rows were read.
    pub(crate) rules: i32,
}

/// Lists all clean objects of a kind, in the order of their keys.
pub(crate) async fn list_all(
    store: &dyn ObjectStore,
    kind: Kind,
) -> Result<Vec<CleanObject>, DailyError> {
    list(store, &format!("{CLEAN_PREFIX}{kind}/")).await
}

/// Lists the clean objects of a kind whose rows arrived on a date, in the order of their keys.
pub(crate) async fn list_date(
    store: &dyn ObjectStore,
    kind: Kind,
    date: Date,
) -> Result<Vec<CleanObject>, DailyError> {
    list(store, &date_prefix(kind, date)).await
}

/// Returns the key prefix of the clean objects of a kind whose rows arrived on a date.
pub(crate) fn date_prefix(kind: Kind, date: Date) -> String {
    format!("{CLEAN_PREFIX}{kind}/date={date}/")
}

/// Lists what was announced of a kind: objects that were put into `clean/` long after their rows arrived. By their keys.
pub(crate) async fn list_announced(
    store: &dyn ObjectStore,
    kind: Kind,
) -> Result<Vec<Announcement>, DailyError> {
    let found = objects::list(store, &format!("{REPLAYS_PREFIX}{kind}/")).await?;
    let keys = found.iter().map(|meta| meta.location.as_ref());
    let mut announced: Vec<_> = keys.filter_map(Announcement::parse).collect();
    announced.sort();
    Ok(announced)
}

/// Looks at an object; `None` when it is not there, or not yet.
pub(crate) async fn find(
    store: &dyn ObjectStore,
    path: &Path,
) -> Result<Option<CleanObject>, DailyError> {
    let found = objects::head(store, path).await?;
    Ok(found.map(|(meta, noted)| CleanObject {
        noted,
        ..CleanObject::new(meta)
    }))
}

async fn list(store: &dyn ObjectStore, prefix: &str) -> Result<Vec<CleanObject>, DailyError> {
    let found = objects::list(store, prefix).await?;
    let clean = found.into_iter().filter(|meta| {
        let is_clean = arrival_hour(meta.location.as_ref()).is_some();
        if !is_clean {
            warn!(lake.key = %meta.location, "Passed over `{}`, which is not a clean object", meta.location);
        }
        is_clean
    });
    Ok(clean.map(CleanObject::new).collect())
}

impl CleanObject {
    fn new(meta: ObjectMeta) -> Self {
        Self {
            version: version(&meta),
            e_tag: meta.e_tag,
            size: meta.size,
            path: meta.location,
            noted: Noted::default(),
            rules: 0,
        }
    }

    /// Returns the date on which the object's rows arrived.
    pub(crate) fn date(&self) -> Date {
        arrival_hour(self.path.as_ref()).map_or(Date::MIN, |hour| hour.date)
    }
}

fn version(meta: &ObjectMeta) -> String {
    meta.e_tag
        .clone()
        .unwrap_or_else(|| format!("{}-{}", meta.size, meta.last_modified.timestamp_micros()))
}

pub(crate) fn arrival_hour(key: &str) -> Option<ArrivalHour> {
    match key.parse().ok()? {
        ObjectKey::Clean { hour, .. } => Some(hour),
        ObjectKey::Quarantine { .. } => None,
    }
}
