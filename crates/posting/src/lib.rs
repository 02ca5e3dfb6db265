#![doc = include_str!("../README.md")]

mod access;
mod answer;
mod api;
mod backoff;
mod batch;
mod latency;
mod poster;
mod run;
mod signer;
pub mod source;
mod state;
mod tally;
mod wire;

pub use access::{Access, without_login};
pub use api::{Api, PostError};
pub use latency::Latencies;
pub use poster::Poster;
pub use run::{Pace, Posted, post_all};
pub use signer::{Identity, Signer, SignerError};
pub use state::{DEFAULT_PATH, Settings, State, StateError};
pub use tally::Tally;
pub use wire::Wire;
