//! A record batch of the lake's types → the bytes of a Parquet file.
//!
//! The writer of the `parquet` crate takes any Arrow type, page size and nesting. Here is what clean rows need, after the [format](https://parquet.apache.org/docs/file-format/): one row group, a
//! dictionary where it pays, differences of numbers, and texts by their lengths or by what they share with the one before. Headers and the
//! footer are the crate's.

mod bits;
mod column;
mod levels;
mod values;

use std::io::Write as _;
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::CompressionCodec;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataWriter,
    RowGroupMetaData,
};
use parquet::file::writer::TrackedWrite;

use column::ChunkWriter;

/// What a file names as its writer.
pub(crate) const CREATED_BY: &str = "pinflow";
/// First bytes of a file.
const MAGIC: &[u8] = b"PAR1";
/// The format's version without types of other units.
const VERSION: i32 = 1;

/// Returns the file of a batch, its longer columns compressed with Zstandard if the codec is that one, or not at all.
///
/// The same rows give the same bytes.
///
/// # Errors
///
/// If a column has a type that no table declares.
pub(crate) fn encode(
    batch: &RecordBatch,
    metadata: Option<KeyValue>,
    codec: CompressionCodec,
) -> Result<Bytes> {
    let schema = Arc::new(ArrowSchemaConverter::new().convert(batch.schema_ref())?);
    let rows = i64::try_from(batch.num_rows())
        .map_err(|error| ParquetError::General(error.to_string()))?;
    let mut bytes = Vec::with_capacity(batch.get_array_memory_size() / 4);
    let mut file = TrackedWrite::new(&mut bytes);
    file.write_all(MAGIC)?;
    let mut row_groups = Vec::new();
    if rows > 0 {
        let mut writer = ChunkWriter::new(&mut file, codec)?;
        let columns = schema.columns().iter().zip(batch.columns());
        let chunks: Vec<_> = columns
            .map(|(descriptor, array)| writer.write(descriptor, array))
            .collect::<Result<_>>()?;
        let size = chunks
            .iter()
            .map(ColumnChunkMetaData::uncompressed_size)
            .sum();
        let row_group = RowGroupMetaData::builder(Arc::clone(&schema))
            .set_num_rows(rows)
            .set_total_byte_size(size)
            .set_column_metadata(chunks);
        row_groups.push(row_group.build()?);
    }
    let created_by = Some(CREATED_BY.to_owned());
    let metadata = metadata.map(|metadata| vec![metadata]);
    let footer = FileMetaData::new(VERSION, rows, created_by, metadata, schema, None);
    ParquetMetaDataWriter::new_with_tracked(file, &ParquetMetaData::new(footer, row_groups))
        .finish()?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests;
