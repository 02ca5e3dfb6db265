//! Chosen rows of objects and files → new files of a curated table.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{
    Array, ArrayRef, AsArray as _, BooleanArray, BooleanBufferBuilder, RecordBatch, new_null_array,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int64Type, SchemaRef, TimestampMicrosecondType};
use bytes::Bytes;
use deltalake_core::kernel::Add;
use lake::schema;
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::error::RowsError;
use crate::tasks::{join, workers};
use crate::{DailyError, objects};

/// Rows of a row group: enough for good compression, few enough that several writers fit in a small function.
const ROW_GROUP_ROWS: usize = 128 * 1024;
/// Rows that are decoded, filtered and encoded at once.
const BATCH_ROWS: usize = 8 * 1024;
/// Input for which one more writer is worth the additional file.
const BYTES_PER_WRITER: u64 = 64 << 20;

/// An object to take rows from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) path: Path,
    pub(crate) size: u64,
    pub(crate) rows: Rows,
    pub(crate) is_clean: bool,
}

/// Which of its rows: places in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    Only(Vec<u32>),
    AllBut(Vec<u32>),
}

impl Rows {
    /// Returns which of `length` rows from `start` on are taken.
    fn mask(&self, start: usize, length: usize) -> BooleanArray {
        let (listed, is_taken) = match self {
            Self::Only(rows) => (rows, true),
            Self::AllBut(rows) => (rows, false),
        };
        let mut mask = BooleanBufferBuilder::new(length);
        mask.append_n(length, !is_taken);
        let from = listed.partition_point(|row| (*row as usize) < start);
        for row in listed.iter().skip(from) {
            let place = *row as usize - start;
            if place >= length {
                break;
            }
            mask.set_bit(place, is_taken);
        }
        BooleanArray::new(mask.finish(), None)
    }
}

/// How new files are written.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The table's folder in the bucket.
    pub(crate) folder: String,
    /// The table's columns.
    pub(crate) schema: SchemaRef,
    /// Size at which a file is closed, in bytes.
    pub(crate) file_bytes: usize,
    /// When the files are written, in milliseconds since 1970-01-01 UTC.
    pub(crate) at_ms: i64,
}

/// Writes the rows of all sources to new files, and returns the actions that add them.
///
/// Half of the work is decoding and encoding, so as many writers as there are processors share the sources.
/// A file's name is the digest of its bytes: one that a killed run left behind is written again or never named.
pub(crate) async fn rewrite(
    store: &Arc<dyn ObjectStore>,
    sources: Vec<Source>,
    cached: HashMap<Path, Bytes>,
    target: Target,
) -> Result<Vec<Add>, DailyError> {
    let input: u64 = sources.iter().map(|source| source.size).sum();
    let useful = usize::try_from(input / BYTES_PER_WRITER).unwrap_or(usize::MAX);
    let writers = workers().min(useful + 1);
    let queue = Arc::new(Mutex::new((sources.into_iter(), cached)));
    let tasks: Vec<_> = (0..writers)
        .map(|_| {
            let (store, queue) = (Arc::clone(store), Arc::clone(&queue));
            tokio::spawn(work(store, queue, target.clone()))
        })
        .collect();
    let mut adds = Vec::new();
    for task in tasks {
        adds.extend(join(task).await??);
    }
    adds.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(adds)
}

type Queue = Mutex<(std::vec::IntoIter<Source>, HashMap<Path, Bytes>)>;

async fn work(
    store: Arc<dyn ObjectStore>,
    queue: Arc<Queue>,
    target: Target,
) -> Result<Vec<Add>, DailyError> {
    let mut adds = Vec::new();
    let mut open: Option<TableFile> = None;
    loop {
        let next = {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            let source = queue.0.next();
            source.map(|source| {
                let bytes = queue.1.remove(&source.path);
                (source, bytes)
            })
        };
        let Some((source, cached)) = next else { break };
        let bytes = match cached {
            Some(bytes) => bytes,
            None => objects::fetch(store.as_ref(), &source.path).await?,
        };
        let schema = Arc::clone(&target.schema);
        let file_bytes = target.file_bytes;
        let task = tokio::task::spawn_blocking(move || {
            let mut full = Vec::new();
            let copied = copy(&source, bytes, &schema, file_bytes, &mut open, &mut full);
            copied
                .map(|()| (open, full))
                .map_err(|error| unreadable(&source, error))
        });
        let full;
        (open, full) = join(task).await??;
        for file in full {
            adds.push(put(store.as_ref(), &target, file).await?);
        }
    }
    if let Some(file) = open.take() {
        let closed = join(tokio::task::spawn_blocking(move || file.close())).await?;
        let closed = closed.map_err(|error| DailyError::Bug(error.to_string()))?;
        adds.push(put(store.as_ref(), &target, closed).await?);
    }
    Ok(adds)
}

fn unreadable(source: &Source, error: RowsError) -> DailyError {
    let key = source.path.to_string();
    if source.is_clean {
        DailyError::CleanObject { key, source: error }
    } else {
        DailyError::CuratedFile { key, source: error }
    }
}

/// Appends the chosen rows of a source to the open file; files that become full are closed and handed out.
fn copy(
    source: &Source,
    bytes: Bytes,
    schema: &SchemaRef,
    file_bytes: usize,
    open: &mut Option<TableFile>,
    full: &mut Vec<ClosedFile>,
) -> Result<(), RowsError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)?
        .with_batch_size(BATCH_ROWS)
        .build()?;
    let mut start = 0;
    for batch in reader {
        let batch = batch?;
        let mask = source.rows.mask(start, batch.num_rows());
        start += batch.num_rows();
        if mask.true_count() == 0 {
            continue;
        }
        let rows = filter_record_batch(&conform(&batch, schema)?, &mask)?;
        let file = match open.as_mut() {
            Some(file) => file,
            None => open.insert(TableFile::new(schema)?),
        };
        file.append(&rows)?;
        if file.size_bytes() >= file_bytes
            && let Some(file) = open.take()
        {
            full.push(file.close()?);
        }
    }
    Ok(())
}

/// Brings a batch into the table's form: its columns by name, nulls for those that were added later.
pub(crate) fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, RowsError> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            Some(column) if is_like(column, field) => {
                // Only names of nested fields may differ, which carry nothing.
                Ok(arrow::compute::cast(column, field.data_type())?)
            }
            Some(column) => Err(RowsError::ColumnType {
                name: field.name().clone(),
                found: column.data_type().to_string(),
                wanted: field.data_type().to_string(),
            }),
            None if field.is_nullable() => Ok(new_null_array(field.data_type(), batch.num_rows())),
            None => Err(RowsError::MissingColumn(field.name().clone())),
        })
        .collect::<Result<Vec<ArrayRef>, RowsError>>()?;
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

fn is_like(column: &ArrayRef, field: &arrow::datatypes::FieldRef) -> bool {
    column.data_type().equals_datatype(field.data_type())
}

/// A file that is being written, in memory.
struct TableFile {
    writer: ArrowWriter<Vec<u8>>,
    stats: FileStats,
}

/// A file that is ready to be put.
struct ClosedFile {
    bytes: Bytes,
    stats: FileStats,
}

impl TableFile {
    fn new(schema: &SchemaRef) -> Result<Self, RowsError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_created_by("pinflow".to_owned())
            // No two rows have the same: a dictionary of them is built and thrown away.
            .set_column_dictionary_enabled(schema::SEQUENCE.into(), false)
            .set_column_dictionary_enabled("ind".into(), false)
            .set_column_dictionary_enabled("unique_id".into(), false)
            .build();
        let options = ArrowWriterOptions::new()
            .with_properties(properties)
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(schema), options)?;
        Ok(Self {
            writer,
            stats: FileStats::default(),
        })
    }

    fn append(&mut self, rows: &RecordBatch) -> Result<(), RowsError> {
        self.writer.write(rows)?;
        self.stats.append(rows);
        Ok(())
    }

    fn size_bytes(&self) -> usize {
        self.writer.bytes_written() + self.writer.in_progress_size()
    }

    fn close(self) -> Result<ClosedFile, RowsError> {
        Ok(ClosedFile {
            bytes: self.writer.into_inner()?.into(),
            stats: self.stats,
        })
    }
}

/// What a Delta log says of a file: the rows, the range of two columns, and the nulls of each.
#[derive(Clone, Debug, Default)]
struct FileStats {
    rows: usize,
    inds: Option<(i64, i64)>,
    arrivals: Option<(i64, i64)>,
    nulls: BTreeMap<String, usize>,
}

impl FileStats {
    fn append(&mut self, rows: &RecordBatch) {
        self.rows += rows.num_rows();
        for (field, column) in rows.schema_ref().fields().iter().zip(rows.columns()) {
            *self.nulls.entry(field.name().clone()).or_default() += column.null_count();
        }
        let inds = rows
            .column_by_name("ind")
            .and_then(|column| column.as_primitive_opt::<Int64Type>());
        self.inds = inds.and_then(|column| range(self.inds, column.values()));
        let arrivals = rows
            .column_by_name(schema::ARRIVAL)
            .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        self.arrivals = arrivals.and_then(|column| range(self.arrivals, column.values()));
    }

    /// Returns the statistics as the Delta protocol spells them.
    fn to_json(&self) -> String {
        let (mut min, mut max) = (Map::new(), Map::new());
        if let Some((first, last)) = self.inds {
            min.insert("ind".to_owned(), first.into());
            max.insert("ind".to_owned(), last.into());
        }
        // Times have milliseconds there, so the range is widened to whole ones.
        if let Some((first, last)) = self.arrivals {
            min.insert(
                schema::ARRIVAL.to_owned(),
                millisecond(first.div_euclid(1000)),
            );
            max.insert(
                schema::ARRIVAL.to_owned(),
                millisecond(-(-last).div_euclid(1000)),
            );
        }
        json!({"numRecords": self.rows, "minValues": min, "maxValues": max, "nullCount": self.nulls}).to_string()
    }
}

fn range(so_far: Option<(i64, i64)>, values: &[i64]) -> Option<(i64, i64)> {
    let (mut first, mut last) = so_far.unwrap_or((i64::MAX, i64::MIN));
    for value in values {
        first = first.min(*value);
        last = last.max(*value);
    }
    (first <= last).then_some((first, last))
}

fn millisecond(millis: i64) -> Value {
    jiff::Timestamp::from_millisecond(millis)
        .map_or(Value::Null, |time| format!("{time:.3}").into())
}

async fn put(
    store: &dyn ObjectStore,
    target: &Target,
    file: ClosedFile,
) -> Result<Add, DailyError> {
    let bytes = file.bytes.clone();
    let digest = join(tokio::task::spawn_blocking(move || Sha256::digest(&bytes))).await?;
    let half = digest
        .first_chunk::<16>()
        .map_or(0, |half| u128::from_be_bytes(*half));
    let name = format!("part-{half:032x}.zstd.parquet");
    let path = Path::from(format!("{}/{name}", target.folder));
    let size =
        i64::try_from(file.bytes.len()).map_err(|error| DailyError::Bug(error.to_string()))?;
    objects::put(store, &path, file.bytes).await?;
    Ok(Add {
        path: name,
        partition_values: HashMap::new(),
        size,
        modification_time: target.at_ms,
        data_change: true,
        stats: Some(file.stats.to_json()),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_takes_the_rows_of_its_part() {
        let taken = |rows: &Rows, start, length| -> Vec<bool> {
            rows.mask(start, length).iter().flatten().collect()
        };
        let only = Rows::Only(vec![0, 3, 4, 9]);
        assert_eq!(taken(&only, 0, 4), [true, false, false, true]);
        assert_eq!(taken(&only, 4, 3), [true, false, false]);
        assert_eq!(taken(&only, 7, 2), [false, false]);
        let all_but = Rows::AllBut(vec![0, 3, 4, 9]);
        assert_eq!(taken(&all_but, 3, 3), [false, false, true]);
    }
}
