use std::borrow::Cow;

use proptest::prelude::*;

use super::*;

fn members(text: &str) -> Result<Vec<(String, String)>, SyntaxError> {
    let mut members = Members::open(text).expect("an object");
    let mut found = Vec::new();
    while let Some(member) = members.next_member()? {
        found.push((member.name().decode().into_owned(), member.raw.to_owned()));
    }
    Ok(found)
}

#[test]
fn members_are_slices_of_the_text_in_order() {
    let found =
        members(" {\"a\": 1.50, \"b\\n\" :\"x\\\"y\",\"c\":[1, {\"d\":[]}] , \"a\":null}\n")
            .unwrap();
    let expected = [
        ("a", "1.50"),
        ("b\n", "\"x\\\"y\""),
        ("c", "[1, {\"d\":[]}]"),
        ("a", "null"),
    ];
    assert_eq!(
        found,
        expected.map(|(name, raw)| (name.to_owned(), raw.to_owned()))
    );
    assert_eq!(members("{}").unwrap(), []);
}

#[test]
fn an_error_names_the_place_and_what_is_missing() {
    for (text, expected) in [
        ("", "expected a value at byte 0"),
        ("{\"a\":1,}", "expected a name in double quotes at byte 7"),
        ("{\"a\" 1}", "expected `:` at byte 5"),
        ("{\"a\":1 \"b\":2}", "expected `,` or `}` at byte 7"),
        ("[1 2]", "expected `,` or `]` at byte 3"),
        ("[1,]", "expected a value at byte 3"),
        ("{} x", "expected the end of the text at byte 3"),
        ("Nan", "expected a value at byte 0"),
        ("-", "expected a digit at byte 1"),
        ("1.e5", "expected a digit at byte 2"),
        ("01", "expected the end of the text at byte 1"),
        ("\"abc", "expected the end of the string at byte 4"),
        (
            "\"a\nb\"",
            "expected an escaped control character at byte 2",
        ),
        ("\"\\x\"", "expected an escape at byte 2"),
        ("\"\\u12g4\"", "expected four hexadecimal digits at byte 3"),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn what_python_writes_for_no_number_is_named() {
    for (text, offset) in [
        ("NaN", 0),
        ("[1,-Infinity]", 3),
        ("{\"a\": Infinity}", 6),
        ("{\"a\":{\"b\":NaN}}", 10),
    ] {
        let error = parse(text).unwrap_err().to_string();
        let expected = "expected a number or `null` (`NaN` and `Infinity` are not JSON; send `null` instead) at byte";
        assert_eq!(error, format!("{expected} {offset}"), "{text}");
    }
}

#[test]
fn a_byte_order_mark_is_passed_over_at_the_start_alone() {
    assert_eq!(parse("\u{feff} 1"), Ok(Value::Number("1")));
    assert_eq!(members("\u{feff}{\"a\":1}").unwrap().len(), 1);
    assert_eq!(parse("\u{feff}x").unwrap_err().offset, 3);
    assert!(parse(" \u{feff}1").is_err());
}

#[test]
fn half_of_a_surrogate_pair_is_read_as_the_replacement_character() {
    for (escaped, meant, lone) in [
        (r"cut \ud83d", "cut \u{fffd}", 1),
        (r"\ude00 alone", "\u{fffd} alone", 1),
        (r"\ud83d\ud83d\ude00", "\u{fffd}\u{1f600}", 1),
        (r"\ud83d\n\\ud83d", "\u{fffd}\n\\ud83d", 1),
        (r"\ude00\ud83d", "\u{fffd}\u{fffd}", 2),
        (r"\ud83d\u0041", "\u{fffd}A", 1),
        (r"\ud83d\ude00 \ufffd", "\u{1f600} \u{fffd}", 0),
    ] {
        let row = format!(r#"{{"a":"{escaped}","b":[{{"c":"{escaped}"}}]}}"#);
        let mut members = Members::open(&row).unwrap();
        let member = members.next_member().unwrap().unwrap();
        let Value::Text(text) = member.value() else {
            panic!()
        };
        assert_eq!(text.decode(), meant);
        members.next_member().unwrap().unwrap();
        assert_eq!(members.lone_surrogates(), 2 * lone, "{row}");
        let replaced = replace_lone_surrogates(&row);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&replaced).unwrap()["a"],
            meant
        );
        assert_eq!(
            matches!(replaced, Cow::Borrowed(_)),
            lone == 0 && !escaped.contains(r"\ufffd")
        );
    }
}

#[test]
fn values_follow_one_another_with_anything_white_or_nothing_between() {
    let mut values = Values::new("\u{feff}{\"a\":1}{\"b\":\n2}\n\n[3] 4\"5\"");
    let mut found = Vec::new();
    while let Some((_, raw)) = values.next_value().unwrap() {
        found.push(raw);
    }
    assert_eq!(found, ["{\"a\":1}", "{\"b\":\n2}", "[3]", "4", "\"5\""]);
    assert_eq!(Values::new(" \n").next_value(), Ok(None));
}

#[test]
fn a_broken_value_is_passed_over_to_the_next_line_that_starts_one() {
    let mut values = Values::new("{\"a\":1}\n{\n  \"b\": tru,\n  \"c\": 1\n}\n{\"d\":2}\n{\"e\"");
    assert_eq!(values.next_value().unwrap().unwrap().1, "{\"a\":1}");
    assert!(values.next_value().is_err());
    assert_eq!(values.skip_line(), "{\n  \"b\": tru,\n  \"c\": 1\n}");
    assert_eq!(values.next_value().unwrap().unwrap().1, "{\"d\":2}");
    assert!(values.next_value().is_err());
    assert_eq!(values.skip_line(), "{\"e\"");
    assert_eq!(values.next_value(), Ok(None));
}

#[test]
fn nesting_is_refused_below_128_levels_without_recursion() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&nested(128)).is_ok());
    let error = parse(&nested(1_000_000)).unwrap_err();
    assert_eq!(
        (error.offset, error.expected),
        (128, "nesting of at most 128 levels")
    );
}

#[test]
fn escapes_are_resolved() {
    let Value::Text(text) = parse(r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\\n\\\\""#).unwrap() else {
        panic!()
    };
    assert_eq!(text.decode(), "\"\\/\u{8}\u{c}\n\r\té😀\\n\\\\");
    let Value::Text(plain) = parse("\"Ünïcode 😀\"").unwrap() else {
        panic!()
    };
    assert!(matches!(plain.decode(), Cow::Borrowed("Ünïcode 😀")));
}

/// `serde_json` agrees, but for what it refuses on purpose: numbers that overflow a double, a byte order mark, and half of
/// a surrogate pair.
fn assert_agrees_with_serde_json(text: &str) -> Result<(), TestCaseError> {
    let text = text.trim_start_matches('\u{feff}');
    let ours = parse(text);
    let for_serde_json = match &ours {
        Ok(_) => replace_lone_surrogates(text),
        Err(_) => Cow::Borrowed(text),
    };
    match (
        ours,
        serde_json::from_str::<serde_json::Value>(&for_serde_json),
    ) {
        (Ok(value), Ok(theirs)) => match value {
            Value::Text(text) => prop_assert_eq!(theirs.as_str(), Some(&*text.decode())),
            Value::Object(raw) => {
                let ours: std::collections::HashMap<_, _> =
                    members(raw).unwrap().into_iter().collect();
                let theirs = theirs.as_object().unwrap();
                prop_assert_eq!(ours.len(), theirs.len());
                for (name, raw) in &ours {
                    let value: serde_json::Value =
                        serde_json::from_str(&replace_lone_surrogates(raw)).unwrap();
                    prop_assert_eq!(Some(&value), theirs.get(name));
                }
            }
            _ => {}
        },
        (Ok(_), Err(error)) => prop_assert!(
            error.to_string().contains("number out of range"),
            "{} {}",
            text,
            error
        ),
        (Err(error), Ok(_)) => prop_assert!(false, "{text}: {error}"),
        (Err(_), Err(_)) => {}
    }
    Ok(())
}

proptest! {
    #[test]
    fn it_accepts_what_serde_json_accepts(text in "[\\[\\]{}:,\"\\\\/a-u0-9eE.+\\-\\x00-\\x20é😀]{0,24}") {
        assert_agrees_with_serde_json(&text)?;
    }

    #[test]
    fn it_agrees_with_serde_json_on_damaged_objects(
        name in "\\PC{0,8}",
        texts in proptest::collection::vec("\\PC{0,20}", 0..4),
        number in any::<f64>(),
        cut in 0_usize..200,
        damage in proptest::option::of(any::<char>()),
    ) {
        let object = serde_json::json!({name: texts, "n": number, "o": {"t": true, "f": [null, {}]}}).to_string();
        assert_agrees_with_serde_json(&object)?;
        let cut = object.char_indices().map(|(at, _)| at).nth(cut).unwrap_or(object.len());
        let (head, tail) = object.split_at(cut);
        let mut damaged = head.to_owned();
        damaged.extend(damage);
        damaged.push_str(tail.get(1..).unwrap_or_default());
        assert_agrees_with_serde_json(&damaged)?;
    }

    #[test]
    fn any_depth_is_read_where_it_is_asked_for(
        brackets in proptest::collection::vec(any::<bool>(), 0..700),
        damage in proptest::option::of(0_usize..700),
    ) {
        // Closed in the wrong kind at one place, if there is one.
        let damage = damage.filter(|place| *place < brackets.len());
        let mut text: String = brackets.iter().map(|object| if *object { "{\"a\":" } else { "[" }).collect();
        text.push('1');
        for (place, object) in brackets.iter().enumerate().rev() {
            text.push(if *object == (Some(place) != damage) { '}' } else { ']' });
        }
        let text = format!("[{text}]");
        let mut elements = Elements::open_any_depth(&text).unwrap();
        prop_assert_eq!(elements.next_element().is_ok(), damage.is_none());
        if damage.is_none() {
            prop_assert!(elements.next_element().unwrap().is_none());
            prop_assert_eq!(Elements::open(&text).unwrap().next_element().is_ok(), brackets.len() <= 128);
        }
    }

    #[test]
    fn a_pushed_string_reads_back(text in any::<String>()) {
        let mut json = String::new();
        push_string(&mut json, &text);
        let Value::Text(back) = parse(&json).unwrap() else { panic!() };
        prop_assert_eq!(back.decode(), text.as_str());
        prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}

/// What a text holds, or where it stops to be an object.
type Read = Result<Vec<(String, String, bool)>, SyntaxError>;

/// Reads an object as a reader does that knows other objects: by their leads where they are alike. Those of this one are noted, each with
/// its name.
fn read_knowing(text: &str, leads: &mut Vec<(Lead, String)>) -> Read {
    let mut members = Members::open(text).expect("an object");
    let mut found = Vec::new();
    loop {
        let known = leads.iter().find(|(lead, _)| members.pass(lead));
        let (name, value) = if let Some((_, name)) = known {
            (name.clone(), members.value()?)
        } else {
            let from = members.offset();
            let Some(next) = members.next_place()? else {
                return Ok(found);
            };
            let name = next.member(text).name().decode().into_owned();
            let mut lead = Lead::default();
            members.note(from, next.value, &mut lead);
            leads.push((lead, name.clone()));
            (name, next.value)
        };
        found.push((name, value.raw(text).to_owned(), value.is_nested()));
    }
}

fn read(text: &str) -> Read {
    let mut members = Members::open(text).expect("an object");
    let mut found = Vec::new();
    while let Some(member) = members.next_member()? {
        let is_nested = matches!(member.value(), Value::Array(_) | Value::Object(_));
        let name = member.name().decode().into_owned();
        found.push((name, member.raw.to_owned(), is_nested));
    }
    Ok(found)
}

/// Objects of few names and values, in any spelling, and damaged at some places.
fn objects() -> impl Strategy<Value = Vec<String>> {
    let space = || prop_oneof![4 => Just(""), 1 => Just(" "), 1 => Just("\n ")];
    let name = prop_oneof![
        Just(r#""a""#),
        Just(r#""ab""#),
        Just(r#""\u0061""#),
        Just(r#""é""#),
        Just(r#""""#),
        Just(r#""a,\"b\":""#)
    ];
    let value = prop_oneof![
        Just("1"),
        Just("-0.5e3"),
        Just("null"),
        Just("true"),
        Just(r#""x""#),
        Just(r#""x\"y""#),
        Just(r#"{"a":[1]}"#),
        Just("[]"),
        Just("tru"),
        Just(r#""x"#),
    ];
    let member = (space(), name, space(), space(), value, space());
    let member = member.prop_map(|(a, name, b, c, value, d)| format!("{a}{name}{b}:{c}{value}{d}"));
    let comma = prop_oneof![12 => Just(","), 1 => Just(""), 1 => Just(",,"), 1 => Just("}")];
    let members = proptest::collection::vec((member, comma), 0..5);
    let end = prop_oneof![8 => Just("}"), 1 => Just(""), 1 => Just("}x"), 1 => Just(",}")];
    let object = (members, end).prop_map(|(members, end)| {
        let mut text = "{".to_owned();
        for (place, (member, comma)) in members.iter().enumerate() {
            text.push_str(if place > 0 { comma } else { "" });
            text.push_str(member);
        }
        text + end
    });
    proptest::collection::vec(object, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_known_of_other_objects_changes_nothing(objects in objects()) {
        let mut leads = Vec::new();
        for text in &objects {
            prop_assert_eq!(read_knowing(text, &mut leads), read(text), "{}", text);
        }
    }

    #[test]
    fn a_plain_text_and_a_number_are_what_the_value_is(objects in objects()) {
        for text in &objects {
            let mut members = Members::open(text).unwrap();
            while let Ok(Some(MemberPlace { value: place, .. })) = members.next_place() {
                let value = place.value(text);
                let plain = match value {
                    Value::Text(text) => match text.decode() {
                        Cow::Borrowed(plain) => Some(plain),
                        Cow::Owned(_) => None,
                    },
                    _ => None,
                };
                prop_assert_eq!(place.plain_text(text), plain);
                let number = match value {
                    Value::Number(number) => Some(number),
                    _ => None,
                };
                prop_assert_eq!(place.number(text), number);
            }
        }
    }
}
