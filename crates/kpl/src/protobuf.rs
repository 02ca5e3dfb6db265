//! The fields of a [protobuf message], borrowed from its bytes; each byte is looked at once.
//!
//! [protobuf message]: https://protobuf.dev/programming-guides/encoding/

/// A field's value, as far as the aggregated format has use for its wire type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Varint(u64),
    /// A string, bytes or a message.
    Bytes(&'a [u8]),
    /// A number of fixed width, or a group.
    Other,
}

/// The bytes are not a protobuf message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The fields of a message as (number, value), and then the end or one `Malformed`.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn field(&mut self) -> Option<(u32, Value<'a>)> {
        let (number, wire_type) = self.tag()?;
        let value = if wire_type == START_GROUP {
            self.skip_group(number)?;
            Value::Other
        } else {
            self.value(wire_type)?
        };
        Some((number, value))
    }

    fn tag(&mut self) -> Option<(u32, u32)> {
        let tag = u32::try_from(self.varint()?).ok()?;
        let number = tag >> 3;
        (number != 0).then_some((number, tag & 0b111))
    }

    fn value(&mut self, wire_type: u32) -> Option<Value<'a>> {
        match wire_type {
            VARINT => self.varint().map(Value::Varint),
            LENGTH_DELIMITED => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.take(length).map(Value::Bytes)
            }
            FIXED_64 => self.take(8).map(|_| Value::Other),
            FIXED_32 => self.take(4).map(|_| Value::Other),
            _ => None,
        }
    }

    /// Skips to behind the end of a group. Groups nest, and a call for each would let the bytes exhaust the stack.
    fn skip_group(&mut self, number: u32) -> Option<()> {
        let mut open = vec![number];
        while let Some(&innermost) = open.last() {
            match self.tag()? {
                (number, START_GROUP) => open.push(number),
                (number, END_GROUP) if number == innermost => {
                    open.pop();
                }
                (_, wire_type) => {
                    self.value(wire_type)?;
                }
            }
        }
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits << shift;
            // The tenth byte has room for one bit.
            if shifted >> shift != bits {
                return None;
            }
            value |= shifted;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

const VARINT: u32 = 0;
const FIXED_64: u32 = 1;
const LENGTH_DELIMITED: u32 = 2;
const START_GROUP: u32 = 3;
const END_GROUP: u32 = 4;
const FIXED_32: u32 = 5;

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field.ok_or(Malformed))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(message: &[u8]) -> Result<Vec<(u32, Value<'_>)>, Malformed> {
        Fields::new(message).collect()
    }

    #[test]
    fn the_examples_of_the_protobuf_documentation_are_read() {
        assert_eq!(
            fields(&[0x08, 0x96, 0x01]),
            Ok(vec![(1, Value::Varint(150))])
        );
        assert_eq!(
            fields(b"\x12\x07testing"),
            Ok(vec![(2, Value::Bytes(b"testing"))])
        );
        assert_eq!(
            fields(b"\x1a\x03\x08\x96\x01"),
            Ok(vec![(3, Value::Bytes(b"\x08\x96\x01"))])
        );
    }

    #[test]
    fn the_widest_numbers_are_read() {
        let widest = b"\xf8\xff\xff\xff\x0f\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(
            fields(widest),
            Ok(vec![((1 << 29) - 1, Value::Varint(u64::MAX))])
        );
    }

    #[test]
    fn what_has_no_use_is_skipped() {
        for skipped in [
            b"\x09abcdefgh".as_slice(),
            b"\x0dabcd",
            b"\x0b\x0c",
            b"\x0b\x08\x01\x12\x01x\x1b\x0dabcd\x1c\x0c",
        ] {
            let message = [skipped, b"\x08\x05"].concat();
            let expected = vec![(1, Value::Other), (1, Value::Varint(5))];
            assert_eq!(fields(&message), Ok(expected), "{message:?}");
        }
    }

    #[test]
    fn what_is_no_message_ends_with_one_error() {
        for (what, message) in [
            ("a field without a value", b"\x08".as_slice()),
            ("the field 0", b"\x00\x01"),
            ("a field number of 30 bits", b"\x80\x80\x80\x80\x10\x01"),
            ("a varint that breaks off", b"\x08\x80"),
            (
                "a varint of 65 bits",
                b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
            ),
            (
                "a varint of 11 bytes",
                b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00",
            ),
            ("fewer bytes than the length says", b"\x0a\x02a"),
            (
                "a length beyond memory",
                b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            ),
            ("half a fixed number", b"\x09abcd"),
            ("the wire type 6", b"\x0e"),
            ("the wire type 7", b"\x0f"),
            ("a group without an end", b"\x0b"),
            ("an end without a group", b"\x0c"),
            ("a group with the end of another", b"\x0b\x14"),
        ] {
            assert_eq!(fields(message), Err(Malformed), "{what}");
            assert_eq!(Fields::new(message).count(), 1, "{what}");
        }
    }

    #[test]
    fn groups_nest_as_deep_as_the_bytes_reach() {
        let depth = 500_000;
        let message = [vec![0x0b; depth], vec![0x0c; depth]].concat();
        assert_eq!(fields(&message), Ok(vec![(1, Value::Other)]));
        assert_eq!(fields(&message[1..]), Err(Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(message in any::<Vec<u8>>()) {
            prop_assert!(Fields::new(&message).count() <= message.len());
        }
    }
}
