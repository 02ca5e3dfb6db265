//! What Kinesis distributes records by.

use md5::{Digest as _, Md5};

/// Returns the MD5 of a partition key as a number.
pub(crate) fn hash_key(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_md5_as_a_number() {
        // `printf pin/1 | md5sum`
        assert_eq!(
            format!("{:032x}", hash_key("pin/1")),
            "bf950b52308183109bb979e5b91b25f1"
        );
    }
}
