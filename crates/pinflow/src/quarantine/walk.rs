//! Quarantine, object by object: each record once, and whether it has been replayed.

use cleaning::Cleaner;
use model::Model;
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::sync::Arc;

use anyhow::Context as _;
use aws_access::{Bucket, BucketError};
use event_model::Kind;
use event_model::Position;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use jiff::civil::Date;
use lake::key::QUARANTINE_PREFIX;
use lake::quarantine::read_quarantine;
use lake::reader::read_positions;
use lake::{ArrivalHour, LakeError, ObjectKey, Origin, QuarantineRecord};

use super::{Damaged, rules};
use crate::cli::Selection;

/// Objects that are read ahead.
const READ_AHEAD: usize = 8;

/// A quarantined record.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) record: QuarantineRecord,
    pub(super) origin: Origin,
    /// Whether `clean/` has what it became.
    pub(super) is_replayed: bool,
}

impl Line {
    /// Returns the hour that the record's row belongs to.
    pub(super) fn hour(&self) -> ArrivalHour {
        ArrivalHour::of(self.origin.arrival_micros)
    }
}

/// A way through quarantine.
///
/// A record that is in two objects, because its batch was delivered again and cut otherwise, is met once.
pub(super) struct Walk<'a> {
    objects: BoxStream<'a, (String, Read)>,
    selection: &'a Selection,
    seen: HashSet<Position>,
    pub(super) replayed: Replayed<'a>,
    pub(super) damaged: Damaged,
    pub(super) cleaner: Cleaner,
}

type Read = Result<Result<Vec<QuarantineRecord>, LakeError>, BucketError>;

impl<'a> Walk<'a> {
    /// Lists the objects; they are read one after the other.
    pub(super) async fn start(
        bucket: &'a Bucket,
        selection: &'a Selection,
        model: &Arc<Model>,
    ) -> Result<Self, BucketError> {
        let keys = keys(bucket, selection.since).await?;
        let keys = keys.into_iter().map(|key| key.to_string());
        Ok(Self::of_keys(bucket, selection, model, keys.collect()))
    }

    /// Walks through some of the objects.
    pub(super) fn of_keys(
        bucket: &'a Bucket,
        selection: &'a Selection,
        model: &Arc<Model>,
        keys: Vec<String>,
    ) -> Self {
        let read = move |key: String| async move {
            let object = bucket.read(&key).await;
            (key, object.map(|object| read_quarantine(&object)))
        };
        Self {
            objects: stream::iter(keys).map(read).buffered(READ_AHEAD).boxed(),
            selection,
            seen: HashSet::new(),
            replayed: Replayed {
                bucket,
                kinds: model.kinds().collect(),
                hours: HashMap::new(),
            },
            damaged: Damaged::default(),
            cleaner: Cleaner::new(Arc::clone(model)),
        }
    }

    /// Returns the key of the next object and the selected records in it; damaged ones are reported and passed over.
    pub(super) async fn next(
        &mut self,
        notes: &mut dyn Write,
    ) -> anyhow::Result<Option<(String, Vec<Line>)>> {
        while let Some((key, read)) = self.objects.next().await {
            match read? {
                Ok(records) => {
                    let lines = self.lines(&key, records, notes).await?;
                    return Ok(Some((key, lines)));
                }
                Err(error) => {
                    let problem = format!("{:#}", anyhow::Error::from(error));
                    self.damaged.report(notes, &key, &problem)?;
                }
            }
        }
        Ok(None)
    }

    async fn lines(
        &mut self,
        key: &str,
        records: Vec<QuarantineRecord>,
        notes: &mut dyn Write,
    ) -> anyhow::Result<Vec<Line>> {
        let mut lines = Vec::new();
        for (number, record) in (1..).zip(records) {
            let code = self.selection.code;
            if code.is_some_and(|code| record.code != code.as_str()) {
                continue;
            }
            let Some(origin) = record.origin() else {
                let line = format!("{key}, line {number}");
                let problem = "its shard, sequence number or arrival cannot be read";
                self.damaged.report(notes, &line, &problem)?;
                continue;
            };
            if self.seen.insert(record.position()) {
                lines.push(Line {
                    record,
                    origin,
                    is_replayed: false,
                });
            }
        }
        for line in &mut lines {
            let replayed = self.replayed.of_hour(line.hour(), &mut self.damaged, notes);
            line.is_replayed = is_in(&mut self.cleaner, replayed.await?, &line.record);
        }
        Ok(lines)
    }
}

/// Returns whether all rows of a record are among some positions. An aggregate that was quarantined whole has several,
/// which may have been written to different objects, of which a replay that was killed wrote some.
fn is_in(cleaner: &mut Cleaner, positions: &HashSet<Position>, record: &QuarantineRecord) -> bool {
    let has = |sequence| positions.contains(&Position::new(record.shard.clone(), sequence));
    if has(record.sequence_number.clone()) {
        return true;
    }
    // Most records have not been replayed; only what may have been is taken apart.
    let first = ["0", "0.0"].map(|place| format!("{}:{place}", record.sequence_number));
    if !first.into_iter().any(has) {
        return false;
    }
    let payload = record.payload().unwrap_or_default();
    let places = rules::places(cleaner, &payload);
    !places.is_empty()
        && places
            .iter()
            .all(|place| has(format!("{}:{place}", record.sequence_number)))
}

/// Returns the keys of the quarantine objects, of those since a day if one is given. Objects of others are left out.
pub(super) async fn keys(
    bucket: &Bucket,
    since: Option<Date>,
) -> Result<Vec<ObjectKey>, BucketError> {
    // An object's key begins with its day, and so comes after the day alone.
    let after = since.map(|since| format!("{QUARANTINE_PREFIX}date={since}"));
    let keys = bucket.list(QUARANTINE_PREFIX, after).await?;
    Ok(keys.iter().filter_map(|key| key.parse().ok()).collect())
}

/// Which records have been replayed: those in the objects that replays write.
pub(super) struct Replayed<'a> {
    bucket: &'a Bucket,
    kinds: Vec<Kind>,
    hours: HashMap<ArrivalHour, HashSet<Position>>,
}

impl Replayed<'_> {
    /// Returns the positions of the rows that arrived in an hour and were replayed.
    ///
    /// Damaged objects are reported; their rows do not count as replayed, so the next replay writes it again.
    async fn of_hour(
        &mut self,
        hour: ArrivalHour,
        damaged: &mut Damaged,
        notes: &mut dyn Write,
    ) -> anyhow::Result<&HashSet<Position>> {
        // Not `entry`, which would be held while the bucket is read.
        if !self.hours.contains_key(&hour) {
            let mut positions = HashSet::new();
            for kind in &self.kinds {
                let prefix = ObjectKey::replay_prefix(*kind, hour);
                for key in self.bucket.list(&prefix, None).await? {
                    match read_positions(self.bucket.read(&key).await?) {
                        Ok(rows) => positions.extend(rows),
                        Err(error) => {
                            let problem = format!("{:#}", anyhow::Error::from(error));
                            damaged.report(notes, &key, &problem)?;
                        }
                    }
                }
            }
            self.hours.insert(hour, positions);
        }
        self.hours.get(&hour).context("the hour was just read")
    }
}
