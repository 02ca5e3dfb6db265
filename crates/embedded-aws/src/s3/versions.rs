//! Versions that were replaced or deleted, where a stack keeps them, and objects that a lifecycle rule deletes.
//!
//! Sources: [versioning](https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html),
//! [lifecycle rules](https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html). Delete markers are left out: a key
//! without an object has versions alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use event_model::Clock;
use s3s::dto::{ETag, ObjectVersion};

use super::list;
use super::object::{e_tag, is_absent};

/// A rule about the objects under a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleRule {
    /// What the keys begin with.
    pub prefix: String,
    /// Age from which on an object is deleted.
    pub age: Duration,
}

/// The versions that are no longer current. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Versions {
    /// Folder of the buckets.
    root: PathBuf,
    /// Where the versions are: below it as below `root`, a folder for each key. None keeps none.
    folder: Option<PathBuf>,
    clock: Clock,
}

impl Versions {
    pub(crate) fn new(root: &Path, folder: Option<PathBuf>, clock: Clock) -> Self {
        Self {
            root: root.to_owned(),
            folder,
            clock,
        }
    }

    /// Returns the folder of a key's versions, by the path of its object.
    fn of(&self, object: &Path) -> Option<PathBuf> {
        let below = object.strip_prefix(&self.root).ok()?;
        Some(self.folder.as_ref()?.join(below))
    }

    /// Keeps what a key has now, before it is replaced or deleted.
    pub(super) fn keep(&self, object: &Path) -> io::Result<()> {
        let Some(folder) = self.of(object) else {
            return Ok(());
        };
        let metadata = match fs::metadata(object) {
            Err(error) if is_absent(&error) => return Ok(()),
            metadata => metadata?,
        };
        fs::create_dir_all(&folder)?;
        let since_ms = self.clock.unix_millis();
        let version = format!("{since_ms}-{}", e_tag(&metadata));
        match fs::hard_link(object, folder.join(version)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    }

    /// Returns the file of a version.
    pub(super) fn path(&self, object: &Path, version: &str) -> Option<PathBuf> {
        let is_plain = version
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let folder = self.of(object).filter(|_| is_plain)?;
        Some(folder.join(version))
    }

    /// Lists the versions in a bucket that are not current, by key and age.
    pub(super) fn list(&self, bucket: &str, prefix: &str) -> io::Result<Vec<ObjectVersion>> {
        let Some(folder) = self.of(&self.root.join(bucket)) else {
            return Ok(Vec::new());
        };
        let files = list::files(&folder, prefix)?.into_iter();
        let versions = files.filter_map(|(path, file)| {
            let (key, version) = path.rsplit_once('/')?;
            let metadata = fs::metadata(file).ok()?;
            Some(ObjectVersion {
                key: Some(key.to_owned()),
                version_id: Some(version.to_owned()),
                is_latest: Some(false),
                e_tag: Some(ETag::Strong(e_tag(&metadata))),
                last_modified: metadata.modified().ok().map(Into::into),
                size: i64::try_from(metadata.len()).ok(),
                ..ObjectVersion::default()
            })
        });
        Ok(versions.collect())
    }

    /// Does what S3 does once a day: deletes the objects of a bucket whose time has come, and the versions that have not been current for
    /// `noncurrent`. Returns how many objects it deleted.
    pub(crate) fn apply(
        &self,
        bucket: &str,
        rules: &[LifecycleRule],
        noncurrent: Duration,
    ) -> io::Result<usize> {
        let bucket = self.root.join(bucket);
        let now_ms = self.clock.unix_millis();
        let millis = |age: Duration| i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let mut deleted = 0;
        for rule in rules {
            let oldest_ms = now_ms.saturating_sub(millis(rule.age));
            for (_, file) in list::files(&bucket, &rule.prefix)? {
                let written = fs::metadata(&file)?.modified()?;
                let written_ms = written.duration_since(SystemTime::UNIX_EPOCH);
                if millis(written_ms.unwrap_or_default()) < oldest_ms {
                    self.keep(&file)?;
                    fs::remove_file(&file)?;
                    deleted += 1;
                }
            }
        }
        if let Some(folder) = self.of(&bucket) {
            let oldest_ms = now_ms.saturating_sub(millis(noncurrent));
            for (path, file) in list::files(&folder, "")? {
                let version = path.rsplit('/').next().unwrap_or_default();
                let since_ms = version
                    .split('-')
                    .next()
                    .and_then(|since| since.parse().ok());
                if since_ms.is_some_and(|since_ms: i64| since_ms < oldest_ms) {
                    fs::remove_file(file)?;
                }
            }
        }
        Ok(deleted)
    }
}
