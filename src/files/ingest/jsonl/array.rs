//! Goes through a top-level array of JSON, an element at a time.
//!
//! Only brackets, commas and strings are looked at. Whether an element is JSON is found when it is
//! read.

use memchr::memchr2;

/// What comes next in a document that is an array.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// An array begins, or the document ends.
    Array,
    /// An element comes, or the array ends.
    Element,
    /// A comma comes, or the array ends.
    Comma,
}

/// How far a reader is within a value.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Nesting {
    depth: u32,
    in_string: bool,
}

impl Nesting {
    /// Goes on through a value. Returns how many bytes are left of it, and `None` if it does not
    /// end in `bytes`.
    ///
    /// At the start of a value, `bytes` must begin with its first byte. Later, it must begin where
    /// the bytes before ended. A backslash at the end of `bytes` is an error of the caller, because
    /// what it escapes would be lost: see [`Nesting::cut`].
    pub(super) fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            if self.in_string {
                at += memchr2(b'"', b'\\', &bytes[at..])?;
                if bytes[at] == b'\\' {
                    at += 2;
                    if at > bytes.len() {
                        return None;
                    }
                    continue;
                }
                self.in_string = false;
                at += 1;
                if self.depth == 0 {
                    return Some(at);
                }
                continue;
            }
            match *bytes.get(at)? {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth == 0 => return Some(at),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                b',' | b' ' | b'\t' | b'\r' | b'\n' if self.depth == 0 => return Some(at),
                _ => {}
            }
            at += 1;
        }
    }

    /// Returns the number of the first bytes of `bytes` that may be passed to [`end`](Self::end)
    /// alone: all, unless a backslash stands at their end.
    pub(super) fn cut(bytes: &[u8]) -> usize {
        let backslashes = bytes.iter().rev().take_while(|byte| **byte == b'\\').count();
        bytes.len() - backslashes % 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_where_its_brackets_do() {
        for (text, length) in [
            (r#"{"a":1} "#, Some(7)),
            (r#"{"a":[{"b":"]}"}]},"#, Some(18)),
            (r#"{"a":"\"}"}]"#, Some(11)),
            (r#"{"a":"\\"}]"#, Some(10)),
            ("[1,[2]],", Some(7)),
            (r#""a,b]" ,"#, Some(6)),
            ("12,", Some(2)),
            ("12]", Some(2)),
            ("true\n", Some(4)),
            ("12", None),
            ("{", None),
            (r#"{"a}"#, None),
        ] {
            assert_eq!(Nesting::default().end(text.as_bytes()), length, "{text}");
        }
    }

    #[test]
    fn a_value_may_come_in_pieces() {
        let text = br#"{"a":"\\\"}]","b":[1,{"c":"\\"}]},"#;
        let whole = Nesting::default().end(text).unwrap();
        for first in 1..whole {
            let cut = Nesting::cut(&text[..first]);
            let mut nesting = Nesting::default();
            assert_eq!(nesting.end(&text[..cut]), None, "{first}");
            assert_eq!(nesting.end(&text[cut..]), Some(whole - cut), "{first}");
        }
    }
}
