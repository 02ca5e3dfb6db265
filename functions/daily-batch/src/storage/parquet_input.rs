//! Parquet bytes → batches that are bounded by bytes, whatever the size of a row.
//!
//! Strings are read as views: a value that a dictionary repeats a thousand times is in memory once, and no offset can
//! overflow. The Arrow schema that other writers leave in a file is passed over, so that types follow from Parquet alone.

use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};

use crate::error::RowsError;

/// Most rows of a batch, however small they are.
const BATCH_ROWS: usize = 8 * 1024;
/// Bytes of a string's view.
const VIEW_BYTES: u64 = 16;

/// Returns the options for reading with types that follow from Parquet's own.
pub(crate) fn plain_types() -> ArrowReaderOptions {
    ArrowReaderOptions::new().with_skip_arrow_metadata(true)
}

/// Opens a file whose batches hold some `batch_bytes` of decoded values, and at least one row.
pub(crate) fn read(
    bytes: Bytes,
    batch_bytes: usize,
) -> Result<ParquetRecordBatchReader, RowsError> {
    let metadata = ArrowReaderMetadata::load(&bytes, plain_types())?;
    let options = plain_types().with_schema(with_views(metadata.schema()));
    let metadata = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)?;
    let rows = batch_rows(metadata.metadata(), batch_bytes);
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata);
    Ok(builder.with_batch_size(rows).build()?)
}

/// Returns a schema with its strings and bytes as views.
pub(crate) fn with_views(schema: &SchemaRef) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| {
            let data_type = match field.data_type() {
                DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
                DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
                other => other.clone(),
            };
            field.as_ref().clone().with_data_type(data_type)
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// Returns how many rows of the widest row group hold `batch_bytes` on average.
fn batch_rows(metadata: &ParquetMetaData, batch_bytes: usize) -> usize {
    let widest = metadata.row_groups().iter().map(row_bytes).max();
    let rows = batch_bytes as u64 / widest.unwrap_or_default().max(1);
    usize::try_from(rows)
        .unwrap_or(BATCH_ROWS)
        .clamp(1, BATCH_ROWS)
}

fn row_bytes(group: &RowGroupMetaData) -> u64 {
    let rows = u64::try_from(group.num_rows()).unwrap_or_default().max(1);
    let bytes: u64 = group
        .columns()
        .iter()
        .map(|chunk| decoded_bytes(chunk, rows))
        .sum();
    bytes / rows
}

/// Returns what the values of a column chunk take once they are decoded. The size in the footer is what a dictionary made of
/// them; writers since 2023 give that of the values as well.
fn decoded_bytes(chunk: &ColumnChunkMetaData, rows: u64) -> u64 {
    let values = chunk.unencoded_byte_array_data_bytes();
    let bytes = values.unwrap_or_else(|| chunk.uncompressed_size());
    u64::try_from(bytes).unwrap_or_default() + VIEW_BYTES * rows
}

/// Returns the bytes of a batch's values, each string counted as often as it appears.
pub(crate) fn value_bytes(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter();
    columns
        .map(|column| match column.data_type() {
            // The lower half of a view is the length.
            DataType::Utf8View => column
                .as_string_view()
                .views()
                .iter()
                .map(|view| (*view & u128::from(u32::MAX)) as usize)
                .sum::<usize>(),
            _ => column.get_array_memory_size(),
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, StringArray};
    use parquet::arrow::ArrowWriter;

    use super::*;

    fn file(texts: &[String]) -> Bytes {
        let column: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let batch = RecordBatch::try_from_iter([("text", column)]).unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap().into()
    }

    #[test]
    fn a_batch_is_bounded_by_the_bytes_of_its_values_even_if_a_dictionary_holds_them_once() {
        let text = "x".repeat(10_000);
        let batches: Vec<_> = read(file(&vec![text; 100]), 100_000)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(batches.iter().all(|batch| value_bytes(batch) <= 100_000));
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert_eq!((rows, batches.len() >= 10), (100, true));
    }

    #[test]
    fn a_row_that_is_larger_than_a_batch_is_one() {
        let texts: Vec<_> = (0..3).map(|_| "y".repeat(1000)).collect();
        let rows: Vec<_> = read(file(&texts), 10)
            .unwrap()
            .map(|batch| batch.unwrap().num_rows())
            .collect();
        assert_eq!(rows, [1, 1, 1]);
    }
}
