//! Where invocations that failed for good are reported.

use std::fs;
use std::path::{Path, PathBuf};

use aws_config::SdkConfig;
use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::primitives::ByteStream;

use crate::event_source_mapping::{FailedInvocation, OnFailure};

/// A destination. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Destination {
    /// The log alone, which has the error already.
    Nowhere,
    Bucket {
        s3: aws_sdk_s3::Client,
        bucket: String,
    },
    /// A folder of messages.
    Queue(PathBuf),
}

impl Destination {
    pub(crate) fn new(on_failure: Option<OnFailure>, aws: &SdkConfig, state: &Path) -> Self {
        match on_failure {
            None => Self::Nowhere,
            Some(OnFailure::Bucket(bucket)) => Self::Bucket {
                s3: aws_sdk_s3::Client::new(aws),
                bucket,
            },
            Some(OnFailure::Queue(name)) => Self::Queue(state.join("queues").join(name)),
        }
    }

    /// Writes an invocation; the same one again replaces it.
    pub(crate) async fn deliver(self, invocation: FailedInvocation) -> Result<(), String> {
        match self {
            Self::Nowhere => Ok(()),
            Self::Bucket { s3, bucket } => {
                let put = s3.put_object().bucket(bucket).key(invocation.key);
                let put = put.body(ByteStream::from(invocation.whole.into_bytes()));
                put.send()
                    .await
                    .map(drop)
                    .map_err(|error| DisplayErrorContext(error).to_string())
            }
            Self::Queue(folder) => {
                let name = invocation.key.rsplit('/').next().unwrap_or_default();
                write_message(&folder, name, &invocation.metadata)
                    .map_err(|error| error.to_string())
            }
        }
    }
}

/// Writes a message to a queue, which is a folder.
pub(crate) fn write_message(folder: &Path, name: &str, message: &str) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    // Under another name until it is whole, so that a reader of `*.json` sees whole messages.
    let unfinished = folder.join(format!("{name}.part"));
    fs::write(&unfinished, message)?;
    fs::rename(&unfinished, folder.join(format!("{name}.json")))
}
