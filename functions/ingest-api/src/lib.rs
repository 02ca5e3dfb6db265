#![doc = include_str!("../README.md")]

mod config;
mod handler;
mod producer;
mod request;
mod response;
mod route;

pub use config::Config;
pub use handler::App;
