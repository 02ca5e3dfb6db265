#![doc = include_str!("../README.md")]

mod columns;
mod decode;
mod extra;
mod fields;
mod rejection;
mod render;
mod rules;
mod timestamp;

use event_model::{CleanRow, Kind};

pub use decode::decode;
pub use rejection::{Rejection, RejectionCode};
pub use rules::{Change, Changes, Rule, RuleCounts};

use fields::Fields;

/// Version of the rules, written beside every row and every rejection.
pub const RULES_VERSION: i32 = 1;

/// A row that the rules have been applied to.
#[derive(Clone, Debug, PartialEq)]
pub struct Cleaned<'a> {
    /// The clean row.
    pub row: CleanRow<'a>,
    /// JSON object of the fields that no rule knows, in the order of their names; `None` when there are none.
    pub extra: Option<String>,
    /// How often each rule changed or nulled a value of this row.
    pub changes: RuleCounts,
}

impl Cleaned<'_> {
    /// Returns the row as JSON, in the order of the clean columns; cleaning it again changes nothing.
    pub fn to_json(&self) -> String {
        render::to_json(&self.row, self.extra.as_deref())
    }
}

/// Cleans one row.
///
/// `text` is what [`decode()`] returned, and `declared` the kind that the record's partition key names, if it does.
pub fn clean(text: &str, declared: Option<Kind>) -> Result<Cleaned<'_>, Rejection> {
    let mut changes = RuleCounts::default();
    let (row, extra) = clean_into(text, declared, &mut changes)?;
    Ok(Cleaned {
        row,
        extra,
        changes,
    })
}

/// Cleans one row and passes each change to `changes`; returns the row and its `_extra`.
pub fn clean_into<'a>(
    text: &'a str,
    declared: Option<Kind>,
    changes: &mut impl Changes,
) -> Result<(CleanRow<'a>, Option<String>), Rejection> {
    let fields = Fields::read(text, declared)?;
    let kind = fields.tell_kind(declared)?;
    fields.check_types(kind)?;
    let row = columns::row(kind, &fields, changes)?;
    Ok((row, fields.extra(kind)))
}

#[cfg(test)]
mod tests;
