//! Kinesis: one stream on disk, and the part of the service's API that producers, consumers and the AWS CLI use.
//!
//! What is left out: enhanced fan-out, retention, encryption, and the throughput limits of a shard.

pub(crate) mod api;
mod hash;
mod sequence;
pub(crate) mod store;
pub(crate) mod topology;

pub(crate) use hash::hash_key;
