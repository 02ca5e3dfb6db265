//! This day beside the days before it.

use std::collections::BTreeSet;

use super::chart::{Figure, Place, Plot, Series, Shape, plot};
use super::format;
use super::overview::{merged, quarantined};
use crate::Summary;

/// Draws rows in, quarantined records and table rows of the earlier days and of this one; nothing without earlier days.
pub(super) fn figures(summary: &Summary, earlier: &[Summary]) -> Vec<Figure> {
    let Some(first) = earlier.first() else {
        return Vec::new();
    };
    let days: Vec<&Summary> = earlier.iter().chain([summary]).collect();
    let draw = |id: &str, title: &str, series: Vec<Series>| {
        let places = days
            .iter()
            .map(|day| Place {
                // A day without a run leaves a gap as wide as the day.
                at: day.run_date.duration_since(first.run_date).as_secs_f64() / 86_400.0,
                label: day.run_date.strftime("%-d %b").to_string(),
            })
            .collect();
        plot(
            id,
            title,
            Plot {
                shape: Shape::Lines,
                places,
                series,
                first_color: 0,
                reaches: 0.0,
            },
        )
    };
    let line = |name: &str, value: &dyn Fn(&Summary) -> Option<u64>| Series {
        name: name.to_owned(),
        values: days
            .iter()
            .map(|day| value(day).map(format::length))
            .collect(),
    };
    let kinds: BTreeSet<&str> = days
        .iter()
        .flat_map(|day| day.tables.keys())
        .map(String::as_str)
        .collect();
    let tables = kinds
        .into_iter()
        .map(|kind| line(kind, &|day| day.tables.get(kind).map(|table| table.rows)))
        .collect();
    vec![
        draw(
            "trend-rows-in",
            "Rows in",
            vec![line("", &|day| Some(merged(day).rows_in))],
        ),
        draw(
            "trend-quarantined",
            "Quarantined",
            vec![line("", &|day| Some(quarantined(day)))],
        ),
        draw("trend-tables", "Table rows", tables),
    ]
}
