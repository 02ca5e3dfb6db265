//! The views that reports share, each made once for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use event_model::Kind;
use futures::TryStreamExt as _;
use lake::schema;
use model::{Model, Problem, Query};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

use super::outside;
use super::session::{bounded, unbounded};
use crate::merge::keys::{RowRules, TableKey};
use crate::merge::matching::{KeyPass, read_key_values};
use crate::storage::parquet_input::with_views;
use crate::table::delta::CuratedTable;

/// Rows of the largest table that one pass of a join takes: it then needs some 500 MB.
const ROWS_PER_PASS: u64 = 2_000_000;
/// Passes up to which the joined rows are not compressed: they are read ten times within seconds, and compressing them costs more than it
/// saves, as long as the function's disk has room for them.
const UNCOMPRESSED_PASSES: usize = 8;
/// Bytes of the joined rows that wait in memory for their row group.
const ROW_GROUP_BYTES: usize = 128 << 20;
/// The note of a view that names the column by which it can be made in parts: each of its rows comes from rows of the tables that have
/// the same value there.
const PARTS: &str = "parts";

/// A session with the tables and the views, which are in a folder of their own until this is dropped.
pub(super) struct Views {
    context: SessionContext,
    _folder: TempDir,
}

impl Views {
    /// Makes the views, with the columns that the reports read. A view that no report reads is left out.
    ///
    /// A view that can be made in parts is, when the tables are large: each time for a range of the column, so that memory does not grow
    /// with the tables; parts of the files that have no value of the range are passed over.
    pub(super) async fn make(
        model: &Model,
        tables: &[CuratedTable],
    ) -> Result<Self, DataFusionError> {
        let context = unbounded();
        register_tables(&context, model, tables).await?;
        let needed = needed(&context, model).await?;
        let folder = TempDir::new()?;
        let mut made = Vec::new();
        for view in model.views() {
            let Some(columns) = needed.get(&view.name) else {
                continue;
            };
            let path = folder.path().join(&view.name);
            std::fs::create_dir(&path)?;
            make(&context, view, columns, tables, &path).await?;
            made.push((view.name.as_str(), path));
        }
        // The queries have a session of their own, whose memory is bounded: a join is bounded by its ranges, and counts what its
        // batches share more than once.
        let context = bounded()?;
        register_tables(&context, model, tables).await?;
        for (name, path) in made {
            let path = path.to_string_lossy().into_owned();
            context
                .register_parquet(
                    TableReference::bare(name),
                    path,
                    ParquetReadOptions::default(),
                )
                .await?;
        }
        Ok(Self {
            context,
            _folder: folder,
        })
    }

    pub(super) fn context(&self) -> &SessionContext {
        &self.context
    }
}

/// Registers the tables under their names. A table that the lake does not have yet is empty.
async fn register_tables(
    context: &SessionContext,
    model: &Model,
    tables: &[CuratedTable],
) -> Result<(), DataFusionError> {
    for table in model.tables() {
        let found = tables.iter().find(|found| found.kind() == table.kind);
        let provider = match found {
            Some(found) => provider(context, found).await?,
            None => Arc::new(EmptyTable::new(schema::schema(table))),
        };
        context.register_table(TableReference::bare(table.kind.as_str()), provider)?;
    }
    Ok(())
}

/// Makes a table of the query engine from the files of a curated table.
pub(crate) async fn provider(
    context: &SessionContext,
    table: &CuratedTable,
) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let lake = table.lake();
    let bucket = url::Url::parse(lake.url()).map_err(external)?;
    context.register_object_store(&bucket, lake.store());
    // A value that a dictionary repeats is in memory once.
    let schema = with_views(&table.schema().map_err(external)?);
    let files = table.files().await.map_err(external)?;
    if files.is_empty() {
        return Ok(Arc::new(EmptyTable::new(schema)));
    }
    let urls = files
        .iter()
        .map(|file| ListingTableUrl::parse(format!("{}{}", lake.url(), file.path)))
        .collect::<Result<Vec<_>, _>>()?;
    let options = ListingOptions::new(Arc::new(ParquetFormat::default()));
    let config = ListingTableConfig::new_with_multi_paths(urls)
        .with_listing_options(options)
        .with_schema(schema);
    Ok(Arc::new(ListingTable::try_new(config)?))
}

/// Makes a view's rows, as files of a folder.
async fn make(
    context: &SessionContext,
    view: &Query,
    columns: &BTreeSet<String>,
    tables: &[CuratedTable],
    folder: &std::path::Path,
) -> Result<(), DataFusionError> {
    let list: Vec<_> = columns.iter().map(|name| format!("\"{name}\"")).collect();
    let sql = format!("SELECT {} FROM ({}) AS made", list.join(", "), view.body());
    let read = scanned(context, view).await?;
    let read: Vec<_> = tables
        .iter()
        .filter(|table| read.contains(table.kind().as_str()))
        .collect();
    let mut largest: Option<(u64, &CuratedTable)> = None;
    for table in &read {
        let rows = table.rows().await.map_err(external)?;
        if largest.is_none_or(|(most, _)| rows > most) {
            largest = Some((rows, table));
        }
    }
    let column = parts(view, &read)?;
    let ranges = match (largest, column) {
        (Some((rows, table)), Some(_)) => ranges(table, rows.div_ceil(ROWS_PER_PASS)).await?,
        _ => vec![Range(None, None)],
    };
    let is_compressed = ranges.len() > UNCOMPRESSED_PASSES;
    for (pass, range) in ranges.iter().enumerate() {
        let path = folder.join(format!("{pass}.parquet"));
        let (Some(column), true) = (column, ranges.len() > 1) else {
            write_pass(context, &sql, &path, is_compressed).await?;
            continue;
        };
        // The tables under their own names, as far as the range goes.
        let part = unbounded();
        for table in &read {
            let whole = provider(&part, table).await?;
            let rows = part.read_table(whole)?;
            let condition = rows.parse_sql_expr(&range.condition(column))?;
            let rows = rows.filter(condition)?.into_view();
            part.register_table(TableReference::bare(table.kind().as_str()), rows)?;
        }
        write_pass(&part, &sql, &path, is_compressed).await?;
    }
    Ok(())
}

/// Returns the column by which a view can be made in parts: the key of all of its tables, of whole numbers.
fn parts<'v>(
    view: &'v Query,
    tables: &[&CuratedTable],
) -> Result<Option<&'v str>, DataFusionError> {
    let column = view.note(PARTS);
    for table in tables {
        let table = table.lake().table(table.kind()).map_err(external)?;
        if RowRules::of(table).key != TableKey::Integer(column.to_owned()) {
            return Ok(None);
        }
    }
    Ok(Some(column).filter(|column| !column.is_empty()))
}

/// Returns the tables whose rows a view is made of, each with the same key, if they can be counted by it: the view's note `parts` names it.
pub(crate) async fn joined(model: &Model, view: &Query) -> Result<Vec<Kind>, DataFusionError> {
    let context = unbounded();
    register_tables(&context, model, &[]).await?;
    let read = scanned(&context, view).await?;
    let column = view.note(PARTS);
    let tables = model
        .tables()
        .iter()
        .filter(|table| read.contains(table.kind.as_str()));
    let has_key = |table: &&model::Table| table.key_column().is_some_and(|key| key.name == column);
    let kinds: Vec<_> = tables.filter(has_key).map(|table| table.kind).collect();
    Ok(if kinds.len() == read.len() {
        kinds
    } else {
        Vec::new()
    })
}

/// Returns the names of the tables that a view reads.
async fn scanned(
    context: &SessionContext,
    view: &Query,
) -> Result<BTreeSet<String>, DataFusionError> {
    let plan = context.sql(&view.sql).await?.into_unoptimized_plan();
    let mut names = BTreeSet::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            names.insert(scan.table_name.table().to_owned());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(names)
}

/// A range of whole numbers: from, and up to but not including; open where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range(Option<i64>, Option<i64>);

impl Range {
    fn condition(self, column: &str) -> String {
        match self {
            Self(None, None) => "true".to_owned(),
            Self(Some(from), None) => format!("\"{column}\" >= {from}"),
            Self(None, Some(to)) => format!("\"{column}\" < {to}"),
            Self(Some(from), Some(to)) => {
                format!("\"{column}\" >= {from} AND \"{column}\" < {to}")
            }
        }
    }
}

/// Divides the keys of a table into so many ranges of about as many rows, by a sample of them.
async fn ranges(table: &CuratedTable, passes: u64) -> Result<Vec<Range>, DataFusionError> {
    let mut sample: Vec<i64> = Vec::new();
    let store = table.lake().store();
    if passes > 1 {
        let rules = RowRules::of(table.lake().table(table.kind()).map_err(external)?);
        for file in table.files().await.map_err(external)? {
            let of_table = (table.kind(), &rules);
            let read = read_key_values(&store, of_table, &file, KeyPass::SAMPLE, |key, _| {
                sample.push(key);
            });
            read.await.map_err(external)?;
        }
    }
    sample.sort_unstable();
    Ok(ranges_of(
        &sample,
        usize::try_from(passes).unwrap_or(usize::MAX),
    ))
}

fn ranges_of(sample: &[i64], passes: usize) -> Vec<Range> {
    let mut cuts: Vec<i64> = (1..passes)
        .filter_map(|pass| sample.get(sample.len() * pass / passes).copied())
        .collect();
    cuts.dedup();
    let from = std::iter::once(None).chain(cuts.iter().copied().map(Some));
    let to = cuts.iter().copied().map(Some).chain([None]);
    from.zip(to).map(|(from, to)| Range(from, to)).collect()
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Returns the views that some report reads, and the columns of each.
async fn needed(
    context: &SessionContext,
    model: &Model,
) -> Result<BTreeMap<String, BTreeSet<String>>, DataFusionError> {
    let mut schemas: BTreeMap<String, SchemaRef> = BTreeMap::new();
    for view in model.views() {
        let frame = context.sql(&view.sql).await?;
        schemas.insert(view.name.clone(), Arc::clone(frame.schema().inner()));
    }
    for (name, schema) in &schemas {
        let empty = Arc::new(EmptyTable::new(Arc::clone(schema)));
        context.register_table(TableReference::bare(name.as_str()), empty)?;
    }
    let mut needed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for report in model.reports() {
        let queries = [
            Some(report.sql.as_str()),
            outside(report).map(|(_, sql)| sql),
        ];
        for sql in queries.into_iter().flatten() {
            // A report that cannot be planned is reported when it is made.
            let Ok(frame) = context.sql(sql).await else {
                continue;
            };
            let plan = frame.into_optimized_plan()?;
            plan.apply_with_subqueries(|node| {
                if let LogicalPlan::TableScan(scan) = node
                    && let Some(schema) = schemas.get(scan.table_name.table())
                {
                    let columns = needed
                        .entry(scan.table_name.table().to_owned())
                        .or_default();
                    let read = scan.projected_schema.fields().iter();
                    columns.extend(read.map(|field| field.name().clone()));
                    // There is always one.
                    if columns.is_empty() {
                        columns.extend(schema.fields().first().map(|field| field.name().clone()));
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
    }
    for name in schemas.keys() {
        context.deregister_table(TableReference::bare(name.as_str()))?;
    }
    Ok(needed)
}

/// Finds what is wrong with the views and reports of a model: each is planned over empty tables.
pub async fn check(model: &Model) -> Vec<Problem> {
    let context = unbounded();
    let mut problems = Vec::new();
    if let Err(error) = register_tables(&context, model, &[]).await {
        problems.push(Problem {
            file: std::path::PathBuf::new(),
            place: None,
            message: error.strip_backtrace(),
        });
    }
    let mut views = Vec::new();
    for view in model.views() {
        match plan(&context, &view.sql).await {
            Ok(schema) => views.push((view.name.as_str(), schema)),
            Err(error) => problems.push(problem(view, &error)),
        }
        let note = view.note(PARTS);
        if !note.is_empty()
            && joined(model, view)
                .await
                .is_ok_and(|tables| tables.is_empty())
        {
            problems.push(view.problem(format!(
                "`-- parts: {note}` names the key of all tables that the view reads; one of them has another, so leave the line out"
            )));
        }
    }
    for (name, schema) in views {
        let empty = Arc::new(EmptyTable::new(schema));
        if let Err(error) = context.register_table(TableReference::bare(name), empty) {
            problems.extend(model.views().first().map(|view| problem(view, &error)));
        }
    }
    for report in model.reports() {
        let outside = outside(report);
        for sql in std::iter::once(report.sql.as_str()).chain(outside.map(|(_, sql)| sql)) {
            if let Err(error) = plan(&context, sql).await {
                problems.push(problem(report, &error));
            }
        }
    }
    problems
}

async fn plan(context: &SessionContext, sql: &str) -> Result<SchemaRef, DataFusionError> {
    let frame = context.sql(sql).await?;
    Ok(Arc::clone(frame.schema().inner()))
}

/// Says what is wrong with a query, and where if the engine knows.
fn problem(query: &Query, error: &DataFusionError) -> Problem {
    let place = error.diagnostic().and_then(|diagnostic| diagnostic.span);
    let place = place.map(|span| (span.start.line, span.start.column));
    let place = place.and_then(|(line, column)| {
        Some((usize::try_from(line).ok()?, usize::try_from(column).ok()?))
    });
    let message = error.strip_backtrace();
    let message = message
        .split_once(" error: ")
        .map_or(message.as_str(), |(_, rest)| rest);
    Problem {
        place,
        ..query.problem(message.trim().to_owned())
    }
}

async fn write_pass(
    context: &SessionContext,
    sql: &str,
    path: &std::path::Path,
    is_compressed: bool,
) -> Result<(), DataFusionError> {
    let frame = context.sql(sql).await?;
    let schema = Arc::clone(frame.schema().inner());
    let compression = if is_compressed {
        Compression::ZSTD(ZstdLevel::try_new(1)?)
    } else {
        Compression::UNCOMPRESSED
    };
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .build();
    let mut writer = ArrowWriter::try_new(File::create(path)?, schema, Some(properties))?;
    let mut batches = frame.execute_stream().await?;
    while let Some(batch) = batches.try_next().await? {
        writer.write(&batch)?;
        if writer.in_progress_size() > ROW_GROUP_BYTES {
            writer.flush()?;
        }
    }
    writer.close()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_every_key_once_and_about_as_many_each() {
        let sample: Vec<i64> = (-500..500).map(|place| place * 3).collect();
        let ranges = ranges_of(&sample, 4);
        assert_eq!(
            ranges,
            [
                Range(None, Some(-750)),
                Range(Some(-750), Some(0)),
                Range(Some(0), Some(750)),
                Range(Some(750), None),
            ]
        );
        assert_eq!(
            ranges[1].condition("ind"),
            "\"ind\" >= -750 AND \"ind\" < 0"
        );
        // Nothing to divide by, or one key alone.
        assert_eq!(ranges_of(&[], 4), [Range(None, None)]);
        assert_eq!(
            ranges_of(&[7; 100], 3),
            [Range(None, Some(7)), Range(Some(7), None)]
        );
    }
}
