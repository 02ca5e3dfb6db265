//! The types that the project's own tables do not have, in a table of files alone.

use std::path::Path;

use super::*;

fn boards() -> Cleaner {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/other-model");
    Cleaner::new(Model::load(&folder).unwrap())
}

/// Cleans a board with one field, and returns the column, what is kept of the field, and the rules but for those of each row.
fn board(field: &str, posted: &str, column: &str) -> (Value, Value, Vec<&'static str>) {
    let mut changes = RuleCounts::default();
    let text = format!(r#"{{"slug": "a", "owner": 1, "{field}": {posted}}}"#);
    let mut cleaner = boards();
    let row = cleaner.clean(&text, None, &mut changes).unwrap();
    let json: Value = serde_json::from_str(row.to_json()).unwrap();
    let rules = changes.iter().map(|(rule, _)| rule.as_str());
    let rules = rules.filter(|rule| *rule != "unread_kept").collect();
    // A clean row stays as it is.
    let mut again = RuleCounts::default();
    let second = cleaner
        .clean(row.to_json(), Some(row.kind), &mut again)
        .unwrap();
    assert_eq!(
        (second.to_json(), again.total()),
        (row.to_json(), 0),
        "{text}"
    );
    (json[column].clone(), json["_unread"][field].clone(), rules)
}

#[test]
fn each_type_takes_its_spellings_and_keeps_what_it_cannot_read() {
    let null = Value::Null;
    for (column, posted, clean, rule) in [
        ("is_open", "true", json!(true), ""),
        ("is_open", "0", json!(false), ""),
        ("is_open", r#"" TRUE ""#, json!(true), ""),
        ("is_open", r#""yes""#, null.clone(), "boolean_unreadable"),
        ("is_open", "2", null.clone(), "boolean_unreadable"),
        ("opened", r#""2020-02-29""#, json!("2020-02-29"), ""),
        (
            "opened",
            r#""2020-02-29 00:00:00""#,
            json!("2020-02-29"),
            "",
        ),
        (
            "opened",
            r#""2020-02-30""#,
            null.clone(),
            "timestamp_unreadable",
        ),
        ("opened", "20200229", null.clone(), "timestamp_unreadable"),
        (
            "changed",
            "1600000000123",
            json!("2020-09-13T12:26:40.123Z"),
            "",
        ),
        (
            "changed",
            r#""1600000000123""#,
            json!("2020-09-13T12:26:40.123Z"),
            "",
        ),
        ("changed", "-1", json!("1969-12-31T23:59:59.999Z"), ""),
        ("changed", "1.6e12", json!("2020-09-13T12:26:40Z"), ""),
        (
            "changed",
            r#""2020-09-13 12:26""#,
            json!("2020-09-13T12:26:00Z"),
            "",
        ),
        ("changed", "1e300", null.clone(), "timestamp_unreadable"),
        ("budget", "12.5", json!(12.5), ""),
        ("budget", r#""99999999.99""#, json!(99_999_999.99), ""),
        ("budget", "1.50e1", json!(15.0), ""),
        ("budget", "100000000", null.clone(), "number_out_of_range"),
        ("budget", "1.005", null.clone(), "number_out_of_range"),
        ("budget", "-0.01", null.clone(), "number_out_of_range"),
        ("budget", r#""a lot""#, null.clone(), "number_unreadable"),
        ("score", "0.25", json!(0.25), ""),
        ("score", "1.5", null.clone(), "number_out_of_range"),
        ("detail", r#"{"a": [1]}"#, json!({"a": [1]}), ""),
        ("detail", r#""[1, 2]""#, json!([1, 2]), ""),
        ("detail", "7", null.clone(), "json_unreadable"),
        ("detail", r#""{broken""#, null.clone(), "json_unreadable"),
        ("detail", r#"" ""#, null.clone(), "blank_text"),
    ] {
        let (found, kept, rules) = board(column, posted, column);
        let context = format!("{column} = {posted}");
        assert_eq!(found, clean, "{context}");
        let expected: Vec<_> = Some(rule)
            .filter(|rule| !rule.is_empty())
            .into_iter()
            .collect();
        assert_eq!(rules, expected, "{context}");
        let is_kept = clean.is_null() && rule != "blank_text";
        assert_eq!(!kept.is_null(), is_kept, "{context}");
    }
}

#[test]
fn what_is_cut_off_a_time_is_kept() {
    for (field, posted, clean) in [
        ("opened", r#""2020-02-29 03:00:00""#, "2020-02-29"),
        (
            "changed",
            "1600000000123.4567",
            "2020-09-13T12:26:40.123456Z",
        ),
    ] {
        let (found, kept, rules) = board(field, posted, field);
        assert_eq!(found, json!(clean));
        assert_eq!(rules, ["timestamp_truncated"]);
        assert_eq!(kept, serde_json::from_str::<Value>(posted).unwrap());
    }
}

#[test]
fn a_key_of_text_is_the_first_of_its_names_that_can_be_one() {
    let key = |text: &str| {
        let mut cleaner = boards();
        let row = cleaner.read(text, Some(Kind::named("board")));
        row.map(|row| row.key().map(ToString::to_string))
            .map_err(|rejection| rejection.code)
    };
    assert_eq!(
        key(r#"{"slug": " ", "board_slug": "b", "owner": 1}"#),
        Ok(Some("b".to_owned()))
    );
    assert_eq!(key(r#"{"slug": 7, "owner": 1}"#), Ok(Some("7".to_owned())));
    let longest = "é".repeat(1_000);
    assert_eq!(
        key(&format!(r#"{{"slug": "{longest}", "owner": 1}}"#)),
        Ok(Some(longest.clone()))
    );
    assert_eq!(
        key(&format!(r#"{{"slug": "{longest}x", "owner": 1}}"#)),
        Err(RejectionCode::MissingKey)
    );
    assert_eq!(
        key(r#"{"slug": ["a"], "owner": 1}"#),
        Err(RejectionCode::BadType)
    );
    // A table that keeps every record asks for none.
    let mut cleaner = boards();
    let click = cleaner
        .read(r#"{"clicked_board": "b", "seconds": 3}"#, None)
        .unwrap();
    assert_eq!((click.kind(), click.key()), (Kind::named("click"), None));
}
