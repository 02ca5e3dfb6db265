//! The rules of each column: a posted value → a cell.

mod number;
mod place_and_time;
mod text;

use event_model::KeyValue;
use model::{Column, ColumnType, FieldId, Table, is_longer};

use crate::builder::{ColumnBuilder, TableBuilder};
use crate::fields::Fields;
use crate::spelling::says_nothing;
use crate::unread::Unread;
use crate::{Changes, Rule};

/// The columns of one row while they are appended.
pub(crate) struct Columns<'c, 'u, 'a, C> {
    pub(crate) fields: &'u Fields<'u, 'a>,
    /// The table, and its place in the model.
    pub(crate) table: &'u Table,
    pub(crate) place: usize,
    pub(crate) changes: &'c mut C,
    pub(crate) unread: &'c mut Unread<'u>,
}

impl<'u, C: Changes> Columns<'_, 'u, '_, C> {
    /// Appends the row's cells to the builder of its table.
    pub(crate) fn append(
        &mut self,
        key: Option<&(FieldId, KeyValue<'u>)>,
        builder: &mut TableBuilder,
    ) {
        let mut is_empty = true;
        let table = self.table;
        for (at, (column, cells)) in table.columns.iter().zip(&mut builder.columns).enumerate() {
            if table.key == Some(at) {
                self.key(column, key, cells);
            } else {
                is_empty &= !self.cell(column, cells);
            }
        }
        for field in self.fields.ignored(table) {
            self.note(Rule::FieldIgnored, field);
        }
        if is_empty {
            let name = table.key_column().map_or("", |column| &column.name);
            self.changes.note(Rule::EmptyRow, name);
        }
    }

    fn key(
        &mut self,
        column: &'u Column,
        key: Option<&(FieldId, KeyValue<'u>)>,
        cells: &mut ColumnBuilder,
    ) {
        let Some((field, value)) = key else {
            null(cells);
            return;
        };
        if self.name(*field) != column.name {
            self.note(Rule::FieldRenamed, *field);
        }
        for other in column.inputs.iter().chain(&column.own) {
            let is_same = || column.key_value(&self.fields.value(*other)).as_ref() == Some(value);
            if other != field && self.fields.has(*other) && !is_same() {
                self.keep(*other);
            }
        }
        match (cells, value) {
            (ColumnBuilder::Int64(cells), KeyValue::Integer(value)) => cells.append_value(*value),
            (ColumnBuilder::Text(cells, _), KeyValue::Text(value)) => cells.append_value(value),
            // The model has no other keys.
            (cells, _) => null(cells),
        }
    }

    /// Appends a cell; false for null.
    fn cell(&mut self, column: &'u Column, cells: &mut ColumnBuilder) -> bool {
        macro_rules! append {
            ($cells:expr, $value:expr) => {{
                let value = $value;
                $cells.append_option(value);
                value.is_some()
            }};
        }
        match cells {
            ColumnBuilder::Text(cells, plain) => {
                if let Some((field, text)) = self.plain_text(*plain) {
                    let rule = says_nothing(column, text);
                    if rule.is_none() && !is_too_long(column, text) {
                        cells.append_value(text);
                        return true;
                    }
                    cells.append_null();
                    let _: Option<()> = match rule {
                        Some(rule) => self.null(rule, field),
                        None => self.unreadable(Rule::TextTooLong, field),
                    };
                    return false;
                }
                if column.is_joined && self.joined_in_place(column, cells) {
                    return true;
                }
                let text = match column.data_type {
                    ColumnType::Json => self.first_of(column, Self::json),
                    _ if column.is_joined => self.joined(column),
                    _ if column.strip_prefix.is_some() => self.first_of(column, Self::stripped),
                    _ => self.first_of(column, Self::text),
                };
                cells.append_option(text.as_deref());
                text.is_some()
            }
            ColumnBuilder::Int32(cells) => append!(cells, self.first_of(column, Self::int32)),
            ColumnBuilder::Int64(cells) => append!(
                cells,
                match column.format {
                    Some(model::Format::ShortCount) => self.first_of(column, Self::short_count),
                    None => self.first_of(column, Self::int64),
                }
            ),
            ColumnBuilder::Float64(cells) => append!(cells, self.first_of(column, Self::float64)),
            ColumnBuilder::Boolean(cells) => append!(cells, self.first_of(column, Self::boolean)),
            ColumnBuilder::Date(cells) => append!(cells, self.first_of(column, Self::date)),
            ColumnBuilder::Timestamp(cells) => {
                append!(cells, self.first_of(column, Self::timestamp))
            }
            ColumnBuilder::Decimal(cells) => append!(cells, self.first_of(column, Self::decimal)),
            ColumnBuilder::Point(cells) => {
                let point = self.point(column);
                if let Some(point) = point {
                    cells.values().append_slice(&point);
                }
                cells.append(point.is_some());
                point.is_some()
            }
        }
    }

    /// Reads a column from the first of its fields that is readable; what the others hold is kept.
    fn first_of<T>(
        &mut self,
        column: &'u Column,
        read: impl Fn(&mut Self, &'u Column, FieldId) -> Option<T>,
    ) -> Option<T> {
        if let (&[field], None) = (column.inputs.as_slice(), column.own) {
            // The field has the column's name.
            return if self.fields.has(field) {
                read(self, column, field)
            } else {
                None
            };
        }
        let mut found = None;
        let mut source = None;
        for &field in column.inputs.iter().chain(&column.own) {
            if !self.fields.has(field) {
                continue;
            }
            let Some(first) = source else {
                found = read(self, column, field);
                if found.is_some() {
                    source = Some(field);
                }
                continue;
            };
            if self.fields.raw(field) != self.fields.raw(first) {
                self.keep(field);
            }
        }
        if let Some(field) = source
            && self.name(field) != column.name
        {
            self.note(Rule::FieldRenamed, field);
        }
        found
    }

    fn name(&self, field: FieldId) -> &'u str {
        self.fields.model().fields().name(field)
    }

    fn note(&mut self, rule: Rule, field: FieldId) {
        let name = self.name(field);
        self.changes.note(rule, name);
    }

    /// Notes that a value which says nothing became null.
    fn null<T>(&mut self, rule: Rule, field: FieldId) -> Option<T> {
        self.note(rule, field);
        None
    }

    /// Keeps the posted value, because it is not in the row's columns.
    fn keep(&mut self, field: FieldId) {
        let value = self.fields.value(field);
        let (model, raw) = (self.fields.model(), self.fields.raw(field));
        self.unread.keep(model, self.place, field, &value, raw);
    }

    /// Notes that a value became null, and keeps it.
    fn unreadable<T>(&mut self, rule: Rule, field: FieldId) -> Option<T> {
        self.keep(field);
        self.null(rule, field)
    }
}

fn is_too_long(column: &Column, text: &str) -> bool {
    column.max_length.is_some_and(|most| is_longer(text, most))
}

fn null(cells: &mut ColumnBuilder) {
    match cells {
        ColumnBuilder::Text(cells, _) => cells.append_null(),
        ColumnBuilder::Int64(cells) => cells.append_null(),
        // Only these are keys.
        _ => {}
    }
}
