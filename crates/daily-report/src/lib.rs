#![doc = include_str!("../README.md")]

pub mod page;
mod price;
pub mod run;
pub mod summary;
pub mod table;

pub use page::Page;
pub use price::price;
pub use run::{RunRecord, RunState, StepRecord, Trigger};
pub use summary::Summary;
pub use table::{Cell, Chart, ReportTable};
