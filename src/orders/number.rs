//! Reads numbers as people write them in text: with a point or a comma before the fraction.
//!
//! Marks between thousands are not read, because `1,234` may be either. They are refused with a
//! reason that says so.

use dataflows::{Amount, AmountError};
use serde::{Deserialize, Serialize};

use crate::rules::{Quoted, Role, trim_blanks};

/// The character that stands before the fraction of a number in text.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DecimalMark {
    /// `12.34`.
    #[default]
    Point,
    /// `12,34`.
    Comma,
}

impl DecimalMark {
    /// Returns the price or quantity that a cell spells. Spaces and tabs around it are ignored.
    ///
    /// # Errors
    /// Returns the reason, which calls the number by `role` and shows it.
    pub fn parse(self, role: Role, text: &[u8]) -> Result<Amount, String> {
        let text = trim_blanks(text);
        let parsed = match self {
            DecimalMark::Point => Amount::parse(text),
            DecimalMark::Comma => parse_with_comma(text),
        };
        parsed.map_err(|error| self.reason(role, text, error))
    }

    #[cold]
    fn reason(self, role: Role, text: &[u8], error: AmountError) -> String {
        let name = role.name();
        let shown = Quoted(text);
        match (error, Marks::of(text), self) {
            (AmountError::Empty, ..) => format!("{name} is empty"),
            (AmountError::NotDecimal, Marks::Comma, DecimalMark::Point) => format!(
                "{name} {shown} has a comma: if that is the decimal mark give --decimal-comma, if it marks \
                 thousands leave it out"
            ),
            (AmountError::NotDecimal, Marks::Point, DecimalMark::Comma) => format!(
                "{name} {shown} has a point, but the decimal mark is the comma (--decimal-comma); marks of \
                 thousands must be left out"
            ),
            (AmountError::NotDecimal, Marks::Thousands, _) => {
                format!("{name} {shown} has marks between thousands: leave them out")
            }
            (error, ..) => format!("{name} {shown} {error}"),
        }
    }
}

fn parse_with_comma(text: &[u8]) -> Result<Amount, AmountError> {
    let pointed = text.iter().map(|byte| match byte {
        b',' => b'.',
        // A point is no decimal mark here, and no number has a zero byte.
        b'.' => 0,
        other => *other,
    });
    Amount::parse(&pointed.collect::<Vec<u8>>())
}

/// The marks in a text that is a number apart from them.
#[derive(Debug, PartialEq, Eq)]
enum Marks {
    /// One comma between digits, and no other mark.
    Comma,
    /// One point between digits, and no other mark.
    Point,
    /// Groups of three digits with marks between them.
    Thousands,
    /// Anything else.
    Other,
}

impl Marks {
    fn of(text: &[u8]) -> Marks {
        let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
        let Ok(digits) = std::str::from_utf8(digits) else { return Marks::Other };
        let mut groups = digits.split(|c: char| !c.is_ascii_digit());
        let marks: Vec<char> = digits.chars().filter(|c| !c.is_ascii_digit()).collect();
        if groups.clone().any(str::is_empty) {
            return Marks::Other;
        }
        match marks[..] {
            [','] => return Marks::Comma,
            ['.'] => return Marks::Point,
            _ => {}
        }
        let is_mark = |c: &char| matches!(c, ',' | '.' | '\'' | '’' | '_' | ' ' | '\u{a0}' | '\u{202f}');
        let (Some(first), Some(mark)) = (groups.next(), marks.first().filter(|c| is_mark(c))) else {
            return Marks::Other;
        };
        let repeated = marks.iter().take_while(|c| *c == mark).count();
        let decimals = &marks[repeated..];
        let has_fraction = matches!(decimals, ['.'] | [',']);
        let in_threes = groups.take(repeated).all(|group| group.len() == 3);
        let is_grouped = first.len() <= 3 && in_threes && (decimals.is_empty() || has_fraction);
        if is_grouped { Marks::Thousands } else { Marks::Other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_point_or_a_comma() {
        for (text, point, comma) in [
            ("12.34", Some("12.34"), None),
            ("12,34", None, Some("12.34")),
            (" -0,5\t", None, Some("-0.50")),
            (",5", None, Some("0.50")),
            ("5,", None, Some("5.00")),
            ("1,5e3", None, Some("1500.00")),
            ("7", Some("7.00"), Some("7.00")),
            ("1.234,56", None, None),
            ("1,234.56", None, None),
            ("1,2,3", None, None),
        ] {
            let read =
                |mark: DecimalMark| mark.parse(Role::Price, text.as_bytes()).ok().map(|a| a.to_string());
            assert_eq!(read(DecimalMark::Point).as_deref(), point, "{text}");
            assert_eq!(read(DecimalMark::Comma).as_deref(), comma, "{text}");
        }
    }

    #[test]
    fn marks_have_reasons_of_their_own() {
        let thousands = "has marks between thousands: leave them out";
        let comma = "has a comma: if that is the decimal mark give --decimal-comma, if it marks thousands leave it out";
        let point = "has a point, but the decimal mark is the comma (--decimal-comma); marks of thousands must be \
                     left out";
        let other = "is not a decimal number";
        for (mark, text, reason) in [
            (DecimalMark::Point, "12,34", comma),
            (DecimalMark::Point, "1,234", comma),
            (DecimalMark::Point, "-1,234.56", thousands),
            (DecimalMark::Point, "1.234.567,8", thousands),
            (DecimalMark::Point, "1,234,567", thousands),
            (DecimalMark::Point, "1 234.56", thousands),
            (DecimalMark::Point, "1\u{202f}234,56", thousands),
            (DecimalMark::Point, "1'234'567.00", thousands),
            (DecimalMark::Point, "1.2.3", other),
            (DecimalMark::Point, "12,34,56", other),
            (DecimalMark::Point, "$5", other),
            (DecimalMark::Point, "1,", other),
            (DecimalMark::Point, "1 2", other),
            (DecimalMark::Comma, "1.234,56", thousands),
            (DecimalMark::Comma, "1.234.567", thousands),
            (DecimalMark::Comma, "1.234", point),
            (DecimalMark::Comma, "1.234.56", other),
        ] {
            let refused = mark.parse(Role::Price, text.as_bytes()).unwrap_err();
            assert_eq!(refused, format!("price {} {reason}", Quoted(text.as_bytes())));
        }
        let refused = DecimalMark::Comma.parse(Role::Quantity, b" ").unwrap_err();
        assert_eq!(refused, "quantity is empty");
    }
}
