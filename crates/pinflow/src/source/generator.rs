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

use super::{PostedRow, Turn};
use dice::{Dice, Purpose};
use dirt::Flaw;
use persona::Persona;

/// One turn in so many posts an earlier row again.
const REPEAT_ONE_IN: u64 = 60;
/// One repeat in so many brings a newer version of the row.
const NEWER_ONE_IN: u64 = 5;

/// An endless source of generated turns.
#[derive(Debug)]
pub struct Generator {
    seed: u64,
    /// Turns so far.
    turns: u64,
    /// Rows that were posted at least once.
    known: u64,
}

impl Generator {
    /// Makes the generator of a seed, which starts with its first turn.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            turns: 0,
            known: 0,
        }
    }

    /// Returns the next turn.
    pub fn next_turn(&mut self) -> Turn {
        let mut dice = Dice::new(self.seed, Purpose::Turn, self.turns);
        self.turns += 1;
        if self.known > 0 && dice.one_in(REPEAT_ONE_IN) {
            let version = u64::from(dice.one_in(NEWER_ONE_IN));
            return turn(self.seed, dice.below(self.known), version);
        }
        self.known += 1;
        turn(self.seed, self.known - 1, 0)
    }

    /// Goes past turns, as if they had been returned.
    pub(super) fn skip(&mut self, turns: u64) {
        // Which row a turn repeats depends on how many were new before it.
        for _ in 0..turns {
            self.next_turn();
        }
    }
}

/// Returns the rows with this number. A newer version tells other followers and another age.
fn turn(seed: u64, number: u64, version: u64) -> Turn {
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
        match dirt::soil(&mut dice, kind, &mut row) {
            Some(Flaw::PostedElsewhere) if kind != Kind::User => posted_as = Kind::User,
            Some(Flaw::PostedElsewhere) => posted_as = Kind::Pin,
            Some(Flaw::InTheRow) | None => {}
        }
        PostedRow {
            kind: posted_as,
            json: row.render(dirt::style(&mut dice)),
        }
    });
    Turn {
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
