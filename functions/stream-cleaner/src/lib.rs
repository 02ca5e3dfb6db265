#![doc = include_str!("../README.md")]

mod batch;
mod config;
mod error;
pub mod event;
mod handler;
mod payload;
mod summary;

pub use config::{Config, Metrics};
pub use error::CleanerError;
pub use handler::{App, Publish, timeouts};
pub use payload::{Payload, TakesPayload};
pub use summary::BatchSummary;
