//! A table of cases for every rule.

use super::*;

/// Cleans a row and returns it as JSON, with the rules that changed a column.
fn cleaned(row: &Value, declared: Option<Kind>) -> (Value, Vec<(&'static str, u64)>) {
    let text = row.to_string();
    let cleaned = clean(&text, declared).unwrap();
    let rules = cleaned
        .changes
        .iter()
        .filter(|(rule, _)| ![Rule::EmptyRow, Rule::UnreadKept].contains(rule))
        .map(|(rule, count)| (rule.as_str(), count))
        .collect();
    (serde_json::from_str(&cleaned.json).unwrap(), rules)
}

/// Asserts what becomes of one posted field: the clean value of `column` and the one rule that is counted, if any.
fn assert_field(kind: Kind, field: &str, posted: &Value, column: &str, clean: &Value, rule: &str) {
    let (row, rules) = cleaned(&json!({"ind": 7, field: posted}), Some(kind));
    let context = format!("{kind}.{field} = {posted}");
    assert_eq!(&row[column], clean, "{context}");
    let expected: Vec<_> = (!rule.is_empty())
        .then_some((rule, 1))
        .into_iter()
        .collect();
    assert_eq!(rules, expected, "{context}");
}

#[test]
fn text_is_kept_byte_for_byte_unless_it_is_blank() {
    for blank in ["", " ", "\u{a0}", "\u{a0}\n\t\u{3000}"] {
        assert_field(
            Kind::named("pin"),
            "title",
            &json!(blank),
            "title",
            &Value::Null,
            "blank_text",
        );
        assert_field(
            Kind::named("geo"),
            "country",
            &json!(blank),
            "country",
            &Value::Null,
            "blank_text",
        );
        assert_field(
            Kind::named("user"),
            "age",
            &json!(blank),
            "age",
            &Value::Null,
            "blank_text",
        );
    }
    for text in [
        " x ",
        "end\u{a0}",
        "two\nlines",
        "Привет 日本 😀",
        "Cote d'Ivoire",
        "a\u{0}b",
        "\u{200b}",
    ] {
        assert_field(
            Kind::named("pin"),
            "title",
            &json!(text),
            "title",
            &json!(text),
            "",
        );
    }
    assert_field(
        Kind::named("pin"),
        "title",
        &json!(12),
        "title",
        &json!("12"),
        "",
    );
    assert_field(
        Kind::named("pin"),
        "title",
        &json!(true),
        "title",
        &json!("true"),
        "",
    );
    assert_field(
        Kind::named("pin"),
        "title",
        &Value::Null,
        "title",
        &Value::Null,
        "",
    );
}

#[test]
fn markers_for_missing_data_become_null_in_their_own_column_and_spelling() {
    for (column, marker) in [
        ("title", "No Title Data Available"),
        ("description", "No description available"),
        ("description", "No description available Story format"),
        ("description", "Untitled"),
        ("poster_name", "User Info Error"),
        ("follower_count", "User Info Error"),
        ("tag_list", "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"),
        ("image_src", "Image src error."),
        ("image_src", "Image src error"),
    ] {
        assert_field(
            Kind::named("pin"),
            column,
            &json!(marker),
            column,
            &Value::Null,
            "no_data_marker",
        );
    }
    assert_field(
        Kind::named("pin"),
        "title",
        &json!("Untitled"),
        "title",
        &json!("Untitled"),
        "",
    );
    assert_field(
        Kind::named("pin"),
        "description",
        &json!("untitled"),
        "description",
        &json!("untitled"),
        "",
    );
    assert_field(
        Kind::named("pin"),
        "title",
        &json!("User Info Error"),
        "title",
        &json!("User Info Error"),
        "",
    );
}

#[test]
fn follower_counts_are_read_exactly() {
    let column = "follower_count";
    for (posted, count, rule) in [
        (json!("306"), json!(306), ""),
        (json!(306), json!(306), ""),
        (json!("0"), json!(0), ""),
        (json!("10k"), json!(10_000), "short_count_expanded"),
        (json!("10K"), json!(10_000), "short_count_expanded"),
        (json!("2M"), json!(2_000_000), "short_count_expanded"),
        (json!("5.6m"), json!(5_600_000), "short_count_expanded"),
        (
            json!("1.0001B"),
            json!(1_000_100_000),
            "short_count_expanded",
        ),
        (json!("1,234"), json!(1234), "short_count_expanded"),
        (
            json!("12,345,678k"),
            json!(12_345_678_000_i64),
            "short_count_expanded",
        ),
        (json!("306.0"), json!(306), "short_count_expanded"),
        (json!("9223372036854775807"), json!(i64::MAX), ""),
        (
            json!("9223372036854775808"),
            Value::Null,
            "short_count_unreadable",
        ),
        (json!(" 10k\u{a0}"), json!(10_000), "short_count_expanded"),
        (
            json!("9223372036854775807k"),
            Value::Null,
            "short_count_unreadable",
        ),
    ] {
        assert_field(Kind::named("pin"), column, &posted, column, &count, rule);
    }
    let texts = [
        "k", "1,23", "1234,567", ",123", "1,", "1.5", "1.2345k", "1.k", ".5k", "-5", "+5", "10 k",
        "10kk", "10T", "ten", "1e3", "١٠",
    ];
    for unreadable in texts
        .map(Value::from)
        .into_iter()
        .chain([json!(-1), json!(true)])
    {
        let rule = "short_count_unreadable";
        assert_field(
            Kind::named("pin"),
            column,
            &unreadable,
            column,
            &Value::Null,
            rule,
        );
    }
}

#[test]
fn a_save_location_loses_its_prefix() {
    let column = "save_location";
    let rule = "prefix_stripped";
    for (posted, location) in [
        ("Local save in /data/art", json!("/data/art")),
        ("Local save in  \u{a0}/data/art", json!("/data/art")),
        ("Local save in Local save in /x", json!("/x")),
        ("Local save in ", Value::Null),
    ] {
        assert_field(
            Kind::named("pin"),
            column,
            &json!(posted),
            column,
            &location,
            rule,
        );
    }
    for kept in [
        "/data/art",
        "local save in /x",
        " Local save in /x",
        "Local save in/data/art",
        "Local save information",
        "x Local save in /y",
    ] {
        assert_field(
            Kind::named("pin"),
            column,
            &json!(kept),
            column,
            &json!(kept),
            "",
        );
    }
}

#[test]
fn the_key_is_renamed_and_downloaded_is_dropped() {
    let (row, rules) = cleaned(
        &json!({"index": "7528", "downloaded": 0, "category": "art"}),
        None,
    );
    assert_eq!(row["ind"], 7528);
    assert_eq!((row.get("index"), row.get("downloaded")), (None, None));
    assert_eq!(rules, [("field_renamed", 1), ("field_ignored", 1)]);
    let (row, _) = cleaned(&json!({"index": 1, "ind": 2, "category": "art"}), None);
    assert_eq!(row["ind"], 1, "a pin's own name for its key comes first");
    let (row, _) = cleaned(&json!({"index": 1, "ind": 2, "latitude": 0}), None);
    assert_eq!(row["ind"], 2);
}

#[test]
fn numbers_come_as_numbers_or_as_text() {
    for (posted, age, rule) in [
        (json!(20), json!(20), ""),
        (json!("20"), json!(20), ""),
        (json!(" 20 "), json!(20), ""),
        (json!(20.0), json!(20), ""),
        (json!(0), json!(0), ""),
        (json!(150), json!(150), ""),
        (json!(151), Value::Null, "number_out_of_range"),
        (json!(-1), Value::Null, "number_out_of_range"),
        (json!(4_294_967_296_i64), Value::Null, "number_out_of_range"),
        (json!(20.5), Value::Null, "number_unreadable"),
        (json!("twenty"), Value::Null, "number_unreadable"),
        (json!(true), Value::Null, "number_unreadable"),
    ] {
        assert_field(Kind::named("user"), "age", &posted, "age", &age, rule);
    }
}

#[test]
fn coordinates_need_both_parts_in_range() {
    let geo = |latitude: Value, longitude: Value| {
        let (row, rules) = cleaned(
            &json!({"ind": 1, "latitude": latitude, "longitude": longitude}),
            None,
        );
        (row["coordinates"].clone(), rules)
    };
    assert_eq!(
        geo(json!(-89.9787), json!("-173.293")),
        (json!([-89.9787, -173.293]), vec![])
    );
    assert_eq!(geo(json!(90), json!(-180)), (json!([90.0, -180.0]), vec![]));
    let incomplete = ("point_incomplete", 1);
    assert_eq!(
        geo(json!(90.0001), json!(1)),
        (Value::Null, vec![("number_out_of_range", 1), incomplete])
    );
    assert_eq!(
        geo(json!(1), json!("-180.1")),
        (Value::Null, vec![("number_out_of_range", 1), incomplete])
    );
    assert_eq!(
        geo(json!("north"), json!(1)),
        (Value::Null, vec![("number_unreadable", 1), incomplete])
    );
    assert_eq!(
        geo(json!("NaN"), json!("inf")),
        (Value::Null, vec![("number_unreadable", 2)])
    );
    assert_eq!(geo(Value::Null, json!(1)), (Value::Null, vec![incomplete]));
    assert_eq!(geo(Value::Null, Value::Null), (Value::Null, vec![]));
}

#[test]
fn a_user_name_is_first_and_last_name_with_one_blank() {
    let user = |first: Value, last: Value| {
        let (row, rules) = cleaned(
            &json!({"ind": 1, "first_name": first, "last_name": last}),
            None,
        );
        (row["user_name"].clone(), rules)
    };
    let joined = ("text_joined", 1);
    assert_eq!(
        user(json!("Ada"), json!("Lovelace")),
        (json!("Ada Lovelace"), vec![joined])
    );
    assert_eq!(
        user(json!("Ada"), Value::Null),
        (json!("Ada"), vec![joined])
    );
    assert_eq!(
        user(json!(" "), json!("Lovelace")),
        (json!("Lovelace"), vec![("blank_text", 1), joined])
    );
    assert_eq!(
        user(json!(""), json!("\u{a0}")),
        (Value::Null, vec![("blank_text", 2)])
    );
}

#[test]
fn timestamps_are_utc_unless_they_say_otherwise() {
    let column = "timestamp";
    for posted in [
        "2020-08-28T03:52:47",
        "2020-08-28 03:52:47",
        "2020:08:28 03:52:47",
        "2020-08-28T05:52:47+02:00",
    ] {
        assert_field(
            Kind::named("geo"),
            column,
            &json!(posted),
            column,
            &json!("2020-08-28T03:52:47Z"),
            "",
        );
    }
    for unreadable in [
        json!("yesterday"),
        json!("2020-02-30 00:00:00"),
        json!(1_598_586_767),
    ] {
        assert_field(
            Kind::named("geo"),
            column,
            &unreadable,
            column,
            &Value::Null,
            "timestamp_unreadable",
        );
        assert_field(
            Kind::named("user"),
            "date_joined",
            &unreadable,
            "date_joined",
            &Value::Null,
            "timestamp_unreadable",
        );
    }
}

#[test]
fn fields_that_no_rule_knows_are_kept_in_the_order_of_their_names() {
    let text = r#"{"ind": 1, "zoo": [1, {"a": 1e400}], "first_name": "A", "latitude": 5, "a\u0062": "\n", "ab": 2}"#;
    let cleaned = clean(text, Some(Kind::named("user"))).unwrap();
    assert_eq!(
        cleaned.text(EXTRA).as_deref(),
        Some(r#"{"ab":2,"latitude":5,"zoo":[1, {"a": 1e400}]}"#)
    );
    assert_eq!(
        clean(r#"{"ind":1,"age":2}"#, Some(Kind::named("user")))
            .unwrap()
            .text(EXTRA),
        None
    );
}

#[test]
fn of_a_name_that_stands_twice_the_last_counts() {
    let cleaned = clean(
        r#"{"ind": 1, "age": 20, "age": 21}"#,
        Some(Kind::named("user")),
    )
    .unwrap();
    let row: Value = serde_json::from_str(&cleaned.json).unwrap();
    assert_eq!(row["age"], json!(21));
}

#[test]
fn a_name_that_is_too_long_is_kept_aside_and_other_text_is_of_any_length() {
    for (kind, field, column, most) in [
        (Kind::named("pin"), "category", "category", 1_000),
        (Kind::named("pin"), "poster_name", "poster_name", 1_000),
        (Kind::named("pin"), "unique_id", "unique_id", 1_000),
        (
            Kind::named("pin"),
            "is_image_or_video",
            "is_image_or_video",
            1_000,
        ),
        (Kind::named("geo"), "country", "country", 1_000),
        (Kind::named("user"), "user_name", "user_name", 1_001),
    ] {
        // Characters count, not bytes.
        let longest = json!("é".repeat(most));
        assert_field(kind, field, &longest, column, &longest, "");
        let longer = json!("é".repeat(most + 1));
        assert_field(kind, field, &longer, column, &Value::Null, "text_too_long");
        let (row, _) = cleaned(&json!({"ind": 7, field: longer}), Some(kind));
        assert_eq!(row["_unread"][field], longer, "{kind}.{field}");
    }
    // What is made of the longest parts passes as it is.
    let part = "x".repeat(500);
    let name = format!("{part} {part}");
    let (row, _) = cleaned(
        &json!({"ind": 7, "first_name": part, "last_name": part}),
        Some(Kind::named("user")),
    );
    assert_eq!(row["user_name"], json!(name));
    assert_eq!(
        cleaned(&row, Some(Kind::named("user"))),
        (row.clone(), vec![])
    );
    let text = json!("x".repeat(800_000));
    assert_field(Kind::named("pin"), "title", &text, "title", &text, "");
}
