#![doc = include_str!("../README.md")]

mod encode;
mod protobuf;

use event_model::limits::PARTITION_KEY_MAX_CHARS;
use md5::{Digest as _, Md5};

pub use encode::encode;
use protobuf::{Fields, Malformed, Value};

const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];
const MD5_BYTES: usize = 16;

/// A record as its producer had it before packing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserRecord<'a> {
    /// The partition key that the producer gave it.
    pub partition_key: &'a str,
    /// Its bytes.
    pub data: &'a [u8],
}

/// Why an aggregate cannot be taken apart. None of it is used then: what is readable may not be what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// It ends before the sixteen bytes of a checksum.
    #[error("it breaks off before its checksum")]
    Short,
    /// The checksum is that of other bytes.
    #[error("its MD5 checksum does not fit its contents")]
    Checksum,
    /// It is no protobuf message.
    #[error("its contents are not a protobuf message")]
    Message,
    /// Nothing was packed into it.
    #[error("it holds no user record")]
    Empty,
    /// A partition key of its table is not text.
    #[error("its partition key {0} is not UTF-8")]
    KeyNotUtf8(usize),
    /// A partition key of its table is longer than Kinesis allows.
    #[error("its partition key {0} is longer than {PARTITION_KEY_MAX_CHARS} characters")]
    KeyTooLong(usize),
    /// A user record is no protobuf message.
    #[error("its user record {0} is not a protobuf message")]
    UserRecord(usize),
    /// A user record lacks what it must have.
    #[error("its user record {record} has no {field}")]
    MissingField {
        /// Its place, from 0.
        record: usize,
        /// The field's name.
        field: &'static str,
    },
    /// A user record points beyond a table.
    #[error("its user record {record} has the {field} {index}, and the table has {length} entries")]
    OutOfTable {
        /// Its place, from 0.
        record: usize,
        /// The field's name.
        field: &'static str,
        /// Where it points.
        index: u64,
        /// How long the table is.
        length: usize,
    },
}

/// Takes a record apart, in the order of its user records; `None` when it is not an aggregate.
pub fn read(data: &[u8]) -> Option<Result<Vec<UserRecord<'_>>, Damage>> {
    data.strip_prefix(&MAGIC).map(unpack)
}

fn unpack(body: &[u8]) -> Result<Vec<UserRecord<'_>>, Damage> {
    let (message, checksum) = body.split_last_chunk::<MD5_BYTES>().ok_or(Damage::Short)?;
    if Md5::digest(message).as_slice() != checksum {
        return Err(Damage::Checksum);
    }
    let (mut keys, mut hash_keys, mut records) = (Vec::new(), 0, Vec::new());
    for field in Fields::new(message) {
        match field.map_err(|Malformed| Damage::Message)? {
            (1, Value::Bytes(bytes)) => keys.push(partition_key(keys.len(), bytes)?),
            (2, Value::Bytes(_)) => hash_keys += 1,
            (3, Value::Bytes(bytes)) => records.push(bytes),
            _ => {}
        }
    }
    if records.is_empty() {
        return Err(Damage::Empty);
    }
    // Only now, because protobuf lets the tables come after the records.
    let records = records.into_iter().enumerate();
    records
        .map(|(record, message)| user_record(record, message, &keys, hash_keys))
        .collect()
}

/// Reads an entry of the key table. Many records may share one, so a long one would be copied many times.
fn partition_key(entry: usize, bytes: &[u8]) -> Result<&str, Damage> {
    let key = str::from_utf8(bytes).map_err(|_| Damage::KeyNotUtf8(entry))?;
    if key.chars().count() > PARTITION_KEY_MAX_CHARS {
        return Err(Damage::KeyTooLong(entry));
    }
    Ok(key)
}

fn user_record<'a>(
    record: usize,
    message: &'a [u8],
    keys: &[&'a str],
    hash_keys: usize,
) -> Result<UserRecord<'a>, Damage> {
    let (mut key, mut hash_key, mut data) = (None, None, None);
    for field in Fields::new(message) {
        match field.map_err(|Malformed| Damage::UserRecord(record))? {
            (1, Value::Varint(index)) => key = Some(index),
            (2, Value::Varint(index)) => hash_key = Some(index),
            (3, Value::Bytes(bytes)) => data = Some(bytes),
            _ => {}
        }
    }
    let missing = |field| Damage::MissingField { record, field };
    let out_of_table = |field, index, length| Damage::OutOfTable {
        record,
        field,
        index,
        length,
    };
    let key = key.ok_or(missing("partition_key_index"))?;
    let data = data.ok_or(missing("data"))?;
    if let Some(index) = hash_key.filter(|&index| place(index) >= hash_keys) {
        let field = "explicit_hash_key_index";
        return Err(out_of_table(field, index, hash_keys));
    }
    let partition_key =
        *keys
            .get(place(key))
            .ok_or(out_of_table("partition_key_index", key, keys.len()))?;
    Ok(UserRecord {
        partition_key,
        data,
    })
}

/// Returns an index as a place in a table; one beyond memory is beyond any table.
fn place(index: u64) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
