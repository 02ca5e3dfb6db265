//! Clean rows → one object per table, shard and hour of arrival.

use std::sync::Arc;

use cleaning::Row;
use event_model::{Kind, ShardId};
use model::Model;

use crate::{ArrivalHour, CleanWriter, LakeError, Lineage};

/// Appends each row to the object of its table, shard and hour of arrival.
///
/// `T` is what the caller keeps for each object. One batch makes about four objects, so they are found by a scan.
#[derive(Debug)]
pub struct PartitionedWriter<T> {
    model: Arc<Model>,
    partitions: Vec<Partition<T>>,
    /// The hour of the row before, and its number since 1970: rows of an hour come together.
    hour: Option<(i64, ArrivalHour)>,
}

/// Microseconds of an hour.
const HOUR_MICROS: i64 = 3_600_000_000;

/// One object while it is filled.
#[derive(Debug)]
pub struct Partition<T> {
    /// Table of the rows.
    pub kind: Kind,
    /// Hour in which the rows arrived (UTC).
    pub hour: ArrivalHour,
    /// Shard that the rows came from.
    pub shard: ShardId,
    /// The rows.
    pub writer: CleanWriter,
    /// What the caller keeps for this object.
    pub state: T,
}

impl<T> PartitionedWriter<T> {
    /// Makes the writer of a model's tables.
    pub fn new(model: Arc<Model>) -> Self {
        Self {
            model,
            partitions: Vec::new(),
            hour: None,
        }
    }

    /// Appends a row, and returns the state of its object; `state` makes that of a new object.
    ///
    /// # Errors
    ///
    /// If the row is of a table that the model does not have.
    pub fn append(
        &mut self,
        row: &Row<'_, '_>,
        lineage: &Lineage<'_>,
        state: impl FnOnce() -> T,
    ) -> Result<&mut T, LakeError> {
        let kind = row.kind();
        let number = lineage.arrival_micros.div_euclid(HOUR_MICROS);
        let hour = match &self.hour {
            Some((last, hour)) if *last == number => *hour,
            _ => ArrivalHour::of(lineage.arrival_micros),
        };
        self.hour = Some((number, hour));
        let found = self.partitions.iter().position(|partition| {
            partition.kind == kind && partition.hour == hour && partition.shard.is(lineage.shard)
        });
        let place = if let Some(place) = found {
            place
        } else {
            let table = self.model.table(kind);
            self.partitions.push(Partition {
                kind,
                hour,
                shard: lineage.shard.clone(),
                writer: CleanWriter::new(table.ok_or(LakeError::UnknownTable(kind))?),
                state: state(),
            });
            self.partitions.len() - 1
        };
        let partition = &mut self.partitions[place];
        partition.writer.append(row, lineage)?;
        Ok(&mut partition.state)
    }

    /// Returns the objects, in the order of their first rows.
    pub fn into_partitions(self) -> Vec<Partition<T>> {
        self.partitions
    }
}
