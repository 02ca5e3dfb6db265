//! The top of the page: whether all is well, the key numbers, and the rows of each hour.

use cost::DayCost;

use super::chart::{Figure, Place, Plot, Series, Shape, plot};
use super::format;
use crate::Summary;
use crate::summary::{MergeCounts, Reconciliation, RowBalance, TableCounts};

/// Whether every accepted record was found.
#[derive(Debug)]
pub(super) struct LossCheck {
    /// Its class in the style sheet.
    pub(super) class: &'static str,
    /// What it says.
    pub(super) headline: String,
    /// The numbers behind it.
    pub(super) detail: String,
}

impl LossCheck {
    /// `earlier` are the summaries of earlier days, the oldest first.
    pub(super) fn new(reconciliation: Reconciliation, earlier: &[Summary]) -> Self {
        let Reconciliation {
            accepted,
            found,
            unaccounted,
            is_complete,
            missing_since,
            ..
        } = reconciliation;
        let since = missing_since.map_or_else(String::new, |since| {
            format!(" since {}", since.strftime("%Y-%m-%d %H:%M UTC"))
        });
        let records = format::counted(accepted, "accepted record");
        let numbers = format!("{} of {records} found", format::count(found));
        let (class, headline, detail) = match (unaccounted, is_complete) {
            (0, true) if accepted == 0 => (
                "empty",
                "No record was accepted".to_owned(),
                last_records(earlier),
            ),
            (0, true) => (
                "good",
                "Every accepted record was found".to_owned(),
                format!("{numbers}."),
            ),
            (0, false) => (
                "warn",
                "Not checked".to_owned(),
                "CloudWatch or the stream did not answer, or no stream was given. The log of the run says why.".to_owned(),
            ),
            (_, true) => (
                "bad",
                format!(
                    "{} unaccounted for",
                    format::counted(unaccounted, "accepted record")
                ),
                format!(
                    "In neither clean/ nor quarantine/{since}: {numbers}. Look for them while the stream still has them."
                ),
            ),
            (_, false) => (
                "bad",
                format!(
                    "At least {} unaccounted for",
                    format::counted(unaccounted, "accepted record")
                ),
                format!(
                    "In neither clean/ nor quarantine/{since}: {numbers}. \
                     Look for them while the stream still has them."
                ),
            ),
        };
        Self {
            class,
            headline,
            detail,
        }
    }
}

/// Says when records were last accepted, as far back as the page looks.
fn last_records(earlier: &[Summary]) -> String {
    let accepted = |day: &&Summary| day.reconciliation.accepted > 0 || day.usage.records > 0;
    match (earlier.iter().rev().find(accepted), earlier.first()) {
        (Some(day), _) => format!("The last ones came on {}.", day.run_date),
        (None, Some(first)) => format!("There has been none since {} at least.", first.run_date),
        (None, None) => "There is no earlier day to compare with.".to_owned(),
    }
}

/// Key numbers that belong together.
#[derive(Debug)]
pub(super) struct TileGroup {
    /// What they have in common.
    pub(super) title: &'static str,
    /// The numbers.
    pub(super) tiles: Vec<Tile>,
}

/// A key number.
#[derive(Debug)]
pub(super) struct Tile {
    /// What it counts.
    pub(super) label: String,
    /// The number.
    pub(super) number: String,
    /// A smaller line below it; may be empty.
    pub(super) note: String,
    /// Whether to draw the eye to it.
    pub(super) is_alarming: bool,
}

impl Tile {
    fn new(label: &str, number: u64, note: String) -> Self {
        Self {
            label: label.to_owned(),
            number: format::count(number),
            note,
            is_alarming: false,
        }
    }
}

/// Returns the key numbers, compared with the day before.
pub(super) fn tiles(summary: &Summary, before: Option<&Summary>) -> Vec<TileGroup> {
    let merges = merged(summary);
    let quarantined = quarantined(summary);
    let before = |number: fn(&Summary) -> u64| {
        before.map_or_else(String::new, |before| {
            format!("{} on {}", format::count(number(before)), before.run_date)
        })
    };
    let part = |count| {
        if merges.rows_in == 0 {
            String::new()
        } else {
            format::share(count, merges.rows_in)
        }
    };
    let mut tables: Vec<Tile> = summary
        .tables
        .iter()
        .map(|(kind, table)| table_tile(kind, table))
        .collect();
    for (name, view) in &summary.views {
        let lacking = view.without.values().max().copied().unwrap_or_default();
        let note = if lacking == 0 {
            String::new()
        } else {
            format!("up to {} lack one table", format::count(lacking))
        };
        tables.push(Tile::new(name, view.complete, note));
    }
    tables.extend(problems(summary));
    vec![
        TileGroup {
            title: "This run",
            tiles: vec![
                Tile::new("Rows in", merges.rows_in, before(|day| merged(day).rows_in)),
                Tile::new("Inserted", merges.inserted, part(merges.inserted)),
                Tile::new("Updated", merges.updated, part(merges.updated)),
                Tile::new("Superseded", merges.superseded, part(merges.superseded)),
                Tile::new("Repeated", merges.repeated, part(merges.repeated)),
                Tile {
                    is_alarming: quarantined > 0,
                    ..Tile::new("Quarantined", quarantined, before(self::quarantined))
                },
            ],
        },
        TileGroup {
            title: "Tables after the run",
            tiles: tables,
        },
    ]
}

/// Returns the row balance, and what else of the tables needs a person.
fn problems(summary: &Summary) -> Vec<Tile> {
    let balances = summary.row_balance.values();
    let difference: u64 = balances.map(RowBalance::difference).sum();
    let mut tiles = vec![Tile {
        is_alarming: difference > 0,
        ..Tile::new(
            "Row balance",
            difference,
            "rows more or less than before the merge and inserted by it".to_owned(),
        )
    }];
    let failed = summary.steps.iter().filter(|step| step.error.is_some());
    for (label, number, note) in [
        (
            "Unreadable objects",
            summary.unreadable_objects.values().sum::<u64>()
                + summary.quarantine.unreadable.len() as u64,
            "their rows are in no table; the log names them",
        ),
        (
            "Duplicate keys",
            summary.duplicate_keys.values().sum(),
            "the next merge keeps the latest row of each",
        ),
        (
            "Late rows",
            merged(summary).late,
            "of days that had been run before; those days' reports lack them",
        ),
        (
            "Undecided order",
            merged(summary).order_undecided,
            "keys whose latest row may be another: nothing orders its versions for sure",
        ),
        (
            "Failed maintenance",
            failed.count() as u64,
            "steps; the reports are made without them",
        ),
    ] {
        if number > 0 {
            tiles.push(Tile {
                is_alarming: true,
                ..Tile::new(label, number, note.to_owned())
            });
        }
    }
    tiles
}

/// Returns the sum over the kinds.
pub(super) fn merged(summary: &Summary) -> MergeCounts {
    let mut sum = MergeCounts::default();
    for merge in summary.merges.values() {
        sum += *merge;
    }
    sum
}

/// Returns how many records were rejected.
pub(super) fn quarantined(summary: &Summary) -> u64 {
    summary.quarantine.by_code.values().sum()
}

fn table_tile(kind: &str, table: &TableCounts) -> Tile {
    let files = format::counted(table.files, "file");
    let note = format!(
        "{} in {files} · version {}",
        format::size(table.size_bytes),
        format::count(table.version)
    );
    Tile::new(&format!("Rows of {kind}"), table.rows, note)
}

/// What the day's rows cost.
#[derive(Debug)]
pub(super) struct CostView {
    /// For a month without rows.
    pub(super) fixed: String,
    /// For a million rows, beside that.
    pub(super) per_million: String,
    /// For the day.
    pub(super) day: String,
    /// The dearest services, with their part of the day.
    pub(super) services: String,
    /// What was assumed.
    pub(super) assumptions: String,
}

/// Services that are named with what they cost.
const NAMED_SERVICES: usize = 4;

impl CostView {
    pub(super) fn new(cost: &DayCost) -> Self {
        let services = cost.by_service.iter().take(NAMED_SERVICES);
        let services: Vec<_> = services
            .map(|(service, usd)| format!("{} {}", service.as_str(), format::usd(*usd)))
            .collect();
        Self {
            fixed: format::usd(cost.usd_fixed_per_month),
            per_million: format::usd(cost.usd_per_million_rows),
            day: format::usd(cost.usd),
            services: services.join(", "),
            assumptions: cost.assumptions.clone(),
        }
    }
}

/// Draws the rows of each hour: one drawing per table, all to the same scale.
pub(super) fn hours(summary: &Summary) -> Vec<Figure> {
    let highest = summary
        .rows_by_hour
        .values()
        .flatten()
        .copied()
        .max()
        .unwrap_or(0);
    let mut figures = Vec::new();
    for (index, (kind, rows)) in summary.rows_by_hour.iter().enumerate() {
        let places = (0_u8..24)
            .map(|hour| Place {
                at: f64::from(hour),
                label: format!("{hour:02}:00"),
            })
            .collect();
        let values = rows
            .iter()
            .map(|rows| Some(format::length(*rows)))
            .collect();
        let series = vec![Series {
            name: String::new(),
            values,
        }];
        let sum: u64 = rows.iter().sum();
        let title = format!("{kind}, {}", format::counted(sum, "row"));
        let drawn = Plot {
            shape: Shape::Columns,
            places,
            series,
            first_color: index,
            reaches: format::length(highest),
        };
        figures.push(plot(&format!("hours-{index}"), &title, drawn));
    }
    figures
}
