//! The container in which records travel between workers, and its bytes between processes.
//!
//! Within a process, a [`Parcel`] is passed on by its pointer. Between processes it is written as
//! ```text
//! header   4 words: MAGIC, words a record, records, bytes of text
//! records  that many times `W` words
//! text     the bytes of ids too long to be inline, in record order, padded with zeros to 8
//! ```
//! in the sender's byte order. `MAGIC` differs if it is read in another order. Header and records
//! are encoded and decoded by abomonation, which copies memory as it is laid out.
//!
//! # Safety
//! This is the only module of the crate with `unsafe`. abomonation's `encode` and `decode` are
//! unsafe because they view any type as bytes and any bytes as a type. Here they only ever see
//! [`Words`]:
//! - it is `repr(C)` over `[u64; W]`, so it has no padding to leak and no pointer to follow;
//! - each bit pattern is a valid value, so nothing that a peer sends can make an invalid one;
//! - its `Abomonation` is the empty default: nothing beyond its own bytes is written or patched;
//! - it is decoded out of a `Vec<u64>`, so it is aligned, and abomonation checks that enough bytes
//!   are left.
//!
//! The meaning of the words is checked afterwards, in safe code, by [`Packed::unpack`]. A parcel
//! that is not valid causes a panic: a peer is authenticated, so the build or the memory must be
//! broken, and no answer is better than a wrong one.

#![allow(unsafe_code)]

use std::io::Write;

use abomonation::Abomonation;
use timely::bytes::arc::Bytes;
use timely::container::{Accountable, CapacityContainerBuilder, DrainContainer, PushInto, SizableContainer};
use timely::dataflow::channels::ContainerBytes;
use timely::dataflow::channels::pact::ExchangeCore;

/// The first word of a parcel. Its bytes name the format and its version.
const MAGIC: u64 = u64::from_le_bytes(*b"parcel 1");

/// The number of bytes of one word.
const WORD_BYTES: usize = size_of::<u64>();

/// A fixed number of words. abomonation is used for nothing else.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Words<const W: usize>(pub [u64; W]);

impl<const W: usize> Abomonation for Words<W> {}

type Header = Words<4>;

/// A record that can be written as `W` words and a text of any length.
pub trait Packed<const W: usize>: Sized {
    /// Returns the words of this record.
    fn pack(&self) -> Words<W>;

    /// Returns the texts of this record that its words do not hold, in the order in which `unpack`
    /// takes them.
    fn texts(&self) -> [Option<&str>; 2] {
        [None, None]
    }

    /// Makes a record from words, and takes its texts from the front of `text`. Returns `None` if
    /// they are not those of a record.
    fn unpack(words: &Words<W>, text: &mut &[u8]) -> Option<Self>;
}

/// Records on their way to another worker.
#[derive(Clone, Debug)]
pub struct Parcel<R, const W: usize> {
    /// The records, in the order in which they were pushed.
    pub records: Vec<R>,
}

impl<R, const W: usize> Default for Parcel<R, W> {
    fn default() -> Self {
        Parcel { records: Vec::new() }
    }
}

impl<R, const W: usize> Accountable for Parcel<R, W> {
    fn record_count(&self) -> i64 {
        self.records.record_count()
    }
}

impl<R, const W: usize> DrainContainer for Parcel<R, W> {
    type Item<'a>
        = R
    where
        Self: 'a;
    type DrainIter<'a>
        = std::vec::Drain<'a, R>
    where
        Self: 'a;
    fn drain(&mut self) -> Self::DrainIter<'_> {
        self.records.drain(..)
    }
}

impl<R, const W: usize> SizableContainer for Parcel<R, W> {
    fn at_capacity(&self) -> bool {
        self.records.at_capacity()
    }
    fn ensure_capacity(&mut self, stash: &mut Option<Self>) {
        let mut records = stash.take().map(|parcel| parcel.records);
        self.records.ensure_capacity(&mut records);
    }
}

impl<R, const W: usize> PushInto<R> for Parcel<R, W> {
    #[inline]
    fn push_into(&mut self, record: R) {
        self.records.push(record);
    }
}

/// Returns the pact that sends each record to the worker with the number `route`, modulo the number
/// of workers.
pub fn exchange<R: 'static, const W: usize, F>(route: F) -> ExchangeParcels<R, W, F>
where
    F: FnMut(&R) -> u64 + 'static,
{
    ExchangeParcels::<R, W, F>::new(route)
}

/// The pact that [`exchange()`] returns.
pub type ExchangeParcels<R, const W: usize, F> = ExchangeCore<CapacityContainerBuilder<Parcel<R, W>>, F>;

impl<R: Packed<W>, const W: usize> Parcel<R, W> {
    fn text_bytes(&self) -> usize {
        self.records.iter().flat_map(|record| record.texts()).flatten().map(str::len).sum()
    }

    /// Reads a parcel from bytes. The error says what is wrong with them.
    fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut aligned = vec![0_u64; bytes.len() / WORD_BYTES];
        // SAFETY: these are the bytes of a vector of words, all of them initialised, for as long as
        // the vector is borrowed. A byte has no alignment, and each value of a byte is valid in a
        // word.
        let buffer = unsafe {
            std::slice::from_raw_parts_mut(aligned.as_mut_ptr().cast::<u8>(), aligned.len() * WORD_BYTES)
        };
        if bytes.len() != buffer.len() {
            return Err("its length is not a whole number of words");
        }
        buffer.copy_from_slice(bytes);
        // SAFETY: `Words` may hold any bits, `buffer` is aligned for it, and `decode` checks the
        // length.
        let (header, mut rest) =
            unsafe { abomonation::decode::<Header>(buffer) }.ok_or("it has no header")?;
        let Words([magic, record_words, records, text_bytes]) = *header;
        if (magic, record_words) != (MAGIC, W as u64) {
            return Err("it is of another version, machine or channel");
        }
        let record_bytes =
            usize::try_from(records).ok().and_then(|records| records.checked_mul(W * WORD_BYTES));
        let text_bytes = usize::try_from(text_bytes).ok();
        let (Some(record_bytes), Some(text_bytes)) = (record_bytes, text_bytes) else {
            return Err("its lengths are beyond memory");
        };
        let padded =
            text_bytes.checked_next_multiple_of(WORD_BYTES).and_then(|text| text.checked_add(record_bytes));
        if padded != Some(rest.len()) {
            return Err("its lengths do not add up");
        }
        let (text, padding) = rest[record_bytes..].split_at(text_bytes);
        if padding.iter().any(|byte| *byte != 0) {
            return Err("its padding is not zero");
        }
        let text = text.to_vec();
        let mut text = &text[..];
        let mut parcel = Parcel { records: Vec::with_capacity(records as usize) };
        for _ in 0..records {
            // SAFETY: as above; `rest` starts a whole number of words into `buffer`.
            let (words, behind) = unsafe { abomonation::decode::<Words<W>>(rest) }.ok_or("it ends early")?;
            parcel.records.push(R::unpack(words, &mut text).ok_or("a record is not valid")?);
            rest = behind;
        }
        if text.is_empty() { Ok(parcel) } else { Err("text is left over") }
    }

    fn encode<Out: Write>(&self, out: &mut Out) -> std::io::Result<()> {
        let text_bytes = self.text_bytes();
        let header: Header = Words([MAGIC, W as u64, self.records.len() as u64, text_bytes as u64]);
        // SAFETY: `Words` has neither padding nor pointers, here and below.
        unsafe { abomonation::encode(&header, out)? };
        for record in &self.records {
            unsafe { abomonation::encode(&record.pack(), out)? };
        }
        if text_bytes > 0 {
            for text in self.records.iter().flat_map(|record| record.texts()).flatten() {
                out.write_all(text.as_bytes())?;
            }
            let padding = text_bytes.next_multiple_of(WORD_BYTES) - text_bytes;
            out.write_all(&[0; WORD_BYTES][..padding])?;
        }
        Ok(())
    }
}

impl<R: Packed<W>, const W: usize> ContainerBytes for Parcel<R, W> {
    /// Reads a parcel from bytes. Panics if they are not those of a parcel of this type.
    fn from_bytes(bytes: Bytes) -> Self {
        match Parcel::decode(&bytes) {
            Ok(parcel) => parcel,
            Err(why) => {
                panic!("a parcel of {} bytes from another process cannot be read: {why}", bytes.len())
            }
        }
    }

    fn length_in_bytes(&self) -> usize {
        let text = self.text_bytes().next_multiple_of(WORD_BYTES);
        size_of::<Header>() + self.records.len() * W * WORD_BYTES + text
    }

    fn into_bytes<Out: Write>(&self, out: &mut Out) {
        self.encode(out).expect("timely sized the buffer by length_in_bytes");
    }
}

#[cfg(test)]
mod tests;
