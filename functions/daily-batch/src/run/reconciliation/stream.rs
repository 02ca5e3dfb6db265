//! The stream of a reconciliation, and what it is.

use std::time::Duration;

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_request::AwsRequest;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::timeout::TimeoutConfig;
use aws_sdk_kinesis::types::{StreamDescriptionSummary, StreamModeDetails};
use daily_report::summary::{StreamMode, StreamUsage};
use event_model::Clock;
use jiff::{SignedDuration, Timestamp};

/// The stream that a reconciliation asks about. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stream {
    pub(super) client: Client,
    pub(super) aws: AwsRequest,
    pub(super) name: String,
}

impl Stream {
    /// Makes the stream of a name, with the region, the credentials and the endpoint of `config`.
    ///
    /// # Errors
    ///
    /// When the configuration has no credentials or no region.
    pub fn from_name(
        config: &SdkConfig,
        name: impl Into<String>,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        // A stream that is silent makes the check incomplete, not the run hang.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .operation_attempt_timeout(Duration::from_secs(15))
            .operation_timeout(Duration::from_secs(40))
            .build();
        let kinesis = aws_sdk_kinesis::config::Builder::from(config).timeout_config(timeouts);
        Ok(Self {
            client: Client::from_conf(kinesis.build()),
            aws: AwsRequest::new(config, clock)?,
            name: name.into(),
        })
    }
}

/// What the stream is, and since when.
pub(super) struct Described {
    pub(super) usage: StreamUsage,
    pub(super) created_at: Timestamp,
    pub(super) shards: Vec<String>,
    /// How long it keeps a record.
    pub(super) retention: SignedDuration,
}

/// Asks what the stream is.
pub(super) async fn describe(stream: &Stream) -> anyhow::Result<Described> {
    let summary = stream
        .client
        .describe_stream_summary()
        .stream_name(&stream.name);
    let summary = summary.send().await?.stream_description_summary;
    let summary = summary.context("the answer has no description")?;
    let created_at = summary.stream_creation_timestamp();
    let hours = summary.retention_period_hours();
    Ok(Described {
        usage: stream_usage(&summary),
        created_at: Timestamp::from_second(created_at.secs())?,
        shards: list_shards(&stream.client, &stream.name).await?,
        retention: SignedDuration::from_hours(i64::from(hours)),
    })
}

fn stream_usage(summary: &StreamDescriptionSummary) -> StreamUsage {
    let mode = summary
        .stream_mode_details()
        .map(StreamModeDetails::stream_mode);
    StreamUsage {
        mode: match mode {
            Some(aws_sdk_kinesis::types::StreamMode::OnDemand) => StreamMode::OnDemand,
            _ => StreamMode::Provisioned,
        },
        shards: u32::try_from(summary.open_shard_count()).unwrap_or_default(),
        retention_hours: u32::try_from(summary.retention_period_hours()).unwrap_or_default(),
    }
}

/// Lists the shards of a stream, those that are closed among them.
///
/// # Errors
///
/// What Kinesis answers.
pub async fn list_shards(
    client: &Client,
    name: &str,
) -> Result<Vec<String>, aws_sdk_kinesis::Error> {
    let mut shards = Vec::new();
    let mut token = None;
    loop {
        let request = client.list_shards();
        // A token includes the stream.
        let request = match token {
            Some(token) => request.next_token(token),
            None => request.stream_name(name),
        };
        let page = request.send().await?;
        shards.extend(
            page.shards()
                .iter()
                .map(|shard| shard.shard_id().to_owned()),
        );
        token = page.next_token;
        if token.is_none() {
            return Ok(shards);
        }
    }
}
