use std::collections::{BTreeMap, HashSet};

use cleaning::{RejectionCode, Rule, RuleCounts};

use super::*;

fn posts(seed: u64, count: usize) -> Vec<Post> {
    let mut generator = Generator::new(Model::load_from(None).unwrap(), seed);
    (0..count).map(|_| generator.next_post()).collect()
}

fn text(row: &PostedRow) -> &str {
    str::from_utf8(&row.json).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_rows() {
    assert_eq!(posts(7, 500), posts(7, 500));
    assert_ne!(posts(7, 20), posts(8, 20));
    // Another run of another build gives these bytes too.
    let first = &posts(0, 1)[0];
    insta::assert_snapshot!(first.rows.iter().map(text).collect::<Vec<_>>().join("\n"), @r#"
    {"ind": 0, "timestamp": "2022-08-04 23:16:25", "latitude": -38.7493, "longitude": 2.3218, "country": "T\u00fcrkiye"}
    {"index": 0, "unique_id": "6fce3ad1-29ce-4dfb-a412-5d65635430fb", "title": "How to Love Raised Beds (Left-Handers Welcome)", "description": "Measure first, then measure once more. More about Seed Trays in \u201cgardening\u201d.", "poster_name": "Half Acre Kitchen", "follower_count": "16k", "tag_list": "gardening,Balcony Herbs,Seed Trays,Rain Barrels,Balcony Herbs", "is_image_or_video": "image", "image_src": "https://pictures.example/originals/826f205ee24c384718c8047472b7ba38.jpg", "downloaded": 1, "save_location": "Local save in /data/gardening", "category": "gardening"}
    {"ind": 0, "first_name": "Ines", "last_name": "Ekholm", "age": 18, "date_joined": "2016-02-14 20:20:34"}
    "#);
}

#[test]
fn one_row_in_sixty_repeats_an_earlier_one() {
    let posts = posts(1, 6_000);
    let mut seen = HashSet::new();
    let repeats = posts
        .iter()
        .filter(|post| !seen.insert(post.offset))
        .count();
    assert!((60..140).contains(&repeats), "{repeats}");

    let mut versions: BTreeMap<i64, HashSet<&[u8]>> = BTreeMap::new();
    for post in &posts {
        versions
            .entry(post.offset)
            .or_default()
            .insert(&post.rows[1].json);
    }
    let newer = versions
        .values()
        .filter(|versions| versions.len() > 1)
        .count();
    assert!((5..40).contains(&newer), "{newer}");
}

#[test]
fn every_row_has_an_offset_of_its_own() {
    let mut offsets = HashSet::new();
    for number in 0..3 * BLOCK {
        let offset = offset(99, number);
        assert!(offset >= 0 && offsets.insert(offset), "{number}");
    }
}

#[test]
fn every_rule_and_the_codes_that_pass_the_door_occur_in_realistic_shares() {
    let mut changes = RuleCounts::default();
    let mut cleaner = cleaning::Cleaner::new(Model::load_from(None).unwrap());
    let mut rejected: BTreeMap<RejectionCode, usize> = BTreeMap::new();
    let (mut unread, mut stories, mut without_image, mut pins) = (0, 0, 0, 0);
    let posts = posts(3, 10 * 2_186);
    for row in posts.iter().flat_map(|post| &post.rows) {
        let text = text(row);
        match cleaner.clean(text, Some(row.kind), &mut changes) {
            Ok(row) => {
                if row.kind != Kind::named("pin") {
                    continue;
                }
                let pin: serde_json::Value = serde_json::from_str(row.to_json()).unwrap();
                pins += 1;
                unread += usize::from(text.contains("\"User Info Error\""));
                without_image += usize::from(pin["image_src"].is_null());
                stories +=
                    usize::from(pin["is_image_or_video"] == "multi-video(story page format)");
            }
            Err(rejection) => *rejected.entry(rejection.code).or_default() += 1,
        }
    }
    // The real rows have none of these; nor have the generated ones.
    let without = [
        Rule::TimestampTruncated,
        Rule::LoneSurrogate,
        Rule::EmptyRow,
        Rule::TextTooLong,
        Rule::BooleanUnreadable,
        Rule::JsonUnreadable,
    ];
    for &rule in Rule::ALL {
        assert_eq!(changes.count(rule) > 0, !without.contains(&rule), "{rule}");
    }
    let total: usize = rejected.values().sum();
    assert!((80..250).contains(&total), "{rejected:?}");
    for code in [
        RejectionCode::WrongKind,
        RejectionCode::MissingKey,
        RejectionCode::BadType,
    ] {
        assert!(rejected.get(&code) > Some(&10), "{rejected:?}");
    }
    assert_eq!(rejected.len(), 3, "{rejected:?}");
    // Ten times as many as in the 2,186 rows of real data.
    assert!((120..230).contains(&unread), "{unread}");
    assert!((1_350..1_750).contains(&stories), "{stories}");
    assert!((430..680).contains(&without_image), "{without_image}");
    assert!(pins > 21_700, "{pins}");
}

#[test]
fn rows_hold_the_characters_that_real_ones_do() {
    let posts = posts(5, 5_000);
    let has = |test: &dyn Fn(&str) -> bool| {
        let rows = posts.iter().flat_map(|post| &post.rows);
        rows.filter(|row| {
            let value: serde_json::Value = serde_json::from_slice(&row.json).unwrap();
            value
                .as_object()
                .unwrap()
                .values()
                .any(|value| value.as_str().is_some_and(test))
        })
        .count()
    };
    assert!(has(&|text| text.ends_with("\u{2026}\u{a0}")) > 1_500);
    assert!(has(&|text| text.contains('\n')) > 5);
    assert!(has(&|text| text.contains('🧵')) > 3);
    assert!(has(&|text| text.contains("Тихий")) > 1);
    assert!(has(&|text| text.contains('の')) > 1);
    assert!(has(&|text| text.contains("d'Ivoire")) > 100);
    assert!(has(&|text| text.contains("(the territory")) > 100);
    let raw = posts
        .iter()
        .flat_map(|post| &post.rows)
        .filter(|row| !row.json.is_ascii())
        .count();
    assert!(raw > 300, "{raw}");
}
