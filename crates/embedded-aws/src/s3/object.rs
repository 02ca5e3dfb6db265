//! Reading an object's file: its `ETag`, and a range of its bytes.

use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::SystemTime;

use bytes::Bytes;
use futures::stream;
use md5::{Digest as _, Md5};
use rustix::fs::XattrFlags;
use rustix::io::Errno;
use s3s::dto::{ETag, ETagCondition, Range, StreamingBlob};
use s3s::{S3Result, s3_error};

/// Bytes that are read from the file at once.
const CHUNK_BYTES: u64 = 256 * 1024;

/// An object that is open for reading: what is written under its key afterwards does not change it.
#[derive(Debug)]
pub(super) struct OpenObject {
    file: File,
    pub(super) length: u64,
    pub(super) e_tag: String,
    pub(super) modified: SystemTime,
    /// What the object's writer says of it.
    pub(super) metadata: Option<s3s::dto::Metadata>,
}

impl OpenObject {
    pub(super) async fn open(path: PathBuf) -> S3Result<Self> {
        let opened = tokio::task::spawn_blocking(move || Self::open_file(&path)).await;
        match opened.map_err(|error| s3_error!(error, InternalError))? {
            Ok(object) => Ok(object),
            Err(error) if is_absent(&error) => Err(s3_error!(NoSuchKey)),
            Err(error) => Err(s3_error!(error, InternalError)),
        }
    }

    fn open_file(path: &std::path::Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self {
            length: metadata.len(),
            e_tag: e_tag(&metadata),
            modified: metadata.modified()?,
            metadata: read_metadata(&file),
            file,
        })
    }

    /// Refuses a reader that asks for another version (`If-Match`).
    pub(super) fn check(&self, condition: Option<&ETagCondition>) -> S3Result<()> {
        match condition {
            Some(ETagCondition::ETag(ETag::Strong(e_tag))) if *e_tag != self.e_tag => {
                Err(s3_error!(PreconditionFailed, "The object has another ETag"))
            }
            Some(ETagCondition::ETag(ETag::Weak(_))) => Err(s3_error!(
                PreconditionFailed,
                "A weak ETag matches no object"
            )),
            _ => Ok(()),
        }
    }

    /// Returns the bytes that a request asks for, as positions in the object.
    pub(super) fn range(&self, range: Option<&Range>) -> S3Result<ops::Range<u64>> {
        match range {
            None => Ok(0..self.length),
            Some(range) => range
                .check(self.length)
                .map_err(|_| s3_error!(InvalidRange)),
        }
    }

    /// Streams bytes of the object.
    pub(super) fn body(mut self, range: ops::Range<u64>) -> io::Result<StreamingBlob> {
        self.file.seek(SeekFrom::Start(range.start))?;
        let left = range.end - range.start;
        let chunks = stream::try_unfold((self.file, left), |(file, left)| async move {
            if left == 0 {
                return Ok(None);
            }
            let read = tokio::task::spawn_blocking(move || read_chunk(file, left.min(CHUNK_BYTES)));
            let (file, chunk) = read.await.map_err(io::Error::other)??;
            let left = left - chunk.len() as u64;
            Ok::<_, io::Error>(Some((chunk, (file, left))))
        });
        Ok(StreamingBlob::wrap(chunks))
    }
}

/// Name of the extended attribute that holds an object's own metadata, as a JSON object.
const METADATA: &str = "user.metadata";
/// S3 takes 2 kB of it, which JSON may double.
const MAX_METADATA_BYTES: usize = 4096;

/// Keeps an object's own metadata with its file; a file system without extended attributes forgets it.
pub(super) fn set_metadata(file: &File, metadata: &s3s::dto::Metadata) -> io::Result<()> {
    if metadata.is_empty() {
        return Ok(());
    }
    let json = serde_json::to_vec(metadata)?;
    match rustix::fs::fsetxattr(file, METADATA, &json, XattrFlags::empty()) {
        Err(error) if error != Errno::NOTSUP => Err(error.into()),
        _ => Ok(()),
    }
}

fn read_metadata(file: &File) -> Option<s3s::dto::Metadata> {
    let mut json = [0; MAX_METADATA_BYTES];
    let length = rustix::fs::fgetxattr(file, METADATA, &mut json[..]).ok()?;
    serde_json::from_slice(json.get(..length)?).ok()
}

fn read_chunk(mut file: File, length: u64) -> io::Result<(File, Bytes)> {
    let mut chunk = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    let read = io::Read::by_ref(&mut file)
        .take(length)
        .read_to_end(&mut chunk)?;
    if read as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((file, chunk.into()))
}

/// Tells whether there is no such file; a key below another object's names none either.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
    )
}

/// Returns an `ETag` that changes whenever the object is written, without reading the file.
///
/// As for objects of a bucket with a key of its own, it is not the MD5 of the bytes.
pub(super) fn e_tag(metadata: &Metadata) -> String {
    let mut md5 = Md5::new();
    for part in [metadata.mtime(), metadata.mtime_nsec()] {
        md5.update(part.to_be_bytes());
    }
    for part in [metadata.ino(), metadata.len()] {
        md5.update(part.to_be_bytes());
    }
    let md5: [u8; 16] = md5.finalize().into();
    format!("{:032x}", u128::from_be_bytes(md5))
}
