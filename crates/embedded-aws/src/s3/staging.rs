//! Writing: an object is in a file of its own, flushed, before it gets its name, which may depend on what has that name.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use s3s::dto::{ETag, ETagCondition, Metadata};
use s3s::{S3Result, s3_error};

use super::object::{e_tag, is_absent, set_metadata};
use super::versions::Versions;

/// Where objects are written before they get their name.
pub(super) struct Staging {
    folder: PathBuf,
    next: AtomicU64,
    /// Held while an object gets its name, so that nobody writes between the look of a condition and the write.
    naming: Mutex<()>,
    versions: Versions,
}

/// A condition that `PutObject` puts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    None,
    /// There must be no object with the key (`If-None-Match: *`).
    Absent,
    /// The object must be the one with this `ETag` (`If-Match`).
    Matches(String),
}

/// Why an object was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("the condition does not hold")]
    Condition,
    #[error("there is no object to compare")]
    Absent,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Condition {
    pub(super) fn of(
        none_match: Option<&ETagCondition>,
        is_match: Option<&ETagCondition>,
    ) -> S3Result<Self> {
        match (none_match, is_match) {
            (None, None) => Ok(Self::None),
            (Some(ETagCondition::Any), None) => Ok(Self::Absent),
            (None, Some(ETagCondition::ETag(ETag::Strong(e_tag)))) => {
                Ok(Self::Matches(e_tag.clone()))
            }
            _ => Err(s3_error!(
                NotImplemented,
                "Of the conditions, only If-None-Match: * and If-Match: \"<ETag>\" are known here"
            )),
        }
    }
}

impl Staging {
    /// Takes a folder of the buckets' file system, and empties it: what a killed process left half-written was never
    /// acknowledged.
    pub(super) fn open(folder: &Path, versions: Versions) -> io::Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            next: AtomicU64::new(0),
            naming: Mutex::new(()),
            versions,
        })
    }

    /// Returns a number that no other object or upload of this stack has.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Writes a file so that it is there whole, and flushed, or not at all, and returns its `ETag`.
    pub(super) fn write(
        &self,
        body: &[Bytes],
        metadata: &Metadata,
        path: &Path,
        condition: &Condition,
    ) -> Result<String, WriteError> {
        let staged = self.folder.join(self.number().to_string());
        let written = self.write_staged(&staged, body, metadata, path, condition);
        if written.is_err() || *condition == Condition::Absent {
            // What was not renamed; a file that is left over is removed at the next start.
            let _ = fs::remove_file(&staged);
        }
        written
    }

    fn write_staged(
        &self,
        staged: &Path,
        body: &[Bytes],
        metadata: &Metadata,
        path: &Path,
        condition: &Condition,
    ) -> Result<String, WriteError> {
        let mut file = File::create(staged)?;
        for bytes in body {
            file.write_all(bytes)?;
        }
        set_metadata(&file, metadata)?;
        file.sync_all()?;
        // A name changes neither what the file holds nor when it was written.
        let e_tag = e_tag(&file.metadata()?);
        let folder = path.parent().unwrap_or(path);
        fs::create_dir_all(folder)?;
        self.name(staged, path, condition)?;
        File::open(folder)?.sync_all()?;
        Ok(e_tag)
    }

    fn name(&self, staged: &Path, path: &Path, condition: &Condition) -> Result<(), WriteError> {
        let _guard = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
        match condition {
            Condition::None => self.replace(staged, path)?,
            // A link fails if the name is taken.
            Condition::Absent => match fs::hard_link(staged, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(WriteError::Condition);
                }
                linked => linked?,
            },
            Condition::Matches(wanted) => match fs::metadata(path) {
                Ok(metadata) if e_tag(&metadata) == *wanted => self.replace(staged, path)?,
                Ok(_) => return Err(WriteError::Condition),
                Err(error) if is_absent(&error) => return Err(WriteError::Absent),
                Err(error) => return Err(error.into()),
            },
        }
        Ok(())
    }

    fn replace(&self, staged: &Path, path: &Path) -> io::Result<()> {
        self.versions.keep(path)?;
        fs::rename(staged, path)
    }

    /// Deletes an object; one that is not there is deleted already.
    pub(super) fn delete(&self, path: &Path) -> io::Result<()> {
        let _guard = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
        self.versions.keep(path)?;
        match fs::remove_file(path) {
            Err(error) if !is_absent(&error) => Err(error),
            _ => Ok(()),
        }
    }
}
