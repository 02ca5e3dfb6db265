#![doc = include_str!("../README.md")]

mod alternatives;
mod bill;
mod day;
mod load;
pub mod measured;
pub mod measurements;
pub mod prices;
pub mod stack;
mod usage;

pub use alternatives::{firehose, old_stack};
pub use bill::{Bill, Line, Service};
pub use day::{Day, DayCost};
pub use load::{Load, Settings, Stream};
pub use measured::Architecture;
pub use measurements::MEASUREMENTS;
pub use usage::Usage;
