//! The numbers of a run, gathered from the ledger, the tables and the lake.

use std::collections::BTreeMap;

use daily_report::run::RunRecord;
use daily_report::summary::{Summary, ViewCounts};
use event_model::Kind;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::ToSpan as _;
use jiff::civil::Date;
use object_store::path::Path;
use tracing::error;

use crate::merge::counts::{
    UNREADABLE, changed_rule, merge_step, read_merge_counts, row_balance, undecided_key,
};
use crate::merge::keys::{Key, RowRules, TableKey, TextKey};
use crate::merge::matching::{KeyPass, read_key_values};
use crate::reports::folder;
use crate::storage::objects::fetch_if_there;
use crate::table::delta::CuratedTable;
use crate::{DailyError, Lake, reports};

/// Examples of each code of rejection.
const EXAMPLES: usize = 3;
/// Earlier days of the trend.
const TREND_DAYS: i64 = 30;

/// Gathers the summary of a date, but for what was rejected, what its reconciliation found, and what the day cost.
pub(crate) async fn gather(
    lake: &Lake,
    record: &RunRecord,
    earlier: &[RunRecord],
    tables: &[CuratedTable],
) -> Result<Summary, DailyError> {
    let mut summary = Summary {
        run_date: record.run_date,
        attempt: record.attempt,
        trigger: Some(record.trigger),
        partial: record.partial,
        used: record.used,
        steps: record.steps.clone(),
        ..Summary::default()
    };
    let keys = key_counts(lake, tables).await?;
    (summary.views, summary.duplicate_keys) = (keys.views, keys.duplicates);
    for table in tables {
        let kind = table.kind();
        let name = merge_step(kind);
        // What earlier runs of the date merged is the date's, too; this run found the rest.
        let before = earlier.iter().flat_map(|record| &record.steps);
        let steps = before.filter(|step| step.name == name);
        for step in steps.chain(record.steps.iter().filter(|step| step.name == name)) {
            let merges = summary.merges.entry(kind.to_string()).or_default();
            *merges += read_merge_counts(step);
            let balance = row_balance(step);
            let of_date = summary.row_balance.entry(kind.to_string());
            of_date
                .and_modify(|before| before.extend(&balance))
                .or_insert(balance);
            let unreadable = step.counts.get(UNREADABLE).copied();
            summary
                .unreadable_objects
                .insert(kind.to_string(), unreadable.unwrap_or_default());
            for (count_name, count) in &step.counts {
                if let Some(key) = undecided_key(count_name) {
                    let examples = &mut summary.order_undecided_examples;
                    examples
                        .entry(kind.to_string())
                        .or_default()
                        .push(key.to_owned());
                }
                if let Some(rule) = changed_rule(count_name) {
                    *summary.changes_by_rule.entry(rule.to_owned()).or_default() += count;
                }
            }
        }
        summary
            .tables
            .insert(kind.to_string(), table.counts().await?);
        let (mut manifest, _) = table.manifest().await?;
        let store = lake.store();
        let rows = manifest.rows_by_hour(store.as_ref(), kind, record.run_date);
        summary.rows_by_hour.insert(kind.to_string(), rows.await?);
    }
    Ok(summary)
}

/// The keys of the tables that keep one row of each: how many a table has more than once, and which of a view's tables have them.
#[derive(Debug, Default)]
struct KeyCounts {
    duplicates: BTreeMap<String, u64>,
    views: BTreeMap<String, ViewCounts>,
}

/// A table, and how its rows are told apart.
type Told<'t> = (&'t CuratedTable, RowRules);

/// Counts the keys by which of the tables have them, and those that a table has more than once.
async fn key_counts(lake: &Lake, tables: &[CuratedTable]) -> Result<KeyCounts, DailyError> {
    let mut counts = KeyCounts::default();
    let (mut integers, mut texts): (Vec<Told<'_>>, Vec<Told<'_>>) = (Vec::new(), Vec::new());
    for table in tables {
        let rules = RowRules::of(lake.table(table.kind())?);
        match rules.key {
            TableKey::Integer(_) => integers.push((table, rules)),
            TableKey::Text(_) => texts.push((table, rules)),
            // Each record is a row, and once there: the row balance says so.
            TableKey::Columns(_) | TableKey::Record => {}
        }
    }
    let mut views = BTreeMap::new();
    for view in lake.model().views() {
        let joined = reports::joined(lake.model(), view).await;
        let joined = joined.map_err(|error| DailyError::Bug(error.strip_backtrace()))?;
        if joined.len() > 1 {
            views.insert(view.name.clone(), joined);
        }
    }
    count_keys::<i64>(lake, &integers, &views, &mut counts).await?;
    count_keys::<TextKey>(lake, &texts, &views, &mut counts).await?;
    Ok(counts)
}

/// Counts the keys of tables whose keys are of one type.
///
/// Only the columns of the keys are read. Tables of more rows than fit are gone over several times, each time for a part of the keys.
async fn count_keys<K: Key>(
    lake: &Lake,
    tables: &[Told<'_>],
    views: &BTreeMap<String, Vec<Kind>>,
    counts: &mut KeyCounts,
) -> Result<(), DailyError> {
    let mut rows = Vec::new();
    for (table, _) in tables {
        rows.push(table.rows().await?);
        counts.duplicates.insert(table.kind().to_string(), 0);
    }
    let passes = KeyPass::passes(rows.iter().sum(), K::PER_PASS).collect::<Vec<_>>();
    let parts = passes.len() as u64;
    for pass in passes {
        let mut keys: BTreeMap<Kind, Vec<K>> = BTreeMap::new();
        for ((table, rules), rows) in tables.iter().zip(&rows) {
            let kind = table.kind();
            // A part has more or less its share; one that grew would be copied, and be in memory twice.
            let share = rows / parts + rows / parts / 64 + 1024;
            let mut read = Vec::with_capacity(usize::try_from(share).unwrap_or_default());
            for file in table.files().await? {
                read_key_values(&lake.store(), (kind, rules), &file, pass, |key, _| {
                    read.push(key);
                })
                .await?;
            }
            read.sort_unstable();
            let twice = read.windows(2).filter(|pair| pair.first() == pair.last());
            for key in twice.filter_map(|pair| pair.first()).take(EXAMPLES) {
                error!(kind = %kind, row.key = %key, "`{kind}` has {key} more than once; the next merge keeps the latest");
            }
            let rows = read.len();
            read.dedup();
            let duplicates = counts.duplicates.entry(kind.to_string()).or_default();
            *duplicates += (rows - read.len()) as u64;
            keys.insert(kind, read);
        }
        for (name, kinds) in views {
            let of_view: Vec<_> = kinds.iter().filter_map(|kind| keys.get(kind)).collect();
            if of_view.len() == kinds.len() {
                let of_view = of_view.into_iter().map(Vec::as_slice).collect();
                let view = counts.views.entry(name.clone()).or_default();
                count_view(kinds, of_view, view);
            }
        }
    }
    Ok(())
}

/// Counts the keys of a part, sorted and each once for each table.
fn count_view<K: Key>(kinds: &[Kind], mut rest: Vec<&[K]>, view: &mut ViewCounts) {
    let mut without = vec![0; kinds.len()];
    while let Some(least) = rest.iter().filter_map(|keys| keys.first()).min() {
        let least = least.clone();
        let mut is_complete = true;
        for (without, rest) in without.iter_mut().zip(&mut rest) {
            if let Some((_, others)) = rest.split_first().filter(|(key, _)| **key == least) {
                *rest = others;
            } else {
                *without += 1;
                is_complete = false;
            }
        }
        view.complete += u64::from(is_complete);
    }
    for (kind, count) in kinds.iter().zip(without) {
        *view.without.entry(kind.to_string()).or_default() += count;
    }
}

/// Returns the key of a run date's summary.
pub fn summary_key(run_date: Date) -> String {
    format!("{}/summary.json", folder(run_date))
}

/// Reads the summary of a day; `None` for one that an older or newer release wrote.
pub(crate) async fn read(lake: &Lake, run_date: Date) -> Result<Option<Summary>, DailyError> {
    let path = Path::from(summary_key(run_date));
    let found = fetch_if_there(lake.store().as_ref(), &path).await?;
    Ok(found.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Reads the summaries of earlier days, oldest first; days without one are left out.
pub(crate) async fn trend(lake: &Lake, run_date: Date) -> Result<Vec<Summary>, DailyError> {
    let days = (1..=TREND_DAYS)
        .rev()
        .map(|days| run_date.saturating_sub(days.days()));
    let summaries: Vec<Option<Summary>> = stream::iter(days)
        .map(|day| read(lake, day))
        .buffered(8)
        .try_collect()
        .await?;
    Ok(summaries.into_iter().flatten().collect())
}
