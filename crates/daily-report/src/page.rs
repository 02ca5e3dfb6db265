//! The page of a day: one HTML file that needs nothing beside it.
//!
//! The markup is in `templates/`; whatever is put into it is escaped, except the drawings, whose labels Plotters escapes.

mod chart;
mod format;
mod overview;
mod quality;
mod report;
mod steps;
#[cfg(test)]
mod tests;
mod trend;

use askama::Template;

use crate::price;
use crate::{ReportTable, Summary};
use chart::Figure;
use overview::{CostView, LossCheck, TileGroup};
use quality::Quality;
use report::Report;
use steps::Step;

/// What the page of a day is made of.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The run's numbers.
    pub summary: &'a Summary,
    /// The reports, in the order in which they are shown.
    pub reports: &'a [ReportTable],
    /// The summaries of earlier days, the oldest first: at most 30 of them say enough.
    pub trend: &'a [Summary],
}

/// Returns the page as HTML: the same bytes for the same day.
///
/// The page links to the files that lie beside it: `summary.json`, and `<report>.csv` and `<report>.parquet` of each report.
pub fn render(page: &Page<'_>) -> String {
    let summary = page.summary;
    let view = View {
        date: summary.run_date.to_string(),
        day: summary.run_date.strftime("%A, %-d %B %Y").to_string(),
        attempt: summary.attempt,
        is_preview: summary.partial,
        trigger: summary.trigger.map_or("unknown", crate::Trigger::as_str),
        took: format::duration(steps::total_ms(&summary.steps)),
        loss_check: LossCheck::new(summary.reconciliation, page.trend),
        tiles: overview::tiles(summary, page.trend.last()),
        cost: price(&summary.usage).as_ref().map(CostView::new),
        hours: overview::hours(summary),
        reports: page
            .reports
            .iter()
            .enumerate()
            .map(|(index, table)| Report::new(index, table))
            .collect(),
        quality: Quality::new(summary),
        steps: steps::steps(&summary.steps),
        earlier_days: page.trend.len(),
        trend: trend::figures(summary, page.trend),
    };
    // A template fails only when what it is written to does, and memory does not.
    view.render().unwrap_or_default()
}

#[derive(Template)]
#[template(path = "page.html")]
struct View<'a> {
    date: String,
    day: String,
    attempt: u32,
    is_preview: bool,
    trigger: &'static str,
    took: String,
    loss_check: LossCheck,
    tiles: Vec<TileGroup>,
    cost: Option<CostView>,
    hours: Vec<Figure>,
    reports: Vec<Report<'a>>,
    quality: Quality<'a>,
    steps: Vec<Step<'a>>,
    earlier_days: usize,
    trend: Vec<Figure>,
}
