//! Whole numbers in as few bits as they need, in the forms of the Parquet format: one after the other, in runs, and by their differences.

/// Returns the lowest byte of a number.
#[expect(clippy::cast_possible_truncation, reason = "the rest is dropped")]
pub(super) fn low_byte(number: u64) -> u8 {
    number as u8
}

#[expect(clippy::cast_possible_truncation, reason = "the rest is dropped")]
fn low_word(bits: u128) -> u64 {
    bits as u64
}

/// Returns a number of values, of which an array has fewer than 2^31.
pub(super) fn short(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Appends a number, seven bits a byte, the lowest first.
pub(super) fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(low_byte(number) | 0x80);
        number >>= 7;
    }
    out.push(low_byte(number));
}

/// Appends a number that may be negative: small ones of either sign are short.
fn zigzag(out: &mut Vec<u8>, number: i64) {
    varint(out, (number << 1 ^ number >> 63).cast_unsigned());
}

/// Returns the bits of a number.
pub(super) fn width(number: u64) -> u32 {
    u64::BITS - number.leading_zeros()
}

/// Appends numbers of `width` bits each, the lowest bit first, and fills the last byte with zeros.
pub(super) fn pack(out: &mut Vec<u8>, width: u32, numbers: impl Iterator<Item = u64>) {
    let (mut bits, mut filled) = (0_u128, 0);
    for number in numbers {
        bits |= u128::from(number) << filled;
        filled += width;
        if filled >= u64::BITS {
            out.extend_from_slice(&low_word(bits).to_le_bytes());
            bits >>= u64::BITS;
            filled -= u64::BITS;
        }
    }
    let rest = low_word(bits).to_le_bytes();
    out.extend_from_slice(&rest[..filled.div_ceil(u8::BITS) as usize]);
}

/// Numbers that are packed into whole bytes together, whatever their width.
const GROUP: usize = 8;

/// Appends numbers of at most `width` bits in the format's hybrid of runs and packed bits: as one run if all are the same, or else packed.
pub(super) fn hybrid(out: &mut Vec<u8>, width: u32, numbers: &[u32]) {
    let Some((first, rest)) = numbers.split_first() else {
        return;
    };
    if rest.iter().all(|number| number == first) {
        run(out, width, *first, numbers.len());
        return;
    }
    packed_header(out, numbers.len());
    let padding = numbers.len().next_multiple_of(GROUP) - numbers.len();
    let numbers = numbers.iter().chain(std::iter::repeat_n(&0, padding));
    pack(out, width, numbers.map(|number| u64::from(*number)));
}

/// Appends a run of a number in the hybrid.
pub(super) fn run(out: &mut Vec<u8>, width: u32, number: u32, length: usize) {
    varint(out, (length as u64) << 1);
    let bytes = number.to_le_bytes();
    out.extend_from_slice(&bytes[..width.div_ceil(u8::BITS) as usize]);
}

/// Appends what comes before packed numbers in the hybrid.
pub(super) fn packed_header(out: &mut Vec<u8>, length: usize) {
    varint(out, (length.div_ceil(GROUP) as u64) << 1 | 1);
}

/// Values of a block of differences, and of each of its four parts, which have widths of their own.
const BLOCK: usize = 128;
const MINIBLOCK: usize = 32;

/// Appends numbers by their differences (`DELTA_BINARY_PACKED`). `Number` is as wide as the column's, because readers calculate in its bits.
pub(super) fn deltas<N: Number>(out: &mut Vec<u8>, numbers: &[N]) {
    varint(out, BLOCK as u64);
    varint(out, (BLOCK / MINIBLOCK) as u64);
    varint(out, numbers.len() as u64);
    let mut previous = numbers.first().copied().unwrap_or_default();
    zigzag(out, previous.into());
    let mut block = [0; BLOCK];
    for chunk in numbers.get(1..).unwrap_or_default().chunks(BLOCK) {
        let block = &mut block[..chunk.len()];
        for (delta, number) in block.iter_mut().zip(chunk) {
            *delta = number.minus(previous);
            previous = *number;
        }
        let least = block.iter().copied().min().unwrap_or_default();
        zigzag(out, least);
        let beyond = |delta: &i64| N::unsigned(delta.wrapping_sub(least));
        let mut widths = [0; BLOCK / MINIBLOCK];
        for (width_of, part) in widths.iter_mut().zip(block.chunks(MINIBLOCK)) {
            *width_of = width(
                part.iter()
                    .map(beyond)
                    .fold(0, |bits, number| bits | number),
            );
        }
        out.extend(widths.map(|width| low_byte(width.into())));
        for (width, part) in widths.into_iter().zip(block.chunks(MINIBLOCK)) {
            let padding = std::iter::repeat_n(0, MINIBLOCK - part.len());
            pack(out, width, part.iter().map(beyond).chain(padding));
        }
    }
}

/// A whole number of a column.
pub(super) trait Number: Copy + Default + Eq + std::hash::Hash + Ord + Into<i64> {
    /// Returns the difference in the number's own bits.
    fn minus(self, other: Self) -> i64;
    /// Returns a difference without its sign, in the number's own bits.
    fn unsigned(difference: i64) -> u64;
}

impl Number for i32 {
    fn minus(self, other: Self) -> i64 {
        self.wrapping_sub(other).into()
    }

    fn unsigned(difference: i64) -> u64 {
        difference.cast_unsigned() & u64::from(u32::MAX)
    }
}

impl Number for i64 {
    fn minus(self, other: Self) -> i64 {
        self.wrapping_sub(other)
    }

    fn unsigned(difference: i64) -> u64 {
        difference.cast_unsigned()
    }
}
