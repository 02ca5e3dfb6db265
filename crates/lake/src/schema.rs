//! The schema of a clean table.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use cleaning::timestamp_type;
use model::Table;

/// Name of the column with the shard that a row came through.
pub const SHARD: &str = "_shard";
/// Name of the column with a row's sequence number.
pub const SEQUENCE: &str = "_sequence";
/// Name of the column with the time when Kinesis took the record.
pub const ARRIVAL: &str = "_arrival";
/// Name of the column with the version of the rules.
pub const RULES: &str = "_rules";
pub use cleaning::{EXTRA, UNREAD};

/// Returns the schema of a clean table: its columns, then the lineage.
pub fn schema(table: &Table) -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let mut fields = cleaning::fields(table);
    fields.extend([
        Field::new(SHARD, DataType::Utf8, false),
        Field::new(SEQUENCE, DataType::Utf8, false),
        Field::new(ARRIVAL, timestamp_type(), false),
        Field::new(RULES, DataType::Int32, false),
        text(EXTRA),
        text(UNREAD),
    ]);
    Arc::new(Schema::new(fields))
}
