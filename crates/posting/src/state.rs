//! How far a run is, in a file, so that another run can go on from there.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::run::Posted;

/// Name of the file where none is given, in the current folder.
pub const DEFAULT_PATH: &str = ".pinflow-post.json";

/// What a run must have in common with the one that it goes on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Where the rows come from.
    pub source: String,
    /// In which order; the source's own when there is none.
    pub order: Option<String>,
    /// Rows that the order was made for, if it depends on them.
    pub rows: Option<u64>,
    /// Seed of the rows, and of a random order.
    pub seed: u64,
    /// Base URL of the API, without a login.
    pub api: String,
}

impl Settings {
    /// Returns what differs: its name, as it was, and as it is.
    fn difference(&self, now: &Self) -> Option<(&'static str, String, String)> {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        let rows = |settings: &Self| settings.rows.map(|rows| rows.to_string());
        let values = |settings: &Self| {
            [
                ("source", settings.source.clone()),
                ("order", shown(&settings.order)),
                ("number of rows", shown(&rows(settings))),
                ("seed", settings.seed.to_string()),
                ("API", settings.api.clone()),
            ]
        };
        let mut pairs = values(self).into_iter().zip(values(now));
        let ((name, was), (_, is)) = pairs.find(|(was, is)| was != is)?;
        Some((name, was, is))
    }
}

/// The file's content.
#[derive(Debug, Serialize, Deserialize)]
struct Content {
    run: Settings,
    /// Posts from the first one on whose every row was acknowledged, or refused for what is in it.
    posts_done: u64,
}

impl Content {
    fn read(path: &Path) -> Result<Self, StateError> {
        let text = fs::read(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => StateError::Missing {
                path: path.to_owned(),
            },
            _ => StateError::Unreadable {
                path: path.to_owned(),
                source,
            },
        })?;
        serde_json::from_slice(&text).map_err(|error| StateError::Unreadable {
            path: path.to_owned(),
            source: error.into(),
        })
    }
}

/// A file that does not let a run go on.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// There is no file to go on from.
    #[error(
        "there is no `{}` to go on from; run the command without --resume to start from the beginning, or name the \
         file with --state",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error(
        "could not read `{}`; run the command without --resume to start from the beginning",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("could not write `{}`; name another file with --state", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Another process writes the file.
    #[error(
        "another `pinflow post` has `{}`; name a file of its own for this one with --state",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file belongs to a run with other settings.
    #[error(
        "`{}` is of another run: its {name} was {was}, and is {is} now; give the same options as before, or run \
         without --resume to start from the beginning",
        path.display()
    )]
    AnotherRun {
        /// The file.
        path: PathBuf,
        /// The setting that differs.
        name: &'static str,
        /// Its value in the file.
        was: String,
        /// Its value now.
        is: String,
    },
}

/// How far a run is. The file never has a post that is not done.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    content: Content,
    /// Batches that are done before an earlier one: how many posts, by the first one's number.
    ahead: BTreeMap<u64, u64>,
    _lock: Lock,
}

/// The file beside a state file that one process has at a time; it is gone with it.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    _file: fs::File,
}

impl Lock {
    fn of(path: &Path) -> Result<Self, StateError> {
        let lock = beside(path, ".lock");
        let opened = fs::File::create(&lock).map_err(|source| StateError::Unwritable {
            path: path.to_owned(),
            source,
        })?;
        match opened.try_lock() {
            Err(fs::TryLockError::WouldBlock) => Err(StateError::InUse {
                path: path.to_owned(),
            }),
            // A file system without locks lets everybody in, as it did before.
            Ok(()) | Err(fs::TryLockError::Error(_)) => Ok(Self {
                path: lock,
                _file: opened,
            }),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A file that stays is in nobody's way.
        let _ = fs::remove_file(&self.path);
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(ending);
    name.into()
}

impl State {
    /// Starts a run; what the file had is gone.
    pub fn start(path: &Path, run: Settings) -> Result<Self, StateError> {
        let state = Self {
            _lock: Lock::of(path)?,
            path: path.to_owned(),
            content: Content { run, posts_done: 0 },
            ahead: BTreeMap::new(),
        };
        state.write()?;
        Ok(state)
    }

    /// Goes on with the run of the file, if it had the same settings.
    pub fn resume(path: &Path, run: &Settings) -> Result<Self, StateError> {
        // A file that is not there makes no lock.
        Content::read(path)?;
        let lock = Lock::of(path)?;
        let content = Content::read(path)?;
        if let Some((name, was, is)) = content.run.difference(run) {
            return Err(StateError::AnotherRun {
                path: path.to_owned(),
                name,
                was,
                is,
            });
        }
        let state = Self {
            _lock: lock,
            path: path.to_owned(),
            content,
            ahead: BTreeMap::new(),
        };
        // Whether it can be written is known before anything is posted.
        state.write()?;
        Ok(state)
    }

    /// Returns how many posts are done, from the first one on.
    pub fn posts_done(&self) -> u64 {
        self.content.posts_done
    }

    /// Adds a batch of the run; one with a row that should be sent again stays undone, and so does what comes after it.
    pub fn add(&mut self, posted: &Posted) -> Result<(), StateError> {
        if posted.is_done() {
            self.add_posts(posted.first_post, posted.posts)
        } else {
            Ok(())
        }
    }

    fn add_posts(&mut self, first: u64, posts: u64) -> Result<(), StateError> {
        self.ahead.insert(first, posts);
        let before = self.content.posts_done;
        while let Some(posts) = self.ahead.remove(&self.content.posts_done) {
            self.content.posts_done += posts;
        }
        if self.content.posts_done == before {
            return Ok(());
        }
        self.write()
    }

    /// Returns where the file is written before it takes the place of the one before.
    fn staged(&self) -> PathBuf {
        beside(&self.path, ".part")
    }

    /// Writes the file whole: one that is there is replaced, and never seen half written.
    fn write(&self) -> Result<(), StateError> {
        let write = || {
            let mut text = serde_json::to_vec_pretty(&self.content)?;
            text.push(b'\n');
            let staged = self.staged();
            let mut file = fs::File::create(&staged)?;
            file.write_all(&text)?;
            // On disk before it takes the other's place: after a power cut the file is one of the two, whole.
            file.sync_all()?;
            fs::rename(&staged, &self.path)
        };
        write()
            // Half a file is of no use; that it may not be there is no matter.
            .inspect_err(|_| drop(fs::remove_file(self.staged())))
            .map_err(|source| StateError::Unwritable {
                path: self.path.clone(),
                source,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            source: "127.0.0.1:3306/pinterest_data".to_owned(),
            order: Some("random".to_owned()),
            rows: Some(2180),
            seed: 1,
            api: "http://127.0.0.1:9000/".to_owned(),
        }
    }

    #[test]
    fn posts_count_as_done_when_all_before_them_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let mut state = State::start(&path, settings()).unwrap();
        for (first, posts, done) in [(5, 5, 0), (0, 5, 10), (15, 5, 10), (20, 2, 10), (10, 5, 22)] {
            state.add_posts(first, posts).unwrap();
            assert_eq!(state.posts_done(), done);
            assert_eq!(Content::read(&path).unwrap().posts_done, done);
        }
        let error = State::resume(&path, &settings()).unwrap_err().to_string();
        assert!(error.starts_with("another `pinflow post` has `"), "{error}");
        drop(state);
        let read = State::resume(&path, &settings()).unwrap();
        assert_eq!(read.posts_done(), 22);
        drop(read);
        let names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["state.json"]);
        insta::assert_snapshot!(fs::read_to_string(&path).unwrap(), @r#"
        {
          "run": {
            "source": "127.0.0.1:3306/pinterest_data",
            "order": "random",
            "rows": 2180,
            "seed": 1,
            "api": "http://127.0.0.1:9000/"
          },
          "posts_done": 22
        }
        "#);
        let state = State::start(&path, settings()).unwrap();
        assert_eq!(state.posts_done(), 0);
    }

    #[test]
    fn a_run_with_other_settings_does_not_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        State::start(&path, settings()).unwrap();
        for (now, part) in [
            (
                Settings {
                    source: "generator".to_owned(),
                    ..settings()
                },
                "its source was 127.0.0.1:3306/pinterest_data, and is generator now; ",
            ),
            (
                Settings {
                    order: None,
                    ..settings()
                },
                "its order was random, and is none now; ",
            ),
            (
                Settings {
                    rows: Some(9),
                    ..settings()
                },
                "its number of rows was 2180, and is 9 now; ",
            ),
            (
                Settings {
                    seed: 2,
                    ..settings()
                },
                "its seed was 1, and is 2 now; ",
            ),
            (
                Settings {
                    api: "http://x/".to_owned(),
                    ..settings()
                },
                "its API was http://127.0.0.1:9000/, and is http://x/ now; ",
            ),
        ] {
            let error = State::resume(&path, &now).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_used_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let error = State::resume(&path, &settings()).unwrap_err().to_string();
        assert!(
            error.contains("to go on from; run the command without --resume"),
            "{error}"
        );
        fs::write(&path, "{").unwrap();
        let error = State::resume(&path, &settings()).unwrap_err().to_string();
        assert!(error.starts_with("could not read `"), "{error}");
        let nowhere = folder.path().join("missing").join("state.json");
        let error = State::start(&nowhere, settings()).unwrap_err().to_string();
        assert!(error.ends_with("name another file with --state"), "{error}");
    }
}
