//! The lake's bucket behind `object_store`, with the credentials of the AWS SDK.

use std::fmt;
use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use event_model::Kind;
use model::{Model, Table};
use object_store::aws::{AmazonS3Builder, AwsCredential, S3ConditionalPut};
use object_store::{CredentialProvider, ObjectStore};

use crate::DailyError;

/// The bucket that holds the lake. Cheap to clone.
#[derive(Clone)]
pub struct Lake {
    store: Arc<dyn ObjectStore>,
    url: String,
    model: Arc<Model>,
}

impl Lake {
    /// Makes the lake of a store, with the tables of a model; `url` names it in the query engine, and ends with a slash (`s3://bucket/`).
    pub fn new(store: Arc<dyn ObjectStore>, url: impl Into<String>, model: Arc<Model>) -> Self {
        Self {
            store,
            url: url.into(),
            model,
        }
    }

    /// Makes the lake of a bucket, with the region, the credentials and the endpoint of `config`.
    pub fn from_bucket(
        config: &SdkConfig,
        bucket: &str,
        model: Arc<Model>,
    ) -> anyhow::Result<Self> {
        let credentials = config
            .credentials_provider()
            .context("there are no AWS credentials; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")?;
        let region = config
            .region()
            .context("there is no AWS region; set AWS_REGION")?;
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(region.as_ref())
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_credentials(Arc::new(SdkCredentials(credentials)));
        if let Some(endpoint) = config.endpoint_url() {
            builder = builder.with_endpoint(endpoint).with_allow_http(true);
        }
        let store = builder
            .build()
            .with_context(|| format!("cannot use the bucket `{bucket}`"))?;
        Ok(Self::new(Arc::new(store), format!("s3://{bucket}/"), model))
    }

    /// Returns the store; its paths are the bucket's keys.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// Returns the tables, views and reports.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Returns what the model says of a table.
    pub(crate) fn table(&self, kind: Kind) -> Result<&Table, DailyError> {
        self.model
            .table(kind)
            .ok_or(DailyError::NotInModel { kind })
    }

    /// Returns the kinds of the tables.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        self.model.kinds().collect()
    }

    /// Returns the bucket's URL, with a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl fmt::Debug for Lake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Lake").field(&self.url).finish()
    }
}

/// The SDK's chain of credentials, which knows more places to look than `object_store`'s own, and caches them.
#[derive(Debug)]
struct SdkCredentials(SharedCredentialsProvider);

#[async_trait]
impl CredentialProvider for SdkCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let credentials =
            self.0
                .provide_credentials()
                .await
                .map_err(|source| object_store::Error::Generic {
                    store: "S3",
                    source: Box::new(source),
                })?;
        Ok(Arc::new(AwsCredential {
            key_id: credentials.access_key_id().to_owned(),
            secret_key: credentials.secret_access_key().to_owned(),
            token: credentials.session_token().map(str::to_owned),
        }))
    }
}
