//! Objects that are written long after their rows arrived, so that the merge has to learn of them.

use aws_access::{Bucket, BucketError};
use bytes::Bytes;
use lake::key::Announcement;

/// Writes an object of so many records, unless there is one of more records under its key. One of clean rows is announced first: whoever
/// is killed in between leaves an announcement that waits for its object.
pub(crate) async fn write_announced(
    lake: &Bucket,
    key: String,
    records: u64,
    body: Bytes,
) -> Result<(), BucketError> {
    if let Some(announcement) = Announcement::new(&key, &conditional_put::digest(&body)) {
        lake.write(&announcement.to_string(), Bytes::new()).await?;
    }
    lake.write_unless_more(&key, records, body).await?;
    Ok(())
}
