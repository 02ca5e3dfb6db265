//! Rows of any table, made up by the types of its columns.

use event_model::KeyValue;
use model::{Column, ColumnType, Epoch, Format, LATITUDE_MAX, LONGITUDE_MAX, Table};

use super::dice::Dice;
use super::dirt;
use super::json::{Row, Value};
use super::persona;
use crate::source::PostedRow;

/// One value in so many is missing.
const NULL_ONE_IN: u64 = 50;
/// Words that texts are made of.
const WORDS: [&str; 12] = [
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "harbour",
    "indigo",
    "juniper",
    "Köln",
    "ляпис",
];

/// Returns the row of a table with this offset. A newer version has other values.
pub(super) fn row(dice: &mut Dice, table: &Table, offset: i64, version: u64) -> PostedRow {
    for _ in 0..version {
        dice.below(2);
    }
    let key_column = table.key_column();
    let key = key_column.map(|column| match column.data_type {
        ColumnType::Int64 => KeyValue::Integer(offset),
        _ => KeyValue::Text(format!("{}-{offset:06}", table.kind).into()),
    });
    let mut row = Row::default();
    for (place, column) in table.columns.iter().enumerate() {
        if table.key == Some(place) {
            let name = column.from.first().unwrap_or(&column.name).clone();
            row = match &key {
                Some(KeyValue::Integer(key)) => row.with(name, *key),
                Some(KeyValue::Text(key)) => row.with(name, key.to_string()),
                None => row,
            };
        } else if !dice.one_in(NULL_ONE_IN) {
            row = with_column(row, dice, column);
        }
    }
    PostedRow {
        kind: table.kind,
        key,
        json: row.render(dirt::style(dice)),
    }
}

fn with_column(mut row: Row, dice: &mut Dice, column: &Column) -> Row {
    let first = column.from.first().unwrap_or(&column.name).clone();
    match column.data_type {
        ColumnType::Text if column.is_joined => {
            for name in &column.from {
                row = row.with(name.clone(), dice.pick(&WORDS));
            }
            row
        }
        ColumnType::Text => {
            let words = format!("{} {}", dice.pick(&WORDS), dice.pick(&WORDS));
            let most = column.max_length.unwrap_or(usize::MAX);
            let text: String = words.chars().take(most).collect();
            row.with(first, text)
        }
        ColumnType::Int32 | ColumnType::Int64 if column.format == Some(Format::ShortCount) => {
            row.with(first, persona::follower_count(dice))
        }
        ColumnType::Int32 | ColumnType::Int64 => row.with(first, whole(dice, column)),
        ColumnType::Float64 => {
            let (min, max) = column.range.float;
            let min = min.unwrap_or(0.0);
            let share = share(dice);
            let number = min + (max.unwrap_or(min + 1_000.0) - min) * share;
            row.with(first, Value::Raw(format!("{number:?}")))
        }
        ColumnType::Boolean => {
            let truth = dice.pick(&["true", "false"]);
            row.with(first, Value::Raw(truth.to_owned()))
        }
        ColumnType::Date => {
            let date: String = persona::date_time(dice, 2015, 2022)
                .chars()
                .take(10)
                .collect();
            row.with(first, date)
        }
        ColumnType::Timestamp => match column.epoch {
            None => row.with(first, persona::date_time(dice, 2015, 2022)),
            Some(epoch) => {
                let seconds = dice.between(1_400_000_000, 1_700_000_000);
                row.with(
                    first,
                    match epoch {
                        Epoch::Seconds => seconds,
                        Epoch::Milliseconds => seconds * 1_000 + dice.between(0, 999),
                    },
                )
            }
        },
        ColumnType::Decimal(_, scale) => {
            let number = whole(dice, column);
            let unit = 10_i64.checked_pow(scale.into()).unwrap_or(i64::MAX);
            let (digits, rest) = (number / unit, (number % unit).abs());
            let width = usize::from(scale);
            let text = match scale {
                0 => digits.to_string(),
                _ => format!("{digits}.{rest:0width$}"),
            };
            row.with(first, Value::Raw(text))
        }
        ColumnType::Point => {
            for (name, limit) in column.from.iter().zip([LATITUDE_MAX, LONGITUDE_MAX]) {
                let degrees = (share(dice) * 2.0 - 1.0) * limit;
                row = row.with(name.clone(), Value::Raw(format!("{degrees:.4}")));
            }
            row
        }
        ColumnType::Json => {
            let words = [dice.pick(&WORDS), dice.pick(&WORDS)];
            let number = dice.below(100);
            let json = format!(
                "{{\"tags\": [\"{}\", \"{}\"], \"n\": {number}}}",
                words[0], words[1]
            );
            row.with(first, Value::Raw(json))
        }
    }
}

/// Returns a number from 0 to 1.
fn share(dice: &mut Dice) -> f64 {
    let thousandths = u32::try_from(dice.below(1_001)).unwrap_or_default();
    f64::from(thousandths) / 1_000.0
}

/// Returns a whole number that the column takes: of a decimal in units of its last digit.
fn whole(dice: &mut Dice, column: &Column) -> i64 {
    let bound = |bound: Option<i128>| bound.and_then(|bound| i64::try_from(bound).ok());
    let (min, max) = column.range.whole;
    let most = match column.data_type {
        ColumnType::Decimal(precision, _) => {
            10_i64.checked_pow(precision.into()).unwrap_or(i64::MAX) - 1
        }
        _ => 10_000,
    };
    let min = bound(min).unwrap_or(0);
    dice.between(
        min,
        bound(max).unwrap_or(min.saturating_add(most.min(10_000))),
    )
}
