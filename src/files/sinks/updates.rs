//! Prints changed rows as they happen, one JSON line each.
//!
//! ```text
//! {"result":"users","epoch":7,"key":{"UserId":"u1"},"before":null,"after":{"count":1,"totalPrice":"5.00"}}
//! {"result":"total","epoch":7,"key":{},"before":null,"after":{"count":1,"totalPrice":"5.00"}}
//! {"result":"windows","epoch":7,"key":{"begin":"…","end":"…"},"before":null,"after":{"count":1,"totalPrice":"5.00"}}
//! ```
//!
//! `before` and `after` are `null` if there is no row. Amounts are strings that hold the exact
//! decimals. The total is always one row, so its key is empty, although its result table is keyed
//! by `count`. Within an epoch the rows come view by view, sorted by key: users bytewise, windows
//! by their first instant. Applying the lines in order gives the result files.

use std::io::{self, Write};

use dataflows::{Aggregate, Change, Epoch, Totals, ViewId};

use orders::Layout;
use orders::text::{push_amount, push_integer};

use super::files::push_json_key;

/// The number of bytes of updates that are collected before they are written.
const WRITE_BYTES: usize = 64 << 10;

/// Says whether anyone still reads the updates.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Readers {
    /// The updates were written.
    Reading,
    /// The reader has gone, as `head` does. It is of no use to write more.
    Gone,
}

/// A writer of changed rows as JSON lines to `W`. `W` should not buffer, because each epoch is
/// written whole and flushed.
#[derive(Debug)]
pub struct UpdateWriter<W> {
    out: W,
    layout: Layout,
    text: Vec<u8>,
}

impl<W: Write> UpdateWriter<W> {
    /// Creates a writer that prints rows in this layout.
    pub fn new(out: W, layout: Layout) -> UpdateWriter<W> {
        UpdateWriter { out, layout, text: Vec::with_capacity(WRITE_BYTES) }
    }

    /// Sorts the changes of one epoch and writes them. Leaves out a row that did not change.
    ///
    /// # Errors
    /// Returns the error of the operating system, except if the reader has gone: then returns
    /// [`Readers::Gone`].
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
