//! The options of `import`.

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use crate::lake_options::{AwsOptions, LakeOptions};

#[derive(Debug, Args)]
pub(crate) struct ImportOptions {
    /// Where the old sink's objects are: the prefix, or a folder, of its topics
    #[arg(long, value_name = "s3://BUCKET/PREFIX/|DIR", value_parser = parse_sink_location)]
    pub(crate) from: SinkLocation,
    /// Profile that may read the objects [default: the lake's]
    #[arg(long, value_name = "NAME")]
    pub(crate) from_profile: Option<String>,
    /// Region of the objects' bucket [default: the profile's]
    #[arg(long, value_name = "NAME")]
    pub(crate) from_region: Option<String>,
    /// Field of a row that holds the time of its Kafka record: milliseconds since 1970, or RFC 3339 [default: the time at
    /// which the sink wrote the object]
    #[arg(long, value_name = "NAME")]
    pub(crate) time_field: Option<String>,
    /// No row counts as later than this: say when clients began to post to pinflow, if the objects were copied since
    #[arg(long, value_name = "TIME")]
    pub(crate) no_later_than: Option<Timestamp>,
    /// Read all objects, and only print what would be imported
    #[arg(long, conflicts_with = "resume")]
    pub(crate) dry_run: bool,
    /// File that keeps which objects are done [default: .pinflow-import]
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Leave out the objects in the state file
    #[arg(long)]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) lake: LakeOptions,
}

impl ImportOptions {
    /// Returns where the objects' bucket is.
    pub(crate) fn source(&self) -> AwsOptions {
        if self.from_profile.is_none() && self.from_region.is_none() {
            return self.lake.aws.clone();
        }
        AwsOptions {
            endpoint: None,
            profile: self.from_profile.clone(),
            region: self.from_region.clone(),
        }
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
