#![doc = include_str!("../README.md")]

pub mod chain;
mod clock;
pub mod field;
pub mod key;
pub mod kind;
pub mod limits;
pub mod metadata;
pub mod position;
pub mod row;

pub use chain::chain;
pub use clock::Clock;
pub use field::{Field, KnownFields};
pub use key::{Declared, PartitionKey};
pub use kind::Kind;
pub use position::{Position, SequenceNumber, ShardId, SubNumber};
pub use row::{CleanRow, GeoRow, PinRow, UserRow};
