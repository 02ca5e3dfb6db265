//! Which stream records the objects of a date account for: counted, and where deliveries overlap, looked up.

use std::collections::BTreeMap;

use event_model::metadata::{PositionCounts, minute_of};
use event_model::{SequenceNumber, chain};
use jiff::civil::Date;
use lake::key::QUARANTINE_PREFIX;
use lake::quarantine::read_quarantine;
use lake::reader::read_arrivals;
use lake::{ObjectKey, QuarantineRecord, Sequence, SequenceRange};
use object_store::path::Path;
use tracing::warn;

use crate::storage::objects::fetch_if_there;
use crate::table::delta::CuratedTable;
use crate::table::manifest::PartOf;
use crate::{DailyError, Lake};

/// An object that accounts for stream records.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) path: Path,
    /// The batch that its records came in.
    pub(crate) range: SequenceRange,
    pub(crate) positions: PositionCounts,
    /// Version of the rules that it was made by; 0 when that is not known.
    pub(crate) rules: i32,
}

/// Returns what the merged objects of a date account for. Those that a replay made account for nothing: quarantine does.
pub(crate) async fn of_clean(
    lake: &Lake,
    tables: &[CuratedTable],
    date: Date,
) -> Result<Vec<Account>, DailyError> {
    let store = lake.store();
    let mut accounts = Vec::new();
    for table in tables {
        let (mut manifest, _) = table.manifest().await?;
        for part in [PartOf::Date(date), PartOf::Replays] {
            let objects = manifest.objects(store.as_ref(), table.kind(), part).await?;
            for (key, merged) in objects {
                let Ok(ObjectKey::Clean {
                    hour,
                    range,
                    replay: None,
                    ..
                }) = key.parse()
                else {
                    continue;
                };
                if hour.date != date || range.shard.number().is_none() {
                    continue;
                }
                accounts.push(Account {
                    path: Path::from(key.as_str()),
                    range,
                    positions: merged.positions.clone(),
                    rules: merged.rules,
                });
            }
        }
    }
    Ok(accounts)
}

/// Counts the distinct stream records of objects of one date, by the hour of their arrival.
///
/// The objects of one batch share none. Where batches overlap, because one was delivered again and cut otherwise or cleaned by other
/// rules, their objects are read, in the order of their first records: no more is kept in memory than overlaps.
pub(crate) async fn count(
    lake: &Lake,
    mut accounts: Vec<Account>,
) -> Result<PositionCounts, DailyError> {
    accounts.sort_by(|a, b| (&a.range, &a.path).cmp(&(&b.range, &b.path)));
    let mut counts = PositionCounts::default();
    let mut rest = accounts.as_slice();
    while let Some(first) = rest.first() {
        let mut last = first.range.last;
        let overlapping = rest.iter().take_while(|account| {
            let is_in = account.range.shard == first.range.shard && account.range.first <= last;
            if is_in {
                last = last.max(account.range.last);
            }
            is_in
        });
        let length = overlapping.count();
        let (batch, others) = rest.split_at(length);
        rest = others;
        let is_one = batch
            .iter()
            .all(|account| account.range == first.range && account.rules == first.rules);
        if is_one {
            for account in batch {
                counts += &account.positions;
            }
        } else {
            counts += &count_overlapping(lake, batch).await?;
        }
    }
    Ok(counts)
}

async fn count_overlapping(lake: &Lake, batch: &[Account]) -> Result<PositionCounts, DailyError> {
    let mut counts = PositionCounts::default();
    let mut seen: BTreeMap<SequenceNumber, u16> = BTreeMap::new();
    for account in batch {
        // Later objects have none of these any more.
        let open = seen.split_off(&account.range.first);
        for minute in std::mem::replace(&mut seen, open).into_values() {
            counts.add(minute, 1);
        }
        for (number, minute) in numbers(lake, &account.path).await? {
            seen.entry(number).or_insert(minute);
        }
    }
    for minute in seen.into_values() {
        counts.add(minute, 1);
    }
    Ok(counts)
}

/// Reads the sequence numbers of an object's records, each with the minute of its arrival. An object that cannot be read accounts for
/// nothing.
pub(crate) async fn numbers(
    lake: &Lake,
    path: &Path,
) -> Result<Vec<(SequenceNumber, u16)>, DailyError> {
    let Some(bytes) = fetch_if_there(lake.store().as_ref(), path).await? else {
        return Ok(Vec::new());
    };
    let read = if path.as_ref().starts_with(QUARANTINE_PREFIX) {
        read_quarantine(&bytes).map(|records| {
            let origins = records.iter().filter_map(QuarantineRecord::origin);
            let numbers = origins.map(|origin| (origin.sequence.number, origin.arrival_micros));
            numbers.collect()
        })
    } else {
        read_arrivals(bytes).map(|arrivals| {
            let numbers = arrivals.into_iter().filter_map(|(text, micros)| {
                let sequence: Sequence = text.parse().ok()?;
                Some((sequence.number, micros))
            });
            numbers.collect::<Vec<_>>()
        })
    };
    let numbers = read.unwrap_or_else(|error| {
        let error = chain(&error);
        warn!(lake.key = %path, error, "Left `{path}` out of the reconciliation: it cannot be read");
        Vec::new()
    });
    let numbers = numbers.into_iter();
    Ok(numbers
        .map(|(number, micros)| (number, minute_of(micros)))
        .collect())
}
