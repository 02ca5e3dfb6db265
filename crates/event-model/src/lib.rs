#![doc = include_str!("../README.md")]

pub mod chain;
mod clock;
pub mod key;
pub mod kind;
pub mod limits;
pub mod metadata;
pub mod position;

pub use chain::chain;
pub use clock::Clock;
pub use key::{Declared, KeyValue, PartitionKey};
pub use kind::{InvalidKind, Kind};
pub use position::{Position, SequenceNumber, ShardId, SubNumber};
