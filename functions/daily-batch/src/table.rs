//! A curated table: its log, its data files, its manifests, and how new files are written.

pub(crate) mod change;
mod commit;
pub(crate) mod delta;
mod features;
pub(crate) mod files;
pub(crate) mod manifest;
pub(crate) mod rewrite;
mod stats;
