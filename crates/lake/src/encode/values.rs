//! The values of a column, nulls left out, and how they are encoded.

use std::borrow::Cow;
use std::hash::Hash;
use std::ops::Range;

use arrow::array::{Array, ArrowPrimitiveType, AsArray as _, ListArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use hashbrown::HashMap;
use parquet::basic::Encoding;
use parquet::errors::{ParquetError, Result};
use parquet::file::statistics::Statistics;

use super::bits::{Number, deltas, hybrid, low_byte, pack, short, width};

pub(super) enum Values<'a> {
    /// Texts, and the buffer that they are in.
    Text(Vec<&'a str>, &'a [u8]),
    Int32(Cow<'a, [i32]>),
    Int64(Cow<'a, [i64]>),
    Double(Cow<'a, [f64]>),
    Boolean(Vec<bool>),
    /// Numbers of so many bytes, the highest first.
    Fixed(Vec<[u8; 16]>, usize),
}

/// The different values of a column, and which of them each value is.
pub(super) struct Dictionary {
    /// The page of the different values.
    pub(super) page: Vec<u8>,
    pub(super) distinct: u32,
    indices: Vec<u32>,
}

/// Values that are looked at to choose an encoding.
const SAMPLE: usize = 128;
/// Values after which it is known whether a dictionary pays, if the first ones do not tell: of 128 rows of 200 countries, a hundred are new.
const DICTIONARY_SAMPLE: usize = 1_024;
/// Most bytes of a dictionary, as in most writers: beyond it, values are not few.
const DICTIONARY_MAX_BYTES: usize = 1 << 20;
/// Most bits of a difference between numbers that are encoded by it.
const DELTA_MAX_BITS: u32 = 24;

impl<'a> Values<'a> {
    /// Returns the values of an array. `length` is that of the file's numbers of fixed length.
    pub(super) fn of(array: &'a dyn Array, length: i32) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::Utf8 => {
                let texts = array.as_string::<i32>();
                let has_some = texts.null_count() < texts.len();
                let values = if has_some {
                    texts.iter().flatten().collect()
                } else {
                    Vec::new()
                };
                Self::Text(values, texts.value_data())
            }
            DataType::Int32 => Self::Int32(present::<Int32Type>(array)),
            DataType::Date32 => Self::Int32(present::<Date32Type>(array)),
            DataType::Int64 => Self::Int64(present::<Int64Type>(array)),
            DataType::Timestamp(..) => Self::Int64(present::<TimestampMicrosecondType>(array)),
            DataType::Float64 => Self::Double(present::<Float64Type>(array)),
            DataType::Boolean => Self::Boolean(array.as_boolean().iter().flatten().collect()),
            DataType::Decimal128(precision, _) => {
                let numbers = present::<Decimal128Type>(array);
                let numbers = numbers.iter();
                // The format has numbers of so many digits in so many bits.
                match precision {
                    0..=9 => Self::Int32(
                        numbers
                            .map(|number| narrow(*number))
                            .collect::<Result<_>>()?,
                    ),
                    10..=18 => Self::Int64(
                        numbers
                            .map(|number| narrow(*number))
                            .collect::<Result<_>>()?,
                    ),
                    _ => {
                        let numbers = numbers.map(|number| number.to_be_bytes()).collect();
                        Self::Fixed(numbers, length.unsigned_abs() as usize)
                    }
                }
            }
            other => return Err(unknown(other)),
        })
    }

    /// Returns the values of lists, one list's after the other's.
    pub(super) fn of_lists(lists: &'a ListArray) -> Result<Self> {
        let DataType::Float64 = lists.value_type() else {
            return Err(unknown(lists.data_type()));
        };
        let values = lists.values().as_primitive::<Float64Type>().values();
        let offsets = lists.value_offsets().iter();
        let mut offsets = offsets.map(|offset| offset.unsigned_abs() as usize);
        let first = offsets.next().unwrap_or_default();
        let values = values.get(first..offsets.next_back().unwrap_or(first));
        Ok(Self::Double(Cow::Borrowed(values.unwrap_or_default())))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Text(values, _) => values.len(),
            Self::Int32(values) => values.len(),
            Self::Int64(values) => values.len(),
            Self::Double(values) => values.len(),
            Self::Boolean(values) => values.len(),
            Self::Fixed(values, _) => values.len(),
        }
    }

    /// Returns about how many bytes values take.
    pub(super) fn bytes(&self, range: Range<usize>) -> usize {
        match self {
            Self::Text(values, _) => values[range].iter().map(|text| text.len() + 4).sum(),
            Self::Fixed(_, width) => range.len() * width,
            _ => range.len() * 8,
        }
    }

    /// Returns how many bytes texts have, whatever an encoding makes of them: readers hold so many.
    pub(super) fn text_bytes(&self) -> Option<i64> {
        match self {
            Self::Text(values, _) => {
                let bytes: usize = values.iter().map(|text| text.len()).sum();
                i64::try_from(bytes).ok()
            }
            _ => None,
        }
    }

    /// Returns the dictionary of a column of few values.
    pub(super) fn dictionary(&self) -> Option<Dictionary> {
        match self {
            Self::Text(values, _) => dictionary(values, |text, page| {
                page.extend_from_slice(&short(text.len()).to_le_bytes());
                page.extend_from_slice(text.as_bytes());
            }),
            Self::Int32(values) => dictionary(values, |number, page| {
                page.extend_from_slice(&number.to_le_bytes());
            }),
            Self::Int64(values) => dictionary(values, |number, page| {
                page.extend_from_slice(&number.to_le_bytes());
            }),
            Self::Double(_) | Self::Boolean(_) | Self::Fixed(..) => None,
        }
    }

    /// Returns how values without a dictionary are encoded.
    pub(super) fn encoding(&self) -> Encoding {
        match self {
            Self::Text(texts, _) if texts.is_empty() => Encoding::PLAIN,
            Self::Text(texts, _) if share_starts(texts) => Encoding::DELTA_BYTE_ARRAY,
            Self::Text(..) => Encoding::DELTA_LENGTH_BYTE_ARRAY,
            Self::Int32(numbers) if are_close(numbers) => Encoding::DELTA_BINARY_PACKED,
            Self::Int64(numbers) if are_close(numbers) => Encoding::DELTA_BINARY_PACKED,
            _ => Encoding::PLAIN,
        }
    }

    /// Appends values in the encoding that [`encoding`](Self::encoding) returned.
    pub(super) fn append(&self, encoding: Encoding, range: Range<usize>, out: &mut Vec<u8>) {
        out.reserve(self.bytes(range.clone()));
        match (self, encoding) {
            (Self::Text(texts, _), Encoding::DELTA_BYTE_ARRAY) => shared(&texts[range], out),
            (Self::Text(texts, whole), _) => {
                let texts = &texts[range];
                deltas(out, &lengths(texts.iter().map(|text| text.len())));
                match together(whole, texts) {
                    Some(bytes) => out.extend_from_slice(bytes),
                    None => plain(out, texts, |text| text.as_bytes()),
                }
            }
            (Self::Int32(numbers), Encoding::DELTA_BINARY_PACKED) => deltas(out, &numbers[range]),
            (Self::Int64(numbers), Encoding::DELTA_BINARY_PACKED) => deltas(out, &numbers[range]),
            (Self::Int32(numbers), _) => plain(out, &numbers[range], |number| number.to_le_bytes()),
            (Self::Int64(numbers), _) => plain(out, &numbers[range], |number| number.to_le_bytes()),
            (Self::Double(numbers), _) => {
                plain(out, &numbers[range], |number| number.to_le_bytes());
            }
            (Self::Boolean(values), _) => {
                pack(out, 1, values[range].iter().map(|value| u64::from(*value)));
            }
            (Self::Fixed(numbers, width), _) => {
                let unused = size_of::<i128>() - width;
                numbers[range]
                    .iter()
                    .for_each(|number| out.extend_from_slice(&number[unused..]));
            }
        }
    }

    /// Returns the least and the greatest number. Those of a batch's texts leave out no object of a query.
    pub(super) fn statistics(&self, rows: usize) -> Option<Statistics> {
        let nulls = rows.checked_sub(self.len()).map(|nulls| nulls as u64);
        match self {
            Self::Int32(numbers) => {
                let (least, greatest) = (numbers.iter().min(), numbers.iter().max());
                let (least, greatest) = (least.copied(), greatest.copied());
                Some(Statistics::int32(least, greatest, None, nulls, false))
            }
            Self::Int64(numbers) => {
                let (least, greatest) = (numbers.iter().min(), numbers.iter().max());
                let (least, greatest) = (least.copied(), greatest.copied());
                Some(Statistics::int64(least, greatest, None, nulls, false))
            }
            _ => None,
        }
    }
}

impl Dictionary {
    /// Appends which of the different values each value is.
    pub(super) fn append(&self, range: Range<usize>, out: &mut Vec<u8>) {
        let width = width(u64::from(self.distinct - 1));
        out.push(low_byte(width.into()));
        hybrid(out, width, &self.indices[range]);
    }
}

fn unknown(data_type: &DataType) -> ParquetError {
    ParquetError::NYI(format!("no table has a column of {data_type}"))
}

/// Returns a number of a decimal column in fewer bits.
fn narrow<N: TryFrom<i128>>(number: i128) -> Result<N> {
    let too_large = || ParquetError::General(format!("{number} has more digits than its column"));
    N::try_from(number).map_err(|_| too_large())
}

/// Returns the values that are not null.
fn present<T: ArrowPrimitiveType>(array: &dyn Array) -> Cow<'_, [T::Native]> {
    let array = array.as_primitive::<T>();
    if array.null_count() == 0 {
        Cow::Borrowed(array.values())
    } else {
        array.iter().flatten().collect()
    }
}

/// Returns the dictionary of values, unless they are too many for it to pay.
fn dictionary<T: Copy + Hash + Eq>(
    values: &[T],
    append: impl Fn(T, &mut Vec<u8>),
) -> Option<Dictionary> {
    let mut places = HashMap::new();
    let mut page = Vec::new();
    let mut indices = Vec::with_capacity(values.len());
    let mut last: Option<(T, u32)> = None;
    for (at, value) in values.iter().enumerate() {
        let index = match last {
            Some((last, index)) if last == *value => index,
            _ => {
                let next = short(places.len());
                let index = *places.entry(*value).or_insert(next);
                if index == next {
                    append(*value, &mut page);
                    let is_many = match at {
                        ..SAMPLE => false,
                        SAMPLE..DICTIONARY_SAMPLE => places.len() * 8 > at * 7,
                        _ => places.len() * 2 > at,
                    };
                    if is_many || page.len() > DICTIONARY_MAX_BYTES {
                        return None;
                    }
                }
                index
            }
        };
        last = Some((*value, index));
        indices.push(index);
    }
    let pays = places.len() * 2 <= values.len() || values.len() == 1;
    (pays && !values.is_empty()).then_some(Dictionary {
        page,
        distinct: short(places.len()),
        indices,
    })
}

fn are_close<N: Number>(numbers: &[N]) -> bool {
    let sample = &numbers[..numbers.len().min(SAMPLE)];
    let pairs = sample.windows(2);
    let bits = pairs.map(|pair| width(pair[1].minus(pair[0]).unsigned_abs()) + 1);
    bits.sum::<u32>() <= DELTA_MAX_BITS * short(sample.len())
}

fn share_starts(texts: &[&str]) -> bool {
    let sample = &texts[..texts.len().min(SAMPLE)];
    let pairs = sample.windows(2);
    let shared: usize = pairs.map(|pair| shared_start(pair[0], pair[1])).sum();
    shared * 2 >= sample.iter().map(|text| text.len()).sum()
}

/// Appends the bytes of each value.
fn plain<'v, T, B: AsRef<[u8]>>(out: &mut Vec<u8>, values: &'v [T], bytes: impl Fn(&'v T) -> B) {
    for value in values {
        out.extend_from_slice(bytes(value).as_ref());
    }
}

/// Returns lengths as the format has them. An array's texts are shorter than 2 GiB together.
fn lengths(lengths: impl Iterator<Item = usize>) -> Vec<i32> {
    lengths
        .map(|length| i32::try_from(length).unwrap_or(i32::MAX))
        .collect()
}

/// Appends texts by how much of the one before each begins with, and what follows.
fn shared(texts: &[&str], out: &mut Vec<u8>) {
    let pairs = std::iter::once(&"").chain(texts).zip(texts);
    let starts: Vec<usize> = pairs.map(|(last, text)| shared_start(last, text)).collect();
    let ends = texts.iter().zip(&starts);
    let ends: Vec<&[u8]> = ends
        .map(|(text, start)| &text.as_bytes()[*start..])
        .collect();
    deltas(out, &lengths(starts.iter().copied()));
    deltas(out, &lengths(ends.iter().map(|end| end.len())));
    plain(out, &ends, |end| *end);
}

/// Returns the bytes of texts of a column, if there is nothing between them, as in all columns that a builder has made.
fn together<'a>(whole: &'a [u8], texts: &[&str]) -> Option<&'a [u8]> {
    let place = |text: &str| text.as_ptr().addr().checked_sub(whole.as_ptr().addr());
    let start = place(texts.first()?)?;
    let end = place(texts.last()?)? + texts.last()?.len();
    let length: usize = texts.iter().map(|text| text.len()).sum();
    let bytes = whole.get(start..end)?;
    (bytes.len() == length).then_some(bytes)
}

/// Returns how many first bytes two texts share.
fn shared_start(left: &str, right: &str) -> usize {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let words = left.as_chunks::<8>().0.iter().zip(right.as_chunks::<8>().0);
    let same = words.take_while(|(left, right)| left == right).count() * 8;
    let rest = left[same..].iter().zip(&right[same..]);
    same + rest.take_while(|(left, right)| left == right).count()
}
