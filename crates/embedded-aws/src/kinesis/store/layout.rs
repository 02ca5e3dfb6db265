//! The tables in the file.

use redb::{
    Database, Error, ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction,
};

use crate::kinesis::topology::{ShardInfo, Topology};

/// What was fixed when the stream was made.
pub(super) const META: TableDefinition<'_, &str, i64> = TableDefinition::new("meta");
/// Shard and counter → arrival, partition key and data.
pub(super) const RECORDS: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("records");
/// Shard → what it is, as JSON.
const TOPOLOGY: TableDefinition<'_, u32, &str> = TableDefinition::new("shards");
/// Shard and lane → counter of the last record that is done with.
pub(super) const CHECKPOINTS: TableDefinition<'_, (u32, u32), u64> =
    TableDefinition::new("checkpoints");

const CREATED_MS: &str = "created_ms";
/// Number of shards that the stream was made with.
const SHARDS: &str = "shards";
/// Lanes of each shard.
pub(super) const LANES: &str = "lanes";

/// Content of the file.
pub(super) struct Meta {
    pub(super) created_ms: i64,
    /// Number of shards that the stream was made with.
    pub(super) shards: u32,
    pub(super) topology: Topology,
}

/// Makes the tables where they are missing, and returns what was fixed when they were made.
pub(super) fn open(database: &Database, shards: u32, now_ms: i64) -> Result<Meta, Error> {
    let write = database.begin_write()?;
    let meta = {
        write.open_table(RECORDS)?;
        write.open_table(CHECKPOINTS)?;
        let mut table = write.open_table(META)?;
        let mut fixed = |name, value: i64| -> Result<i64, Error> {
            if let Some(found) = table.get(name)? {
                return Ok(found.value());
            }
            table.insert(name, value)?;
            Ok(value)
        };
        let created_ms = fixed(CREATED_MS, now_ms)?;
        let shards = u32::try_from(fixed(SHARDS, i64::from(shards))?).unwrap_or_default();
        let topology = if let Some(topology) = read_topology(&write)? {
            topology
        } else {
            let topology = Topology::new(shards, seconds(created_ms));
            write_topology(&write, &topology)?;
            topology
        };
        Meta {
            created_ms,
            shards,
            topology,
        }
    };
    write.commit()?;
    Ok(meta)
}

fn read_topology(write: &WriteTransaction) -> Result<Option<Topology>, Error> {
    let table = write.open_table(TOPOLOGY)?;
    let mut shards = Vec::new();
    for entry in table.iter()? {
        let (_, value) = entry?;
        let info: Result<ShardInfo, _> = serde_json::from_str(value.value());
        shards.push(
            info.map_err(|error| Error::Corrupted(format!("a shard's description: {error}")))?,
        );
    }
    Ok((!shards.is_empty()).then(|| Topology::of(shards)))
}

/// Writes what every shard is.
pub(super) fn write_topology(write: &WriteTransaction, topology: &Topology) -> Result<(), Error> {
    let mut table = write.open_table(TOPOLOGY)?;
    for (number, info) in topology.shards() {
        // A plain struct of numbers always serialises.
        table.insert(
            number,
            serde_json::to_string(info).unwrap_or_default().as_str(),
        )?;
    }
    Ok(())
}

/// Returns the second since 1970 of a time in milliseconds.
pub(super) fn seconds(unix_ms: i64) -> u64 {
    (unix_ms / 1000).max(0).unsigned_abs()
}

/// Returns the counter and the arrival of each shard's last record; zeros for an empty shard.
pub(super) fn ends(database: &Database, topology: &Topology) -> Result<Vec<(u64, i64)>, Error> {
    let table = database.begin_read()?.open_table(RECORDS)?;
    let mut ends = Vec::new();
    for (shard, _) in topology.shards() {
        let last = table
            .range((shard, 0)..=(shard, u64::MAX))?
            .next_back()
            .transpose()?;
        ends.push(last.map_or((0, 0), |(key, value)| {
            (key.value().1, decode_record(value.value()).0)
        }));
    }
    Ok(ends)
}

pub(super) fn encode_record(arrival_ms: i64, partition_key: &str, data: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(12 + partition_key.len() + data.len());
    value.extend_from_slice(&arrival_ms.to_le_bytes());
    // A partition key has at most 256 characters, so its length fits by far.
    value.extend_from_slice(
        &u32::try_from(partition_key.len())
            .unwrap_or_default()
            .to_le_bytes(),
    );
    value.extend_from_slice(partition_key.as_bytes());
    value.extend_from_slice(data);
    value
}

/// Returns arrival, partition key and data; a value that is not ours reads as empty.
pub(super) fn decode_record(value: &[u8]) -> (i64, &str, &[u8]) {
    let parts = value.split_first_chunk::<8>().and_then(|(arrival, rest)| {
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (key, data) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        Some((
            i64::from_le_bytes(*arrival),
            str::from_utf8(key).ok()?,
            data,
        ))
    });
    parts.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_record_reads_back(arrival_ms: i64, key in ".{0,256}", data: Vec<u8>) {
            let value = encode_record(arrival_ms, &key, &data);
            prop_assert_eq!(decode_record(&value), (arrival_ms, key.as_str(), data.as_slice()));
        }
    }
}
