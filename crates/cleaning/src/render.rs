//! A clean row as JSON.

use std::fmt::Write as _;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use json_reader::push_string;
use model::{ColumnType, Table};

use crate::{EXTRA, UNREAD, timestamp};

/// Writes a row's columns in their order, then the fields of `_extra` one by one, and `_unread`.
///
/// `batch` has the columns of `table`, `_extra` and `_unread`, in any order and with others.
pub fn row_to_json(table: &Table, batch: &RecordBatch, row: usize) -> String {
    let mut object = Object::default();
    for column in &table.columns {
        object.name(&column.name);
        let value = batch
            .column_by_name(&column.name)
            .filter(|cells| !cells.is_null(row))
            .and_then(|cells| value(column.data_type, cells, row));
        object.json.push_str(value.as_deref().unwrap_or("null"));
    }
    let text = |name: &str| {
        let cells = batch.column_by_name(name)?.as_string_opt::<i32>()?;
        (!cells.is_null(row)).then(|| cells.value(row))
    };
    let members = text(EXTRA).and_then(|extra| extra.strip_prefix('{')?.strip_suffix('}'));
    if let Some(members) = members {
        object.json.push(',');
        object.json.push_str(members);
    }
    if let Some(unread) = text(UNREAD) {
        object.name(UNREAD);
        object.json.push_str(unread);
    }
    object.json.push('}');
    object.json
}

/// Returns a cell as JSON; `None` for one that is of another type than the column.
fn value(data_type: ColumnType, cells: &dyn arrow::array::Array, row: usize) -> Option<String> {
    let quoted = |text: &str| {
        let mut json = String::new();
        push_string(&mut json, text);
        json
    };
    Some(match data_type {
        ColumnType::Text => quoted(cells.as_string_opt::<i32>()?.value(row)),
        ColumnType::Json => cells.as_string_opt::<i32>()?.value(row).to_owned(),
        ColumnType::Int32 => cells
            .as_primitive_opt::<Int32Type>()?
            .value(row)
            .to_string(),
        ColumnType::Int64 => cells
            .as_primitive_opt::<Int64Type>()?
            .value(row)
            .to_string(),
        // `Debug` writes the shortest decimal that reads back to the same double.
        ColumnType::Float64 => format!("{:?}", cells.as_primitive_opt::<Float64Type>()?.value(row)),
        ColumnType::Boolean => cells.as_boolean_opt()?.value(row).to_string(),
        ColumnType::Decimal(..) => cells
            .as_primitive_opt::<Decimal128Type>()?
            .value_as_string(row),
        ColumnType::Date => {
            let days = cells.as_primitive_opt::<Date32Type>()?.value(row);
            quoted(&timestamp::format_date(days)?)
        }
        ColumnType::Timestamp => {
            let micros = cells
                .as_primitive_opt::<TimestampMicrosecondType>()?
                .value(row);
            quoted(&timestamp::format(micros)?)
        }
        ColumnType::Point => {
            let parts = cells.as_list_opt::<i32>()?.value(row);
            let parts = parts.as_primitive_opt::<Float64Type>()?;
            let mut json = String::new();
            for part in parts.values() {
                json.push(if json.is_empty() { '[' } else { ',' });
                // Writing to a string does not fail.
                let _ = write!(json, "{part:?}");
            }
            json.push(']');
            json
        }
    })
}

#[derive(Default)]
struct Object {
    json: String,
}

impl Object {
    fn name(&mut self, name: &str) {
        self.json.push(if self.json.is_empty() { '{' } else { ',' });
        push_string(&mut self.json, name);
        self.json.push(':');
    }
}
