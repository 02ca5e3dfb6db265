//! Which rows have a value: the levels that come before the values of a page.

use std::ops::Range;

use arrow::array::{Array as _, ListArray};
use arrow::buffer::NullBuffer;

use super::bits::{hybrid, packed_header, run, short, width};

/// What the levels of a column are made of.
pub(super) enum Levels<'a> {
    /// Every row has a value.
    Required,
    /// A row has a value or none.
    Nullable(Option<&'a NullBuffer>),
    /// A row has a list of values, or none.
    List(&'a ListArray, u32),
}

impl Levels<'_> {
    /// Appends the levels of a page's rows; returns how many there are, and how many of them have a value.
    pub(super) fn append(&self, rows: Range<usize>, out: &mut Vec<u8>) -> (usize, usize) {
        match self {
            Self::Required => (rows.len(), rows.len()),
            Self::Nullable(None) => {
                with_length(out, |out| run(out, 1, 1, rows.len()));
                (rows.len(), rows.len())
            }
            Self::Nullable(Some(nulls)) => {
                let present = nulls.inner().slice(rows.start, rows.len());
                let count = present.count_set_bits();
                with_length(out, |out| {
                    if count == 0 || count == rows.len() {
                        run(out, 1, u32::from(count > 0), rows.len());
                    } else {
                        // Arrow has the bits as the format packs them.
                        packed_header(out, rows.len());
                        out.extend_from_slice(present.sliced().as_slice());
                    }
                });
                (rows.len(), count)
            }
            Self::List(list, present) => {
                let (mut repetition, mut definition) = (Vec::new(), Vec::new());
                for row in rows {
                    let count = list.value_length(row).unsigned_abs() as usize;
                    let (level, count) = match count {
                        _ if list.is_null(row) => (0, 1),
                        0 => (present - 1, 1),
                        _ => (*present, count),
                    };
                    repetition.extend((0..count).map(|place| u32::from(place > 0)));
                    definition.extend(std::iter::repeat_n(level, count));
                }
                with_length(out, |out| hybrid(out, 1, &repetition));
                with_length(out, |out| {
                    hybrid(out, width(u64::from(*present)), &definition);
                });
                let values = definition.iter().filter(|level| *level == present);
                (definition.len(), values.count())
            }
        }
    }
}

/// Appends bytes with their number before them.
fn with_length(out: &mut Vec<u8>, append: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    append(out);
    let length = short(out.len() - start - 4);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}
