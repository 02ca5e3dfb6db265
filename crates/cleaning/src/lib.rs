#![doc = include_str!("../README.md")]

mod builder;
mod columns;
mod compressed;
mod decode;
mod extra;
mod fields;
mod layout;
mod record;
mod rejection;
mod render;
mod rules;
mod spelling;
mod tally;
mod timestamp;
mod unread;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use event_model::{Declared, KeyValue, Kind};
use model::{FieldId, Model, Table};

pub use builder::{TableBuilder, TableColumns, fields, timestamp_type};
pub use decode::decode;
pub use record::{KindSource, Piece, clean_record, unpack};
pub use rejection::{Rejection, RejectionCode};
pub use render::row_to_json;
pub use rules::{Change, Changes, Rule, RuleCounts};
pub use tally::Tally;
pub use timestamp::micros_of;

use columns::Columns;
use fields::{FieldReader, Fields};
pub use unread::UNREAD;
use unread::Unread;

/// Name of the column with the fields that no rule knows: an object of them, in the order of their names.
pub const EXTRA: &str = "_extra";

/// Cleans rows by the rules of a model. It keeps what one row teaches for the next, so that it is made once.
#[derive(Debug)]
pub struct Cleaner {
    reader: FieldReader,
}

/// A row that has a kind and a key, and is about to be cleaned: nothing of it can be rejected any more.
#[derive(Debug)]
pub struct Row<'r, 'a> {
    fields: Fields<'r, 'a>,
    /// The table's place in the model.
    place: usize,
    kind: Kind,
    key: Option<(FieldId, KeyValue<'a>)>,
}

/// A row that the rules have been applied to.
#[derive(Clone, Debug)]
pub struct Cleaned {
    /// The row's kind.
    pub kind: Kind,
    /// The columns of its table, `_extra` and `_unread`, of this row alone.
    pub batch: RecordBatch,
    json: String,
}

impl Cleaner {
    /// Makes the cleaner of a model's tables.
    pub fn new(model: Arc<Model>) -> Self {
        Self {
            reader: FieldReader::new(model),
        }
    }

    /// Returns the model.
    pub fn model(&self) -> &Arc<Model> {
        self.reader.model()
    }

    /// Reads one row: finds its fields, its kind and its key.
    ///
    /// `text` is what [`decode()`] returned; `declared` is what is known of its kind, as an `Option<Kind>` or [`Declared`].
    ///
    /// # Errors
    ///
    /// Why it cannot become a row of a table.
    pub fn read<'r, 'a, 'd>(
        &'r mut self,
        text: &'a str,
        declared: impl Into<Declared<'d>>,
    ) -> Result<Row<'r, 'a>, Rejection> {
        let declared = declared.into();
        let fields = self.reader.read(text, declared)?;
        let place = fields.tell_table(declared)?;
        // The place is one of the model's.
        let table = fields.table(place).ok_or_else(|| {
            Rejection::new(None, RejectionCode::UnknownKind, "the row has no table")
        })?;
        fields.check_types(table)?;
        let kind = table.kind;
        let key = fields.key(table);
        if key.is_none()
            && let Some(column) = table.key_column()
        {
            let name = column.from.first().unwrap_or(&column.name);
            let what = match column.data_type {
                model::ColumnType::Int64 => "a whole number of 64 bits",
                _ => "text of 1 to 1,000 characters",
            };
            let message = format!("no `{name}` that is {what}");
            return Err(Rejection::new(
                Some(kind),
                RejectionCode::MissingKey,
                message,
            ));
        }
        Ok(Row {
            fields,
            place,
            kind,
            key,
        })
    }

    /// Cleans one row, and passes each change to `changes`.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn clean<'d>(
        &mut self,
        text: &str,
        declared: impl Into<Declared<'d>>,
        changes: &mut impl Changes,
    ) -> Result<Cleaned, Rejection> {
        Ok(self.read(text, declared)?.clean(changes))
    }
}

impl<'a> Row<'_, 'a> {
    /// Returns the row's kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the row's key; `None` for a row of a table that has none.
    pub fn key(&self) -> Option<&KeyValue<'a>> {
        self.key.as_ref().map(|(_, value)| value)
    }

    /// Returns the row's table.
    pub fn table(&self) -> Option<&Table> {
        self.fields.table(self.place)
    }

    /// Appends the row's cells to the builder of its table, and passes each change to `changes`. The builder of another table takes
    /// nothing, which `false` reports.
    pub fn append(&self, builder: &mut TableBuilder, changes: &mut impl Changes) -> bool {
        let Some(table) = self.table().filter(|table| table.kind == builder.kind()) else {
            return false;
        };
        let mut unread = Unread::default();
        self.fields.keep_repeated(self.place, &mut unread);
        Columns {
            fields: &self.fields,
            table,
            place: self.place,
            changes,
            unread: &mut unread,
        }
        .append(self.key.as_ref(), builder);
        for _ in 0..self.fields.lone_surrogates() {
            changes.note(Rule::LoneSurrogate, "");
        }
        let extra = self.fields.extra(self.place, &mut unread);
        let unread = unread.finish(|raw| self.fields.mended(raw), changes);
        builder.end_row(extra, unread);
        true
    }

    /// Cleans the row alone.
    pub fn clean(&self, changes: &mut impl Changes) -> Cleaned {
        let batch = self.table().and_then(|table| {
            let mut builder = TableBuilder::new(table, 1);
            self.append(&mut builder, changes);
            builder.finish().into_batch(table)
        });
        let batch = batch.unwrap_or_else(|| RecordBatch::new_empty(Arc::new(Schema::empty())));
        let json = self.table().map(|table| row_to_json(table, &batch, 0));
        Cleaned {
            kind: self.kind,
            json: json.unwrap_or_default(),
            batch,
        }
    }
}

impl Cleaned {
    /// Returns the row as JSON, in the order of the clean columns; cleaning it again changes nothing.
    pub fn to_json(&self) -> &str {
        &self.json
    }
}

#[cfg(test)]
mod tests;
