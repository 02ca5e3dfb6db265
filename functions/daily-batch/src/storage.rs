//! The bucket, and how its objects are read.

pub(crate) mod clean;
pub(crate) mod lake_store;
pub(crate) mod objects;
pub(crate) mod parquet_input;
pub(crate) mod remote_file;
