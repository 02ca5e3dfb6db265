#![doc = include_str!("../README.md")]

mod alternatives;
mod bill;
mod day;
mod limits;
mod load;
pub mod measured;
pub mod measurements;
pub mod prices;
mod records;
pub mod stack;
mod usage;

pub use alternatives::{Firehose, firehose, old_stack};
pub use bill::{Bill, Line, Service};
pub use day::{Day, DayCost};
pub use limits::pinflow;
pub use load::{Encryption, Load, Monitoring, Settings, Stream, Wire};
pub use measured::Architecture;
pub use measurements::MEASUREMENTS;
pub use records::{Packing, Records};
pub use usage::{Kept, Usage};
