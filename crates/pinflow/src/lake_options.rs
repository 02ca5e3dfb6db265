//! Which lake a command works on: that of the embedded stack, or of an AWS account.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use aws_access::{Aws, Bucket, account};
use aws_config::SdkConfig;
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

/// A lake that a command works on.
#[derive(Clone, Debug)]
pub(crate) struct Lake {
    pub(crate) aws: Aws,
    pub(crate) bucket: String,
}

/// Where the embedded stack is when no port was given.
const STACK_ENDPOINT: &str = "http://127.0.0.1:9000";

impl Lake {
    /// Returns the bucket; whether it is there is seen when it is first used.
    pub(crate) fn open(&self) -> Bucket {
        Bucket::new(&self.aws, self.bucket.clone())
    }
}

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
            let endpoint = self.endpoint.as_deref().unwrap_or(STACK_ENDPOINT);
            Some(embedded_aws::sdk_config(
                endpoint,
                &secret_of(endpoint).await,
            ))
        } else {
            self.of_an_account().await
        };
        let sdk_config =
            sdk_config.context("no AWS region is set; pass --region, or set one in the profile")?;
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

/// How long a stack on this machine may take to say where its secret is.
const SECRET_TIMEOUT: Duration = Duration::from_secs(5);

/// Returns the secret key of the embedded stack at an endpoint, from the file that the stack names and its owner can read.
///
/// Where there is none, what emulators of AWS take: the request that needs it says what is wrong.
async fn secret_of(endpoint: &str) -> String {
    let read = async || {
        let url = format!("{endpoint}{}", embedded_aws::SECRET_FILE_PATH);
        let client = reqwest::Client::builder()
            .timeout(SECRET_TIMEOUT)
            .build()
            .ok()?;
        let answer = client.get(url).send().await.ok()?.error_for_status().ok()?;
        let path = PathBuf::from(answer.text().await.ok()?);
        // Whoever answers may name any file: none but such a one is read.
        let is_secret = path.is_absolute() && path.ends_with(".pinflow/secret");
        is_secret.then(|| std::fs::read_to_string(path).ok())?
    };
    let secret = read().await.map(|secret| secret.trim().to_owned());
    secret.unwrap_or_else(|| "local".to_owned())
}

/// Takes an endpoint as it was typed; a slash at its end means nothing.
fn parse_endpoint(text: &str) -> Result<String, String> {
    let example = "an endpoint is as in http://127.0.0.1:9000";
    parse_http_url(text, example)?;
    Ok(text.trim_end_matches('/').to_owned())
}

/// Parses a URL of a host; the error for another text has an example.
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
