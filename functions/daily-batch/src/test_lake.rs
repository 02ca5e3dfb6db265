//! A lake in memory, and users in it, for the tests.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arrow::array::{AsArray as _, Int32Array, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use async_trait::async_trait;
use bytes::Bytes;
use event_model::{Kind, ShardId};
use futures::stream::BoxStream;
use lake::{ArrivalHour, CleanWriter, Lineage, ObjectKey, Sequence, SequenceRange, schema};
use model::Model;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::Lake;
use crate::storage::objects::fetch;
use crate::storage::parquet_input;
use crate::table::delta::CuratedTable;
use crate::work::Sizes;

/// A user as posted, and where it was on the stream.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    pub(crate) ind: i64,
    pub(crate) age: i32,
    pub(crate) arrival_seconds: i64,
    pub(crate) sequence: String,
}

pub(crate) const DAY: i64 = 86_400;

pub(crate) fn posted(ind: i64, age: i32, arrival_seconds: i64, sequence: &str) -> Posted {
    Posted {
        ind,
        age,
        arrival_seconds,
        sequence: sequence.to_owned(),
    }
}

pub(crate) fn memory() -> Lake {
    Lake::new(
        Arc::new(InMemory::new()),
        "s3://test/",
        Model::load_from(None).unwrap(),
    )
}

/// Returns the sizes of a small table: two files are worth being packed.
pub(crate) fn sizes() -> Sizes {
    Sizes {
        packed_files: 2,
        ..Sizes::default()
    }
}

/// A store whose writes below a prefix behave as a test wants.
#[derive(Debug)]
struct Odd {
    inner: Arc<dyn ObjectStore>,
    prefix: String,
    oddity: Oddity,
    written: AtomicUsize,
    calls: Arc<Calls>,
}

/// How often a store was asked.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(crate) lists: AtomicUsize,
    pub(crate) gets: AtomicUsize,
}

/// What is odd about the writes.
#[derive(Clone, Copy, Debug)]
enum Oddity {
    /// Nothing: they are as they should be.
    None,
    /// They take their time.
    Slow(Duration),
    /// They are stored, and refused if they had a condition: what the second try of a client sees whose first was answered
    /// with an error.
    RefusedAfterWrite,
    /// So many succeed, and then the process is as good as dead: nothing is written any more.
    EndAfter(usize),
}

impl Odd {
    fn count_write(&self) -> object_store::Result<()> {
        let Oddity::EndAfter(writes) = self.oddity else {
            return Ok(());
        };
        if self.written.fetch_add(1, Ordering::Relaxed) < writes {
            return Ok(());
        }
        Err(object_store::Error::Generic {
            store: "odd",
            source: "the process was killed".into(),
        })
    }
}

impl fmt::Display for Odd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.oddity)
    }
}

fn odd(lake: &Lake, prefix: &str, oddity: Oddity) -> Lake {
    odd_counted(lake, prefix, oddity, Arc::default())
}

/// Returns a lake that counts how often it is asked.
pub(crate) fn counted(lake: &Lake) -> (Lake, Arc<Calls>) {
    let calls = Arc::<Calls>::default();
    let lake = odd_counted(lake, "", Oddity::None, Arc::clone(&calls));
    (lake, calls)
}

fn odd_counted(lake: &Lake, prefix: &str, oddity: Oddity, calls: Arc<Calls>) -> Lake {
    let store = Odd {
        calls,
        inner: lake.store(),
        prefix: prefix.to_owned(),
        oddity,
        written: AtomicUsize::new(0),
    };
    Lake::new(Arc::new(store), lake.url(), Model::load_from(None).unwrap())
}

/// Returns a lake whose writes below a prefix take their time.
pub(crate) fn slow(lake: &Lake, time: Duration, prefix: &str) -> Lake {
    odd(lake, prefix, Oddity::Slow(time))
}

/// Returns a lake that refuses the conditional writes below a prefix after it has stored them.
pub(crate) fn refusing_after_write(lake: &Lake, prefix: &str) -> Lake {
    odd(lake, prefix, Oddity::RefusedAfterWrite)
}

/// Returns a lake that takes so many writes and no more.
pub(crate) fn ending_after(lake: &Lake, writes: usize) -> Lake {
    odd(lake, "", Oddity::EndAfter(writes))
}

#[async_trait]
impl ObjectStore for Odd {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        let is_here = location.as_ref().starts_with(&self.prefix);
        let has_condition = !matches!(options.mode, PutMode::Overwrite);
        if is_here && let Oddity::Slow(time) = self.oddity {
            tokio::time::sleep(time).await;
        }
        self.count_write()?;
        let put = self.inner.put_opts(location, payload, options).await?;
        if is_here && has_condition && matches!(self.oddity, Oddity::RefusedAfterWrite) {
            return Err(object_store::Error::AlreadyExists {
                path: location.to_string(),
                source: "there is one".into(),
            });
        }
        Ok(put)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(
        &self,
        location: &Path,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        self.calls.gets.fetch_add(1, Ordering::Relaxed);
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.calls.lists.fetch_add(1, Ordering::Relaxed);
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.calls.lists.fetch_add(1, Ordering::Relaxed);
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &Path,
        to: &Path,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// Reads a table of users: `ind` → age, and the number of rows.
pub(crate) async fn ages_of(table: &CuratedTable) -> (BTreeMap<i64, i32>, usize) {
    let mut found = BTreeMap::new();
    let mut count = 0;
    for file in table.files().await.unwrap() {
        let bytes = fetch(table.lake().store().as_ref(), &file.path).await;
        for batch in parquet_input::read(bytes.unwrap(), 1 << 20).unwrap() {
            let batch = batch.unwrap();
            let column = |name| batch.column_by_name(name).unwrap();
            let inds = column("ind").as_primitive::<Int64Type>().values().iter();
            let ages = column("age").as_primitive::<Int32Type>().values().iter();
            count += batch.num_rows();
            found.extend(inds.copied().zip(ages.copied()));
        }
    }
    (found, count)
}

/// Damages the values of a column of a Parquet file, and leaves its footer and the other columns as they are.
pub(crate) fn with_damaged_values(bytes: &Bytes, column: &str) -> Bytes {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).unwrap();
    let group = reader.metadata().row_group(0);
    let mut columns = group.columns().iter();
    let column = columns.find(|found| found.column_path().string() == column);
    let (start, length) = column.unwrap().byte_range();
    let range = usize::try_from(start).unwrap()..usize::try_from(start + length).unwrap();
    let mut bytes = bytes.to_vec();
    bytes[range].fill(0xff);
    bytes.into()
}

pub(crate) fn batch(rows: &[Posted]) -> RecordBatch {
    batch_of(Kind::named("user"), rows)
}

/// Returns the rows of a kind that belong to users as posted.
pub(crate) fn batch_of(kind: Kind, rows: &[Posted]) -> RecordBatch {
    let shard = ShardId::from_number(0);
    let model = Model::load_from(None).unwrap();
    let mut writer = CleanWriter::new(model.table(kind).unwrap());
    let mut cleaner = cleaning::Cleaner::new(model);
    for row in rows {
        let Posted { ind, age, .. } = row;
        let text = match kind.as_str() {
            "user" => format!(
                r#"{{"ind":{ind},"first_name":"Ada","age":{age},"date_joined":"2016-05-0{}T10:00:00"}}"#,
                ind % 9 + 1
            ),
            "geo" => format!(
                r#"{{"ind":{ind},"country":"{}","timestamp":"201{}-08-28T03:52:47"}}"#,
                ["Ghana", "Peru", "Chad"][age.unsigned_abs() as usize % 3],
                ind % 10
            ),
            _ => format!(
                r#"{{"index":{ind},"unique_id":"6ad84e6b-7cb0-4a28-9c5d-1ff6d9e7c8e{}","category":"{}","poster_name":"p{age}","follower_count":"{age}k"}}"#,
                ind % 10,
                ["art", "travel"][age.unsigned_abs() as usize % 2]
            ),
        };
        let text = cleaning::decode(text.as_bytes()).unwrap();
        let lineage = Lineage {
            shard: &shard,
            sequence: row.sequence.parse::<lake::Sequence>().unwrap().into(),
            arrival_micros: row.arrival_seconds * 1_000_000,
        };
        writer
            .append(&cleaner.read(&text, None).unwrap(), &lineage)
            .unwrap();
    }
    writer.finish().unwrap()
}

/// Writes rows as one clean object, under the key that stream-cleaner would give it, and returns the key.
pub(crate) async fn put(lake: &Lake, rows: &[Posted]) -> Path {
    put_as(lake, 0, rows).await
}

/// Writes rows as the clean object of a shard.
pub(crate) async fn put_as(lake: &Lake, shard: u32, rows: &[Posted]) -> Path {
    let bytes = lake::writer::write_clean(&batch(rows)).unwrap();
    put_bytes(lake, shard, rows, bytes).await
}

/// Writes a batch under the key of these rows.
pub(crate) async fn put_batch(lake: &Lake, rows: &[Posted], batch: &RecordBatch) -> Path {
    let bytes = lake::writer::write_clean(batch).unwrap();
    put_bytes(lake, 0, rows, bytes).await
}

/// Returns a batch as newer or older rules would have made it.
pub(crate) fn with_rules(batch: &RecordBatch, rules: i32) -> RecordBatch {
    let place = batch.schema_ref().index_of(schema::RULES).unwrap();
    let mut columns = batch.columns().to_vec();
    columns[place] = Arc::new(Int32Array::from(vec![rules; batch.num_rows()]));
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

/// Writes users as posted, with the pins and places that belong to them.
pub(crate) async fn put_posts(lake: &Lake, rows: &[Posted]) {
    for kind in lake.model().kinds() {
        let bytes = lake::writer::write_clean(&batch_of(kind, rows)).unwrap();
        put_bytes_of(kind, lake, 0, rows, bytes).await;
    }
}

pub(crate) async fn put_bytes(lake: &Lake, shard: u32, rows: &[Posted], bytes: Bytes) -> Path {
    put_bytes_of(Kind::named("user"), lake, shard, rows, bytes).await
}

async fn put_bytes_of(kind: Kind, lake: &Lake, shard: u32, rows: &[Posted], bytes: Bytes) -> Path {
    let sequences = rows
        .iter()
        .map(|row| row.sequence.parse::<Sequence>().unwrap().number);
    let key = ObjectKey::Clean {
        kind,
        hour: ArrivalHour::of(rows[0].arrival_seconds * 1_000_000),
        range: SequenceRange {
            shard: ShardId::from_number(shard),
            first: sequences.clone().min().unwrap(),
            last: sequences.max().unwrap(),
        },
        replay: None,
    };
    let path = Path::from(key.to_string());
    lake.store().put(&path, bytes.into()).await.unwrap();
    path
}
