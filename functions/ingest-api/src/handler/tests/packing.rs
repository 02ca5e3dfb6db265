//! Rows that share a record: each is cleaned as its own record would have been, at the position that its client received.

use std::io::Read as _;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};

use cleaning::{Cleaner, KindSource, Piece, RuleCounts, clean_record};
use event_model::PartitionKey;
use flate2::read::GzDecoder;
use model::Model;
use proptest::prelude::*;

use super::*;
use crate::Packing;

fn packing(keys: u16, is_compressed: bool) -> Packing {
    Packing {
        partition_keys: NonZeroU16::new(keys).unwrap(),
        is_compressed,
    }
}

/// A record as it is on the stream: its key, its data, and the number in its row's answer.
type Put = (String, Vec<u8>, u64);

/// Sends a request to an app that packs, whose stream stores or fails each record as `failure` says.
async fn put(
    packing: Option<Packing>,
    asked: Asked<'_>,
    failure: impl Fn(u64) -> Option<&'static str> + Send + Sync + 'static,
) -> (Answer, Vec<Put>) {
    let records = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&records);
    let rule = mock!(Client::put_records).then_compute_output(move |input: &PutRecordsInput| {
        let mut kept = kept.lock().unwrap();
        let entries = input.records().iter().map(|record| {
            let number = kept.len() as u64;
            let (key, data) = (record.partition_key(), record.data().as_ref().to_vec());
            kept.push((key.unwrap_or_default().to_owned(), data, number));
            failure(number).map_or_else(|| stored(number), failed)
        });
        output(entries.collect())
    });
    let mut app = app(&[&rule]);
    app.config.packing = packing;
    app.config.patience = Duration::ZERO;
    let (method, path, content_type, body) = asked;
    let answer = send(&app, request(method, path, content_type, body)).await;
    let records = records.lock().unwrap().clone();
    (answer, records)
}

async fn put_all(packing: Option<Packing>, asked: Asked<'_>) -> (Answer, Vec<Put>) {
    put(packing, asked, |_| None).await
}

/// What cleaning makes of the records: for each row the sub-number and either its table and its columns as JSON, or why it is none.
fn cleaned(records: &[Put]) -> Vec<(String, String)> {
    let mut cleaner = Cleaner::new(Model::load_from(None).unwrap());
    let mut rows = Vec::new();
    for (key, data, number) in records {
        let mut each = |piece: Piece<'_, '_>| {
            let place = piece.sub_number.map(|place| format!(":{place}"));
            let row = match piece.outcome {
                Ok(row) => {
                    let columns = row.clean(&mut RuleCounts::default());
                    format!("{} {}", row.kind(), columns.to_json())
                }
                Err(rejection) => rejection.code.as_str().to_owned(),
            };
            rows.push((format!("{number}{}", place.unwrap_or_default()), row));
            Ok::<_, std::convert::Infallible>(())
        };
        let source = KindSource::PartitionKey;
        let Ok(()) = clean_record(&mut cleaner, data, key, None, source, &mut each);
    }
    rows
}

/// The positions of an answer's rows, as the lineage columns spell them.
fn positions(answer: &Answer) -> Vec<String> {
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let position = |result: &serde_json::Value| {
        let number = result["sequence_number"].as_str().unwrap();
        match result.get("sub_number") {
            Some(place) => format!("{number}:{place}"),
            None => number.to_owned(),
        }
    };
    let results = body["results"].as_array().unwrap();
    results.iter().map(position).collect()
}

/// Rows of any table, odd ones among them, as a client may write them.
fn rows() -> impl Strategy<Value = Vec<String>> {
    let row = prop_oneof![
        6 => (0..40_i64, "[a-zé\u{1f600}\\\\n]{0,9}").prop_map(|(ind, title)| {
            json!({"index": ind, "title": title, "category": "art"}).to_string()
        }),
        2 => (0..40_i64).prop_map(|ind| format!("{{\r\n  \"ind\": {ind},\n  \"country\": \"Chad\",\r  \"latitude\": 1.5\n}}")),
        1 => Just("{}".to_owned()),
        1 => Just(r#"{"ind": 5}"#.to_owned()),
        1 => Just(r#"{"category": "no key"}"#.to_owned()),
        1 => Just(r#"{"x": [1, {"y": "a\nb"}], "ind": "7"}"#.to_owned()),
    ];
    proptest::collection::vec(row, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_packed_row_is_cleaned_as_its_own_record_is(
        rows in rows(),
        keys in 1..20_u16,
        is_compressed in any::<bool>(),
        kind in proptest::sample::select(vec!["pin", "geo", "user"]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let body = format!("[{}]", rows.join(","));
        let path = format!("/events/{kind}");
        let asked = ("POST", path.as_str(), JSON, body.as_str());
        let (answer, alone) = runtime.block_on(put_all(None, asked));
        let expected: Vec<_> = cleaned(&alone).into_iter().map(|(_, row)| row).collect();
        prop_assert_eq!(answer.status, 200);

        let (answer, packed) = runtime.block_on(put_all(Some(packing(keys, is_compressed)), asked));
        prop_assert!(packed.len() <= usize::from(keys));
        let found = cleaned(&packed);
        prop_assert_eq!(found.len(), rows.len());
        let positions = positions(&answer);
        for (position, row) in positions.iter().zip(&expected) {
            let place = found.iter().find(|(place, _)| place == position);
            prop_assert_eq!(place.map(|(_, row)| row), Some(row), "{} of {:?}", position, packed);
        }
        // The versions of a row are in one record, in their order.
        for (key, _, _) in &packed {
            prop_assert_eq!(packed.iter().filter(|(other, ..)| other == key).count(), 1);
        }
    }
}

/// A request of pins with these keys.
fn pins(inds: impl IntoIterator<Item = u64>) -> String {
    let rows: Vec<_> = inds
        .into_iter()
        .map(|ind| json!({"index": ind, "title": "t"}).to_string())
        .collect();
    format!("[{}]", rows.join(","))
}

#[tokio::test]
async fn a_row_a_line_and_a_key_that_names_the_table() {
    let body = "[{\"index\": 1,\n\"title\": \"a\"},{\"index\": 1, \"title\": \"b\"}]";
    let (answer, records) = put_all(Some(packing(1, false)), native(body)).await;
    assert_eq!(
        answer.body,
        r#"{"accepted":2,"failed":0,"results":[{"shard":"shardId-000000000001","sequence_number":"0","sub_number":0},{"shard":"shardId-000000000001","sequence_number":"0","sub_number":1}]}"#
    );
    let [(key, data, _)] = &records[..] else {
        panic!("{records:?}")
    };
    assert_eq!(key, "pin/0-of-1");
    assert_eq!(
        str::from_utf8(data).unwrap(),
        "{\"index\": 1, \"title\": \"a\"}\n{\"index\": 1, \"title\": \"b\"}"
    );
}

#[tokio::test]
async fn a_row_alone_is_a_record_under_the_key_that_it_shares_with_others() {
    for wire in [
        native(r#"{"index": 7}"#),
        record(r#"{"Data": {"index": 7}, "PartitionKey": "pin"}"#),
        kafka(r#"{"records": [{"value": {"index": 7}}]}"#),
    ] {
        let (answer, records) = put_all(Some(packing(8, true)), wire).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(!answer.body.contains("sub_number"), "{}", answer.body);
        let own = PartitionKey::new(Some(Kind::named("pin")), Some(&7.into()), b"");
        let shared = own.packed(NonZeroU16::new(8).unwrap());
        assert_eq!(
            records,
            [(shared.to_string(), br#"{"index": 7}"#.to_vec(), 0)]
        );
    }
}

#[tokio::test]
async fn the_old_wire_formats_have_a_position_for_each_record() {
    let body = r#"{"records": [{"value": {"index": 1}}, {"value": {"index": 1}}]}"#;
    let (answer, records) = put_all(Some(packing(1, false)), kafka(body)).await;
    assert_eq!((answer.status, records.len()), (200, 2));
    let body = r#"{"records": [{"data": {"index": 1}}, {"data": {"index": 1}}]}"#;
    let (answer, records) = put_all(Some(packing(1, false)), super::records(body)).await;
    assert_eq!((answer.status, records.len()), (200, 2));
}

#[tokio::test]
async fn each_row_of_a_record_that_fails_has_failed() {
    let body = pins(0..20);
    let packing = Some(packing(2, false));
    let failure = |number| (number == 1).then_some("InternalFailure");
    let (answer, records) = put(packing, native(&body), failure).await;
    assert_eq!((answer.status, records.len()), (207, 2));
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let lost = records[1].1.split(|byte| *byte == b'\n').count();
    assert!(lost > 0 && lost < 20);
    assert_eq!(body["failed"], lost);
    assert_eq!(body["accepted"], 20 - lost);
}

#[tokio::test]
async fn what_is_no_row_costs_none_that_it_would_share_a_record_with() {
    let body = r#"[{"index": 1}, "no row", {"index": 2}, {"index": 1e99999999999}]"#;
    let (answer, records) = put_all(Some(packing(1, false)), native(body)).await;
    assert_eq!(answer.status, 207, "{}", answer.body);
    let results: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(results["accepted"], 3);
    assert_eq!(results["results"][1]["retryable"], false);
    assert_eq!(results["results"][2]["sub_number"], 1);
    assert_eq!(records.len(), 1);
}

#[tokio::test]
async fn records_are_no_larger_than_is_good_for_them() {
    let title = "x".repeat(30_000);
    let rows: Vec<_> = (0..10)
        .map(|ind| format!(r#"{{"index":{ind},"title":"{title}"}}"#))
        .collect();
    let body = format!("[{}]", rows.join(","));
    let (_, records) = put_all(Some(packing(1, false)), native(&body)).await;
    assert_eq!(records.len(), 4, "three rows of 30 kB fit into 100 KiB");
    let lengths = records.iter().map(|(_, data, _)| data.len());
    assert!(lengths.clone().all(|length| length <= 102_400));

    let (answer, records) = put_all(Some(packing(1, true)), native(&body)).await;
    let [(_, data, _)] = &records[..] else {
        panic!("{}", records.len())
    };
    let mut lines = String::new();
    GzDecoder::new(&data[..])
        .read_to_string(&mut lines)
        .unwrap();
    assert_eq!(lines, rows.join("\n"));
    assert_eq!(positions(&answer).last().unwrap(), "0:9");

    // What does not shrink stays as it is.
    let (_, records) = put_all(Some(packing(1, true)), native(r#"[{"index":1}]"#)).await;
    assert_eq!(records[0].1, br#"{"index":1}"#);
}
