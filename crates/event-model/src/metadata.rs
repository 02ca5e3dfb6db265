//! Names of the metadata that the lake's objects have.

/// How many rows or rejected records an object has.
pub const RECORDS: &str = "records";
/// Digest of an object's bytes, as 32 hexadecimal digits.
pub const DIGEST: &str = "digest";
