//! The bucket's objects: listed, fetched and put, with errors that name them.

use bytes::Bytes;
use event_model::metadata::{self, PositionCounts};
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Error, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt as _,
};

use crate::DailyError;

/// Lists the objects below a key prefix, in the order of their keys.
pub(crate) async fn list(
    store: &dyn ObjectStore,
    prefix: &str,
) -> Result<Vec<ObjectMeta>, DailyError> {
    let listed = store.list(Some(&Path::from(prefix))).try_collect().await;
    let mut found: Vec<ObjectMeta> = listed.map_err(DailyError::lake("list", prefix))?;
    found.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(found)
}

/// Lists the folders right below a key prefix, which ends with a slash: one call for a thousand of them, whatever is in them.
pub(crate) async fn list_folders(
    store: &dyn ObjectStore,
    prefix: &str,
) -> Result<Vec<Path>, DailyError> {
    let listed = store.list_with_delimiter(Some(&Path::from(prefix))).await;
    let mut folders = listed
        .map_err(DailyError::lake("list", prefix))?
        .common_prefixes;
    folders.sort();
    Ok(folders)
}

/// Fetches an object.
pub(crate) async fn fetch(store: &dyn ObjectStore, path: &Path) -> Result<Bytes, DailyError> {
    get(store, path)
        .await
        .map_err(DailyError::lake("read", path.as_ref()))
}

/// An object's bytes, and what its writer says of them.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    pub(crate) bytes: Bytes,
    pub(crate) noted: Noted,
}

/// What the writer of an object says of it, in its metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) digest: Option<String>,
    /// The stream records that the object accounts for.
    pub(crate) positions: Option<PositionCounts>,
}

impl Noted {
    pub(crate) fn of(attributes: &Attributes) -> Self {
        let of = |name: &'static str| attributes.get(&Attribute::Metadata(name.into()));
        Self {
            digest: of(metadata::DIGEST).map(|digest| digest.to_string()),
            positions: of(metadata::POSITIONS).and_then(|counts| counts.parse().ok()),
        }
    }
}

/// Fetches the version of an object that a listing showed. One that has been written again, or taken away, since then is
/// [`DailyError::Changed`].
pub(crate) async fn fetch_version(
    store: &dyn ObjectStore,
    path: &Path,
    e_tag: Option<&str>,
) -> Result<Fetched, DailyError> {
    let options = GetOptions {
        if_match: e_tag.map(str::to_owned),
        ..GetOptions::default()
    };
    let got = match store.get_opts(path, options).await {
        Ok(got) => {
            let noted = Noted::of(&got.attributes);
            let bytes = got.bytes().await;
            bytes.map(|bytes| Fetched { bytes, noted })
        }
        Err(error) => Err(error),
    };
    got.map_err(|error| match error {
        Error::Precondition { .. } | Error::NotFound { .. } => DailyError::Changed {
            key: path.to_string(),
        },
        error => DailyError::lake("read", path.as_ref())(error),
    })
}

/// Fetches an object with what its writer says of it.
pub(crate) async fn fetch_noted(
    store: &dyn ObjectStore,
    path: &Path,
) -> Result<Fetched, DailyError> {
    fetch_version(store, path, None).await
}

/// Returns what the writer of an object says of it; `None` when there is none.
pub(crate) async fn head(
    store: &dyn ObjectStore,
    path: &Path,
) -> Result<Option<(ObjectMeta, Noted)>, DailyError> {
    let options = GetOptions {
        head: true,
        ..GetOptions::default()
    };
    match store.get_opts(path, options).await {
        Ok(found) => Ok(Some((found.meta, Noted::of(&found.attributes)))),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(DailyError::lake("read", path.as_ref())(error)),
    }
}

/// Fetches an object; `None` when there is none.
pub(crate) async fn fetch_if_there(
    store: &dyn ObjectStore,
    path: &Path,
) -> Result<Option<Bytes>, DailyError> {
    match get(store, path).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(DailyError::lake("read", path.as_ref())(error)),
    }
}

/// Puts an object, over one that is there.
pub(crate) async fn put(
    store: &dyn ObjectStore,
    path: &Path,
    bytes: Bytes,
) -> Result<(), DailyError> {
    let put = store.put(path, bytes.into()).await;
    put.map_err(DailyError::lake("write", path.as_ref()))?;
    Ok(())
}

async fn get(store: &dyn ObjectStore, path: &Path) -> Result<Bytes, Error> {
    store.get(path).await?.bytes().await
}
