//! The options of `daily`.

use clap::{Args, Subcommand};
use event_model::Kind;
use jiff::civil::Date;

use super::rows::parse_kind;
use crate::lake_options::LakeOptions;

#[derive(Debug, Args)]
pub(crate) struct DailyOptions {
    #[command(subcommand)]
    pub(crate) command: DailyCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DailyCommand {
    /// Run a day, or each day of a range; a run that failed goes on from the step at which it did
    Run(DailyRunOptions),
    /// List the latest attempt of each run date
    Runs {
        #[command(flatten)]
        lake: LakeOptions,
    },
    /// Forget what a table holds, so that the next run merges everything in `clean/` again
    Remerge {
        /// The table, as `pin`
        #[arg(value_name = "TABLE", value_parser = parse_kind)]
        table: Kind,
        /// Drop the table's files that are gone or damaged; rows that are still in `clean/` come back with the next run
        #[arg(long)]
        drop_damaged: bool,
        #[command(flatten)]
        lake: LakeOptions,
    },
    /// Say what became of records that no run can find, so that they are not called unaccounted for any more
    Explain {
        /// How many records, as the summary says
        #[arg(value_name = "RECORDS", value_parser = clap::value_parser!(u64).range(1..))]
        records: u64,
        /// What became of them
        #[arg(value_name = "REASON")]
        reason: String,
        #[command(flatten)]
        lake: LakeOptions,
    },
    /// Show the steps of a day's run, and save its page
    Show {
        /// The run date
        #[arg(value_name = "DATE")]
        date: Date,
        /// Open the page in a browser
        #[arg(long)]
        open: bool,
        #[command(flatten)]
        lake: LakeOptions,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DailyRunOptions {
    /// Run date, as 2026-03-01: rows that arrived by its end are merged [default: today (UTC) so far, which is a preview]
    #[arg(long, value_name = "DATE", conflicts_with_all = ["from", "to"])]
    pub(crate) date: Option<Date>,
    /// First run date of a backfill
    #[arg(long, value_name = "DATE", requires = "to")]
    pub(crate) from: Option<Date>,
    /// Last run date of a backfill
    #[arg(long, value_name = "DATE", requires = "from")]
    pub(crate) to: Option<Date>,
    /// Merge and report a day anew that was run before, of the tables as they are now; without it, its reports are made again
    /// of the tables as they were then
    #[arg(long)]
    pub(crate) as_of_now: bool,
    /// Stream in which the reconciliation looks for accepted records
    #[arg(long, value_name = "NAME", default_value = "pinflow-events")]
    pub(crate) stream: String,
    /// Time after which somebody else may take a run over that says nothing, in seconds
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) expiry_seconds: u32,
    /// Age from which files that no version of a table names are deleted, in hours
    #[arg(long, value_name = "N", default_value_t = 168, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) vacuum_retention_hours: u32,
    /// Rows after which a merge begins another slice, with a commit of its own; each costs 64 bytes of memory
    #[arg(long, value_name = "N", default_value_t = 6_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) slice_rows: u32,
    #[command(flatten)]
    pub(crate) lake: LakeOptions,
}
