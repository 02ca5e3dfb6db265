//! Committing a change to a curated table: on top of one version, and by what the change says and nothing else.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use deltalake_core::DeltaTableError;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TransactionError};
use deltalake_core::kernel::{Action, Add, MetadataExt as _, Remove, StructType};
use deltalake_core::protocol::DeltaOperation;
use deltalake_core::protocol::checkpoints::create_checkpoint;
use serde_json::json;
use uuid::Uuid;

use super::change::{Change, Committed, Reason};
use super::delta::{CuratedTable, NOTE, Note, note, table_error};
use super::features;
use super::files::{CuratedFile, NewFile};
use super::manifest::{FilesDigest, Manifest};
use crate::DailyError;
use crate::merge::keys::RowRules;

impl CuratedTable {
    /// Commits a change on top of this very version, and looks at the table again: its rows must have changed by what the
    /// commit says and by nothing else.
    ///
    /// Returns `None` when somebody else has committed since: the change was made for a table that is no more.
    pub(crate) async fn commit(
        self,
        mut change: Change,
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
        let manifest = std::mem::take(&mut change.manifest)
            .write(store.as_ref(), self.kind, digest_after(&files, &change))
            .await?;
        let operation = operation(&reason, &RowRules::of(self.lake.table(self.kind)?));
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

/// Returns what a merge matches rows by, as the table's history has it.
fn predicate(rules: &RowRules) -> String {
    let columns = rules.key.columns();
    let parts = columns
        .iter()
        .map(|name| format!("target.{name} = source.{name}"));
    parts.collect::<Vec<_>>().join(" AND ")
}

/// Returns what a commit is called in the table's history.
fn operation(reason: &Reason, rules: &RowRules) -> DeltaOperation {
    match reason {
        Reason::Merge(_) => DeltaOperation::Merge {
            predicate: None,
            merge_predicate: Some(predicate(rules)),
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
