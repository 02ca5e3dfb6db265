//! Features of a table that other programs turned on, and that deltalake-core writes only with a query engine of its own.
//!
//! A table with check constraints is written once each row of the new files was found to fulfil them. One with a change feed
//! has no change files of ours: by the protocol, its readers then take the rows of removed files as deleted and those of added
//! files as inserted. What else the library refuses stays refused.

use std::sync::Arc;

use arrow::array::AsArray as _;
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use deltalake_core::kernel::Action;
use deltalake_core::protocol::DeltaOperation;
use deltalake_core::table::state::DeltaTableState;
use event_model::Kind;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use serde_json::{Value, json};

use super::files::{NewFile, folder};
use crate::DailyError;
use crate::merge::keys::RowRules;
use crate::storage::lake_store::Lake;
use crate::storage::parquet_input::with_views;

/// Features that are heeded here.
const HEEDED: [&str; 5] = [
    "appendOnly",
    "invariants",
    "checkConstraints",
    "changeDataFeed",
    "generatedColumns",
];
/// Writer versions that stand for some of them.
const VERSIONS: [u64; 2] = [3, 4];
/// Rows that are named of those that break a constraint.
const NAMED_ROWS: usize = 3;

/// A rule that another program gave a table: its name, and the SQL that must be true for each row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Constraint {
    pub(super) name: String,
    pub(super) expression: String,
}

/// Returns the constraints of a table whose commits are to be written here; `None` for one that the library writes, or
/// refuses.
pub(super) fn constraints(state: &DeltaTableState) -> Option<Vec<Constraint>> {
    let protocol = serde_json::to_value(state.protocol()).ok()?;
    let version = protocol.get("minWriterVersion").and_then(Value::as_u64)?;
    let features = protocol.get("writerFeatures").and_then(Value::as_array);
    let is_heeded = match features {
        Some(features) => {
            let mut names = features.iter().filter_map(Value::as_str);
            names.all(|name| HEEDED.contains(&name))
        }
        None => VERSIONS.contains(&version),
    };
    let configuration = state.metadata().configuration();
    let is_append_only = configuration
        .get("delta.appendOnly")
        .is_some_and(|value| value == "true");
    // Columns of our own tables have neither; nobody else's can be computed here.
    let schema = serde_json::to_string(state.schema().as_ref()).ok()?;
    let has_expressions = ["delta.invariants", "delta.generationExpression"]
        .iter()
        .any(|key| schema.contains(key));
    if !is_heeded || is_append_only || has_expressions || version < 3 {
        return None;
    }
    let mut constraints: Vec<_> = configuration
        .iter()
        .filter_map(|(key, expression)| {
            Some(Constraint {
                name: key.strip_prefix("delta.constraints.")?.to_owned(),
                expression: expression.clone(),
            })
        })
        .collect();
    constraints.sort_by(|left, right| left.name.cmp(&right.name));
    Some(constraints)
}

/// Finds out whether all rows of new files fulfil the constraints.
pub(super) async fn check(
    lake: &Lake,
    kind: Kind,
    schema: &SchemaRef,
    files: &[NewFile],
    constraints: &[Constraint],
) -> Result<(), DailyError> {
    if files.is_empty() || constraints.is_empty() {
        return Ok(());
    }
    let context = SessionContext::new();
    let failed = |constraint: &Constraint| {
        let constraint = constraint.clone();
        move |source: DataFusionError| DailyError::ConstraintUnknown {
            kind,
            name: constraint.name,
            expression: constraint.expression,
            source: Box::new(source),
        }
    };
    for constraint in constraints {
        let broken = broken_rows(&context, lake, kind, schema, files, constraint)
            .await
            .map_err(failed(constraint))?;
        if !broken.is_empty() {
            return Err(DailyError::ConstraintBroken {
                kind,
                name: constraint.name.clone(),
                expression: constraint.expression.clone(),
                rows: broken,
            });
        }
    }
    Ok(())
}

/// Returns the keys of some rows that break a constraint; one that is null breaks it, as in Delta.
async fn broken_rows(
    context: &SessionContext,
    lake: &Lake,
    kind: Kind,
    schema: &SchemaRef,
    files: &[NewFile],
    constraint: &Constraint,
) -> Result<Vec<String>, DataFusionError> {
    let external = |error: url::ParseError| DataFusionError::External(Box::new(error));
    let bucket = url::Url::parse(lake.url()).map_err(external)?;
    context.register_object_store(&bucket, lake.store());
    let folder = folder(kind);
    let urls = files
        .iter()
        .map(|file| ListingTableUrl::parse(format!("{}{folder}/{}", lake.url(), file.name)))
        .collect::<Result<Vec<_>, _>>()?;
    let config = ListingTableConfig::new_with_multi_paths(urls)
        .with_listing_options(ListingOptions::new(Arc::new(ParquetFormat::default())))
        .with_schema(with_views(schema));
    let rows = context.read_table(Arc::new(ListingTable::try_new(config)?))?;
    let table = lake
        .table(kind)
        .map_err(|error| DataFusionError::External(Box::new(error)))?;
    let key = RowRules::of(table).key;
    let columns = key.columns();
    let is_fulfilled = rows.parse_sql_expr(&constraint.expression)?;
    let broken = rows
        .filter(is_fulfilled.is_not_true())?
        .select_columns(&columns)?
        .limit(0, Some(NAMED_ROWS))?
        .collect()
        .await?;
    let mut keys = Vec::new();
    for batch in &broken {
        let columns = batch.columns().iter();
        let texts = columns
            .map(|column| cast(column, &DataType::Utf8))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let parts = texts
                .iter()
                .map(|column| column.as_string::<i32>().value(row));
            keys.push(parts.collect::<Vec<_>>().join("/"));
        }
    }
    Ok(keys)
}

/// A commit that is written here.
#[derive(Debug)]
pub(super) struct OwnCommit<'c> {
    pub(super) version: u64,
    pub(super) actions: &'c [Action],
    pub(super) operation: &'c DeltaOperation,
    /// Our own note, and its name.
    pub(super) note: (&'static str, Value),
    /// When its newest file was written, in milliseconds since 1970; `None` for one that adds none.
    pub(super) at_ms: Option<i64>,
}

impl OwnCommit<'_> {
    /// Writes the commit; false when there is one of this version.
    pub(super) async fn write(
        self,
        store: &dyn ObjectStore,
        kind: Kind,
    ) -> Result<bool, DailyError> {
        let failed = |error: serde_json::Error| DailyError::Bug(error.to_string());
        let mut info = self.operation.get_commit_info();
        info.timestamp = self.at_ms;
        let (name, note) = self.note;
        info.info.insert(name.to_owned(), note);
        let mut lines = json!({ "commitInfo": info }).to_string();
        for action in self.actions {
            lines.push('\n');
            lines.push_str(&serde_json::to_string(action).map_err(failed)?);
        }
        lines.push('\n');
        let path = Path::from(format!(
            "{}/_delta_log/{:020}.json",
            folder(kind),
            self.version
        ));
        let put = store.put_opts(&path, lines.into(), PutOptions::from(PutMode::Create));
        match put.await {
            Ok(_) => Ok(true),
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. },
            ) => Ok(false),
            Err(error) => Err(DailyError::lake("write", path.as_ref())(error)),
        }
    }
}

/// Deletes files that a dry run of vacuum named; the library would note it in a commit that it cannot write.
pub(super) async fn delete(
    store: &dyn ObjectStore,
    kind: Kind,
    names: &[String],
) -> Result<(), DailyError> {
    for name in names {
        let path = Path::from(format!("{}/{name}", folder(kind)));
        match store.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(DailyError::lake("delete", path.as_ref())(error)),
        }
    }
    Ok(())
}

/// Commits after which a checkpoint has the whole state. A run opens each table some ten times, and reads the commits since.
pub(super) const COMMITS_PER_CHECKPOINT: u64 = 10;

/// Tells whether a version gets a checkpoint, as the library makes it after a commit of its own.
pub(super) fn is_checkpointed(version: u64) -> bool {
    version.is_multiple_of(COMMITS_PER_CHECKPOINT)
}
