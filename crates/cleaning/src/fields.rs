//! The fields of a posted row, found in one pass over its text.

use std::borrow::Cow;

use event_model::{Declared, Field, Kind, KnownFields, PartitionKey};
use json_reader::{Elements, Member, Members, Value, number};

use crate::unread::{UNREAD, Unread};
use crate::{Rejection, RejectionCode, extra};

/// A row's fields as posted. If a name is repeated, the last value counts, as in every JSON reader in wide use.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    text: &'a str,
    known: [Option<Member<'a>>; Field::COUNT],
    names: KnownFields,
    unknown: Vec<Member<'a>>,
    /// Earlier values of known fields that are repeated.
    repeated: Vec<(Field, Member<'a>)>,
    /// What the row has under the name of `_unread`.
    unread: Vec<Member<'a>>,
    lone_surrogates: u32,
}

impl<'a> Fields<'a> {
    /// Reads the object that is the whole of `text`.
    pub(crate) fn read(text: &'a str, declared: Declared<'_>) -> Result<Self, Rejection> {
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
        let mut fields = Self {
            text,
            known: [None; Field::COUNT],
            names: KnownFields::default(),
            unknown: Vec::new(),
            repeated: Vec::new(),
            unread: Vec::new(),
            lone_surrogates: 0,
        };
        while let Some(member) = members.next_member().map_err(not_json)? {
            fields.add(member);
        }
        fields.lone_surrogates = members.lone_surrogates();
        Ok(fields)
    }

    fn add(&mut self, member: Member<'a>) {
        let name = member.name.decode();
        if let Some(field) = Field::from_name(&name) {
            self.names.note(field);
            if let Some(earlier) = self.known[field as usize].replace(member) {
                self.repeated.push((field, earlier));
            }
        } else if name == UNREAD {
            self.unread.push(member);
        } else {
            self.unknown.push(member);
        }
    }

    /// Returns the value posted for `field`, null when there is none.
    pub(crate) fn value(&self, field: Field) -> Value<'a> {
        self.known[field as usize].map_or(Value::Null, |member| member.value)
    }

    /// Returns the value posted for `field` as it is spelled in the text.
    pub(crate) fn raw(&self, field: Field) -> &'a str {
        self.known[field as usize].map_or("null", |member| member.raw)
    }

    /// Returns whether `field` was posted at all.
    pub(crate) fn has(&self, field: Field) -> bool {
        self.known[field as usize].is_some()
    }

    /// Returns how many escapes of the text are half of a surrogate pair.
    pub(crate) fn lone_surrogates(&self) -> u32 {
        self.lone_surrogates
    }

    /// Tells the kind, from what was declared and from the fields.
    pub(crate) fn tell_kind(&self, declared: Declared<'_>) -> Result<Kind, Rejection> {
        let declared = match declared {
            Declared::Nothing => None,
            Declared::Kind(kind) => Some(kind),
            Declared::Key(key) => PartitionKey::named_kind(key).filter(|&kind| {
                let ind = self.key(kind).map(|(_, ind)| ind);
                PartitionKey::is_of(key, kind, ind, self.text.as_bytes())
            }),
        };
        let Some(declared) = declared else {
            return self.names.kind().ok_or_else(|| {
                let message = "nothing declares the row, and its fields do not say whether it is a pin, geo or user row";
                Rejection::new(None, RejectionCode::UnknownKind, message)
            });
        };
        let Some(other) = self.names.other_than(declared) else {
            return Ok(declared);
        };
        let message = format!(
            "declared as {declared}, of which it has {} fields, but {} of {other}",
            self.names.count(declared),
            self.names.count(other),
        );
        Err(Rejection::new(
            Some(declared),
            RejectionCode::WrongKind,
            message,
        ))
    }

    /// Returns the key, and the field it is read from.
    pub(crate) fn key(&self, kind: Kind) -> Option<(Field, i64)> {
        Field::key_names(kind)
            .into_iter()
            .find_map(|field| Some((field, number::integer_value(&self.value(field))?)))
    }

    /// Rejects a row that has an object or an array where a scalar belongs.
    pub(crate) fn check_types(&self, kind: Kind) -> Result<(), Rejection> {
        for &field in Field::KEYS.iter().chain(Field::of(kind)) {
            let is_fine = match self.value(field) {
                Value::Object(_) => false,
                Value::Array(array) => field == Field::Coordinates && is_flat(array),
                _ => true,
            };
            if !is_fine {
                let message = format!(
                    "`{}` holds an object or an array where a scalar belongs",
                    field.name()
                );
                return Err(Rejection::new(Some(kind), RejectionCode::BadType, message));
            }
        }
        Ok(())
    }

    /// Keeps the values that no column can have, because a later one of the same name has its place.
    pub(crate) fn keep_repeated(&self, kind: Kind, unread: &mut Unread<'a>) {
        for member in &self.unread {
            unread.carry(member);
        }
        for &(field, member) in &self.repeated {
            if member.raw != self.raw(field) {
                unread.keep(kind, field, &member.value, member.raw);
            }
        }
    }

    /// Returns the JSON object of the fields that no rule of `kind` knows; earlier values of a repeated name are unread.
    pub(crate) fn extra(&self, kind: Kind, unread: &mut Unread<'a>) -> Option<String> {
        if self.unknown.is_empty() && !self.names.has_foreign(kind) {
            return None;
        }
        let own = Field::of(kind);
        let is_foreign = |member: &&Member<'a>| {
            Field::from_name(&member.name.decode())
                .is_some_and(|field| !own.contains(&field) && !Field::KEYS.contains(&field))
        };
        let foreign = self.known.iter().flatten().filter(is_foreign);
        extra::object(self.unknown.iter().chain(foreign), unread, |raw| {
            self.mended(raw)
        })
    }

    /// Returns a posted value as any JSON reader takes it.
    pub(crate) fn mended(&self, raw: &'a str) -> Cow<'a, str> {
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
