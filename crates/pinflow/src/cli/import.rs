//! The options of `import`.

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use posting::Identity;
use reqwest::Url;

use super::Wire;
use super::access::AccessOptions;
use super::post::parse_base_url;
use crate::lake_options::AwsOptions;

#[derive(Debug, Args)]
pub(crate) struct ImportOptions {
    /// Where the old sink's objects are: the prefix, or a folder, of its topics
    #[arg(long, value_name = "s3://BUCKET/PREFIX/|DIR", value_parser = parse_sink_location)]
    pub(crate) from: SinkLocation,
    /// Base URL of the API, with its stage if it has one
    #[arg(long, value_name = "http://HOST[/STAGE]", value_parser = parse_base_url, required_unless_present = "dry_run")]
    pub(crate) api: Option<Url>,
    #[command(flatten)]
    pub(crate) access: AccessOptions,
    /// Sign each request to the API with AWS credentials (Signature Version 4), as one with IAM authorization asks for
    #[arg(long)]
    pub(crate) sigv4: bool,
    /// Profile to sign with, where the API is in another account than the objects [default: --profile]
    #[arg(long, value_name = "NAME", requires = "sigv4")]
    pub(crate) api_profile: Option<String>,
    /// Region to sign for [default: the one in the API's host name, else the profile's, else us-east-1]
    #[arg(long, value_name = "NAME", requires = "sigv4")]
    pub(crate) api_region: Option<String>,
    /// Wire format
    #[arg(long, value_enum, default_value_t = Wire::Events)]
    pub(crate) wire: Wire,
    /// Rows in one request; each comes from an object of its own
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) rows_per_request: u16,
    /// Read all objects, and only print what would be posted
    #[arg(long, conflicts_with = "resume")]
    pub(crate) dry_run: bool,
    /// File that keeps how far the run is [default: .pinflow-import.json]
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Go on after the last object in the state file
    #[arg(long)]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) aws: AwsOptions,
}

impl ImportOptions {
    /// Returns with whose credentials requests to the API are signed; `None` when they are not.
    pub(crate) fn identity(&self) -> Option<Identity> {
        let profile = self.api_profile.as_ref().or(self.aws.profile.as_ref());
        self.sigv4.then(|| Identity {
            profile: profile.cloned(),
            region: self.api_region.clone(),
        })
    }
}

/// Where the old sink's objects are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SinkLocation {
    Folder(PathBuf),
    /// The prefix is empty, or ends with a slash.
    Bucket {
        bucket: String,
        prefix: String,
    },
}

impl fmt::Display for SinkLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(formatter),
            Self::Bucket { bucket, prefix } => write!(formatter, "s3://{bucket}/{prefix}"),
        }
    }
}

fn parse_sink_location(text: &str) -> Result<SinkLocation, String> {
    let example = "the old sink's objects are in a place as s3://bucket/topics/, or in a folder";
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok(SinkLocation::Folder(PathBuf::from(text)));
    };
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if scheme != "s3" || bucket.is_empty() {
        return Err(example.to_owned());
    }
    let mut prefix = prefix.to_owned();
    if !prefix.is_empty() && !prefix.ends_with('/') {
        prefix.push('/');
    }
    Ok(SinkLocation::Bucket {
        bucket: bucket.to_owned(),
        prefix,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_sink_is_in_a_bucket_or_in_a_folder() {
        for (text, shown) in [
            ("s3://old/topics/", "s3://old/topics/"),
            ("s3://old/topics", "s3://old/topics/"),
            ("s3://old", "s3://old/"),
            ("backup/topics", "backup/topics"),
        ] {
            assert_eq!(parse_sink_location(text).unwrap().to_string(), shown);
        }
        for text in [
            "s3://",
            "s3:///topics/",
            "https://old.s3.amazonaws.com/topics/",
        ] {
            let error = parse_sink_location(text).unwrap_err();
            assert!(error.contains("s3://bucket/topics/"), "{error}");
        }
    }
}
