//! The numbers of a run, gathered from the ledger, the tables and the lake.

use std::collections::BTreeMap;

use daily_report::run::RunRecord;
use daily_report::summary::{Summary, Triples};
use event_model::Kind;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::ToSpan as _;
use jiff::civil::Date;
use object_store::path::Path;
use tracing::error;

use crate::merge::counts::{
    UNREADABLE, changed_rule, merge_step, read_merge_counts, row_balance, undecided_key,
};
use crate::merge::matching::{IndPass, read_inds};
use crate::reports::folder;
use crate::storage::objects::fetch_if_there;
use crate::table::delta::CuratedTable;
use crate::{DailyError, Lake};

/// Examples of each code of rejection.
const EXAMPLES: usize = 3;
/// `ind`s that are counted at once: 8 bytes each.
const INDS_PER_PASS: u64 = 16_000_000;
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
    (summary.triples, summary.duplicate_keys) = triples(lake, tables).await?;
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
                if let Some(ind) = undecided_key(count_name) {
                    let examples = &mut summary.order_undecided_examples;
                    examples.entry(kind.to_string()).or_default().push(ind);
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

/// Counts the `ind`s by which of the tables have them, and those that a table has more than once.
///
/// Only the columns `ind` are read, 8 bytes a row. Tables of more rows than fit are gone over several times, each time for a part of the
/// `ind`s.
async fn triples(
    lake: &Lake,
    tables: &[CuratedTable],
) -> Result<(Triples, BTreeMap<String, u64>), DailyError> {
    let mut rows = Vec::new();
    for table in tables {
        rows.push(table.rows().await?);
    }
    let passes = IndPass::passes(rows.iter().sum(), INDS_PER_PASS).collect::<Vec<_>>();
    let parts = passes.len() as u64;
    let mut triples = Triples::default();
    let mut duplicates = BTreeMap::new();
    for table in tables {
        duplicates.insert(table.kind().to_string(), 0);
    }
    for pass in passes {
        let mut inds: Vec<Vec<i64>> = Vec::new();
        for (table, rows) in tables.iter().zip(&rows) {
            // A part has more or less its share; one that grew would be copied, and be in memory twice.
            let share = rows / parts + rows / parts / 64 + 1024;
            let mut read = Vec::with_capacity(usize::try_from(share).unwrap_or_default());
            for file in table.files().await? {
                read_inds(&lake.store(), table.kind(), &file, pass, |ind, _| {
                    read.push(ind);
                })
                .await?;
            }
            read.sort_unstable();
            let twice = read.windows(2).filter(|pair| pair.first() == pair.last());
            for ind in twice.filter_map(|pair| pair.first()).take(EXAMPLES) {
                error!(kind = %table.kind(), row.ind = ind, "`{}` has {ind} more than once; the next merge keeps the latest", table.kind());
            }
            let rows = read.len();
            read.dedup();
            let kind = table.kind().to_string();
            *duplicates.entry(kind).or_default() += (rows - read.len()) as u64;
            inds.push(read);
        }
        count_triples(&inds, &mut triples);
    }
    Ok((triples, duplicates))
}

/// Counts the `ind`s of a part, sorted and each once for each table.
fn count_triples(inds: &[Vec<i64>], triples: &mut Triples) {
    let mut rest: Vec<&[i64]> = inds.iter().map(Vec::as_slice).collect();
    while let Some(least) = rest.iter().filter_map(|inds| inds.first()).min().copied() {
        let mut has = Kind::ALL.map(|_| false);
        for (has, rest) in has.iter_mut().zip(&mut rest) {
            if let Some((_, others)) = rest.split_first().filter(|(ind, _)| **ind == least) {
                *has = true;
                *rest = others;
            }
        }
        let [pin, geo, user] = has;
        triples.complete += u64::from(pin && geo && user);
        triples.without_pin += u64::from(!pin);
        triples.without_geo += u64::from(!geo);
        triples.without_user += u64::from(!user);
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
