//! Prints numbers with their thousands set apart, as people read them.

use std::fmt;

use dataflows::Amount;

/// Returns an amount with its thousands set apart, such as `-1,234.50`.
pub fn amount_for_people(amount: Amount) -> String {
    let text = amount.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    format!("{sign}{}.{fraction}", grouped(whole))
}

/// A whole number that is printed with its thousands set apart, such as `1,234,567`.
#[derive(Copy, Clone, Debug)]
pub struct Thousands(pub u64);

impl fmt::Display for Thousands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&grouped(&self.0.to_string()))
    }
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (value, expected) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (u64::MAX, "18,446,744,073,709,551,615")]
        {
            assert_eq!(Thousands(value).to_string(), expected);
        }
        assert_eq!(format!("{:>6}|{:<6}|", Thousands(1234), Thousands(1234)), " 1,234|1,234 |");
        for amount in ["0.00", "999.99", "-100.00", "1000.00"] {
            let expected = amount.replace("1000", "1,000");
            assert_eq!(amount_for_people(amount.parse().unwrap()), expected);
        }
    }
}
