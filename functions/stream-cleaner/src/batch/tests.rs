use lake::quarantine::read_quarantine;
use lake::reader::read_positions;
use proptest::prelude::*;

use super::*;

const ARRIVAL: i64 = 1_598_586_767_000_000;

/// A record with the sequence number `number`.
fn record<'a>(
    number: u64,
    sequence: &'a str,
    partition_key: &'a str,
    data: &'a [u8],
) -> Record<'a> {
    Record {
        shard: ShardId::from_number(0),
        sequence,
        sequence_number: SequenceNumber::from_limbs([0, 0, number]),
        partition_key,
        arrival_micros: ARRIVAL,
        data,
    }
}

#[test]
fn a_batch_becomes_one_object_of_each_kind_and_one_of_quarantine() {
    let records = [
        record(1, "1", "user/1", br#"{"ind": 1, "first_name": "Ada"}"#),
        record(2, "2", "pin/1", br#"{"index": 1, "category": "art"}"#),
        record(3, "3", "x", b"[]"),
        record(4, "4", "user/2", br#"{"ind": 2, "first_name": "Grace"}"#),
        record(5, "5", "geo/1", br#"{"ind": 1, "latitude": 1}"#),
        record(6, "6", "x", b"{"),
    ];
    let objects = prepare(&records).unwrap();
    let name = "shardId-000000000000-1-6";
    let keys: Vec<_> = objects
        .iter()
        .map(|object| (object.key.to_string(), object.first_record))
        .collect();
    assert_eq!(
        keys,
        [
            (
                format!("clean/user/date=2020-08-28/hour=03/{name}.parquet"),
                0
            ),
            (
                format!("clean/pin/date=2020-08-28/hour=03/{name}.parquet"),
                1
            ),
            (format!("quarantine/date=2020-08-28/{name}.ndjson.gz"), 2),
            (
                format!("clean/geo/date=2020-08-28/hour=03/{name}.parquet"),
                4
            ),
        ]
    );
    let sequences: Vec<_> = read_positions(objects[0].body.clone())
        .unwrap()
        .into_iter()
        .map(|(_, sequence)| sequence)
        .collect();
    assert_eq!(sequences, ["1", "4"]);
    let quarantined = read_quarantine(&objects[2].body).unwrap();
    assert_eq!(
        quarantined
            .iter()
            .map(|line| line.code.as_str())
            .collect::<Vec<_>>(),
        ["not_an_object", "not_json"]
    );
}

#[test]
fn a_row_stands_in_the_partition_of_its_own_arrival() {
    let hour = 3_600_000_000;
    let row = br#"{"ind": 1, "first_name": "Ada"}"#;
    let mut records = [
        record(1, "1", "user/1", row),
        record(2, "2", "x", b"[]"),
        record(3, "3", "user/1", row),
        record(4, "4", "x", b"[]"),
    ];
    for (record, hours) in records.iter_mut().zip([0, 0, 1, 24]) {
        record.arrival_micros += hours * hour;
    }
    let keys: Vec<_> = prepare(&records)
        .unwrap()
        .iter()
        .map(|object| object.key.to_string())
        .collect();
    let name = "shardId-000000000000-1-4";
    assert_eq!(
        keys,
        [
            format!("clean/user/date=2020-08-28/hour=03/{name}.parquet"),
            format!("quarantine/date=2020-08-28/{name}.ndjson.gz"),
            format!("clean/user/date=2020-08-28/hour=04/{name}.parquet"),
            format!("quarantine/date=2020-08-29/{name}.ndjson.gz"),
        ]
    );
}

proptest! {
    #[test]
    fn every_record_is_in_exactly_one_object_and_the_same_batch_gives_the_same_objects(
        payloads in proptest::collection::vec(
            prop_oneof![
                any::<Vec<u8>>(),
                any::<i64>().prop_map(|ind| format!("{{\"ind\": {ind}, \"first_name\": \"A\"}}").into_bytes()),
                any::<i64>().prop_map(|ind| format!("{{\"index\": {ind}, \"category\": \"a\"}}").into_bytes()),
                any::<bool>().prop_map(|flag| format!("{{\"ind\": {flag}, \"latitude\": 1}}").into_bytes()),
            ],
            0..30,
        ),
        key in "(pin|geo|user|x)/.{0,3}",
    ) {
        let sequences: Vec<String> = (0..payloads.len()).map(|index| (index + 1).to_string()).collect();
        let records: Vec<_> = payloads
            .iter()
            .zip(&sequences)
            .map(|(data, sequence)| record(sequence.parse().unwrap(), sequence, &key, data))
            .collect();
        let objects = prepare(&records).unwrap();
        let mut found: Vec<u64> = Vec::new();
        for object in &objects {
            let in_object: Vec<u64> = match &object.contents {
                Contents::Rows { rows, .. } => {
                    let positions = read_positions(object.body.clone()).unwrap();
                    prop_assert_eq!(positions.len(), *rows);
                    positions.into_iter().map(|(_, sequence)| sequence.parse().unwrap()).collect()
                }
                Contents::Rejected(codes) => {
                    let lines = read_quarantine(&object.body).unwrap();
                    prop_assert_eq!(lines.len(), codes.len());
                    lines.into_iter().map(|line| line.sequence_number.parse().unwrap()).collect()
                }
            };
            prop_assert_eq!(in_object.first().copied(), Some(object.first_record as u64 + 1));
            found.extend(in_object);
        }
        found.sort_unstable();
        prop_assert_eq!(found, (1..=payloads.len() as u64).collect::<Vec<_>>());

        let again = prepare(&records).unwrap();
        for (left, right) in objects.iter().zip(&again) {
            prop_assert_eq!(&left.key, &right.key);
            prop_assert_eq!(&left.body, &right.body);
        }
    }
}
