//! Why a run failed; the ledger keeps the text.

use event_model::Kind;
use jiff::civil::Date;
use lambda_runtime::Diagnostic;

/// A run, or a request for one, that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DailyError {
    /// The event that started the function has another shape than a payload.
    #[error("{0}")]
    Payload(String),
    /// Another run of the same date is at work.
    #[error(
        "the run of {run_date} is held by {holder} until {expires_at}; wait, or try again after that"
    )]
    Held {
        /// The run date.
        run_date: Date,
        /// Who holds it.
        holder: String,
        /// Until when.
        expires_at: jiff::Timestamp,
    },
    /// The tables cannot be read any more as the run of a day left them.
    #[error(
        "{run_date} was run before, and the tables cannot be read any more as they were then: vacuum has deleted files of them, or \
         their log was cut. Nothing was changed; as_of_now (`--as-of-now`) writes the day's reports of the tables as they are now"
    )]
    Vacuumed {
        /// The run date.
        run_date: Date,
        /// What cannot be read.
        #[source]
        source: Box<DailyError>,
    },
    /// Nobody knows any more which version of a table is the one of a day that was not run.
    #[error(
        "{run_date} was not run when it was over, and which version of `{kind}` had its rows and no later ones is not known any more. \
         Nothing was changed; as_of_now (`--as-of-now`) writes the day's reports of the tables as they are now"
    )]
    NoVersion {
        /// The table's kind.
        kind: Kind,
        /// The run date.
        run_date: Date,
    },
    /// This run was taken over by another one after it had expired.
    #[error("the run of {run_date} was taken over by attempt {attempt}")]
    TakenOver {
        /// The run date.
        run_date: Date,
        /// The attempt that took over.
        attempt: u32,
    },
    /// An object of the ledger cannot be understood.
    #[error("`{key}` is not a record of a run")]
    LedgerRecord {
        /// Its key.
        key: String,
        /// What the JSON reader says.
        #[source]
        source: serde_json::Error,
    },
    /// The bucket could not be read or written.
    #[error("could not {action} `{key}`")]
    Lake {
        /// What was tried.
        action: &'static str,
        /// The object's key, or the prefix.
        key: String,
        /// What the object store says.
        #[source]
        source: object_store::Error,
    },
    /// The invocation's time is nearly over, and the step that is at work needs more.
    #[error(
        "the run of {run_date} stopped in step `{step}`, shortly before the end of the function's time; the next attempt goes on from there"
    )]
    OutOfTime {
        /// The run date.
        run_date: Date,
        /// The step that was at work.
        step: String,
    },
    /// The function could not start itself again.
    #[error(
        "could not start the function again, to go on with the run of {run_date}; start it by hand"
    )]
    Restart {
        /// The run date.
        run_date: Date,
        /// What Lambda says.
        #[source]
        source: anyhow::Error,
    },
    /// A clean object is not Parquet, or not a clean table of its kind.
    #[error(
        "could not read the rows of `{key}`; restore the object from the bucket's versions, or delete it and refetch its records"
    )]
    CleanObject {
        /// Its key.
        key: String,
        /// What is wrong with it.
        #[source]
        source: RowsError,
    },
    /// A clean object was written again, or taken away, while it was being read.
    #[error("`{key}` was changed while it was being read; run again")]
    Changed {
        /// Its key.
        key: String,
    },
    /// A file of a curated table is not as it was written.
    #[error(
        "could not read `{key}` of the curated table; restore the object from the bucket's versions, or restore the \
         table to an earlier version, or run `pinflow daily remerge {kind} --drop-damaged`"
    )]
    CuratedFile {
        /// The table's kind.
        kind: Kind,
        /// Its key.
        key: String,
        /// What is wrong with it.
        #[source]
        source: Box<RowsError>,
    },
    /// A curated table could not be read, or not be written.
    #[error("could not {action} the curated table `curated/{kind}/`")]
    Table {
        /// What was tried.
        action: &'static str,
        /// The table's kind.
        kind: Kind,
        /// What the Delta library says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Somebody deleted rows of a curated table by deletion vectors, which a merge does not read.
    #[error(
        "`curated/{kind}/` has deletion vectors; write them out with `REORG TABLE … APPLY (PURGE)`, and run again"
    )]
    DeletionVectors {
        /// The table's kind.
        kind: Kind,
    },
    /// A commit would change, or has changed, the number of a table's rows by something else than what it merged.
    #[error(
        "`curated/{kind}/` has {found} rows after the merge and must have {expected} ({before} before it); nothing may be \
         vacuumed: restore the table to version {version}, and report this with the request id"
    )]
    RowBalance {
        /// The table's kind.
        kind: Kind,
        /// The version before the commit.
        version: u64,
        /// Rows of that version.
        before: u64,
        /// Rows that the commit must lead to.
        expected: u64,
        /// Rows that it leads to.
        found: u64,
    },
    /// A table of the lake is not in the model.
    #[error(
        "there is no table `{kind}` in the model; add `model/tables/{kind}.yaml`, or leave the table out"
    )]
    NotInModel {
        /// The table's kind.
        kind: Kind,
    },
    /// The model's views or reports cannot be used as they are.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Queries(Vec<model::Problem>),
    /// Others kept writing to the table.
    #[error(
        "`curated/{kind}/` was changed by somebody else {times} times in a row while it was being merged"
    )]
    Contention {
        /// The table's kind.
        kind: Kind,
        /// How often the merge began again.
        times: u32,
    },
    /// Rows break a constraint that another program gave a table.
    #[error(
        "rows for `curated/{kind}/` break its constraint `{name}` ({expression}), among them those of the keys {}; correct \
         or drop the constraint: the rows are in `clean/`, and the next run merges them",
        rows.join(", ")
    )]
    ConstraintBroken {
        /// The table's kind.
        kind: Kind,
        /// The constraint's name.
        name: String,
        /// Its SQL.
        expression: String,
        /// The keys of some of the rows.
        rows: Vec<String>,
    },
    /// A constraint that another program gave a table cannot be evaluated.
    #[error(
        "could not evaluate the constraint `{name}` ({expression}) of `curated/{kind}/`; drop it, or spell it in plain SQL"
    )]
    ConstraintUnknown {
        /// The table's kind.
        kind: Kind,
        /// The constraint's name.
        name: String,
        /// Its SQL.
        expression: String,
        /// What the query engine says.
        #[source]
        source: Box<datafusion::error::DataFusionError>,
    },
    /// Anything that must not happen.
    #[error("{0}")]
    Bug(String),
}

/// Rows that cannot be read or brought into a table's form.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RowsError {
    /// Not Parquet, or damaged.
    #[error("not a Parquet file, or a damaged one")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// A damaged column.
    #[error("a damaged column")]
    Arrow(#[from] arrow::error::ArrowError),
    /// A column is missing.
    #[error("there is no column `{0}`")]
    MissingColumn(String),
    /// A column has another type than the table's.
    #[error("column `{name}` is {found}, and the table has {wanted}")]
    ColumnType {
        /// The column.
        name: String,
        /// Its type in the object.
        found: String,
        /// Its type in the table.
        wanted: String,
    },
    /// A `_sequence` that is none.
    #[error(transparent)]
    Sequence(#[from] lake::LakeError),
    /// There is no object with the file's key.
    #[error("the file is gone")]
    MissingFile,
    /// Bytes on which the reader panicked.
    #[error("the reader cannot cope with these bytes")]
    Panic,
    /// Bytes that could not be fetched while reading.
    #[error("the object could not be fetched")]
    Fetch(#[from] object_store::Error),
}

impl DailyError {
    /// Returns the stable name that alarms and callers go by.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Payload(_) => "Payload",
            Self::Held { .. } => "Held",
            Self::Vacuumed { .. } => "Vacuumed",
            Self::NoVersion { .. } => "NoVersion",
            Self::TakenOver { .. } => "TakenOver",
            Self::LedgerRecord { .. } => "LedgerRecord",
            Self::Lake { .. } => "LakeUnavailable",
            Self::OutOfTime { .. } => "OutOfTime",
            Self::Restart { .. } => "Restart",
            Self::CleanObject { .. } => "CleanObject",
            Self::Changed { .. } => "Changed",
            Self::CuratedFile { .. } => "CuratedFile",
            Self::Table { .. } => "Table",
            Self::DeletionVectors { .. } => "DeletionVectors",
            Self::RowBalance { .. } => "RowBalance",
            Self::Contention { .. } => "Contention",
            Self::ConstraintBroken { .. } | Self::ConstraintUnknown { .. } => "Constraint",
            Self::NotInModel { .. } | Self::Queries(_) => "Model",
            Self::Bug(_) => "Bug",
        }
    }

    pub(crate) fn lake(
        action: &'static str,
        key: impl Into<String>,
    ) -> impl FnOnce(object_store::Error) -> Self {
        let key = key.into();
        move |source| Self::Lake {
            action,
            key,
            source,
        }
    }
}

impl From<DailyError> for Diagnostic {
    fn from(error: DailyError) -> Self {
        let error_type = error.error_type().to_owned();
        Self {
            error_type,
            error_message: format!("{:#}", anyhow::Error::from(error)),
        }
    }
}
