//! A curated Delta table: opened or made, committed to, vacuumed.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use daily_report::summary::TableCounts;
use deltalake_core::kernel::engine::arrow_conversion::{TryIntoArrow as _, TryIntoKernel as _};
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TransactionError};
use deltalake_core::kernel::{Action, Add, MetadataExt as _, Remove, StructType};
use deltalake_core::logstore::{LogStore, StorageConfig, default_logstore};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::operations::vacuum::VacuumMode;
use deltalake_core::protocol::checkpoints::create_checkpoint;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, DeltaTableError};
use event_model::Kind;
use lake::schema;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::warn;
use uuid::Uuid;

use super::change::{Change, Committed, MergeNote, Reason};
use super::features;
use super::files::{CuratedFile, NewFile, folder};
use super::manifest::{FilesDigest, Manifest};
use crate::DailyError;
use crate::storage::lake_store::Lake;
use crate::storage::remote_file::row_count;

/// Name of the pipeline's own note in a commit.
const NOTE: &str = "pinflow";
/// Newest commits whose notes are read: those of a month, when a day makes three.
const NOTED_COMMITS: usize = 100;
/// Newest commits in which the manifest of a state is looked for that somebody else made.
const SEARCHED_COMMITS: usize = 1000;

/// A curated table at one version.
#[derive(Debug)]
pub(crate) struct CuratedTable {
    lake: Lake,
    kind: Kind,
    delta: DeltaTable,
}

/// What the log of a table says of a commit of this pipeline.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Note {
    /// Unique to this commit.
    id: String,
    /// Name of the manifest that goes with the new state.
    manifest: String,
    #[serde(flatten)]
    merge: Option<MergeNote>,
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
            Ok(delta) => Ok(Self {
                lake: lake.clone(),
                kind,
                delta,
            }),
            // Another run may have been quicker.
            Err(error) => match Self::open(lake, kind).await? {
                Some(table) => Ok(table),
                None => Err(table_error("create", kind)(error)),
            },
        }
    }

    /// Opens a table at its newest version; `None` when there is none.
    pub(crate) async fn open(lake: &Lake, kind: Kind) -> Result<Option<Self>, DailyError> {
        Self::open_version(lake, kind, None).await
    }

    /// Opens a table at a version.
    pub(crate) async fn open_at(lake: &Lake, kind: Kind, version: u64) -> Result<Self, DailyError> {
        match Self::open_version(lake, kind, Some(version)).await? {
            Some(table) => Ok(table),
            None => Err(DailyError::Bug(format!("there is no table `{kind}`"))),
        }
    }

    async fn open_version(
        lake: &Lake,
        kind: Kind,
        version: Option<u64>,
    ) -> Result<Option<Self>, DailyError> {
        let log_store = log_store(lake, kind)?;
        let failed = table_error("read", kind);
        if !log_store.is_delta_table_location().await.map_err(&failed)? {
            return Ok(None);
        }
        let mut delta = DeltaTable::new(log_store);
        let loaded = match version {
            Some(version) => delta.load_version(version).await,
            None => delta.load().await,
        };
        loaded.map_err(failed)?;
        Ok(Some(Self {
            lake: lake.clone(),
            kind,
            delta,
        }))
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn lake(&self) -> &Lake {
        &self.lake
    }

    #[cfg(test)]
    pub(crate) fn delta(&self) -> &DeltaTable {
        &self.delta
    }

    pub(crate) fn version(&self) -> u64 {
        self.delta.version().unwrap_or_default()
    }

    /// Returns the objects that this version holds, and whether the version is one that this pipeline made.
    ///
    /// A state that somebody else made holds what the last commit of this pipeline below it did: a `RESTORE` leads to the
    /// version that it restored, any other commit to the one before it. When none is found, nothing is known to be merged.
    pub(crate) async fn manifest(&self) -> Result<(Manifest, bool), DailyError> {
        let store = self.lake.store();
        let digest = self.digest()?;
        if let Some(manifest) = Manifest::find(store.as_ref(), self.kind, &digest).await? {
            return Ok((manifest, true));
        }
        let mut version = self.version();
        for _ in 0..SEARCHED_COMMITS {
            let Some(info) = self.commit_info(version).await? else {
                break;
            };
            if let Some(note) = note(&info) {
                let found = Manifest::read(store.as_ref(), self.kind, &note.manifest).await?;
                return Ok((found, false));
            }
            let restored = match info.get("operation").and_then(Value::as_str) {
                Some("RESTORE") => restored_version(&info).filter(|restored| *restored < version),
                _ => version.checked_sub(1),
            };
            match restored {
                Some(restored) => version = restored,
                None => break,
            }
        }
        if self.version() > 0 {
            warn!(kind = %self.kind, "Merges everything again: nothing says what `{}` contains", self.kind);
        }
        Ok((Manifest::default(), false))
    }

    /// Reads what the log says of the commit of a version; `None` when the log does not have it any more.
    async fn commit_info(&self, version: u64) -> Result<Option<Value>, DailyError> {
        let entry = self.delta.log_store().read_commit_entry(version).await;
        let Some(bytes) = entry.map_err(table_error("read", self.kind))? else {
            return Ok(None);
        };
        let actions = bytes.split(|byte| *byte == b'\n');
        let mut infos = actions.filter_map(|action| {
            let mut action: Value = serde_json::from_slice(action).ok()?;
            Some(action.get_mut("commitInfo")?.take())
        });
        Ok(Some(infos.next().unwrap_or_default()))
    }

    /// Returns the notes of the newest merges.
    pub(crate) async fn merge_notes(&self) -> Result<Vec<MergeNote>, DailyError> {
        let mut notes = Vec::new();
        let newest = self.version();
        for version in (0..=newest).rev().take(NOTED_COMMITS) {
            let Some(info) = self.commit_info(version).await? else {
                break;
            };
            notes.extend(note(&info).and_then(|note| note.merge));
        }
        Ok(notes)
    }

    fn digest(&self) -> Result<FilesDigest, DailyError> {
        let snapshot = self
            .delta
            .snapshot()
            .map_err(table_error("read", self.kind))?;
        let log = snapshot.log_data();
        let names: Vec<String> = log.iter().map(|file| file.path().to_string()).collect();
        Ok(FilesDigest::new(names.iter().map(String::as_str)))
    }

    /// Returns the table's columns.
    pub(crate) fn schema(&self) -> Result<SchemaRef, DailyError> {
        let failed = table_error("read", self.kind);
        let snapshot = self.delta.snapshot().map_err(&failed)?;
        let schema: Schema = snapshot
            .schema()
            .as_ref()
            .try_into_arrow()
            .map_err(|error: arrow::error::ArrowError| failed(error.into()))?;
        Ok(Arc::new(schema))
    }

    /// Returns the table's files. The rows of one whose writer did not count them are read from its footer.
    pub(crate) async fn files(&self) -> Result<Vec<CuratedFile>, DailyError> {
        let failed = table_error("read", self.kind);
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
            let path = Path::from(format!("{folder}/{}", file.object_store_path()));
            let size = u64::try_from(file.size()).unwrap_or_default();
            let rows = match stats.get("numRecords").and_then(Value::as_u64) {
                Some(rows) => rows,
                None => row_count(self.lake.store(), path.clone(), size)
                    .await
                    .map_err(|source| DailyError::CuratedFile {
                        kind: self.kind,
                        key: path.to_string(),
                        source,
                    })?,
            };
            files.push(CuratedFile {
                path,
                size,
                rows,
                inds: bound("minValues").zip(bound("maxValues")),
                name: file.path().to_string(),
                stats,
            });
        }
        Ok(files)
    }

    /// Counts the table's rows.
    pub(crate) async fn rows(&self) -> Result<u64, DailyError> {
        Ok(self.files().await?.iter().map(|file| file.rows).sum())
    }

    /// Counts the table's rows, files, bytes and nulls, from its log.
    pub(crate) async fn counts(&self) -> Result<TableCounts, DailyError> {
        let mut counts = TableCounts {
            version: self.version(),
            ..TableCounts::default()
        };
        let mut nulls: HashMap<String, u64> = HashMap::new();
        for file in self.files().await? {
            counts.files += 1;
            counts.size_bytes += file.size;
            counts.rows += file.rows;
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

    /// Commits a change on top of this very version, and looks at the table again: its rows must have changed by what the
    /// commit says and by nothing else.
    ///
    /// Returns `None` when somebody else has committed since: the change was made for a table that is no more.
    pub(crate) async fn commit(
        self,
        change: Change,
        reason: Reason,
    ) -> Result<Option<Committed>, DailyError> {
        let failed = table_error("write", self.kind);
        let files = self.files().await?;
        check_paths(&files, &change)?;
        let rows_before: u64 = files.iter().map(|file| file.rows).sum();
        let added: u64 = change.adds.iter().map(|file| file.rows).sum();
        let gone: u64 = change.removes.iter().map(|file| file.rows).sum();
        let balance = |found: u64| {
            let expected = (rows_before + change.rows.inserted).saturating_sub(change.rows.removed);
            if found == expected {
                return Ok(());
            }
            Err(DailyError::RowBalance {
                kind: self.kind,
                version: self.version(),
                before: rows_before,
                expected,
                found,
            })
        };
        balance((rows_before + added).saturating_sub(gone))?;

        let store = self.lake.store();
        let manifest = change
            .manifest
            .write(store.as_ref(), self.kind, digest_after(&files, &change))
            .await?;
        let operation = operation(&reason);
        let merge = match reason {
            Reason::Merge(note) => Some(note),
            Reason::Compaction { .. } | Reason::DropDamaged => None,
        };
        let is_merge = merge.is_some();
        let note = Note {
            id: Uuid::new_v4().to_string(),
            manifest,
            merge,
        };
        let snapshot = self.delta.snapshot().map_err(&failed)?;
        let is_own = self.fulfils_constraints(&change).await?;
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
        let gone_names: BTreeSet<_> = change.removes.iter().map(|file| &file.name).collect();
        let log = snapshot.log_data();
        let removes = log
            .iter()
            .filter(|file| gone_names.contains(&file.path().to_string()))
            .map(|file| Remove {
                data_change: is_merge,
                ..file.remove_action(true)
            });
        actions.extend(removes.map(Action::Remove));
        let written_at = change.adds.iter().map(|file| file.modified_ms).max();
        let adds = change.adds.into_iter().map(|file| add(file, is_merge));
        actions.extend(adds.map(Action::Add));
        let version = self.version() + 1;
        let is_written = if is_own {
            let commit = features::OwnCommit {
                version,
                actions: &actions,
                operation: &operation,
                note: (NOTE, json!(note)),
                at_ms: written_at,
            };
            commit.write(store.as_ref(), self.kind).await?
        } else {
            self.write_commit(actions, operation, &note).await?
        };
        if !is_written && !self.is_own_commit(version, &note.id).await? {
            return Ok(None);
        }
        let after = Self::open_at(&self.lake, self.kind, version).await?;
        if is_own && features::is_checkpointed(version) {
            create_checkpoint(&after.delta, None)
                .await
                .map_err(&failed)?;
        }
        let rows_after = after.rows().await?;
        balance(rows_after)?;
        Manifest::delete_old(store.as_ref(), self.kind).await?;
        Ok(Some(Committed {
            version,
            rows_before,
            rows_after,
        }))
    }

    /// Tells whether the commit is to be written by [`features`], after its new files were found to fulfil the table's
    /// constraints.
    async fn fulfils_constraints(&self, change: &Change) -> Result<bool, DailyError> {
        let snapshot = self.delta.snapshot();
        let snapshot = snapshot.map_err(table_error("read", self.kind))?;
        let Some(constraints) = features::constraints(snapshot) else {
            return Ok(false);
        };
        let schema = match &change.schema {
            Some(schema) => Arc::clone(schema),
            None => self.schema()?,
        };
        features::check(&self.lake, self.kind, &schema, &change.adds, &constraints).await?;
        Ok(true)
    }

    /// Writes a commit on top of this version; false when somebody else has committed since.
    async fn write_commit(
        &self,
        actions: Vec<Action>,
        operation: DeltaOperation,
        note: &Note,
    ) -> Result<bool, DailyError> {
        let failed = table_error("write", self.kind);
        let snapshot = self.delta.snapshot().map_err(&failed)?;
        let properties = CommitProperties::default()
            .with_max_retries(0)
            .with_metadata([(NOTE.to_owned(), json!(note))]);
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

    /// Tells whether a commit that was refused is there all the same: the bucket may have answered its first try with an
    /// error after it had stored it, and the client's own second try then finds the version taken.
    async fn is_own_commit(&self, version: u64, id: &str) -> Result<bool, DailyError> {
        let info = self.commit_info(version).await?;
        Ok(info
            .and_then(|info| note(&info))
            .is_some_and(|note| note.id == id))
    }

    /// Deletes files that no version of the last `retention_hours` names, those of killed runs among them.
    pub(crate) async fn vacuum(self, retention_hours: u32) -> Result<u64, DailyError> {
        let failed = table_error("vacuum", self.kind);
        let is_own = features::constraints(self.delta.snapshot().map_err(&failed)?).is_some();
        let (_, metrics) = self
            .delta
            .vacuum()
            .with_mode(VacuumMode::Full)
            .with_retention_period(chrono::TimeDelta::hours(i64::from(retention_hours)))
            .with_enforce_retention_duration(false)
            .with_dry_run(is_own)
            .await
            .map_err(failed)?;
        if is_own {
            let store = self.lake.store();
            features::delete(store.as_ref(), self.kind, &metrics.files_deleted).await?;
        }
        Ok(metrics.files_deleted.len() as u64)
    }
}

/// Refuses a commit of which readers of Delta keep what they like: one that adds a path that it removes, or that is there.
fn check_paths(files: &[CuratedFile], change: &Change) -> Result<(), DailyError> {
    let there: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let mut added = BTreeSet::new();
    for file in &change.adds {
        let path = file.name.as_str();
        if there.contains(path) || !added.insert(path) {
            return Err(DailyError::Bug(format!(
                "a commit would add `{path}` to a table that has it"
            )));
        }
    }
    let mut removed = BTreeSet::new();
    for file in &change.removes {
        let path = file.name.as_str();
        if !there.contains(path) || !removed.insert(path) {
            return Err(DailyError::Bug(format!(
                "a commit would remove `{path}` from a table that does not have it"
            )));
        }
    }
    Ok(())
}

/// Returns the digest of the files that a table has after a change.
fn digest_after(files: &[CuratedFile], change: &Change) -> FilesDigest {
    let removed: BTreeSet<&str> = change
        .removes
        .iter()
        .map(|file| file.name.as_str())
        .collect();
    let kept = files.iter().map(|file| file.name.as_str());
    let kept = kept.filter(|name| !removed.contains(name));
    let added = change.adds.iter().map(|file| file.name.as_str());
    FilesDigest::new(kept.chain(added))
}

fn note(info: &Value) -> Option<Note> {
    serde_json::from_value(info.get(NOTE)?.clone()).ok()
}

/// Returns the version that a restore went back to, which some tools write as a number and some as a text.
fn restored_version(info: &Value) -> Option<u64> {
    let version = info.get("operationParameters")?.get("version")?;
    version.as_u64().or_else(|| version.as_str()?.parse().ok())
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

fn add(file: NewFile, data_change: bool) -> Add {
    Add {
        path: file.name,
        partition_values: HashMap::new(),
        size: file.size,
        modification_time: file.modified_ms,
        data_change,
        stats: Some(file.stats),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
    }
}

/// Returns what a commit is called in the table's history.
fn operation(reason: &Reason) -> DeltaOperation {
    match reason {
        Reason::Merge(_) => DeltaOperation::Merge {
            predicate: None,
            merge_predicate: Some("target.ind = source.ind".to_owned()),
            matched_predicates: Vec::new(),
            not_matched_predicates: Vec::new(),
            not_matched_by_source_predicates: Vec::new(),
        },
        Reason::Compaction { target_bytes } => DeltaOperation::Optimize {
            predicate: None,
            target_size: i64::try_from(*target_bytes).unwrap_or(i64::MAX),
        },
        Reason::DropDamaged => DeltaOperation::FileSystemCheck {},
    }
}

fn table_error<E>(action: &'static str, kind: Kind) -> impl Fn(E) -> DailyError
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |source| DailyError::Table {
        action,
        kind,
        source: Box::new(source),
    }
}
