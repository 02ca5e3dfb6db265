//! The dirt that is rarer than no-data markers: blanks, nulls, numbers as text, values out of range, rows to reject.

use super::Vocabulary;
use super::dice::Dice;
use super::json::{Row, Style, Value};

/// What makes a row one that is to be rejected.
pub(super) enum Flaw {
    /// Something in the row itself.
    InTheRow,
    /// It is to be posted as another kind.
    PostedElsewhere,
}

/// One row in so many cannot be cleaned.
const FLAW_ONE_IN: u64 = 400;

/// Adds dirt to a row, and returns why it cannot become a clean one, if so.
pub(super) fn add_dirt(dice: &mut Dice, table: Vocabulary, row: &mut Row) -> Option<Flaw> {
    let (_, key) = table.names();
    let (texts, numbers): (&[&'static str], &[&'static str]) = match table {
        Vocabulary::Pin => (&PIN_TEXTS, &["index"]),
        Vocabulary::Geo => (&["country"], &["ind", "latitude", "longitude"]),
        Vocabulary::User => (&["first_name", "last_name"], &["ind", "age"]),
    };
    if dice.per_mille(8) {
        let field = dice.pick(texts);
        add_dirt_to_text(dice, row, field);
    }
    if dice.per_mille(5) {
        row.quote(dice.pick(numbers));
    }
    if dice.per_mille(6) {
        match table {
            Vocabulary::Pin => add_dirt_to_pin(dice, row),
            Vocabulary::Geo => add_dirt_to_geo(dice, row),
            Vocabulary::User => add_dirt_to_user(dice, row),
        }
    }
    if dice.per_mille(3) {
        let extra = dice.pick(&[
            "\"evening\"",
            "{\"id\": 12, \"private\": false}",
            "[1, 2]",
            "null",
            "3.50",
        ]);
        row.set("board", Value::Raw(extra.to_owned()));
    }
    if !dice.one_in(FLAW_ONE_IN) {
        return None;
    }
    match dice.below(4) {
        0 => return Some(Flaw::PostedElsewhere),
        1 => row.remove(key),
        2 => row.set(key, Value::from(dice.pick(&["", "unknown", "12a", "7.5"]))),
        _ => {
            let field = dice.pick(texts);
            row.set(field, Value::Raw("[\"one\", \"two\"]".to_owned()));
        }
    }
    Some(Flaw::InTheRow)
}

const PIN_TEXTS: [&str; 7] = [
    "title",
    "description",
    "poster_name",
    "tag_list",
    "image_src",
    "save_location",
    "category",
];

fn add_dirt_to_text(dice: &mut Dice, row: &mut Row, field: &'static str) {
    match dice.below(6) {
        0 => row.remove(field),
        1 => row.set(field, Value::Raw("null".to_owned())),
        _ => {
            let blank = dice.pick(&["", " ", "\u{a0}", " \u{a0}\t", "\n", "\u{3000}"]);
            row.set(field, Value::from(blank));
        }
    }
}

fn add_dirt_to_pin(dice: &mut Dice, row: &mut Row) {
    match dice.below(5) {
        0 => row.set("follower_count", Value::from(dice.between(0, 90_000))),
        1 => row.set("downloaded", Value::Raw("true".to_owned())),
        2 => row.set("save_location", Value::from("Local save in   /data/attic")),
        3 => row.set("save_location", Value::from("/data/attic")),
        _ => {
            let unreadable = [
                "many",
                "12 k",
                "-5",
                "1,23",
                "4.k",
                "k",
                "1.2345k",
                "7T",
                "10K",
                "3m",
                "1,234,567",
                "0.5k",
            ];
            let count = dice.pick(&unreadable);
            row.set("follower_count", Value::from(count));
        }
    }
}

fn add_dirt_to_geo(dice: &mut Dice, row: &mut Row) {
    match dice.below(4) {
        0 => row.set(
            "latitude",
            Value::Raw(
                dice.pick(&["95.5", "-90.0001", "1e3", "90", "-90.0"])
                    .to_owned(),
            ),
        ),
        1 => row.set(
            "longitude",
            Value::Raw(dice.pick(&["-190.25", "180.5", "180", "-1.8e2"]).to_owned()),
        ),
        2 => row.set(
            "latitude",
            Value::from(dice.pick(&["north", "", " 12.5 ", "1,5"])),
        ),
        _ => row.remove("longitude"),
    }
}

fn add_dirt_to_user(dice: &mut Dice, row: &mut Row) {
    match dice.below(3) {
        0 => row.set(
            "age",
            Value::Raw(dice.pick(&["-3", "151", "200", "150", "0"]).to_owned()),
        ),
        1 => row.set(
            "age",
            Value::from(dice.pick(&["unknown", "", "31.0", " 44 ", "20.5"])),
        ),
        _ => row.set("age", Value::Raw("null".to_owned())),
    }
}

/// Spells a timestamp as other clients do, or makes it unreadable.
pub(super) fn respell(dice: &mut Dice, timestamp: String) -> String {
    match dice.below(1000) {
        0..20 => timestamp.replacen(' ', "T", 1),
        20..32 => timestamp.replacen('-', ":", 2),
        32..40 => format!("{timestamp}.{:06}", dice.below(1_000_000)),
        40..44 => format!("{timestamp}Z"),
        44..48 => format!("{}.5+02:00", timestamp.replacen(' ', "T", 1)),
        48..51 => format!("{timestamp}-0930"),
        51..54 => dice
            .pick(&[
                "0000-00-00 00:00:00",
                "2021-02-30 10:00:00",
                "last Tuesday",
                "2020/08/28 03:52:47",
                "1598586767",
            ])
            .to_owned(),
        54..56 => " ".to_owned(),
        _ => timestamp,
    }
}

/// Chooses how the row's JSON is written: most as Python's `json.dumps` does.
pub(super) fn style(dice: &mut Dice) -> Style {
    Style {
        is_spaced: !dice.one_in(12),
        is_ascii: !dice.one_in(5),
    }
}
