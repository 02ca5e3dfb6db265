//! The running totals of the reconciliation, day by day, and what a difference was found to be.

use std::collections::BTreeMap;

use event_model::metadata::PositionCounts;
use jiff::Timestamp;
use jiff::civil::Date;
use lake::{ObjectKey, SequenceRange};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use tracing::info;

use super::accounts::Account;
use crate::storage::objects::{fetch, fetch_if_there, list, put};
use crate::{DailyError, Lake};

/// Prefix of what differences were found to be.
const EXPLAINED_PREFIX: &str = "runs/explained/";

/// Records since the stream was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    pub(super) accepted: u64,
    pub(super) found: u64,
}

/// The records of a day, and the totals before it: `runs/counts/date=….json`.
#[derive(Clone, Debug)]
pub(super) struct DayCounts {
    pub(super) date: Date,
    /// The hour in which the stream was made.
    pub(super) origin: Timestamp,
    pub(super) before: Totals,
    pub(super) accepted: PositionCounts,
    pub(super) found: PositionCounts,
    /// What the objects of quarantine account for, so that nobody asks them again.
    pub(super) quarantine: Vec<Account>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    origin: Timestamp,
    before: Totals,
    accepted: String,
    found: String,
    quarantine: BTreeMap<String, Rejected>,
}

#[derive(Serialize, Deserialize)]
struct Rejected {
    positions: String,
    rules: i32,
}

impl DayCounts {
    pub(super) fn new(
        date: Date,
        origin: Timestamp,
        before: Totals,
        accepted: PositionCounts,
        found: PositionCounts,
        quarantine: Vec<Account>,
    ) -> Self {
        Self {
            date,
            origin,
            before,
            accepted,
            found,
            quarantine,
        }
    }

    /// Returns the totals at the end of the day.
    pub(super) fn totals(&self) -> Totals {
        Totals {
            accepted: self.before.accepted + self.accepted.total(),
            found: self.before.found + self.found.total(),
        }
    }

    /// Reads what an earlier run counted of a day; `None` when none has, or what it wrote cannot be understood.
    pub(super) async fn read(lake: &Lake, date: Date) -> Result<Option<Self>, DailyError> {
        let Some(bytes) = fetch_if_there(lake.store().as_ref(), &path(date)).await? else {
            return Ok(None);
        };
        let Ok(written) = serde_json::from_slice::<Written>(&bytes) else {
            return Ok(None);
        };
        let (Ok(accepted), Ok(found)) = (written.accepted.parse(), written.found.parse()) else {
            return Ok(None);
        };
        let quarantine = written
            .quarantine
            .into_iter()
            .filter_map(|(key, rejected)| {
                Some(Account {
                    range: range(&key)?,
                    path: Path::from(key),
                    positions: rejected.positions.parse().ok()?,
                    rules: rejected.rules,
                })
            });
        Ok(Some(Self {
            date,
            origin: written.origin,
            before: written.before,
            accepted,
            found,
            quarantine: quarantine.collect(),
        }))
    }

    pub(super) async fn write(&self, lake: &Lake) -> Result<(), DailyError> {
        let quarantine = self.quarantine.iter().map(|account| {
            let rejected = Rejected {
                positions: account.positions.to_string(),
                rules: account.rules,
            };
            (account.path.to_string(), rejected)
        });
        let written = Written {
            origin: self.origin,
            before: self.before,
            accepted: self.accepted.by_hour().to_string(),
            found: self.found.by_hour().to_string(),
            quarantine: quarantine.collect(),
        };
        let json = serde_json::to_vec(&written);
        let json = json.map_err(|error| DailyError::Bug(error.to_string()))?;
        put(lake.store().as_ref(), &path(self.date), json.into()).await
    }
}

/// Records whose difference was found to be none, or that somebody has given up: `runs/explained/….json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Explained {
    pub(crate) records: u64,
}

/// One explanation.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Explanation {
    records: u64,
    reason: String,
}

impl Explained {
    pub(super) async fn read(lake: &Lake) -> Result<Self, DailyError> {
        let mut records = 0;
        for meta in list(lake.store().as_ref(), EXPLAINED_PREFIX).await? {
            let bytes = fetch(lake.store().as_ref(), &meta.location).await?;
            let explanation = serde_json::from_slice::<Explanation>(&bytes);
            let explanation = explanation.map_err(|source| DailyError::LedgerRecord {
                key: meta.location.to_string(),
                source,
            })?;
            records += explanation.records;
        }
        Ok(Self { records })
    }

    /// Notes that the records of a difference were looked for, and that none is missing.
    pub(super) async fn write(lake: &Lake, date: Date, records: u64) -> Result<(), DailyError> {
        let reason = "each record of the stream was looked for and found".to_owned();
        info!(
            reconciliation.explained = records,
            "A difference of {records} records is none: {reason}"
        );
        explain(lake, &format!("{date}-found"), records, reason).await
    }
}

/// Writes an explanation under a name of its own.
pub(crate) async fn explain(
    lake: &Lake,
    name: &str,
    records: u64,
    reason: String,
) -> Result<(), DailyError> {
    let json = serde_json::to_vec_pretty(&Explanation { records, reason });
    let json = json.map_err(|error| DailyError::Bug(error.to_string()))?;
    let path = Path::from(format!("{EXPLAINED_PREFIX}{name}.json"));
    put(lake.store().as_ref(), &path, json.into()).await
}

/// Returns whether each record of a time was found before, when as many were missing in all: what leaves the lake changes that number.
pub(super) async fn is_found(
    lake: &Lake,
    difference: i64,
    time: (Timestamp, Timestamp),
) -> Result<bool, DailyError> {
    Ok(
        fetch_if_there(lake.store().as_ref(), &found_path(difference, time))
            .await?
            .is_some(),
    )
}

/// Notes that each record of a time was found: `runs/found/….json`.
pub(super) async fn note_found(
    lake: &Lake,
    difference: i64,
    time: (Timestamp, Timestamp),
) -> Result<(), DailyError> {
    put(
        lake.store().as_ref(),
        &found_path(difference, time),
        "{}".into(),
    )
    .await
}

fn found_path(difference: i64, (from, until): (Timestamp, Timestamp)) -> Path {
    let (from, until) = (from.as_second(), until.as_second());
    Path::from(format!("runs/found/{from}-{until}-of-{difference}.json"))
}

fn path(date: Date) -> Path {
    Path::from(format!("runs/counts/date={date}.json"))
}

fn range(key: &str) -> Option<SequenceRange> {
    let key: ObjectKey = key.parse().ok()?;
    Some(key.range().clone())
}
