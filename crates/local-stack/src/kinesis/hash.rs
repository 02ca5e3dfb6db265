//! Which shard a partition key belongs to.

use md5::{Digest as _, Md5};

/// Returns the MD5 of a partition key as a number, which is what Kinesis distributes by.
pub(crate) fn hash_key(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key).into())
}

/// The whole range of hash keys in as many equal parts as there are shards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HashRanges {
    shards: u32,
}

impl HashRanges {
    pub(crate) fn new(shards: u32) -> Self {
        Self {
            shards: shards.max(1),
        }
    }

    /// Returns the number of shards.
    pub(crate) fn shards(self) -> u32 {
        self.shards
    }

    /// Returns the shard whose range holds the hash key.
    pub(crate) fn shard(self, hash_key: u128) -> u32 {
        let shard = self.width().map_or(0, |width| hash_key / width);
        u32::try_from(shard).map_or(self.shards - 1, |shard| shard.min(self.shards - 1))
    }

    /// Returns a shard's first and last hash key.
    pub(crate) fn range(self, shard: u32) -> (u128, u128) {
        let start = |shard: u32| self.width().unwrap_or(0) * u128::from(shard);
        let last = shard + 1 >= self.shards;
        (
            start(shard),
            if last {
                u128::MAX
            } else {
                start(shard + 1) - 1
            },
        )
    }

    /// Returns 2^128 divided by the shards; none for one shard, where it does not fit.
    fn width(self) -> Option<u128> {
        let shards = u128::from(self.shards);
        let divides = u128::MAX % shards == shards - 1;
        (shards > 1).then(|| u128::MAX / shards + u128::from(divides))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_hash_is_md5_as_a_number() {
        // `printf pin/1 | md5sum`
        assert_eq!(
            format!("{:032x}", hash_key("pin/1")),
            "bf950b52308183109bb979e5b91b25f1"
        );
    }

    #[test]
    fn two_shards_meet_where_kinesis_splits() {
        let ranges = HashRanges::new(2);
        assert_eq!(
            ranges.range(0),
            (0, 170_141_183_460_469_231_731_687_303_715_884_105_727)
        );
        assert_eq!(
            ranges.range(1),
            (
                170_141_183_460_469_231_731_687_303_715_884_105_728,
                u128::MAX
            )
        );
        assert_eq!(HashRanges::new(1).range(0), (0, u128::MAX));
    }

    proptest! {
        #[test]
        fn every_hash_key_is_in_the_range_of_its_shard(shards in 1_u32..500, hash_key in any::<u128>()) {
            let ranges = HashRanges::new(shards);
            for hash_key in [0, hash_key, u128::MAX] {
                let shard = ranges.shard(hash_key);
                let (first, last) = ranges.range(shard);
                prop_assert!(shard < shards && first <= hash_key && hash_key <= last);
            }
        }
    }
}
