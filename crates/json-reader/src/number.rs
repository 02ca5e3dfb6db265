//! Numbers as clients spell them: JSON numbers, or text that holds one.
//!
//! Integers are read exactly, without a detour over a double; every reader takes linear time on any input.

use std::borrow::Cow;

use crate::Value;

/// Returns the spelling of a number: a JSON number, or text that may have white space around it.
///
/// `None` for a value of another type; the text need not be a number.
pub fn spelling<'a>(value: &Value<'a>) -> Option<Cow<'a, str>> {
    match value {
        Value::Number(text) => Some(Cow::Borrowed(text)),
        Value::Text(text) => Some(text.decode()),
        _ => None,
    }
}

/// Reads the whole number that a JSON value holds (`7528`, `"7528"`, `7528.0`, `7.528e3`).
pub fn integer_value(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Number(text) => integer(text),
        Value::Text(text) => integer(&text.decode()),
        _ => None,
    }
}

/// Reads a whole number, white space around it skipped. `None` when it is not a number, has a fraction, or does not fit 64 bits.
#[inline]
pub fn integer(text: &str) -> Option<i64> {
    // Most numbers are a few plain digits.
    few_digits(text).or_else(|| {
        let number = scaled(text.trim(), 0)?;
        i64::try_from(number).ok()
    })
}

/// Reads at most 18 digits, which fit 64 bits.
#[inline]
fn few_digits(text: &str) -> Option<i64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    let mut value = 0;
    for byte in text.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(value)
}

/// Reads a number in units of the last of `digits` digits behind the point. `None` when it is not a number, has more digits there than
/// zeros, or does not fit 128 bits.
pub fn scaled(text: &str, digits: u8) -> Option<i128> {
    let decimal = Decimal::parse(text)?;
    let exponent = decimal.exponent + i64::from(digits);
    let magnitude = scale(decimal.whole, decimal.fraction, exponent)?;
    let value = i128::try_from(magnitude).ok()?;
    Some(if decimal.is_negative { -value } else { value })
}

/// Reads a finite number, white space around it skipped, rounded to the nearest double. `None` when it is not a number or overflows.
pub fn float(text: &str) -> Option<f64> {
    if let Some(value) = short_float(text) {
        return Some(value);
    }
    let text = text.trim();
    Decimal::parse(text)?;
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Reads a number of at most 15 digits without an exponent, as most are: such a whole number and such a power of ten are doubles, and so their
/// quotient is the nearest one to the number (Clinger, How to read floating point numbers accurately, 1990).
fn short_float(text: &str) -> Option<f64> {
    const POWERS: [f64; 16] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    ];
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.len() > 16 {
        return None;
    }
    let (mut value, mut point) = (0_i64, None);
    for (place, byte) in digits.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => value = value * 10 + i64::from(byte - b'0'),
            b'.' if point.is_none() && place > 0 => point = Some(place),
            _ => return None,
        }
    }
    let behind = point.map_or(Some(0), |point| {
        Some(digits.len() - point - 1).filter(|behind| *behind > 0)
    })?;
    let has_digit = digits.len() > usize::from(point.is_some());
    if !has_digit || digits.len() - usize::from(point.is_some()) > 15 {
        return None;
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "15 digits are fewer than 53 bits"
    )]
    let value = value as f64 / POWERS.get(behind)?;
    Some(if digits.len() < text.len() {
        -value
    } else {
        value
    })
}

/// Returns `whole.fraction` times ten to the `exponent`, when that is a whole number that fits 128 bits.
///
/// Both parts are ASCII digits.
pub fn scale(whole: &str, fraction: &str, exponent: i64) -> Option<u128> {
    let digits = || whole.bytes().chain(fraction.bytes());
    let length = i64::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let mut value: u128 = 0;
    let mut position: i64 = 0;
    for digit in digits() {
        let digit = u128::from(digit - b'0');
        if position >= length {
            // All digits behind the decimal point must be zeros.
            if digit != 0 {
                return None;
            }
        } else {
            value = value.checked_mul(10)?.checked_add(digit)?;
        }
        position += 1;
    }
    if value == 0 {
        return Some(0);
    }
    let zeros = u32::try_from(length.saturating_sub(position).max(0)).ok()?;
    value.checked_mul(10_u128.checked_pow(zeros)?)
}

/// The parts of a number's spelling.
struct Decimal<'a> {
    is_negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i64,
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (is_negative, text) = strip_sign(text);
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (text, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, is_digits(fraction).then_some(fraction)?),
            None => (mantissa, ""),
        };
        is_digits(whole).then_some(Self {
            is_negative,
            whole,
            fraction,
            exponent,
        })
    }
}

/// Returns whether the text is one ASCII digit or more, and nothing else.
pub fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn strip_sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn parse_exponent(text: &str) -> Option<i64> {
    let (is_negative, digits) = strip_sign(text);
    if !is_digits(digits) {
        return None;
    }
    // An exponent beyond 32 bits makes any number overflow or vanish, as its largest value does.
    let magnitude = digits.parse::<u32>().map_or(i64::from(u32::MAX), i64::from);
    Some(if is_negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whole_numbers_are_read_in_every_spelling() {
        for (text, value) in [
            ("7528", Some(7528)),
            ("-0", Some(0)),
            ("+7", Some(7)),
            ("007", Some(7)),
            ("12.0", Some(12)),
            ("1.2e1", Some(12)),
            ("1200E-2", Some(12)),
            ("0e999999999999", Some(0)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("1e19", None),
            ("1e999999999999", None),
            ("1e-999999999999", None),
            ("1.5", None),
            ("12a", None),
            ("", None),
            ("-", None),
            (".5", None),
            ("1.", None),
            ("1e", None),
            ("0x10", None),
            ("١٢", None),
        ] {
            assert_eq!(integer(text), value, "{text}");
        }
        assert_eq!(integer(&"9".repeat(1_000_000)), None);
        assert_eq!(integer(&format!("{}1", "0".repeat(1_000_000))), Some(1));
    }

    #[test]
    fn floats_are_finite_decimals() {
        assert_eq!(float("-89.9787"), Some(-89.9787));
        assert_eq!(float("1e-400"), Some(0.0));
        assert_eq!(float("-0.0").map(f64::to_bits), Some((-0.0_f64).to_bits()));
        for text in [
            "NaN", "inf", "infinity", "1e400", "1_0", "", ".", "-", "1.", ".5", "1.2.3", "--1",
        ] {
            assert_eq!(float(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_integer_reads_back(value in any::<i64>()) {
            prop_assert_eq!(integer(&value.to_string()), Some(value));
        }

        #[test]
        fn short_numbers_are_the_nearest_doubles(text in "-?[0-9]{1,16}(\\.[0-9]{1,15})?") {
            prop_assert_eq!(float(&text).map(f64::to_bits), text.parse().ok().map(f64::to_bits));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = integer(&text);
            let _ = float(&text);
        }

        #[test]
        fn numbers_of_any_shape_do_not_panic(text in "[-+]?[0-9]{0,25}\\.?[0-9]{0,25}([eE][-+]?[0-9]{1,22})?") {
            let exact = integer(&text);
            if let (Some(exact), Some(rounded)) = (exact, float(&text)) {
                #[expect(clippy::cast_precision_loss, reason = "compared with a tolerance")]
                let exact = exact as f64;
                prop_assert!((exact - rounded).abs() <= exact.abs() * 1e-9, "{} {} {}", text, exact, rounded);
            }
        }
    }
}
