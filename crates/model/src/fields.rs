//! The fields of all tables, and what those of a row say of its kind.

use std::collections::HashMap;

use event_model::Kind;

use crate::Table;

/// A field that some table reads or drops, as its place among all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldId(u16);

impl FieldId {
    /// Returns the place.
    pub const fn place(self) -> usize {
        self.0 as usize
    }
}

/// What a table does with a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It does not know it.
    #[default]
    Unknown,
    /// A column is read from it; the column's place.
    Column(usize),
    /// It is dropped.
    Ignored,
}

/// The fields of all tables, found by name.
#[derive(Debug)]
pub struct Fields {
    names: Vec<String>,
    by_name: HashMap<String, FieldId>,
    /// For each table, what it does with each field.
    roles: Vec<Vec<Role>>,
    /// For each field the bits that a row sets which has it, each in a word of a table.
    marks: Vec<Vec<(usize, u64)>>,
    /// Words of each table.
    words: usize,
    /// For each table the fields that decide a tie.
    telling: Vec<Vec<FieldId>>,
    /// Whether some table's key is read from a field.
    keys: Vec<bool>,
    kinds: Vec<Kind>,
}

impl Fields {
    /// Numbers the fields, and notes the numbers in the tables.
    pub(crate) fn new(tables: &mut [Table]) -> Self {
        let mut fields = Self {
            names: Vec::new(),
            by_name: HashMap::new(),
            roles: vec![Vec::new(); tables.len()],
            marks: Vec::new(),
            words: 1,
            telling: Vec::new(),
            keys: Vec::new(),
            kinds: tables.iter().map(|table| table.kind).collect(),
        };
        for table in tables.iter_mut() {
            for column in &mut table.columns {
                column.inputs = column.from.iter().map(|name| fields.id(name)).collect();
                let own = fields.id(&column.name);
                column.own = (!column.inputs.contains(&own)).then_some(own);
            }
            table.ignored = table.ignore.iter().map(|name| fields.id(name)).collect();
        }
        let count = fields.names.len();
        fields.roles = vec![vec![Role::Unknown; count]; tables.len()];
        fields.marks = vec![Vec::new(); count];
        fields.keys = vec![false; count];
        let bits = tables.iter().map(|table| {
            let inputs = table.columns.iter().map(|column| column.inputs.len());
            inputs.sum::<usize>() + table.ignored.len()
        });
        fields.words = bits.max().unwrap_or_default().div_ceil(64).max(1);
        for (place, table) in tables.iter().enumerate() {
            fields.add(place, table);
        }
        fields
    }

    fn add(&mut self, place: usize, table: &Table) {
        let first = place * self.words;
        let mut bits = (0..).map(|bit| (first + bit / 64, 1_u64 << (bit % 64)));
        let roles = &mut self.roles[place];
        for (at, column) in table.columns.iter().enumerate() {
            let is_key = table.key == Some(at);
            for field in column.inputs.iter().chain(&column.own) {
                self.keys[field.place()] |= is_key;
            }
            let mut own = Vec::new();
            for field in &column.inputs {
                roles[field.place()] = Role::Column(at);
                if is_key {
                    continue;
                }
                // What is made of several fields counts as each of them, other spellings of one field as that one.
                let is_made_of = column.is_joined || column.data_type == crate::ColumnType::Point;
                if is_made_of || own.is_empty() {
                    own.extend(bits.next());
                }
                let mark = own.last().copied();
                self.marks[field.place()].extend(mark);
            }
            if let Some(field) = column.own {
                roles[field.place()] = Role::Column(at);
                self.marks[field.place()].extend(own);
            }
        }
        for field in &table.ignored {
            roles[field.place()] = Role::Ignored;
            self.marks[field.place()].extend(bits.next());
        }
        let telling = table.recognised_by.iter();
        self.telling
            .push(telling.filter_map(|name| self.find(name)).collect());
    }

    fn id(&mut self, name: &str) -> FieldId {
        if let Some(found) = self.by_name.get(name) {
            return *found;
        }
        // A folder with more fields was refused.
        let id = FieldId(u16::try_from(self.names.len()).unwrap_or(u16::MAX));
        self.names.push(name.to_owned());
        self.by_name.insert(name.to_owned(), id);
        id
    }

    /// Returns the field of this name.
    pub fn find(&self, name: &str) -> Option<FieldId> {
        self.by_name.get(name).copied()
    }

    /// Returns a field's name.
    #[inline]
    pub fn name(&self, field: FieldId) -> &str {
        self.names.get(field.place()).map_or("", String::as_str)
    }

    /// Tells whether some table's key is read from a field.
    pub fn is_key(&self, field: FieldId) -> bool {
        self.keys.get(field.place()).copied().unwrap_or_default()
    }

    /// Returns how many fields there are.
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// Returns what the table at this place does with a field.
    #[inline]
    pub fn role(&self, table: usize, field: FieldId) -> Role {
        let roles = self.roles.get(table);
        let role = roles.and_then(|roles| roles.get(field.place()));
        role.copied().unwrap_or_default()
    }
}

/// The known fields that a row has. Cleared, it serves for the next row.
#[derive(Clone, Debug, Default)]
pub struct FieldSet {
    words: Vec<u64>,
    has: Vec<FieldId>,
}

impl FieldSet {
    /// Forgets all fields.
    pub fn clear(&mut self, fields: &Fields) {
        self.words.clear();
        self.words.resize(fields.words * fields.kinds.len(), 0);
        self.has.clear();
    }

    /// Notes that the row has a field. A clean column counts as the fields that it is made of, so that a clean row has as many as it was
    /// posted with.
    #[inline]
    pub fn note(&mut self, fields: &Fields, field: FieldId) {
        self.has.push(field);
        for (word, bits) in fields.marks.get(field.place()).into_iter().flatten() {
            if let Some(word) = self.words.get_mut(*word) {
                *word |= bits;
            }
        }
    }

    /// Returns the noted fields, in their order.
    #[inline]
    pub fn noted(&self) -> &[FieldId] {
        &self.has
    }

    /// Returns how many fields of the table at this place the row has, beside the key.
    pub fn count(&self, fields: &Fields, table: usize) -> u32 {
        let words = self.words.chunks(fields.words).nth(table);
        words
            .into_iter()
            .flatten()
            .map(|word| word.count_ones())
            .sum()
    }

    /// Returns the place of the table of which the row has the most fields.
    ///
    /// Among tables with as many, the fields by which they are recognised decide. `None` where they do not, or without any field.
    pub fn tell(&self, fields: &Fields) -> Option<usize> {
        let (mut most, mut tied, mut first) = (0, 0, None);
        for table in 0..fields.kinds.len() {
            let count = self.count(fields, table);
            match count.cmp(&most) {
                std::cmp::Ordering::Greater => (most, tied, first) = (count, 1, Some(table)),
                std::cmp::Ordering::Equal => tied += 1,
                std::cmp::Ordering::Less => {}
            }
        }
        let first = first?;
        if tied == 1 {
            return Some(first);
        }
        let is_recognised = |table: &usize| {
            let telling = fields.telling.get(*table).map_or(&[][..], Vec::as_slice);
            self.count(fields, *table) == most
                && telling.iter().any(|field| self.has_field(fields, *field))
        };
        let mut recognised = (0..fields.kinds.len()).filter(is_recognised);
        recognised.next().filter(|_| recognised.next().is_none())
    }

    /// Tells whether the row has a field, or a clean column that is made of it.
    fn has_field(&self, fields: &Fields, field: FieldId) -> bool {
        let marks = fields.marks.get(field.place()).into_iter().flatten();
        let mut marks = marks.peekable();
        if marks.peek().is_none() {
            return self.has.contains(&field);
        }
        marks
            .into_iter()
            .any(|(word, bits)| self.words.get(*word).is_some_and(|word| word & bits != 0))
    }

    /// Returns the place of a table of which the row has more fields than of the declared one, the one with the most.
    pub fn other_than(&self, fields: &Fields, declared: usize) -> Option<usize> {
        let counts = (0..fields.kinds.len()).map(|table| (self.count(fields, table), table));
        // Of as many, the last in the order of names.
        let other = counts.max()?;
        (other.0 > self.count(fields, declared)).then_some(other.1)
    }
}
