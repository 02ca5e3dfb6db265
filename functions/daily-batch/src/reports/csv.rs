//! A report as CSV, for people's spreadsheets.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use bytes::Bytes;

/// Writes a batch as CSV with a header.
///
/// A spreadsheet takes text that begins with `=`, `+`, `-`, `@`, a tab or a carriage return for a formula, and evaluates it: such text
/// gets a `'` in front, which it shows as text. It comes from strangers.
pub(super) fn write(batch: &RecordBatch) -> Result<Bytes, ArrowError> {
    let columns = batch.columns().iter().map(as_text).collect();
    let batch = RecordBatch::try_new(batch.schema(), columns)?;
    let mut bytes = Vec::new();
    arrow::csv::WriterBuilder::new()
        .with_header(true)
        .build(&mut bytes)
        .write(&batch)?;
    Ok(bytes.into())
}

fn as_text(column: &ArrayRef) -> ArrayRef {
    if *column.data_type() != DataType::Utf8 {
        return Arc::clone(column);
    }
    let values = column.as_string::<i32>().iter();
    Arc::new(
        values
            .map(|text| text.map(no_formula))
            .collect::<StringArray>(),
    )
}

fn no_formula(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array};

    use super::*;

    #[test]
    fn text_that_a_spreadsheet_would_evaluate_is_text_and_numbers_stay_numbers() {
        let texts = [
            "=HYPERLINK(\"http://x\",\"y\")",
            "@SUM(1)",
            "+1",
            "-1",
            "\t=1",
            "\r=1",
            "a=b",
            "+50",
        ];
        let text: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
        let integer: ArrayRef = Arc::new(Int64Array::from_iter_values(-4..4));
        let float: ArrayRef = Arc::new(Float64Array::from_iter_values((-4..4).map(f64::from)));
        let batch =
            RecordBatch::try_from_iter([("text", text), ("count", integer), ("median", float)])
                .unwrap();
        insta::assert_snapshot!(str::from_utf8(&write(&batch).unwrap()).unwrap().replace('\r', "␍"), @r#"
        text,count,median
        "'=HYPERLINK(""http://x"",""y"")",-4,-4.0
        '@SUM(1),-3,-3.0
        '+1,-2,-2.0
        '-1,-1,-1.0
        '	=1,0,0.0
        "'␍=1",1,1.0
        a=b,2,2.0
        '+50,3,3.0
        "#);
    }
}
