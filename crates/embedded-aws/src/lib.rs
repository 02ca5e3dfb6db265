#![doc = include_str!("../README.md")]

mod api_gateway;
mod cloudwatch;
mod destination;
mod disk;
mod error;
mod event_source_mapping;
mod kinesis;
mod page;
mod s3;
mod server;
mod stack;
mod totals;
mod visitor;

pub use error::StackError;
pub use event_source_mapping::{EventSourceMappingConfig, OnFailure};
pub use page::SECRET_FILE_PATH;
pub use stack::{Stack, StackConfig, sdk_config};
pub use totals::Totals;
