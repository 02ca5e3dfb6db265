//! A report: its drawing and its table.

use std::collections::{HashMap, HashSet};

use super::chart::{Bar, Figure, Place, Plot, Series, Shape, bars, plot};
use super::format;
use crate::{Cell, Chart, ReportTable};

/// Rows that are seen at once.
const FIRST_ROWS: usize = 20;
/// Most characters of a text that is kept on one line.
const SHORT_TEXT: usize = 16;
/// Most groups of columns, or places of lines.
const MAX_PLACES: usize = 20;

/// A report as the template writes it.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) name: &'a str,
    pub(super) title: &'a str,
    pub(super) description: &'a str,
    pub(super) figure: Option<Figure>,
    pub(super) columns: Vec<Column<'a>>,
    pub(super) first: Vec<Vec<Field>>,
    pub(super) rest: Vec<Vec<Field>>,
    /// Rows that are only in the files; 0 for most reports.
    pub(super) left_out: u64,
    /// Rows that are not seen before they are unfolded, or only in the files.
    pub(super) folded: String,
    /// What the report leaves out by its definition, in a sentence.
    pub(super) outside: Option<String>,
    /// Why there are no rows, if the report could not be made.
    pub(super) problem: Option<&'a str>,
}

/// The head of a column.
#[derive(Debug)]
pub(super) struct Column<'a> {
    pub(super) name: &'a str,
    pub(super) is_number: bool,
}

/// A cell, written out.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) text: String,
    /// Its class in the style sheet; may be empty.
    pub(super) class: &'static str,
    /// Whether it is text of the posts, which may run from right to left.
    pub(super) is_text: bool,
}

impl<'a> Report<'a> {
    pub(super) fn new(index: usize, table: &'a ReportTable) -> Self {
        let columns: Vec<Column<'a>> = table
            .columns
            .iter()
            .enumerate()
            .map(|(index, name)| Column {
                name,
                is_number: !is_year(name) && holds_numbers(table, index),
            })
            .collect();
        let mut first: Vec<Vec<Field>> =
            table.rows.iter().map(|row| fields(&columns, row)).collect();
        // One or two more are shown rather than folded away.
        let rest = if first.len() > FIRST_ROWS + 2 {
            first.split_off(FIRST_ROWS)
        } else {
            Vec::new()
        };
        Self {
            name: &table.name,
            title: &table.title,
            description: &table.description,
            figure: figure(index, table),
            columns,
            folded: format::count(table.total_rows.saturating_sub(first.len() as u64)),
            outside: table
                .outside
                .as_ref()
                .map(|(what, number)| format!("Left out: {} {what}.", format::count(*number))),
            left_out: table.total_rows.saturating_sub(table.rows.len() as u64),
            first,
            rest,
            problem: table.problem.as_deref(),
        }
    }
}

fn fields(columns: &[Column<'_>], row: &[Cell]) -> Vec<Field> {
    columns
        .iter()
        .zip(row)
        .map(|(column, cell)| field(column, cell))
        .collect()
}

fn field(column: &Column<'_>, cell: &Cell) -> Field {
    let text = match cell {
        Cell::Integer(value) if column.is_number => format::integer(*value),
        Cell::Float(value) if column.is_number => format::float(*value),
        cell => label(cell),
    };
    let class = match cell {
        Cell::Null if column.is_number => "number null",
        Cell::Null => "null",
        _ if column.is_number => "number",
        _ if text.chars().count() <= SHORT_TEXT => "short",
        _ => "long",
    };
    Field {
        text,
        class,
        is_text: matches!(cell, Cell::Text(_)),
    }
}

/// A year is a number that nobody counts with: it has no thousands.
fn is_year(column: &str) -> bool {
    column == "year" || column.ends_with("_year")
}

fn holds_numbers(table: &ReportTable, index: usize) -> bool {
    table
        .rows
        .iter()
        .filter_map(|row| row.get(index))
        .all(|cell| !matches!(cell, Cell::Text(_)))
}

/// Returns a cell as the name of a bar, a place or a series.
fn label(cell: &Cell) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Integer(value) => value.to_string(),
        Cell::Float(value) => value.to_string(),
        Cell::Text(text) => text.clone(),
    }
}

/// Returns a cell as a length; what is no number, or beyond what can be drawn, has none.
#[expect(
    clippy::cast_precision_loss,
    reason = "a drawing does not show the sixteenth digit"
)]
fn length(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Integer(value) => Some(*value as f64),
        Cell::Float(value) => Some(*value).filter(|value| value.abs() < 1e30),
        Cell::Null | Cell::Text(_) => None,
    }
}

/// Draws a report; `None` when it is not to be drawn, or names a column that it does not have.
fn figure(number: usize, table: &ReportTable) -> Option<Figure> {
    let index = |name: &String| table.columns.iter().position(|column| column == name);
    let id = format!("chart-{number}");
    match &table.chart {
        Chart::None => None,
        Chart::Bars { label, value } => {
            let (label, value) = (index(label)?, index(value)?);
            let drawn = |row: &Vec<Cell>| {
                // What else a row has tells it apart from one with the same label: the poster, and in which country.
                let others = row.iter().enumerate();
                let others = others.filter(|(index, _)| *index != label && *index != value);
                let mut words = vec![self::label(row.get(label)?)];
                words.extend(others.map(|(_, cell)| self::label(cell)));
                Some(Bar {
                    label: words.join(" · "),
                    value: length(row.get(value)?)?,
                })
            };
            Some(bars(
                &id,
                &table.title,
                table.highest.iter().filter_map(drawn).collect(),
            ))
        }
        Chart::Columns {
            label,
            value,
            series,
        }
        | Chart::Lines {
            label,
            value,
            series,
        } => {
            let shape = if matches!(table.chart, Chart::Lines { .. }) {
                Shape::Lines
            } else {
                Shape::Columns
            };
            let columns = (index(label)?, index(value)?);
            let points = match series {
                None => points(table, columns, None),
                Some(series) => points(table, columns, Some(index(series)?)),
            };
            Some(plotted(&id, &table.title, shape, points))
        }
    }
}

/// A value of a plot.
struct Point<'a> {
    label: &'a Cell,
    value: f64,
    series: String,
}

fn points(
    table: &ReportTable,
    (label, value): (usize, usize),
    series: Option<usize>,
) -> Vec<Point<'_>> {
    table
        .highest
        .iter()
        .filter_map(|row| {
            Some(Point {
                label: row.get(label)?,
                value: length(row.get(value)?)?,
                series: match series {
                    None => String::new(),
                    Some(series) => self::label(row.get(series)?),
                },
            })
        })
        .collect()
}

fn plotted(id: &str, title: &str, shape: Shape, points: Vec<Point<'_>>) -> Figure {
    let mut seen = HashSet::new();
    let all_labels = points.iter().map(|point| point.label);
    // A null is another place than the text `null`.
    let mut labels: Vec<&Cell> = all_labels
        .filter(|cell| seen.insert((matches!(cell, Cell::Null), label(cell))))
        .collect();
    // The rows of a second series may have places that those of the first lack: years are put in order. Text stays in
    // the order of the rows.
    if labels.iter().all(|label| length(label).is_some()) {
        labels.sort_by(|one, other| {
            length(one)
                .partial_cmp(&length(other))
                .unwrap_or(std::cmp::Ordering::Equal)
        });
    }
    let all = labels.len();
    labels.truncate(MAX_PLACES);

    let mut series: Vec<Series> = Vec::new();
    let mut places_of_series = HashMap::new();
    for point in points {
        let Some(place) = labels.iter().position(|label| *label == point.label) else {
            continue;
        };
        let found = *places_of_series
            .entry(point.series.clone())
            .or_insert_with(|| {
                series.push(Series {
                    name: point.series,
                    values: vec![None; labels.len()],
                });
                series.len() - 1
            });
        // Of rows with the same label the first is drawn: they are ties.
        if let Some(value) = series
            .get_mut(found)
            .and_then(|series| series.values.get_mut(place))
        {
            value.get_or_insert(point.value);
        }
    }
    let mut at = -1.0;
    let places = labels
        .into_iter()
        .map(|cell| {
            at += 1.0;
            Place {
                at,
                label: label(cell),
            }
        })
        .collect();
    let mut figure = plot(
        id,
        title,
        Plot {
            shape,
            places,
            series,
            first_color: 0,
            reaches: 0.0,
        },
    );
    if all > MAX_PLACES {
        figure.caption = format!(
            "{} The first {MAX_PLACES} of {all} places are drawn.",
            figure.caption
        );
    }
    figure
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(chart: Chart, rows: Vec<Vec<Cell>>) -> ReportTable {
        let columns = vec!["post_year".to_owned(), "count".to_owned()];
        ReportTable {
            title: "Posts".to_owned(),
            chart,
            ..ReportTable::of_rows("posts", columns, rows)
        }
    }

    fn lines() -> Chart {
        Chart::Lines {
            label: "post_year".to_owned(),
            value: "count".to_owned(),
            series: None,
        }
    }

    #[test]
    fn a_chart_of_a_column_that_is_not_there_is_left_out() {
        let chart = Chart::Bars {
            label: "country".to_owned(),
            value: "count".to_owned(),
        };
        let table = table(chart, vec![vec![Cell::Integer(2020), Cell::Integer(1)]]);
        assert!(Report::new(0, &table).figure.is_none());
    }

    #[test]
    fn places_that_are_numbers_are_put_in_order() {
        let years = [2020, 2018, 2019];
        let table = table(
            lines(),
            years
                .map(|year| vec![Cell::Integer(year), Cell::Integer(year)])
                .into(),
        );
        let svg = Report::new(0, &table).figure.unwrap().svg.unwrap();
        let places = ["2018", "2019", "2020"].map(|year| svg.find(&format!("\n{year}\n")));
        assert!(
            places.iter().all(Option::is_some) && places.is_sorted(),
            "{places:?}"
        );
    }

    #[test]
    fn rows_beyond_the_thousandth_are_only_in_the_files() {
        let table = table(
            Chart::None,
            (0..1_200)
                .map(|row| vec![Cell::Integer(row), Cell::Null])
                .collect(),
        );
        let report = Report::new(0, &table);
        assert_eq!(
            (report.first.len(), report.rest.len(), report.left_out),
            (20, 980, 200)
        );
    }

    #[test]
    fn a_null_is_told_apart_from_a_text() {
        let table = table(
            Chart::None,
            vec![vec![Cell::Text("null".to_owned()), Cell::Null]],
        );
        let report = Report::new(0, &table);
        let classes: Vec<&str> = report
            .first
            .iter()
            .flatten()
            .map(|field| field.class)
            .collect();
        assert_eq!(classes, ["short", "number null"]);
    }
}
