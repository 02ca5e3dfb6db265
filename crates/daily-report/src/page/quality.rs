//! What is wrong with the data: nulls, rejections, changed values, and keys that lack a table.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::format;
use crate::Summary;
use crate::summary::RejectedExample;

/// The section as the template writes it.
#[derive(Debug)]
pub(super) struct Quality<'a> {
    pub(super) tables: Vec<Nulls<'a>>,
    pub(super) rejections: Vec<Rejections<'a>>,
    pub(super) rejected: String,
    pub(super) changes: Vec<(&'a str, String)>,
    pub(super) views: Vec<View<'a>>,
}

/// A join that reports share, and the keys that it leaves out.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) name: &'a str,
    pub(super) complete: String,
    pub(super) without: Vec<(&'a str, String)>,
}

/// The nulls of a kind's table.
#[derive(Debug)]
pub(super) struct Nulls<'a> {
    pub(super) kind: &'a str,
    pub(super) rows: String,
    pub(super) columns: Vec<NullColumn<'a>>,
}

/// The nulls of a column.
#[derive(Debug)]
pub(super) struct NullColumn<'a> {
    pub(super) name: &'a str,
    pub(super) count: String,
    pub(super) share: String,
    /// The share in per cent of the highest share of the page, for a bar.
    pub(super) width: String,
}

/// What was rejected with one code.
#[derive(Debug)]
pub(super) struct Rejections<'a> {
    pub(super) code: &'a str,
    pub(super) count: String,
    pub(super) examples: Vec<&'a RejectedExample>,
}

impl<'a> Quality<'a> {
    pub(super) fn new(summary: &'a Summary) -> Self {
        let shares = summary.tables.values().flat_map(|table| {
            table
                .nulls
                .iter()
                .map(|(_, nulls)| part(*nulls, table.rows))
        });
        let highest = shares.fold(0.0, f64::max);
        let tables = summary.tables.iter().map(|(kind, table)| Nulls {
            kind,
            rows: format::counted(table.rows, "row"),
            columns: table
                .nulls
                .iter()
                .map(|(name, nulls)| null_column(name, *nulls, table.rows, highest))
                .collect(),
        });
        let rejections =
            most_first(&summary.quarantine.by_code)
                .into_iter()
                .map(|(code, count)| Rejections {
                    code,
                    count: format::count(count),
                    examples: summary
                        .quarantine
                        .examples
                        .iter()
                        .filter(|example| example.code == code)
                        .collect(),
                });
        let changes = most_first(&summary.changes_by_rule);
        let views = summary.views.iter().map(|(name, view)| View {
            name,
            complete: format::counted(view.complete, "key"),
            without: view
                .without
                .iter()
                .map(|(table, count)| (table.as_str(), format::count(*count)))
                .collect(),
        });
        Self {
            tables: tables.collect(),
            rejections: rejections.collect(),
            rejected: format::count(super::overview::quarantined(summary)),
            changes: changes
                .into_iter()
                .map(|(rule, count)| (rule, format::count(count)))
                .collect(),
            views: views.collect(),
        }
    }
}

fn null_column(name: &str, nulls: u64, rows: u64, highest: f64) -> NullColumn<'_> {
    let width = if highest > 0.0 {
        part(nulls, rows) / highest * 100.0
    } else {
        0.0
    };
    NullColumn {
        name,
        count: format::count(nulls),
        share: format::share(nulls, rows),
        width: format!("{width:.1}"),
    }
}

fn part(nulls: u64, rows: u64) -> f64 {
    if rows == 0 {
        0.0
    } else {
        format::length(nulls) / format::length(rows)
    }
}

/// Returns the counts that are not 0, the highest first, equal ones by name.
fn most_first(counts: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    let mut sorted: Vec<(&str, u64)> = counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| (name.as_str(), *count))
        .collect();
    sorted.sort_by_key(|(_, count)| Reverse(*count));
    sorted
}
