//! User records → one aggregate.

use md5::{Digest as _, Md5};

use crate::MAGIC;

/// Puts the magic number before a message and its checksum behind it.
pub(crate) fn aggregate(message: &[u8]) -> Vec<u8> {
    [&MAGIC, message, Md5::digest(message).as_slice()].concat()
}

/// Packs user records, each a partition key and its bytes, into the data of one Kinesis record.
///
/// Each user record has an entry of its own in the table of keys; explicit hash keys are left out.
pub fn encode(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut message = Vec::new();
    for (place, (key, data)) in (0..).zip(records) {
        let mut record = b"\x08".to_vec();
        push_varint(&mut record, place);
        push_bytes(&mut record, 0x1a, data);
        push_bytes(&mut message, 0x0a, key.as_bytes());
        push_bytes(&mut message, 0x1a, &record);
    }
    aggregate(&message)
}

fn push_bytes(message: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    message.push(tag);
    push_varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

fn push_varint(message: &mut Vec<u8>, value: u64) {
    let mut rest = value;
    while rest >= 0x80 {
        message.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    message.push(rest.to_le_bytes()[0]);
}
