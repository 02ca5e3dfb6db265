#![doc = include_str!("../README.md")]

mod clean;
mod compact;
mod config;
mod day_cost;
mod error;
mod handler;
mod lake_store;
mod ledger;
mod manifest;
mod matching;
mod merge;
mod metrics;
mod objects;
mod parquet_input;
mod payload;
mod reconciliation;
mod remerge;
mod remote_file;
mod reports;
mod restart;
mod rewrite;
mod run;
mod sizes;
mod summary;
mod table;
mod tasks;
#[cfg(test)]
mod test_lake;
mod versions;

pub use config::Config;
pub use error::{DailyError, RowsError};
pub use handler::{App, Publish, Restart};
pub use lake_store::Lake;
pub use ledger::Ledger;
pub use payload::{Request, days};
pub use reconciliation::Stream;
pub use remerge::Remerge;
pub use restart::restart;
pub use run::{Progress, page_key};
