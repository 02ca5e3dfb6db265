//! The reports: `.sql` files over the curated tables, run by DataFusion, as Parquet and CSV.
//!
//! A query finds the tables and the views of the model. All queries share one pass over the tables: a view is made once, with those
//! columns alone that some query reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray as _, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Int64Type, Schema};
use bytes::Bytes;
use daily_report::table::{Cell, Chart, ReportTable};
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use event_model::chain;
use jiff::civil::Date;
use model::Query;
use object_store::path::Path;

use self::views::Views;
pub use self::views::check;
pub(crate) use self::views::joined;
#[cfg(test)]
pub(crate) use self::views::provider;
use crate::storage::objects::{fetch, put};
use crate::table::delta::CuratedTable;
use crate::{DailyError, Lake};

mod copy;
mod csv;
mod rows;
mod session;
mod views;

/// Returns what a report leaves out by its definition, in words, and the query that counts it.
fn outside(report: &Query) -> Option<(&str, &str)> {
    report.note("outside").split_once(": ")
}

/// Returns what is drawn of a report.
fn chart(report: &Query) -> Chart {
    let mut words = report.note("chart").split_whitespace().map(str::to_owned);
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

/// The reports that were made, and those that could not be.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Number of rows of each report, and of what it leaves out by its definition.
    pub(crate) rows: Vec<(String, u64)>,
    /// Why each of the others could not be made.
    pub(crate) failed: Vec<(String, DataFusionError)>,
}

/// Makes every report of the tables as they are, and writes each as `<name>.parquet` and `<name>.csv`.
///
/// The same tables give the same bytes. A query that fails costs its own report alone.
pub(crate) async fn write(
    lake: &Lake,
    run_date: Date,
    tables: &[CuratedTable],
) -> Result<Written, DailyError> {
    let mut written = Written::default();
    let model = lake.model();
    let views = match Views::make(model, tables).await {
        Ok(views) => views,
        Err(error) => {
            written.failed.push(("views".to_owned(), error));
            return Ok(written);
        }
    };
    for report in model.reports() {
        let name = report.name.clone();
        let (rows, files) = match files(views.context(), report).await {
            Ok(made) => made,
            Err(error) => {
                written.failed.push((name, error));
                continue;
            }
        };
        for (extension, bytes) in files {
            let path = Path::from(format!("{}/{name}.{extension}", folder(run_date)));
            put(lake.store().as_ref(), &path, bytes).await?;
        }
        if let Some((_, sql)) = outside(report) {
            match count(views.context(), sql).await {
                Ok(number) => written.rows.push((outside_name(&report.name), number)),
                Err(error) => written.failed.push((outside_name(&report.name), error)),
            }
        }
        written.rows.push((name, rows));
    }
    Ok(written)
}

/// Returns the name under which a run notes how many rows a report leaves out by its definition.
fn outside_name(report: &str) -> String {
    format!("{report}_outside")
}

async fn count(context: &SessionContext, sql: &str) -> Result<u64, DataFusionError> {
    let batches = context.sql(sql).await?.collect().await?;
    let counts = batches
        .iter()
        .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().iter().flatten());
    Ok(counts
        .map(|count| u64::try_from(count).unwrap_or_default())
        .sum())
}

/// Makes a report: its number of rows, and its files by extension.
async fn files(
    context: &SessionContext,
    report: &Query,
) -> Result<(u64, [(&'static str, Bytes); 2]), DataFusionError> {
    let batch = run(context, report).await?;
    let csv = csv::write(&batch)?;
    let parquet = lake::writer::write_parquet(&batch)
        .map_err(|error| DataFusionError::External(Box::new(error)))?;
    let rows = batch.num_rows() as u64;
    Ok((rows, [("csv", csv), ("parquet", parquet)]))
}

/// Returns the key prefix of what is written for a run date, without the last slash.
pub(crate) fn folder(run_date: Date) -> String {
    format!("reports/date={run_date}")
}

async fn run(context: &SessionContext, report: &Query) -> Result<RecordBatch, DataFusionError> {
    let frame = context.sql(&report.sql).await?;
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

/// Reads reports of a run date back, for the page: those of `made`, and a sentence for each of the others.
pub(crate) async fn read(
    lake: &Lake,
    run_date: Date,
    made: &BTreeMap<String, u64>,
) -> Result<Vec<ReportTable>, DailyError> {
    let mut tables = Vec::new();
    for report in lake.model().reports() {
        let path = Path::from(format!("{}/{}.parquet", folder(run_date), report.name));
        let read = if made.contains_key(&report.name) {
            let bytes = fetch(lake.store().as_ref(), &path).await?;
            rows::read(bytes, report).map_err(|error| chain(&error))
        } else {
            Err("its query failed; the log of the run says why.".to_owned())
        };
        let table = read.unwrap_or_else(|problem| ReportTable {
            problem: Some(problem),
            ..ReportTable::of_rows(&report.name, Vec::new(), Vec::new())
        });
        let order = report.note("order");
        tables.push(ReportTable {
            title: report.note("title").to_owned(),
            description: report.note("about").to_owned(),
            chart: chart(report),
            outside: outside(report).and_then(|(what, _)| {
                let number = made.get(&outside_name(&report.name)).copied();
                number
                    .filter(|number| *number > 0)
                    .map(|number| (what.to_owned(), number))
            }),
            rows: in_order(table.rows, order),
            highest: in_order(table.highest, order),
            ..table
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
