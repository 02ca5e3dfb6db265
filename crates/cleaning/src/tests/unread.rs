//! What is in no column is in `_unread`, as it was posted.

use super::*;

/// Returns `_unread` of a row, and what the row is.
fn unread(kind: Kind, row: &str) -> (Option<String>, Value) {
    let cleaned = clean(row, kind).unwrap();
    let json = serde_json::from_str(&cleaned.json).unwrap();
    (cleaned.text(UNREAD), json)
}

#[test]
fn each_value_without_a_column_is_kept_as_it_was_posted() {
    for (kind, row, expected) in [
        // Unreadable, or out of range.
        (
            Kind::named("user"),
            r#"{"ind":1,"age":"31 years"}"#,
            r#"{"age":"31 years"}"#,
        ),
        (
            Kind::named("user"),
            r#"{"ind":1,"age":151}"#,
            r#"{"age":151}"#,
        ),
        (
            Kind::named("pin"),
            r#"{"index":1,"follower_count":"12 k"}"#,
            r#"{"follower_count":"12 k"}"#,
        ),
        (
            Kind::named("geo"),
            r#"{"ind":1,"timestamp":1598586767}"#,
            r#"{"timestamp":1598586767}"#,
        ),
        (
            Kind::named("pin"),
            r#"{"index":1,"save_location":"Local save in "}"#,
            r#"{"save_location":"Local save in "}"#,
        ),
        // The readable half of a point: both were swapped.
        (
            Kind::named("geo"),
            r#"{"ind":1,"latitude":-173.29,"longitude":-89.97}"#,
            r#"{"latitude":-173.29,"longitude":-89.97}"#,
        ),
        // A second spelling of a field.
        (Kind::named("pin"), r#"{"index":1,"ind":2}"#, r#"{"ind":2}"#),
        (
            Kind::named("geo"),
            r#"{"ind":1,"index":"x"}"#,
            r#"{"index":"x"}"#,
        ),
        (
            Kind::named("geo"),
            r#"{"ind":"x","index":3}"#,
            r#"{"ind":"x"}"#,
        ),
        (
            Kind::named("user"),
            r#"{"ind":1,"first_name":"A","user_name":"B"}"#,
            r#"{"user_name":"B"}"#,
        ),
        (
            Kind::named("geo"),
            r#"{"ind":1,"latitude":1,"longitude":2,"coordinates":[3,4]}"#,
            r#"{"coordinates":[3,4]}"#,
        ),
        // A member that is repeated.
        (
            Kind::named("pin"),
            r#"{"index":1,"title":"a","title":"b"}"#,
            r#"{"title":"a"}"#,
        ),
        (
            Kind::named("pin"),
            r#"{"index":1,"title":"a","title":"b","title":"c"}"#,
            r#"{"title":["a","b"]}"#,
        ),
        (
            Kind::named("pin"),
            r#"{"index":1,"board":[1],"board":{}}"#,
            r#"{"board":[1]}"#,
        ),
        // Digits that a column does not have.
        (
            Kind::named("geo"),
            r#"{"ind":1,"timestamp":"2020-01-01 00:00:00.123456789"}"#,
            r#"{"timestamp":"2020-01-01 00:00:00.123456789"}"#,
        ),
    ] {
        assert_eq!(unread(kind, row).0.as_deref(), Some(expected), "{row}");
    }
}

#[test]
fn what_says_nothing_is_not_kept() {
    for (kind, row) in [
        (
            Kind::named("pin"),
            r#"{"index":1,"title":" ","title":"a","downloaded":1}"#,
        ),
        (
            Kind::named("pin"),
            r#"{"index":1,"description":"Untitled","description":"a"}"#,
        ),
        (
            Kind::named("pin"),
            r#"{"index":1,"follower_count":"User Info Error"}"#,
        ),
        (
            Kind::named("pin"),
            r#"{"index":1,"ind":"1","title":"a","title":"a"}"#,
        ),
        (
            Kind::named("geo"),
            r#"{"ind":1,"latitude":null,"longitude":""}"#,
        ),
        (
            Kind::named("geo"),
            r#"{"ind":1,"latitude":1,"longitude":2,"coordinates":[1.0,2.0]}"#,
        ),
        (
            Kind::named("geo"),
            r#"{"ind":1,"timestamp":"2020-01-01 00:00:00.123456000"}"#,
        ),
        (
            Kind::named("user"),
            r#"{"ind":1,"first_name":"A","last_name":"B","user_name":"A B"}"#,
        ),
        (Kind::named("user"), r#"{"ind":1,"age":null,"age":3}"#),
    ] {
        assert_eq!(unread(kind, row).0, None, "{row}");
    }
}

#[test]
fn a_point_that_stands_twice_is_taken_from_the_place_that_has_it_whole() {
    let (unread, row) = unread(
        Kind::named("geo"),
        r#"{"ind":1,"latitude":91,"longitude":2,"coordinates":[3,4]}"#,
    );
    assert_eq!(row["coordinates"], json!([3.0, 4.0]));
    assert_eq!(unread.unwrap(), r#"{"latitude":91,"longitude":2}"#);
}

#[test]
fn half_of_a_surrogate_pair_costs_nothing_else() {
    let row = r#"{"index":1,"title":"cut \ud83d","board":"x\ud83d","follower_count":"1\ude00"}"#;
    let cleaned = clean(row, None).unwrap();
    assert_eq!(cleaned.changes.count(Rule::LoneSurrogate), 3);
    assert_eq!(
        cleaned.text(EXTRA).as_deref(),
        Some(r#"{"board":"x\ufffd"}"#)
    );
    assert_eq!(
        cleaned.text(UNREAD).as_deref(),
        Some(r#"{"follower_count":"1\ufffd"}"#)
    );
    let json: Value = serde_json::from_str(&cleaned.json).unwrap();
    assert_eq!(json["title"], "cut \u{fffd}");
}

#[test]
fn a_row_of_nulls_is_kept_and_counted() {
    for (row, count) in [
        (r#"{"ind":1,"country":" ","latitude":1}"#, 1),
        (r#"{"ind":1,"country":"Aruba"}"#, 0),
    ] {
        let cleaned = clean(row, Kind::named("geo")).unwrap();
        assert_eq!(cleaned.changes.count(Rule::EmptyRow), count, "{row}");
    }
}

#[test]
fn values_with_blanks_around_them_are_read() {
    let row = r#"{"index":1,"follower_count":" 5.6M\u00a0"}"#;
    assert_eq!(
        unread(Kind::named("pin"), row).1["follower_count"],
        5_600_000
    );
    let row = r#"{"ind":1,"timestamp":" 2020-01-01T10:30\n"}"#;
    assert_eq!(
        unread(Kind::named("geo"), row).1["timestamp"],
        "2020-01-01T10:30:00Z"
    );
}

#[test]
fn a_key_declares_the_row_that_it_was_made_of() {
    let user = r#"{"ind":42,"age":1}"#;
    for (row, key, kind) in [
        (user, "user/42", Ok(Kind::named("user"))),
        // A producer's own key.
        (
            r#"{"index":42,"category":"art"}"#,
            "user/42",
            Err(RejectionCode::WrongKind),
        ),
        (
            r#"{"index":42,"category":"art"}"#,
            "user/7",
            Ok(Kind::named("pin")),
        ),
        (r#"{"ind":42}"#, "user/42", Ok(Kind::named("user"))),
        (r#"{"ind":42}"#, "user/7", Err(RejectionCode::UnknownKind)),
    ] {
        let outcome = clean(row, Declared::Key(key)).map(|cleaned| cleaned.kind);
        assert_eq!(
            outcome.map_err(|rejection| rejection.code),
            kind,
            "{key} {row}"
        );
    }
}
