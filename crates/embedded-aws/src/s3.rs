//! S3 on a folder: objects are plain files under their keys, so any tool that reads files reads the lake.
//!
//! The protocol is s3s's; what becomes of a request is our own. Nothing is opened but what is in the stack's buckets:
//! neither what is beside them, nor what a symbolic link leads to. An object's own metadata is in an extended attribute of its
//! file. Copies are left out. Versions that are not current are kept where the stack says so.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, Bucket, Checksum,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput,
    DeleteObjectsOutput, DeletedObject, ETag, GetBucketLocationInput, GetBucketLocationOutput,
    GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput,
    HeadObjectOutput, ListBucketsInput, ListBucketsOutput, ListObjectVersionsInput,
    ListObjectVersionsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
    ListObjectsV2Output, Metadata, PutObjectInput, PutObjectOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use self::list::{Asked, Listed};
use self::multipart::Uploads;
use self::object::OpenObject;
use self::received::received;
use self::staging::{Condition, Staging, WriteError};
use crate::disk::Disk;

mod list;
mod multipart;
mod object;
mod received;
mod staging;
mod versions;

pub use self::versions::LifecycleRule;
pub(crate) use self::versions::Versions;

/// Makes the service of the buckets in a folder; `staging` is a folder of the same file system for unfinished objects.
pub(crate) fn service(
    root: &Path,
    buckets: Vec<String>,
    secret: &str,
    staging: &Path,
    versions: Versions,
    disk: Disk,
) -> io::Result<S3Service> {
    let folder = Folder {
        root: root.to_owned(),
        buckets,
        uploads: Uploads::default(),
        staging: Arc::new(Staging::open(staging, versions.clone())?),
        versions,
        disk,
    };
    let mut builder = S3ServiceBuilder::new(folder);
    builder.set_auth(AnyAccessKey(secret.to_owned()));
    builder.set_access(AnonymousReads);
    Ok(builder.build())
}

/// Takes any access key, with the one secret.
struct AnyAccessKey(String);

#[async_trait]
impl S3Auth for AnyAccessKey {
    async fn get_secret_key(&self, _access_key: &str) -> S3Result<SecretKey> {
        Ok(SecretKey::from(self.0.as_str()))
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
            "Sign the request: any access key, and the secret key that `pinflow local` prints"
        ))
    }
}

/// The buckets of a folder.
struct Folder {
    root: PathBuf,
    /// Names of the buckets: what else is in the folder is nobody's business.
    buckets: Vec<String>,
    staging: Arc<Staging>,
    versions: Versions,
    uploads: Uploads,
    disk: Disk,
}

#[async_trait]
impl S3 for Folder {
    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let trailers = request.trailing_headers;
        let mut input = request.input;
        let condition = Condition::of(input.if_none_match.as_ref(), input.if_match.as_ref())?;
        let path = self.path(&input.bucket, &input.key)?;
        let (body, _, computed) = received(input.body.take(), &input, trailers).await?;
        let metadata = input.metadata.take().unwrap_or_default();
        let e_tag = self.write(body, metadata, path, condition).await?;
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
        let mut path = self.path(&input.bucket, &input.key)?;
        if let Some(version) = &input.version_id {
            let version = self.versions.path(&path, version);
            path = version.ok_or_else(|| s3_error!(NoSuchVersion))?;
        }
        let object = OpenObject::open(path).await?;
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
        self.delete(&request.input.bucket, &request.input.key)?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let input = request.input;
        let mut deleted = Vec::new();
        for object in input.delete.objects {
            self.delete(&input.bucket, &object.key)?;
            deleted.push(DeletedObject {
                key: Some(object.key),
                ..DeletedObject::default()
            });
        }
        let is_quiet = input.delete.quiet.unwrap_or_default();
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted: Some(deleted).filter(|_| !is_quiet),
            ..DeleteObjectsOutput::default()
        }))
    }

    async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = request.input;
        let is_url = list::is_url(input.encoding_type.as_ref());
        let asked = Asked {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone(),
            after: input.marker.clone(),
            max_keys: input.max_keys,
            is_url,
        };
        let listed = self.list(&input.bucket, asked).await?;
        let spelled = |text: Option<String>| text.map(|text| list::spelled(&text, is_url));
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: spelled(input.prefix),
            delimiter: spelled(input.delimiter),
            marker: spelled(input.marker),
            encoding_type: input.encoding_type,
            max_keys: Some(listed.max_keys),
            is_truncated: Some(listed.next.is_some()),
            next_marker: spelled(listed.next),
            contents: Some(listed.objects),
            common_prefixes: Some(listed.prefixes),
            ..ListObjectsOutput::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let is_url = list::is_url(input.encoding_type.as_ref());
        let asked = Asked {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone(),
            after: input
                .continuation_token
                .clone()
                .max(input.start_after.clone()),
            max_keys: input.max_keys,
            is_url,
        };
        let listed = self.list(&input.bucket, asked).await?;
        let spelled = |text: Option<String>| text.map(|text| list::spelled(&text, is_url));
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: spelled(input.prefix),
            delimiter: spelled(input.delimiter),
            start_after: spelled(input.start_after),
            encoding_type: input.encoding_type,
            max_keys: Some(listed.max_keys),
            key_count: Some(listed.count()),
            is_truncated: Some(listed.next.is_some()),
            continuation_token: input.continuation_token,
            next_continuation_token: listed.next,
            contents: Some(listed.objects),
            common_prefixes: Some(listed.prefixes),
            ..ListObjectsV2Output::default()
        }))
    }

    async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let input = request.input;
        self.folder(&input.bucket)?;
        let prefix = input.prefix.unwrap_or_default();
        let versions = self.versions.list(&input.bucket, &prefix);
        Ok(S3Response::new(ListObjectVersionsOutput {
            name: Some(input.bucket),
            prefix: Some(prefix),
            is_truncated: Some(false),
            versions: Some(versions.map_err(|error| s3_error!(error, InternalError))?),
            ..ListObjectVersionsOutput::default()
        }))
    }

    async fn list_buckets(
        &self,
        _: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let buckets = self.buckets.iter().filter_map(|name| {
            let metadata = fs::metadata(self.folder(name).ok()?).ok()?;
            let made = metadata.created().or_else(|_| metadata.modified());
            Some(Bucket {
                creation_date: made.ok().map(Into::into),
                name: Some(name.clone()),
                ..Bucket::default()
            })
        });
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(buckets.collect()),
            ..ListBucketsOutput::default()
        }))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.folder(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.folder(&request.input.bucket)?;
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = request.input;
        self.path(&input.bucket, &input.key)?;
        let number = self.staging.number();
        let id = format!("upload-{number}");
        let metadata = input.metadata.unwrap_or_default();
        let id = self.uploads.begin(id, input.key.clone(), metadata);
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let trailers = request.trailing_headers;
        let mut input = request.input;
        self.path(&input.bucket, &input.key)?;
        // A part promises of its bytes what an object does.
        let promised = PutObjectInput {
            checksum_algorithm: input.checksum_algorithm.clone(),
            checksum_crc32: input.checksum_crc32.clone(),
            checksum_crc32c: input.checksum_crc32c.clone(),
            checksum_crc64nvme: input.checksum_crc64nvme.clone(),
            checksum_sha1: input.checksum_sha1.clone(),
            checksum_sha256: input.checksum_sha256.clone(),
            content_md5: input.content_md5.clone(),
            ..PutObjectInput::default()
        };
        let (body, md5, computed) = received(input.body.take(), &promised, trailers).await?;
        let e_tag = format!("{:032x}", u128::from_be_bytes(md5));
        let (id, key) = (&input.upload_id, &input.key);
        self.uploads
            .add(id, key, input.part_number, e_tag.clone(), body)?;
        Ok(S3Response::new(UploadPartOutput {
            e_tag: Some(ETag::Strong(e_tag)),
            checksum_crc32: computed.checksum_crc32,
            checksum_crc32c: computed.checksum_crc32c,
            checksum_crc64nvme: computed.checksum_crc64nvme,
            checksum_sha1: computed.checksum_sha1,
            checksum_sha256: computed.checksum_sha256,
            ..UploadPartOutput::default()
        }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        let condition = Condition::of(input.if_none_match.as_ref(), input.if_match.as_ref())?;
        let path = self.path(&input.bucket, &input.key)?;
        let (id, key) = (&input.upload_id, &input.key);
        let (body, metadata) = self
            .uploads
            .whole(id, key, input.multipart_upload.as_ref())?;
        let e_tag = self.write(body, metadata, path, condition).await?;
        self.uploads.end(id);
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(e_tag)),
            ..CompleteMultipartUploadOutput::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        if self.uploads.end(&request.input.upload_id) {
            Ok(S3Response::new(AbortMultipartUploadOutput::default()))
        } else {
            Err(s3_error!(NoSuchUpload))
        }
    }
}

impl Folder {
    /// Returns a bucket's folder.
    fn folder(&self, bucket: &str) -> S3Result<PathBuf> {
        let known = self.buckets.iter().find(|known| *known == bucket);
        let folder = known.map(|known| self.root.join(known));
        folder
            .filter(|folder| folder.is_dir())
            .ok_or_else(|| s3_error!(NoSuchBucket))
    }

    async fn list(&self, bucket: &str, asked: Asked) -> S3Result<Listed> {
        let folder = self.folder(bucket)?;
        let listed = tokio::task::spawn_blocking(move || list::list(&folder, &asked)).await;
        let listed = listed.map_err(|error| s3_error!(error, InternalError))?;
        listed.map_err(|error| s3_error!(error, InternalError))
    }

    fn delete(&self, bucket: &str, key: &str) -> S3Result<()> {
        let path = self.path(bucket, key)?;
        let deleted = self.staging.delete(&path);
        deleted.map_err(|error| s3_error!(error, InternalError))
    }

    /// Writes an object, and returns its `ETag`.
    async fn write(
        &self,
        body: Vec<Bytes>,
        metadata: Metadata,
        path: PathBuf,
        condition: Condition,
    ) -> S3Result<String> {
        let staging = Arc::clone(&self.staging);
        let written =
            tokio::task::spawn_blocking(move || staging.write(&body, &metadata, &path, &condition));
        let written = written
            .await
            .map_err(|error| s3_error!(error, InternalError))?;
        written.map_err(|error| match error {
            WriteError::Condition => {
                s3_error!(PreconditionFailed, "There is another object with this key")
            }
            WriteError::Absent => s3_error!(NoSuchKey),
            WriteError::Io(error) => {
                self.disk.note(&error);
                s3_error!(InternalError, "{}", error)
            }
        })
    }

    /// Returns the file of an object. Keys that are no path below the bucket are refused, and those that lead over a link.
    fn path(&self, bucket: &str, key: &str) -> S3Result<PathBuf> {
        let bucket = self.folder(bucket)?;
        let is_plain = Path::new(key)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !is_plain || key.ends_with('/') || key.contains("//") {
            return Err(s3_error!(
                InvalidArgument,
                "The key is no path of a file below the bucket"
            ));
        }
        if list::has_link(&bucket, key) {
            return Err(s3_error!(
                AccessDenied,
                "The key leads over a symbolic link, which may lead out of the bucket"
            ));
        }
        Ok(bucket.join(key))
    }
}
