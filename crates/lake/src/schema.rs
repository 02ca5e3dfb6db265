//! The clean table of each kind.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use event_model::Kind;

/// Name of the column with the shard that a row came through.
pub const SHARD: &str = "_shard";
/// Name of the column with a row's sequence number.
pub const SEQUENCE: &str = "_sequence";
/// Name of the column with the time when Kinesis took the record.
pub const ARRIVAL: &str = "_arrival";
/// Name of the column with the version of the rules.
pub const RULES: &str = "_rules";
/// Name of the column with the fields that no rule knows.
pub const EXTRA: &str = "_extra";
/// Name of the column with the posted values that are in no other column.
pub const UNREAD: &str = "_unread";

/// Returns the schema of a kind's clean table: its columns, then the lineage.
pub fn schema(kind: Kind) -> SchemaRef {
    static SCHEMAS: LazyLock<[SchemaRef; 3]> =
        LazyLock::new(|| Kind::ALL.map(|kind| Arc::new(build(kind))));
    Arc::clone(&SCHEMAS[kind as usize])
}

/// Returns the type of every timestamp in the lake: microseconds in UTC.
pub fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Returns the element field of `coordinates`. `element` is the name that the Parquet format and Spark give it.
pub(crate) fn coordinates_element() -> Field {
    Field::new("element", DataType::Float64, false)
}

fn build(kind: Kind) -> Schema {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let mut fields = vec![Field::new("ind", DataType::Int64, false)];
    fields.extend(match kind {
        Kind::Pin => vec![
            text("unique_id"),
            text("title"),
            text("description"),
            Field::new("follower_count", DataType::Int64, true),
            text("poster_name"),
            text("tag_list"),
            text("is_image_or_video"),
            text("image_src"),
            text("save_location"),
            text("category"),
        ],
        Kind::Geo => vec![
            text("country"),
            Field::new(
                "coordinates",
                DataType::List(Arc::new(coordinates_element())),
                true,
            ),
            Field::new("timestamp", timestamp_type(), true),
        ],
        Kind::User => vec![
            text("user_name"),
            Field::new("age", DataType::Int32, true),
            Field::new("date_joined", timestamp_type(), true),
        ],
    });
    fields.extend([
        Field::new(SHARD, DataType::Utf8, false),
        Field::new(SEQUENCE, DataType::Utf8, false),
        Field::new(ARRIVAL, timestamp_type(), false),
        Field::new(RULES, DataType::Int32, false),
        text(EXTRA),
        text(UNREAD),
    ]);
    Schema::new(fields)
}
