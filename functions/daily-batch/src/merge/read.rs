//! The keys and versions of the rows of clean objects.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use event_model::metadata::{PositionCounts, minute_of};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use lake::{ObjectKey, schema};
use model::Table;
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::keys::{Key, RowRules};
use super::plan::Pending;
use super::versions::{RowKey, append_keys};
use crate::DailyError;
use crate::error::RowsError;
use crate::storage::clean::CleanObject;
use crate::storage::objects::{Fetched, fetch_version};
use crate::storage::parquet_input::plain_types;
use crate::table::change::evolved;
use crate::table::rewrite::conform;
use crate::work::{join_reader, workers};

/// Most bytes of objects that are kept between the two times that a merge reads them.
const CACHE_BYTES: usize = 192 << 20;
/// Objects that are fetched at once: a request waits some 30 ms for its first byte.
const FETCHES: usize = 16;

/// What the first reading of a slice's objects brought.
pub(crate) struct ReadKeys<K> {
    /// The objects, each with its rows.
    pub(crate) objects: Vec<(Pending, u64)>,
    pub(crate) keys: Vec<RowKey<K>>,
    /// The columns that the pipeline knows, and those that only the objects have.
    pub(crate) schema: SchemaRef,
    pub(crate) changes: BTreeMap<String, u64>,
    /// Objects that need not be fetched again.
    pub(crate) cached: HashMap<Path, Bytes>,
    /// Objects without a row that can be read, each with what is wrong with it.
    pub(crate) unreadable: Vec<(Pending, RowsError)>,
}

/// What one object brought.
struct ReadObject<K> {
    pending: Pending,
    bytes: Bytes,
    keys: Vec<RowKey<K>>,
    schema: SchemaRef,
    changes: BTreeMap<String, u64>,
}

/// Reads the keys of objects, until there are `max_rows` of them: the objects that are left are another slice's.
pub(crate) async fn read_keys<K: Key>(
    store: &Arc<dyn ObjectStore>,
    of_model: &Table,
    objects: Vec<Pending>,
    table: &SchemaRef,
    max_rows: usize,
) -> Result<ReadKeys<K>, DailyError> {
    let rules = Arc::new(RowRules::of(of_model));
    let mut read = ReadKeys {
        objects: Vec::with_capacity(objects.len()),
        keys: Vec::new(),
        schema: schema::schema(of_model),
        changes: BTreeMap::new(),
        cached: HashMap::new(),
        unreadable: Vec::new(),
    };
    let mut cached_bytes = 0;
    let fetched = stream::iter(objects)
        .map(|mut pending| async move {
            let object: &mut CleanObject = &mut pending.object;
            let e_tag = object.e_tag.as_deref();
            let fetched = fetch_version(store.as_ref(), &object.path, e_tag).await?;
            let Fetched { bytes, noted } = fetched;
            object.noted = noted;
            Ok::<_, DailyError>((pending, bytes))
        })
        .buffered(FETCHES);
    // Few are decoded at once, so that those which wait do not fill the memory.
    let mut decoded = fetched
        .map_ok(|(pending, bytes)| {
            let (table, rules) = (Arc::clone(table), Arc::clone(&rules));
            async { Ok(read_object(pending, bytes, table, rules).await) }
        })
        .try_buffered(workers());
    while let Some(object) = decoded.try_next().await? {
        let mut object = match object {
            Ok(object) => object,
            Err(unreadable) => {
                read.unreadable.push(unreadable);
                continue;
            }
        };
        let place = u32::try_from(read.objects.len()).unwrap_or(u32::MAX);
        for key in &mut object.keys {
            key.object = place;
        }
        if let Some(schema) = evolved(&read.schema, &object.schema) {
            read.schema = schema;
        }
        for (rule, count) in object.changes {
            *read.changes.entry(rule).or_default() += count;
        }
        if cached_bytes + object.bytes.len() <= CACHE_BYTES {
            cached_bytes += object.bytes.len();
            read.cached
                .insert(object.pending.object.path.clone(), object.bytes);
        }
        read.objects
            .push((object.pending, object.keys.len() as u64));
        read.keys.extend(object.keys);
        if read.keys.len() >= max_rows {
            break;
        }
    }
    Ok(read)
}

async fn read_object<K: Key>(
    mut pending: Pending,
    bytes: Bytes,
    table: SchemaRef,
    rules: Arc<RowRules>,
) -> Result<ReadObject<K>, (Pending, RowsError)> {
    let read = bytes.clone();
    let task = tokio::task::spawn_blocking(move || read_rows(read, &table, &rules));
    match join_reader(task).await {
        Ok((keys, schema, changes)) => {
            let rules = keys.iter().map(|key| key.version.rules());
            pending.object.rules = rules.max().unwrap_or_default();
            count_positions(&mut pending.object, &keys);
            Ok(ReadObject {
                pending,
                bytes,
                keys,
                schema,
                changes,
            })
        }
        Err(error) => Err((pending, error)),
    }
}

/// Counts the stream records of an object whose writer does not say how many it accounts for. What comes from quarantine is accounted
/// for there.
fn count_positions<K>(object: &mut CleanObject, keys: &[RowKey<K>]) {
    let Ok(ObjectKey::Clean {
        range,
        replay: None,
        ..
    }) = object.path.as_ref().parse()
    else {
        object.noted.positions = None;
        return;
    };
    // A partition of Kafka is not on the stream.
    if range.shard.number().is_none() {
        object.noted.positions = None;
    } else if object.noted.positions.is_none() {
        let records = keys.iter().map(|key| key.version.record());
        let records: BTreeMap<_, _> = records.collect();
        let mut counts = PositionCounts::default();
        for arrival_micros in records.into_values() {
            counts.add(minute_of(arrival_micros), 1);
        }
        object.noted.positions = Some(counts);
    }
}

type Read<K> = (Vec<RowKey<K>>, SchemaRef, BTreeMap<String, u64>);

fn read_rows<K: Key>(
    bytes: Bytes,
    table: &SchemaRef,
    rules: &RowRules,
) -> Result<Read<K>, RowsError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, plain_types())?;
    let schema = Arc::clone(builder.schema());
    // A column of another type is found before any row is merged.
    conform(&RecordBatch::new_empty(Arc::clone(&schema)), table)?;
    let changes = lake::writer::changes(builder.metadata().file_metadata());
    let mask = ProjectionMask::columns(builder.parquet_schema(), rules.columns());
    let mut keys = Vec::new();
    for batch in builder.with_projection(mask).build()? {
        let first_row = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        append_keys(&mut keys, &batch?, rules, first_row)?;
    }
    Ok((keys, schema, changes))
}
