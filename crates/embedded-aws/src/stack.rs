//! The stack: starts the services on one port, and stops them in the order that loses nothing.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use event_model::Clock;
use ingest_api::{ApiKeys, Packing};
use lambda_runtime::{Context, LambdaEvent};
use model::Model;
use s3s::service::S3Service;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::info;
use uuid::Uuid;

use crate::api_gateway::ApiGateway;
use crate::cloudwatch::CloudWatch;
use crate::destination::Destination;
use crate::disk::Disk;
use crate::event_source_mapping::EventSourceMapping;
use crate::kinesis::api::Kinesis;
use crate::kinesis::store::{ArrivalJitter, Store, StreamSettings, open_file};
use crate::lambda::{Invocation, Lambda};
use crate::page::Page;
use crate::s3::{LifecycleRule, Versions};
use crate::server::{Services, serve};
use crate::totals::{self, LiveTotals};
use crate::{EventSourceMappingConfig, Faults, OnFailure, ShardLimits, StackError, Totals, s3};

/// Most shards of the stream (Kinesis's default quota of an account).
const MAX_SHARDS: u32 = 500;

/// Queue of the events that a function was given and failed with three times.
const DEAD_LETTERS: &str = "dead-letters";

/// The settings of a stack.
#[derive(Clone, Debug)]
pub struct StackConfig {
    /// Folder of the state: the bucket as plain files, and `.pinflow/` for the rest.
    pub out: PathBuf,
    /// Port on the loopback interface; 0 takes any that is free.
    pub port: u16,
    /// Name of the API's stage; on `$default` there is nothing in front of a path.
    pub stage: String,
    /// Name of the bucket that holds the lake.
    pub bucket: String,
    /// Name of the stream.
    pub stream: String,
    /// Number of shards; the same for ever in one folder.
    pub shards: u32,
    /// Seed of the pauses between tries.
    pub seed: u64,
    /// Keys that the API asks for, one a line; without them it is open.
    pub api_keys: Option<String>,
    /// Whether and how ingest-api packs the rows of a request into records.
    pub packing: Option<Packing>,
    /// Longest that a client may take to send its headers, and again for its body.
    pub client_timeout: Duration,
    /// By how many milliseconds an arrival may lie before the time of its record, and so before that of an earlier one: AWS calls
    /// arrivals approximate.
    pub arrival_jitter_ms: u32,
    /// What a shard takes in a second.
    pub shard_limits: ShardLimits,
    /// How long the stream gives a record out; none is for ever. Its file keeps it all the same, for the counts of CloudWatch.
    pub retention: Option<Duration>,
    /// Whether versions of objects that are replaced or deleted are kept, in `.pinflow/versions/`.
    pub keeps_versions: bool,
    /// Outages, which may change while the stack runs.
    pub faults: Faults,
    /// Part of Lambda's minutes that the retry of an asynchronous invocation waits for.
    pub retry_pause_scale: f64,
    /// The event source mapping.
    pub event_source_mapping: EventSourceMappingConfig,
    /// The tables.
    pub model: Arc<Model>,
}

impl StackConfig {
    /// Returns the settings of a small deployment, with its state in a folder and on any free port, for the tables of a model.
    pub fn new(out: impl Into<PathBuf>, model: Arc<Model>) -> Self {
        Self {
            out: out.into(),
            port: 0,
            stage: "$default".to_owned(),
            bucket: "pinflow-lake".to_owned(),
            stream: "pinflow-events".to_owned(),
            shards: 2,
            seed: 0,
            api_keys: None,
            packing: None,
            client_timeout: Duration::from_secs(30),
            arrival_jitter_ms: 0,
            shard_limits: ShardLimits::default(),
            retention: None,
            keeps_versions: false,
            faults: Faults::default(),
            retry_pause_scale: 1.0,
            event_source_mapping: EventSourceMappingConfig::default(),
            model,
        }
    }

    fn validate(&self) -> Result<(), StackError> {
        if !(1..=MAX_SHARDS).contains(&self.shards) {
            let message = format!(
                "the number of shards is {}; take 1 to {MAX_SHARDS}",
                self.shards
            );
            return Err(StackError::Setting(message));
        }
        self.event_source_mapping.validate()
    }
}

/// A running stack.
pub struct Stack {
    url: String,
    secret: String,
    aws: SdkConfig,
    totals: LiveTotals,
    lambda: Lambda,
    versions: Versions,
    bucket: String,
    mapping: EventSourceMapping,
    stop: CancellationToken,
    server: JoinHandle<()>,
    writer: std::thread::JoinHandle<()>,
    disk: Disk,
}

impl Stack {
    /// Opens the folder, or makes it, and starts to serve and to poll. What an earlier stack left is gone on with.
    pub async fn start(config: StackConfig, clock: Clock) -> Result<Self, StackError> {
        config.validate()?;
        let api_keys = config.api_keys.as_deref().map(ApiKeys::parse).transpose();
        let api_keys = api_keys.map_err(|error| StackError::Setting(error.to_string()))?;
        // First: a port that is taken leaves no folder behind.
        let listener = listen(config.port).await?;
        let state = config.out.join(".pinflow");
        for folder in [&state, &config.out.join(&config.bucket)] {
            create_folder(folder)?;
        }
        let secret_file = state.join(SECRET_FILE);
        let secret = secret(&secret_file)?;
        let disk = Disk::new(config.out.clone());
        let (store, writer) = open_stream(&config, &state, &clock, &disk)?;
        let versions = config.keeps_versions.then(|| state.join("versions"));
        let versions = Versions::new(&config.out, versions, clock.clone());
        let s3 = open_s3(&config, &state, &secret, &versions, &disk)?;
        let port = listener
            .local_addr()
            .map_err(|source| StackError::Listen {
                port: config.port,
                source,
            })?
            .port();
        let url = format!("http://127.0.0.1:{port}");
        let aws = sdk_config(&url, &secret);

        let ingest = ingest(&config, &aws, api_keys, clock.clone());
        let kinesis = Kinesis::new(
            store.clone(),
            config.stream.clone(),
            clock.clone(),
            config.shard_limits,
        );
        let cloudwatch = CloudWatch::new(store.clone(), config.stream.clone());
        let stream_arn = kinesis.arn();
        let sums = Arc::<Mutex<Totals>>::default();
        let model = Arc::clone(&config.model);
        let cleaner = cleaner(
            &aws,
            &config.bucket,
            model,
            clock.clone(),
            Arc::clone(&sums),
        );
        let destination =
            Destination::new(config.event_source_mapping.on_failure.clone(), &aws, &state);
        let dead_letters = state.join("queues").join(DEAD_LETTERS);
        let lambda = Lambda::new(config.retry_pause_scale, dead_letters);
        let stream = store.state();
        let mapping = EventSourceMapping::start(
            store,
            stream_arn,
            config.event_source_mapping.clone(),
            clock.clone(),
            move |event| clean(cleaner.clone(), event),
            move |invocation| destination.clone().deliver(invocation),
        )
        .await
        .map_err(|error| StackError::State {
            path: state,
            source: Box::new(error),
        })?;
        let totals = LiveTotals::new(sums, Arc::clone(mapping.progress()));
        let services = Services {
            api_gateway: ApiGateway::new(ingest, config.stage.clone(), clock),
            kinesis,
            cloudwatch,
            s3,
            lambda: lambda.clone(),
            faults: config.faults.clone(),
            page: Page::new(&config, totals.clone(), stream, &secret_file),
            bucket: config.bucket.clone(),
            port,
            client_timeout: config.client_timeout,
        };
        let stop = CancellationToken::new();
        // What the mapping sent before this waits in the listener's queue.
        let server = tokio::spawn(serve(listener, services, stop.clone()));
        info!(url, "The stack is up");
        Ok(Self {
            url,
            secret,
            aws,
            totals,
            lambda,
            versions,
            bucket: config.bucket,
            mapping,
            stop,
            server,
            writer,
            disk,
        })
    }

    /// Returns the base URL of the API, without a stage: `http://127.0.0.1:<port>`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the endpoint for AWS clients: Kinesis and S3 answer on the API's port.
    pub fn endpoint(&self) -> &str {
        &self.url
    }

    /// Returns the secret key that goes with any access key; it is the same for ever in one folder.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Returns the configuration of an AWS client that speaks to this stack.
    pub fn sdk_config(&self) -> SdkConfig {
        self.aws.clone()
    }

    /// Makes a function that Lambda's `Invoke` starts by its name. One that is started asynchronously is tried up to three times, with the
    /// same request id; an event that is given up is a file in `.pinflow/queues/dead-letters/`.
    pub fn add_function<A>(
        &self,
        name: impl Into<String>,
        function: impl Fn(Invocation) -> A + Send + Sync + 'static,
    ) where
        A: Future<Output = Result<String, String>> + Send + 'static,
    {
        self.lambda.add(name, function);
    }

    /// Does what S3 does once a day with the lake's objects, by the stack's clock; returns how many it deleted.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or deleted.
    pub fn apply_lifecycle(
        &self,
        rules: &[LifecycleRule],
        noncurrent: Duration,
    ) -> io::Result<usize> {
        self.versions.apply(&self.bucket, rules, noncurrent)
    }

    /// Returns what stream-cleaner has done since the start.
    pub fn totals(&self) -> Totals {
        self.totals.now()
    }

    /// Returns when every record that is on the stream now is in the lake. It does not wait for batching windows, but for
    /// as long as the lake cannot be written to.
    pub async fn drained(&self) {
        self.mapping.drained().await;
    }

    /// Returns when the disk under the folder is full, with the error that says so. Nothing is stored from then on.
    pub async fn disk_full(&self) -> StackError {
        self.disk.filled().await
    }

    /// Stops: requests that were begun are answered, an invocation that runs is awaited, the state is closed.
    ///
    /// Records that are still on the stream stay there for the next start.
    pub async fn shutdown(self) -> Result<(), StackError> {
        // The mapping first: its function writes over this server's port.
        self.mapping.stop().await;
        self.stop.cancel();
        let served = self.server.await;
        // The last clone of the store has gone with the server; the writer ends when its queue is empty.
        let written = tokio::task::spawn_blocking(|| self.writer.join()).await;
        match (served, written) {
            (Ok(()), Ok(Ok(()))) => Ok(()),
            _ => Err(StackError::Panicked),
        }
    }
}

fn ingest(
    config: &StackConfig,
    aws: &SdkConfig,
    api_keys: Option<ApiKeys>,
    clock: Clock,
) -> ingest_api::App {
    let mut settings = ingest_api::Config::new(&config.stream, Arc::clone(&config.model));
    settings.packing = config.packing;
    let kinesis = aws_sdk_kinesis::Client::new(aws);
    let app = ingest_api::App::new(kinesis, settings, clock, config.seed);
    match api_keys {
        Some(api_keys) => app.with_api_keys(api_keys),
        None => app,
    }
}

/// Opens the stream in the stack's folder.
fn open_stream(
    config: &StackConfig,
    state: &Path,
    clock: &Clock,
    disk: &Disk,
) -> Result<(Store, std::thread::JoinHandle<()>), StackError> {
    let settings = StreamSettings {
        arrival_jitter: ArrivalJitter {
            max_ms: config.arrival_jitter_ms,
        },
        retention: config.retention,
    };
    let file = state.join("stream.redb");
    let database = open_file(&file)?;
    Store::open(
        database,
        &file,
        config.shards,
        clock.clone(),
        disk.clone(),
        settings,
    )
}

/// Opens the buckets in the stack's folder.
fn open_s3(
    config: &StackConfig,
    state: &Path,
    secret: &str,
    versions: &Versions,
    disk: &Disk,
) -> Result<S3Service, StackError> {
    let staging = state.join("staging");
    s3::service(
        &config.out,
        buckets(config),
        secret,
        &staging,
        versions.clone(),
        disk.clone(),
    )
    .map_err(|source| StackError::Folder {
        path: config.out.clone(),
        source,
    })
}

type Cleaner = stream_cleaner::App;

fn cleaner(
    aws: &SdkConfig,
    bucket: &str,
    model: Arc<Model>,
    clock: Clock,
    sums: Arc<Mutex<Totals>>,
) -> Cleaner {
    let publish =
        Arc::new(move |summary: &stream_cleaner::BatchSummary| totals::add(&sums, summary));
    stream_cleaner::App::new(
        aws_sdk_s3::Client::new(aws),
        stream_cleaner::Config::new(bucket, model),
        clock,
        publish,
    )
}

/// Runs the function as its binary does: the event's JSON in, the answer's JSON out.
async fn clean(app: Cleaner, event: String) -> Result<String, String> {
    // A task of its own: a panic ends the invocation, as on Lambda, and not the lane.
    let invocation = tokio::spawn(async move {
        let payload = serde_json::from_str(&event).map_err(|error| error.to_string())?;
        let answer = app
            .handle(LambdaEvent::new(payload, Context::default()))
            .await;
        let answer =
            answer.map_err(|error| lambda_runtime::Diagnostic::from(error).error_message)?;
        serde_json::to_string(&answer).map_err(|error| error.to_string())
    });
    invocation
        .await
        .unwrap_or_else(|error| Err(error.to_string()))
}

/// Returns the buckets of a stack: the lake, and that of batches that are given up.
fn buckets(config: &StackConfig) -> Vec<String> {
    let mut buckets = vec![config.bucket.clone()];
    if let Some(OnFailure::Bucket(bucket)) = &config.event_source_mapping.on_failure {
        buckets.push(bucket.clone());
    }
    buckets
}

/// Name of the file with the secret key, in the folder of the state.
const SECRET_FILE: &str = "secret";

/// Makes a folder that is its owner's alone.
fn create_folder(path: &Path) -> Result<(), StackError> {
    let create = || {
        std::fs::create_dir_all(path)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o700))
    };
    create().map_err(|source| StackError::Folder {
        path: path.to_owned(),
        source,
    })
}

/// Reads the secret key of a folder, or makes one that its owner alone may read.
fn secret(path: &Path) -> Result<String, StackError> {
    let read_or_make = || {
        match std::fs::read_to_string(path) {
            Ok(secret) if !secret.trim().is_empty() => return Ok(secret.trim().to_owned()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let secret = Uuid::new_v4().simple().to_string();
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(path)?;
        file.write_all(secret.as_bytes())?;
        file.sync_all()?;
        Ok(secret)
    };
    read_or_make().map_err(|source| StackError::Folder {
        path: path.to_owned(),
        source,
    })
}

async fn listen(port: u16) -> Result<TcpListener, StackError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => StackError::PortInUse { port },
            _ => StackError::Listen { port, source },
        })
}

/// Returns the configuration of an AWS client that speaks to the stack at a URL.
///
/// `secret` is in the file that the stack names at [`SECRET_FILE_PATH`](crate::SECRET_FILE_PATH). Nothing comes from the environment or from files in
/// the home folder.
pub fn sdk_config(url: &str, secret: &str) -> SdkConfig {
    let credentials = Credentials::new("local", secret, None, None, "embedded-aws");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(url)
        .build()
}

#[cfg(test)]
mod tests;
