//! Kinesis: one stream on disk, and the part of the service's API that producers, consumers and the AWS CLI use.
//!
//! What is left out: enhanced fan-out, and encryption.

pub(crate) mod api;
mod hash;
mod sequence;
pub(crate) mod store;
pub(crate) mod throughput;
pub(crate) mod topology;

pub(crate) use hash::hash_key;
