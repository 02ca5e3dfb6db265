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
    "_unread",
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

/// A row as text, in which a name may stand several times.
fn row_with_repeated_names() -> impl Strategy<Value = Vec<(String, Value)>> {
    let name = proptest::sample::select(NAMES).prop_map(str::to_owned);
    proptest::collection::vec((name, value()), 0..24).prop_map(|mut fields| {
        fields.push(("ind".to_owned(), json!(7)));
        fields
    })
}

/// Returns whether a posted value says something, as the rules see it.
fn says_something(kind: Kind, name: &str, value: &Value) -> bool {
    let table = model().table(kind).unwrap();
    let is_own = own_fields(kind).contains(&name);
    let reads = |column: &&model::Column| {
        column
            .from
            .iter()
            .chain([&column.name])
            .any(|field| field == name)
    };
    let is_marker = |text: &str| {
        let column = table.columns.iter().find(reads);
        column.is_some_and(|column| column.null_if.iter().any(|marker| marker == text))
    };
    match value {
        _ if is_own && name == "downloaded" => false,
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty() && !is_marker(text),
        _ => true,
    }
}

/// Returns whether a column has a posted value, read by other means than the rules.
fn is_in_column(kind: Kind, row: &Value, name: &str, posted: &Value) -> bool {
    let text = match posted {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let number = text.trim().parse::<f64>().ok();
    let close = |column: &Value| {
        let difference = column
            .as_f64()
            .zip(number)
            .map(|(left, right)| (left - right).abs());
        difference.is_some_and(|difference| difference <= 1e-9)
    };
    match (kind.as_str(), name) {
        (_, "index" | "ind") => close(&row["ind"]),
        ("geo", "latitude") => close(&row["coordinates"][0]),
        ("geo", "longitude") => close(&row["coordinates"][1]),
        ("geo", "coordinates") => posted.as_array().is_some_and(|pair| {
            // `serde_json` rounds some numbers.
            let same = |place: usize| {
                let values = [&pair[place], &row["coordinates"][place]].map(Value::as_f64);
                matches!(values, [Some(left), Some(right)] if (left - right).abs() <= 1e-9)
            };
            pair.len() == 2 && same(0) && same(1)
        }),
        ("user", "first_name" | "last_name") => row["user_name"]
            .as_str()
            .is_some_and(|whole| whole.contains(&text)),
        ("user", "age") => close(&row["age"]),
        ("pin", "follower_count") => {
            let digits = |text: &str| {
                text.chars()
                    .filter(|c| ('1'..='9').contains(c))
                    .collect::<String>()
            };
            !row[name].is_null()
                && digits(&row[name].to_string()) == digits(text.split(['e', 'E']).next().unwrap())
        }
        ("pin", "save_location") => row[name]
            .as_str()
            .is_some_and(|place| text.ends_with(place)),
        ("geo", "timestamp") | ("user", "date_joined") => {
            let digits = |text: &str| {
                text.chars()
                    .filter(char::is_ascii_digit)
                    .take(12)
                    .collect::<String>()
            };
            let has_zone = text.get(10..).is_some_and(|time| time.contains(['+', '-']));
            let column = row[name].as_str();
            // A zone moves the hours.
            column.is_some_and(|column| has_zone || digits(column).starts_with(&digits(&text)))
        }
        _ => row.get(name).is_some_and(|column| *column == json!(text)),
    }
}

/// Returns the fields of a kind beside its key, as clients post them.
fn own_fields(kind: Kind) -> Vec<&'static str> {
    let table = model().table(kind).unwrap();
    let columns = table.columns.iter().filter(|column| column.name != "ind");
    let fields = columns.flat_map(|column| &column.from).chain(&table.ignore);
    fields.map(String::as_str).collect()
}

fn declared() -> impl Strategy<Value = Option<Kind>> {
    proptest::option::of(proptest::sample::select(
        model().kinds().collect::<Vec<_>>(),
    ))
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
            let json = &first.json;
            let second = clean(json, Some(first.kind)).unwrap();
            prop_assert_eq!(&second.json, json);
            prop_assert_eq!(&second.batch, &first.batch);
            let changed = second.changes.total() - second.changes.count(Rule::EmptyRow);
            prop_assert_eq!(changed, 0, "{} {:?}", json, second.changes);
        }
    }

    #[test]
    fn no_posted_value_is_lost(fields in row_with_repeated_names(), declared in declared()) {
        let members: Vec<_> = fields.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
        let text = format!("{{{}}}", members.join(","));
        if let Ok(cleaned) = clean(&text, declared) {
            let kind = cleaned.kind;
            let row: Value = serde_json::from_str(&cleaned.json).unwrap();
            // As text: `serde_json` rounds some numbers.
            let has = |json: &Option<String>, name: &str, value: &Value| {
                json.as_ref().is_some_and(|json| {
                    let object: Value = serde_json::from_str(json).unwrap();
                    object.get(name).is_some() && json.contains(&value.to_string())
                })
            };
            let [extra, unread] = [cleaned.text(EXTRA), cleaned.text(UNREAD)];
            for (name, value) in &fields {
                let is_carried = name == "_unread" && value.is_object() && unread.is_some();
                prop_assert!(
                    !says_something(kind, name, value)
                        || is_carried
                        || has(&unread, name, value)
                        || has(&extra, name, value)
                        || is_in_column(kind, &row, name, value),
                    "{} = {} of {} is not in {} with {:?}", name, value, text, row, cleaned.json
                );
            }
        }
    }

    #[test]
    fn a_row_never_lands_where_it_has_fewer_fields(
        row in row(),
        declared in declared(),
        key in proptest::option::of("(pin|geo|user|row|other)/(-?[0-9]{1,3}|#[0-9a-f]{16})"),
    ) {
        let text = row.to_string();
        let declared = key.as_deref().map_or(Declared::from(declared), Declared::Key);
        let count = |kind| {
            let own = own_fields(kind);
            let names = row.as_object().unwrap().keys().flat_map(|name| match name.as_str() {
                "coordinates" => vec!["latitude", "longitude"],
                "user_name" => vec!["first_name", "last_name"],
                name => vec![name],
            });
            names.filter(|name| own.contains(name)).collect::<std::collections::BTreeSet<_>>().len()
        };
        if let Ok(cleaned) = clean(&text, declared) {
            let kind = cleaned.kind;
            for other in model().kinds() {
                prop_assert!(count(kind) >= count(other), "{} as {} with {:?}", text, kind, declared);
            }
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
                Cleaner::new(Arc::clone(model())).clean(&text, *declared, &mut listed).unwrap();
            }
        }
        for &rule in Rule::ALL {
            let expected = listed.iter().filter(|change| change.rule == rule).count() as u64;
            prop_assert_eq!(counted.count(rule), expected, "{}", rule);
        }
        prop_assert_eq!(counted.total(), listed.len() as u64);
    }

    #[test]
    fn the_rows_before_change_nothing(
        rows in proptest::collection::vec((row(), declared(), 0..3_u8), 1..12),
    ) {
        let mut cleaner = Cleaner::new(Arc::clone(model()));
        for (row, declared, style) in &rows {
            let text = match style {
                0 => row.to_string(),
                1 => serde_json::to_string_pretty(row).unwrap(),
                // As Python's json writes it.
                _ => {
                    let fields = row.as_object().unwrap().iter();
                    let fields: Vec<_> = fields.map(|(name, value)| format!("{}: {value}", json!(name))).collect();
                    format!("{{{}}}", fields.join(", "))
                }
            };
            let mut changes = RuleCounts::default();
            let after_others = cleaner.clean(&text, *declared, &mut changes);
            match (after_others, clean(&text, *declared)) {
                (Ok(row), Ok(alone)) => {
                    prop_assert_eq!((row.kind, row.to_json(), changes), (alone.kind, alone.json.as_str(), alone.changes));
                }
                (row, alone) => prop_assert_eq!(row.map(|row| row.kind).err(), alone.err()),
            }
        }
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

/// More layouts than a cleaner keeps: each set of six fields, in two orders, twice.
#[test]
fn rows_of_more_layouts_than_are_kept_are_read_alike() {
    let fields = [
        r#""ind": 1"#,
        r#""first_name": "Ada""#,
        r#""last_name": "Lovelace""#,
        r#""age": 36"#,
        r#""date_joined": "2020-08-28 03:52:47""#,
        r#""new": 7"#,
    ];
    let mut cleaner = Cleaner::new(Arc::clone(model()));
    for set in (0..1_u32 << fields.len()).chain(0..1 << fields.len()) {
        let has = |place: &usize| set >> place & 1 == 1;
        let forward: Vec<_> = (0..fields.len())
            .filter(has)
            .map(|place| fields[place])
            .collect();
        let backward: Vec<_> = forward.iter().rev().copied().collect();
        for fields in [forward, backward] {
            let text = format!("{{{}}}", fields.join(", "));
            let declared = Some(Kind::named("user"));
            let read = cleaner.clean(&text, declared, &mut RuleCounts::default());
            let alone = clean(&text, declared);
            match (read, alone) {
                (Ok(row), Ok(alone)) => assert_eq!(row.to_json(), alone.json, "{text}"),
                (row, alone) => assert_eq!(row.map(|row| row.kind).err(), alone.err(), "{text}"),
            }
        }
    }
}
