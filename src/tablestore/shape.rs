//! Checks how often the parts of a message occur before the message is decoded. Otherwise two bytes
//! on the wire could become a hundred in memory, and an absent required part would be decoded as
//! its default.

use std::fmt;

use prost::bytes::Buf;
use prost::encoding::{WireType, decode_key, decode_varint};

/// A part of a message that is limited or required. Parts that are not listed are few, or grow no
/// larger in memory than they are on the wire.
#[derive(Debug)]
pub(crate) struct Part {
    /// The number of the field.
    pub(crate) field: u32,
    /// The most times that it may occur in its message.
    pub(crate) count_max: usize,
    /// The sentence that a caller gets if it occurs more often.
    pub(crate) refusal: &'static str,
    /// The name of the part if it must occur.
    pub(crate) required: Option<&'static str>,
    /// The listed parts inside it, if it is a message.
    pub(crate) inside: &'static [Part],
}

/// The sentence that a caller gets if a single part occurs twice.
const TWICE: &str = "a part that may occur once occurs twice";

impl Part {
    /// Describes a message that may occur once and has these parts.
    pub(crate) const fn once(field: u32, inside: &'static [Part]) -> Part {
        Part { field, count_max: 1, refusal: TWICE, required: None, inside }
    }

    /// Describes a part that must occur exactly once.
    pub(crate) const fn must(field: u32, name: &'static str, inside: &'static [Part]) -> Part {
        Part { field, count_max: 1, refusal: TWICE, required: Some(name), inside }
    }
}

/// Why a message is not decoded.
#[derive(Debug)]
pub(crate) enum Misshapen {
    /// This part occurs too often.
    TooMany(&'static Part),
    /// The required part of this name is missing.
    Missing(&'static str),
    /// The bytes are not a message, for this reason.
    Broken(String),
}

impl fmt::Display for Misshapen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misshapen::TooMany(part) => f.write_str(part.refusal),
            Misshapen::Missing(name) => write!(f, "required part '{name}' is missing"),
            Misshapen::Broken(reason) => f.write_str(reason),
        }
    }
}

/// The most parts that may be listed for one message.
const PARTS_MAX: usize = 6;

/// Checks that no listed part occurs too often and that each required one occurs. Takes no memory.
/// Takes time by the number of bytes outside the listed parts that are messages themselves.
pub(crate) fn check(mut bytes: &[u8], parts: &'static [Part]) -> Result<(), Misshapen> {
    let broken = |error: prost::DecodeError| Misshapen::Broken(error.to_string());
    let cut = || Misshapen::Broken("a field ends beyond its message".to_owned());
    let mut counts = [0; PARTS_MAX];
    debug_assert!(parts.len() <= PARTS_MAX);
    while bytes.has_remaining() {
        let (field, wire_type) = decode_key(&mut bytes).map_err(broken)?;
        let length = match wire_type {
            WireType::Varint => {
                decode_varint(&mut bytes).map_err(broken)?;
                0
            }
            WireType::ThirtyTwoBit => 4,
            WireType::SixtyFourBit => 8,
            WireType::LengthDelimited => {
                usize::try_from(decode_varint(&mut bytes).map_err(broken)?).map_err(|_| cut())?
            }
            WireType::StartGroup | WireType::EndGroup => {
                return Err(Misshapen::Broken("groups are not part of any message".to_owned()));
            }
        };
        let (inner, rest) = bytes.split_at_checked(length).ok_or_else(cut)?;
        bytes = rest;
        for (part, count) in parts.iter().zip(&mut counts).filter(|(part, _)| part.field == field) {
            *count += 1;
            if *count > part.count_max {
                return Err(Misshapen::TooMany(part));
            }
            if wire_type == WireType::LengthDelimited && !part.inside.is_empty() {
                check(inner, part.inside)?;
            }
        }
    }
    let absent = parts.iter().zip(counts).find(|(part, count)| *count == 0 && part.required.is_some());
    match absent.and_then(|(part, _)| part.required) {
        Some(name) => Err(Misshapen::Missing(name)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn most(field: u32, count_max: usize, refusal: &'static str) -> Part {
        Part { field, count_max, refusal, required: None, inside: &[] }
    }

    static SHAPE: [Part; 2] =
        [most(1, 2, "three of field 1"), Part::once(2, &[most(3, 1, "two of field 3")])];
    static REQUIRED: [Part; 2] = [Part::must(1, "one", &[Part::must(2, "two", &[])]), Part::once(3, &[])];

    #[test]
    fn parts_are_counted_in_their_own_message() {
        let cases: [(&[u8], Option<&str>); 12] = [
            (&[], None),
            (&[0x0a, 0, 0x0a, 0], None),
            (&[0x0a, 0, 0x0a, 0, 0x0a, 0], Some("three of field 1")),
            (&[0x12, 2, 0x1a, 0, 0x1a, 0], None),
            (&[0x12, 4, 0x1a, 0, 0x1a, 0], Some("two of field 3")),
            (&[0x12, 0, 0x12, 0], Some("occurs twice")),
            (&[0x08, 0x80, 0x01, 0x25, 1, 2, 3, 4, 0x29, 1, 2, 3, 4, 5, 6, 7, 8], None),
            (&[0x29, 1, 2, 3, 4, 5, 6, 7], Some("beyond its message")),
            (&[0x0a, 3, 0], Some("beyond its message")),
            (&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], Some("beyond its message")),
            (&[0x0b, 0x0c], Some("groups")),
            (&[0x08], Some("varint")),
        ];
        for (bytes, reason) in cases {
            let refused = check(bytes, &SHAPE).err().map(|error| error.to_string());
            assert_eq!(refused.is_some(), reason.is_some(), "{bytes:x?}: {refused:?}");
            assert!(refused.unwrap_or_default().contains(reason.unwrap_or_default()), "{bytes:x?}");
        }
    }
    #[test]
    fn required_parts_are_missed_in_their_own_message() {
        let cases: [(&[u8], Option<&str>); 5] = [
            (&[0x0a, 2, 0x10, 0], None),
            (&[0x0a, 2, 0x10, 0, 0x1a, 0], None),
            (&[], Some("required part 'one' is missing")),
            (&[0x10, 0], Some("required part 'one' is missing")),
            (&[0x0a, 0], Some("required part 'two' is missing")),
        ];
        for (bytes, reason) in cases {
            let refused = check(bytes, &REQUIRED).err().map(|error| error.to_string());
            assert_eq!(refused.as_deref(), reason, "{bytes:x?}");
        }
    }
}
