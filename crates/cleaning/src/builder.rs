//! The columns of a table while they are filled.

use std::sync::Arc;

use arrow::array::{
    ArrayBuilder as _, ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder,
    Int32Builder, Int64Builder, ListBuilder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder, new_null_array,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use event_model::Kind;
use model::{Column, ColumnType, FieldId, Table};

use crate::{EXTRA, UNREAD};

/// Gathers clean rows of one table, column by column: text is copied once, from the record's bytes into the column.
#[derive(Debug)]
pub struct TableBuilder {
    pub(crate) kind: Kind,
    pub(crate) columns: Vec<ColumnBuilder>,
    extra: RareTexts,
    unread: RareTexts,
    rows: usize,
}

/// Texts of a column that few rows have: nothing is done for a row without one.
#[derive(Debug, Default)]
struct RareTexts {
    texts: Vec<(usize, String)>,
}

impl RareTexts {
    fn append(&mut self, row: usize, text: Option<String>) {
        if let Some(text) = text {
            self.texts.push((row, text));
        }
    }

    fn finish(self, rows: usize) -> ArrayRef {
        if self.texts.is_empty() {
            return new_null_array(&DataType::Utf8, rows);
        }
        let mut builder = StringBuilder::with_capacity(rows, 0);
        for (row, text) in self.texts {
            builder.append_nulls(row - builder.len());
            builder.append_value(text);
        }
        builder.append_nulls(rows - builder.len());
        Arc::new(builder.finish())
    }
}

/// What a builder has gathered.
#[derive(Debug)]
pub struct TableColumns {
    /// The table's columns, in their order.
    pub columns: Vec<ArrayRef>,
    /// `_extra`
    pub extra: ArrayRef,
    /// `_unread`
    pub unread: ArrayRef,
}

#[derive(Debug)]
pub(crate) enum ColumnBuilder {
    /// Texts; and the field, where the column is one field as it is, as most are.
    Text(StringBuilder, Option<FieldId>),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float64(Float64Builder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Decimal(Decimal128Builder),
    Point(ListBuilder<Float64Builder>),
}

impl TableBuilder {
    /// Makes the builder of a table's rows, with room for so many.
    pub fn new(table: &Table, capacity: usize) -> Self {
        let columns = table.columns.iter();
        Self {
            kind: table.kind,
            columns: columns
                .map(|column| ColumnBuilder::new(column, capacity))
                .collect(),
            extra: RareTexts::default(),
            unread: RareTexts::default(),
            rows: 0,
        }
    }

    /// Returns the rows' kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the rows appended so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Notes what a row has beside its columns, which ends it.
    pub(crate) fn end_row(&mut self, extra: Option<String>, unread: Option<String>) {
        self.extra.append(self.rows, extra);
        self.unread.append(self.rows, unread);
        self.rows += 1;
    }

    /// Returns the columns.
    pub fn finish(mut self) -> TableColumns {
        TableColumns {
            columns: self.columns.iter_mut().map(ColumnBuilder::finish).collect(),
            extra: self.extra.finish(self.rows),
            unread: self.unread.finish(self.rows),
        }
    }
}

impl TableColumns {
    /// Returns the columns of `table`, `_extra` and `_unread` as one batch.
    pub(crate) fn into_batch(self, table: &Table) -> Option<RecordBatch> {
        let mut fields = fields(table);
        fields.extend([EXTRA, UNREAD].map(|name| Field::new(name, DataType::Utf8, true)));
        let mut columns = self.columns;
        columns.extend([self.extra, self.unread]);
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).ok()
    }
}

/// Returns the Arrow fields of a table's own columns.
pub fn fields(table: &Table) -> Vec<Field> {
    let columns = table.columns.iter().enumerate();
    columns
        .map(|(place, column)| {
            let is_key = table.key == Some(place);
            Field::new(&column.name, data_type(column), !is_key)
        })
        .collect()
}

/// Returns the type of every timestamp in the lake: microseconds in UTC.
pub fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn data_type(column: &Column) -> DataType {
    match column.data_type {
        ColumnType::Text | ColumnType::Json => DataType::Utf8,
        ColumnType::Int32 => DataType::Int32,
        ColumnType::Int64 => DataType::Int64,
        ColumnType::Float64 => DataType::Float64,
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamp => timestamp_type(),
        ColumnType::Decimal(precision, scale) => decimal_type(precision, scale),
        ColumnType::Point => DataType::List(Arc::new(point_element())),
    }
}

fn decimal_type(precision: u8, scale: u8) -> DataType {
    // A file's scale is at most 38.
    DataType::Decimal128(precision, scale.cast_signed())
}

/// Returns the element field of a point. `element` is the name that the Parquet format and Spark give it.
fn point_element() -> Field {
    Field::new("element", DataType::Float64, false)
}

/// Bytes of a text that are reserved for each row.
const TEXT_BYTES: usize = 16;

impl ColumnBuilder {
    fn new(column: &Column, capacity: usize) -> Self {
        match column.data_type {
            ColumnType::Text | ColumnType::Json => Self::Text(
                StringBuilder::with_capacity(capacity, capacity * TEXT_BYTES),
                plain_field(column),
            ),
            ColumnType::Int32 => Self::Int32(Int32Builder::with_capacity(capacity)),
            ColumnType::Int64 => Self::Int64(Int64Builder::with_capacity(capacity)),
            ColumnType::Float64 => Self::Float64(Float64Builder::with_capacity(capacity)),
            ColumnType::Boolean => Self::Boolean(BooleanBuilder::with_capacity(capacity)),
            ColumnType::Date => Self::Date(Date32Builder::with_capacity(capacity)),
            ColumnType::Timestamp => Self::Timestamp(
                TimestampMicrosecondBuilder::with_capacity(capacity)
                    .with_data_type(timestamp_type()),
            ),
            ColumnType::Decimal(precision, scale) => Self::Decimal(
                Decimal128Builder::with_capacity(capacity)
                    .with_data_type(decimal_type(precision, scale)),
            ),
            ColumnType::Point => {
                let values = Float64Builder::with_capacity(capacity * 2);
                let list = ListBuilder::with_capacity(values, capacity);
                Self::Point(list.with_field(point_element()))
            }
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder, _) => Arc::new(builder.finish()),
            Self::Int32(builder) => Arc::new(builder.finish()),
            Self::Int64(builder) => Arc::new(builder.finish()),
            Self::Float64(builder) => Arc::new(builder.finish()),
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder) => Arc::new(builder.finish()),
            Self::Point(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Returns the field of a text that is one field as it is.
fn plain_field(column: &Column) -> Option<FieldId> {
    let is_plain = column.data_type == ColumnType::Text && column.strip_prefix.is_none();
    match (column.inputs.as_slice(), column.own) {
        (&[field], None) if is_plain => Some(field),
        _ => None,
    }
}
