//! Changed rows as they happen: one JSON line each.
//!
//! ```text
//! {"result":"users","epoch":7,"key":{"UserId":"u1"},"before":null,"after":{"count":1,"totalPrice":"5.00"}}
//! {"result":"total","epoch":7,"key":{},"before":null,"after":{"count":1,"totalPrice":"5.00"}}
//! {"result":"windows","epoch":7,"key":{"begin":"…","end":"…"},"before":null,"after":{"count":1,"totalPrice":"5.00"}}
//! ```
//!
//! `before` and `after` are `null` for the absent row, and amounts are strings: the exact decimals.
//! The total is one row whatever its numbers, so its key is empty, although the table it goes to is
//! keyed by `count`. Within an epoch rows come view by view, in the order of their keys: users bytewise,
//! windows by their first instant. Folding the lines in order gives the result files.

use std::io::{self, Write};

use dataflows::{Aggregate, Change, Epoch, Totals, ViewId};

use orders::Layout;
use orders::text::{push_amount, push_integer};

use super::files::push_json_key;

/// Bytes of updates written at once.
const WRITE_BYTES: usize = 64 << 10;

/// Whether anyone still reads the updates.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Readers {
    /// The updates were handed on.
    Reading,
    /// The reader has gone, as `head` does: nothing more is worth writing.
    Gone,
}

/// Writes changed rows as JSON lines to `W`, which should not buffer: each epoch is written and
/// flushed whole.
#[derive(Debug)]
pub struct UpdateWriter<W> {
    out: W,
    layout: Layout,
    text: Vec<u8>,
}

impl<W: Write> UpdateWriter<W> {
    /// A writer of rows printed like this.
    pub fn new(out: W, layout: Layout) -> UpdateWriter<W> {
        UpdateWriter { out, layout, text: Vec::with_capacity(WRITE_BYTES) }
    }

    /// Writes the changes of one epoch, sorting them. A row that is what it was is left out.
    ///
    /// # Errors
    /// The operating system's, but for a reader that has gone: that is [`Readers::Gone`].
    pub fn write_epoch(&mut self, epoch: Epoch, changes: &mut [Change]) -> io::Result<Readers> {
        changes.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        match self.try_write(epoch, changes) {
            Ok(()) => Ok(Readers::Reading),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Readers::Gone),
            Err(error) => Err(error),
        }
    }

    fn try_write(&mut self, epoch: Epoch, changes: &[Change]) -> io::Result<()> {
        self.text.clear();
        for change in changes.iter().filter(|change| change.before != change.after) {
            push_update(&mut self.text, epoch, change, &self.layout);
            if self.text.len() >= WRITE_BYTES {
                self.out.write_all(&self.text)?;
                self.text.clear();
            }
        }
        self.out.write_all(&self.text)?;
        self.out.flush()
    }
}

fn push_update(out: &mut Vec<u8>, epoch: Epoch, change: &Change, layout: &Layout) {
    let view = change.key.view;
    out.extend_from_slice(b"{\"result\":\"");
    out.extend_from_slice(view.name.as_bytes());
    out.extend_from_slice(b"\",\"epoch\":");
    out.extend_from_slice(epoch.to_string().as_bytes());
    out.extend_from_slice(b",\"key\":{");
    push_json_key(out, view, &change.key.parts, layout);
    out.extend_from_slice(b"},\"before\":");
    push_row(out, view, change.before);
    out.extend_from_slice(b",\"after\":");
    push_row(out, view, change.after);
    out.extend_from_slice(b"}\n");
}

fn push_row(out: &mut Vec<u8>, view: ViewId, row: Option<Totals>) {
    let Some(totals) = row else {
        out.extend_from_slice(b"null");
        return;
    };
    for (at, aggregate) in view.aggregates.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"{\"" } else { b",\"" });
        match aggregate {
            Aggregate::Count { column } => {
                out.extend_from_slice(column.as_bytes());
                out.extend_from_slice(b"\":");
                push_integer(out, totals.orders);
            }
            Aggregate::Sum { column, .. } => {
                out.extend_from_slice(column.as_bytes());
                out.extend_from_slice(b"\":\"");
                push_amount(out, totals.amount);
                out.push(b'"');
            }
        }
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests;
