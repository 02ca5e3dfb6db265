#![doc = include_str!("../README.md")]

mod columns;
mod compressed;
mod decode;
mod extra;
mod fields;
mod record;
mod rejection;
mod render;
mod rules;
mod tally;
mod timestamp;
mod unread;

use event_model::{CleanRow, Declared, Field};

pub use decode::decode;
pub use record::{KindSource, Piece, clean_record, unpack};
pub use rejection::{Rejection, RejectionCode};
pub use rules::{Change, Changes, Rule, RuleCounts};
pub use tally::Tally;

use fields::Fields;
use unread::Unread;

/// Version of the rules, written beside every row and every rejection.
pub const RULES_VERSION: i32 = 2;

/// A row that the rules have been applied to.
#[derive(Clone, Debug, PartialEq)]
pub struct Cleaned<'a> {
    /// The clean row.
    pub row: CleanRow<'a>,
    /// The posted values that are in no column.
    pub rest: Rest,
    /// How often each rule changed or nulled a value of this row.
    pub changes: RuleCounts,
}

/// The posted values that are in no column of the clean row, as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rest {
    /// `_extra`: object of the fields that no rule knows, in the order of their names; `None` when there are none.
    pub extra: Option<String>,
    /// `_unread`: object of each field with a value that could not be read, or that has not the field's place in the row,
    /// as it was posted; several values of one field are an array. `None` when there are none.
    pub unread: Option<String>,
}

impl Cleaned<'_> {
    /// Returns the row as JSON, in the order of the clean columns; cleaning it again changes nothing.
    pub fn to_json(&self) -> String {
        render::to_json(&self.row, &self.rest)
    }
}

/// Cleans one row.
///
/// `text` is what [`decode()`] returned; `declared` is what is known of its kind, as an `Option<Kind>` or [`Declared`].
pub fn clean<'a, 'd>(
    text: &'a str,
    declared: impl Into<Declared<'d>>,
) -> Result<Cleaned<'a>, Rejection> {
    let mut changes = RuleCounts::default();
    let (row, rest) = clean_into(text, declared, &mut changes)?;
    Ok(Cleaned { row, rest, changes })
}

/// Cleans one row and passes each change to `changes`; returns the row and what is in none of its columns.
pub fn clean_into<'a, 'd>(
    text: &'a str,
    declared: impl Into<Declared<'d>>,
    changes: &mut impl Changes,
) -> Result<(CleanRow<'a>, Rest), Rejection> {
    let declared = declared.into();
    let fields = Fields::read(text, declared)?;
    let kind = fields.tell_kind(declared)?;
    fields.check_types(kind)?;
    let mut unread = Unread::default();
    fields.keep_repeated(kind, &mut unread);
    let row = columns::row(kind, &fields, changes, &mut unread)?;
    for _ in 0..fields.lone_surrogates() {
        changes.note(Rule::LoneSurrogate, Field::Ind.name());
    }
    let extra = fields.extra(kind, &mut unread);
    let unread = unread.finish(|raw| fields.mended(raw), changes);
    Ok((row, Rest { extra, unread }))
}

#[cfg(test)]
mod tests;
