#![doc = include_str!("../README.md")]

mod bucket;

use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::config::timeout::TimeoutConfig;

pub use bucket::{Bucket, BucketError};

/// What AWS clients are made of.
#[derive(Clone, Debug)]
pub struct Aws {
    /// Endpoint of the services; `None` is AWS's own.
    pub endpoint: Option<String>,
    /// Region of the services.
    pub region: String,
    /// What the SDK's clients are made of.
    pub sdk_config: SdkConfig,
}

/// Finds out with which credentials, and in which region, an AWS account is asked.
///
/// In the usual chain, keys in the environment come before any profile. Whoever names a profile means that one alone.
/// The region is that of the environment or of the profile, else the default; a machine of AWS is not asked for its own region.
/// `None` when there is none.
pub async fn account(
    profile: Option<&str>,
    region: Option<&str>,
    default_region: Option<&str>,
) -> Option<SdkConfig> {
    let mut of_profile = ProfileFileRegionProvider::builder();
    if let Some(profile) = profile {
        of_profile = of_profile.profile_name(profile);
    }
    let named = |name: Option<&str>| name.map(|name| Region::new(name.to_owned()));
    let region = RegionProviderChain::first_try(named(region))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(of_profile.build())
        .or_else(named(default_region))
        .region()
        .await?;
    let loader = aws_config::defaults(BehaviorVersion::latest()).region(region);
    let Some(profile) = profile else {
        return Some(loader.load().await);
    };
    let config = loader.profile_name(profile).load().await;
    // A role, or a sign-on, is changed into credentials in the same region.
    let provider = ProviderConfig::without_region().with_region(config.region().cloned());
    let provider = ProfileFileCredentialsProvider::builder()
        .configure(&provider)
        .profile_name(profile)
        .build();
    let builder = config.into_builder();
    let builder = builder.credentials_provider(SharedCredentialsProvider::new(provider));
    Some(builder.build())
}

/// How long a person's command waits for a service that is silent: a try until its answer begins, and all tries of a call. A body that
/// stops to flow is ended by the SDK's own protection.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(30))
        .operation_timeout(Duration::from_secs(90))
        .build()
}

impl Aws {
    /// Makes a client of S3.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.sdk_config)
            // Anywhere but at AWS, a bucket has no host name of its own.
            .force_path_style(self.endpoint.is_some())
            .timeout_config(timeouts())
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }
}
