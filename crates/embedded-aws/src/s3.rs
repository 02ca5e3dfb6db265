//! S3 on a folder: objects are plain files under their keys, so any tool that reads files reads the lake.
//!
//! Listing and deleting are s3s-fs's. Writing is our own: s3s-fs keeps two more files an object, whose names hold the key in
//! base64 and so are longer than a file name may be for the keys of the lake, and its conditional PUT looks first and
//! writes later. So is reading: s3s-fs reads a whole object for the `ETag` of each of its ranges.
//! An object's own metadata is in an extended attribute of its file. Multipart uploads and copies are left out.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt as _;
use http::Method;
use md5::{Digest as _, Md5};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::checksum::ChecksumHasher;
use s3s::dto::{
    Checksum, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, ETag,
    ETagCondition, GetBucketLocationInput, GetBucketLocationOutput, GetObjectInput,
    GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput,
    ListBucketsInput, ListBucketsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
    ListObjectsV2Output, Metadata, PutObjectInput, PutObjectOutput,
};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;

use self::object::{OpenObject, e_tag, is_absent};

mod object;

/// The secret key that goes with every access key.
pub(crate) const SECRET_KEY: &str = "local";

/// Makes the service of the buckets in a folder; `staging` is a folder of the same file system for unfinished objects.
pub(crate) fn service(root: &Path, staging: &Path) -> io::Result<S3Service> {
    // What a killed process left half-written was never acknowledged.
    if staging.exists() {
        fs::remove_dir_all(staging)?;
    }
    fs::create_dir_all(staging)?;
    let reader = FileSystem::new(root).map_err(|error| io::Error::other(format!("{error:?}")))?;
    let folder = Folder {
        reader,
        root: root.to_owned(),
        staging: Arc::new(Staging {
            folder: staging.to_owned(),
            next: AtomicU64::new(0),
            naming: Mutex::new(()),
        }),
    };
    let mut builder = S3ServiceBuilder::new(folder);
    builder.set_auth(AnyAccessKey);
    builder.set_access(AnonymousReads);
    Ok(builder.build())
}

/// Takes any access key, with the one secret.
struct AnyAccessKey;

#[async_trait]
impl S3Auth for AnyAccessKey {
    async fn get_secret_key(&self, _access_key: &str) -> S3Result<SecretKey> {
        Ok(SecretKey::from(SECRET_KEY))
    }
}

/// Lets requests without a signature read, so that a plain URL of an object works.
struct AnonymousReads;

#[async_trait]
impl S3Access for AnonymousReads {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let is_read = [Method::GET, Method::HEAD].contains(context.method());
        if context.credentials().is_some() || is_read {
            return Ok(());
        }
        Err(s3_error!(
            AccessDenied,
            "Sign the request: any access key, secret key `local`"
        ))
    }
}

/// The buckets of a folder.
struct Folder {
    reader: FileSystem,
    root: PathBuf,
    staging: Arc<Staging>,
}

/// Where objects are written before they get their name.
struct Staging {
    folder: PathBuf,
    next: AtomicU64,
    /// Held while an object gets its name, so that nobody writes between the look of a condition and the write.
    naming: Mutex<()>,
}

/// A condition that `PutObject` puts.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    None,
    /// There must be no object with the key (`If-None-Match: *`).
    Absent,
    /// The object must be the one with this `ETag` (`If-Match`).
    Matches(String),
}

/// Why an object was not written.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error("the condition does not hold")]
    Condition,
    #[error("there is no object to compare")]
    Absent,
    #[error(transparent)]
    Io(#[from] io::Error),
}

#[async_trait]
impl S3 for Folder {
    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let trailers = request.trailing_headers;
        let mut input = request.input;
        let condition = match (&input.if_none_match, &input.if_match) {
            (None, None) => Condition::None,
            (Some(ETagCondition::Any), None) => Condition::Absent,
            (None, Some(ETagCondition::ETag(ETag::Strong(e_tag)))) => {
                Condition::Matches(e_tag.clone())
            }
            _ => {
                return Err(s3_error!(
                    NotImplemented,
                    "Of the conditions, only If-None-Match: * and If-Match: \"<ETag>\" are known here"
                ));
            }
        };
        let path = self.path(&input.bucket, &input.key)?;
        let mut hasher = hasher(&input);
        let mut md5 = Md5::new();
        let mut body: Vec<Bytes> = Vec::new();
        let mut stream = input.body.take().ok_or_else(|| s3_error!(IncompleteBody))?;
        while let Some(bytes) = stream
            .try_next()
            .await
            .map_err(|_| s3_error!(IncompleteBody))?
        {
            hasher.update(&bytes);
            md5.update(&bytes);
            body.push(bytes);
        }
        let md5: [u8; 16] = md5.finalize().into();
        let computed = hasher.finalize();
        check_md5(&input, md5)?;
        let trailers = trailers.and_then(|trailers| trailers.take());
        check_checksums(&input, trailers.as_ref(), &computed)?;

        let staging = Arc::clone(&self.staging);
        let metadata = input.metadata.take().unwrap_or_default();
        let written =
            tokio::task::spawn_blocking(move || staging.write(&body, &metadata, &path, &condition));
        let written = written.await;
        let e_tag = match written.map_err(|error| s3_error!(error, InternalError))? {
            Ok(e_tag) => e_tag,
            Err(WriteError::Condition) => {
                return Err(s3_error!(
                    PreconditionFailed,
                    "There is another object with this key"
                ));
            }
            Err(WriteError::Absent) => return Err(s3_error!(NoSuchKey)),
            Err(WriteError::Io(error)) => return Err(s3_error!(error, InternalError)),
        };
        let Checksum {
            checksum_crc32,
            checksum_crc32c,
            checksum_crc64nvme,
            checksum_sha1,
            checksum_sha256,
            ..
        } = computed;
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(ETag::Strong(e_tag)),
            checksum_crc32,
            checksum_crc32c,
            checksum_crc64nvme,
            checksum_sha1,
            checksum_sha256,
            ..PutObjectOutput::default()
        }))
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let object = OpenObject::open(self.path(&input.bucket, &input.key)?).await?;
        object.check(input.if_match.as_ref())?;
        let range = object.range(input.range.as_ref())?;
        let content_range = input.range.is_some().then(|| {
            let (first, last) = (range.start, range.end.saturating_sub(1));
            format!("bytes {first}-{last}/{}", object.length)
        });
        let output = GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(range.end - range.start).ok(),
            content_range,
            e_tag: Some(ETag::Strong(object.e_tag.clone())),
            last_modified: Some(object.modified.into()),
            metadata: object.metadata.clone(),
            ..GetObjectOutput::default()
        };
        let body = object.body(range);
        Ok(S3Response::new(GetObjectOutput {
            body: Some(body.map_err(|error| s3_error!(error, InternalError))?),
            ..output
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let object = OpenObject::open(self.path(&input.bucket, &input.key)?).await?;
        object.check(input.if_match.as_ref())?;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(object.length).ok(),
            e_tag: Some(ETag::Strong(object.e_tag)),
            last_modified: Some(object.modified.into()),
            metadata: object.metadata,
            ..HeadObjectOutput::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.path(&request.input.bucket, &request.input.key)?;
        self.reader.delete_object(request).await
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        for object in &request.input.delete.objects {
            self.path(&request.input.bucket, &object.key)?;
        }
        self.reader.delete_objects(request).await
    }

    async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        self.reader.list_objects(request).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.reader.list_objects_v2(request).await
    }

    async fn list_buckets(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        self.reader.list_buckets(request).await
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.reader.head_bucket(request).await
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.reader.get_bucket_location(request).await
    }
}

impl Folder {
    /// Returns the file of an object. Keys that are no path below the bucket are refused.
    fn path(&self, bucket: &str, key: &str) -> S3Result<PathBuf> {
        let bucket = self.root.join(bucket);
        if !bucket.is_dir() {
            return Err(s3_error!(NoSuchBucket));
        }
        let is_plain = Path::new(key)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !is_plain || key.ends_with('/') || key.contains("//") {
            return Err(s3_error!(
                InvalidArgument,
                "The key is no path of a file below the bucket"
            ));
        }
        Ok(bucket.join(key))
    }
}

impl Staging {
    /// Writes a file so that it is there whole, and flushed, or not at all, and returns its `ETag`.
    fn write(
        &self,
        body: &[Bytes],
        metadata: &Metadata,
        path: &Path,
        condition: &Condition,
    ) -> Result<String, WriteError> {
        let staged = self
            .folder
            .join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
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
        object::set_metadata(&file, metadata)?;
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
            Condition::None => fs::rename(staged, path)?,
            // A link fails if the name is taken.
            Condition::Absent => match fs::hard_link(staged, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(WriteError::Condition);
                }
                linked => linked?,
            },
            Condition::Matches(wanted) => match fs::metadata(path) {
                Ok(metadata) if e_tag(&metadata) == *wanted => fs::rename(staged, path)?,
                Ok(_) => return Err(WriteError::Condition),
                Err(error) if is_absent(&error) => return Err(WriteError::Absent),
                Err(error) => return Err(error.into()),
            },
        }
        Ok(())
    }
}

/// Returns a hasher of the checksums that the request promises.
fn hasher(input: &PutObjectInput) -> ChecksumHasher {
    let algorithm = input
        .checksum_algorithm
        .as_ref()
        .map(s3s::dto::ChecksumAlgorithm::as_str)
        .unwrap_or_default();
    let mut hasher = ChecksumHasher::default();
    if input.checksum_crc32.is_some() || algorithm == "CRC32" {
        hasher.crc32 = Some(s3s::crypto::Crc32::default());
    }
    if input.checksum_crc32c.is_some() || algorithm == "CRC32C" {
        hasher.crc32c = Some(s3s::crypto::Crc32c::default());
    }
    if input.checksum_crc64nvme.is_some() || algorithm == "CRC64NVME" {
        hasher.crc64nvme = Some(s3s::crypto::Crc64Nvme::default());
    }
    if input.checksum_sha1.is_some() || algorithm == "SHA1" {
        hasher.sha1 = Some(s3s::crypto::Sha1::default());
    }
    if input.checksum_sha256.is_some() || algorithm == "SHA256" {
        hasher.sha256 = Some(s3s::crypto::Sha256::default());
    }
    hasher
}

fn check_md5(input: &PutObjectInput, md5: [u8; 16]) -> S3Result<()> {
    use base64::Engine as _;
    let computed = base64::engine::general_purpose::STANDARD.encode(md5);
    if input
        .content_md5
        .as_ref()
        .is_some_and(|promised| promised.as_str() != computed)
    {
        return Err(s3_error!(BadDigest, "The body's MD5 is {computed}"));
    }
    Ok(())
}

/// Compares the checksums that headers or trailers promise with those of the body.
fn check_checksums(
    input: &PutObjectInput,
    trailers: Option<&http::HeaderMap>,
    computed: &Checksum,
) -> S3Result<()> {
    for (name, header, computed) in [
        (
            "x-amz-checksum-crc32",
            &input.checksum_crc32,
            &computed.checksum_crc32,
        ),
        (
            "x-amz-checksum-crc32c",
            &input.checksum_crc32c,
            &computed.checksum_crc32c,
        ),
        (
            "x-amz-checksum-crc64nvme",
            &input.checksum_crc64nvme,
            &computed.checksum_crc64nvme,
        ),
        (
            "x-amz-checksum-sha1",
            &input.checksum_sha1,
            &computed.checksum_sha1,
        ),
        (
            "x-amz-checksum-sha256",
            &input.checksum_sha256,
            &computed.checksum_sha256,
        ),
    ] {
        let trailer = trailers.and_then(|trailers| trailers.get(name)?.to_str().ok());
        let promised = header.as_deref().or(trailer);
        // A trailer of an algorithm that the request did not announce cannot be checked any more.
        if promised.is_some_and(|promised| {
            computed
                .as_deref()
                .is_some_and(|computed| promised != computed)
        }) {
            return Err(s3_error!(BadDigest, "{name} is not that of the body"));
        }
    }
    Ok(())
}
