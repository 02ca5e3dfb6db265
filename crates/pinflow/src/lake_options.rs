//! Which lake a command works on: that of the embedded stack, or of an AWS account.

use anyhow::Context as _;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use clap::Args;
use reqwest::Url;

/// Where AWS's services are, and with whose credentials they are asked.
#[derive(Clone, Debug, Args)]
pub(crate) struct AwsOptions {
    /// Endpoint of the AWS services [default: `http://127.0.0.1:9000`, where `pinflow local` is; with --profile or --region
    /// that of AWS]
    #[arg(long, value_name = "URL", value_parser = parse_endpoint)]
    pub(crate) endpoint: Option<String>,
    /// Profile of the AWS configuration files: its account and its credentials are taken
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// AWS region; without --profile the credentials are those of the environment [default: the profile's]
    #[arg(long, value_name = "NAME")]
    pub(crate) region: Option<String>,
}

/// A lake, by its bucket.
#[derive(Clone, Debug, Args)]
pub(crate) struct LakeOptions {
    #[command(flatten)]
    pub(crate) aws: AwsOptions,
    /// Bucket that holds the lake
    #[arg(long, value_name = "NAME", default_value = "pinflow-lake")]
    pub(crate) bucket: String,
}

/// What AWS clients are made of.
#[derive(Clone, Debug)]
pub(crate) struct Aws {
    /// Endpoint of the services; `None` is AWS's own.
    pub(crate) endpoint: Option<String>,
    pub(crate) region: String,
    pub(crate) sdk_config: SdkConfig,
}

/// A lake that a command works on.
#[derive(Clone, Debug)]
pub(crate) struct Lake {
    pub(crate) aws: Aws,
    pub(crate) bucket: String,
}

/// Where the embedded stack is when no port was given.
const STACK_ENDPOINT: &str = "http://127.0.0.1:9000";

impl LakeOptions {
    /// Finds out where the lake is; nothing of it is read yet.
    pub(crate) async fn find(&self) -> anyhow::Result<Lake> {
        Ok(Lake {
            aws: self.aws.find().await?,
            bucket: self.bucket.clone(),
        })
    }
}

impl AwsOptions {
    /// Finds out where the services are, and with which credentials they are asked; none is asked yet.
    ///
    /// The embedded stack has credentials of its own. With a profile or a region it is AWS's usual chain: environment,
    /// configuration files, and what a machine of AWS is given.
    pub(crate) async fn find(&self) -> anyhow::Result<Aws> {
        let sdk_config = if self.profile.is_none() && self.region.is_none() {
            Some(embedded_aws::sdk_config(
                self.endpoint.as_deref().unwrap_or(STACK_ENDPOINT),
            ))
        } else {
            self.of_an_account().await
        };
        let sdk_config = sdk_config.context(
            "it is not known in which AWS region the lake is; name one with --region, or in the profile",
        )?;
        Ok(Aws {
            endpoint: sdk_config.endpoint_url().map(str::to_owned),
            region: sdk_config
                .region()
                .map(ToString::to_string)
                .unwrap_or_default(),
            sdk_config,
        })
    }

    async fn of_an_account(&self) -> Option<SdkConfig> {
        let config = account(self.profile.as_deref(), self.region.as_deref(), None).await?;
        let endpoint = self.endpoint.clone();
        let endpoint = endpoint.or_else(|| config.endpoint_url().map(str::to_owned));
        let mut builder = config.into_builder();
        builder.set_endpoint_url(endpoint);
        Some(builder.build())
    }
}

/// Finds out with which credentials, and in which region, an AWS account is asked.
///
/// In the usual chain, keys in the environment come before any profile. Whoever names a profile means that one alone.
/// The region is that of the environment or of the profile, else the default; a machine of AWS is not asked in which it stands.
/// `None` when there is none.
pub(crate) async fn account(
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

impl Aws {
    /// Makes a client of S3.
    pub(crate) fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.sdk_config)
            // Anywhere but at AWS, a bucket has no host name of its own.
            .force_path_style(self.endpoint.is_some())
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }
}

/// Takes an endpoint as it was typed; a slash at its end means nothing.
fn parse_endpoint(text: &str) -> Result<String, String> {
    let example = "an endpoint is as in http://127.0.0.1:9000";
    parse_http_url(text, example)?;
    Ok(text.trim_end_matches('/').to_owned())
}

/// Parses a URL of a host; what is wrong with another text is told with an example.
pub(crate) fn parse_http_url(text: &str, example: &str) -> Result<Url, String> {
    let url: Url = text
        .parse()
        .map_err(|error| format!("{error}; {example}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!(
            "it does not start with http:// or https://; {example}"
        ));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Options {
        #[command(flatten)]
        lake: LakeOptions,
    }

    async fn find(arguments: &str) -> Lake {
        let words = ["pinflow"].into_iter().chain(arguments.split_whitespace());
        Options::parse_from(words).lake.find().await.unwrap()
    }

    #[tokio::test]
    async fn without_options_the_lake_is_the_embedded_stacks() {
        let lake = find("").await;
        assert_eq!(lake.bucket, "pinflow-lake");
        assert_eq!(lake.aws.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
        assert_eq!(lake.aws.region, "us-east-1");
        let lake = find("--endpoint http://localhost:9100/ --bucket other").await;
        assert_eq!(lake.bucket, "other");
        assert_eq!(lake.aws.endpoint.as_deref(), Some("http://localhost:9100"));
    }

    #[tokio::test]
    async fn with_a_region_the_lake_is_that_of_an_account() {
        let lake = find("--region eu-west-1 --bucket other").await;
        assert_eq!(lake.aws.region, "eu-west-1");
        let lake = find("--region eu-west-1 --endpoint http://127.0.0.1:9100").await;
        assert_eq!(lake.aws.endpoint.as_deref(), Some("http://127.0.0.1:9100"));
    }

    #[test]
    fn an_endpoint_is_a_url() {
        for text in ["127.0.0.1:9000", "localhost:9000", "s3://bucket", ""] {
            let error = parse_endpoint(text).unwrap_err();
            assert!(error.contains("; an endpoint is as in http://"), "{error}");
        }
    }
}
