//! The fields of a posted row, found in one pass over its text.

use std::borrow::Cow;
use std::sync::Arc;

use event_model::{Declared, KeyValue, PartitionKey};
use json_reader::{Elements, Lead, Member, Members, SyntaxError, Value};
use model::{ColumnType, FieldId, FieldSet, Model, Role, Table};

use crate::unread::{UNREAD, Unread};
use crate::{Rejection, RejectionCode, extra};

/// Reads rows into their fields; it keeps what one row teaches for the next.
#[derive(Debug)]
pub(crate) struct FieldReader {
    model: Arc<Model>,
    /// What was read at each place: first of all, behind a field that no table knows, and behind each field.
    next: Vec<Followers>,
    /// Room of the row before.
    members: Vec<Member<'static>>,
    /// For each field, the place of its member behind the first one of the row; 0 for none. It is small, because it is emptied for each row.
    slots: Vec<usize>,
    set: FieldSet,
}

/// Fields that rows had at one place, and what led to them. Rows of several tables are mixed, and each table's rows are alike.
#[derive(Clone, Debug, Default)]
struct Followers {
    known: Vec<(FieldId, Lead)>,
    /// The one that is replaced next.
    oldest: usize,
}

/// Fields that are kept of a place.
const FOLLOWERS_MAX: usize = 4;

/// What is next in a row.
enum Next {
    Field(FieldId),
    /// A member that no table has a field for.
    Unknown,
    End,
}

/// The place of the first member, and of one behind a field that no table knows.
const FIRST: usize = 0;
const BEHIND_UNKNOWN: usize = 1;

impl Followers {
    /// Reads the next member, if it is one of the known ones.
    #[inline]
    fn read<'a>(
        &self,
        members: &mut Members<'a>,
        member: &mut Member<'a>,
    ) -> Result<Option<FieldId>, SyntaxError> {
        for (field, lead) in &self.known {
            if members.read_behind(lead, member)? {
                return Ok(Some(*field));
            }
        }
        Ok(None)
    }

    /// Returns the room of a field that is to be known from now on.
    fn room(&mut self, field: FieldId) -> Option<&mut Lead> {
        if self.known.len() < FOLLOWERS_MAX {
            self.known.push((field, Lead::default()));
            return self.known.last_mut().map(|(_, lead)| lead);
        }
        let (known, lead) = self.known.get_mut(self.oldest)?;
        self.oldest = (self.oldest + 1) % FOLLOWERS_MAX;
        *known = field;
        Some(lead)
    }
}

/// A row's fields as posted. If a name is repeated, the last value counts, as in every JSON reader in wide use.
#[derive(Debug)]
pub(crate) struct Fields<'r, 'a> {
    reader: &'r mut FieldReader,
    text: &'a str,
    /// Of the known fields, in their order in the row.
    members: Vec<Member<'a>>,
    unknown: Vec<Member<'a>>,
    /// Earlier values of known fields that are repeated.
    repeated: Vec<(FieldId, Member<'a>)>,
    /// What the row has under the name of `_unread`.
    unread: Vec<Member<'a>>,
    lone_surrogates: u32,
    /// Whether a known field has an object or an array.
    has_nested: bool,
}

impl FieldReader {
    pub(crate) fn new(model: Arc<Model>) -> Self {
        Self {
            next: vec![Followers::default(); BEHIND_UNKNOWN + 1 + model.fields().count()],
            members: Vec::new(),
            slots: vec![0; model.fields().count()],
            set: FieldSet::default(),
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
        // The room of the row before, which is empty: nothing is allocated.
        let row_members = std::mem::take(&mut self.members);
        self.slots.fill(0);
        self.set.clear(self.model.fields());
        let mut fields = Fields {
            reader: self,
            text,
            members: row_members,
            unknown: Vec::new(),
            repeated: Vec::new(),
            unread: Vec::new(),
            lone_surrogates: 0,
            has_nested: false,
        };
        let mut place = FIRST;
        loop {
            // It is read where it stays: to copy it would wait for what was just written.
            let member = fields.members.push_mut(Member::NOTHING);
            let next = fields.reader.next_member(&mut members, place, member);
            match next.map_err(not_json)? {
                Next::Field(field) => {
                    place = BEHIND_UNKNOWN + 1 + field.place();
                    fields.add_last(field);
                }
                Next::Unknown => {
                    place = BEHIND_UNKNOWN;
                    fields.put_last_aside();
                }
                Next::End => break,
            }
        }
        fields.members.pop();
        fields.lone_surrogates = members.lone_surrogates();
        Ok(fields)
    }

    /// Reads the next member, and finds its field, if it is a known one.
    #[inline]
    fn next_member<'a>(
        &mut self,
        members: &mut Members<'a>,
        place: usize,
        member: &mut Member<'a>,
    ) -> Result<Next, SyntaxError> {
        if let Some(followers) = self.next.get(place)
            && let Some(field) = followers.read(members, member)?
        {
            return Ok(Next::Field(field));
        }
        self.other_member(members, place, member)
    }

    /// Reads a member that no row before had at this place.
    #[cold]
    fn other_member<'a>(
        &mut self,
        members: &mut Members<'a>,
        place: usize,
        member: &mut Member<'a>,
    ) -> Result<Next, SyntaxError> {
        let from = members.offset();
        let Some(next) = members.next_member()? else {
            return Ok(Next::End);
        };
        *member = next;
        let Some(field) = self.model.fields().find(&member.name().decode()) else {
            return Ok(Next::Unknown);
        };
        let followers = self.next.get_mut(place);
        if let Some(lead) = followers.and_then(|followers| followers.room(field)) {
            members.note(from, member, lead);
        }
        Ok(Next::Field(field))
    }
}

impl Drop for Fields<'_, '_> {
    fn drop(&mut self) {
        // The room is for the next row; what was in it is gone.
        self.members.clear();
        let room = std::mem::take(&mut self.members);
        self.reader.members = room.into_iter().map(|_| Member::NOTHING).collect();
    }
}

impl<'a> Fields<'_, 'a> {
    /// Notes that the last member is that of a field.
    #[inline]
    fn add_last(&mut self, field: FieldId) {
        match self.member(field) {
            Some(earlier) => self.repeated.push((field, *earlier)),
            None => self.reader.set.note(self.reader.model.fields(), field),
        }
        self.has_nested |= self.members.last().is_some_and(Member::is_nested);
        if let Some(slot) = self.reader.slots.get_mut(field.place()) {
            *slot = self.members.len();
        }
    }

    /// Puts the last member to those that no table has a field for.
    fn put_last_aside(&mut self) {
        let Some(member) = self.members.pop() else {
            return;
        };
        if member.name().decode() == UNREAD {
            self.unread.push(member);
        } else {
            self.unknown.push(member);
        }
    }

    pub(crate) fn model(&self) -> &Arc<Model> {
        &self.reader.model
    }

    pub(crate) fn table(&self, place: usize) -> Option<&Table> {
        self.model().tables().get(place)
    }

    /// Returns the value posted for `field`, null when there is none.
    pub(crate) fn value(&self, field: FieldId) -> Value<'a> {
        self.member(field).map_or(Value::Null, Member::value)
    }

    /// Returns the value posted for `field` as it is spelled in the text.
    pub(crate) fn raw(&self, field: FieldId) -> &'a str {
        self.member(field).map_or("null", |member| member.raw)
    }

    /// Returns whether `field` was posted at all.
    pub(crate) fn has(&self, field: FieldId) -> bool {
        self.member(field).is_some()
    }

    /// Returns the member posted for `field`.
    #[inline]
    pub(crate) fn member(&self, field: FieldId) -> Option<&Member<'a>> {
        let place = self.reader.slots.get(field.place())?.checked_sub(1)?;
        self.members.get(place)
    }

    /// Returns how many escapes of the text are half of a surrogate pair.
    pub(crate) fn lone_surrogates(&self) -> u32 {
        self.lone_surrogates
    }

    /// Tells the place of the row's table, from what was declared and from the fields.
    pub(crate) fn tell_table(&self, declared: Declared<'_>) -> Result<usize, Rejection> {
        let model = &self.reader.model;
        let (fields, set) = (model.fields(), &self.reader.set);
        let declared = match declared {
            Declared::Nothing => None,
            Declared::Kind(kind) => Some(model.place(kind).ok_or_else(|| {
                let message = format!("declared as {kind}, which is no table any more");
                Rejection::new(Some(kind), RejectionCode::UnknownKind, message)
            })?),
            Declared::Key(key) => PartitionKey::kind_name(key)
                .and_then(|name| model.named(name))
                .filter(|table| {
                    let value = self.key(table).map(|(_, value)| value);
                    PartitionKey::is_of(key, table.kind, value.as_ref(), self.text.as_bytes())
                })
                .and_then(|table| model.place(table.kind)),
        };
        let Some(declared) = declared else {
            return set.tell(fields).ok_or_else(|| {
                let message = format!(
                    "nothing declares the row, and its fields do not say whether it is a {} row",
                    model.names()
                );
                Rejection::new(None, RejectionCode::UnknownKind, message)
            });
        };
        let Some(other) = set.other_than(fields, declared) else {
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
        let fields = column.inputs.iter().copied().chain(column.own);
        let mut keys =
            fields.filter_map(|field| Some((field, column.key_value(&self.value(field))?)));
        keys.next()
    }

    /// Rejects a row that has an object or an array where a scalar belongs.
    pub(crate) fn check_types(&self, table: &Table) -> Result<(), Rejection> {
        if !self.has_nested {
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
        for member in &self.unread {
            unread.carry(member);
        }
        for &(field, member) in &self.repeated {
            if member.raw != self.raw(field) {
                let model = self.model();
                unread.keep(model, place, field, &member.value(), member.raw);
            }
        }
    }

    /// Returns the JSON object of the fields that the table does not know; earlier values of a repeated name are unread.
    pub(crate) fn extra<'u>(&'u self, place: usize, unread: &mut Unread<'u>) -> Option<String> {
        let fields = self.model().fields();
        let is_foreign = |field: &&FieldId| fields.role(place, **field) == Role::Unknown;
        let known = self.reader.set.noted().iter();
        let foreign = known
            .filter(is_foreign)
            .filter_map(|field| self.member(*field));
        extra::object(self.unknown.iter().chain(foreign), unread, |raw| {
            self.mended(raw)
        })
    }

    /// Returns whether the row has a field that a table drops.
    pub(crate) fn ignored(&self, table: &Table) -> impl Iterator<Item = FieldId> {
        let fields = table.ignored().iter().copied();
        fields.filter(|field| self.has(*field))
    }

    /// Returns a posted value as any JSON reader takes it.
    pub(crate) fn mended<'t>(&self, raw: &'t str) -> Cow<'t, str> {
        if self.lone_surrogates == 0 {
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
