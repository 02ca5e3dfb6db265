//! The built-in rows: made up from a seed, with the dirt of real data in realistic shares.
//!
//! A row is a function of the seed and its number, so the same seed gives the same rows, in every run and build.

pub(super) mod dice;
mod dirt;
mod geo;
mod json;
mod persona;
mod pin;
mod typed;
mod user;
mod vocabulary;

use std::sync::Arc;

use event_model::{KeyValue, Kind};
use model::{Model, Table};

use super::{Post, PostedRow};
use dice::{Dice, Purpose};
use dirt::Flaw;
use persona::Persona;

/// One post in so many repeats an earlier one.
const REPEAT_ONE_IN: u64 = 60;
/// One repeat in so many brings a newer version of the row.
const NEWER_ONE_IN: u64 = 5;

/// An endless source of generated posts.
#[derive(Debug)]
pub struct Generator {
    model: Arc<Model>,
    seed: u64,
    /// Posts so far.
    posts: u64,
    /// Rows that were posted at least once.
    known: u64,
}

impl Generator {
    /// Makes the generator of a seed and of a model's tables, which starts with its first post.
    pub fn new(model: Arc<Model>, seed: u64) -> Self {
        Self {
            model,
            seed,
            posts: 0,
            known: 0,
        }
    }

    /// Returns the next post.
    pub fn next_post(&mut self) -> Post {
        let mut dice = Dice::new(self.seed, Purpose::Post, self.posts);
        self.posts += 1;
        if self.known > 0 && dice.one_in(REPEAT_ONE_IN) {
            let version = u64::from(dice.one_in(NEWER_ONE_IN));
            return self.post(dice.below(self.known), version);
        }
        self.known += 1;
        self.post(self.known - 1, 0)
    }

    /// Goes past posts, as if they had been returned.
    pub(super) fn skip(&mut self, posts: u64) {
        // Which row a repeating post takes depends on how many were new before it.
        for _ in 0..posts {
            self.next_post();
        }
    }
}

impl Generator {
    /// Returns the rows with this number. A newer version has other followers and another age.
    fn post(&self, number: u64, version: u64) -> Post {
        let offset = offset(self.seed, number);
        let persona = Persona::of_row(self.seed, number);
        let rows = self.model.tables().iter().map(|table| {
            let mut dice = Dice::new(self.seed, Purpose::Row(table.kind), number);
            let Some(vocabulary) = Vocabulary::of(table) else {
                return typed::row(&mut dice, table, offset, version);
            };
            let mut row = match vocabulary {
                Vocabulary::Pin => pin::row(&mut dice, offset, &persona, version),
                Vocabulary::Geo => geo::row(&mut dice, offset, &persona),
                Vocabulary::User => user::row(&mut dice, offset, &persona, version),
            };
            let mut posted_as = table.kind;
            if let Some(Flaw::PostedElsewhere) = dirt::add_dirt(&mut dice, vocabulary, &mut row) {
                let other = vocabulary.elsewhere().kind();
                posted_as = self
                    .model
                    .table(other)
                    .map_or(posted_as, |table| table.kind);
            }
            PostedRow {
                kind: posted_as,
                key: Some(KeyValue::Integer(offset)),
                json: row.render(dirt::style(&mut dice)),
            }
        });
        Post {
            offset,
            rows: rows.collect(),
        }
    }
}

/// The tables whose rows are made up with words of their own; those of others are made up by the types of their columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vocabulary {
    Pin,
    Geo,
    User,
}

impl Vocabulary {
    /// Returns the vocabulary of a table that has this one's name and key.
    fn of(table: &Table) -> Option<Self> {
        let mut all = [Self::Pin, Self::Geo, Self::User].into_iter();
        let key = table.key_column()?;
        all.find(|vocabulary| {
            let (name, key_name) = vocabulary.names();
            table.kind.as_str() == name && key.from.iter().any(|from| from == key_name)
        })
    }

    /// Returns the names of the table and of its key's field.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Pin => ("pin", "index"),
            Self::Geo => ("geo", "ind"),
            Self::User => ("user", "ind"),
        }
    }

    const fn kind(self) -> Kind {
        Kind::named(self.names().0)
    }

    /// Returns the table that a row is posted to by mistake.
    const fn elsewhere(self) -> Self {
        match self {
            Self::User => Self::Pin,
            Self::Pin | Self::Geo => Self::User,
        }
    }
}

/// Rows come in a scrambled order of offsets, each block of this many after the other.
const BLOCK: u64 = 1 << 14;

/// Returns the offset of the row with this number: another one for each number.
fn offset(seed: u64, number: u64) -> i64 {
    // An odd factor is a permutation of a block whose length is a power of two.
    let scrambled = (number % BLOCK)
        .wrapping_mul(0x9e5)
        .wrapping_add(seed.wrapping_mul(0x1d3))
        % BLOCK;
    (number / BLOCK * BLOCK + scrambled).cast_signed()
}

#[cfg(test)]
mod tests;
