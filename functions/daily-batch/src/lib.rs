#![doc = include_str!("../README.md")]

mod config;
mod error;
mod handler;
mod maintenance;
mod merge;
mod payload;
mod reports;
mod restart;
mod run;
mod storage;
mod table;
#[cfg(test)]
mod test_lake;
mod work;

pub use config::Config;
pub use error::{DailyError, RowsError};
pub use handler::{App, Publish, Restart};
pub use maintenance::remerge::Remerge;
pub use payload::{Request, days};
pub use reports::check as check_queries;
pub use restart::restart;
pub use run::ledger::Ledger;
pub use run::reconciliation::{Stream, list_shards};
pub use run::summary::summary_key;
pub use run::{Progress, page_key};
pub use storage::lake_store::Lake;
