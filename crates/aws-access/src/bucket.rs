//! A bucket's objects, and a sentence for each way in which it cannot be read or written.

use std::time::SystemTime;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use conditional_put::{Put, PutError};

use crate::Aws;

/// A bucket. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bucket {
    s3: Client,
    name: String,
    /// Where the bucket is looked for.
    place: String,
}

/// An object, or a bucket, that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BucketError {
    /// There is no such bucket.
    /// Nothing answers there.
    /// The credentials, or their rights, do not allow it.
    /// There are no credentials, or they cannot be fetched.
    #[error(
        "there is no bucket `{bucket}` at {place}; look at its name and, for another place, at --endpoint, --profile and \
         --region"
    )]
    NoBucket {
        /// The bucket.
        bucket: String,
        /// Where it was looked for.
        place: String,
    },
    /// There is no object with this key.
    #[error("there is no object `{key}` in the bucket `{bucket}`")]
    NoObject {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// Nothing answers there.
    #[error(
        "could not connect to {place}; start a stack with `cargo pinflow local`, name another one with --endpoint, or an \
         AWS account with --profile"
    )]
    Unreachable {
        /// Where it was looked for.
        place: String,
    },
    /// The credentials, or their rights, do not allow it.
    #[error(
        "{place} refuses to {action}: {message}; look at the credentials, which --profile chooses, and at their rights"
    )]
    Refused {
        /// Where it was looked for.
        place: String,
        /// What was tried.
        action: String,
        /// What the service says.
        message: String,
    },
    /// There are no credentials, or they cannot be fetched.
    #[error(
        "could not {action} at {place}: there are no credentials, or they cannot be fetched; sign in (`aws sso login`), or look at \
         --profile"
    )]
    NoCredentials {
        /// Where it was looked for.
        place: String,
        /// What was tried.
        action: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It failed in another way.
    #[error("could not {action} at {place}")]
    Failed {
        /// Where it was looked for.
        place: String,
        /// What was tried.
        action: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Bucket {
    /// Makes a bucket; whether it is there is seen when it is first used.
    pub fn new(aws: &Aws, name: String) -> Self {
        let place = aws.endpoint.clone();
        Self {
            s3: aws.s3(),
            name,
            place: place.unwrap_or_else(|| format!("AWS in {}", aws.region)),
        }
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes sure that the bucket is there and that the keys which begin with `prefix` may be listed.
    pub async fn check(&self, prefix: &str) -> Result<(), BucketError> {
        let list = self.s3.list_objects_v2().bucket(&self.name).prefix(prefix);
        let page = list.max_keys(1).send().await;
        page.map(drop)
            .map_err(|error| self.error(format!("list `{prefix}`"), "", error))
    }

    /// Returns the keys that begin with `prefix` and, with `after`, come after it, in their order as text.
    pub async fn list(
        &self,
        prefix: &str,
        after: Option<String>,
    ) -> Result<Vec<String>, BucketError> {
        let list = self.s3.list_objects_v2().bucket(&self.name).prefix(prefix);
        let mut pages = list.set_start_after(after).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.error(format!("list `{prefix}`"), "", error))?;
            let objects = page.contents.unwrap_or_default();
            keys.extend(objects.into_iter().filter_map(|object| object.key));
        }
        Ok(keys)
    }

    /// Returns the objects whose keys begin with `prefix`, each with when it was written.
    pub async fn list_with_times(
        &self,
        prefix: &str,
    ) -> Result<Vec<(String, SystemTime)>, BucketError> {
        let list = self.s3.list_objects_v2().bucket(&self.name).prefix(prefix);
        let mut pages = list.into_paginator().send();
        let mut objects = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.error(format!("list `{prefix}`"), "", error))?;
            let page = page.contents.unwrap_or_default().into_iter();
            objects.extend(page.filter_map(|object| {
                let modified = object.last_modified?.try_into().ok()?;
                Some((object.key?, modified))
            }));
        }
        Ok(objects)
    }

    /// Reads an object.
    pub async fn read(&self, key: &str) -> Result<Bytes, BucketError> {
        let action = || format!("read `{key}`");
        let get = self.s3.get_object().bucket(&self.name).key(key);
        let object = get.send().await;
        let object = object.map_err(|error| self.error(action(), key, error))?;
        let body = object.body.collect().await;
        let body = body.map_err(|error| BucketError::Failed {
            place: self.place.clone(),
            action: action(),
            source: error.into(),
        })?;
        Ok(body.into_bytes())
    }

    /// Writes an object; one with the same key is replaced. It is durable when this returns.
    pub async fn write(&self, key: &str, body: Bytes) -> Result<(), BucketError> {
        let put = self.s3.put_object().bucket(&self.name).key(key);
        let put = put.body(ByteStream::from(body)).send().await;
        put.map(drop)
            .map_err(|error| self.error(format!("write `{key}`"), key, error))
    }

    /// Writes an object of so many records, unless there is one of more records under its key.
    pub async fn write_unless_more(
        &self,
        key: &str,
        records: u64,
        body: Bytes,
    ) -> Result<Put, BucketError> {
        let put = conditional_put::put(&self.s3, &self.name, key, records, None, body).await;
        let action = || format!("write `{key}`");
        put.map_err(|error| match error {
            PutError::Put(error) => self.error(action(), key, *error),
            PutError::Head(error) => self.error(action(), key, *error),
        })
    }

    fn error<E>(&self, action: String, key: &str, error: SdkError<E>) -> BucketError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let place = self.place.clone();
        let bucket = self.name.clone();
        match &error {
            SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => {
                return BucketError::Unreachable { place };
            }
            // The SDK has no other name for it: a request that could be signed fails in one of the two ways above.
            SdkError::DispatchFailure(failure) if failure.is_other() => {
                return BucketError::NoCredentials {
                    place,
                    action,
                    source: error.into(),
                };
            }
            SdkError::ServiceError(answer) => match answer.err().code().unwrap_or_default() {
                "NoSuchBucket" => return BucketError::NoBucket { bucket, place },
                "NoSuchKey" => {
                    let key = key.to_owned();
                    return BucketError::NoObject { bucket, key };
                }
                code if is_about_rights(code) => {
                    let message = answer.err().message().unwrap_or(code);
                    return BucketError::Refused {
                        place,
                        action,
                        message: message.trim_end_matches('.').to_owned(),
                    };
                }
                _ => {}
            },
            _ => {}
        }
        BucketError::Failed {
            place,
            action,
            source: error.into(),
        }
    }
}

fn is_about_rights(code: &str) -> bool {
    matches!(
        code,
        "AccessDenied"
            | "AllAccessDisabled"
            | "ExpiredToken"
            | "InvalidAccessKeyId"
            | "InvalidToken"
            | "SignatureDoesNotMatch"
    )
}
