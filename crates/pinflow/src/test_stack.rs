//! A stack in a folder of its own, and the commands run against it.

use model::Model;
use std::io::empty;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser as _;
use embedded_aws::{Stack, StackConfig};
use event_model::Clock;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::cli::{Cli, Command};
use crate::{Exit, Terminal, import, run_command};

/// How long a test waits for what must come: far more than it takes, so that only a hang ends it.
pub(crate) const TIME_LIMIT: Duration = Duration::from_mins(1);

/// A running stack and the folder that it keeps its state in.
pub(crate) struct TestStack {
    pub(crate) folder: TempDir,
    pub(crate) stack: Stack,
}

/// How a command ended, and what it printed.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The error has the text that `main` would print.
    pub(crate) exit: Result<Exit, String>,
    pub(crate) out: String,
    pub(crate) notes: String,
}

impl TestStack {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(adjust: impl FnOnce(&mut StackConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = StackConfig::new(folder.path(), model::Model::load_from(None).unwrap());
        config.event_source_mapping.maximum_batching_window = Duration::from_millis(50);
        adjust(&mut config);
        let stack = Stack::start(config, clock()).await.unwrap();
        Self { folder, stack }
    }

    /// Posts rows of pins, and waits until they are in the lake.
    pub(crate) async fn post_pins(&self, indexes: impl Iterator<Item = i64>) {
        let url = format!("{}/events/pin", self.stack.url());
        let rows: Vec<_> = indexes
            .map(|index| format!("{{\"index\": {index}}}"))
            .collect();
        let post = reqwest::Client::new().post(url);
        let post = post.header("content-type", "application/json");
        let answer = post
            .body(format!("[{}]", rows.join(",")))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        self.drain().await;
    }

    /// Returns a file's path by the bucket and the key of its object.
    pub(crate) fn path(&self, key: &str) -> PathBuf {
        self.folder.path().join(key)
    }

    /// Writes an object by its bucket and key.
    pub(crate) fn write(&self, key: &str, object: &[u8]) {
        let path = self.path(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, object).unwrap();
    }

    /// Returns the objects below a prefix, sorted by key, each with its bytes.
    pub(crate) fn objects(&self, prefix: &str) -> Vec<(String, Vec<u8>)> {
        let mut objects = Vec::new();
        let mut folders = vec![self.path(prefix)];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(folder) else {
                continue;
            };
            for path in entries.map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let key = path.strip_prefix(self.folder.path()).unwrap();
                    let key = key.to_str().unwrap().to_owned();
                    objects.push((key, std::fs::read(path).unwrap()));
                }
            }
        }
        objects.sort();
        objects
    }

    /// Waits until everything on the stream has been processed.
    pub(crate) async fn drain(&self) {
        tokio::time::timeout(TIME_LIMIT, self.stack.drained())
            .await
            .expect("the stream is drained");
    }

    /// Runs a command against the stack.
    pub(crate) async fn run(&self, arguments: &str) -> Ran {
        run(&format!("{arguments} --endpoint {}", self.stack.endpoint())).await
    }
}

/// Runs a command.
pub(crate) async fn run(arguments: &str) -> Ran {
    let words = ["pinflow"].into_iter().chain(arguments.split_whitespace());
    let cli = Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let mut terminal = Terminal {
        input: &mut empty(),
        out: &mut out,
        notes: &mut notes,
    };
    let model = Model::load_from(cli.model.as_deref()).unwrap();
    let exit = match cli.command {
        // A process can listen to Ctrl-C once.
        Command::Import(options) => {
            import::command(&options, &model, &CancellationToken::new(), &mut terminal).await
        }
        command => {
            let model = cli.model;
            run_command(Cli { model, command }, clock(), &mut terminal).await
        }
    };
    Ran {
        exit: exit.map_err(|error| format!("{error:#}")),
        out: String::from_utf8(out).unwrap(),
        notes: String::from_utf8(notes).unwrap(),
    }
}

/// Returns a clock that starts at a fixed time.
/// When the clock of a stack starts.
pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_hours(500_000)
}

fn clock() -> Clock {
    let started = Instant::now();
    Clock::new(move || now() + started.elapsed())
}
