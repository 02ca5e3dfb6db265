#![doc = include_str!("../README.md")]

mod api_keys;
mod config;
mod handler;
mod packing;
mod producer;
mod request;
mod response;
mod route;
mod wire;

pub use api_keys::{ApiKeys, InvalidApiKeys};
pub use config::Config;
pub use handler::App;
pub use packing::Packing;
