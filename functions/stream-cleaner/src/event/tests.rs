use proptest::prelude::*;
use serde_json::json;

use super::*;

fn event(timestamp: &str) -> String {
    format!(
        r#"{{"Records": [{{"eventID": "shardId-000000000000:1", "kinesis": {{"partitionKey": "pin/1",
            "sequenceNumber": "1", "data": "e30=", "approximateArrivalTimestamp": {timestamp}}}}}]}}"#
    )
}

#[test]
fn the_time_of_arrival_is_exact_to_the_millisecond() {
    for (timestamp, micros) in [
        ("1607497475", 1_607_497_475_000_000),
        ("1607497475.000", 1_607_497_475_000_000),
        ("1607497475.12", 1_607_497_475_120_000),
        ("1607497475.005", 1_607_497_475_005_000),
        ("1607497475.999", 1_607_497_475_999_000),
        ("1.607497475123E9", 1_607_497_475_123_000),
    ] {
        let event: KinesisEvent = serde_json::from_str(&event(timestamp)).unwrap();
        let arrivals: Vec<_> = event
            .records()
            .map(|record| record.arrival_micros)
            .collect();
        assert_eq!(arrivals, [micros], "{timestamp}");
    }
}

#[test]
fn parts_may_come_in_any_order_and_escaped_and_a_missing_one_is_named() {
    let json = r#"{"x": [1, {"y": "\u00e9"}], "Records": [{"kinesis": {"data": "e30\u003d", "approximateArrivalTimestamp": 1,
        "sequenceNumber": "1", "partitionKey": "\u0061\"b", "kinesisSchemaVersion": "1.0"}, "eventID": "shardId-7:1"}]}"#;
    let event: KinesisEvent = serde_json::from_str(json).unwrap();
    let records: Vec<_> = event.records().collect();
    let expected = EventRecord {
        shard: "shardId-7",
        sequence: "1",
        partition_key: "a\"b",
        data: b"{}",
        arrival_micros: 1_000_000,
    };
    assert_eq!(records, [expected]);
    let mut again = KinesisEvent::default();
    again.push(&expected);
    assert_eq!(again.records().next(), Some(expected));
    for (json, error) in [
        ("{}", "missing field `Records`"),
        (
            r#"{"Records": [{"eventID": "a:1"}]}"#,
            "missing field `kinesis`",
        ),
        (
            r#"{"Records": [{"kinesis": {"data": "?"}}]}"#,
            "`data` is not base64",
        ),
        (
            r#"{"Records": [{"kinesis": {"data": ""}}]}"#,
            "missing field `sequenceNumber`",
        ),
        (r#"{"Records": 7}"#, "`Records` is not a list of records"),
        (r#"{"Records": [7]}"#, "`Records` is not a list of objects"),
        ("[]", "`the event` is not an object"),
        (
            r#"{"Records": [{"kinesis": {"data": null}}]}"#,
            "`data` is not text",
        ),
        (
            r#"{"Records": [{"kinesis": {"approximateArrivalTimestamp": "1"}}]}"#,
            "`approximateArrivalTimestamp` is not a number",
        ),
        (r#"{"Records": [{"kinesis": {}]}"#, "expected"),
    ] {
        let found = serde_json::from_str::<KinesisEvent>(json)
            .unwrap_err()
            .to_string();
        assert!(found.contains(error), "{found}");
    }
}

/// Any JSON, three levels deep.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<f64>().prop_map(|value| json!(value)),
        any::<String>().prop_map(|value| json!(value)),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|values| json!(values)),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|values| json!(values)),
        ]
    })
}

proptest! {
    #[test]
    fn what_lambda_adds_to_an_event_changes_no_record(
        others in prop::collection::vec((any::<String>(), json()), 4),
        records in prop::collection::vec((any::<String>(), any::<Vec<u8>>(), any::<u32>()), 0..4),
        is_pretty in any::<bool>(),
    ) {
        let with = |mut of: serde_json::Map<String, serde_json::Value>, place: usize| {
            of.entry(others[place].0.clone()).or_insert(others[place].1.clone());
            of.into()
        };
        let list: Vec<serde_json::Value> = records.iter().enumerate().map(|(number, (key, data, millis))| {
            let kinesis = serde_json::Map::from_iter([
                ("partitionKey".to_owned(), json!(key)),
                ("sequenceNumber".to_owned(), json!(number.to_string())),
                ("data".to_owned(), json!(STANDARD.encode_to_string(data))),
                ("approximateArrivalTimestamp".to_owned(), json!(f64::from(*millis) / 1000.0)),
            ]);
            let name = json!(format!("shardId-{}:{number}", number / 2));
            let record = serde_json::Map::from_iter([
                ("kinesis".to_owned(), with(kinesis, number % 2)),
                ("eventID".to_owned(), name),
            ]);
            with(record, 2)
        }).collect();
        let event = with(serde_json::Map::from_iter([("Records".to_owned(), json!(list))]), 3);
        let text = if is_pretty { serde_json::to_string_pretty(&event) } else { serde_json::to_string(&event) };
        let read: KinesisEvent = serde_json::from_str(&text.unwrap()).unwrap();
        prop_assert_eq!(read.len(), records.len());
        for (number, (record, (key, data, millis))) in read.records().zip(&records).enumerate() {
            prop_assert_eq!(record.shard, format!("shardId-{}", number / 2));
            prop_assert_eq!(record.sequence, number.to_string());
            prop_assert_eq!(record.partition_key, key);
            prop_assert_eq!(record.data, data.as_slice());
            prop_assert_eq!(record.arrival_micros, i64::from(*millis) * 1000);
        }
    }
}

#[test]
fn an_event_that_is_cut_or_spoiled_is_no_event() {
    let json = event("1607497475.12");
    assert_eq!(KinesisEvent::from_json(json.as_bytes()).unwrap().len(), 1);
    for end in 0..json.len() {
        let cut = &json.as_bytes()[..end];
        assert!(KinesisEvent::from_json(cut).is_err(), "{end}");
    }
    for (spoiled, error) in [
        (&b"\xff"[..], "`the event` is not an object"),
        (
            b"{\"Records\": [{\"kinesis\": {\"partitionKey\": \"\xff\"}}]}",
            "`partitionKey` is not text",
        ),
    ] {
        let found = KinesisEvent::from_json(spoiled).unwrap_err();
        assert_eq!(found.to_string(), error);
    }
}

proptest! {
    #[test]
    fn any_text_comes_to_an_end(text in r#"[\[\]{}":,\\a0 ]{0,60}"#) {
        let _ = KinesisEvent::from_json(text.as_bytes());
        let inside = format!(r#"{{"Records":[{{"kinesis":{text}"#);
        let _ = KinesisEvent::from_json(inside.as_bytes());
    }
}

#[test]
fn the_published_type_still_misreads_the_fraction() {
    let event: aws_lambda_events::event::kinesis::KinesisEvent =
        serde_json::from_str(&event("1607497475.12")).unwrap();
    let millis = event.records[0]
        .kinesis
        .approximate_arrival_timestamp
        .timestamp_subsec_millis();
    assert_eq!(
        millis, 12,
        "120 would be right: then this module can give way to the published type"
    );
}
