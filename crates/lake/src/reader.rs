//! A Parquet object → record batches, or only the positions of its rows.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use bytes::Bytes;
use event_model::Position;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::{LakeError, schema};

/// Reads a whole Parquet object.
pub fn read_parquet(object: Bytes) -> Result<Vec<RecordBatch>, LakeError> {
    let reader = builder(object)?.build().map_err(LakeError::ReadParquet)?;
    collect(reader)
}

/// Reads the position of every row of a clean object, and nothing else of it.
pub fn read_positions(object: Bytes) -> Result<Vec<Position>, LakeError> {
    let builder = builder(object)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), [schema::SHARD, schema::SEQUENCE]);
    let reader = builder
        .with_projection(mask)
        .build()
        .map_err(LakeError::ReadParquet)?;
    let mut positions = Vec::new();
    for batch in collect(reader)? {
        let text = |name: &'static str| {
            let column = batch
                .column_by_name(name)
                .and_then(|column| column.as_string_opt::<i32>());
            column.ok_or(LakeError::MissingColumn(name))
        };
        let (shards, sequences) = (text(schema::SHARD)?, text(schema::SEQUENCE)?);
        let rows = shards.iter().zip(sequences);
        positions.extend(rows.map(|(shard, sequence)| {
            Position::new(shard.unwrap_or_default(), sequence.unwrap_or_default())
        }));
    }
    Ok(positions)
}

/// Reads the sequence and the arrival of every row of a clean object, in microseconds since 1970-01-01 UTC, and nothing else of it.
pub fn read_arrivals(object: Bytes) -> Result<Vec<(String, i64)>, LakeError> {
    let builder = builder(object)?;
    let mask = ProjectionMask::columns(
        builder.parquet_schema(),
        [schema::SEQUENCE, schema::ARRIVAL],
    );
    let reader = builder.with_projection(mask).build();
    let mut arrivals = Vec::new();
    for batch in collect(reader.map_err(LakeError::ReadParquet)?)? {
        let column = |name: &'static str| {
            let column = batch.column_by_name(name);
            column.ok_or(LakeError::MissingColumn(name))
        };
        let sequences = column(schema::SEQUENCE)?.as_string_opt::<i32>();
        let sequences = sequences.ok_or(LakeError::MissingColumn(schema::SEQUENCE))?;
        let times = column(schema::ARRIVAL)?.as_primitive_opt::<TimestampMicrosecondType>();
        let times = times.ok_or(LakeError::MissingColumn(schema::ARRIVAL))?;
        let rows = sequences.iter().zip(times);
        arrivals.extend(rows.map(|(sequence, micros)| {
            (
                sequence.unwrap_or_default().to_owned(),
                micros.unwrap_or_default(),
            )
        }));
    }
    Ok(arrivals)
}

fn builder(object: Bytes) -> Result<ParquetRecordBatchReaderBuilder<Bytes>, LakeError> {
    ParquetRecordBatchReaderBuilder::try_new(object).map_err(LakeError::ReadParquet)
}

fn collect(
    reader: parquet::arrow::arrow_reader::ParquetRecordBatchReader,
) -> Result<Vec<RecordBatch>, LakeError> {
    reader
        .map(|batch| batch.map_err(|error| LakeError::ReadParquet(error.into())))
        .collect()
}

#[cfg(test)]
mod tests;
