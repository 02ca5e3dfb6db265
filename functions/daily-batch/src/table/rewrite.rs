//! Chosen rows of objects and files → new files of a curated table.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{
    Array, ArrayRef, AsArray as _, BooleanArray, BooleanBufferBuilder, RecordBatch, new_null_array,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use bytes::Bytes;
use event_model::Kind;
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use uuid::Uuid;

use crate::DailyError;
use crate::error::RowsError;
use crate::storage::{objects, parquet_input};
use crate::table::files::{NewFile, folder};
use crate::table::stats::FileStats;
use crate::work::Sizes;
use crate::work::{join, join_reader};

/// Most rows of a row group: enough for good compression.
const ROW_GROUP_ROWS: usize = 128 * 1024;
/// Values that the Parquet writer takes before it looks at the size of a page (its default).
const ROWS_PER_LOOK: usize = 1024;
/// Decoded bytes of a page, at most, but for one value.
const PAGE_BYTES: usize = 8 << 20;

/// An object to take rows from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) path: Path,
    /// The version that was chosen; a file of a table is never written twice and has none.
    pub(crate) e_tag: Option<String>,
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

/// Where new files go.
#[derive(Clone, Debug)]
pub(crate) enum FileNames {
    /// Into the table, each under a name of its own.
    OfTable,
    /// Behind a key prefix, numbered by writer and file, so that they are replaced when the same rows are written again.
    Numbered(String),
}

impl FileNames {
    /// Returns the name of a writer's file of this number, and its key.
    fn of(&self, kind: Kind, (writer, number): (usize, usize)) -> (String, Path) {
        match self {
            Self::OfTable => {
                let name = format!("part-{}.zstd.parquet", Uuid::new_v4());
                let path = Path::from(format!("{}/{name}", folder(kind)));
                (name, path)
            }
            Self::Numbered(prefix) => {
                let path = Path::from(format!("{prefix}-{writer}-{number:03}.parquet"));
                let name = path.filename().unwrap_or_default().to_owned();
                (name, path)
            }
        }
    }
}

/// How new files are written.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) kind: Kind,
    pub(crate) files: FileNames,
    /// The table's columns.
    pub(crate) schema: SchemaRef,
    pub(crate) sizes: Sizes,
    /// When the files are written, in milliseconds since 1970-01-01 UTC.
    pub(crate) at_ms: i64,
}

/// Writes the rows of all sources to new files.
///
/// Half of the work is decoding and encoding, so several writers share the sources. A file's name is unique to this write:
/// a commit could otherwise add the very path that it removes, of which a table's readers keep what they like.
pub(crate) async fn rewrite(
    store: &Arc<dyn ObjectStore>,
    sources: Vec<Source>,
    cached: HashMap<Path, Bytes>,
    target: Target,
) -> Result<Vec<NewFile>, DailyError> {
    let input: u64 = sources.iter().map(|source| source.size).sum();
    let useful =
        usize::try_from(input / target.sizes.bytes_per_writer.max(1)).unwrap_or(usize::MAX);
    let writers = target.sizes.writers.min(useful.saturating_add(1));
    let queue = Arc::new(Mutex::new((sources.into_iter(), cached)));
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let (store, queue) = (Arc::clone(store), Arc::clone(&queue));
            tokio::spawn(work(store, queue, target.clone(), writer))
        })
        .collect();
    let mut files = Vec::new();
    for task in tasks {
        files.extend(join(task).await??);
    }
    Ok(files)
}

type Queue = Mutex<(std::vec::IntoIter<Source>, HashMap<Path, Bytes>)>;

async fn work(
    store: Arc<dyn ObjectStore>,
    queue: Arc<Queue>,
    target: Target,
    writer: usize,
) -> Result<Vec<NewFile>, DailyError> {
    let mut files = Vec::new();
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
            None => fetch(store.as_ref(), &source, target.kind).await?,
        };
        let (rows, to) = (source.rows.clone(), target.clone());
        let copied = join_reader(tokio::task::spawn_blocking(move || {
            let mut full = Vec::new();
            copy(&rows, bytes, &to, &mut open, &mut full).map(|()| (open, full))
        }));
        let full;
        (open, full) = copied
            .await
            .map_err(|error| unreadable(&source, target.kind, error))?;
        for file in full {
            files.push(put(store.as_ref(), &target, file, (writer, files.len())).await?);
        }
    }
    if let Some(file) = open.take() {
        let closed = join(tokio::task::spawn_blocking(move || file.close())).await?;
        let closed = closed.map_err(|error| DailyError::Bug(error.to_string()))?;
        files.push(put(store.as_ref(), &target, closed, (writer, files.len())).await?);
    }
    Ok(files)
}

async fn fetch(store: &dyn ObjectStore, source: &Source, kind: Kind) -> Result<Bytes, DailyError> {
    if source.is_clean {
        let e_tag = source.e_tag.as_deref();
        return Ok(objects::fetch_version(store, &source.path, e_tag)
            .await?
            .bytes);
    }
    match objects::fetch_if_there(store, &source.path).await? {
        Some(bytes) => Ok(bytes),
        None => Err(unreadable(source, kind, RowsError::MissingFile)),
    }
}

fn unreadable(source: &Source, kind: Kind, error: RowsError) -> DailyError {
    let key = source.path.to_string();
    if source.is_clean {
        DailyError::CleanObject { key, source: error }
    } else {
        DailyError::CuratedFile {
            kind,
            key,
            source: Box::new(error),
        }
    }
}

/// Appends the chosen rows of a source to the open file; files that become full are closed and handed out.
fn copy(
    rows: &Rows,
    bytes: Bytes,
    target: &Target,
    open: &mut Option<TableFile>,
    full: &mut Vec<ClosedFile>,
) -> Result<(), RowsError> {
    let schema = parquet_input::with_views(&target.schema);
    let mut start = 0;
    for batch in parquet_input::read(bytes, target.sizes.batch_bytes)? {
        let batch = batch?;
        let mask = rows.mask(start, batch.num_rows());
        start += batch.num_rows();
        if mask.true_count() == 0 {
            continue;
        }
        let rows = filter_record_batch(&conform(&batch, &schema)?, &mask)?;
        let file = match open.as_mut() {
            Some(file) => file,
            None => open.insert(TableFile::new(&rows, target.sizes.row_group_bytes)?),
        };
        file.append(&rows)?;
        if file.size_bytes() >= target.sizes.file_bytes
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

/// Rows of which the values are compared.
const SAMPLE_ROWS: usize = 1_000;

/// Returns the columns in which hardly two rows have the same value: a dictionary of them would be built and thrown away.
fn unique_columns(rows: &RecordBatch) -> Vec<String> {
    let sample = rows.slice(0, rows.num_rows().min(SAMPLE_ROWS));
    let columns = sample.schema_ref().fields().iter().zip(sample.columns());
    let is_unique = |column: &ArrayRef| {
        let values = column.len() - column.null_count();
        let distinct = match column.data_type() {
            DataType::Utf8View => {
                let texts = column.as_string_view().iter().flatten();
                texts.collect::<HashSet<_>>().len()
            }
            DataType::Int64 => {
                let numbers = column.as_primitive::<Int64Type>().iter().flatten();
                numbers.collect::<HashSet<_>>().len()
            }
            _ => return false,
        };
        distinct * 10 > values * 9
    };
    let unique = columns.filter(|(_, column)| is_unique(column));
    unique.map(|(field, _)| field.name().clone()).collect()
}

/// A file that is being written, in memory.
struct TableFile {
    writer: ArrowWriter<Vec<u8>>,
    stats: FileStats,
    /// Decoded bytes at which a row group is closed.
    row_group_bytes: usize,
    /// Decoded bytes of the open row group.
    open_bytes: usize,
}

/// A file that is ready to be put.
struct ClosedFile {
    bytes: Bytes,
    stats: FileStats,
}

impl TableFile {
    /// Makes a file; `rows` are the first ones that it will hold.
    fn new(rows: &RecordBatch, row_group_bytes: usize) -> Result<Self, RowsError> {
        let schema = rows.schema_ref();
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_created_by("pinflow".to_owned());
        let properties = unique_columns(rows)
            .into_iter()
            .fold(properties, |properties, name| {
                properties.set_column_dictionary_enabled(name.into(), false)
            })
            .build();
        let options = ArrowWriterOptions::new()
            .with_properties(properties)
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(schema), options)?;
        Ok(Self {
            writer,
            stats: FileStats::default(),
            row_group_bytes,
            open_bytes: 0,
        })
    }

    fn append(&mut self, rows: &RecordBatch) -> Result<(), RowsError> {
        let bytes = parquet_input::value_bytes(rows);
        // The writer counts values before it looks at a page's size: it is handed large ones in small portions.
        let portion = (PAGE_BYTES * rows.num_rows() / bytes.max(1)).clamp(1, ROWS_PER_LOOK);
        if portion < ROWS_PER_LOOK {
            for start in (0..rows.num_rows()).step_by(portion) {
                let length = portion.min(rows.num_rows() - start);
                self.writer.write(&rows.slice(start, length))?;
            }
        } else {
            self.writer.write(rows)?;
        }
        self.stats.append(rows);
        if self.writer.in_progress_rows() <= rows.num_rows() {
            // A row group was closed because of its number of rows.
            self.open_bytes = 0;
        }
        self.open_bytes += bytes;
        if self.open_bytes >= self.row_group_bytes {
            self.writer.flush()?;
            self.open_bytes = 0;
        }
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

async fn put(
    store: &dyn ObjectStore,
    target: &Target,
    file: ClosedFile,
    number: (usize, usize),
) -> Result<NewFile, DailyError> {
    let (name, path) = target.files.of(target.kind, number);
    let size =
        i64::try_from(file.bytes.len()).map_err(|error| DailyError::Bug(error.to_string()))?;
    objects::put(store, &path, file.bytes).await?;
    Ok(NewFile {
        name,
        size,
        modified_ms: target.at_ms,
        rows: file.stats.rows as u64,
        stats: file.stats.to_json(),
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
