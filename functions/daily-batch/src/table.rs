//! A curated Delta table: opened or made, committed to, compacted, vacuumed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use daily_report::summary::TableCounts;
use deltalake_core::kernel::engine::arrow_conversion::{TryIntoArrow as _, TryIntoKernel as _};
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TransactionError};
use deltalake_core::kernel::{
    Action, Add, CommitInfo, MetadataExt as _, Remove, StructType, Transaction,
};
use deltalake_core::logstore::{LogStore, StorageConfig, default_logstore};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::operations::vacuum::VacuumMode;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, DeltaTableError};
use event_model::Kind;
use futures::TryStreamExt as _;
use jiff::civil::Date;
use lake::schema;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::DailyError;
use crate::lake_store::Lake;

/// Identifies the fold's own transactions in a table's log, numbers its manifests, and names its notes.
const FOLD: &str = "pinflow.fold";

/// Newest commits whose notes are read: those of a month, when a day makes three.
const NOTED_COMMITS: usize = 100;

/// A curated table at one version.
#[derive(Debug)]
pub(crate) struct CuratedTable {
    kind: Kind,
    delta: DeltaTable,
}

/// A file of a table.
#[derive(Clone, Debug)]
pub(crate) struct CuratedFile {
    /// Its key in the bucket.
    pub(crate) path: Path,
    pub(crate) size: u64,
    /// Smallest and greatest `ind`, when the log tells them.
    pub(crate) inds: Option<(i64, i64)>,
    stats: Value,
    remove: Remove,
}

/// What a commit changes.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) adds: Vec<Add>,
    pub(crate) removes: Vec<CuratedFile>,
    /// Columns that the table does not have yet.
    pub(crate) schema: Option<SchemaRef>,
    /// Number of the manifest that goes with the new version.
    pub(crate) manifest: Option<i64>,
    pub(crate) note: Option<FoldNote>,
}

/// What the history of a table says of a fold: the commit is there when the ledger could not be written any more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FoldNote {
    pub(crate) run_date: Date,
    pub(crate) attempt: u32,
    /// The counts of its step.
    pub(crate) counts: BTreeMap<String, u64>,
}

impl CuratedTable {
    /// Opens a table at its newest version, or makes it.
    pub(crate) async fn open_or_create(lake: &Lake, kind: Kind) -> Result<Self, DailyError> {
        if let Some(table) = Self::open(lake, kind).await? {
            return Ok(table);
        }
        let struct_type: StructType = schema::schema(kind)
            .as_ref()
            .try_into_kernel()
            .map_err(|error| DailyError::Bug(format!("{error}")))?;
        let created = CreateBuilder::new()
            .with_log_store(log_store(lake, kind)?)
            .with_table_name(kind.as_str())
            .with_save_mode(SaveMode::ErrorIfExists)
            .with_columns(struct_type.fields().cloned())
            .await;
        match created {
            Ok(delta) => Ok(Self { kind, delta }),
            // Another run may have been quicker.
            Err(error) => match Self::open(lake, kind).await? {
                Some(table) => Ok(table),
                None => Err(DailyError::table("create", kind)(error)),
            },
        }
    }

    /// Opens a table at its newest version; `None` when there is none.
    pub(crate) async fn open(lake: &Lake, kind: Kind) -> Result<Option<Self>, DailyError> {
        let log_store = log_store(lake, kind)?;
        let failed = DailyError::table("read", kind);
        if !log_store.is_delta_table_location().await.map_err(&failed)? {
            return Ok(None);
        }
        let mut delta = DeltaTable::new(log_store);
        delta.load().await.map_err(failed)?;
        Ok(Some(Self { kind, delta }))
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn delta(&self) -> &DeltaTable {
        &self.delta
    }

    pub(crate) fn version(&self) -> u64 {
        self.delta.version().unwrap_or_default()
    }

    /// Returns the number of the manifest that goes with this version.
    pub(crate) async fn manifest(&self) -> Result<Option<i64>, DailyError> {
        let failed = DailyError::table("read", self.kind);
        let snapshot = self.delta.snapshot().map_err(&failed)?;
        let log_store = self.delta.log_store();
        snapshot
            .transaction_version(log_store.as_ref(), FOLD)
            .await
            .map_err(failed)
    }

    /// Returns the notes of the newest commits.
    pub(crate) async fn notes(&self) -> Result<Vec<FoldNote>, DailyError> {
        let history = self.delta.history(Some(NOTED_COMMITS)).try_collect().await;
        let history: Vec<CommitInfo> = history.map_err(DailyError::table("read", self.kind))?;
        let notes = history
            .into_iter()
            .filter_map(|mut commit| commit.info.remove(FOLD));
        Ok(notes
            .filter_map(|note| serde_json::from_value(note).ok())
            .collect())
    }

    /// Returns the table's columns.
    pub(crate) fn schema(&self) -> Result<SchemaRef, DailyError> {
        let failed = DailyError::table("read", self.kind);
        let snapshot = self.delta.snapshot().map_err(&failed)?;
        let schema: Schema = snapshot
            .schema()
            .as_ref()
            .try_into_arrow()
            .map_err(|error: arrow::error::ArrowError| failed(error.into()))?;
        Ok(Arc::new(schema))
    }

    /// Returns the table's files.
    pub(crate) fn files(&self) -> Result<Vec<CuratedFile>, DailyError> {
        let failed = DailyError::table("read", self.kind);
        let snapshot = self.delta.snapshot().map_err(&failed)?;
        let folder = folder(self.kind);
        let log = snapshot.log_data();
        let mut files = Vec::new();
        for file in log.iter() {
            if file.deletion_vector_descriptor().is_some() {
                // A rewrite would bring its deleted rows back.
                return Err(DailyError::DeletionVectors { kind: self.kind });
            }
            let stats: Value = file
                .stats()
                .and_then(|stats| serde_json::from_str(&stats).ok())
                .unwrap_or_default();
            let bound = |of: &str| stats.get(of)?.get("ind")?.as_i64();
            files.push(CuratedFile {
                path: Path::from(format!("{folder}/{}", file.object_store_path())),
                size: u64::try_from(file.size()).unwrap_or_default(),
                inds: bound("minValues").zip(bound("maxValues")),
                remove: file.remove_action(true),
                stats,
            });
        }
        Ok(files)
    }

    /// Counts the table's rows, files, bytes and nulls, as its log tells them.
    pub(crate) fn counts(&self) -> Result<TableCounts, DailyError> {
        let mut counts = TableCounts {
            version: self.version(),
            ..TableCounts::default()
        };
        let mut nulls: HashMap<String, u64> = HashMap::new();
        for file in self.files()? {
            counts.files += 1;
            counts.size_bytes += file.size;
            counts.rows += file.rows();
            for (name, count) in file
                .stats
                .get("nullCount")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                *nulls.entry(name.clone()).or_default() += count.as_u64().unwrap_or_default();
            }
        }
        for field in self
            .schema()?
            .fields()
            .iter()
            .filter(|field| field.is_nullable())
        {
            let count = nulls.get(field.name()).copied().unwrap_or_default();
            counts.nulls.push((field.name().clone(), count));
        }
        Ok(counts)
    }

    /// Commits a change on top of this very version.
    ///
    /// Returns `false` when somebody else has committed since: the change was made for a table that is no more.
    pub(crate) async fn commit(
        self,
        change: Change,
        operation: DeltaOperation,
    ) -> Result<bool, DailyError> {
        let failed = DailyError::table("write", self.kind);
        let snapshot = self.delta.snapshot().map_err(&failed)?;
        let is_data = change.manifest.is_some();
        let mut actions = Vec::new();
        if let Some(schema) = change.schema {
            let struct_type: StructType = schema
                .as_ref()
                .try_into_kernel()
                .map_err(|error: arrow::error::ArrowError| failed(error.into()))?;
            let metadata = snapshot.metadata().clone();
            let metadata = metadata
                .with_schema(&struct_type)
                .map_err(|error| failed(error.into()))?;
            actions.push(Action::Metadata(metadata));
        }
        let removes = change.removes.into_iter().map(|file| Remove {
            data_change: is_data,
            ..file.remove
        });
        actions.extend(removes.map(Action::Remove));
        let adds = change.adds.into_iter().map(|add| Add {
            data_change: is_data,
            ..add
        });
        actions.extend(adds.map(Action::Add));
        let mut properties = CommitProperties::default().with_max_retries(0);
        if let Some(number) = change.manifest {
            properties = properties.with_application_transaction(Transaction::new(FOLD, number));
        }
        if let Some(note) = change.note {
            properties = properties.with_metadata([(FOLD.to_owned(), json!(note))]);
        }
        let committed = CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(snapshot), self.delta.log_store(), operation)
            .await;
        match committed {
            Ok(_) => Ok(true),
            Err(error) if is_conflict(&error) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// Deletes files that no version of the last `retention_hours` names, those of killed runs among them.
    pub(crate) async fn vacuum(self, retention_hours: u32) -> Result<u64, DailyError> {
        let (_, metrics) = self
            .delta
            .vacuum()
            .with_mode(VacuumMode::Full)
            .with_retention_period(chrono::TimeDelta::hours(i64::from(retention_hours)))
            .with_enforce_retention_duration(false)
            .await
            .map_err(DailyError::table("vacuum", self.kind))?;
        Ok(metrics.files_deleted.len() as u64)
    }
}

impl CuratedFile {
    pub(crate) fn rows(&self) -> u64 {
        self.stats
            .get("numRecords")
            .and_then(Value::as_u64)
            .unwrap_or_default()
    }
}

fn is_conflict(error: &DeltaTableError) -> bool {
    match error {
        DeltaTableError::VersionAlreadyExists(_) => true,
        DeltaTableError::Transaction { source } => matches!(
            source,
            TransactionError::VersionAlreadyExists(_)
                | TransactionError::MaxCommitAttempts(_)
                | TransactionError::CommitConflict(_)
        ),
        _ => false,
    }
}

/// Returns the key prefix of a table, without the last slash.
pub(crate) fn folder(kind: Kind) -> String {
    format!("curated/{kind}")
}

fn log_store(lake: &Lake, kind: Kind) -> Result<Arc<dyn LogStore>, DailyError> {
    let url = format!("{}{}/", lake.url(), folder(kind));
    let url =
        url::Url::parse(&url).map_err(|error| DailyError::Bug(format!("`{url}`: {error}")))?;
    let table = PrefixStore::new(lake.store(), folder(kind));
    Ok(default_logstore(
        Arc::new(table),
        lake.store(),
        &url,
        &StorageConfig::default(),
    ))
}

/// Returns the columns of a table after a fold: those it has, then those that the pipeline knows and it lacks.
pub(crate) fn evolved(table: &SchemaRef, known: &SchemaRef) -> Option<SchemaRef> {
    let missing: Vec<_> = known
        .fields()
        .iter()
        .filter(|field| table.column_with_name(field.name()).is_none())
        .map(|field| Arc::new(field.as_ref().clone().with_nullable(true)))
        .collect();
    if missing.is_empty() {
        return None;
    }
    let fields: Vec<_> = table.fields().iter().cloned().chain(missing).collect();
    Some(Arc::new(Schema::new(fields)))
}

/// The name of a fold's commits in a table's history.
pub(crate) fn merge_operation() -> DeltaOperation {
    DeltaOperation::Merge {
        predicate: None,
        merge_predicate: Some("target.ind = source.ind".to_owned()),
        matched_predicates: Vec::new(),
        not_matched_predicates: Vec::new(),
        not_matched_by_source_predicates: Vec::new(),
    }
}
