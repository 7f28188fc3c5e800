//! The limits of an order's values, and the reasons for setting an order aside.
//!
//! A reason calls the column by its role (`price`, whatever name the input uses) and shows the
//! value quoted, escaped and cut, so that it is safe to print and never long. Nothing here rounds,
//! replaces or guesses: a value is taken as it is, or its order is set aside.

use std::fmt;

use dataflows::AmountError;

/// The longest user id or order id, in bytes.
pub const ID_BYTES_MAX: usize = 1024;

/// The earliest event time, in epoch milliseconds. It lies in the year 5, so that the begin and end
/// of its window have a four-digit year in any zone.
pub const AT_MS_MIN: i64 = -62_000_000_000_000;

/// The latest event time, in epoch milliseconds. It lies in the year 9987, for the same reason.
pub const AT_MS_MAX: i64 = 253_000_000_000_000;

/// How the reason begins for which an object is set aside that lacks a member.
pub const NO_MEMBER: &str = "no member ";

/// The most characters of a value that a reason shows.
const QUOTED_CHARS_MAX: usize = 64;

/// The part that a column plays in an order.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The id of the user who ordered.
    UserId,
    /// The id of the order, which is unique among the orders of its user.
    OrderId,
    /// The price of the order.
    Price,
    /// The event time of the order.
    Timestamp,
    /// The operation: whether a line puts the order or deletes it.
    Op,
    /// The quantity by which the price of one is multiplied.
    Quantity,
}

impl Role {
    /// All roles, in the order of their declaration: `ALL[role as usize] == role`.
    pub const ALL: [Role; 6] =
        [Role::UserId, Role::OrderId, Role::Price, Role::Timestamp, Role::Op, Role::Quantity];

    /// Returns the bit that stands for this role in a set of roles.
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Returns the column's canonical name, which reasons use.
    pub fn name(self) -> &'static str {
        match self {
            Role::UserId => "user_id",
            Role::OrderId => "order_id",
            Role::Price => "price",
            Role::Timestamp => "timestamp",
            Role::Op => "op",
            Role::Quantity => "quantity",
        }
    }

    /// Returns the command line option that gives this column another name.
    pub fn option(self) -> &'static str {
        match self {
            Role::UserId => "--column-user-id",
            Role::OrderId => "--column-order-id",
            Role::Price => "--column-price",
            Role::Timestamp => "--column-timestamp",
            Role::Op => "--column-op",
            Role::Quantity => "--column-quantity",
        }
    }
}

/// The reason for setting an order aside that has no user. `--guest-as` counts such orders.
pub const NO_USER: &str = "user_id is empty";

/// Returns the id that a cell holds. The id is called by `role` in a reason.
///
/// # Errors
/// Returns the reason if the id is empty, longer than [`ID_BYTES_MAX`], or not UTF-8.
pub fn check_id(role: Role, text: &[u8]) -> Result<&str, String> {
    let name = role.name();
    if text.is_empty() {
        return Err(format!("{name} is empty"));
    }
    if text.len() > ID_BYTES_MAX {
        return Err(format!("{name} is {} bytes long: the limit is {ID_BYTES_MAX}", text.len()));
    }
    check_text(role, text)
}

/// Checks that an id is text, and returns it.
///
/// # Errors
/// Returns the reason if it is not valid UTF-8.
pub fn check_text(role: Role, text: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(text).map_err(|_| format!("{} {} is not valid UTF-8", role.name(), Quoted(text)))
}

/// Returns the reason for setting an order with this price aside. `price` is the price as it is to
/// be shown.
pub fn price_reason(price: impl fmt::Display, error: AmountError) -> String {
    match error {
        AmountError::Empty => "price is empty".to_owned(),
        error => format!("price {price} {error}"),
    }
}

/// Checks an event time that is a number already, and returns it in epoch milliseconds.
///
/// # Errors
/// Returns the reason if it is outside [`AT_MS_MIN`] to [`AT_MS_MAX`].
pub fn check_at_ms(at_ms: i64) -> Result<i64, String> {
    if (AT_MS_MIN..=AT_MS_MAX).contains(&at_ms) { Ok(at_ms) } else { Err(out_of_range(&at_ms)) }
}

/// Returns the reason for setting an order with a time outside the range aside. `at` is the time as
/// it is to be shown.
pub fn out_of_range(at: &dyn fmt::Display) -> String {
    format!("timestamp {at} is out of range: epoch milliseconds from {AT_MS_MIN} to {AT_MS_MAX}")
}

/// Returns the text without the spaces and tabs around it.
pub fn trim_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Bytes from outside, shown in quotes, escaped, and cut with `…` after 64 characters.
pub struct Quoted<'a>(pub &'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", Cut(self.0))
    }
}

/// Bytes from outside, shown like [`Quoted`] but without the quotes.
pub struct Cut<'a>(pub &'a [u8]);

impl fmt::Display for Cut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A character has at most four bytes. So these bytes are enough for all that is shown and
        // for the `…`.
        let shown = &self.0[..self.0.len().min(4 * (QUOTED_CHARS_MAX + 1))];
        let mut chars_left = QUOTED_CHARS_MAX;
        for chunk in shown.utf8_chunks() {
            for char in chunk.valid().chars() {
                if chars_left == 0 {
                    return f.write_str("…");
                }
                chars_left -= 1;
                match char {
                    '\'' => f.write_str("'")?,
                    char => write!(f, "{}", char.escape_debug())?,
                }
            }
            for byte in chunk.invalid() {
                if chars_left == 0 {
                    return f.write_str("…");
                }
                chars_left -= 1;
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_lie_within_the_years_5_to_9987() {
        assert_eq!(check_at_ms(AT_MS_MAX), Ok(AT_MS_MAX));
        assert_eq!(check_at_ms(AT_MS_MIN), Ok(AT_MS_MIN));
        assert_eq!(
            check_at_ms(AT_MS_MAX + 1),
            Err("timestamp 253000000000001 is out of range: \
                 epoch milliseconds from -62000000000000 to 253000000000000"
                .to_owned())
        );
        assert!(check_at_ms(i64::MIN).unwrap_err().starts_with("timestamp -9223372036854775808 is out of"));
    }

    #[test]
    fn ids_are_text_of_1_to_1024_bytes() {
        let long = "é".repeat(512);
        assert_eq!(check_id(Role::UserId, long.as_bytes()), Ok(long.as_str()));
        let cases: [(&[u8], &str); 3] = [
            (b"", "order_id is empty"),
            (&[b'x'; 1025], "order_id is 1025 bytes long: the limit is 1024"),
            (b"caf\xe9", "order_id \"caf\\xe9\" is not valid UTF-8"),
        ];
        for (text, reason) in cases {
            assert_eq!(check_id(Role::OrderId, text), Err(reason.to_owned()));
        }
    }

    #[test]
    fn quoted_values_are_escaped_and_cut() {
        let cases: [(&[u8], &str); 5] = [
            (b"it's 12,34", "\"it's 12,34\""),
            (b"a\"b\\c\n\t\x1b", r#""a\"b\\c\n\t\u{1b}""#),
            (b"\xff\xfe\xe9t\xc3\xa9", r#""\xff\xfe\xe9té""#),
            (&[b'x'; 64], &format!("\"{}\"", "x".repeat(64))),
            (&[b'x'; 10_000_000], &format!("\"{}…\"", "x".repeat(64))),
        ];
        for (value, shown) in cases {
            assert_eq!(Quoted(value).to_string(), shown);
        }
        assert_eq!(Quoted("é".repeat(100).as_bytes()).to_string(), format!("\"{}…\"", "é".repeat(64)));
    }
}
