//! What stream-cleaner wrote: the clean objects of a kind, as a listing shows them.

use event_model::Kind;
use jiff::civil::Date;
use lake::key::CLEAN_PREFIX;
use lake::{ArrivalHour, ObjectKey};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use tracing::warn;

use crate::DailyError;
use crate::storage::objects;

/// A clean object as a listing shows it.
#[derive(Clone, Debug)]
pub(crate) struct CleanObject {
    pub(crate) path: Path,
    /// Changes when the object is written again with other bytes.
    pub(crate) version: String,
    /// What a reader asks for, so that it gets this version or none.
    pub(crate) e_tag: Option<String>,
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
                e_tag: meta.e_tag.clone(),
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

pub(crate) fn arrival_hour(key: &str) -> Option<ArrivalHour> {
    match key.parse().ok()? {
        ObjectKey::Clean { hour, .. } => Some(hour),
        ObjectKey::Quarantine { .. } => None,
    }
}
