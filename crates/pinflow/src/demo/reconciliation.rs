//! The proof that nothing was lost: acknowledged records, looked for in the objects on disk.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bytes::Bytes;
use event_model::Position;
use event_model::{Kind, SequenceNumber, ShardId};
use lake::key::{CLEAN_PREFIX, QUARANTINE_PREFIX};
use lake::quarantine::read_quarantine;
use lake::reader::read_positions;
use lake::{ObjectKey, Sequence, SequenceRange};

/// Where the acknowledged records of a run are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reconciliation {
    /// Records in `clean/`, by kind.
    pub(super) clean: BTreeMap<Kind, u64>,
    /// Records in `quarantine/` and not in `clean/`, by code.
    pub(super) quarantined: BTreeMap<String, u64>,
    /// Records in neither.
    pub(super) unaccounted: Vec<Position>,
}

impl Reconciliation {
    /// Looks for each acknowledged record in a bucket's folder. A record that is there twice is counted once.
    pub(super) fn read(bucket: &Path, acknowledged: &HashSet<Position>) -> anyhow::Result<Self> {
        let firsts = firsts(acknowledged);
        let mut reconciliation = Self::default();
        let mut missing = acknowledged.clone();
        for (path, key) in objects(bucket, CLEAN_PREFIX)? {
            let ObjectKey::Clean { kind, range, .. } = key else {
                continue;
            };
            if is_before(&range, &firsts) {
                continue;
            }
            let rows = read_positions(read(&path)?).with_context(|| damaged(&path))?;
            let found = rows
                .into_iter()
                .filter(|row| missing.remove(&record_position(row)));
            add(&mut reconciliation.clean, kind, found.count() as u64);
        }
        for (path, key) in objects(bucket, QUARANTINE_PREFIX)? {
            if is_before(key.range(), &firsts) {
                continue;
            }
            for record in read_quarantine(&read(&path)?).with_context(|| damaged(&path))? {
                if missing.remove(&record_position(&record.position())) {
                    add(&mut reconciliation.quarantined, record.code, 1);
                }
            }
        }
        reconciliation.unaccounted = missing.into_iter().collect();
        reconciliation.unaccounted.sort_unstable();
        Ok(reconciliation)
    }

    pub(super) fn total_clean(&self) -> u64 {
        self.clean.values().sum()
    }

    pub(super) fn total_quarantined(&self) -> u64 {
        self.quarantined.values().sum()
    }
}

/// Returns the position of the record that a row or a line came in, which may be an aggregate of several.
fn record_position(row: &Position) -> Position {
    // One of another form is no record's, and is found nowhere.
    let number = row.sequence.parse().map_or_else(
        |_| row.sequence.clone(),
        |Sequence { number, .. }| number.to_string(),
    );
    Position::new(row.shard.as_str(), number)
}

fn add<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K, count: u64) {
    if count > 0 {
        *counts.entry(key).or_default() += count;
    }
}

/// The first acknowledged record of each shard.
type Firsts = HashMap<ShardId, SequenceNumber>;

fn firsts(acknowledged: &HashSet<Position>) -> Firsts {
    let mut firsts = Firsts::new();
    for Position { shard, sequence } in acknowledged {
        // A position of another form is in no object, and stays unaccounted.
        let (Ok(shard), Ok(sequence)) = (shard.parse(), sequence.parse()) else {
            continue;
        };
        let first = firsts.entry(shard).or_insert(sequence);
        *first = sequence.min(*first);
    }
    firsts
}

/// Returns whether an object is of earlier runs, so that a lake that has grown is not read each time.
fn is_before(range: &SequenceRange, firsts: &Firsts) -> bool {
    let first = firsts.get(&range.shard);
    first.is_none_or(|first| range.last < *first)
}

/// Returns the objects under a prefix, by key. A file with another name is none of the pipeline's.
fn objects(bucket: &Path, prefix: &str) -> anyhow::Result<Vec<(PathBuf, ObjectKey)>> {
    let mut objects = Vec::new();
    let mut folders = vec![bucket.join(prefix)];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries.with_context(|| unreadable(&folder))?,
        };
        for entry in entries {
            let path = entry.with_context(|| unreadable(&folder))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Some(key) = key(bucket, &path) {
                objects.push((path, key));
            }
        }
    }
    Ok(objects)
}

fn key(bucket: &Path, path: &Path) -> Option<ObjectKey> {
    let levels = path.strip_prefix(bucket).ok()?.iter();
    let levels: Option<Vec<&str>> = levels.map(|level| level.to_str()).collect();
    levels?.join("/").parse().ok()
}

fn read(path: &Path) -> anyhow::Result<Bytes> {
    let bytes = fs::read(path).with_context(|| unreadable(path))?;
    Ok(bytes.into())
}

fn unreadable(path: &Path) -> String {
    format!("could not read `{}`", path.display())
}

fn damaged(path: &Path) -> String {
    format!("`{}` is damaged", path.display())
}

#[cfg(test)]
mod tests;
