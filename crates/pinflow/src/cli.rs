//! The commands; a group of them has its options in a module of its own.

mod access;
mod cost;
mod daily;
mod import;
mod model;
mod post;
mod quarantine;
mod refetch;
mod restore;
mod rows;
mod stack;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(crate) use cost::CostOptions;
pub(crate) use daily::{DailyCommand, DailyOptions, DailyRunOptions};
pub(crate) use import::{ImportOptions, SinkLocation};
pub(crate) use model::{ModelCommand, ModelOptions};
pub(crate) use post::{OrderName, PostOptions, Wire};
pub(crate) use quarantine::{
    QuarantineCommand, QuarantineOptions, ReplayOptions, Selection, ShowOptions,
};
pub(crate) use refetch::RefetchOptions;
pub(crate) use restore::RestoreOptions;
pub(crate) use rows::{CleanOptions, GenerateOptions};
pub(crate) use stack::{DemoOptions, LocalOptions, PackingName};

/// Posts rows, cleans them, and runs the whole pipeline on one machine.
#[derive(Debug, Parser)]
#[command(name = "pinflow", version)]
pub struct Cli {
    /// Folder of the tables, views and reports [default: `model` of this folder, of one above it, or beside the program]
    #[arg(long, global = true, value_name = "DIR", env = "MODEL_DIR")]
    pub(crate) model: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole path once: start the stack, post, check that every record arrived
    Demo(DemoOptions),
    /// Run the stack until Ctrl-C
    Local(LocalOptions),
    /// Post rows to an API, as the old posting script does
    Post(PostOptions),
    /// Print the generated rows as NDJSON, in the order in which `demo` and `post` post them
    Generate(GenerateOptions),
    /// Clean the rows on standard input (NDJSON) and print the clean rows as JSON
    Clean(CleanOptions),
    /// Look at the records that were rejected, and replay those that the present rules accept
    Quarantine(QuarantineOptions),
    /// Clean again what the stream still has of some time, for batches that never reached the lake
    Refetch(RefetchOptions),
    /// Put the archived rows of a table back into `clean/`, so that the next daily run makes again what the table lacks
    Restore(RestoreOptions),
    /// Import the objects of the old Kafka-to-S3 sink into the lake, with the times at which they were written
    Import(ImportOptions),
    /// Merge the clean rows into the curated tables and write the reports of a day, or look at the runs
    Daily(DailyOptions),
    /// Check, show, write or compare the files that declare the tables
    Model(ModelOptions),
    /// Show what a month of the stack costs, beside Firehose and the old stack, or what a day did
    Cost(CostOptions),
}

impl Command {
    /// Tells whether what it prints is to reach a terminal as it is.
    pub(crate) fn is_raw(&self) -> bool {
        matches!(
            self,
            Self::Quarantine(QuarantineOptions {
                command: QuarantineCommand::Show(ShowOptions { raw: true, .. }),
            })
        )
    }
}

/// Seed of the rows where none is given: `demo` and `generate` show the same ones.
const DEFAULT_SEED: u64 = 1;

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_options_fit_together() {
        Cli::command().debug_assert();
    }
}
