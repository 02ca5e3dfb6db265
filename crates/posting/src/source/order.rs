//! In which order the rows of a database are posted.

use std::path::Path;

use super::generator::dice::{Dice, Purpose};
use super::{SourceError, sequence};

/// Which row of each table each post consists of: a function of the post's number, so that a run can go on at any post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// One row after the other; the first one again after the last.
    Table,
    /// Any row, as the old script draws them: some come again before others have come at all.
    Random {
        /// Where the draws come from.
        seed: u64,
    },
    /// Rows as a file has them; the first one again after the last.
    Sequence(Vec<u64>),
}

impl Order {
    /// Reads the order that a file has.
    pub fn read_sequence(path: &Path) -> Result<Self, SourceError> {
        let offsets = sequence::read(path)?.into_iter();
        // No table has a row before its first one.
        let offsets = offsets.filter_map(|offset| u64::try_from(offset).ok());
        Ok(Self::Sequence(offsets.collect()))
    }

    /// Takes out what tables of so many rows do not have. False when nothing is left.
    pub(super) fn fit(&mut self, rows: u64) -> bool {
        match self {
            Self::Table | Self::Random { .. } => rows > 0,
            Self::Sequence(offsets) => {
                offsets.retain(|offset| *offset < rows);
                !offsets.is_empty()
            }
        }
    }

    /// Returns the number of the row that a post consists of, from 0.
    pub(super) fn offset(&self, post: u64, rows: u64) -> u64 {
        match self {
            Self::Table => post.checked_rem(rows).unwrap_or_default(),
            Self::Random { seed } => Dice::new(*seed, Purpose::Offset, post).below(rows),
            Self::Sequence(offsets) => {
                let place = post.checked_rem(offsets.len() as u64).unwrap_or_default();
                let place = usize::try_from(place).unwrap_or_default();
                offsets.get(place).copied().unwrap_or_default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs;

    use super::*;

    fn offsets(order: &Order, posts: std::ops::Range<u64>, rows: u64) -> Vec<u64> {
        posts.map(|post| order.offset(post, rows)).collect()
    }

    #[test]
    fn a_table_starts_again_after_its_last_row() {
        assert_eq!(offsets(&Order::Table, 1..6, 3), [1, 2, 0, 1, 2]);
    }

    #[test]
    fn a_sequence_starts_again_and_leaves_out_what_no_table_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("order.json");
        fs::write(&path, "[7, 2, -1, 10, 2, 9]").unwrap();
        let mut order = Order::read_sequence(&path).unwrap();
        assert!(order.fit(10));
        assert_eq!(offsets(&order, 0..6, 10), [7, 2, 2, 9, 7, 2]);
        assert!(!order.fit(2));
    }

    #[test]
    fn a_sequence_that_is_not_there_says_where_it_may_be() {
        let error = Order::read_sequence(Path::new("missing.json")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("missing.json") && text.contains("--sequence"),
            "{text}"
        );
    }

    #[test]
    fn random_rows_come_from_the_seed_and_repeat() {
        let order = |seed| Order::Random { seed };
        let drawn = offsets(&order(1), 0..1_000, 500);
        assert_eq!(drawn, offsets(&order(1), 0..1_000, 500));
        assert_ne!(drawn, offsets(&order(2), 0..1_000, 500));
        assert!(drawn.iter().all(|offset| *offset < 500));
        // A thousand draws of five hundred leave out about one row in seven.
        let different = drawn.iter().collect::<HashSet<_>>().len();
        assert!((400..470).contains(&different), "{different}");
    }
}
