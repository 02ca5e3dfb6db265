//! A lake in memory, and users in it, for the tests.

use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use event_model::{Kind, ShardId};
use lake::{ArrivalHour, CleanWriter, Lineage, ObjectKey, Sequence, SequenceRange};
use object_store::ObjectStoreExt as _;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::Lake;

/// A user as posted, and where it stood on the stream.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    pub(crate) ind: i64,
    pub(crate) age: i32,
    pub(crate) arrival_seconds: i64,
    pub(crate) sequence: &'static str,
}

pub(crate) const DAY: i64 = 86_400;

pub(crate) fn posted(ind: i64, age: i32, arrival_seconds: i64, sequence: &'static str) -> Posted {
    Posted {
        ind,
        age,
        arrival_seconds,
        sequence,
    }
}

pub(crate) fn memory() -> Lake {
    Lake::new(Arc::new(InMemory::new()), "s3://test/")
}

pub(crate) fn batch(rows: &[Posted]) -> RecordBatch {
    let shard = ShardId::from_number(0);
    let mut writer = CleanWriter::new(Kind::User);
    for row in rows {
        let text = format!(
            r#"{{"ind":{},"first_name":"Ada","age":{}}}"#,
            row.ind, row.age
        );
        let text = cleaning::decode(text.as_bytes()).unwrap();
        let lineage = Lineage {
            shard: &shard,
            sequence: row.sequence.parse().unwrap(),
            arrival_micros: row.arrival_seconds * 1_000_000,
        };
        writer
            .append(&cleaning::clean(&text, None).unwrap(), &lineage)
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
    let bytes = lake::writer::write_parquet(&batch(rows)).unwrap();
    put_bytes(lake, shard, rows, bytes).await
}

/// Writes a batch under the key of these rows.
pub(crate) async fn put_batch(lake: &Lake, rows: &[Posted], batch: &RecordBatch) -> Path {
    let bytes = lake::writer::write_parquet(batch).unwrap();
    put_bytes(lake, 0, rows, bytes).await
}

pub(crate) async fn put_bytes(lake: &Lake, shard: u32, rows: &[Posted], bytes: Bytes) -> Path {
    let sequences = rows
        .iter()
        .map(|row| row.sequence.parse::<Sequence>().unwrap().number);
    let key = ObjectKey::Clean {
        kind: Kind::User,
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
