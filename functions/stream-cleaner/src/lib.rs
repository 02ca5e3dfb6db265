#![doc = include_str!("../README.md")]

mod batch;
mod config;
mod error;
pub mod event;
mod handler;
mod summary;

pub use config::Config;
pub use error::CleanerError;
pub use handler::{App, Publish, timeouts};
pub use summary::BatchSummary;
