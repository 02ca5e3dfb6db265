//! What became of many records, in numbers.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use event_model::Kind;

use crate::{RejectionCode, RuleCounts};

/// Rows, rejected records and changed values of a batch, or of several together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows, by kind.
    pub rows: BTreeMap<Kind, u64>,
    /// Records that went to quarantine, by code.
    pub rejected: BTreeMap<RejectionCode, u64>,
    /// Values changed by each rule, in the rows.
    pub changes: RuleCounts,
}

impl Tally {
    /// Counts rows of a kind.
    pub fn add_rows(&mut self, kind: Kind, rows: u64) {
        *self.rows.entry(kind).or_default() += rows;
    }

    /// Counts a rejected record.
    pub fn add_rejected(&mut self, code: RejectionCode) {
        *self.rejected.entry(code).or_default() += 1;
    }

    /// Returns the rows of all kinds.
    pub fn total_rows(&self) -> u64 {
        self.rows.values().sum()
    }

    /// Returns the records that went to quarantine.
    pub fn total_rejected(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Returns the records that went to quarantine and should have become rows.
    pub fn total_lost(&self) -> u64 {
        let lost = self.rejected.iter().filter(|(code, _)| code.is_loss());
        lost.map(|(_, records)| records).sum()
    }
}

impl AddAssign<&Self> for Tally {
    fn add_assign(&mut self, other: &Self) {
        for (kind, rows) in &other.rows {
            self.add_rows(*kind, *rows);
        }
        for (code, records) in &other.rejected {
            *self.rejected.entry(*code).or_default() += records;
        }
        self.changes += other.changes;
    }
}
