//! The options of `model`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use event_model::Kind;

use super::rows::parse_kind;
use crate::lake_options::AwsOptions;

#[derive(Debug, Args)]
pub(crate) struct ModelOptions {
    #[command(subcommand)]
    pub(crate) command: ModelCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Say all that is wrong with the files: tables, views and reports
    Check,
    /// Show a table: its columns, their rules, and a row before and after
    Show {
        /// The table, as `pin`
        #[arg(value_name = "TABLE", value_parser = parse_kind)]
        table: Kind,
    },
    /// Write the file of a new table, from rows that it is to take
    New {
        /// The table's name, 1 to 32 of a-z 0-9 _
        #[arg(value_name = "TABLE", value_parser = parse_kind)]
        table: Kind,
        /// Rows, one JSON object a line
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
    },
    /// Say what rows of a lake would become by other files, column by column, before these are deployed
    Diff {
        /// Folder of the files as they are
        #[arg(value_name = "OLD")]
        old: PathBuf,
        /// Folder of the files as they are to be
        #[arg(value_name = "NEW")]
        new: PathBuf,
        /// Bucket of the lake whose clean and quarantined rows are looked at; that of `pinflow local` is pinflow-lake
        #[arg(long, value_name = "BUCKET")]
        against: String,
        /// Most objects of each table, and of quarantine, that are read, the newest first
        #[arg(long, value_name = "N", default_value_t = 100)]
        objects: usize,
        #[command(flatten)]
        aws: AwsOptions,
    },
}
