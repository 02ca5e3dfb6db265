//! The fields of a posted row, found in one pass over its text.

use std::borrow::Cow;
use std::sync::Arc;

use event_model::{Declared, KeyValue, PartitionKey};
use json_reader::{Elements, Lead, MemberPlace, Members, Place, SyntaxError, Value};
use model::{ColumnType, FieldId, Model, Table};

use crate::layout::{Layouts, Next};
use crate::unread::{UNREAD, Unread};
use crate::{Rejection, RejectionCode, extra};

/// Reads rows into their fields; it keeps what one row teaches for the next, and the room that it took.
#[derive(Debug)]
pub(crate) struct FieldReader {
    model: Arc<Model>,
    layouts: Layouts,
    /// Values of the known fields, in their order in the row.
    values: Vec<Place>,
    unknown: Vec<MemberPlace>,
    /// Earlier values of known fields that are repeated.
    repeated: Vec<(FieldId, Place)>,
    /// What the row has under the name of `_unread`.
    unread: Vec<MemberPlace>,
    lone_surrogates: u32,
    /// Whether a known field has an object or an array.
    has_nested: bool,
}

/// A row's fields as posted. If a name is repeated, the last value counts, as in every JSON reader in wide use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'r, 'a> {
    reader: &'r FieldReader,
    text: &'a str,
}

/// A posted value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Posted<'a> {
    text: &'a str,
    place: Place,
}

impl<'a> Posted<'a> {
    pub(crate) fn value(self) -> Value<'a> {
        self.place.value(self.text)
    }

    /// Returns the value as it is spelled in the text.
    pub(crate) fn raw(self) -> &'a str {
        self.place.raw(self.text)
    }

    /// Returns the value, if it is a string without escapes, as most are.
    #[inline]
    pub(crate) fn plain_text(self) -> Option<&'a str> {
        self.place.plain_text(self.text)
    }

    /// Returns the spelling of the value, if it is a number.
    #[inline]
    pub(crate) fn number(self) -> Option<&'a str> {
        self.place.number(self.text)
    }
}

impl FieldReader {
    pub(crate) fn new(model: Arc<Model>) -> Self {
        Self {
            layouts: Layouts::new(&model),
            values: Vec::new(),
            unknown: Vec::new(),
            repeated: Vec::new(),
            unread: Vec::new(),
            lone_surrogates: 0,
            has_nested: false,
            model,
        }
    }

    pub(crate) fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Reads the object that is the whole of `text`.
    pub(crate) fn read<'r, 'a>(
        &'r mut self,
        text: &'a str,
        declared: Declared<'_>,
    ) -> Result<Fields<'r, 'a>, Rejection> {
        let kind = match declared {
            Declared::Kind(kind) => Some(kind),
            // Without the row there is no telling whether the key is its own.
            Declared::Key(_) | Declared::Nothing => None,
        };
        let not_json =
            |error| Rejection::new(kind, RejectionCode::NotJson, format!("not JSON: {error}"));
        let Some(mut members) = Members::open(text) else {
            json_reader::parse(text).map_err(not_json)?;
            return Err(Rejection::new(
                kind,
                RejectionCode::NotAnObject,
                "JSON, but not an object",
            ));
        };
        self.start();
        self.read_members(text, &mut members).map_err(not_json)?;
        self.lone_surrogates = members.lone_surrogates();
        self.layouts.end(&self.model, !self.repeated.is_empty());
        Ok(Fields { reader: self, text })
    }

    fn start(&mut self) {
        self.layouts.start(&self.model);
        self.values.clear();
        self.unknown.clear();
        self.repeated.clear();
        self.unread.clear();
        self.has_nested = false;
    }

    /// Reads the members up to the end of the text.
    fn read_members(&mut self, text: &str, members: &mut Members<'_>) -> Result<(), SyntaxError> {
        loop {
            let from = members.offset();
            match self.layouts.pass(members) {
                Next::Known => {
                    let value = members.value()?;
                    self.has_nested |= value.is_nested();
                    self.values.push(value);
                }
                Next::Field(field) => {
                    let value = members.value()?;
                    self.add(field, value, |lead| members.note(from, value, lead));
                }
                Next::Unknown => {
                    let Some(member) = members.next_place()? else {
                        return Ok(());
                    };
                    let name = member.member(text).name().decode();
                    if let Some(field) = self.model.fields().find(&name) {
                        let value = member.value;
                        self.add(field, value, |lead| members.note(from, value, lead));
                    } else if name == UNREAD {
                        self.unread.push(member);
                    } else {
                        self.unknown.push(member);
                    }
                }
            }
        }
    }

    /// Adds a value of a field that no row before had in this place.
    fn add(&mut self, field: FieldId, value: Place, note: impl FnOnce(&mut Lead)) {
        self.has_nested |= value.is_nested();
        let earlier = self
            .layouts
            .add(&self.model, field, self.values.len(), note);
        if let Some(earlier) = earlier.and_then(|earlier| self.values.get(earlier)) {
            self.repeated.push((field, *earlier));
        }
        self.values.push(value);
    }
}

impl<'r, 'a> Fields<'r, 'a> {
    pub(crate) fn model(&self) -> &'r Arc<Model> {
        &self.reader.model
    }

    pub(crate) fn table(&self, place: usize) -> Option<&'r Table> {
        self.model().tables().get(place)
    }

    /// Returns the value posted for `field`, null when there is none.
    pub(crate) fn value(&self, field: FieldId) -> Value<'a> {
        self.posted(field).map_or(Value::Null, Posted::value)
    }

    /// Returns the value posted for `field` as it is spelled in the text.
    pub(crate) fn raw(&self, field: FieldId) -> &'a str {
        self.posted(field).map_or("null", Posted::raw)
    }

    /// Returns whether `field` was posted at all.
    pub(crate) fn has(&self, field: FieldId) -> bool {
        self.reader.layouts.value(field).is_some()
    }

    /// Returns what was posted for `field`.
    #[inline]
    pub(crate) fn posted(&self, field: FieldId) -> Option<Posted<'a>> {
        let place = *self.reader.values.get(self.reader.layouts.value(field)?)?;
        let text = self.text;
        Some(Posted { text, place })
    }

    /// Returns how many escapes of the text are half of a surrogate pair.
    pub(crate) fn lone_surrogates(&self) -> u32 {
        self.reader.lone_surrogates
    }

    /// Tells the place of the row's table, from what was declared and from the fields.
    pub(crate) fn tell_table(&self, declared: Declared<'_>) -> Result<usize, Rejection> {
        let model = &self.reader.model;
        let (fields, layout) = (model.fields(), self.reader.layouts.current());
        let set = layout.set();
        let declared = match declared {
            Declared::Nothing => None,
            Declared::Kind(kind) => Some(model.place(kind).ok_or_else(|| {
                let message = format!("declared as {kind}, which is no table any more");
                Rejection::new(Some(kind), RejectionCode::UnknownKind, message)
            })?),
            Declared::Key(key) => PartitionKey::kind_name(key)
                .and_then(|name| model.place_named(name))
                .filter(|place| {
                    self.table(*place).is_some_and(|table| {
                        let value = self.key(table).map(|(_, value)| value);
                        PartitionKey::is_of(key, table.kind, value.as_ref(), self.text.as_bytes())
                    })
                }),
        };
        let Some(declared) = declared else {
            return layout.told().ok_or_else(|| {
                let message = format!(
                    "nothing declares the row, and its fields do not say whether it is a {} row",
                    model.names()
                );
                Rejection::new(None, RejectionCode::UnknownKind, message)
            });
        };
        let other = match layout.told() {
            // What the fields tell has the most of them.
            Some(told) if told == declared => None,
            _ => set.other_than(fields, declared),
        };
        let Some(other) = other else {
            return Ok(declared);
        };
        let kind = |place: usize| model.tables().get(place).map(|table| table.kind);
        let name = |place: usize| kind(place).map_or_else(String::new, |kind| kind.to_string());
        let message = format!(
            "declared as {}, of which it has {} fields, but {} of {}",
            name(declared),
            set.count(fields, declared),
            set.count(fields, other),
            name(other),
        );
        Err(Rejection::new(
            kind(declared),
            RejectionCode::WrongKind,
            message,
        ))
    }

    /// Returns the key, and the field it is read from.
    pub(crate) fn key(&self, table: &Table) -> Option<(FieldId, KeyValue<'a>)> {
        let column = table.key_column()?;
        for &field in column.inputs.iter().chain(&column.own) {
            let Some(posted) = self.posted(field) else {
                continue;
            };
            let key = match posted.number() {
                Some(spelling) => column.key_of_number(spelling),
                None => column.key_value(&posted.value()),
            };
            if let Some(key) = key {
                return Some((field, key));
            }
        }
        None
    }

    /// Rejects a row that has an object or an array where a scalar belongs.
    pub(crate) fn check_types(&self, table: &Table) -> Result<(), Rejection> {
        if !self.reader.has_nested {
            return Ok(());
        }
        for column in &table.columns {
            for &field in column.inputs.iter().chain(&column.own) {
                let is_fine = match self.value(field) {
                    Value::Object(_) => column.data_type == ColumnType::Json,
                    Value::Array(array) => match column.data_type {
                        ColumnType::Json => true,
                        ColumnType::Point => column.own == Some(field) && is_flat(array),
                        _ => false,
                    },
                    _ => true,
                };
                if !is_fine {
                    let message = format!(
                        "`{}` holds an object or an array where a scalar belongs",
                        self.model().fields().name(field)
                    );
                    let kind = Some(table.kind);
                    return Err(Rejection::new(kind, RejectionCode::BadType, message));
                }
            }
        }
        Ok(())
    }

    /// Keeps the values that no column can have, because a later one of the same name has its place.
    pub(crate) fn keep_repeated<'u>(&'u self, place: usize, unread: &mut Unread<'u>) {
        for member in &self.reader.unread {
            unread.carry(member.member(self.text));
        }
        for &(field, earlier) in &self.reader.repeated {
            let raw = earlier.raw(self.text);
            if raw != self.raw(field) {
                unread.keep(self.model(), place, field, &earlier.value(self.text), raw);
            }
        }
    }

    /// Returns the JSON object of the fields that the table does not know; earlier values of a repeated name are unread.
    pub(crate) fn extra<'u>(&'u self, place: usize, unread: &mut Unread<'u>) -> Option<String> {
        let layout = self.reader.layouts.current();
        let foreign = layout.foreign(self.model(), place);
        let foreign = foreign.map(|field| {
            let name = Cow::Borrowed(self.model().fields().name(field));
            (name, self.raw(field), self.value(field))
        });
        let unknown = self.reader.unknown.iter().map(|member| {
            let member = member.member(self.text);
            (member.name().decode(), member.raw, member.value())
        });
        extra::object(unknown.chain(foreign), unread, |raw| self.mended(raw))
    }

    /// Returns whether the row has a field that a table drops.
    pub(crate) fn ignored(&self, table: &Table) -> impl Iterator<Item = FieldId> {
        let fields = table.ignored().iter().copied();
        fields.filter(|field| self.has(*field))
    }

    /// Returns a posted value as any JSON reader takes it.
    pub(crate) fn mended<'t>(&self, raw: &'t str) -> Cow<'t, str> {
        if self.reader.lone_surrogates == 0 {
            Cow::Borrowed(raw)
        } else {
            json_reader::replace_lone_surrogates(raw)
        }
    }
}

fn is_flat(array: &str) -> bool {
    let Some(mut elements) = Elements::open(array) else {
        return false;
    };
    while let Ok(Some((value, _))) = elements.next_element() {
        if matches!(value, Value::Object(_) | Value::Array(_)) {
            return false;
        }
    }
    true
}
