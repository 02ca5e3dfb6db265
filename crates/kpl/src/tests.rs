use proptest::prelude::*;

use super::*;
use crate::encode::aggregate;

/// Made by `aws-kinesis-agg` 1.2.3, the Python library, of two records with the key `k`, the second with the explicit
/// hash key `123`.
const PUBLISHED: &[u8] =
    b"\xf3\x89\x9a\xc2\x0a\x01k\x12\x03123\x1a\x08\x08\x00\x1a\x04data\x1a\x0b\x08\x00\x10\x00\x1a\x05data2\
      \xaa\x5cpQ^\x18\x13\xfb\x0c\xa4\xe1\xa3\xc8h\xe9p";

fn user_record<'a>(partition_key: &'a str, data: &'a [u8]) -> UserRecord<'a> {
    UserRecord {
        partition_key,
        data,
    }
}

#[test]
fn an_aggregate_of_the_published_library_is_taken_apart() {
    let expected = vec![user_record("k", b"data"), user_record("k", b"data2")];
    assert_eq!(read(PUBLISHED), Some(Ok(expected)));
}

#[test]
fn the_tables_may_stand_behind_and_what_is_unknown_is_skipped() {
    for message in [
        b"\x1a\x05\x08\x01\x1a\x01x\x0a\x01a\x0a\x01b".as_slice(),
        // Tags, and fields that the format does not have.
        b"\x0a\x01a\x0a\x01b\x1a\x0c\x08\x01\x1a\x01x\x22\x03\x0a\x01t\x28\x07",
        b"\x48\x01\x0a\x01a\x0a\x01b\x4b\x4c\x1a\x05\x08\x01\x1a\x01x",
        // The last of a repeated field counts.
        b"\x0a\x01a\x0a\x01b\x1a\x0a\x08\x07\x1a\x01y\x08\x01\x1a\x01x",
    ] {
        let expected = vec![user_record("b", b"x")];
        assert_eq!(read(&aggregate(message)), Some(Ok(expected)), "{message:?}");
    }
}

#[test]
fn other_records_are_no_aggregates() {
    for data in [b"".as_slice(), b"{}", &MAGIC[..3], &PUBLISHED[1..]] {
        assert_eq!(read(data), None);
    }
}

#[test]
fn damage_is_told_by_its_reason() {
    let mut flipped = PUBLISHED.to_vec();
    flipped[20] ^= 1;
    let longest = encode(&[("é".repeat(256).as_str(), b"")]);
    assert!(read(&longest).unwrap().is_ok());
    let too_long = encode(&[("k".repeat(257).as_str(), b"")]);
    for (data, reason) in [
        (MAGIC.to_vec(), "it breaks off before its checksum"),
        (
            PUBLISHED[..19].to_vec(),
            "it breaks off before its checksum",
        ),
        (
            PUBLISHED[..PUBLISHED.len() - 1].to_vec(),
            "its MD5 checksum does not fit its contents",
        ),
        (flipped, "its MD5 checksum does not fit its contents"),
        (aggregate(b""), "it holds no user record"),
        (aggregate(b"\x0a\x01k"), "it holds no user record"),
        (
            // Records of another wire type are unknown.
            aggregate(b"\x0a\x01k\x18\x01"),
            "it holds no user record",
        ),
        (
            aggregate(b"\x0a\x05k"),
            "its contents are not a protobuf message",
        ),
        (
            aggregate(b"\x0a\x01k\x1a\x05\x08\x00\x1a\x00"),
            "its contents are not a protobuf message",
        ),
        (
            aggregate(b"\x0a\x01k\x0a\x01\xff\x1a\x04\x08\x00\x1a\x00"),
            "its partition key 1 is not UTF-8",
        ),
        (
            too_long,
            "its partition key 0 is longer than 256 characters",
        ),
        (
            aggregate(b"\x0a\x01k\x1a\x04\x08\x00\x1a\x00\x1a\x04\x08\x00\x1a\x01"),
            "its user record 1 is not a protobuf message",
        ),
        (
            aggregate(b"\x0a\x01k\x1a\x02\x1a\x00"),
            "its user record 0 has no partition_key_index",
        ),
        (
            aggregate(b"\x0a\x01k\x1a\x02\x08\x00"),
            "its user record 0 has no data",
        ),
        (
            aggregate(b"\x0a\x01k\x1a\x04\x08\x01\x1a\x00"),
            "its user record 0 has the partition_key_index 1, and the table has 1 entries",
        ),
        (
            aggregate(b"\x1a\x0d\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x1a\x00"),
            "its user record 0 has the partition_key_index 18446744073709551615, and the table has 0 entries",
        ),
        (
            aggregate(b"\x0a\x01k\x12\x010\x1a\x06\x08\x00\x10\x01\x1a\x00"),
            "its user record 0 has the explicit_hash_key_index 1, and the table has 1 entries",
        ),
    ] {
        let damage = read(&data).unwrap().unwrap_err();
        assert_eq!(damage.to_string(), reason, "{data:?}");
    }
}

#[test]
fn the_most_records_that_fit_are_taken_apart() {
    let message = [
        b"\x0a\x00".as_slice(),
        &b"\x1a\x04\x08\x00\x1a\x00".repeat(170_000),
    ]
    .concat();
    assert_eq!(read(&aggregate(&message)).unwrap().unwrap().len(), 170_000);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        message in prop_oneof![
            any::<Vec<u8>>(),
            // Bytes that are frequent in messages, so that it gets far.
            proptest::collection::vec(
                proptest::sample::select(b"\x00\x01\x02\x04\x06\x08\x0a\x0b\x0c\x10\x12\x1a\x22\x80\xff".to_vec()),
                0..60,
            ),
        ],
    ) {
        let data = aggregate(&message);
        if let Some(Ok(user_records)) = read(&data) {
            let bytes: usize = user_records.iter().map(|user_record| user_record.data.len()).sum();
            prop_assert!(bytes + user_records.len() * 6 <= message.len());
        }
        let _ = read(&data[..data.len() / 2]);
    }

    #[test]
    fn what_is_packed_is_taken_apart(records in proptest::collection::vec((".{0,9}", any::<Vec<u8>>()), 1..9)) {
        let packed: Vec<_> = records.iter().map(|(key, data)| (key.as_str(), data.as_slice())).collect();
        let expected = packed.iter().map(|(key, data)| user_record(key, data)).collect();
        let aggregate = encode(&packed);
        prop_assert_eq!(read(&aggregate), Some(Ok(expected)));
    }

    #[test]
    fn a_change_of_the_published_librarys_bytes_never_panics(
        place in 0..PUBLISHED.len() - MD5_BYTES - MAGIC.len(), byte in any::<u8>(),
    ) {
        let mut message = PUBLISHED[MAGIC.len()..PUBLISHED.len() - MD5_BYTES].to_vec();
        message[place] = byte;
        prop_assert!(read(&aggregate(&message)).is_some());
    }
}
