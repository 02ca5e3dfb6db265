//! The shards of a stream: which hash keys each takes, which are closed, and what came of which.

use std::sync::Arc;

use event_model::SequenceNumber;
use serde::{Deserialize, Serialize};

use super::sequence::Sequence;

/// A shard. Its number is its place in the list of all that there ever were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShardInfo {
    pub(crate) first_hash_key: u128,
    pub(crate) last_hash_key: u128,
    /// Second since 1970 in which it was made; it is greater than its parents', so its sequence numbers are, too.
    created_s: u64,
    /// The shards that it was split or merged from.
    pub(crate) parents: Vec<u32>,
    /// Whether it takes no more records, as others have taken its place.
    pub(crate) is_closed: bool,
}

impl ShardInfo {
    /// Returns the layout of the shard's sequence numbers.
    pub(crate) fn sequence(&self) -> Sequence {
        Sequence::new(self.created_s)
    }
}

/// A change of the shards that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReshardError {
    #[error("a shard is closed already")]
    Closed,
    #[error("the new starting hash key is not inside the shard's range")]
    HashKey,
    #[error("the shards are not adjacent")]
    NotAdjacent,
    #[error("there is no such shard")]
    Unknown,
}

/// The shards of a stream, by number. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topology(Arc<Vec<ShardInfo>>);

impl Topology {
    /// Divides the whole range of hash keys into equal parts.
    pub(crate) fn new(shards: u32, created_s: u64) -> Self {
        let shards = u128::from(shards.max(1));
        // 2^128 does not fit; for more than one shard its quotient does.
        let divides = u128::MAX % shards == shards - 1;
        let width = if shards > 1 {
            u128::MAX / shards + u128::from(divides)
        } else {
            0
        };
        let shard = |number: u128| ShardInfo {
            first_hash_key: number * width,
            last_hash_key: if number + 1 == shards {
                u128::MAX
            } else {
                (number + 1) * width - 1
            },
            created_s,
            parents: Vec::new(),
            is_closed: false,
        };
        Self::of((0..shards).map(shard).collect())
    }

    pub(crate) fn of(shards: Vec<ShardInfo>) -> Self {
        Self(Arc::new(shards))
    }

    /// Returns the shards with their numbers.
    pub(crate) fn shards(&self) -> impl Iterator<Item = (u32, &ShardInfo)> {
        (0..).zip(self.0.iter())
    }

    pub(crate) fn get(&self, shard: u32) -> Option<&ShardInfo> {
        self.0.get(shard as usize)
    }

    /// Returns the shards that were split or merged from a shard.
    pub(crate) fn children(&self, shard: u32) -> impl Iterator<Item = (u32, &ShardInfo)> {
        self.shards()
            .filter(move |(_, info)| info.parents.contains(&shard))
    }

    /// Returns the open shard that takes a hash key.
    pub(crate) fn open_shard(&self, hash_key: u128) -> Option<u32> {
        let takes = |info: &ShardInfo| {
            !info.is_closed && (info.first_hash_key..=info.last_hash_key).contains(&hash_key)
        };
        self.shards()
            .find(|(_, info)| takes(info))
            .map(|(number, _)| number)
    }

    /// Returns the number before every record of a shard.
    pub(crate) fn start(&self, shard: u32) -> SequenceNumber {
        self.get(shard)
            .map_or(SequenceNumber::ZERO, |info| info.sequence().start(shard))
    }

    /// Closes a shard and opens two in its place; the second begins at `hash_key`.
    pub(crate) fn split(
        &self,
        shard: u32,
        hash_key: u128,
        now_s: u64,
    ) -> Result<Self, ReshardError> {
        let parent = self.open(shard)?;
        if hash_key <= parent.first_hash_key || hash_key > parent.last_hash_key {
            return Err(ReshardError::HashKey);
        }
        let child = |first_hash_key, last_hash_key| ShardInfo {
            first_hash_key,
            last_hash_key,
            created_s: now_s.max(parent.created_s + 1),
            parents: vec![shard],
            is_closed: false,
        };
        let children = [
            child(parent.first_hash_key, hash_key - 1),
            child(hash_key, parent.last_hash_key),
        ];
        Ok(self.replace(&[shard], children))
    }

    /// Closes two adjacent shards and opens one in their place.
    pub(crate) fn merge(
        &self,
        shard: u32,
        adjacent: u32,
        now_s: u64,
    ) -> Result<Self, ReshardError> {
        let (one, other) = (self.open(shard)?, self.open(adjacent)?);
        let (low, high) = if one.first_hash_key < other.first_hash_key {
            (one, other)
        } else {
            (other, one)
        };
        if low.last_hash_key.checked_add(1) != Some(high.first_hash_key) {
            return Err(ReshardError::NotAdjacent);
        }
        let child = ShardInfo {
            first_hash_key: low.first_hash_key,
            last_hash_key: high.last_hash_key,
            created_s: now_s.max(one.created_s + 1).max(other.created_s + 1),
            parents: vec![shard, adjacent],
            is_closed: false,
        };
        Ok(self.replace(&[shard, adjacent], [child]))
    }

    fn open(&self, shard: u32) -> Result<&ShardInfo, ReshardError> {
        let info = self.get(shard).ok_or(ReshardError::Unknown)?;
        if info.is_closed {
            Err(ReshardError::Closed)
        } else {
            Ok(info)
        }
    }

    fn replace(&self, closed: &[u32], opened: impl IntoIterator<Item = ShardInfo>) -> Self {
        let mut shards: Vec<ShardInfo> = self.0.to_vec();
        for &shard in closed {
            if let Some(info) = shards.get_mut(shard as usize) {
                info.is_closed = true;
            }
        }
        shards.extend(opened);
        Self::of(shards)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HALF: u128 = 1 << 127;

    fn range(topology: &Topology, shard: u32) -> (u128, u128) {
        let info = topology.get(shard).unwrap();
        (info.first_hash_key, info.last_hash_key)
    }

    #[test]
    fn two_shards_meet_where_kinesis_splits() {
        let topology = Topology::new(2, 0);
        assert_eq!(
            range(&topology, 0),
            (0, 170_141_183_460_469_231_731_687_303_715_884_105_727)
        );
        assert_eq!(
            range(&topology, 1),
            (
                170_141_183_460_469_231_731_687_303_715_884_105_728,
                u128::MAX
            )
        );
        assert_eq!(range(&Topology::new(1, 0), 0), (0, u128::MAX));
    }

    #[test]
    fn a_split_shard_is_closed_and_its_children_take_its_range() {
        let topology = Topology::new(1, 100).split(0, HALF, 100).unwrap();
        assert!(topology.get(0).unwrap().is_closed);
        assert_eq!(
            (range(&topology, 1), range(&topology, 2)),
            ((0, HALF - 1), (HALF, u128::MAX))
        );
        assert_eq!(
            (topology.open_shard(HALF - 1), topology.open_shard(HALF)),
            (Some(1), Some(2))
        );
        assert!(
            topology.start(1)
                > topology
                    .get(0)
                    .unwrap()
                    .sequence()
                    .number(0, u64::MAX, i64::MAX)
        );
        let children: Vec<_> = topology.children(0).map(|(number, _)| number).collect();
        assert_eq!(children, [1, 2]);
    }

    #[test]
    fn merged_shards_are_closed_and_their_child_takes_both_ranges() {
        let topology = Topology::new(2, 100).merge(1, 0, 200).unwrap();
        assert_eq!(range(&topology, 2), (0, u128::MAX));
        assert_eq!(topology.get(2).unwrap().parents, [1, 0]);
        assert_eq!(topology.open_shard(7), Some(2));
    }

    #[test]
    fn what_kinesis_refuses_is_refused() {
        let topology = Topology::new(3, 0);
        let (first, last) = range(&topology, 1);
        assert_eq!(
            topology.split(1, first, 0).unwrap_err(),
            ReshardError::HashKey
        );
        assert_eq!(
            topology.split(1, last + 1, 0).unwrap_err(),
            ReshardError::HashKey
        );
        assert_eq!(topology.split(9, 1, 0).unwrap_err(), ReshardError::Unknown);
        assert_eq!(
            topology.merge(0, 2, 0).unwrap_err(),
            ReshardError::NotAdjacent
        );
        let split = topology.split(1, last, 0).unwrap();
        assert_eq!(split.split(1, last, 0).unwrap_err(), ReshardError::Closed);
    }

    proptest! {
        #[test]
        fn every_hash_key_has_one_open_shard(
            shards in 1_u32..40, hash_key: u128, changes in prop::collection::vec((any::<u32>(), any::<u128>(), any::<bool>()), 0..20)
        ) {
            let mut topology = Topology::new(shards, 0);
            for (shard, key, is_split) in changes {
                let count = u32::try_from(topology.shards().count()).unwrap();
                let changed = if is_split {
                    topology.split(shard % count, key, 0)
                } else {
                    topology.merge(shard % count, (shard % count + 1) % count, 0)
                };
                topology = changed.unwrap_or(topology);
            }
            for hash_key in [0, hash_key, u128::MAX] {
                let takes = |info: &ShardInfo| !info.is_closed && (info.first_hash_key..=info.last_hash_key).contains(&hash_key);
                prop_assert_eq!(topology.shards().filter(|(_, info)| takes(info)).count(), 1);
            }
        }
    }
}
