//! What keeps the tables in shape.

pub(crate) mod archive;
pub(crate) mod compact;
pub(crate) mod remerge;
