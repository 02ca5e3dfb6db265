#![doc = include_str!("../README.md")]

mod destination;
mod error;
mod front;
mod kinesis;
mod mapping;
mod page;
mod s3;
mod server;
mod stack;
mod totals;

pub use error::StackError;
pub use mapping::{MappingConfig, OnFailure};
pub use stack::{Stack, StackConfig, sdk_config};
pub use totals::Totals;
