//! The reports: `.sql` files over the curated tables, run by DataFusion, as Parquet and CSV.
//!
//! A query finds the tables `pin`, `geo` and `user`, and `posts`, their inner join on `ind` without the lineage columns. All
//! queries share one pass over the tables: `posts` is joined once, with those columns alone that some query reads.

use std::sync::Arc;

use arrow::array::{Array, AsArray as _, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float64Type, Int64Type, Schema};
use bytes::Bytes;
use daily_report::table::{Cell, Chart, ReportTable};
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use jiff::civil::Date;
use object_store::path::Path;

use self::posts::Posts;
#[cfg(test)]
pub(crate) use self::posts::provider;
use crate::error::RowsError;
use crate::storage::objects::{fetch, put};
use crate::table::delta::CuratedTable;
use crate::{DailyError, Lake};

mod posts;

/// A report: its name and its query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    /// The report's name, which is that of its file and of what it writes.
    pub(crate) name: &'static str,
    /// The query, with its title, its description and its chart in the comments at its head.
    pub(crate) sql: &'static str,
}

const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/reports.rs"));

/// Returns every report, by name.
pub(crate) fn all() -> impl Iterator<Item = Report> {
    FILES.iter().map(|&(name, sql)| Report { name, sql })
}

impl Report {
    /// Returns the text after `-- <label>:` at the head of the query.
    fn note(&self, label: &str) -> &'static str {
        let notes = self.sql.lines().map_while(|line| line.strip_prefix("-- "));
        let mut parts = notes.filter_map(|note| note.split_once(": "));
        parts
            .find(|(found, _)| *found == label)
            .map_or("", |(_, text)| text)
    }

    fn chart(&self) -> Chart {
        let mut words = self.note("chart").split_whitespace().map(str::to_owned);
        let form = words.next().unwrap_or_default();
        let (Some(label), Some(value)) = (words.next(), words.next()) else {
            return Chart::None;
        };
        let series = words.next();
        match form.as_str() {
            "bars" => Chart::Bars { label, value },
            "columns" => Chart::Columns {
                label,
                value,
                series,
            },
            "lines" => Chart::Lines {
                label,
                value,
                series,
            },
            _ => Chart::None,
        }
    }
}

/// Makes every report of the tables as they are, and writes each as `<name>.parquet` and `<name>.csv`.
///
/// The same tables give the same bytes. Returns the number of rows of each report.
pub(crate) async fn write(
    lake: &Lake,
    run_date: Date,
    tables: &[CuratedTable],
) -> Result<Vec<(String, u64)>, DailyError> {
    let failed = |name: &str| {
        let report = name.to_owned();
        move |source: DataFusionError| DailyError::Report {
            report,
            source: Box::new(source),
        }
    };
    let posts = Posts::join(tables, all()).await.map_err(failed("posts"))?;
    let mut rows = Vec::new();
    for report in all() {
        let batch = run(posts.context(), report)
            .await
            .map_err(failed(report.name))?;
        let folder = folder(run_date);
        let csv = to_csv(&batch).map_err(|error| failed(report.name)(error.into()))?;
        let parquet = lake::writer::write_parquet(&batch)
            .map_err(|error| DailyError::Bug(error.to_string()))?;
        for (extension, bytes) in [("csv", csv), ("parquet", parquet)] {
            let path = Path::from(format!("{folder}/{}.{extension}", report.name));
            put(lake.store().as_ref(), &path, bytes).await?;
        }
        rows.push((report.name.to_owned(), batch.num_rows() as u64));
    }
    Ok(rows)
}

/// Returns the key prefix of what is written for a run date, without the last slash.
pub(crate) fn folder(run_date: Date) -> String {
    format!("reports/date={run_date}")
}

async fn run(context: &SessionContext, report: Report) -> Result<RecordBatch, DataFusionError> {
    let frame = context.sql(report.sql).await?;
    let schema = Arc::clone(frame.schema().inner());
    let batches = frame.collect().await?;
    Ok(plain(&concat_batches(&schema, &batches)?)?)
}

/// Spells every column with the type that the lake has for its like, so that no detail of the engine shows in a file.
fn plain(batch: &RecordBatch) -> Result<RecordBatch, arrow::error::ArrowError> {
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let data_type = match field.data_type() {
            DataType::Utf8View | DataType::LargeUtf8 | DataType::Dictionary(..) => DataType::Utf8,
            DataType::UInt64 => DataType::Int64,
            other => other.clone(),
        };
        columns.push(cast(column, &data_type)?);
        fields.push(
            field
                .as_ref()
                .clone()
                .with_data_type(data_type)
                .with_nullable(true),
        );
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

fn to_csv(batch: &RecordBatch) -> Result<Bytes, arrow::error::ArrowError> {
    let mut bytes = Vec::new();
    arrow::csv::WriterBuilder::new()
        .with_header(true)
        .build(&mut bytes)
        .write(batch)?;
    Ok(bytes.into())
}

/// Reads the reports of a run date back, for the page.
pub(crate) async fn read(lake: &Lake, run_date: Date) -> Result<Vec<ReportTable>, DailyError> {
    let mut tables = Vec::new();
    for report in all() {
        let path = Path::from(format!("{}/{}.parquet", folder(run_date), report.name));
        let bytes = fetch(lake.store().as_ref(), &path).await?;
        let rows = cells(bytes).map_err(|error| DailyError::Bug(format!("`{path}`: {error}")))?;
        tables.push(ReportTable {
            name: report.name.to_owned(),
            title: report.note("title").to_owned(),
            description: report.note("about").to_owned(),
            chart: report.chart(),
            columns: rows.0,
            rows: in_order(rows.1, report.note("order")),
        });
    }
    Ok(tables)
}

/// Returns rows in the order that a report's note gives to some texts, such as age groups, which no alphabet sorts. Other
/// rows come after them, and rows of one text stay as the report has them.
fn in_order(mut rows: Vec<Vec<Cell>>, order: &str) -> Vec<Vec<Cell>> {
    let order: Vec<&str> = order.split(", ").collect();
    let place = |row: &Vec<Cell>| {
        let texts = row.iter().filter_map(|cell| match cell {
            Cell::Text(text) => order.iter().position(|listed| listed == text),
            _ => None,
        });
        texts.min().unwrap_or(order.len())
    };
    rows.sort_by_key(place);
    rows
}

fn cells(bytes: Bytes) -> Result<(Vec<String>, Vec<Vec<Cell>>), RowsError> {
    let batches = lake::reader::read_parquet(bytes)?;
    let mut names = Vec::new();
    let mut rows = Vec::new();
    for batch in batches {
        names = batch
            .schema_ref()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let columns = batch
            .columns()
            .iter()
            .map(column_cells)
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let cells = columns
                .iter()
                .map(|column| column.get(row).cloned().unwrap_or(Cell::Null));
            rows.push(cells.collect());
        }
    }
    Ok((names, rows))
}

fn column_cells(column: &Arc<dyn Array>) -> Result<Vec<Cell>, RowsError> {
    Ok(if column.data_type().is_integer() {
        let column = cast(column, &DataType::Int64)?;
        let values = column.as_primitive::<Int64Type>().iter();
        values
            .map(|value| value.map_or(Cell::Null, Cell::Integer))
            .collect()
    } else if column.data_type().is_floating() {
        let column = cast(column, &DataType::Float64)?;
        let values = column.as_primitive::<Float64Type>().iter();
        values
            .map(|value| value.map_or(Cell::Null, Cell::Float))
            .collect()
    } else {
        let column = cast(column, &DataType::Utf8)?;
        let values = column.as_string::<i32>().iter();
        values
            .map(|value| value.map_or(Cell::Null, |text| Cell::Text(text.to_owned())))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_shown_in_the_order_of_the_note_and_else_as_they_are() {
        let row = |group: &str, year: i64| vec![Cell::Text(group.to_owned()), Cell::Integer(year)];
        let rows = vec![
            row("+50", 2015),
            row("+50", 2016),
            row("18-24", 2015),
            row("25-35", 2015),
            row("else", 2015),
        ];
        let ordered = in_order(rows.clone(), "18-24, 25-35, 36-50, +50");
        let places: Vec<_> = ordered
            .iter()
            .map(|row| rows.iter().position(|found| found == row).unwrap())
            .collect();
        assert_eq!(places, [2, 3, 0, 1, 4]);
        assert_eq!(in_order(rows.clone(), ""), rows);
    }
}
