//! What a day's quarantine holds: read object by object, so that memory does not grow with the rejected records.

use std::collections::{BTreeMap, HashSet};

use daily_report::summary::{Quarantine, RejectedExample};
use event_model::metadata::{PositionCounts, minute_of};
use event_model::{SequenceNumber, chain};
use futures::{StreamExt as _, stream};
use jiff::civil::Date;
use lake::key::QUARANTINE_PREFIX;
use lake::quarantine::read_quarantine;
use lake::{ObjectKey, QuarantineRecord, SequenceRange};
use object_store::path::Path;
use tracing::error;

use super::reconciliation::accounts::{self, Account};
use crate::storage::objects::{Fetched, fetch_noted, list};
use crate::{DailyError, Lake};

/// Objects that are fetched at once.
const FETCHES: usize = 16;
/// Examples of each code of rejection.
const EXAMPLES: u64 = 3;

/// Reads the quarantine of a date: what was rejected, and what stream records it accounts for. `clean` are the objects of the date that
/// were merged.
///
/// A record that was delivered twice counts once. One that newer rules have cleaned, when its batch was delivered again, is not
/// rejected any more.
pub(crate) async fn of_day(
    lake: &Lake,
    date: Date,
    clean: &[Account],
) -> Result<(Quarantine, Vec<Account>), DailyError> {
    let store = lake.store();
    let found = list(store.as_ref(), &format!("{QUARANTINE_PREFIX}date={date}/")).await?;
    let mut objects: Vec<(SequenceRange, Path)> = Vec::new();
    for meta in found {
        if let Ok(ObjectKey::Quarantine { range, .. }) = meta.location.as_ref().parse() {
            objects.push((range, meta.location));
        }
    }
    objects.sort();
    let mut day = Day::default();
    let mut fetched = stream::iter(objects)
        .map(|(range, path)| {
            let store = &store;
            async move { (fetch_noted(store.as_ref(), &path).await, range, path) }
        })
        .buffered(FETCHES);
    while let Some((fetched, range, path)) = fetched.next().await {
        let Fetched { bytes, noted } = fetched?;
        let records = match read_quarantine(&bytes) {
            Ok(records) => records,
            Err(error) => {
                let error = chain(&error);
                error!(lake.key = %path, error, "Left `{path}` out: it cannot be read");
                day.quarantine.unreadable.push(path.into());
                continue;
            }
        };
        let rules = records.iter().map(|record| record.rule_version).max();
        let rules = rules.unwrap_or_default();
        let cleaned = cleaned_by_others(lake, clean, &range, rules).await?;
        day.enter(&range);
        let positions = noted.positions.unwrap_or_else(|| positions(&records));
        for record in records {
            day.append(record, &cleaned);
        }
        if range.shard.number().is_some() {
            day.accounts.push(Account {
                path,
                range,
                positions,
                rules,
            });
        }
    }
    day.quarantine.examples.sort_by(|a, b| a.code.cmp(&b.code));
    Ok((day.quarantine, day.accounts))
}

/// Returns what the quarantine of a date accounts for; objects that are `known` are not asked again.
pub(crate) async fn accounts_of(
    lake: &Lake,
    date: Date,
    known: Vec<Account>,
) -> Result<Vec<Account>, DailyError> {
    let known: BTreeMap<Path, Account> = known
        .into_iter()
        .map(|account| (account.path.clone(), account))
        .collect();
    let store = lake.store();
    let found = list(store.as_ref(), &format!("{QUARANTINE_PREFIX}date={date}/")).await?;
    let is_known = found.iter().all(|meta| known.contains_key(&meta.location));
    if is_known {
        return Ok(known.into_values().collect());
    }
    let (_, accounts) = of_day(lake, date, &[]).await?;
    Ok(accounts)
}

/// Returns the sequence numbers of the records of a batch that other rules have cleaned.
async fn cleaned_by_others(
    lake: &Lake,
    clean: &[Account],
    range: &SequenceRange,
    rules: i32,
) -> Result<HashSet<SequenceNumber>, DailyError> {
    let others = clean.iter().filter(|account| {
        let other = &account.range;
        let overlaps =
            other.shard == range.shard && other.first <= range.last && range.first <= other.last;
        overlaps && account.rules > rules
    });
    let mut cleaned = HashSet::new();
    for account in others {
        let numbers = accounts::numbers(lake, &account.path).await?;
        cleaned.extend(numbers.into_iter().map(|(number, _)| number));
    }
    Ok(cleaned)
}

/// Counts the stream records of an object whose writer does not say how many it accounts for.
fn positions(records: &[QuarantineRecord]) -> PositionCounts {
    let origins = records.iter().filter_map(QuarantineRecord::origin);
    let by_number: BTreeMap<SequenceNumber, i64> = origins
        .map(|origin| (origin.sequence.number, origin.arrival_micros))
        .collect();
    let mut counts = PositionCounts::default();
    for arrival_micros in by_number.into_values() {
        counts.add(minute_of(arrival_micros), 1);
    }
    counts
}

#[derive(Default)]
struct Day {
    quarantine: Quarantine,
    accounts: Vec<Account>,
    /// The last batches that overlap, up to this record.
    until: Option<(SequenceRange, SequenceNumber)>,
    /// Their records, as the lines spell them.
    seen: HashSet<String>,
}

impl Day {
    /// Begins an object; what earlier ones had is forgotten unless a later one may have it again.
    fn enter(&mut self, range: &SequenceRange) {
        let overlaps = self
            .until
            .as_ref()
            .is_some_and(|(batch, last)| batch.shard == range.shard && range.first <= *last);
        if !overlaps {
            self.seen.clear();
            self.until = None;
        }
        let last = self
            .until
            .take()
            .map_or(range.last, |(_, last)| last.max(range.last));
        self.until = Some((range.clone(), last));
    }

    fn append(&mut self, record: QuarantineRecord, cleaned: &HashSet<SequenceNumber>) {
        let number = record.origin().map(|origin| origin.sequence.number);
        if number.is_some_and(|number| cleaned.contains(&number))
            || !self.seen.insert(record.sequence_number.clone())
        {
            return;
        }
        let count = self
            .quarantine
            .by_code
            .entry(record.code.clone())
            .or_default();
        *count += 1;
        if *count <= EXAMPLES {
            self.quarantine.examples.push(RejectedExample {
                code: record.code,
                message: record.message,
                shard: record.shard,
                sequence_number: record.sequence_number,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use cleaning::{Rejection, RejectionCode};
    use event_model::ShardId;
    use lake::quarantine::write_quarantine;
    use lake::{RejectedRecord, Sequence};

    use super::*;
    use crate::storage::objects::put;
    use crate::test_lake::{batch, memory, posted, put_batch, with_rules};

    const DATE: &str = "1970-01-01";

    /// Quarantines records as a batch of these bounds, by the present rules.
    async fn reject(lake: &Lake, range: (u64, u64), numbers: &[u64]) {
        let shard = ShardId::from_number(0);
        let rejection = Rejection {
            kind: None,
            code: RejectionCode::MissingKey,
            message: "it has no key".to_owned(),
        };
        let lines = numbers.iter().map(|number| {
            QuarantineRecord::of(&RejectedRecord {
                rejection: &rejection,
                shard: &shard,
                sequence: &number.to_string().parse::<Sequence>().unwrap(),
                rules: 7,
                arrival_micros: 10_000_000,
                partition_key: "x",
                payload: b"{}",
            })
            .unwrap()
        });
        let lines: Vec<_> = lines.collect();
        let number = |number: u64| number.to_string().parse().unwrap();
        let key = ObjectKey::Quarantine {
            date: DATE.parse().unwrap(),
            range: SequenceRange {
                shard: ShardId::from_number(0),
                first: number(range.0),
                last: number(range.1),
            },
        };
        let bytes = write_quarantine(&lines).unwrap();
        let path = Path::from(key.to_string());
        put(lake.store().as_ref(), &path, bytes).await.unwrap();
    }

    #[tokio::test]
    async fn a_record_is_rejected_once_and_not_when_newer_rules_have_cleaned_it() {
        let lake = memory();
        reject(&lake, (100, 105), &[100, 103, 105]).await;
        // The batch was delivered again and cut otherwise.
        reject(&lake, (103, 120), &[103, 105, 111]).await;
        reject(&lake, (130, 140), &[131]).await;
        let date = DATE.parse().unwrap();
        let (quarantine, accounts) = of_day(&lake, date, &[]).await.unwrap();
        assert_eq!(quarantine.by_code["missing_key"], 5);
        let counted = accounts::count(&lake, accounts.clone()).await.unwrap();
        assert_eq!(counted.total(), 5);

        // Newer rules clean two of them, when the batch comes a third time.
        let rows = [posted(1, 20, 10, "103"), posted(2, 20, 10, "111")];
        let newer = 8;
        let path = put_batch(&lake, &rows, &with_rules(&batch(&rows), newer)).await;
        let Ok(ObjectKey::Clean { range, .. }) = path.as_ref().parse() else {
            panic!("{path}")
        };
        let mut positions = PositionCounts::default();
        positions.add(0, 2);
        let clean = Account {
            path,
            range,
            positions,
            rules: newer,
        };
        let (quarantine, mut all) = of_day(&lake, date, std::slice::from_ref(&clean))
            .await
            .unwrap();
        assert_eq!(quarantine.by_code["missing_key"], 3);
        // Each record is accounted for once, clean or not.
        all.push(clean);
        assert_eq!(accounts::count(&lake, all).await.unwrap().total(), 5);
    }
}
