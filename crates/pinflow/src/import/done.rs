//! Which objects of the sink are in the lake, in a file that is only ever appended to.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What a run must have in common with the one that it goes on from: the file's first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) from: String,
    pub(super) lake: String,
}

/// A file that does not let a run go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum DoneError {
    #[error(
        "there is no `{}` to go on from; run the command without --resume to start from the beginning, or name the \
         file with --state",
        path.display()
    )]
    Missing { path: PathBuf },
    #[error(
        "`{}` is not the state of an import; run the command without --resume to start from the beginning: what is in \
         the lake already is not imported twice",
        path.display()
    )]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "`{}` is of another run: {was}, and this one is {is}; give the same options as before, or run without --resume",
        path.display()
    )]
    AnotherRun {
        path: PathBuf,
        was: String,
        is: String,
    },
    #[error("could not write `{}`; name another file with --state", path.display())]
    Unwritable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// The objects that are done. The file never names one that is not.
#[derive(Debug)]
pub(super) struct Done {
    path: PathBuf,
    file: File,
    names: HashSet<String>,
}

impl Done {
    /// Starts a run; what the file had is gone.
    pub(super) fn start(path: &Path, settings: &Settings) -> Result<Self, DoneError> {
        let unwritable = |source| DoneError::Unwritable {
            path: path.to_owned(),
            source,
        };
        let write = || -> io::Result<File> {
            let mut file = File::create(path)?;
            let line = serde_json::to_string(settings)?;
            writeln!(file, "{line}")?;
            file.sync_all()?;
            Ok(file)
        };
        Ok(Self {
            path: path.to_owned(),
            file: write().map_err(unwritable)?,
            names: HashSet::new(),
        })
    }

    /// Goes on with the run of the file, if it had the same settings.
    pub(super) fn resume(path: &Path, settings: &Settings) -> Result<Self, DoneError> {
        let text = fs::read_to_string(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => DoneError::Missing {
                path: path.to_owned(),
            },
            _ => DoneError::Unreadable {
                path: path.to_owned(),
                source,
            },
        })?;
        // A last line without an end was cut off, and its object is not done.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut lines = text.get(..whole).unwrap_or_default().lines();
        let known: Settings =
            serde_json::from_str(lines.next().unwrap_or_default()).map_err(|error| {
                DoneError::Unreadable {
                    path: path.to_owned(),
                    source: error.into(),
                }
            })?;
        if known != *settings {
            let shown =
                |settings: &Settings| format!("from {} to {}", settings.from, settings.lake);
            return Err(DoneError::AnotherRun {
                path: path.to_owned(),
                was: shown(&known),
                is: shown(settings),
            });
        }
        let open = || -> io::Result<File> {
            let file = OpenOptions::new().append(true).open(path)?;
            file.set_len(whole as u64)?;
            Ok(file)
        };
        Ok(Self {
            path: path.to_owned(),
            file: open().map_err(|source| DoneError::Unwritable {
                path: path.to_owned(),
                source,
            })?,
            names: lines.map(str::to_owned).collect(),
        })
    }

    /// Tells whether an object is done.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Adds objects, flushed to disk.
    pub(super) fn add(&mut self, names: &[String]) -> Result<(), DoneError> {
        let mut lines = names.join("\n");
        lines.push('\n');
        let written = self.file.write_all(lines.as_bytes());
        written
            .and_then(|()| self.file.sync_data())
            .map_err(|source| DoneError::Unwritable {
                path: self.path.clone(),
                source,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(lake: &str) -> Settings {
        Settings {
            from: "s3://old/topics/".to_owned(),
            lake: lake.to_owned(),
        }
    }

    #[test]
    fn what_was_added_is_done_and_a_line_that_was_cut_off_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut done = Done::start(&path, &settings("lake")).unwrap();
        done.add(&["a.json".to_owned(), "b.json".to_owned()])
            .unwrap();
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str("c.js");
        fs::write(&path, text).unwrap();
        let mut done = Done::resume(&path, &settings("lake")).unwrap();
        assert!(done.has("a.json") && done.has("b.json") && !done.has("c.js"));
        done.add(&["c.json".to_owned()]).unwrap();
        let done = Done::resume(&path, &settings("lake")).unwrap();
        assert!(done.has("c.json"));
    }

    #[test]
    fn a_file_that_is_of_no_or_of_another_import_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let resume = || {
            Done::resume(&path, &settings("lake"))
                .unwrap_err()
                .to_string()
        };
        assert!(resume().contains("to go on from"), "{}", resume());
        for text in ["", "{}\n", "{\"from\": \"s3", "x\ny\n"] {
            fs::write(&path, text).unwrap();
            assert!(resume().contains("is not the state of an import"), "{text}");
        }
        Done::start(&path, &settings("other")).unwrap();
        assert!(
            resume().contains("is of another run: from s3://old/topics/ to other, and this one is from s3://old/topics/ to lake"),
            "{}",
            resume()
        );
    }
}
