use lake::Sequence;
use lake::quarantine::read_quarantine;
use lake::reader::read_positions;
use proptest::prelude::*;
use std::sync::LazyLock;

use super::*;

static SHARD: LazyLock<ShardId> = LazyLock::new(|| ShardId::from_number(0));
const ARRIVAL: i64 = 1_598_586_767_000_000;

fn record<'a>(sequence: &'a str, partition_key: &'a str, data: &'a [u8]) -> Record<'a> {
    Record {
        shard: &SHARD,
        sequence,
        partition_key,
        arrival_micros: ARRIVAL,
        data,
    }
}

#[test]
fn a_batch_becomes_one_object_of_each_kind_and_one_of_quarantine() {
    let records = [
        record("1", "user/1", br#"{"ind": 1, "first_name": "Ada"}"#),
        record("2", "pin/1", br#"{"index": 1, "category": "art"}"#),
        record("3", "x", b"[]"),
        record("4", "user/2", br#"{"ind": 2, "first_name": "Grace"}"#),
        record("5", "geo/1", br#"{"ind": 1, "latitude": 1}"#),
        record("6", "x", b"{"),
    ];
    let objects = prepare(&model::Model::load_from(None).unwrap(), &records)
        .unwrap()
        .objects;
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
        .map(|position| position.sequence)
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
        record("1", "user/1", row),
        record("2", "x", b"[]"),
        record("3", "user/1", row),
        record("4", "x", b"[]"),
    ];
    for (record, hours) in records.iter_mut().zip([0, 0, 1, 24]) {
        record.arrival_micros += hours * hour;
    }
    let keys: Vec<_> = prepare(&model::Model::load_from(None).unwrap(), &records)
        .unwrap()
        .objects
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

#[test]
fn the_user_records_of_an_aggregate_are_records_of_their_own() {
    let row = br#"{"ind": 1}"#;
    let aggregate = kpl::encode(&[
        ("geo/1", row),
        ("user/1", row),
        ("pin/1", b"[]"),
        ("geo/1", row),
    ]);
    let mut damaged = aggregate.clone();
    damaged.pop();
    let records = [
        record("1", "user/1", row),
        record("2", "pin/7", &aggregate),
        record("3", "pin/7", &damaged),
        record("4", "geo/1", row),
    ];
    let batch = prepare(&model::Model::load_from(None).unwrap(), &records).unwrap();
    assert_eq!(batch.user_records, 7);
    let objects: Vec<_> = batch
        .objects
        .iter()
        .map(|object| (object.key.to_string(), object.first_record))
        .collect();
    let name = "shardId-000000000000-1-4";
    let hour = "date=2020-08-28/hour=03";
    assert_eq!(
        objects,
        [
            (format!("clean/user/{hour}/{name}.parquet"), 0),
            (format!("clean/geo/{hour}/{name}.parquet"), 1),
            (format!("quarantine/date=2020-08-28/{name}.ndjson.gz"), 1),
        ]
    );
    let sequences = |object: &PreparedObject| -> Vec<String> {
        let positions = read_positions(object.body.clone()).unwrap();
        positions
            .into_iter()
            .map(|position| position.sequence)
            .collect()
    };
    assert_eq!(sequences(&batch.objects[0]), ["1", "2:1"]);
    assert_eq!(sequences(&batch.objects[1]), ["2:0", "2:3", "4"]);
    let lines = read_quarantine(&batch.objects[2].body).unwrap();
    let lines: Vec<_> = lines
        .iter()
        .map(|line| {
            let place = (line.sequence_number.as_str(), line.partition_key.as_str());
            (place, line.code.as_str(), line.payload().unwrap())
        })
        .collect();
    assert_eq!(
        lines,
        [
            (("2:2", "pin/1"), "not_an_object", b"[]".to_vec()),
            (("3", "pin/7"), "damaged_aggregate", damaged.clone()),
        ]
    );
}

#[test]
fn an_aggregate_in_an_aggregate_is_not_taken_apart() {
    let inner = kpl::encode(&[("user/1", br#"{"ind": 1}"#)]);
    let outer = kpl::encode(&[("user/1", &inner)]);
    let objects = prepare(
        &model::Model::load_from(None).unwrap(),
        &[record("1", "x", &outer)],
    )
    .unwrap()
    .objects;
    let lines = read_quarantine(&objects[0].body).unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (lines[0].sequence_number.as_str(), lines[0].code.as_str()),
        ("1:0", "not_utf8")
    );
    assert_eq!(lines[0].payload().unwrap(), inner);
}

#[test]
fn one_bad_row_of_a_packed_record_is_rejected_alone() {
    let [ada, pin] = [
        r#"{"ind": 1, "first_name": "Ada"}"#,
        r#"{"index": 2, "category": "art"}"#,
    ];
    let lines = format!("{ada}\n{{\"ind\": NaN}}\n\n{pin}\n");
    let array = format!("[{ada}, null, {pin}]");
    let nested = kpl::encode(&[("x", pin.as_bytes()), ("x", array.as_bytes())]);
    let records = [
        record("1", "x", lines.as_bytes()),
        record("2", "x", array.as_bytes()),
        record("3", "x", &nested),
        record("4", "x", b"[]"),
        record("5", "x", b"\n\n"),
    ];
    let batch = prepare(&model::Model::load_from(None).unwrap(), &records).unwrap();
    let sequences = |object: &PreparedObject| -> Vec<String> {
        match object.contents {
            Contents::Rows { .. } => {
                let positions = read_positions(object.body.clone()).unwrap();
                positions
                    .into_iter()
                    .map(|position| position.sequence)
                    .collect()
            }
            Contents::Rejected(_) => {
                let lines = read_quarantine(&object.body).unwrap();
                lines.into_iter().map(|line| line.sequence_number).collect()
            }
        }
    };
    let objects: Vec<_> = batch.objects.iter().map(sequences).collect();
    assert_eq!(
        objects,
        [
            vec!["1:0", "2:0", "3:1.0"],
            vec!["1:2", "2:2", "3:0", "3:1.2"],
            vec!["1:1", "2:1", "3:1.1", "4", "5"],
        ]
    );
    assert_eq!(batch.user_records, 12);
}

#[test]
fn a_record_of_many_bad_rows_has_one_line_and_keeps_the_good_ones() {
    let good = r#"{"ind": 1, "first_name": "Ada"}"#;
    let rows = |bad: usize| format!("{good}\n{}", "{\"ind\": 1}\n".repeat(bad));
    for (bad, lines) in [
        (REJECTED_PIECES_MAX, REJECTED_PIECES_MAX),
        (REJECTED_PIECES_MAX + 1, 1),
        (50_000, 1),
    ] {
        let data = rows(bad);
        let batch = prepare(
            &model::Model::load_from(None).unwrap(),
            &[record("1", "x", data.as_bytes())],
        )
        .unwrap();
        assert_eq!(batch.user_records, bad as u64 + 1);
        let [clean, quarantine] = batch.objects.as_slice() else {
            panic!("two objects")
        };
        assert_eq!(read_positions(clean.body.clone()).unwrap().len(), 1);
        let found = read_quarantine(&quarantine.body).unwrap();
        assert_eq!(found.len(), lines);
        if lines == 1 {
            assert_eq!(found[0].sequence_number, "1");
            assert_eq!(found[0].payload().unwrap(), data.as_bytes());
            assert_eq!(found[0].code, "unknown_kind");
            let counts = format!(
                "{bad} of the record's {} rows are rejected; the first: ",
                bad + 1
            );
            assert!(
                found[0].message.starts_with(&counts),
                "{}",
                found[0].message
            );
        }
    }
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    // Bytes that are not several values, as `0{` are: broken JSON ends at a line that begins a value.
    let bytes = any::<Vec<u8>>().prop_map(|mut bytes| {
        bytes.retain(|byte| !byte.is_ascii_whitespace());
        bytes.insert(0, b'!');
        bytes
    });
    prop_oneof![
        bytes,
        any::<i64>()
            .prop_map(|ind| format!("{{\"ind\": {ind}, \"first_name\": \"A\"}}").into_bytes()),
        any::<i64>()
            .prop_map(|ind| format!("{{\"index\": {ind}, \"category\": \"a\"}}").into_bytes()),
        any::<bool>().prop_map(|flag| format!("{{\"ind\": {flag}, \"latitude\": 1}}").into_bytes()),
    ]
}

/// The payloads of a record: one of its own, or those of an aggregate.
fn payloads() -> impl Strategy<Value = (bool, Vec<Vec<u8>>)> {
    prop_oneof![
        3 => payload().prop_map(|payload| (false, vec![payload])),
        1 => proptest::collection::vec(payload(), 1..5).prop_map(|payloads| (true, payloads)),
    ]
}

proptest! {
    #[test]
    fn every_user_record_is_in_exactly_one_object_and_the_same_batch_gives_the_same_objects(
        batch in proptest::collection::vec(payloads(), 0..30),
        key in "(pin|geo|user|x)/.{0,3}",
    ) {
        let mut expected: Vec<Sequence> = Vec::new();
        let mut data = Vec::new();
        for (number, (is_aggregate, payloads)) in (1_u64..).zip(&batch) {
            let number = number.to_string();
            if *is_aggregate {
                let sub_numbers = 0..payloads.len();
                expected.extend(sub_numbers.map(|sub| format!("{number}:{sub}").parse::<Sequence>().unwrap()));
                let packed: Vec<_> = payloads.iter().map(|payload| (key.as_str(), payload.as_slice())).collect();
                data.push((number, kpl::encode(&packed)));
            } else {
                expected.push(number.parse().unwrap());
                data.push((number, payloads[0].clone()));
            }
        }
        let records: Vec<_> = data
            .iter()
            .map(|(number, data)| record(number, &key, data))
            .collect();
        let PreparedBatch { user_records, objects } = prepare(&model::Model::load_from(None).unwrap(), &records).unwrap();
        prop_assert_eq!(user_records, expected.len() as u64);
        let mut found: Vec<Sequence> = Vec::new();
        for object in &objects {
            let in_object: Vec<Sequence> = match &object.contents {
                Contents::Rows { rows, .. } => {
                    let positions = read_positions(object.body.clone()).unwrap();
                    prop_assert_eq!(positions.len(), *rows);
                    positions.into_iter().map(|position| position.sequence.parse().unwrap()).collect()
                }
                Contents::Rejected(codes) => {
                    let lines = read_quarantine(&object.body).unwrap();
                    prop_assert_eq!(lines.len(), codes.len());
                    lines.into_iter().map(|line| line.sequence_number.parse().unwrap()).collect()
                }
            };
            prop_assert!(in_object.is_sorted());
            let first = SequenceNumber::from_limbs([0, 0, object.first_record as u64 + 1]);
            prop_assert_eq!(in_object[0].number, first);
            found.extend(in_object);
        }
        found.sort_unstable();
        prop_assert_eq!(found, expected);
        let accounted: u64 = objects.iter().map(|object| object.positions.total()).sum();
        prop_assert_eq!(accounted, records.len() as u64);

        let again = prepare(&model::Model::load_from(None).unwrap(), &records).unwrap().objects;
        for (left, right) in objects.iter().zip(&again) {
            prop_assert_eq!(&left.key, &right.key);
            prop_assert_eq!(&left.body, &right.body);
        }
    }
}
