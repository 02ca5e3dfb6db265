//! Bytes as clients spell them in text: base64.

use ::base64::alphabet;
use ::base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ::base64::{DecodeError, Engine as _};

/// Reads either alphabet, once its letters are those of the first.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A text that is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBase64 {
    /// This byte is one that neither alphabet has, or what is no whole number of bytes ends.
    #[error("not base64 from byte {0} on")]
    At(usize),
    /// It ends in the middle of a byte.
    #[error("base64 that was cut off")]
    Cut,
}

/// Reads base64 in either alphabet (`+/` or `-_`), with or without padding, white space, and line ends.
pub fn decode(text: &str) -> Result<Vec<u8>, InvalidBase64> {
    let letters = || {
        text.bytes()
            .enumerate()
            .filter(|(_, byte)| !byte.is_ascii_whitespace())
    };
    let mut plain = Vec::with_capacity(text.len());
    plain.extend(letters().map(|(_, byte)| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    }));
    BASE64.decode(plain).map_err(|error| match error {
        DecodeError::InvalidByte(place, _) | DecodeError::InvalidLastSymbol(place, _) => {
            let offset = letters()
                .nth(place)
                .map_or(text.len(), |(offset, _)| offset);
            InvalidBase64::At(offset)
        }
        DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => InvalidBase64::Cut,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_alphabets_are_read_with_padding_or_without() {
        for text in ["Pj4-Pz8_YQ==", "Pj4+Pz8/YQ", "Pj4+\r\nPz8/\nYQ==\n"] {
            assert_eq!(decode(text).unwrap(), b">>>???a", "{text}");
        }
    }

    #[test]
    fn an_error_names_the_byte_of_the_text_as_it_came() {
        assert_eq!(decode("Pj4+\n!z8/"), Err(InvalidBase64::At(5)));
        assert_eq!(decode("Pj4+P"), Err(InvalidBase64::Cut));
    }
}
