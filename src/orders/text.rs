//! Appends numbers, amounts and strings to a buffer of bytes. They are written by hand, because the
//! standard formatting takes ten times as long: a hundred milliseconds for a hundred thousand rows.

use std::io;

use dataflows::{Amount, Id};

/// How many units of [`Amount`] make one whole.
const UNITS_PER_ONE: u128 = 10_u128.pow(dataflows::FRACTION_DIGITS_MAX);

/// How many units of [`Amount`] make one hundredth.
const UNITS_PER_CENT: u64 = 10_u64.pow(dataflows::FRACTION_DIGITS_MAX - 2);

/// Appends a whole number in decimal digits.
pub fn push_integer(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    push_unsigned(out, value.unsigned_abs());
}

fn push_unsigned(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends an amount exactly as its `Display` prints it.
pub fn push_amount(out: &mut Vec<u8>, amount: Amount) {
    let units = amount.units();
    if units < 0 {
        out.push(b'-');
    }
    let (whole, fraction) = (units.unsigned_abs() / UNITS_PER_ONE, units.unsigned_abs() % UNITS_PER_ONE);
    match u64::try_from(whole) {
        Ok(whole) => push_unsigned(out, whole),
        Err(_) => out.extend_from_slice(whole.to_string().as_bytes()),
    }
    out.push(b'.');
    let mut fraction = fraction as u64;
    let mut digits = [0; dataflows::FRACTION_DIGITS_MAX as usize];
    let mut width = digits.len();
    if fraction.is_multiple_of(UNITS_PER_CENT) {
        fraction /= UNITS_PER_CENT;
        width = 2;
    }
    while width > 2 && fraction.is_multiple_of(10) {
        fraction /= 10;
        width -= 1;
    }
    for digit in digits[..width].iter_mut().rev() {
        *digit = b'0' + (fraction % 10) as u8;
        fraction /= 10;
    }
    out.extend_from_slice(&digits[..width]);
}

/// Appends a field of a CSV record. It is quoted only if RFC 4180 requires that.
pub fn push_csv_field(out: &mut Vec<u8>, field: &[u8]) {
    if !field.iter().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n')) {
        out.extend_from_slice(field);
        return;
    }
    out.push(b'"');
    for &byte in field {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Appends a JSON string with its quotes.
pub fn push_json_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a buffer takes any text");
}

/// Appends an id as a JSON string with its quotes.
pub fn push_json_id(out: &mut Vec<u8>, id: &Id) {
    id.with_bytes(|bytes| push_json_string(out, &String::from_utf8_lossy(bytes)));
}

/// Returns the cause of an I/O error as the end of a sentence, such as `no space left on device`:
/// in lower case and without the number of the error.
pub fn io_cause(error: &io::Error) -> String {
    let text = error.to_string();
    let text = match (error.raw_os_error(), text.rfind(" (os error ")) {
        (Some(_), Some(at)) => &text[..at],
        _ => &text[..],
    };
    let mut letters = text.chars();
    let first = letters.next().map(char::to_lowercase);
    first.into_iter().flatten().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn printed(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn amounts_at_the_edges_print_as_display_does() {
        for units in [0, 1, -1, 10_i128.pow(16), -(10_i128.pow(17)), i128::MAX, i128::MIN + 1, i128::MIN] {
            let amount = Amount::from_units(units);
            assert_eq!(printed(|out| push_amount(out, amount)), amount.to_string());
        }
    }

    #[test]
    fn csv_fields_are_quoted_only_where_needed() {
        for (field, expected) in [
            ("u1", "u1"),
            ("", ""),
            ("größe 1", "größe 1"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("two\rlines", "\"two\rlines\""),
        ] {
            assert_eq!(printed(|out| push_csv_field(out, field.as_bytes())), expected);
        }
    }

    #[test]
    fn causes_are_the_end_of_a_sentence() {
        let full = io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error());
        assert_eq!(io_cause(&full), "no space left on device");
        assert_eq!(io_cause(&io::Error::other("Lost it")), "lost it");
    }

    proptest! {
        #[test]
        fn amounts_print_as_display_does(units: i128, zeros in 0_u32..30) {
            let amount = Amount::from_units(units / 10_i128.pow(zeros) * 10_i128.pow(zeros.min(17)) % i128::MAX);
            prop_assert_eq!(printed(|out| push_amount(out, amount)), amount.to_string());
        }

        #[test]
        fn integers_print_as_display_does(value: i64) {
            prop_assert_eq!(printed(|out| push_integer(out, value)), value.to_string());
        }
    }
}
