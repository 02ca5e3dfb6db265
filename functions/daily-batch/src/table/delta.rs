//! A curated Delta table: opened or made, committed to, vacuumed.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use daily_report::summary::TableCounts;
use deltalake_core::DeltaTable;
use deltalake_core::kernel::StructType;
use deltalake_core::kernel::engine::arrow_conversion::{TryIntoArrow as _, TryIntoKernel as _};
use deltalake_core::logstore::{LogStore, StorageConfig, default_logstore};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::operations::vacuum::VacuumMode;
use deltalake_core::protocol::SaveMode;
use event_model::Kind;
use lake::schema;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::warn;

use super::change::MergeNote;
use super::features;
use super::files::{CuratedFile, folder};
use super::manifest::{FilesDigest, Manifest};
use crate::DailyError;
use crate::merge::keys::RowRules;
use crate::storage::lake_store::Lake;
use crate::storage::remote_file::row_count;

/// Name of the pipeline's own note in a commit.
pub(super) const NOTE: &str = "pinflow";
/// Newest commits among which the newest merge is looked for.
const NOTED_COMMITS: usize = 20;
/// Newest commits in which the manifest of a state is looked for that somebody else made.
const SEARCHED_COMMITS: usize = 1000;

/// Property of a table: commits after which one has the whole state, so that nobody reads more of the log. deltalake's own default is 100.
const CHECKPOINT_INTERVAL: &str = "delta.checkpointInterval";

/// A curated table at one version.
#[derive(Debug)]
pub(crate) struct CuratedTable {
    pub(super) lake: Lake,
    pub(super) kind: Kind,
    pub(super) delta: DeltaTable,
}

/// What the log of a table says of a commit of this pipeline.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Note {
    /// Unique to this commit.
    pub(super) id: String,
    /// Name of the manifest that goes with the new state.
    pub(super) manifest: String,
    #[serde(flatten)]
    pub(super) merge: Option<MergeNote>,
}

impl CuratedTable {
    /// Opens a table at its newest version, or makes it.
    pub(crate) async fn open_or_create(lake: &Lake, kind: Kind) -> Result<Self, DailyError> {
        if let Some(table) = Self::open(lake, kind).await? {
            return Ok(table);
        }
        let struct_type: StructType = schema::schema(lake.table(kind)?)
            .as_ref()
            .try_into_kernel()
            .map_err(|error| DailyError::Bug(format!("{error}")))?;
        let created = CreateBuilder::new()
            .with_log_store(log_store(lake, kind)?)
            .with_table_name(kind.as_str())
            .with_save_mode(SaveMode::ErrorIfExists)
            .with_columns(struct_type.fields().cloned())
            .with_configuration([(
                CHECKPOINT_INTERVAL,
                Some(features::COMMITS_PER_CHECKPOINT.to_string()),
            )])
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
        if let Some(manifest) = Manifest::of_state(store.as_ref(), self.kind, &digest).await? {
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
    pub(super) async fn commit_info(&self, version: u64) -> Result<Option<Value>, DailyError> {
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

    /// Returns the note of the newest merge.
    pub(crate) async fn last_merge_note(&self) -> Result<Option<MergeNote>, DailyError> {
        for version in (0..=self.version()).rev().take(NOTED_COMMITS) {
            let Some(info) = self.commit_info(version).await? else {
                break;
            };
            if let Some(merge) = note(&info).and_then(|note| note.merge) {
                return Ok(Some(merge));
            }
        }
        Ok(None)
    }

    /// Returns the digest of the table's files, which names its manifest.
    pub(crate) fn digest(&self) -> Result<FilesDigest, DailyError> {
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
        let rules = RowRules::of(self.lake.table(self.kind)?);
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
            let path = Path::from(format!("{folder}/{}", file.object_store_path()));
            let size = u64::try_from(file.size()).unwrap_or_default();
            let rows = match stats.get("numRecords").and_then(Value::as_u64) {
                Some(rows) => rows,
                None => row_count(self.lake.store(), path.clone(), size)
                    .await
                    .map_err(|source| DailyError::CuratedFile {
                        kind: self.kind,
                        key: path.to_string(),
                        source: Box::new(source),
                    })?,
            };
            files.push(CuratedFile {
                path,
                size,
                rows,
                range: rules.key.range_of_file(&stats),
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

pub(super) fn note(info: &Value) -> Option<Note> {
    serde_json::from_value(info.get(NOTE)?.clone()).ok()
}

/// Returns the version that a restore went back to, which some tools write as a number and some as a text.
fn restored_version(info: &Value) -> Option<u64> {
    let version = info.get("operationParameters")?.get("version")?;
    version.as_u64().or_else(|| version.as_str()?.parse().ok())
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

pub(super) fn table_error<E>(action: &'static str, kind: Kind) -> impl Fn(E) -> DailyError
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |source| DailyError::Table {
        action,
        kind,
        source: Box::new(source),
    }
}
