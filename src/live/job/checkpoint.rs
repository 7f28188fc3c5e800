//! Reads and writes the checkpoint: totals by key as of an epoch, in the same commit as its
//! results.
//!
//! | note | value |
//! |---|---|
//! | `job` | the [`Head`], JSON |
//! | `job/r` order's key | a reject: its commit `u64`, little-endian, and the reason |
//! | `job/u` user | totals of a row of the view `users` |
//! | `job/t` | totals of the row of the view `total` |
//! | `job/w` start of a window, milliseconds `i64`, big-endian | totals of a row of the view `windows` |
//! | `job/v` length of the view's name `u8`, name, parts of the key | totals of a row of any other view |
//!
//! A part of a key under `job/v` is either `t`, the length of a text `u32`, big-endian, and the
//! text, or `i` and an `i64`, big-endian. Totals are the number of orders `i64` and the amount in
//! 10^-18 units `i128`, both little-endian. The key of an order is the length of its user `u16`,
//! little-endian, the user and the order.
//!
//! The head holds the number of rejects and the sum of the XXH3 digests of all totals. So entries
//! that are missing, changed or too many are found. Totals of views that disagree are found, too.

use std::collections::BTreeMap;

use dataflows::views::{TOTAL, USERS, WINDOWS};
use dataflows::{Amount, Change, Id, Part, Parts, RowKey, Totals, ViewId};
use xxhash_rust::xxh3::Xxh3;

use super::recorded::{HEAD_KEY, Head, Unusable};
use order_tables::{RejectRow, schemas};
use orders::Layout;
use store::error::Damage;
use store::value::{KeyValue, PrimaryKey};
use store::view::View;

/// The start of the key of each entry.
const ENTRY: &[u8] = b"job/";

/// The letters that follow in the keys of entries, for the views that have a letter of their own.
const LETTERS: [(ViewId, u8); 3] = [(USERS, b'u'), (TOTAL, b't'), (WINDOWS, b'w')];

/// The letter that follows in the keys of entries of all other views.
const NAMED: u8 = b'v';

/// The letter that follows in the keys of rejects.
const REJECT: u8 = b'r';

/// The number of bytes of totals.
const TOTALS_BYTES: usize = 24;

/// A note: its key, and its value; `None` deletes the note.
pub(super) type Note = (Vec<u8>, Option<Vec<u8>>);

/// The totals and rejects of a checkpoint.
#[derive(Debug)]
pub(super) struct Checkpoint {
    pub(super) head: Head,
    pub(super) totals: Vec<(RowKey, Totals)>,
    pub(super) rejects: Rejects,
}

/// The orders that are set aside, by their keys.
pub(super) type Rejects = BTreeMap<PrimaryKey, RejectRow>;

/// One note of the checkpoint other than the head.
enum Entry {
    Totals(RowKey, Totals),
    Reject(RejectRow),
}

/// What was found in place of a checkpoint.
#[derive(Debug)]
pub(super) enum Found {
    /// No checkpoint was ever written.
    Nothing,
    /// The checkpoint is whole.
    Whole(Checkpoint),
    /// The checkpoint cannot be used.
    Unusable(Unusable),
}

/// Reads the checkpoint in a view. Cost: reads one entry for each row of a view and each reject.
pub(super) fn load(view: &View) -> Result<Found, Damage> {
    let head = match Head::read(view)? {
        Some(Ok(head)) => head,
        Some(Err(unusable)) => return Ok(Found::Unusable(unusable)),
        None => return Ok(Found::Nothing),
    };
    // Each view has a table.
    if head.tables.len() != schemas().len() {
        return Ok(Found::Unusable(Unusable::OtherViews));
    }
    let (mut totals, mut rejects, mut digest) = (Vec::new(), Rejects::new(), Digest::default());
    for note in view.notes(ENTRY) {
        let (key, value) = note?;
        match decode(&key, &value) {
            Some(Entry::Totals(of, is)) => {
                digest.add(&key, &value);
                totals.push((of, is));
            }
            Some(Entry::Reject(reject)) => drop(rejects.insert(reject.key.clone(), reject)),
            None => return Ok(Found::Unusable(Unusable::Damaged)),
        }
    }
    if digest.0 != head.digest || head.rejects != rejects.len() as u64 || !agree(&totals) {
        return Ok(Found::Unusable(Unusable::Damaged));
    }
    Ok(Found::Whole(Checkpoint { head, totals, rejects }))
}

/// Returns the keys of all notes of the checkpoint in a view, even if they are damaged.
pub(super) fn keys(view: &View) -> Result<Vec<Vec<u8>>, Damage> {
    view.notes(HEAD_KEY).map(|note| note.map(|(key, _)| key)).collect()
}

/// Returns whether each view of all orders adds up to the total.
fn agree(entries: &[(RowKey, Totals)]) -> bool {
    let mut sums: Vec<Totals> = ViewId::all().map(|_| Totals::ZERO).collect();
    for (key, totals) in entries {
        let sum = &mut sums[key.view.index()];
        // Damaged amounts may overflow.
        let Some(amount) = sum.amount.checked_add(totals.amount) else { return false };
        *sum = Totals { orders: sum.orders.wrapping_add(totals.orders), amount };
    }
    ViewId::all().filter(|view| view.is_of_all()).all(|view| sums[view.index()] == sums[TOTAL.index()])
}

/// The running sum of the digests of all totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest(pub(super) u64);

impl Digest {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        self.0 = self.0.wrapping_add(entry_digest(key, value));
    }

    fn take(&mut self, key: &[u8], value: &[u8]) {
        self.0 = self.0.wrapping_sub(entry_digest(key, value));
    }

    /// Returns the note of a changed row, and updates the digest.
    pub(super) fn apply(&mut self, change: &Change) -> Note {
        let key = encode_key(&change.key);
        if let Some(before) = &change.before {
            self.take(&key, &encode_totals(before));
        }
        let after = change.after.as_ref().map(encode_totals);
        if let Some(after) = &after {
            self.add(&key, after);
        }
        (key, after.map(|after| after.to_vec()))
    }
}

fn entry_digest(key: &[u8], value: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(key);
    hash.update(value);
    hash.digest()
}

/// Returns the note of an order that is set aside; without `reject`, the order is one no more.
pub(super) fn reject_note(key: &PrimaryKey, reject: Option<&RejectRow>) -> Note {
    let mut bytes = ENTRY.to_vec();
    bytes.push(REJECT);
    if let [KeyValue::String(user), KeyValue::String(order)] = key.as_slice() {
        // Keys are limited to 1,024 bytes a column.
        bytes.extend_from_slice(&(user.len() as u16).to_le_bytes());
        bytes.extend_from_slice(user.as_bytes());
        bytes.extend_from_slice(order.as_bytes());
    }
    let value = reject.map(|reject| [&reject.commit.to_le_bytes(), reject.reason.as_bytes()].concat());
    (bytes, value)
}

/// Returns the note of the head.
pub(super) fn head_note(upper: u64, layout: &Layout, tables: Vec<u32>, rejects: u64, digest: Digest) -> Note {
    (HEAD_KEY.to_vec(), Some(Head::new(upper, layout, tables, rejects, digest.0).encode()))
}

fn encode_key(key: &RowKey) -> Vec<u8> {
    let mut bytes = ENTRY.to_vec();
    let letter = LETTERS.iter().find(|(view, _)| *view == key.view).map(|(_, letter)| *letter);
    match letter {
        Some(letter) => bytes.push(letter),
        None => {
            // Names of views are a few letters long.
            bytes.extend_from_slice(&[NAMED, key.view.name.len() as u8]);
            bytes.extend_from_slice(key.view.name.as_bytes());
        }
    }
    for part in key.parts.as_slice() {
        match part {
            Part::Text(text) if letter.is_some() => text.with_bytes(|text| bytes.extend_from_slice(text)),
            Part::Integer(number) if letter.is_some() => bytes.extend_from_slice(&number.to_be_bytes()),
            part => push_part(&mut bytes, part),
        }
    }
    bytes
}

/// Appends a part of a key that may have several parts.
fn push_part(bytes: &mut Vec<u8>, part: &Part) {
    match part {
        Part::Text(text) => text.with_bytes(|text| {
            bytes.push(b't');
            // Keys are limited to 1,024 bytes a column.
            bytes.extend_from_slice(&(text.len() as u32).to_be_bytes());
            bytes.extend_from_slice(text);
        }),
        Part::Integer(number) => {
            bytes.push(b'i');
            bytes.extend_from_slice(&number.to_be_bytes());
        }
    }
}

fn encode_totals(totals: &Totals) -> [u8; TOTALS_BYTES] {
    let mut bytes = [0; TOTALS_BYTES];
    bytes[..8].copy_from_slice(&totals.orders.to_le_bytes());
    bytes[8..].copy_from_slice(&totals.amount.units().to_le_bytes());
    bytes
}

fn decode(key: &[u8], value: &[u8]) -> Option<Entry> {
    let (kind, rest) = key.strip_prefix(ENTRY)?.split_first()?;
    if *kind == REJECT {
        return decode_reject(rest, value).map(Entry::Reject);
    }
    let (view, parts) = match LETTERS.iter().find(|(_, letter)| letter == kind) {
        Some((view, _)) if view.key.is_empty() => (*view, rest.is_empty().then_some(Parts::None)?),
        Some((view, _)) if view.is_key(&Parts::integer(0)) => {
            (*view, Parts::integer(i64::from_be_bytes(rest.try_into().ok()?)))
        }
        Some((view, _)) => (*view, Parts::text(Id::new(std::str::from_utf8(rest).ok()?))),
        None if *kind == NAMED => decode_named(rest)?,
        None => return None,
    };
    let (orders, units) = value.split_first_chunk()?;
    let totals = Totals {
        orders: i64::from_le_bytes(*orders),
        amount: Amount::from_units(i128::from_le_bytes(units.try_into().ok()?)),
    };
    (totals.orders > 0 && view.is_key(&parts)).then(|| Entry::Totals(RowKey::new(view, parts), totals))
}

/// Reads a view, by its name, and the key that follows it.
fn decode_named(bytes: &[u8]) -> Option<(ViewId, Parts)> {
    let (length, rest) = bytes.split_first()?;
    let (name, parts) = rest.split_at_checked(usize::from(*length))?;
    let view = ViewId::all().find(|view| view.name.as_bytes() == name)?;
    Some((view, decode_parts(parts)?))
}

/// Reads the parts of a key as [`push_part`] appends them.
fn decode_parts(mut rest: &[u8]) -> Option<Parts> {
    let mut parts = Vec::new();
    while let Some((kind, value)) = rest.split_first() {
        match kind {
            b't' => {
                let (length, value) = value.split_first_chunk()?;
                let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
                let (text, next) = value.split_at_checked(length)?;
                parts.push(Part::Text(Id::new(std::str::from_utf8(text).ok()?)));
                rest = next;
            }
            b'i' => {
                let (number, next) = value.split_first_chunk()?;
                parts.push(Part::Integer(i64::from_be_bytes(*number)));
                rest = next;
            }
            _ => return None,
        }
    }
    Some(Parts::from(parts))
}

fn decode_reject(key: &[u8], value: &[u8]) -> Option<RejectRow> {
    let (user_bytes, key) = key.split_first_chunk()?;
    let (user, order) = key.split_at_checked(usize::from(u16::from_le_bytes(*user_bytes)))?;
    let (commit, reason) = value.split_first_chunk()?;
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    Some(RejectRow {
        key: vec![KeyValue::String(text(user)?), KeyValue::String(text(order)?)],
        reason: text(reason)?,
        commit: u64::from_le_bytes(*commit),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_of_the_first_views_are_what_they_have_always_been() {
        let totals = Totals { orders: 3, amount: Amount::from_units(-2) };
        let value = [[3, 0, 0, 0, 0, 0, 0, 0], [254, 255, 255, 255, 255, 255, 255, 255], [255; 8]].concat();
        for (key, bytes) in [
            (RowKey::new(USERS, Parts::text(Id::new("größe"))), "job/ugröße".as_bytes()),
            (RowKey::new(TOTAL, Parts::None), b"job/t"),
            (RowKey::new(WINDOWS, Parts::integer(-30_000)), b"job/w\xff\xff\xff\xff\xff\xff\x8a\xd0"),
        ] {
            assert_eq!((encode_key(&key).as_slice(), encode_totals(&totals).as_slice()), (bytes, &*value));
            match decode(bytes, &value) {
                Some(Entry::Totals(found, is)) => assert_eq!((found, is), (key, totals)),
                _ => panic!("{key:?} is read back"),
            }
        }
    }

    #[test]
    fn keys_of_several_parts_are_read_back_and_no_others() {
        let parts = [Part::Text(Id::new("u")), Part::Integer(-1), Part::Text(Id::new("")), Part::Integer(7)];
        for count in 0..=parts.len() {
            let mut bytes = Vec::new();
            parts[..count].iter().for_each(|part| push_part(&mut bytes, part));
            assert_eq!(decode_parts(&bytes), Some(Parts::from(parts[..count].to_vec())));
            if count > 0 {
                assert_eq!(decode_parts(&bytes[..bytes.len() - 1]), None, "cut off");
            }
        }
        assert_eq!(decode_parts(b"x"), None);
        assert_eq!(decode_parts(b"t\0\0\0\x01\xff"), None, "no text");
    }
}
