#![doc = include_str!("../README.md")]

mod api_gateway;
mod cloudwatch;
mod destination;
mod disk;
mod error;
mod event_source_mapping;
mod faults;
mod kinesis;
mod lambda;
mod page;
mod s3;
mod server;
mod stack;
mod totals;
mod visitor;

pub use error::StackError;
pub use event_source_mapping::{EventSourceMappingConfig, OnFailure};
pub use faults::{Call, Fault, Faults, Service};
pub use ingest_api::Packing;
pub use kinesis::throughput::ShardLimits;
pub use lambda::Invocation;
pub use page::SECRET_FILE_PATH;
pub use s3::LifecycleRule;
pub use stack::{Stack, StackConfig, sdk_config};
pub use totals::Totals;
