//! What holds for any input.

use proptest::prelude::*;

use super::*;

/// A value that some rule cares about, or any other.
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-200.0..200.0).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[ \u{a0}]{0,3}(Local save in ?){0,3}.{0,5}".prop_map(Value::from),
        "[0-9]{1,4}[,.]?[0-9]{0,3}[kMB]?".prop_map(Value::from),
        "[0-9]{4}[-:](0[1-9]|1[0-2])[-:][0-3][0-9][ T][0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,8})?(Z|[+-][01][0-9]:?[0-5][0-9])?"
            .prop_map(Value::from),
        proptest::sample::select(vec!["User Info Error", "Untitled", "Image src error.", "NaN", "1e400"])
            .prop_map(Value::from),
        proptest::collection::vec(any::<f64>().prop_map(Value::from), 0..3).prop_map(Value::from),
        Just(json!({"nested": [1]})),
    ]
}

const NAMES: &[&str] = &[
    "index",
    "ind",
    "unique_id",
    "title",
    "description",
    "poster_name",
    "follower_count",
    "tag_list",
    "is_image_or_video",
    "image_src",
    "downloaded",
    "save_location",
    "category",
    "timestamp",
    "latitude",
    "longitude",
    "coordinates",
    "country",
    "first_name",
    "last_name",
    "user_name",
    "age",
    "date_joined",
    "_extra",
    "other",
];

fn row() -> impl Strategy<Value = Value> {
    let name = prop_oneof![9 => proptest::sample::select(NAMES).prop_map(str::to_owned), 1 => any::<String>()];
    let fields = proptest::collection::vec((name, value()), 0..16);
    (any::<bool>(), any::<i64>(), fields).prop_map(|(has_key, ind, fields)| {
        let mut row: serde_json::Map<_, _> = fields.into_iter().collect();
        if has_key {
            row.insert("ind".to_owned(), Value::from(ind));
        }
        Value::Object(row)
    })
}

fn declared() -> impl Strategy<Value = Option<Kind>> {
    proptest::option::of(proptest::sample::select(Kind::ALL.to_vec()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_panic(payload in any::<Vec<u8>>(), declared in declared()) {
        let _ = decode(&payload).map(|text| clean(&text, declared).map(|_| ()));
    }

    #[test]
    fn cleaning_a_clean_row_changes_nothing(row in row(), declared in declared()) {
        let text = row.to_string();
        if let Ok(first) = clean(&text, declared) {
            let json = first.to_json();
            let second = clean(&json, Some(first.row.kind())).unwrap();
            prop_assert_eq!(&second.row, &first.row, "{}", json);
            prop_assert_eq!(&second.extra, &first.extra);
            prop_assert_eq!(second.changes.total(), 0, "{} {:?}", json, second.changes);
        }
    }

    #[test]
    fn the_counts_add_up(rows in proptest::collection::vec((row(), declared()), 0..8)) {
        let mut counted = RuleCounts::default();
        let mut listed: Vec<Change> = Vec::new();
        for (row, declared) in &rows {
            let text = row.to_string();
            if let Ok(cleaned) = clean(&text, *declared) {
                counted += cleaned.changes;
                clean_into(&text, *declared, &mut listed).unwrap();
            }
        }
        for &rule in Rule::ALL {
            let expected = listed.iter().filter(|change| change.rule == rule).count() as u64;
            prop_assert_eq!(counted.count(rule), expected, "{}", rule);
        }
        prop_assert_eq!(counted.total(), listed.len() as u64);
    }

    #[test]
    fn the_order_of_the_fields_does_not_matter(row in row(), declared in declared()) {
        let fields: Vec<String> =
            row.as_object().unwrap().iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
        let forward = format!("{{{}}}", fields.join(","));
        let backward = format!("{{{}}}", fields.into_iter().rev().collect::<Vec<_>>().join(","));
        match (clean(&forward, declared), clean(&backward, declared)) {
            (Ok(forward), Ok(backward)) => prop_assert_eq!(forward, backward),
            (forward, backward) => prop_assert_eq!(forward.map_err(|r| r.code).err(), backward.map_err(|r| r.code).err()),
        }
    }
}
