//! The built-in rows: made up from a seed, with the dirt of real data in realistic shares.
//!
//! A row is a function of the seed and its number, so the same seed gives the same rows, in every run and build.

pub(super) mod dice;
mod dirt;
mod geo;
mod json;
mod persona;
mod pin;
mod user;
mod vocabulary;

use event_model::Kind;

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
    seed: u64,
    /// Posts so far.
    posts: u64,
    /// Rows that were posted at least once.
    known: u64,
}

impl Generator {
    /// Makes the generator of a seed, which starts with its first post.
    pub fn new(seed: u64) -> Self {
        Self {
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
            return post(self.seed, dice.below(self.known), version);
        }
        self.known += 1;
        post(self.seed, self.known - 1, 0)
    }

    /// Goes past posts, as if they had been returned.
    pub(super) fn skip(&mut self, posts: u64) {
        // Which row a repeating post takes depends on how many were new before it.
        for _ in 0..posts {
            self.next_post();
        }
    }
}

/// Returns the rows with this number. A newer version has other followers and another age.
fn post(seed: u64, number: u64, version: u64) -> Post {
    let offset = offset(seed, number);
    let persona = Persona::of_row(seed, number);
    let rows = Kind::ALL.map(|kind| {
        let mut dice = Dice::new(seed, Purpose::Row(kind), number);
        let mut row = match kind {
            Kind::Pin => pin::row(&mut dice, offset, &persona, version),
            Kind::Geo => geo::row(&mut dice, offset, &persona),
            Kind::User => user::row(&mut dice, offset, &persona, version),
        };
        let mut posted_as = kind;
        match dirt::add_dirt(&mut dice, kind, &mut row) {
            Some(Flaw::PostedElsewhere) if kind != Kind::User => posted_as = Kind::User,
            Some(Flaw::PostedElsewhere) => posted_as = Kind::Pin,
            Some(Flaw::InTheRow) | None => {}
        }
        PostedRow {
            kind: posted_as,
            key: Some(offset),
            json: row.render(dirt::style(&mut dice)),
        }
    });
    Post {
        offset,
        rows: rows.into(),
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
