//! Money: exact decimals that add up to the last digit.
//!
//! An [`Amount`] is a whole number of 10^-18 units, so addition never rounds and a retraction
//! restores the very same bits. Input is refused, never rounded: a price is at most 10^12 in
//! magnitude and has at most 18 fraction digits. Sums may be larger: they hold 1.7 × 10^8 orders of
//! the largest price before they overflow. An overflow is a panic, never a wrong total.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The most fraction digits that an amount can hold.
pub const FRACTION_DIGITS_MAX: u32 = 18;

/// The number of units in one whole.
const UNITS_PER_ONE: i128 = 10_i128.pow(FRACTION_DIGITS_MAX);

/// The largest magnitude of one price, in wholes: 10^12.
pub const PRICE_MAX: i64 = 1_000_000_000_000;

/// The largest magnitude of one price, in units.
const PRICE_UNITS_MAX: i128 = PRICE_MAX as i128 * UNITS_PER_ONE;

/// The number of digits of the largest price: 13 before the point and 18 after it.
const SIGNIFICANT_DIGITS_MAX: i64 = 13 + FRACTION_DIGITS_MAX as i64;

/// An exact amount of money in one (unnamed) currency.
///
/// It consists of two words rather than one `i128`, so that records with an amount are 8-aligned
/// and without padding.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[repr(C)]
pub struct Amount {
    high: i64,
    low: u64,
}

/// Why a price was refused. The message completes a sentence that begins with the price.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum AmountError {
    /// The text is empty.
    Empty,
    /// The text is not a decimal number.
    NotDecimal,
    /// The double is NaN or infinite.
    NotFinite,
    /// The magnitude is above [`PRICE_MAX`].
    TooLarge,
    /// More than [`FRACTION_DIGITS_MAX`] digits follow the point.
    TooFine,
}

impl fmt::Display for AmountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AmountError::Empty => write!(f, "is empty"),
            AmountError::NotDecimal => write!(f, "is not a decimal number"),
            AmountError::NotFinite => write!(f, "is not a finite number"),
            AmountError::TooLarge => write!(f, "is beyond ±{PRICE_MAX}"),
            AmountError::TooFine => {
                write!(f, "has more than {FRACTION_DIGITS_MAX} fraction digits")
            }
        }
    }
}

impl std::error::Error for AmountError {}

impl Amount {
    /// The amount of zero.
    pub const ZERO: Amount = Amount { high: 0, low: 0 };

    /// Creates an amount of this many 10^-18 units.
    #[inline]
    pub const fn from_units(units: i128) -> Amount {
        Amount { high: (units >> 64) as i64, low: units as u64 }
    }

    /// Returns this amount in 10^-18 units.
    #[inline]
    pub const fn units(self) -> i128 {
        ((self.high as i128) << 64) | self.low as i128
    }

    /// Returns the price `mantissa × 10^-fraction_digits`.
    ///
    /// # Errors
    /// Returns [`AmountError::TooLarge`] beyond [`PRICE_MAX`], and [`AmountError::TooFine`] if a
    /// digit after the eighteenth is not zero.
    #[inline]
    pub fn from_decimal(mantissa: i64, fraction_digits: u32) -> Result<Amount, AmountError> {
        if fraction_digits > FRACTION_DIGITS_MAX {
            return from_digits(mantissa < 0, mantissa.unsigned_abs().into(), -i64::from(fraction_digits));
        }
        let units = i128::from(mantissa) * i128::from(POWERS_OF_TEN[(18 - fraction_digits) as usize]);
        if units.unsigned_abs() > PRICE_UNITS_MAX as u128 {
            return Err(AmountError::TooLarge);
        }
        Ok(Amount::from_units(units))
    }

    /// Returns the price `mantissa × 10^-fraction_digits`, which is never too large and never too
    /// fine.
    ///
    /// Panics if there are more than [`FRACTION_DIGITS_MAX`] fraction digits.
    #[inline]
    pub fn from_short_decimal(mantissa: u32, fraction_digits: u32) -> Amount {
        let unit = POWERS_OF_TEN[(FRACTION_DIGITS_MAX - fraction_digits) as usize];
        // The product is at most 2^32 × 10^18. It is a product of two words, and below the largest
        // price.
        Amount::from_units((u128::from(mantissa) * unit as u128) as i128)
    }

    /// Reads a price from text: digits with an optional sign, point and exponent. The caller must
    /// have removed spaces around it.
    ///
    /// # Errors
    /// Returns any [`AmountError`] but [`AmountError::NotFinite`].
    pub fn parse(text: &[u8]) -> Result<Amount, AmountError> {
        let Some(&first) = text.first() else { return Err(AmountError::Empty) };
        let negative = first == b'-';
        let text = if first == b'-' || first == b'+' { &text[1..] } else { text };
        let (decimal, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let (whole, fraction) = match decimal.iter().position(|byte| *byte == b'.') {
            Some(at) => (&decimal[..at], &decimal[at + 1..]),
            None => (decimal, &decimal[..0]),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(AmountError::NotDecimal);
        }
        let mut digits: u128 = 0;
        // The number of significant digits so far, and of the zeros after the last one that is not
        // zero.
        let (mut significant, mut zeros) = (0_i64, 0_i64);
        for &byte in whole.iter().chain(fraction) {
            let digit = byte.wrapping_sub(b'0');
            match digit {
                0 if significant == 0 => {}
                0 => zeros += 1,
                1..=9 => {
                    significant += zeros + 1;
                    if significant <= SIGNIFICANT_DIGITS_MAX {
                        digits = digits * 10_u128.pow(zeros as u32 + 1) + u128::from(digit);
                    }
                    zeros = 0;
                }
                _ => return Err(AmountError::NotDecimal),
            }
        }
        let exponent = exponent.saturating_add(zeros).saturating_sub(fraction.len() as i64);
        if significant > SIGNIFICANT_DIGITS_MAX {
            let too_large = exponent.saturating_add(significant) > 13;
            return Err(if too_large { AmountError::TooLarge } else { AmountError::TooFine });
        }
        from_digits(negative, digits, exponent)
    }

    /// Returns the double that is nearest to this amount.
    pub fn to_f64(self) -> f64 {
        // The decimal is exact, and reading it rounds once, to the nearest double.
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// Returns the exact product, such as a quantity times the price of one.
    ///
    /// # Errors
    /// Returns [`AmountError::TooLarge`] beyond [`PRICE_MAX`], and [`AmountError::TooFine`] if more
    /// than [`FRACTION_DIGITS_MAX`] digits would follow the point.
    pub fn times(self, other: Amount) -> Result<Amount, AmountError> {
        // A whole quantity is the usual case, and needs one division.
        for (quantity, price) in [(self, other), (other, self)] {
            let (whole, rest) = (quantity.units() / UNITS_PER_ONE, quantity.units() % UNITS_PER_ONE);
            if let (0, Some(units)) = (rest, price.units().checked_mul(whole)) {
                let fits = units.unsigned_abs() <= PRICE_UNITS_MAX as u128;
                return if fits { Ok(Amount::from_units(units)) } else { Err(AmountError::TooLarge) };
            }
        }
        let negative = (self.high < 0) != (other.high < 0);
        let (one, other) = (self.units().unsigned_abs(), other.units().unsigned_abs());
        // A five of one factor and a two of the other make a ten, which goes to the exponent. The
        // digits that are left do not end in zero, so a product of more than 39 of them is refused
        // whatever its exponent.
        let (mut factors, mut tens) = ([one, other], 0);
        for (five, two) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let needed = if five == two { 10 } else { 5 };
            while factors[five].is_multiple_of(needed) && (five == two || factors[two].is_multiple_of(2)) {
                factors[five] /= needed;
                if five != two {
                    factors[two] /= 2;
                }
                tens += 1;
            }
        }
        let exponent = tens - 2 * i64::from(FRACTION_DIGITS_MAX);
        match factors[0].checked_mul(factors[1]) {
            Some(digits) => from_digits(negative, digits, exponent),
            None => {
                let digits = i64::from(factors[0].ilog10()) + i64::from(factors[1].ilog10()) + 1;
                let too_large = digits + exponent > 13;
                Err(if too_large { AmountError::TooLarge } else { AmountError::TooFine })
            }
        }
    }

    /// Returns the sum, or `None` on overflow.
    #[inline]
    pub fn checked_add(self, other: Amount) -> Option<Amount> {
        self.units().checked_add(other.units()).map(Amount::from_units)
    }
}

/// The powers of ten from 10^0 to 10^18.
const POWERS_OF_TEN: [i64; 19] = {
    let mut powers = [1_i64; 19];
    let mut at = 1;
    while at < 19 {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

fn parse_exponent(text: &[u8]) -> Result<i64, AmountError> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return Err(AmountError::NotDecimal);
    }
    let mut value = 0_i64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(AmountError::NotDecimal);
        }
        value = value.saturating_mul(10).saturating_add(i64::from(digit));
    }
    Ok(if negative { -value } else { value })
}

/// Returns the price `digits × 10^exponent`.
fn from_digits(negative: bool, mut digits: u128, mut exponent: i64) -> Result<Amount, AmountError> {
    if digits == 0 {
        return Ok(Amount::ZERO);
    }
    while digits.is_multiple_of(10) && exponent < 0 {
        digits /= 10;
        exponent += 1;
    }
    let shift = exponent.saturating_add(i64::from(FRACTION_DIGITS_MAX));
    if shift < 0 {
        let whole_digits = exponent.saturating_add(i64::from(digits.ilog10()) + 1);
        return Err(if whole_digits > 13 { AmountError::TooLarge } else { AmountError::TooFine });
    }
    let units = u32::try_from(shift).ok().filter(|shift| *shift <= 30).and_then(|shift| {
        digits.checked_mul(10_u128.pow(shift)).filter(|units| *units <= PRICE_UNITS_MAX as u128)
    });
    let units = units.ok_or(AmountError::TooLarge)? as i128;
    Ok(Amount::from_units(if negative { -units } else { units }))
}

impl FromStr for Amount {
    type Err = AmountError;
    fn from_str(text: &str) -> Result<Amount, AmountError> {
        Amount::parse(text.as_bytes())
    }
}

/// Returns the shortest decimal that reads back to the same double.
impl TryFrom<f64> for Amount {
    type Error = AmountError;
    fn try_from(value: f64) -> Result<Amount, AmountError> {
        if !value.is_finite() {
            return Err(AmountError::NotFinite);
        }
        // Most prices are whole cents. A decimal of at most 15 digits that reads back to the double
        // is the only one of at most 15 digits that does, so it is the shortest.
        let cents = (value * 100.0).round();
        if cents.abs() < 1e15 && cents / 100.0 == value {
            return Amount::from_decimal(cents as i64, 2);
        }
        Amount::parse(format!("{value:e}").as_bytes())
    }
}

impl fmt::Display for Amount {
    /// Writes a plain decimal: at least two fraction digits, no zeros after them, no exponent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = self.units().unsigned_abs();
        let whole = units / UNITS_PER_ONE as u128;
        let mut fraction = (units % UNITS_PER_ONE as u128) as u64;
        let mut width = FRACTION_DIGITS_MAX as usize;
        while width > 2 && fraction.is_multiple_of(10) {
            fraction /= 10;
            width -= 1;
        }
        let sign = if self.high < 0 { "-" } else { "" };
        write!(f, "{sign}{whole}.{fraction:0width$}")
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
