//! The inner join of the three curated tables, made once for all reports.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use event_model::Kind;
use futures::TryStreamExt as _;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

use super::Report;
use crate::merge::matching::{IndPass, read_inds};
use crate::storage::parquet_input::with_views;
use crate::table::delta::CuratedTable;
use crate::work::workers;

/// Rows of the largest table that one pass of the join takes: it then needs some 500 MB.
const ROWS_PER_PASS: u64 = 2_000_000;
/// Passes up to which the joined rows are not compressed: they are read ten times within seconds, and compressing them costs more than it
/// saves, as long as the function's disk has room for them.
const UNCOMPRESSED_PASSES: usize = 8;
/// Memory of a query: groups and sorts that need more go to the disk.
const QUERY_BYTES: usize = 512 << 20;
/// Bytes of the joined rows that wait in memory for their row group.
const ROW_GROUP_BYTES: usize = 128 << 20;
/// Name of the joined table.
const POSTS: &str = "posts";

/// A session with the three tables and their join, which is in a folder of its own until this is dropped.
pub(super) struct Posts {
    context: SessionContext,
    _folder: TempDir,
}

impl Posts {
    /// Joins the tables, with the columns that `reports` read.
    ///
    /// The join goes over the tables several times when they are large, each time for a range of `ind`s, so that memory does not
    /// grow with the tables; parts of the files that have no `ind` of the range are passed over.
    pub(super) async fn join(
        tables: &[CuratedTable],
        reports: impl Iterator<Item = Report>,
    ) -> Result<Self, DataFusionError> {
        let config = SessionConfig::new()
            .with_target_partitions(workers())
            .with_information_schema(false);
        let context = SessionContext::new_with_config(config.clone());
        let mut columns = Columns::default();
        let mut largest: Option<(u64, &CuratedTable)> = None;
        for table in tables {
            let provider = provider(&context, table).await?;
            columns.append(table.kind(), &provider.schema());
            context.register_table(TableReference::bare(table.kind().as_str()), provider)?;
            let rows = table.rows().await.map_err(external)?;
            if largest.is_none_or(|(most, _)| rows > most) {
                largest = Some((rows, table));
            }
        }
        let needed = needed(&context, &columns, reports).await?;

        let folder = TempDir::new()?;
        let ranges = match largest {
            Some((rows, table)) => ranges(table, rows.div_ceil(ROWS_PER_PASS)).await?,
            None => Vec::new(),
        };
        let is_compressed = ranges.len() > UNCOMPRESSED_PASSES;
        for (pass, range) in ranges.iter().enumerate() {
            let path = folder.path().join(format!("{pass}.parquet"));
            let sql = columns.join(&needed, range);
            write_pass(&context, &sql, &path, is_compressed).await?;
        }
        // The queries have a session of their own, whose memory is bounded: the join is bounded by its ranges, and counts what its
        // batches share more than once.
        let pool = Arc::new(FairSpillPool::new(QUERY_BYTES));
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(pool)
            .build_arc()?;
        let context = SessionContext::new_with_config_rt(config, runtime);
        for table in tables {
            let provider = provider(&context, table).await?;
            context.register_table(TableReference::bare(table.kind().as_str()), provider)?;
        }
        let path = folder.path().to_string_lossy().into_owned();
        context
            .register_parquet(POSTS, path, ParquetReadOptions::default())
            .await?;
        Ok(Self {
            context,
            _folder: folder,
        })
    }

    pub(super) fn context(&self) -> &SessionContext {
        &self.context
    }
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

/// A range of `ind`s: from, and up to but not including; open where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct IndRange(Option<i64>, Option<i64>);

impl IndRange {
    fn condition(self) -> String {
        match self {
            Self(None, None) => "true".to_owned(),
            Self(Some(from), None) => format!("ind >= {from}"),
            Self(None, Some(to)) => format!("ind < {to}"),
            Self(Some(from), Some(to)) => format!("ind >= {from} AND ind < {to}"),
        }
    }
}

/// Divides the `ind`s of a table into so many ranges of about as many rows, by a sample of them.
async fn ranges(table: &CuratedTable, passes: u64) -> Result<Vec<IndRange>, DataFusionError> {
    let mut sample = Vec::new();
    let store = table.lake().store();
    if passes > 1 {
        for file in table.files().await.map_err(external)? {
            let read = read_inds(&store, table.kind(), &file, IndPass::SAMPLE, |ind, _| {
                sample.push(ind);
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

fn ranges_of(sample: &[i64], passes: usize) -> Vec<IndRange> {
    let mut cuts: Vec<i64> = (1..passes)
        .filter_map(|pass| sample.get(sample.len() * pass / passes).copied())
        .collect();
    cuts.dedup();
    let from = std::iter::once(None).chain(cuts.iter().copied().map(Some));
    let to = cuts.iter().copied().map(Some).chain([None]);
    from.zip(to).map(|(from, to)| IndRange(from, to)).collect()
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The columns of the join: `ind`, then each table's own.
#[derive(Default)]
struct Columns(Vec<(Kind, FieldRef)>);

impl Columns {
    fn append(&mut self, kind: Kind, schema: &SchemaRef) {
        for field in schema.fields() {
            let is_key = field.name() == "ind";
            let is_lineage = field.name().starts_with('_');
            if !is_lineage && (!is_key || self.0.is_empty()) {
                self.0.push((kind, Arc::clone(field)));
            }
        }
    }

    fn schema(&self) -> SchemaRef {
        let fields: Vec<_> = self.0.iter().map(|(_, field)| Arc::clone(field)).collect();
        Arc::new(Schema::new(fields))
    }

    /// Returns the query for a part of the rows: those of a range of `ind`s.
    fn join(&self, needed: &BTreeSet<String>, range: &IndRange) -> String {
        let chosen = self
            .0
            .iter()
            .filter(|(_, field)| needed.contains(field.name()));
        let list: Vec<_> = chosen
            .map(|(kind, field)| format!("\"{kind}\".\"{}\"", field.name()))
            .collect();
        let part = |kind: Kind| format!("SELECT * FROM \"{kind}\" WHERE {}", range.condition());
        let [first, second, third] = Kind::ALL;
        format!(
            "SELECT {} FROM ({}) AS \"{first}\" JOIN ({}) AS \"{second}\" ON \"{first}\".ind = \"{second}\".ind \
             JOIN ({}) AS \"{third}\" ON \"{first}\".ind = \"{third}\".ind",
            list.join(", "),
            part(first),
            part(second),
            part(third),
        )
    }
}

/// Returns the columns of the join that some report reads, and `ind`, so that there is one.
async fn needed(
    context: &SessionContext,
    columns: &Columns,
    reports: impl Iterator<Item = Report>,
) -> Result<BTreeSet<String>, DataFusionError> {
    context.register_table(POSTS, Arc::new(EmptyTable::new(columns.schema())))?;
    let mut needed = BTreeSet::from(["ind".to_owned()]);
    for report in reports {
        let queries = [Some(report.sql), report.outside().map(|(_, sql)| sql)];
        for sql in queries.into_iter().flatten() {
            let plan = context.sql(sql).await?.into_optimized_plan()?;
            plan.apply_with_subqueries(|node| {
                if let LogicalPlan::TableScan(scan) = node
                    && scan.table_name.table() == POSTS
                {
                    needed.extend(
                        scan.projected_schema
                            .fields()
                            .iter()
                            .map(|field| field.name().clone()),
                    );
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
    }
    context.deregister_table(POSTS)?;
    Ok(needed)
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
    fn ranges_hold_every_ind_once_and_about_as_many_each() {
        let sample: Vec<i64> = (-500..500).map(|place| place * 3).collect();
        let ranges = ranges_of(&sample, 4);
        assert_eq!(
            ranges,
            [
                IndRange(None, Some(-750)),
                IndRange(Some(-750), Some(0)),
                IndRange(Some(0), Some(750)),
                IndRange(Some(750), None),
            ]
        );
        assert_eq!(ranges[1].condition(), "ind >= -750 AND ind < 0");
        // Nothing to divide by, or one `ind` alone.
        assert_eq!(ranges_of(&[], 4), [IndRange(None, None)]);
        assert_eq!(
            ranges_of(&[7; 100], 3),
            [IndRange(None, Some(7)), IndRange(Some(7), None)]
        );
    }
}
