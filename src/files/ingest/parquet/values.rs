//! Turns single values into ids, prices and times, or says why their row is bad.

use dataflows::{Amount, FRACTION_DIGITS_MAX, Id, PRICE_MAX};

use super::column::Bad;
use orders::rules::{AT_MS_MAX, AT_MS_MIN, Quoted, Role, check_id, price_reason};

pub(super) fn missing(role: Role) -> Bad {
    Bad { reason: format!("{} is missing", role.name()), raw: "null".to_owned() }
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
pub(super) fn id_of(role: Role, tail: &[u8], length: usize) -> Result<Id, Bad> {
    if length > 0
        && let Some(window) = tail.first_chunk()
        && let Some(id) = Id::from_ascii_window(window, length)
    {
        return Ok(id);
    }
    let text = &tail[..length];
    check_id(role, text).map(Id::new).map_err(|reason| bad_text(reason, text))
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
pub(super) fn price_of_double(value: f64) -> Result<Amount, Bad> {
    match whole_cents(value) {
        (price, true) => Ok(price),
        _ => Amount::try_from(value).map_err(|error| bad_number(price_reason(value, error), value)),
    }
}

pub(super) fn prices_of_doubles(values: &[f64], prices: &mut Vec<Amount>) -> bool {
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

pub(super) fn price_of_float(value: f32) -> Result<Amount, Bad> {
    if !value.is_finite() {
        return price_of_double(f64::from(value));
    }
    // The price is the shortest decimal of the float itself, not of the double that it widens to.
    Amount::parse(format!("{value:e}").as_bytes())
        .map_err(|error| bad_number(price_reason(value, error), f64::from(value)))
}

#[cold]
pub(super) fn bad_number(reason: String, value: f64) -> Bad {
    // JSON has no number for infinity and NaN, so they are printed as strings.
    let raw = if value.is_finite() { format!("{value:e}") } else { format!("\"{value}\"") };
    Bad { reason, raw }
}

pub(super) fn price_of_integer(value: i128, scale: u32) -> Result<Amount, Bad> {
    let price = match i64::try_from(value) {
        Ok(mantissa) => Amount::from_decimal(mantissa, scale),
        Err(_) => Amount::parse(format!("{value}e-{scale}").as_bytes()),
    };
    price.map_err(|error| {
        let text = format!("{value}e-{scale}");
        Bad { reason: price_reason(&text, error), raw: text }
    })
}

pub(super) fn price_of_wide_integer(bytes: &[u8], scale: u32) -> Result<Amount, Bad> {
    let negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
    let fill = if negative { 0xff } else { 0 };
    // The bytes before the last sixteen may only repeat the sign.
    let (beyond, low) = bytes.split_at(bytes.len().saturating_sub(16));
    let sign_kept = low.first().is_none_or(|byte| (*byte >= 0x80) == negative);
    if bytes.is_empty() || !sign_kept || beyond.iter().any(|byte| *byte != fill) {
        let what = if bytes.is_empty() { "is not a decimal number" } else { "is beyond ±1000000000000" };
        return Err(bad_text(format!("price {} {what}", Quoted(bytes)), bytes));
    }
    let mut whole = [fill; 16];
    whole[16 - low.len()..].copy_from_slice(low);
    price_of_integer(i128::from_be_bytes(whole), scale)
}

#[cfg(test)]
mod tests {
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
            let ours = price_of_double(value).map_err(|bad| bad.reason);
            let theirs = Amount::try_from(value).map_err(|error| price_reason(value, error));
            assert_eq!(ours, theirs, "{value:e}");
        }
        assert_eq!(price_of_double(-0.0).unwrap(), Amount::ZERO);
        assert_eq!(price_of_double(f64::NAN).unwrap_err().raw, "\"NaN\"");
    }

    #[test]
    fn wide_integers_of_any_width() {
        let price = |bytes: &[u8]| price_of_wide_integer(bytes, 2).map(|price| price.to_string());
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
        assert_eq!(price_of_float(0.1).unwrap().to_string(), "0.10");
        assert_eq!(price_of_float(19.99).unwrap().to_string(), "19.99");
        assert_eq!(price_of_float(f32::INFINITY).unwrap_err().reason, "price inf is not a finite number");
    }
}
