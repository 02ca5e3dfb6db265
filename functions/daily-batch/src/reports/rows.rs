//! A report's Parquet file → the rows that its page needs.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use arrow::array::{Array, ArrayRef, AsArray as _, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use bytes::Bytes;
use daily_report::table::{Cell, PAGE_ROWS, ReportTable};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use model::Query;

use super::chart;
use crate::error::RowsError;

/// Rows that are in memory at once.
const BATCH_ROWS: usize = 1_024;

/// Reads the first rows of a report, and those with the highest values, in one pass.
pub(super) fn read(bytes: Bytes, report: &Query) -> Result<ReportTable, RowsError> {
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(lake::LakeError::ReadParquet)?;
    let fields = builder.schema().fields().iter();
    let columns: Vec<_> = fields.map(|field| field.name().clone()).collect();
    let chart = chart(report);
    let drawn = chart
        .value()
        .and_then(|value| columns.iter().position(|name| name == value));
    let reader = builder
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(lake::LakeError::ReadParquet)?;
    let mut rows = Vec::new();
    let mut highest = Highest::default();
    let mut total_rows = 0;
    for batch in reader {
        let batch = batch.map_err(|error| lake::LakeError::ReadParquet(error.into()))?;
        let batch = plain(&batch)?;
        for row in 0..batch.num_rows() {
            if rows.len() < PAGE_ROWS {
                rows.push(cells(&batch, row));
            }
            if let Some(value) = drawn.and_then(|column| value(batch.column(column), row)) {
                highest.offer(value, total_rows, || cells(&batch, row));
            }
            total_rows += 1;
        }
    }
    Ok(ReportTable {
        total_rows,
        highest: highest.into_rows(),
        ..ReportTable::of_rows(&report.name, columns, rows)
    })
}

/// Spells every column as one of three types.
fn plain(batch: &RecordBatch) -> Result<RecordBatch, RowsError> {
    let columns = batch
        .columns()
        .iter()
        .zip(batch.schema_ref().fields())
        .map(|(column, field)| {
            let data_type = match column.data_type() {
                data_type if data_type.is_integer() => DataType::Int64,
                data_type if data_type.is_floating() => DataType::Float64,
                _ => DataType::Utf8,
            };
            Ok((field.name().clone(), cast(column, &data_type)?))
        });
    let columns = columns.collect::<Result<Vec<_>, arrow::error::ArrowError>>()?;
    Ok(RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(|(name, column)| (name, column, true)),
    )?)
}

fn cells(batch: &RecordBatch, row: usize) -> Vec<Cell> {
    batch
        .columns()
        .iter()
        .map(|column| cell(column, row))
        .collect()
}

fn cell(column: &ArrayRef, row: usize) -> Cell {
    if column.is_null(row) {
        return Cell::Null;
    }
    match column.data_type() {
        DataType::Int64 => Cell::Integer(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Cell::Float(column.as_primitive::<Float64Type>().value(row)),
        _ => Cell::text(column.as_string::<i32>().value(row)),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "what differs in the sixteenth digit may be drawn in either order"
)]
fn value(column: &ArrayRef, row: usize) -> Option<f64> {
    match cell(column, row) {
        Cell::Integer(value) => Some(value as f64),
        Cell::Float(value) => Some(value),
        Cell::Null | Cell::Text(_) => None,
    }
}

/// The rows with the highest values, of equal ones the first.
#[derive(Default)]
struct Highest(BinaryHeap<Candidate>);

/// The greatest of a heap is the first that gives way.
struct Candidate {
    value: f64,
    place: u64,
    cells: Vec<Cell>,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .value
            .total_cmp(&self.value)
            .then(self.place.cmp(&other.place))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}

impl Highest {
    fn offer(&mut self, value: f64, place: u64, cells: impl FnOnce() -> Vec<Cell>) {
        if self.0.len() == PAGE_ROWS {
            // A later one of the same value has no place.
            if self
                .0
                .peek()
                .is_some_and(|lowest| value.total_cmp(&lowest.value).is_le())
            {
                return;
            }
            self.0.pop();
        }
        self.0.push(Candidate {
            value,
            place,
            cells: cells(),
        });
    }

    /// Returns the rows in the report's order.
    fn into_rows(self) -> Vec<Vec<Cell>> {
        let mut rows = self.0.into_vec();
        rows.sort_unstable_by_key(|candidate| candidate.place);
        rows.into_iter().map(|candidate| candidate.cells).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    fn report() -> Query {
        Query {
            name: "categories".to_owned(),
            sql: "-- title: Categories\n-- chart: lines year count category\nSELECT 1".to_owned(),
            file: "categories.sql".into(),
        }
    }

    fn file(categories: impl Iterator<Item = String>, count: impl Fn(i64) -> i64) -> Bytes {
        let categories = StringArray::from_iter_values(categories);
        let rows = i64::try_from(categories.len()).unwrap();
        let year: ArrayRef = Arc::new(Int64Array::from_iter_values(
            (0..rows).map(|row| 2018 + row * 5 / rows),
        ));
        let count: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows).map(count)));
        let columns = [
            ("year", year),
            ("category", Arc::new(categories) as ArrayRef),
            ("count", count),
        ];
        lake::writer::write_parquet(&RecordBatch::try_from_iter(columns).unwrap()).unwrap()
    }

    fn page(table: ReportTable) -> String {
        let table = ReportTable {
            title: report().note("title").to_owned(),
            chart: super::chart(&report()),
            ..table
        };
        daily_report::page::render(&daily_report::page::Page {
            summary: &daily_report::Summary::default(),
            reports: &[table],
            trend: &[],
        })
    }

    #[test]
    fn a_page_of_a_million_distinct_values_is_small_and_soon_made() {
        let bytes = file((0..1_000_000).map(|row| format!("category {row}")), |row| {
            row * 7 % 999_983
        });
        let started = Instant::now();
        let table = read(bytes, &report()).unwrap();
        assert_eq!(
            (table.rows.len(), table.highest.len(), table.total_rows),
            (PAGE_ROWS, PAGE_ROWS, 1_000_000)
        );
        let page = page(table);
        // Ten times what it takes without optimisation, and 200 times below what would end a run.
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "{:?}",
            started.elapsed()
        );
        assert!(page.len() < 2_000_000, "{}", page.len());
        assert!(page.contains("And 999000 more in the files."));
    }

    #[test]
    fn a_page_of_huge_values_is_small() {
        let text = |row: usize| format!("{row} {}", "x".repeat(800_000));
        let table = read(file((0..24).map(text), |row| row), &report()).unwrap();
        assert!(page(table).len() < 100_000);
    }

    #[test]
    fn the_highest_values_are_drawn_wherever_they_stand() {
        let counts = |row: i64| {
            if row >= 4_990 {
                1_000_000 - row
            } else {
                row % 7
            }
        };
        let table = read(
            file((0..5_000).map(|row| format!("c{row}")), counts),
            &report(),
        )
        .unwrap();
        assert_eq!(table.rows[0][1], Cell::Text("c0".to_owned()));
        let last = table.highest.last().unwrap();
        assert_eq!(
            last[1..],
            [Cell::Text("c4999".to_owned()), Cell::Integer(995_001)]
        );
        let names: Vec<_> = table.highest.iter().map(|row| &row[1]).collect();
        assert!((4_990..5_000).all(|row| names.contains(&&Cell::Text(format!("c{row}")))));
        let page = page(table);
        assert!(
            page.contains("Highest: \u{2068}c4990\u{2069} (\u{2068}2022\u{2069}), 995,010."),
            "{page}"
        );
    }
}
