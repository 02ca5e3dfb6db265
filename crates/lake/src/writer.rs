//! Clean rows → one Parquet object.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringBuilder, TimestampMicrosecondBuilder};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use bytes::Bytes;
use cleaning::{Row, RuleCounts, TableBuilder, TableColumns, timestamp_type};
use event_model::ShardId;
use model::Table;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, CompressionCodec, ZstdLevel};
use parquet::file::metadata::{FileMetaData, KeyValue};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use serde_json::{Map, Value};

use crate::encode::{CREATED_BY, encode};
use crate::{LakeError, SpelledSequence, schema};

/// Where a row came from: the lineage columns, but for the version of the rules and the values without a column.
#[derive(Clone, Copy, Debug)]
pub struct Lineage<'a> {
    /// The record's shard.
    pub shard: &'a ShardId,
    /// The record's sequence number, and the row's place in the record if it holds several.
    pub sequence: SpelledSequence<'a>,
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

/// Rows that a writer has room for at first, and bytes of a sequence number.
const CAPACITY: usize = 1_024;
const SEQUENCE_BYTES: usize = 56;

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
        self.lineage.append(lineage);
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
        columns.extend(self.lineage.finish(self.rules));
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
        encode(&self.finish()?, Some(changes), CompressionCodec::ZSTD)
            .map_err(LakeError::WriteParquet)
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

/// Writes clean rows as a Parquet object, as [`CleanWriter::finish_parquet`] does.
///
/// # Errors
///
/// If a column has a type that no table declares.
pub fn write_clean(batch: &RecordBatch) -> Result<Bytes, LakeError> {
    encode(batch, None, CompressionCodec::ZSTD).map_err(LakeError::WriteParquet)
}

/// Writes clean rows without compressing them, which shows what the compressor takes.
///
/// # Errors
///
/// As [`write_clean`].
pub fn write_uncompressed(batch: &RecordBatch) -> Result<Bytes, LakeError> {
    encode(batch, None, CompressionCodec::UNCOMPRESSED).map_err(LakeError::WriteParquet)
}

/// Writes rows of any types as a Parquet object, compressed with Zstandard.
pub fn write_parquet(batch: &RecordBatch) -> Result<Bytes, LakeError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        // An object has a page or two for each column: what an index of pages would say, its statistics do.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_created_by(CREATED_BY.to_owned());
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

fn arrow_error(error: ArrowError) -> LakeError {
    LakeError::WriteParquet(error.into())
}

#[derive(Debug)]
struct LineageColumns {
    /// Each shard, and how many rows in a row are of it: mostly all.
    shards: Vec<(ShardId, usize)>,
    sequence: StringBuilder,
    arrival: TimestampMicrosecondBuilder,
}

impl LineageColumns {
    fn new() -> Self {
        Self {
            shards: Vec::new(),
            sequence: StringBuilder::with_capacity(CAPACITY, CAPACITY * SEQUENCE_BYTES),
            arrival: TimestampMicrosecondBuilder::with_capacity(CAPACITY)
                .with_data_type(timestamp_type()),
        }
    }

    fn append(&mut self, lineage: &Lineage<'_>) {
        match self.shards.last_mut() {
            Some((shard, rows)) if shard.is(lineage.shard) => *rows += 1,
            _ => self.shards.push((lineage.shard.clone(), 1)),
        }
        if let SpelledSequence::Text(number, None) = lineage.sequence {
            self.sequence.append_value(number);
        } else {
            // The builder takes any text, and its cell ends with an empty value.
            let _ = write!(self.sequence, "{}", lineage.sequence);
            self.sequence.append_value("");
        }
        self.arrival.append_value(lineage.arrival_micros);
    }

    /// Returns the columns of rows that were all cleaned by one version of the rules.
    fn finish(mut self, rules: i32) -> [ArrayRef; 4] {
        let arrival = self.arrival.finish();
        let bytes = self
            .shards
            .iter()
            .map(|(shard, rows)| shard.as_str().len() * rows);
        let mut shards = StringBuilder::with_capacity(arrival.len(), bytes.sum());
        for (shard, rows) in &self.shards {
            (0..*rows).for_each(|_| shards.append_value(shard.as_str()));
        }
        let rules = Int32Array::from_value(rules, arrival.len());
        [
            Arc::new(shards.finish()),
            Arc::new(self.sequence.finish()),
            Arc::new(arrival),
            Arc::new(rules),
        ]
    }
}
