//! Uploads in parts, which SDKs make unasked of large bodies. What is under way is forgotten when the stack stops.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use s3s::dto::{CompletedMultipartUpload, ETag, Metadata};
use s3s::{S3Result, s3_error};

/// Least bytes of a part that is not the last (an S3 limit).
const MIN_PART_BYTES: usize = 5 << 20;
/// Parts of an upload (an S3 limit).
const PART_NUMBERS: std::ops::RangeInclusive<i32> = 1..=10_000;

/// The uploads that are under way.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    uploads: Mutex<HashMap<String, Upload>>,
}

/// An upload: its key, and what has come of it.
#[derive(Debug)]
struct Upload {
    key: String,
    metadata: Metadata,
    parts: BTreeMap<i32, Part>,
}

#[derive(Debug)]
struct Part {
    e_tag: String,
    bytes: Vec<Bytes>,
}

impl Uploads {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<String, Upload>) -> T) -> T {
        work(&mut self.uploads.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Begins an upload, and returns its name.
    pub(super) fn begin(&self, id: String, key: String, metadata: Metadata) -> String {
        let upload = Upload {
            key,
            metadata,
            parts: BTreeMap::new(),
        };
        self.with(|uploads| uploads.insert(id.clone(), upload));
        id
    }

    /// Adds a part, over one of the same number.
    pub(super) fn add(
        &self,
        id: &str,
        key: &str,
        number: i32,
        e_tag: String,
        bytes: Vec<Bytes>,
    ) -> S3Result<()> {
        if !PART_NUMBERS.contains(&number) {
            return Err(s3_error!(
                InvalidArgument,
                "Part number must be an integer between 1 and 10000"
            ));
        }
        self.with(|uploads| {
            let upload = uploads.get_mut(id).filter(|upload| upload.key == key);
            let upload = upload.ok_or_else(|| s3_error!(NoSuchUpload))?;
            upload.parts.insert(number, Part { e_tag, bytes });
            Ok(())
        })
    }

    /// Puts the listed parts together. The upload stays until [`end`](Self::end).
    pub(super) fn whole(
        &self,
        id: &str,
        key: &str,
        listed: Option<&CompletedMultipartUpload>,
    ) -> S3Result<(Vec<Bytes>, Metadata)> {
        let listed = listed
            .and_then(|listed| listed.parts.as_ref())
            .filter(|parts| !parts.is_empty())
            .ok_or_else(|| s3_error!(MalformedXML, "List the parts"))?;
        self.with(|uploads| {
            let upload = uploads.get(id).filter(|upload| upload.key == key);
            let upload = upload.ok_or_else(|| s3_error!(NoSuchUpload))?;
            let numbers = listed
                .iter()
                .map(|part| part.part_number.unwrap_or_default());
            if !numbers.is_sorted_by(|one, other| one < other) {
                return Err(s3_error!(InvalidPartOrder));
            }
            let mut bytes = Vec::new();
            for (place, part) in listed.iter().enumerate() {
                let number = part.part_number.unwrap_or_default();
                let is_named = |found: &&Part| match &part.e_tag {
                    Some(ETag::Strong(e_tag) | ETag::Weak(e_tag)) => *e_tag == found.e_tag,
                    None => true,
                };
                let found = upload.parts.get(&number).filter(is_named);
                let found = found.ok_or_else(|| s3_error!(InvalidPart))?;
                let size: usize = found.bytes.iter().map(Bytes::len).sum();
                if place + 1 < listed.len() && size < MIN_PART_BYTES {
                    return Err(s3_error!(EntityTooSmall));
                }
                bytes.extend(found.bytes.iter().cloned());
            }
            Ok((bytes, upload.metadata.clone()))
        })
    }

    /// Forgets an upload; false when there is none.
    pub(super) fn end(&self, id: &str) -> bool {
        self.with(|uploads| uploads.remove(id).is_some())
    }
}
