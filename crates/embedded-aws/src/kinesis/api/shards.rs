//! The shards in the API: what there are, and how they are split and merged.

use event_model::ShardId;
use serde_json::{Value, json};

use super::model::{
    ChildShard, HashKeyRange, ListShardsInput, ListShardsOutput, MergeShardsInput,
    SequenceNumberRange, Shard, SplitShardInput,
};
use super::{ACCOUNT, ApiError, Kinesis};
use crate::kinesis::store::Reshard;
use crate::kinesis::topology::{ReshardError, ShardInfo, Topology};

impl From<ReshardError> for ApiError {
    fn from(error: ReshardError) -> Self {
        let code = match error {
            ReshardError::Unknown => "ResourceNotFoundException",
            ReshardError::Closed => "ResourceInUseException",
            ReshardError::HashKey | ReshardError::NotAdjacent => "InvalidArgumentException",
        };
        Self::client(code, error.to_string())
    }
}

impl Kinesis {
    pub(super) fn list_shards(
        &self,
        input: Result<ListShardsInput, ApiError>,
    ) -> Result<ListShardsOutput, ApiError> {
        self.check_stream(&input?.stream)?;
        let state = self.store.state();
        let topology = &state.borrow().topology;
        Ok(ListShardsOutput {
            shards: topology
                .shards()
                .map(|(number, info)| shard(topology, number, info))
                .collect(),
        })
    }

    pub(super) async fn split_shard(
        &self,
        input: Result<SplitShardInput, ApiError>,
    ) -> Result<Value, ApiError> {
        let input = input?;
        self.check_stream(&input.stream)?;
        let shard = self.shard(&input.shard_to_split)?;
        let hash_key = input
            .new_starting_hash_key
            .parse()
            .map_err(|_| ReshardError::HashKey)?;
        self.reshard(Reshard::Split { shard, hash_key }).await
    }

    pub(super) async fn merge_shards(
        &self,
        input: Result<MergeShardsInput, ApiError>,
    ) -> Result<Value, ApiError> {
        let input = input?;
        self.check_stream(&input.stream)?;
        let shard = self.shard(&input.shard_to_merge)?;
        let adjacent = self.shard(&input.adjacent_shard_to_merge)?;
        self.reshard(Reshard::Merge { shard, adjacent }).await
    }

    async fn reshard(&self, reshard: Reshard) -> Result<Value, ApiError> {
        self.store.reshard(reshard).await??;
        Ok(json!({}))
    }

    /// Returns the number of the shard with this name.
    pub(super) fn shard(&self, id: &str) -> Result<u32, ApiError> {
        let number = id.parse::<ShardId>().ok().and_then(|shard| shard.number());
        let is_there = |number: &u32| self.store.state().borrow().topology.get(*number).is_some();
        number.filter(is_there).ok_or_else(|| {
            let message = format!(
                "Shard {id} in stream {} under account {ACCOUNT} does not exist.",
                self.stream
            );
            ApiError::client("ResourceNotFoundException", message)
        })
    }
}

/// Returns the shards that took the place of one.
pub(super) fn children(topology: &Topology, parent: u32) -> Vec<ChildShard> {
    let child = |(number, info): (u32, &ShardInfo)| ChildShard {
        shard_id: name(number),
        parent_shards: info.parents.iter().copied().map(name).collect(),
        hash_key_range: hash_key_range(info),
    };
    topology.children(parent).map(child).collect()
}

fn shard(topology: &Topology, number: u32, info: &ShardInfo) -> Shard {
    // Past the last record that the shard could ever have had.
    let ending = || info.sequence().number(number, u64::MAX, 0).to_string();
    Shard {
        shard_id: name(number),
        parent_shard_id: info.parents.first().copied().map(name),
        adjacent_parent_shard_id: info.parents.get(1).copied().map(name),
        hash_key_range: hash_key_range(info),
        sequence_number_range: SequenceNumberRange {
            starting_sequence_number: topology.start(number).to_string(),
            ending_sequence_number: info.is_closed.then(ending),
        },
    }
}

fn hash_key_range(info: &ShardInfo) -> HashKeyRange {
    HashKeyRange {
        starting_hash_key: info.first_hash_key.to_string(),
        ending_hash_key: info.last_hash_key.to_string(),
    }
}

fn name(shard: u32) -> String {
    ShardId::from_number(shard).to_string()
}
