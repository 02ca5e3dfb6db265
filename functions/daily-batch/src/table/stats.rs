//! What a Delta log says of a file: its rows, and the nulls and the range of each column.
//!
//! Readers leave out files by the ranges. Some find nothing in a column of which a file has no range: each column that can have
//! one has both, or the count that says that it is all nulls.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray as _, RecordBatch};
use arrow::compute::{max, max_string, max_string_view, min, min_string, min_string_view};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use jiff::SignedDuration;
use jiff::civil::{DateTime, date};
use serde_json::{Map, Value, json};

/// Most characters of a text's bound, as Delta's own writers have it.
const BOUND_CHARS: usize = 32;

/// The statistics of a file while it is written.
#[derive(Clone, Debug, Default)]
pub(super) struct FileStats {
    pub(super) rows: usize,
    columns: BTreeMap<String, Column>,
}

#[derive(Clone, Debug, Default)]
struct Column {
    nulls: usize,
    range: Option<Range>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Range {
    Integer(i64, i64),
    /// Microseconds since 1970-01-01 UTC.
    Time(i64, i64),
    /// Bounds of the texts, cut.
    Text(String, String),
}

impl FileStats {
    pub(super) fn append(&mut self, rows: &RecordBatch) {
        self.rows += rows.num_rows();
        for (field, array) in rows.schema_ref().fields().iter().zip(rows.columns()) {
            let column = match self.columns.get_mut(field.name()) {
                Some(column) => column,
                None => self.columns.entry(field.name().clone()).or_default(),
            };
            column.nulls += array.logical_null_count();
            let range = range(array);
            column.range = match (column.range.take(), range) {
                (Some(one), Some(other)) => Some(one.with(other)),
                (one, other) => one.or(other),
            };
        }
    }

    /// Returns the statistics as the Delta protocol spells them.
    pub(super) fn to_json(&self) -> String {
        let (mut low, mut high, mut nulls) = (Map::new(), Map::new(), Map::new());
        for (name, column) in &self.columns {
            nulls.insert(name.clone(), column.nulls.into());
            if let Some((first, last)) = column.range.as_ref().and_then(Range::bounds) {
                low.insert(name.clone(), first);
                high.insert(name.clone(), last);
            }
        }
        json!({"numRecords": self.rows, "minValues": low, "maxValues": high, "nullCount": nulls})
            .to_string()
    }
}

impl Range {
    fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Integer(low, high), Self::Integer(other_low, other_high)) => {
                Self::Integer(low.min(other_low), high.max(other_high))
            }
            (Self::Time(low, high), Self::Time(other_low, other_high)) => {
                Self::Time(low.min(other_low), high.max(other_high))
            }
            (Self::Text(low, high), Self::Text(other_low, other_high)) => {
                Self::Text(low.min(other_low), high.max(other_high))
            }
            // A column has one type.
            (one, _) => one,
        }
    }

    /// Returns the bounds as JSON; `None` where one of them cannot be written.
    fn bounds(&self) -> Option<(Value, Value)> {
        Some(match self {
            Self::Integer(low, high) => ((*low).into(), (*high).into()),
            // Times have milliseconds there, so the range is widened to whole ones, but for the last one that there is.
            Self::Time(low, high) => (
                time(low.div_euclid(1000) * 1000)?,
                time(-(-high).div_euclid(1000) * 1000).or_else(|| time(*high))?,
            ),
            Self::Text(low, high) => (low.clone().into(), high.clone().into()),
        })
    }
}

/// Returns the range of an array's values; `None` without any, and for a type that has no order in Delta.
fn range(array: &ArrayRef) -> Option<Range> {
    match array.data_type() {
        DataType::Int64 => {
            integers::<Int64Type>(array).map(|(low, high)| Range::Integer(low, high))
        }
        DataType::Int32 => integers::<Int32Type>(array)
            .map(|(low, high)| Range::Integer(i64::from(low), i64::from(high))),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            integers::<TimestampMicrosecondType>(array).map(|(low, high)| Range::Time(low, high))
        }
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            texts(min_string(array), max_string(array))
        }
        DataType::Utf8View => {
            let array = array.as_string_view();
            texts(min_string_view(array), max_string_view(array))
        }
        _ => None,
    }
}

fn integers<T: ArrowPrimitiveType>(array: &ArrayRef) -> Option<(T::Native, T::Native)> {
    let array = array.as_primitive_opt::<T>()?;
    min(array).zip(max(array))
}

fn texts(low: Option<&str>, high: Option<&str>) -> Option<Range> {
    let (low, high) = low.zip(high)?;
    // The start of a long text, and one more character than a bound has, say as much as the whole.
    Some(Range::Text(lower_bound(low).to_owned(), upper_bound(high)))
}

/// Returns the start of a text, which is not greater than it.
fn lower_bound(text: &str) -> &str {
    let end = text.char_indices().nth(BOUND_CHARS);
    end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// Returns a text that is not less than another, and no longer than it needs to be: its start, and the last character that
/// there is.
fn upper_bound(text: &str) -> String {
    let mut rest = text.chars();
    let mut bound: String = rest.by_ref().take(BOUND_CHARS).collect();
    if rest.as_str().is_empty() {
        return bound;
    }
    // Behind these, the last character alone would not be enough.
    let same = rest
        .by_ref()
        .take_while(|letter| *letter == char::MAX)
        .count();
    bound.extend(std::iter::repeat_n(char::MAX, same + 1));
    bound
}

/// Writes a time of the years 1 to 9999, which are all that a column holds.
fn time(micros: i64) -> Option<Value> {
    const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);
    let time = EPOCH
        .checked_add(SignedDuration::from_micros(micros))
        .ok()?;
    (1..=9999)
        .contains(&time.year())
        .then(|| match time.subsec_nanosecond() % 1_000_000 {
            0 => format!("{time:.3}Z").into(),
            _ => format!("{time:.6}Z").into(),
        })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Float64Array, Int32Array, ListArray, StringArray, StringViewArray,
        TimestampMicrosecondArray,
    };
    use proptest::prelude::*;

    use super::*;

    fn stats(batches: &[Vec<(&str, ArrayRef)>]) -> Value {
        let mut stats = FileStats::default();
        for columns in batches {
            stats.append(&RecordBatch::try_from_iter(columns.clone()).unwrap());
        }
        serde_json::from_str(&stats.to_json()).unwrap()
    }

    #[test]
    fn each_column_with_values_has_a_range_if_its_type_has_an_order() {
        let list = ListArray::from_iter_primitive::<arrow::datatypes::Float64Type, _, _>([
            Some([Some(1.0), Some(2.0)]),
            None,
        ]);
        let times = |values: Vec<Option<i64>>| {
            Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC")) as ArrayRef
        };
        let first: Vec<(&str, ArrayRef)> = vec![
            ("age", Arc::new(Int32Array::from(vec![Some(7), None]))),
            ("name", Arc::new(StringArray::from(vec![Some("b"), None]))),
            (
                "nothing",
                Arc::new(StringArray::from(vec![None::<&str>, None])),
            ),
            ("list", Arc::new(list)),
            ("ratio", Arc::new(Float64Array::from(vec![1.0, f64::NAN]))),
            ("time", times(vec![Some(1_600_000_000_000_001), None])),
            (
                "for_ever",
                times(vec![Some(253_402_300_799_999_999), Some(0)]),
            ),
        ];
        let second: Vec<(&str, ArrayRef)> = vec![
            ("age", Arc::new(Int32Array::from(vec![-1]))),
            ("name", Arc::new(StringViewArray::from(vec!["a"]))),
        ];
        insta::assert_snapshot!(serde_json::to_string_pretty(&stats(&[first, second])).unwrap(), @r#"
        {
          "numRecords": 3,
          "minValues": {
            "age": -1,
            "for_ever": "1970-01-01T00:00:00.000Z",
            "name": "a",
            "time": "2020-09-13T12:26:40.000Z"
          },
          "maxValues": {
            "age": 7,
            "for_ever": "9999-12-31T23:59:59.999999Z",
            "name": "b",
            "time": "2020-09-13T12:26:40.001Z"
          },
          "nullCount": {
            "age": 1,
            "for_ever": 0,
            "list": 1,
            "name": 1,
            "nothing": 2,
            "ratio": 0,
            "time": 1
          }
        }
        "#);
    }

    proptest! {
        #[test]
        fn bounds_of_texts_hold_every_text(texts in proptest::collection::vec("[a\u{10ffff}é]{0,80}|\\PC{0,60}", 1..9)) {
            let array: ArrayRef = Arc::new(StringArray::from(texts.clone()));
            let stats = stats(&[vec![("name", array)]]);
            let bound = |of: &str| stats[of]["name"].as_str().unwrap().to_owned();
            for text in texts {
                prop_assert!(bound("minValues") <= text && text <= bound("maxValues"), "{text}: {stats}");
            }
        }

        #[test]
        fn bounds_of_times_hold_every_time(micros in -62_135_596_800_000_000_i64..253_402_300_799_000_000) {
            let array: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![micros]));
            let stats = stats(&[vec![("time", array)]]);
            let bound = |of: &str| -> DateTime {
                stats[of]["time"].as_str().unwrap().trim_end_matches('Z').parse().unwrap()
            };
            let time = date(1970, 1, 1).at(0, 0, 0, 0) + SignedDuration::from_micros(micros);
            prop_assert!(bound("minValues") <= time && time <= bound("maxValues"), "{time}: {stats}");
        }
    }
}
