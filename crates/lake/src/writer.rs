//! Clean rows → one Parquet object.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Builder, Int32Builder, Int64Builder, ListBuilder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::error::ArrowError;
use bytes::Bytes;
use cleaning::{Cleaned, RULES_VERSION, Rest, RuleCounts};
use event_model::{CleanRow, GeoRow, Kind, PinRow, ShardId, UserRow};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{FileMetaData, KeyValue};
use parquet::file::properties::WriterProperties;
use serde_json::{Map, Value};

use crate::{LakeError, Sequence, schema};

/// Where a row came from: the lineage columns, but for the version of the rules and the values without a column.
#[derive(Clone, Copy, Debug)]
pub struct Lineage<'a> {
    /// The record's shard.
    pub shard: &'a ShardId,
    /// The record's sequence number, and the row's place in the record if it holds several.
    pub sequence: Sequence,
    /// When Kinesis took the record: microseconds since 1970-01-01 UTC.
    pub arrival_micros: i64,
}

/// Gathers clean rows of one kind, column by column, and writes them as one Parquet object.
///
/// Text is copied once, from the record's bytes into the column.
#[derive(Debug)]
pub struct CleanWriter {
    kind: Kind,
    columns: Columns,
    lineage: LineageColumns,
    rows: usize,
    changes: RuleCounts,
}

impl CleanWriter {
    /// Makes a writer for rows of one kind.
    pub fn new(kind: Kind) -> Self {
        let columns = match kind {
            Kind::Pin => Columns::Pin(PinColumns::default()),
            Kind::Geo => Columns::Geo(GeoColumns::new()),
            Kind::User => Columns::User(UserColumns::new()),
        };
        Self {
            kind,
            columns,
            lineage: LineageColumns::new(),
            rows: 0,
            changes: RuleCounts::default(),
        }
    }

    /// Appends a row. A row of another kind than the writer's is refused.
    pub fn append(
        &mut self,
        cleaned: &Cleaned<'_>,
        lineage: &Lineage<'_>,
    ) -> Result<(), LakeError> {
        match (&mut self.columns, &cleaned.row) {
            (Columns::Pin(columns), CleanRow::Pin(row)) => columns.append(row),
            (Columns::Geo(columns), CleanRow::Geo(row)) => columns.append(row),
            (Columns::User(columns), CleanRow::User(row)) => columns.append(row),
            (_, row) => {
                return Err(LakeError::WrongKind {
                    writer: self.kind,
                    row: row.kind(),
                });
            }
        }
        self.lineage.append(lineage, &cleaned.rest);
        self.rows += 1;
        self.changes += cleaned.changes;
        Ok(())
    }

    /// Returns the rows appended so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the rows as one record batch of the kind's [`schema`](crate::schema::schema).
    pub fn finish(self) -> Result<RecordBatch, LakeError> {
        let mut columns = match self.columns {
            Columns::Pin(columns) => columns.finish(),
            Columns::Geo(columns) => columns.finish(),
            Columns::User(columns) => columns.finish(),
        };
        columns.extend(self.lineage.finish());
        RecordBatch::try_new(schema::schema(self.kind), columns).map_err(arrow_error)
    }

    /// Returns the rows as a Parquet object, with what the rules changed in its [`CHANGES`].
    ///
    /// The same rows give the same bytes.
    pub fn finish_parquet(self) -> Result<Bytes, LakeError> {
        let counts = self.changes.iter();
        let counts: Map<String, Value> = counts
            .map(|(rule, count)| (rule.to_string(), count.into()))
            .collect();
        let changes = KeyValue::new(CHANGES.to_owned(), Value::Object(counts).to_string());
        write(&self.finish()?, vec![changes])
    }
}

/// Key of the metadata of a clean object that holds the values changed by each rule, as a JSON object.
pub const CHANGES: &str = "pinflow.changes";

/// Returns what the rules changed in the rows of a clean object; nothing when it does not say so.
pub fn changes(metadata: &FileMetaData) -> BTreeMap<String, u64> {
    let entries = metadata.key_value_metadata().into_iter().flatten();
    let changes = entries
        .filter(|entry| entry.key == CHANGES)
        .find_map(|entry| entry.value.as_deref());
    changes
        .and_then(|changes| serde_json::from_str(changes).ok())
        .unwrap_or_default()
}

/// Writes a record batch as a Parquet object, compressed with Zstandard.
pub fn write_parquet(batch: &RecordBatch) -> Result<Bytes, LakeError> {
    write(batch, Vec::new())
}

fn write(batch: &RecordBatch, metadata: Vec<KeyValue>) -> Result<Bytes, LakeError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by("pinflow".to_owned())
        .set_key_value_metadata((!metadata.is_empty()).then_some(metadata))
        .build();
    // Without the embedded Arrow schema an object is a kilobyte smaller, and every reader derives the same types.
    let options = ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), batch.schema(), options)
        .map_err(LakeError::WriteParquet)?;
    writer.write(batch).map_err(LakeError::WriteParquet)?;
    writer
        .into_inner()
        .map(Bytes::from)
        .map_err(LakeError::WriteParquet)
}

fn arrow_error(error: ArrowError) -> LakeError {
    LakeError::WriteParquet(error.into())
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a batch has three of them")]
enum Columns {
    Pin(PinColumns),
    Geo(GeoColumns),
    User(UserColumns),
}

/// A text column that takes what a clean row holds.
#[derive(Debug, Default)]
struct Text(StringBuilder);

impl Text {
    fn append(&mut self, text: Option<&Cow<'_, str>>) {
        self.0.append_option(text);
    }

    fn finish(mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

#[derive(Debug, Default)]
struct PinColumns {
    ind: Int64Builder,
    unique_id: Text,
    title: Text,
    description: Text,
    follower_count: Int64Builder,
    poster_name: Text,
    tag_list: Text,
    is_image_or_video: Text,
    image_src: Text,
    save_location: Text,
    category: Text,
}

impl PinColumns {
    fn append(&mut self, row: &PinRow<'_>) {
        self.ind.append_value(row.ind);
        self.unique_id.append(row.unique_id.as_ref());
        self.title.append(row.title.as_ref());
        self.description.append(row.description.as_ref());
        self.follower_count.append_option(row.follower_count);
        self.poster_name.append(row.poster_name.as_ref());
        self.tag_list.append(row.tag_list.as_ref());
        self.is_image_or_video
            .append(row.is_image_or_video.as_ref());
        self.image_src.append(row.image_src.as_ref());
        self.save_location.append(row.save_location.as_ref());
        self.category.append(row.category.as_ref());
    }

    fn finish(mut self) -> Vec<ArrayRef> {
        vec![
            Arc::new(self.ind.finish()),
            self.unique_id.finish(),
            self.title.finish(),
            self.description.finish(),
            Arc::new(self.follower_count.finish()),
            self.poster_name.finish(),
            self.tag_list.finish(),
            self.is_image_or_video.finish(),
            self.image_src.finish(),
            self.save_location.finish(),
            self.category.finish(),
        ]
    }
}

#[derive(Debug)]
struct GeoColumns {
    ind: Int64Builder,
    country: Text,
    coordinates: ListBuilder<Float64Builder>,
    timestamp: TimestampMicrosecondBuilder,
}

impl GeoColumns {
    fn new() -> Self {
        Self {
            ind: Int64Builder::new(),
            country: Text::default(),
            coordinates: ListBuilder::new(Float64Builder::new())
                .with_field(schema::coordinates_element()),
            timestamp: timestamps(),
        }
    }

    fn append(&mut self, row: &GeoRow<'_>) {
        self.ind.append_value(row.ind);
        self.country.append(row.country.as_ref());
        if let Some(coordinates) = row.coordinates {
            self.coordinates.values().append_slice(&coordinates);
        }
        self.coordinates.append(row.coordinates.is_some());
        self.timestamp.append_option(row.timestamp);
    }

    fn finish(mut self) -> Vec<ArrayRef> {
        vec![
            Arc::new(self.ind.finish()),
            self.country.finish(),
            Arc::new(self.coordinates.finish()),
            Arc::new(self.timestamp.finish()),
        ]
    }
}

#[derive(Debug)]
struct UserColumns {
    ind: Int64Builder,
    user_name: Text,
    age: Int32Builder,
    date_joined: TimestampMicrosecondBuilder,
}

impl UserColumns {
    fn new() -> Self {
        Self {
            ind: Int64Builder::new(),
            user_name: Text::default(),
            age: Int32Builder::new(),
            date_joined: timestamps(),
        }
    }

    fn append(&mut self, row: &UserRow<'_>) {
        self.ind.append_value(row.ind);
        self.user_name.append(row.user_name.as_ref());
        self.age.append_option(row.age);
        self.date_joined.append_option(row.date_joined);
    }

    fn finish(mut self) -> Vec<ArrayRef> {
        vec![
            Arc::new(self.ind.finish()),
            self.user_name.finish(),
            Arc::new(self.age.finish()),
            Arc::new(self.date_joined.finish()),
        ]
    }
}

#[derive(Debug)]
struct LineageColumns {
    shard: StringBuilder,
    sequence: StringBuilder,
    arrival: TimestampMicrosecondBuilder,
    rules: Int32Builder,
    extra: StringBuilder,
    unread: StringBuilder,
}

impl LineageColumns {
    fn new() -> Self {
        Self {
            shard: StringBuilder::new(),
            sequence: StringBuilder::new(),
            arrival: timestamps(),
            rules: Int32Builder::new(),
            extra: StringBuilder::new(),
            unread: StringBuilder::new(),
        }
    }

    fn append(&mut self, lineage: &Lineage<'_>, rest: &Rest) {
        self.shard.append_value(lineage.shard.as_str());
        // The builder takes any text, and its cell ends with an empty value.
        let _ = write!(self.sequence, "{}", lineage.sequence);
        self.sequence.append_value("");
        self.arrival.append_value(lineage.arrival_micros);
        self.rules.append_value(RULES_VERSION);
        self.extra.append_option(rest.extra.as_deref());
        self.unread.append_option(rest.unread.as_deref());
    }

    fn finish(mut self) -> [ArrayRef; 6] {
        [
            Arc::new(self.shard.finish()),
            Arc::new(self.sequence.finish()),
            Arc::new(self.arrival.finish()),
            Arc::new(self.rules.finish()),
            Arc::new(self.extra.finish()),
            Arc::new(self.unread.finish()),
        ]
    }
}

fn timestamps() -> TimestampMicrosecondBuilder {
    TimestampMicrosecondBuilder::new().with_data_type(schema::timestamp_type())
}
