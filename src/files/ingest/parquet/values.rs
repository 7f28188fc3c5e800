//! Turns single values into ids, numbers and times, or says why their row is bad.

use std::fmt;

use dataflows::{Amount, AmountError, FRACTION_DIGITS_MAX, Id, PRICE_MAX};

use super::column::Bad;
use crate::ingest::RowForm;
use orders::rules::{AT_MS_MAX, AT_MS_MIN, NO_USER, Quoted, Role};

pub(super) fn missing(role: Role) -> Bad {
    let reason =
        if role == Role::UserId { NO_USER.to_owned() } else { format!("{} is missing", role.name()) };
    Bad { reason, raw: "null".to_owned() }
}

/// Returns the id that a null stands for, or why it is bad.
pub(super) fn id_of_null(role: Role, form: &RowForm) -> Result<Id, Bad> {
    match (role, &form.guest) {
        (Role::UserId, Some(guest)) => Ok(Id::new(guest)),
        (Role::OrderId, _) if !form.envelope.is_keyed() => Ok(Id::new("")),
        _ => Err(missing(role)),
    }
}

/// Returns the id that the sixteen bytes of a UUID are, in its usual groups of digits.
pub(super) fn id_of_uuid(bytes: &[u8]) -> Id {
    use std::fmt::Write;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // A string takes any text.
        let _ = write!(text, "{byte:02x}");
    }
    Id::new(&text)
}

#[cold]
pub(super) fn bad_text(reason: String, text: &[u8]) -> Bad {
    Bad { reason, raw: json_string(&String::from_utf8_lossy(text)) }
}

/// Returns a text as JSON.
pub(super) fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[inline]
pub(super) fn id_of(role: Role, tail: &[u8], length: usize, form: &RowForm) -> Result<Id, Bad> {
    if length > 0
        && let Some(window) = tail.first_chunk()
        && let Some(id) = Id::from_ascii_window(window, length)
    {
        return Ok(id);
    }
    let text = &tail[..length];
    let id = if role == Role::UserId { form.user_id(text) } else { form.order_id(text) };
    id.map(Id::new).map_err(|reason| bad_text(reason, text))
}

/// Returns a double as an amount in whole cents, and whether it is a whole number of cents of at
/// most [`PRICE_MAX`]. Only then the amount is right.
///
/// Any whole number of cents that divides back to the double is its shortest decimal, as
/// `Amount::try_from` explains. Truncation, unlike rounding, is one instruction.
#[inline]
pub(super) fn whole_cents(value: f64) -> (Amount, bool) {
    const UNITS_PER_CENT: i128 = 10_i128.pow(FRACTION_DIGITS_MAX - 2);
    let cents = (value * 100.0 + 0.5_f64.copysign(value)) as i64;
    let whole = cents.unsigned_abs() <= 100 * PRICE_MAX.unsigned_abs() && cents as f64 / 100.0 == value;
    (Amount::from_units(i128::from(cents) * UNITS_PER_CENT), whole)
}

#[inline]
pub(super) fn number_of_double(role: Role, value: f64) -> Result<Amount, Bad> {
    match whole_cents(value) {
        (price, true) => Ok(price),
        _ => Amount::try_from(value).map_err(|error| bad_number(reason(role, value, error), value)),
    }
}

fn reason(role: Role, value: impl fmt::Display, error: AmountError) -> String {
    format!("{} {value} {error}", role.name())
}

pub(super) fn numbers_of_doubles(values: &[f64], prices: &mut Vec<Amount>) -> bool {
    let mut all_whole = true;
    prices.extend(values.iter().map(|value| {
        let (price, whole) = whole_cents(*value);
        all_whole &= whole;
        price
    }));
    all_whole
}

pub(super) fn times_of_integers(values: &[i64], times_ms: &mut Vec<i64>) -> bool {
    times_ms.extend_from_slice(values);
    values.iter().fold(true, |good, value| good & (AT_MS_MIN..=AT_MS_MAX).contains(value))
}

pub(super) fn times_of_doubles(values: &[f64], times_ms: &mut Vec<i64>) -> bool {
    let mut all_whole = true;
    times_ms.extend(values.iter().map(|value| {
        let time_ms = *value as i64;
        all_whole &= time_ms as f64 == *value && (AT_MS_MIN..=AT_MS_MAX).contains(&time_ms);
        time_ms
    }));
    all_whole
}

pub(super) fn number_of_float(role: Role, value: f32) -> Result<Amount, Bad> {
    if !value.is_finite() {
        return number_of_double(role, f64::from(value));
    }
    // The price is the shortest decimal of the float itself, not of the double that it widens to.
    Amount::parse(format!("{value:e}").as_bytes())
        .map_err(|error| bad_number(reason(role, value, error), f64::from(value)))
}

#[cold]
pub(super) fn bad_number(reason: String, value: f64) -> Bad {
    // JSON has no number for infinity and NaN, so they are printed as strings.
    let raw = if value.is_finite() { format!("{value:e}") } else { format!("\"{value}\"") };
    Bad { reason, raw }
}

/// Returns the text of the number `value × 10^-scale`.
pub(super) fn scaled_text(value: i128, scale: u32) -> String {
    format!("{value}e-{scale}")
}

pub(super) fn number_of_integer(role: Role, value: i128, scale: u32) -> Result<Amount, Bad> {
    let price = match i64::try_from(value) {
        Ok(mantissa) => Amount::from_decimal(mantissa, scale),
        Err(_) => Amount::parse(scaled_text(value, scale).as_bytes()),
    };
    price.map_err(|error| {
        let text = scaled_text(value, scale);
        Bad { reason: reason(role, &text, error), raw: text }
    })
}

/// Returns the big-endian integer of any width that these bytes are; `None` if there are none, or
/// if it has more than 128 bits.
pub(super) fn wide_integer(bytes: &[u8]) -> Option<i128> {
    let negative = bytes.first()? >= &0x80;
    let fill = if negative { 0xff } else { 0 };
    // The bytes before the last sixteen may only repeat the sign.
    let (beyond, low) = bytes.split_at(bytes.len().saturating_sub(16));
    let sign_kept = low.first().is_none_or(|byte| (*byte >= 0x80) == negative);
    if !sign_kept || beyond.iter().any(|byte| *byte != fill) {
        return None;
    }
    let mut whole = [fill; 16];
    whole[16 - low.len()..].copy_from_slice(low);
    Some(i128::from_be_bytes(whole))
}

pub(super) fn number_of_wide_integer(role: Role, bytes: &[u8], scale: u32) -> Result<Amount, Bad> {
    match wide_integer(bytes) {
        Some(value) => number_of_integer(role, value, scale),
        None => {
            let error = if bytes.is_empty() { AmountError::NotDecimal } else { AmountError::TooLarge };
            Err(bad_text(reason(role, Quoted(bytes), error), bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use orders::rules::price_reason;

    use super::*;

    #[test]
    fn doubles_become_their_shortest_decimal_as_amounts_do() {
        let mut state = 7_u64;
        for round in 0..200_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = match round % 4 {
                0 => (state >> 40) as f64 / 100.0,
                1 => -((state >> 20) as f64) / 100.0,
                2 => f64::from_bits(state),
                _ => (state >> 11) as f64 / 1e6,
            };
            let ours = number_of_double(Role::Price, value).map_err(|bad| bad.reason);
            let theirs = Amount::try_from(value).map_err(|error| price_reason(value, error));
            assert_eq!(ours, theirs, "{value:e}");
        }
        assert_eq!(number_of_double(Role::Price, -0.0).unwrap(), Amount::ZERO);
        assert_eq!(number_of_double(Role::Price, f64::NAN).unwrap_err().raw, "\"NaN\"");
    }

    #[test]
    fn wide_integers_of_any_width() {
        let price =
            |bytes: &[u8]| number_of_wide_integer(Role::Price, bytes, 2).map(|price| price.to_string());
        assert_eq!(price(&[0x00]), Ok("0.00".into()));
        assert_eq!(price(&[0xff]), Ok("-0.01".into()));
        assert_eq!(price(&[0x01, 0x00]), Ok("2.56".into()));
        assert_eq!(price(&[&[0xff; 20][..], &[0x9c]].concat()), Ok("-1.00".into()));
        assert_eq!(price(&[&[0; 20][..], &[0x64]].concat()), Ok("1.00".into()));
        let reason = |bytes: &[u8]| price(bytes).unwrap_err().reason;
        assert_eq!(reason(&[]), "price \"\" is not a decimal number");
        assert!(reason(&[0x7f; 16]).ends_with("is beyond ±1000000000000"));
        assert!(reason(&[&[1][..], &[0; 16]].concat()).ends_with("is beyond ±1000000000000"));
        // Sixteen bytes that look negative after a positive byte lose the sign.
        assert!(reason(&[&[0][..], &[0x80; 16]].concat()).ends_with("is beyond ±1000000000000"));
    }

    #[test]
    fn floats_are_their_own_shortest_decimal() {
        assert_eq!(number_of_float(Role::Price, 0.1).unwrap().to_string(), "0.10");
        assert_eq!(number_of_float(Role::Price, 19.99).unwrap().to_string(), "19.99");
        assert_eq!(
            number_of_float(Role::Price, f32::INFINITY).unwrap_err().reason,
            "price inf is not a finite number"
        );
    }
}
