//! A token that callers show: whoever has it is let in.
//!
//! Programs show the token itself, in a header. Browsers are given a cookie once their user has
//! shown the token. The cookie is derived from the token, so it needs no memory here, outlives
//! restarts, and is worth nothing once there is another token.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The fewest characters of a token, so that it cannot be guessed.
pub const TOKEN_CHARS_MIN: usize = 16;

/// The most characters of a token.
const TOKEN_CHARS_MAX: usize = 512;

/// The scheme by which a header gives a token, as RFC 6750 defines it.
const SCHEME: &str = "bearer";

/// The number of bytes by which the cookies of two tokens on one host are told apart.
const NAME_BYTES: usize = 4;

/// A token. It is cheap to clone.
#[derive(Clone)]
pub struct Token {
    token: Expected,
    cookie: Expected,
    cookie_name: String,
    cookie_value: String,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// Creates a token from its text.
    ///
    /// # Errors
    /// Returns the reason if the text is too short, too long, or has a character that headers do
    /// not carry unchanged.
    pub fn new(text: &str) -> Result<Token, String> {
        if text.is_empty() {
            return Err("it is empty".to_owned());
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(
                "it must be one line of letters, digits and signs of ASCII, without spaces".to_owned()
            );
        }
        if !(TOKEN_CHARS_MIN..=TOKEN_CHARS_MAX).contains(&text.len()) {
            let found = text.len();
            return Err(format!(
                "it must have {TOKEN_CHARS_MIN} to {TOKEN_CHARS_MAX} characters, and has {found}"
            ));
        }
        let (cookie_value, cookie_name) =
            (hex(&derived(text, "cookie")), derived(text, "name of the cookie"));
        // Browsers send the cookies of a host to all its ports.
        let cookie_name = format!("orderflow_{}", hex(&cookie_name[..NAME_BYTES]));
        Ok(Token {
            token: Expected::of(text.as_bytes()),
            cookie: Expected::of(cookie_value.as_bytes()),
            cookie_name,
            cookie_value,
        })
    }

    /// Returns whether this is the token. Takes the same time for all texts of a length.
    pub fn is(&self, given: &[u8]) -> bool {
        self.token.is(given)
    }

    /// Returns whether a request shows the token or the cookie, by its headers `Authorization` and
    /// `Cookie`.
    pub fn is_shown<'a>(
        &self,
        authorizations: impl IntoIterator<Item = &'a [u8]>,
        cookies: impl IntoIterator<Item = &'a [u8]>,
    ) -> bool {
        authorizations.into_iter().filter_map(bearer).any(|given| self.token.is(given))
            || cookies
                .into_iter()
                .flat_map(|header| header.split(|byte| *byte == b';'))
                .filter_map(|cookie| self.value_of(cookie.trim_ascii()))
                .any(|given| self.cookie.is(given))
    }

    /// Returns the cookie that stands for the token, as `name=value`.
    pub fn cookie(&self) -> String {
        format!("{}={}", self.cookie_name, self.cookie_value)
    }

    fn value_of<'a>(&self, cookie: &'a [u8]) -> Option<&'a [u8]> {
        cookie.strip_prefix(self.cookie_name.as_bytes())?.strip_prefix(b"=")
    }
}

/// Returns the token of a header `Authorization: Bearer TOKEN`.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(SCHEME.len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(SCHEME.as_bytes());
    token.strip_prefix(b" ").filter(|_| is_bearer).map(<[u8]>::trim_ascii)
}

/// What a caller is expected to give. Only a digest is kept and compared, so that the time of a
/// comparison tells nothing.
#[derive(Clone)]
struct Expected([u8; 32]);

impl Expected {
    fn of(bytes: &[u8]) -> Expected {
        Expected(keyed(bytes).finalize().into_bytes().into())
    }

    fn is(&self, given: &[u8]) -> bool {
        // Compares in constant time.
        keyed(given).verify_slice(&self.0).is_ok()
    }
}

/// Returns 32 bytes that follow from the token but do not tell it.
fn derived(token: &str, purpose: &str) -> [u8; 32] {
    keyed(token.as_bytes()).chain_update(purpose).finalize().into_bytes().into()
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key);
    let Ok(mac) = mac else { unreachable!("an HMAC takes a key of any length") };
    mac
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a-token-of-20-letter";

    #[test]
    fn only_the_token_or_its_cookie_lets_in() {
        let token = Token::new(TEXT).unwrap();
        let cookie = token.cookie();
        let other = Token::new("another-token-of-this-host").unwrap().cookie();
        let (name, value) = cookie.split_once('=').unwrap();
        for (authorization, cookies, expected) in [
            ("", "", false),
            ("Bearer a-token-of-20-letter", "", true),
            ("bearer  a-token-of-20-letter ", "", true),
            ("Bearer a-token-of-20-lettes", "", false),
            ("Bearer a-token-of-20-lette", "", false),
            ("Bearer a-token-of-20-letters", "", false),
            ("Bearer ", "", false),
            ("Bearer", "", false),
            ("Bearera-token-of-20-letter", "", false),
            ("Basic a-token-of-20-letter", "", false),
            ("a-token-of-20-letter", "", false),
            ("", &cookie, true),
            ("", &format!("theme=dark; {cookie};x=1"), true),
            ("", &format!("{other}; {cookie}"), true),
            ("", &format!("{name}=wrong; {cookie}"), true),
            ("", &other, false),
            ("", &format!("{name}={TEXT}"), false),
            ("", &format!("{name}="), false),
            ("", &format!("x{cookie}"), false),
            ("", &format!("{cookie}0"), false),
            ("", value, false),
            (&format!("Bearer {value}"), "", false),
        ] {
            let given = token.is_shown([authorization.as_bytes()], [cookies.as_bytes()]);
            assert_eq!(given, expected, "{authorization:?} {cookies:?}");
        }
        // The cookie is the same after a restart, and tells nothing of the token.
        assert_eq!(Token::new(TEXT).unwrap().cookie(), cookie);
        assert!(!cookie.contains(TEXT) && !format!("{token:?}").contains("token-of"));
        assert!(token.is(TEXT.as_bytes()) && !token.is(value.as_bytes()) && !token.is(b""));
    }

    #[test]
    fn texts_that_are_no_token() {
        for (text, reason) in [
            ("", "it is empty"),
            ("15-characters--", "it must have 16 to 512 characters, and has 15"),
            (&"x".repeat(513), "it must have 16 to 512 characters, and has 513"),
            ("a token of 20 letter", "it must be one line of letters"),
            ("a-token-of-two-lines\na", "it must be one line of letters"),
            ("a-token-with-ümlauts", "it must be one line of letters"),
        ] {
            assert!(Token::new(text).unwrap_err().starts_with(reason), "{text:?}");
        }
        assert!(Token::new(&"x".repeat(16)).is_ok() && Token::new(&"x".repeat(512)).is_ok());
    }
}
