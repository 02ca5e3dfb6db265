//! A case for every code of rejection.

use std::collections::BTreeSet;

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn each_rejection_has_its_code() {
    use RejectionCode as Code;

    let too_large = format!("{{\"ind\": \"{}\"}}", "9".repeat(1024 * 1024));
    let too_deep = format!("{{\"ind\": {}", "[".repeat(10_000));
    let cases: &[(&[u8], Option<Kind>, Code, &str)] = &[
        (
            b"{\"ind\": \"\xff\"}",
            None,
            Code::NotUtf8,
            "the payload is not UTF-8 from byte 9 on",
        ),
        (
            b"",
            None,
            Code::NotJson,
            "not JSON: expected a value at byte 0",
        ),
        (
            b"{\"ind\": NaN}",
            None,
            Code::NotJson,
            "not JSON: expected a number or `null` (`NaN` and `Infinity` are not JSON; send `null` instead) at byte 8",
        ),
        (
            b"{\"ind\": 1} {}",
            None,
            Code::NotJson,
            "not JSON: expected the end of the text at byte 11",
        ),
        (
            too_deep.as_bytes(),
            None,
            Code::NotJson,
            "not JSON: expected nesting of at most 128 levels at byte 136",
        ),
        (
            b"[{\"ind\": 1}]",
            None,
            Code::NotAnObject,
            "JSON, but not an object",
        ),
        (
            b"\"hello\"",
            None,
            Code::NotAnObject,
            "JSON, but not an object",
        ),
        (b"null", None, Code::NotAnObject, "JSON, but not an object"),
        (
            b"{\"ind\": 1}",
            None,
            Code::UnknownKind,
            "nothing declares the row, and its fields do not say whether it is a geo, pin or user row",
        ),
        (
            b"{\"index\": 1, \"unique_id\": \"x\"}",
            Some(Kind::named("user")),
            Code::WrongKind,
            "declared as user, of which it has 0 fields, but 1 of pin",
        ),
        (
            b"{\"index\": \"x\", \"category\": \"art\"}",
            None,
            Code::MissingKey,
            "no `index` that is a whole number of 64 bits",
        ),
        (
            b"{\"ind\": 1.5}",
            Some(Kind::named("geo")),
            Code::MissingKey,
            "no `ind` that is a whole number of 64 bits",
        ),
        (
            b"{\"ind\": 1, \"country\": {}}",
            Some(Kind::named("geo")),
            Code::BadType,
            "`country` holds an object or an array where a scalar belongs",
        ),
        (
            b"{\"ind\": [1], \"latitude\": 1}",
            None,
            Code::BadType,
            "`ind` holds an object or an array where a scalar belongs",
        ),
        (
            too_large.as_bytes(),
            None,
            Code::TooLarge,
            "the payload has 1048587 bytes; a record may have 1048576",
        ),
    ];
    let mut seen = BTreeSet::new();
    for &(payload, declared, code, message) in cases {
        let rejection = reject(payload, declared);
        assert_eq!(
            (rejection.code, rejection.message.as_str()),
            (code, message)
        );
        seen.insert(code);
    }
    // These are no row's matter, and have tests of their own.
    seen.extend([
        Code::DamagedAggregate,
        Code::Compressed,
        Code::ControlMessage,
    ]);
    assert_eq!(seen.len(), Code::ALL.len(), "a code without a case");
}

fn reject(payload: &[u8], declared: Option<Kind>) -> Rejection {
    decode(payload)
        .and_then(|text| clean(&text, declared).map(|_| ()))
        .unwrap_err()
}

#[test]
fn the_stable_names_are_told_apart() {
    let rules: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
    assert_eq!(rules.len(), Rule::ALL.len());
    for &code in RejectionCode::ALL {
        assert_eq!(RejectionCode::from_name(code.as_str()), Some(code));
    }
    for (index, rule) in Rule::ALL.iter().copied().enumerate() {
        assert_eq!(rule as usize, index, "counts are kept by position");
    }
}

#[test]
fn a_damaged_aggregate_is_rejected_with_its_damage() {
    let rejection = Rejection::from(kpl::Damage::Short);
    assert_eq!(
        (rejection.kind, rejection.code),
        (None, RejectionCode::DamagedAggregate)
    );
    assert_eq!(
        rejection.message,
        "the payload is a damaged KPL aggregate: it breaks off before its checksum"
    );
}
