#![doc = include_str!("../README.md")]

mod error;
mod fields;
mod folder;
mod query;
mod read;
mod table;
mod yaml;

pub use error::{ModelError, Problem};
pub use fields::{FieldId, FieldSet, Fields, Role};
pub use folder::{FOLDER, find};
pub use query::Query;
pub use table::{
    Column, ColumnType, Epoch, Format, LATITUDE_MAX, LONGITUDE_MAX, Merge, Range, Table, is_longer,
};

use std::path::Path;
use std::sync::Arc;

use event_model::Kind;

/// Version of the code that applies the rules, part of each table's [`Table::rules`].
const ENGINE_VERSION: u16 = 3;

/// What a folder declares: tables, and the queries over them. Read once, when a program starts.
#[derive(Debug)]
pub struct Model {
    tables: Vec<Table>,
    /// The version of each table's rules: to compute it takes longer than to clean a row, and each rejected one asks for it.
    rules: Vec<i32>,
    fields: Fields,
    views: Vec<Query>,
    reports: Vec<Query>,
}

impl Model {
    /// Reads and checks `tables/*.yaml`, `views/*.sql` and `reports/*.sql` of a folder.
    ///
    /// # Errors
    ///
    /// All that is wrong with the files, each with its file, line and column, and what to write.
    pub fn load(folder: &Path) -> Result<Arc<Self>, ModelError> {
        folder::load(folder).map(Arc::new)
    }

    /// Reads the folder at its usual place: `given`, or else what [`find`] returns.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load) has them, and when there is no such folder.
    pub fn load_from(given: Option<&Path>) -> Result<Arc<Self>, ModelError> {
        match given {
            Some(folder) => Self::load(folder),
            None => Self::load(&find()?),
        }
    }

    /// Returns the tables, in the order of their names.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// Returns the kinds, in the order of their names.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> + Clone + '_ {
        self.tables.iter().map(|table| table.kind)
    }

    /// Returns a table's place in [`tables`](Self::tables).
    pub fn place(&self, kind: Kind) -> Option<usize> {
        let found = self.tables.binary_search_by(|table| table.kind.cmp(&kind));
        found.ok()
    }

    /// Returns the table of a kind.
    pub fn table(&self, kind: Kind) -> Option<&Table> {
        self.tables.get(self.place(kind)?)
    }

    /// Returns the table that is called `name` and nothing else.
    pub fn named(&self, name: &str) -> Option<&Table> {
        self.tables.get(self.place_named(name)?)
    }

    /// Returns the place in [`tables`](Self::tables) of the table that is called `name`.
    pub fn place_named(&self, name: &str) -> Option<usize> {
        self.tables
            .iter()
            .position(|table| table.kind.is_named(name))
    }

    /// Returns the kind that a topic, a stream or a client's partition key names.
    ///
    /// Its last part counts: `abc.pin`, `streaming-abc-pin`, `pin`; so do the other labels of a table.
    pub fn labelled(&self, label: &str) -> Option<Kind> {
        let last = label.rsplit(['.', '-', '/']).next()?;
        let has_label = |table: &&Table| table.labels.iter().any(|label| **label == *last);
        self.tables.iter().find(has_label).map(|table| table.kind)
    }

    /// Returns the fields of all tables.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Returns the views, in the order of their names.
    pub fn views(&self) -> &[Query] {
        &self.views
    }

    /// Returns the reports, in the order of their names.
    pub fn reports(&self) -> &[Query] {
        &self.reports
    }

    /// Returns the names of the tables as a sentence has them: `geo, pin or user`.
    pub fn names(&self) -> String {
        let names: Vec<_> = self.kinds().map(|kind| kind.to_string()).collect();
        match names.split_last() {
            Some((last, others)) if !others.is_empty() => {
                format!("{} or {last}", others.join(", "))
            }
            _ => names.concat(),
        }
    }

    /// Returns the version of the rules of a record of this kind, or of one of no kind.
    pub fn rules(&self, kind: Option<Kind>) -> i32 {
        let place = kind.and_then(|kind| self.place(kind));
        let known = place.and_then(|place| self.rules.get(place));
        let newest = || self.rules.iter().max();
        known.or_else(newest).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
