//! A row of the database → the JSON that the old script posts: `json.dumps(row, default=str)`.

use std::fmt::Write as _;

use bytes::Bytes;
use sqlx::mysql::MySqlRow;
use sqlx::{Column as _, Row as _, TypeInfo as _};

/// Returns the row as a JSON object, its columns in the order of the table.
///
/// The error says which column cannot be posted.
pub(super) fn render(row: &MySqlRow) -> Result<Bytes, String> {
    let mut json = String::from("{");
    for (index, column) in row.columns().iter().enumerate() {
        // A plain query is answered in text, whatever the column's type.
        let value: Option<&[u8]> = row
            .try_get_unchecked(index)
            .map_err(|error| error.to_string())?;
        let value = value.map(str::from_utf8).transpose();
        let value = value.map_err(|_| format!("`{}` is not UTF-8 text", column.name()))?;
        if index > 0 {
            json.push_str(", ");
        }
        push_text(&mut json, column.name());
        json.push_str(": ");
        push_value(&mut json, column.type_info().name(), value);
    }
    json.push('}');
    Ok(json.into())
}

/// Appends a value, by the name of its column's type: numbers as numbers, everything else as the server's text.
fn push_value(json: &mut String, type_name: &str, value: Option<&str>) {
    let Some(text) = value else {
        json.push_str("null");
        return;
    };
    let is_whole = type_name.contains("INT") || matches!(type_name, "BOOLEAN" | "YEAR");
    if is_whole && let Ok(number) = text.parse::<i128>() {
        // ZEROFILL brings leading zeros, which JSON does not have. Writing to a text cannot fail.
        let _ = write!(json, "{number}");
        return;
    }
    if matches!(type_name, "FLOAT" | "DOUBLE")
        && let Ok(number) = text.parse::<f64>()
        && number.is_finite()
    {
        // The shortest text that reads as the same number.
        let _ = write!(json, "{number:?}");
        return;
    }
    push_text(json, text);
}

fn push_text(json: &mut String, text: &str) {
    json.push_str(&serde_json::Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_old_script() {
        for (type_name, value, expected) in [
            ("INT", "7528", "7528"),
            (
                "BIGINT UNSIGNED",
                "18446744073709551615",
                "18446744073709551615",
            ),
            ("INT UNSIGNED", "00042", "42"),
            ("BIGINT", "-9223372036854775808", "-9223372036854775808"),
            ("BOOLEAN", "1", "1"),
            ("YEAR", "2020", "2020"),
            ("DOUBLE", "-89.9787", "-89.9787"),
            ("DOUBLE", "0.1", "0.1"),
            ("DOUBLE", "12", "12.0"),
            ("DOUBLE", "1.7976931348623157e308", "1.7976931348623157e308"),
            ("DOUBLE", "5e-324", "5e-324"),
            ("DOUBLE", "-0", "-0.0"),
            ("FLOAT", "-173.293", "-173.293"),
            ("DECIMAL", "12.50", "\"12.50\""),
            ("DATETIME", "2020-08-28 03:52:47", "\"2020-08-28 03:52:47\""),
            ("DATETIME", "0000-00-00 00:00:00", "\"0000-00-00 00:00:00\""),
            (
                "TIMESTAMP",
                "2020-08-28 03:52:47.25",
                "\"2020-08-28 03:52:47.25\"",
            ),
            ("DATE", "2020-08-28", "\"2020-08-28\""),
            ("VARCHAR", "306", "\"306\""),
            (
                "TEXT",
                "a \"b\"\n\u{a0}\u{1f9f5} \\",
                "\"a \\\"b\\\"\\n\u{a0}\u{1f9f5} \\\\\"",
            ),
            ("TEXT", "", "\"\""),
            ("ENUM", "image", "\"image\""),
        ] {
            let mut json = String::new();
            push_value(&mut json, type_name, Some(value));
            assert_eq!(json, expected, "{type_name}");
            let read: serde_json::Value = serde_json::from_str(&json).unwrap();
            if type_name == "DOUBLE" {
                assert_eq!(read.as_f64(), value.parse().ok());
            }
            json.clear();
            push_value(&mut json, type_name, None);
            assert_eq!(json, "null");
        }
    }
}
