//! Reads short decimal numbers, eight digits at a time in one word. Every byte is checked.
//!
//! Only the usual forms are read here. `None` means "read it the general way", never "refused".

use dataflows::Amount;

/// The character `0` in each byte.
const ZEROS: u64 = u64::from_ne_bytes([b'0'; 8]);
const LOW_BITS: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; 8]);

/// The value of a point in the same form, in which the character `0` is 0.
const POINT: u64 = u64::from_ne_bytes([b'.' ^ b'0'; 8]);

/// The longest price that is read here, in bytes.
const SHORT_PRICE_BYTES_MAX: usize = 8;

/// The number of bytes of a timestamp in the years 2001 to 2286.
const USUAL_TIMESTAMP_BYTES: usize = 13;

/// Returns the price in the first `length` bytes of `window`. They must be 1 to 8 characters:
/// digits, and at most one point.
#[inline]
pub(super) fn short_price(window: &[u8; 8], length: usize) -> Option<Amount> {
    if length.wrapping_sub(1) >= SHORT_PRICE_BYTES_MAX {
        return None;
    }
    // The last character is moved to the highest byte. The bytes below the first character become
    // 0, which are harmless leading zeros.
    let unused_bits = 8 * (SHORT_PRICE_BYTES_MAX - length) as u32;
    let text = (u64::from_le_bytes(*window) ^ ZEROS) << unused_bits;
    // Most prices end in a point and two digits.
    const FRACTION: u64 = 0xffff << 48;
    const BEFORE_POINT: u64 = (1 << 40) - 1;
    let (digits, fraction_digits) = if (text >> 40) as u8 == POINT as u8 {
        (text & FRACTION | (text & BEFORE_POINT) << 8, 2)
    } else {
        without_point(text)
    };
    let no_digit = length == 1 && text == POINT << 56;
    if !are_digits(digits) || no_digit {
        return None;
    }
    Some(Amount::from_short_decimal(number(digits) as u32, fraction_digits))
}

/// Moves the characters of `text` (0 for the character `0`) together over the first point, if there
/// is one. Also returns how many characters follow the point.
#[inline]
fn without_point(text: u64) -> (u64, u32) {
    // This is the high bit of the lowest byte that is a point, if there is one. Higher bits may be
    // set too.
    let difference = text ^ POINT;
    let points = difference.wrapping_sub(LOW_BITS) & !difference & HIGH_BITS;
    let point = points & points.wrapping_neg();
    // The bytes below the point move up over it. Without a point, all of them stay.
    let below = (point >> 7).wrapping_sub(1);
    let above = !(point << 1).wrapping_sub(1);
    let digits = text & above | (text & below) << (8 * u32::from(point != 0));
    (digits, point.leading_zeros() / 8 % 8)
}

/// Returns the timestamp in the first `length` bytes of `window`, if they are 13 digits.
#[inline]
pub(super) fn usual_timestamp(window: &[u8; 16], length: usize) -> Option<i64> {
    if length != USUAL_TIMESTAMP_BYTES {
        return None;
    }
    let word = u128::from_le_bytes(*window);
    let first_five = (word as u64 ^ ZEROS) << 24;
    let last_eight = (word >> 40) as u64 ^ ZEROS;
    if not_digits(first_five) | not_digits(last_eight) != 0 {
        return None;
    }
    Some((number(first_five) * 100_000_000 + number(last_eight)) as i64)
}

/// Returns whether each byte is 0 to 9.
#[inline]
fn are_digits(bytes: u64) -> bool {
    not_digits(bytes) == 0
}

/// Returns the high bits of some bytes. If any byte is not 0 to 9, the lowest such byte is among
/// them; otherwise the result is 0.
#[inline]
fn not_digits(bytes: u64) -> u64 {
    // A byte above 9 gets its high bit from the sum, or had it before. Only a byte that had it can
    // cause a carry.
    const TO_HIGH_BIT: u64 = u64::from_ne_bytes([0x80 - 10; 8]);
    (bytes.wrapping_add(TO_HIGH_BIT) | bytes) & HIGH_BITS
}

/// Returns the number that eight digits spell. Each byte is a digit; the last digit is in the
/// highest byte.
#[inline]
fn number(digits: u64) -> u64 {
    const LANES: u64 = 0x0000_00ff_0000_00ff;
    // Each even byte becomes a number of two digits.
    let pairs = digits * 10 + (digits >> 8);
    let high = (pairs & LANES).wrapping_mul(100 + (1_000_000 << 32));
    let low = (pairs >> 16 & LANES).wrapping_mul(1 + (10_000 << 32));
    high.wrapping_add(low) >> 32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window<const N: usize>(text: &[u8], padding: u8) -> [u8; N] {
        let mut window = [padding; N];
        let length = text.len().min(N);
        window[..length].copy_from_slice(&text[..length]);
        window
    }

    #[test]
    fn all_short_texts_of_digits_and_points_agree_with_the_general_way() {
        // Tries every text of up to 5 of these characters, with every padding that may follow a
        // field.
        let alphabet = *b"0159.-e,/:";
        for length in 1..=5_u32 {
            for mut number in 0..alphabet.len().pow(length) {
                let mut text = Vec::new();
                for _ in 0..length {
                    text.push(alphabet[number % alphabet.len()]);
                    number /= alphabet.len();
                }
                let general = Amount::parse(&text).ok();
                for padding in *b",\n.9" {
                    let short = short_price(&window(&text, padding), text.len());
                    let plain = text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
                    let expected = general.filter(|_| plain);
                    assert_eq!(short, expected, "{:?}", String::from_utf8_lossy(&text));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn prices_agree_with_the_general_way(text in "[0-9]{0,8}[.]?[0-9]{0,8}", padding: u8) {
            let short = short_price(&window(text.as_bytes(), padding), text.len());
            let readable = (1..=8).contains(&text.len());
            prop_assert_eq!(short, Amount::parse(text.as_bytes()).ok().filter(|_| readable));
        }

        #[test]
        fn bytes_that_are_no_price_are_left_to_the_general_way(bytes: [u8; 8], length in 0_usize..12) {
            if let Some(price) = short_price(&bytes, length) {
                prop_assert_eq!(Ok(price), Amount::parse(&bytes[..length]));
            }
        }

        #[test]
        fn timestamps_agree_with_the_general_way(at_ms in 1_000_000_000_000..10_000_000_000_000_i64, padding: u8) {
            let text = at_ms.to_string();
            prop_assert_eq!(usual_timestamp(&window(text.as_bytes(), padding), text.len()), Some(at_ms));
            prop_assert_eq!(usual_timestamp(&window(text.as_bytes(), padding), 12), None);
            prop_assert_eq!(usual_timestamp(&window(text.as_bytes(), padding), 14), None);
        }

        #[test]
        fn one_wrong_byte_is_no_timestamp(at in 0_usize..13, byte: u8) {
            let mut text = *b"1700000000000,\n,";
            text[at] = byte;
            prop_assert_eq!(usual_timestamp(&text, 13).is_some(), byte.is_ascii_digit());
        }
    }
}
