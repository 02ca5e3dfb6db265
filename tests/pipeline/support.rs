//! A stack in a folder of its own, posts to it, and its lake read back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use daily_batch::{App, Config, Request, Stream};
use embedded_aws::{Stack, StackConfig};
use event_model::Position;
use event_model::{Clock, Kind};
use lake::quarantine::{QuarantineRecord, read_quarantine};
use lake::reader::{read_parquet, read_positions};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a test waits for what must come: far more than it takes, so that only a hang ends it.
pub(crate) const TIME_LIMIT: Duration = Duration::from_mins(1);

/// A running stack and the folder that it keeps its state in.
pub(crate) struct TestStack {
    pub(crate) folder: TempDir,
    pub(crate) stack: Stack,
    http: reqwest::Client,
}

/// An answer of the API.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl TestStack {
    pub(crate) async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), |_| {}).await
    }

    /// Starts a stack on a folder that may hold the state of an earlier one.
    pub(crate) async fn start_in(folder: TempDir, adjust: impl FnOnce(&mut StackConfig)) -> Self {
        let mut config = StackConfig::new(folder.path(), model::Model::load_from(None).unwrap());
        config.port = 0;
        config.event_source_mapping.maximum_batching_window = Duration::from_millis(50);
        adjust(&mut config);
        let clock = Clock::new(|| now(Duration::ZERO));
        let stack = Stack::start(config, clock).await.unwrap();
        Self {
            folder,
            stack,
            http: reqwest::Client::new(),
        }
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let url = format!("{}{path}", self.stack.url());
        let request = self
            .http
            .request(method.parse().unwrap(), url)
            .header("content-type", content_type);
        let response = request.body(body.into()).send().await.unwrap();
        let status = response.status().as_u16();
        let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        Answer { status, body }
    }

    /// Posts rows of one kind in the native form; returns the positions that were acknowledged.
    pub(crate) async fn post(&self, kind: Kind, rows: &[Value]) -> Vec<Position> {
        let body = serde_json::to_vec(rows).unwrap();
        let answer = self
            .send("POST", &format!("/events/{kind}"), "application/json", body)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let results = answer.body["results"].as_array().unwrap();
        results
            .iter()
            .map(|result| {
                let mut position = position(&result["shard"], &result["sequence_number"]);
                if let Some(place) = result.get("sub_number") {
                    position.sequence = format!("{}:{place}", position.sequence);
                }
                position
            })
            .collect()
    }

    /// Puts bytes on the stream, past the API, as a foreign producer may.
    pub(crate) async fn put(&self, partition_key: &str, data: &[u8]) -> Position {
        let kinesis = aws_sdk_kinesis::Client::new(&self.stack.sdk_config());
        let put = kinesis
            .put_record()
            .stream_name("pinflow-events")
            .partition_key(partition_key)
            .data(aws_sdk_kinesis::primitives::Blob::new(data))
            .send()
            .await
            .unwrap();
        Position::new(put.shard_id(), put.sequence_number())
    }

    /// Waits until everything on the stream has been processed.
    pub(crate) async fn drain(&self) {
        tokio::time::timeout(TIME_LIMIT, self.stack.drained())
            .await
            .expect("the stream is drained");
    }

    /// Runs today anew, some time from now, and returns its summary. By then, the day may be over.
    pub(crate) async fn run_today(&self, later: Duration) -> Value {
        self.try_run_today(later).await.unwrap()
    }

    /// Runs today anew; the error is what a step failed with.
    pub(crate) async fn try_run_today(
        &self,
        later: Duration,
    ) -> Result<Value, daily_batch::DailyError> {
        let app = self.app(later);
        // The day before tomorrow, as it is when the rows arrive.
        let tomorrow = now(Duration::from_hours(24));
        let event = json!({"as_of_now": true});
        let request = Request::from_event(event, tomorrow.try_into().unwrap()).unwrap();
        let records = app.run(&request, "test", &|_| {}).await?;
        let [record] = records.as_slice() else {
            panic!("{records:?}")
        };
        let summary = format!("pinflow-lake/reports/date={}/summary.json", record.run_date);
        let summary = std::fs::read(self.folder.path().join(summary)).unwrap();
        Ok(serde_json::from_slice(&summary).unwrap())
    }

    /// Makes the daily batch, at a time that is some time from now.
    pub(crate) fn app(&self, later: Duration) -> App {
        let clock = Clock::new(move || now(later));
        let aws = self.stack.sdk_config();
        let stream = Stream::from_name(&aws, "pinflow-events", clock.clone()).unwrap();
        App::new(
            daily_batch::Lake::from_bucket(
                &aws,
                "pinflow-lake",
                model::Model::load_from(None).unwrap(),
            )
            .unwrap(),
            Some(stream),
            Config::new("pinflow-lake"),
            clock,
        )
    }

    /// Returns the objects under a prefix whose name ends in a way, as JSON, by key.
    pub(crate) fn json_objects(&self, prefix: &str, end: &str) -> Vec<Value> {
        let files = files(&self.folder.path().join("pinflow-lake").join(prefix));
        let files = files
            .iter()
            .filter(|path| path.to_str().unwrap().ends_with(end));
        files
            .map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
            .collect()
    }

    /// Stops the stack and returns its folder.
    pub(crate) async fn stop(self) -> TempDir {
        self.stack.shutdown().await.unwrap();
        self.folder
    }

    pub(crate) fn lake(&self) -> Lake {
        Lake::read(self.folder.path())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the stream's arrivals are of the real time"
)]
pub(crate) fn now(later: Duration) -> SystemTime {
    SystemTime::now() + later
}

pub(crate) fn position(shard: &Value, sequence_number: &Value) -> Position {
    Position::new(shard.as_str().unwrap(), sequence_number.as_str().unwrap())
}

/// Content of the bucket.
#[derive(Default)]
pub(crate) struct Lake {
    /// Position of each row of `clean/`, by kind; a row that was written twice is there twice.
    pub(crate) clean: BTreeMap<Kind, Vec<Position>>,
    /// The lines of `quarantine/`.
    pub(crate) quarantine: Vec<QuarantineRecord>,
    /// Paths of all objects, sorted.
    pub(crate) objects: Vec<PathBuf>,
}

impl Lake {
    fn read(folder: &Path) -> Self {
        let bucket = folder.join("pinflow-lake");
        let mut lake = Self {
            objects: files(&bucket),
            ..Self::default()
        };
        for path in &lake.objects {
            let key = path.strip_prefix(&bucket).unwrap().to_str().unwrap();
            let bytes = std::fs::read(path).unwrap();
            let model = model::Model::load_from(None).unwrap();
            match key.parse().unwrap_or_else(|error| panic!("{key}: {error}")) {
                lake::ObjectKey::Clean { kind, .. } => {
                    let batches = read_parquet(bytes.clone().into()).unwrap();
                    assert!(
                        batches.iter().all(|batch| batch.schema()
                            == lake::schema::schema(model.table(kind).unwrap())),
                        "{key}"
                    );
                    lake.clean
                        .entry(kind)
                        .or_default()
                        .extend(read_positions(bytes.into()).unwrap());
                }
                lake::ObjectKey::Quarantine { .. } => {
                    lake.quarantine.extend(read_quarantine(&bytes).unwrap());
                }
            }
        }
        lake
    }

    pub(crate) fn clean_positions(&self) -> Vec<Position> {
        self.clean.values().flatten().cloned().collect()
    }

    pub(crate) fn quarantined_positions(&self) -> Vec<Position> {
        let lines = self.quarantine.iter();
        lines.map(QuarantineRecord::position).collect()
    }
}

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect();
    files.sort();
    files
}
