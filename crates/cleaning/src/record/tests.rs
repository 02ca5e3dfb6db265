use std::io::Write as _;

use proptest::prelude::*;

use super::*;

fn cleaner() -> Cleaner {
    Cleaner::new(model::Model::load_from(None).unwrap())
}

fn ind_of(row: &Row<'_, '_>) -> i64 {
    match row.key() {
        Some(event_model::KeyValue::Integer(ind)) => *ind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rows_are_packed_in_several_ways() {
    let [a, b] = [r#"{"a":1}"#, r#"{"b":[{}]}"#];
    for text in [
        format!("{a}{b}"),
        format!("{a}\n{b}\n"),
        format!("\u{feff}{a}\r\n\r\n {b}"),
        format!("[{a},{b}]"),
        format!(" [ {a} , {b} ] "),
        format!("[{a}]\n[{b}]"),
        format!("[]{a}[{b}]"),
    ] {
        assert_eq!(unpack(&text), Some(vec![a, b]), "{text}");
    }
    assert_eq!(unpack(&format!("[{a}]")), Some(vec![a]));
    assert_eq!(
        unpack(&format!("{a} null \"x\"")),
        Some(vec![a, "null", "\"x\""])
    );
}

#[test]
fn a_text_without_several_rows_is_not_packed() {
    for text in [
        "",
        " \n",
        "[]",
        "[1,2]",
        "hello world",
        "1 2 3",
        "{\"a\":",
        "{\"a\":NaN}",
        // A plain row that was cut off is rejected as it is.
        "{\"a\":1,",
        "{\"a\":[1,2]",
        "[{\"a\":NaN}]",
        "\"x\"",
        "[[]]",
    ] {
        assert_eq!(unpack(text), None, "{text}");
    }
}

#[test]
fn a_broken_row_costs_no_other() {
    for (text, expected) in [
        (
            "{\"a\":1}\n{\"b\":NaN}\n{\"c\":1}",
            vec!["{\"a\":1}", "{\"b\":NaN}", "{\"c\":1}"],
        ),
        (
            "{\n \"a\": tru,\n \"b\": 1\n}\n{\"c\":1}",
            vec!["{\n \"a\": tru,\n \"b\": 1\n}", "{\"c\":1}"],
        ),
        (
            "[{\"a\":1}, {\"b\":NaN}, {\"c\":1}]",
            vec!["{\"a\":1}", "{\"b\":NaN}, {\"c\":1}]"],
        ),
        (
            "[\n{\"a\":1},\n{\"b\":NaN},\n{\"c\":1}\n]",
            vec!["{\"a\":1}", "{\"b\":NaN},", "{\"c\":1}"],
        ),
        // Each byte of a broken row is kept.
        ("{\"a\":1}\n{\"b\":[1,2]", vec!["{\"a\":1}", "{\"b\":[1,2]"]),
        ("{\"a\":1}{\"b\"", vec!["{\"a\":1}", "{\"b\""]),
    ] {
        assert_eq!(unpack(text), Some(expected), "{text}");
    }
}

#[test]
fn rows_have_their_place_and_below_a_user_record_a_place_in_it() {
    let aggregate = kpl::encode(&[
        ("geo/1", br#"{"ind":1,"country":"a"}"#.as_slice()),
        (
            "geo/1",
            br#"[{"ind":2,"country":"b"},3,{"ind":4,"country":"c"}]"#,
        ),
        ("geo/1", b"[]"),
    ]);
    let mut cleaner = cleaner();
    let mut places = Vec::new();
    let mut each = |piece: Piece<'_, '_>| {
        let place = piece.sub_number.map(|place| place.to_string());
        let ind = piece.outcome.map(|cleaned| ind_of(&cleaned));
        places.push((
            place.unwrap_or_default(),
            ind.map_err(|rejection| rejection.code),
        ));
        Ok::<(), ()>(())
    };
    clean_record(
        &mut cleaner,
        &aggregate,
        "x",
        None,
        KindSource::PartitionKey,
        &mut each,
    )
    .unwrap();
    clean_record(
        &mut cleaner,
        b"{\"ind\":5,\"country\":\"d\"}",
        "x",
        None,
        KindSource::Fields,
        &mut each,
    )
    .unwrap();
    clean_record(&mut cleaner, b" ", "x", None, KindSource::Fields, &mut each).unwrap();
    let expected = [
        ("0", Ok(1)),
        ("1.0", Ok(2)),
        ("1.1", Err(RejectionCode::NotAnObject)),
        ("1.2", Ok(4)),
        ("2", Err(RejectionCode::NotAnObject)),
        ("", Ok(5)),
        ("", Err(RejectionCode::NotJson)),
    ];
    assert_eq!(
        places,
        expected.map(|(place, outcome)| (place.to_owned(), outcome))
    );
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Returns the places of a record's rows, and each row's key or why there is none; and the bytes that are kept of it.
fn taken_apart(data: &[u8]) -> Vec<(String, Result<i64, RejectionCode>, Vec<u8>)> {
    let mut pieces = Vec::new();
    clean_record(
        &mut cleaner(),
        data,
        "x",
        None,
        KindSource::Fields,
        &mut |piece: Piece<'_, '_>| {
            let place = piece.sub_number.map(|place| place.to_string());
            let ind = piece.outcome.map(|cleaned| ind_of(&cleaned));
            let ind = ind.map_err(|rejection| rejection.code);
            pieces.push((place.unwrap_or_default(), ind, piece.data.to_vec()));
            Ok::<(), ()>(())
        },
    )
    .unwrap();
    pieces
}

#[test]
fn compressed_records_are_read() {
    let row = br#"{"ind":1,"country":"a"}"#;
    for data in [
        gzip(row),
        zlib(row),
        [gzip(&row[..5]), gzip(&row[5..])].concat(),
    ] {
        assert_eq!(taken_apart(&data), [(String::new(), Ok(1), data.clone())]);
    }
    let two = br#"{"ind":1,"country":"a"} {"ind":2,"country":"b"}"#;
    let places: Vec<_> = taken_apart(&gzip(two))
        .into_iter()
        .map(|(place, ind, _)| (place, ind))
        .collect();
    assert_eq!(places, [("0".to_owned(), Ok(1)), ("1".to_owned(), Ok(2))]);
    // Larger than a record, of rows that are not.
    let many: Vec<u8> = two
        .iter()
        .copied()
        .cycle()
        .take(two.len() * 40_000)
        .collect();
    assert_eq!(taken_apart(&gzip(&many)).len(), 80_000);
}

#[test]
fn what_cannot_be_inflated_says_so_and_is_kept_as_it_came() {
    let row = gzip(br#"{"ind":1,"country":"a"}"#);
    let cut = row[..row.len() - 3].to_vec();
    let trailing = [&row[..], b"rubbish"].concat();
    let bomb = gzip(&vec![b' '; 11 << 20]);
    for data in [cut, trailing, bomb, vec![0x1f, 0x8b]] {
        let expected = (String::new(), Err(RejectionCode::Compressed), data.clone());
        assert_eq!(taken_apart(&data), [expected]);
    }
    // Not zlib, though it begins so.
    assert_eq!(taken_apart(b"x^2")[0].1, Err(RejectionCode::NotJson));
    // A row that is none is judged by what it inflates to.
    assert_eq!(
        taken_apart(&gzip(b"[1]"))[0].1,
        Err(RejectionCode::NotAnObject)
    );
}

#[test]
fn log_events_of_cloudwatch_are_rows() {
    let envelope = |kind: &str, messages: &[&str]| {
        let events: Vec<_> = messages
            .iter()
            .map(|message| serde_json::json!({"id": "1", "timestamp": 2, "message": message}))
            .collect();
        let envelope = serde_json::json!({
            "messageType": kind, "owner": "123456789012", "logGroup": "g", "logStream": "s",
            "subscriptionFilters": ["f"], "logEvents": events,
        });
        gzip(envelope.to_string().as_bytes())
    };
    let data = envelope(
        "DATA_MESSAGE",
        &[
            r#"{"ind":1,"country":"a\"b"}"#,
            "START RequestId: 7",
            r#"{"ind":2,"country":"c"}"#,
        ],
    );
    let pieces: Vec<_> = taken_apart(&data)
        .into_iter()
        .map(|(place, ind, _)| (place, ind))
        .collect();
    assert_eq!(
        pieces,
        [
            ("0".to_owned(), Ok(1)),
            ("1".to_owned(), Err(RejectionCode::NotJson)),
            ("2".to_owned(), Ok(2))
        ]
    );
    let control = envelope(
        "CONTROL_MESSAGE",
        &["CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."],
    );
    assert_eq!(
        taken_apart(&control)[0].1,
        Err(RejectionCode::ControlMessage)
    );
    assert!(!RejectionCode::ControlMessage.is_loss());
}

proptest! {
    #[test]
    fn every_record_has_a_piece_and_every_place_once(data in prop_oneof![
        any::<Vec<u8>>(),
        any::<Vec<u8>>().prop_map(|bytes| gzip(&bytes)),
        any::<Vec<u8>>().prop_map(|bytes| [&b"\x1f\x8b\x08"[..], &bytes].concat()),
        any::<Vec<u8>>().prop_map(|bytes| zlib(&bytes)),
        "(\\[|\\]|\\{\"ind\":1\\}|\\{|,|\n| |1|NaN|\"x){0,12}".prop_map(String::into_bytes),
    ]) {
        let mut places = Vec::new();
        clean_record(&mut cleaner(), &data, "x", None, KindSource::PartitionKey, &mut |piece: Piece<'_, '_>| {
            places.push(piece.sub_number.map_or(0, SubNumber::ordinal));
            Ok::<(), ()>(())
        }).unwrap();
        prop_assert!(!places.is_empty());
        prop_assert!(places.is_sorted_by(|left, right| left < right), "{:?}", places);
    }

    #[test]
    fn packed_rows_are_found_again(inds in proptest::collection::vec(any::<i64>(), 2..20), way in 0..4) {
        let rows: Vec<_> = inds.iter().map(|ind| format!("{{\n\"ind\": {ind}, \"age\": 3}}")).collect();
        let text = match way {
            0 => format!("[{}]", rows.join(",")),
            1 => rows.join("\n"),
            2 => rows.concat(),
            _ => rows.join(" \r\n"),
        };
        prop_assert_eq!(unpack(&text).unwrap(), rows);
    }
}
