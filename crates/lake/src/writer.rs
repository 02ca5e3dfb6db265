//! Clean rows → one Parquet object.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, Int32Builder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Int32Type, Int64Type, SchemaRef};
use arrow::error::ArrowError;
use bytes::Bytes;
use cleaning::{Row, RuleCounts, TableBuilder, TableColumns, timestamp_type};
use event_model::ShardId;
use model::Table;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{FileMetaData, KeyValue};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use serde_json::{Map, Value};

use crate::{LakeError, Sequence, schema};

/// Where a row came from: the lineage columns, but for the version of the rules and the values without a column.
#[derive(Clone, Copy, Debug)]
pub struct Lineage<'a> {
    /// The record's shard.
    pub shard: &'a ShardId,
    /// The record's sequence number, and the row's place in the record if it holds several.
    pub sequence: Sequence,
    /// The sequence as it is written, where somebody has it at hand: writing a number of 56 digits takes as long as a column.
    pub spelled: Option<&'a str>,
    /// When Kinesis took the record: microseconds since 1970-01-01 UTC.
    pub arrival_micros: i64,
}

/// Gathers clean rows of one table, column by column, and writes them as one Parquet object.
///
/// Text is copied once, from the record's bytes into the column.
#[derive(Debug)]
pub struct CleanWriter {
    schema: SchemaRef,
    columns: TableBuilder,
    lineage: LineageColumns,
    rules: i32,
    changes: RuleCounts,
}

/// Rows that a writer has room for at first.
const CAPACITY: usize = 1_024;

impl CleanWriter {
    /// Makes a writer of a table's rows.
    pub fn new(table: &Table) -> Self {
        Self {
            schema: schema::schema(table),
            columns: TableBuilder::new(table, CAPACITY),
            lineage: LineageColumns::new(),
            rules: table.rules(),
            changes: RuleCounts::default(),
        }
    }

    /// Cleans and appends a row. A row of another table than the writer's is refused.
    pub fn append(&mut self, row: &Row<'_, '_>, lineage: &Lineage<'_>) -> Result<(), LakeError> {
        if !row.append(&mut self.columns, &mut self.changes) {
            return Err(LakeError::WrongKind {
                writer: self.columns.kind(),
                row: row.kind(),
            });
        }
        self.lineage.append(lineage, self.rules);
        Ok(())
    }

    /// Returns the rows appended so far.
    pub fn rows(&self) -> usize {
        self.columns.rows()
    }

    /// Returns what the rules changed in the rows so far.
    pub fn changes(&self) -> RuleCounts {
        self.changes
    }

    /// Returns the rows as one record batch of the table's [`schema`](crate::schema::schema).
    pub fn finish(self) -> Result<RecordBatch, LakeError> {
        let TableColumns {
            mut columns,
            extra,
            unread,
        } = self.columns.finish();
        columns.extend(self.lineage.finish());
        columns.extend([extra, unread]);
        RecordBatch::try_new(self.schema, columns).map_err(arrow_error)
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
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        // An object has a page or two for each column: what an index of pages would say, its statistics do.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_created_by("pinflow".to_owned())
        .set_key_value_metadata((!metadata.is_empty()).then_some(metadata));
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let path = ColumnPath::from(field.name().as_str());
        if *field.data_type() == DataType::Utf8 {
            // The least and the greatest of a batch's texts leave out no object of a query.
            properties =
                properties.set_column_statistics_enabled(path.clone(), EnabledStatistics::None);
        }
        properties = match variety(column) {
            // What is left of it is a few bytes, and a compressor costs more than they do.
            Variety::One => properties.set_column_compression(path, Compression::UNCOMPRESSED),
            Variety::Few => properties,
            Variety::Many => properties.set_column_dictionary_enabled(path, false),
        };
    }
    // Without the embedded Arrow schema an object is a kilobyte smaller, and every reader derives the same types.
    let options = ArrowWriterOptions::new()
        .with_properties(properties.build())
        .with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), batch.schema(), options)
        .map_err(LakeError::WriteParquet)?;
    writer.write(batch).map_err(LakeError::WriteParquet)?;
    writer
        .into_inner()
        .map(Bytes::from)
        .map_err(LakeError::WriteParquet)
}

/// How many different values a column has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variety {
    /// One that is short, or only nulls.
    One,
    /// So few that a dictionary of them pays.
    Few,
    /// Others: most keys, names and addresses are there once, and to look each of them up takes longer than to write it.
    Many,
}

/// Rows that are looked at to tell few values from many.
const SAMPLED_ROWS: usize = 128;

/// Most bytes of a text that is not worth compressing.
const SHORT_TEXT: usize = 256;

fn variety(column: &ArrayRef) -> Variety {
    if column.null_count() == column.len() {
        return Variety::One;
    }
    if let Some(texts) = column.as_string_opt::<i32>() {
        return match variety_of(texts.iter()) {
            Variety::One if texts.iter().flatten().any(|text| text.len() > SHORT_TEXT) => {
                Variety::Few
            }
            variety => variety,
        };
    }
    match column.data_type() {
        DataType::Int32 => variety_of(column.as_primitive::<Int32Type>().iter()),
        DataType::Int64 => variety_of(column.as_primitive::<Int64Type>().iter()),
        _ => Variety::Few,
    }
}

fn variety_of<T: Eq + Hash>(values: impl Iterator<Item = Option<T>> + Clone) -> Variety {
    let sample = values.clone().take(SAMPLED_ROWS);
    let mut sampled = 0;
    let distinct: HashSet<T> = sample.flatten().inspect(|_| sampled += 1).collect();
    // Only what begins with one value is looked at whole.
    let mut pairs = values.clone().zip(values.skip(1));
    if distinct.len() <= 1 && pairs.all(|(value, next)| value == next) {
        Variety::One
    } else if distinct.len() * 2 <= sampled || sampled < 2 {
        Variety::Few
    } else {
        Variety::Many
    }
}

fn arrow_error(error: ArrowError) -> LakeError {
    LakeError::WriteParquet(error.into())
}

#[derive(Debug)]
struct LineageColumns {
    shard: StringBuilder,
    sequence: StringBuilder,
    arrival: TimestampMicrosecondBuilder,
    rules: Int32Builder,
}

impl LineageColumns {
    fn new() -> Self {
        Self {
            shard: StringBuilder::new(),
            sequence: StringBuilder::new(),
            arrival: timestamps(),
            rules: Int32Builder::new(),
        }
    }

    fn append(&mut self, lineage: &Lineage<'_>, rules: i32) {
        self.shard.append_value(lineage.shard.as_str());
        if let Some(text) = lineage.spelled {
            self.sequence.append_value(text);
        } else {
            // The builder takes any text, and its cell ends with an empty value.
            let _ = write!(self.sequence, "{}", lineage.sequence);
            self.sequence.append_value("");
        }
        self.arrival.append_value(lineage.arrival_micros);
        self.rules.append_value(rules);
    }

    fn finish(mut self) -> [ArrayRef; 4] {
        [
            Arc::new(self.shard.finish()),
            Arc::new(self.sequence.finish()),
            Arc::new(self.arrival.finish()),
            Arc::new(self.rules.finish()),
        ]
    }
}

fn timestamps() -> TimestampMicrosecondBuilder {
    TimestampMicrosecondBuilder::new().with_data_type(timestamp_type())
}
