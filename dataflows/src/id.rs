//! Ids of users and orders: short ones are held inline, long ones are shared.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use differential_dataflow::Hashable;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest text that is held inline, in bytes.
pub const INLINE_MAX: usize = 15;

/// For each length, the mask that keeps this many first bytes of a big-endian word.
const KEEP_FIRST: [u128; INLINE_MAX + 1] = {
    let mut keep = [0; INLINE_MAX + 1];
    let mut length = 1;
    while length <= INLINE_MAX {
        keep[length] = u128::MAX << (128 - 8 * length);
        length += 1;
    }
    keep
};

/// The last byte of `words` if the text is shared. If the text is inline, that byte is its length.
const SHARED: u64 = 0xff;

/// The id of a user or an order: UTF-8 text of any length, ordered bytewise.
///
/// Up to [`INLINE_MAX`] bytes are held in the value itself: comparing, hashing and cloning such an
/// id touches no other memory. Longer text is held behind a reference count.
#[derive(Clone)]
pub struct Id {
    /// If inline: the bytes, big-endian and zero-padded, then the length. If shared: the first
    /// eight bytes, 56 bits of a hash of all bytes, then [`SHARED`].
    words: [u64; 2],
    shared: Option<Arc<String>>,
}

impl Id {
    /// Creates an id from text. Allocates once if the text is longer than [`INLINE_MAX`] bytes.
    pub fn new(text: &str) -> Id {
        let bytes = text.as_bytes();
        if bytes.len() <= INLINE_MAX {
            let mut padded = [0; 16];
            padded[..bytes.len()].copy_from_slice(bytes);
            return Id::inline(u128::from_be_bytes(padded), bytes.len());
        }
        let mut first = [0; 8];
        first.copy_from_slice(&bytes[..8]);
        let words = [u64::from_be_bytes(first), text.hashed() << 8 | SHARED];
        Id { words, shared: Some(Arc::new(text.to_owned())) }
    }

    /// Creates an id from the first `length` bytes of a window; `None` if they are more than
    /// [`INLINE_MAX`] or not all ASCII. The other bytes of the window are ignored. There is no
    /// branch but this check.
    #[inline]
    pub fn from_ascii_window(window: &[u8; 16], length: usize) -> Option<Id> {
        let text = u128::from_be_bytes(*window) & KEEP_FIRST.get(length)?;
        const HIGH_BITS: u128 = u128::from_ne_bytes([0x80; 16]);
        (text & HIGH_BITS == 0).then(|| Id::inline(text, length))
    }

    #[inline]
    fn inline(text: u128, length: usize) -> Id {
        Id { words: [(text >> 64) as u64, text as u64 | length as u64], shared: None }
    }

    /// Calls `logic` with the text's bytes.
    #[inline]
    pub fn with_bytes<R>(&self, logic: impl FnOnce(&[u8]) -> R) -> R {
        match &self.shared {
            Some(text) => logic(text.as_bytes()),
            None => {
                let bytes = self.inline_bytes();
                logic(&bytes[..self.len()])
            }
        }
    }

    #[inline]
    fn inline_bytes(&self) -> [u8; 16] {
        (u128::from(self.words[0]) << 64 | u128::from(self.words[1])).to_be_bytes()
    }

    /// Returns the length of the text in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.shared.as_ref().map_or((self.words[1] & 0xff) as usize, |text| text.len())
    }

    /// Returns whether the text is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the two words that tell this id from others: the whole of an inline id, or a digest
    /// of a shared one.
    #[inline]
    pub(crate) fn words(&self) -> [u64; 2] {
        self.words
    }

    /// Returns the text if it is shared; `None` if it is inline.
    #[inline]
    pub(crate) fn shared(&self) -> Option<&str> {
        self.shared.as_ref().map(|text| text.as_str())
    }

    /// Returns the inline id with these [`words`](Id::words); `None` if no inline id has them.
    pub(crate) fn from_words(words: [u64; 2]) -> Option<Id> {
        let id = Id { words, shared: None };
        let length = (words[1] & 0xff) as usize;
        if length > INLINE_MAX {
            return None;
        }
        let bytes = id.inline_bytes();
        let padded = bytes[length..INLINE_MAX].iter().all(|byte| *byte == 0);
        (padded && std::str::from_utf8(&bytes[..length]).is_ok()).then_some(id)
    }
}

impl PartialEq for Id {
    #[inline]
    fn eq(&self, other: &Id) -> bool {
        self.words == other.words && self.shared == other.shared
    }
}

impl Eq for Id {}

impl Ord for Id {
    #[inline]
    fn cmp(&self, other: &Id) -> Ordering {
        match (&self.shared, &other.shared) {
            // Zero padding sorts first and the length breaks ties, which is bytewise order.
            (None, None) => self.words.cmp(&other.words),
            _ => self.with_bytes(|a| other.with_bytes(|b| a.cmp(b))),
        }
    }
}

impl PartialOrd for Id {
    #[inline]
    fn partial_cmp(&self, other: &Id) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl std::hash::Hash for Id {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.words.hash(state);
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every way to make an id checks that it is UTF-8, so nothing is replaced here.
        self.with_bytes(|bytes| f.write_str(&String::from_utf8_lossy(bytes)))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Id {
        Id::new(text)
    }
}

/// As text.
impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id, D::Error> {
        String::deserialize(deserializer).map(|text| Id::new(&text))
    }
}
