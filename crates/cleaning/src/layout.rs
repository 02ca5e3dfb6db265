//! Which known fields a row has, what leads to each of them, and what follows from them: rows of one writer have a few layouts.

use json_reader::{Lead, Members};
use model::{FieldId, FieldSet, Model, Role};

/// The known fields of a row in their order, and what follows from them.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// What leads to each field's value.
    leads: Vec<Lead>,
    set: FieldSet,
    /// For each field, the place of its value behind the first one of the row; 0 for none.
    slots: Vec<u32>,
    /// The place of the table that the fields tell.
    told: Option<usize>,
    /// Whether that table does not know one of them.
    has_foreign: bool,
}

/// The layouts of rows before, and that of the row that is read.
#[derive(Debug)]
pub(crate) struct Layouts {
    known: Vec<Layout>,
    /// Which of them the row has so far; it is only followed from field to field where the row has another one.
    current: usize,
    /// How many of its fields were read, or passed over.
    read: usize,
    /// The row's layout, where no known one fits.
    other: Layout,
    is_other: bool,
    /// Slots of the row.
    slots: Vec<u32>,
    /// Whose slots they are.
    slots_of: Option<usize>,
}

/// What leads to the next value of a row.
pub(crate) enum Next {
    /// The same as in a row before that has had the same fields up to here: it is noted.
    Known,
    /// What led to this field in a row of other fields; it is to be [added](Layouts::add).
    Field(FieldId),
    /// Something else.
    Unknown,
}

/// Layouts that are kept.
const KNOWN_MAX: usize = 32;

impl Layout {
    fn new(model: &Model) -> Self {
        let mut set = FieldSet::default();
        set.clear(model.fields());
        Self {
            leads: Vec::new(),
            set,
            slots: vec![0; model.fields().count()],
            told: None,
            has_foreign: false,
        }
    }

    /// Returns the fields, in their order.
    #[inline]
    pub(crate) fn fields(&self) -> &[FieldId] {
        self.set.noted()
    }

    /// Returns the fields as a set.
    pub(crate) fn set(&self) -> &FieldSet {
        &self.set
    }

    /// Returns the place of the table that the fields tell.
    pub(crate) fn told(&self) -> Option<usize> {
        self.told
    }

    /// Returns the fields that a table does not know.
    pub(crate) fn foreign(&self, model: &Model, table: usize) -> impl Iterator<Item = FieldId> {
        let may_have = self.has_foreign || self.told != Some(table);
        let fields = if may_have { self.fields() } else { &[] };
        let is_foreign = move |field: &FieldId| model.fields().role(table, *field) == Role::Unknown;
        fields.iter().copied().filter(is_foreign)
    }

    /// Becomes that of a row which has had the first fields of another layout.
    fn start(&mut self, model: &Model, other: Option<&Self>, read: usize) {
        self.leads.clear();
        self.slots.fill(0);
        self.set.clear(model.fields());
        let Some(other) = other else {
            return;
        };
        let fields = other.fields().iter().zip(&other.leads).take(read);
        for (value, (field, lead)) in fields.enumerate() {
            self.add(model, *field, value);
            self.leads.push(lead.clone());
        }
    }

    /// Notes a field and the place of its value; returns that of the earlier value of a field that is repeated.
    fn add(&mut self, model: &Model, field: FieldId, value: usize) -> Option<usize> {
        let slot = self.slots.get_mut(field.place())?;
        // A record has a MiB, or a few of them where it is packed.
        let earlier = std::mem::replace(slot, u32::try_from(value + 1).unwrap_or(u32::MAX));
        if earlier == 0 {
            self.set.note(model.fields(), field);
        }
        (earlier as usize).checked_sub(1)
    }

    /// Notes what follows from the fields.
    fn finish(&mut self, model: &Model) {
        self.told = self.set.tell(model.fields());
        self.has_foreign = true;
        let foreign = self.told.map(|table| self.foreign(model, table).next());
        self.has_foreign = foreign.flatten().is_some();
    }
}

impl Layouts {
    pub(crate) fn new(model: &Model) -> Self {
        Self {
            known: Vec::new(),
            current: 0,
            read: 0,
            other: Layout::new(model),
            is_other: true,
            slots: vec![0; model.fields().count()],
            slots_of: None,
        }
    }

    /// Starts a row. Most have the layout of the one before.
    pub(crate) fn start(&mut self, model: &Model) {
        self.read = 0;
        self.is_other = self.known.is_empty();
        if self.is_other {
            self.other.start(model, None, 0);
        }
    }

    /// Passes what leads to the next value, if it led to one before.
    #[inline]
    pub(crate) fn pass(&mut self, members: &mut Members<'_>) -> Next {
        if !self.is_other
            && let Some(layout) = self.known.get(self.current)
            && let Some(lead) = layout.leads.get(self.read)
            && members.pass(lead)
        {
            self.read += 1;
            return Next::Known;
        }
        self.pass_other(members)
    }

    /// Passes what leads to the next value, if it does so in another layout, or further on in this one.
    fn pass_other(&mut self, members: &mut Members<'_>) -> Next {
        let Some(current) = self.known.get(self.current) else {
            return Next::Unknown;
        };
        if !self.is_other {
            let read = current.fields().get(..self.read);
            let mut fits = |layout: &Layout| {
                let lead = layout.leads.get(self.read);
                layout.fields().get(..self.read) == read
                    && lead.is_some_and(|lead| members.pass(lead))
            };
            if let Some(other) = self.known.iter().position(&mut fits) {
                self.current = other;
                self.read += 1;
                return Next::Known;
            }
        }
        let rest = current.fields().iter().zip(&current.leads).skip(self.read);
        let mut rest = rest.map(|(field, lead)| members.pass(lead).then_some(*field));
        match rest.find_map(|field| field) {
            Some(field) => Next::Field(field),
            None => Next::Unknown,
        }
    }

    /// Notes a field that no known layout has next, the place of its value, and what led to it, which `note` notes; returns the place of the
    /// earlier value of a field that is repeated.
    pub(crate) fn add(
        &mut self,
        model: &Model,
        field: FieldId,
        value: usize,
        note: impl FnOnce(&mut Lead),
    ) -> Option<usize> {
        let current = self.known.get(self.current);
        if !self.is_other {
            self.other.start(model, current, self.read);
            self.is_other = true;
        }
        // The fields behind this one may follow as in the layout that the row seemed to have.
        let place =
            current.and_then(|layout| layout.fields().iter().position(|known| *known == field));
        self.read = place.map_or(self.read, |place| place + 1);
        if self.known.len() < KNOWN_MAX {
            let mut lead = Lead::default();
            note(&mut lead);
            self.other.leads.push(lead);
        }
        self.other.add(model, field, value)
    }

    /// Ends the row: finds its layout, if it only began as another one, and keeps a new one.
    pub(crate) fn end(&mut self, model: &Model, has_repeated: bool) {
        if !self.is_other {
            let current = self.known.get(self.current);
            let fields = current.map_or(&[][..], Layout::fields);
            if self.read < fields.len() {
                let read = fields.get(..self.read).unwrap_or_default();
                let mut known = self.known.iter();
                if let Some(known) = known.position(|layout| layout.fields() == read) {
                    self.current = known;
                } else {
                    self.other.start(model, current, self.read);
                    self.is_other = true;
                }
            }
        }
        if self.is_other {
            self.other.finish(model);
            if !has_repeated && self.known.len() < KNOWN_MAX {
                self.current = self.known.len();
                self.known.push(self.other.clone());
                self.is_other = false;
            }
        }
        let is_of = (!self.is_other).then_some(self.current);
        if is_of.is_none() || is_of != self.slots_of {
            self.slots_of = is_of;
            let known = is_of.and_then(|place| self.known.get(place));
            let layout = known.unwrap_or(&self.other);
            self.slots.copy_from_slice(&layout.slots);
        }
    }

    /// Returns the place of a field's value among those of the row that was read.
    #[inline]
    pub(crate) fn value(&self, field: FieldId) -> Option<usize> {
        (*self.slots.get(field.place())? as usize).checked_sub(1)
    }

    /// Returns the layout of the row that was read.
    pub(crate) fn current(&self) -> &Layout {
        let known = self.known.get(self.current).filter(|_| !self.is_other);
        known.unwrap_or(&self.other)
    }
}
