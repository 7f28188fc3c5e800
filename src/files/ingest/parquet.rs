//! Reads orders from row groups of a Parquet file, a batch of rows at a time.
//!
//! A column may be stored in any form that is clear: ids as text, bytes, integers or `UUID`; prices
//! and quantities as doubles (their shortest decimal), floats, integers, decimals or text; times as
//! numbers that count the unit of the run, as `TIMESTAMP` of any unit (rounded down to
//! milliseconds), `INT96` (which is UTC), `DATE` (its midnight) or text. A time that is not adjusted
//! to UTC is local in the inputs' zone. Columns must be flat. A row with a null is set aside, unless
//! the null is an order's own id that is not needed, or a user where guests are counted.
//!
//! With [`Envelope::Append`](super::Envelope::Append) an order's own id takes part in no result. So
//! the column is not even read, unless its ids are bytes of which the file does not say that they are
//! text; then that is checked.
//!
//! The file is refused if a page differs from the checksum in its header. A page without a
//! checksum, which most writers leave out, is believed. Only pages that are read are checked.
//!
//! Anybody may have written the bytes, and the crate `parquet` (60.1) believes too much of them.
//! Each guard around it answers one of its faults: `nesting` recursion without a limit, `source`
//! memory that is reserved before a claim is checked, `guarded` panics.

mod column;
mod error;
mod footer;
mod hybrid;
mod kind;
mod lz4;
mod nesting;
mod places;
mod rows;
mod source;
mod unpack;
mod values;

use std::ops::Range;
use std::path::Path;

use dataflows::{Epoch, Order, OrderKey, OrderState, Upsert};
use parquet::basic::{ConvertedType, Type as PhysicalType};
use parquet::errors::ParquetError as DecodeError;
use parquet::file::metadata::ColumnChunkMetaData;

use self::column::{is_decoded_here, is_dictionary};
pub use self::error::ParquetError;
use self::footer::{Footer, guarded};
use self::kind::Opened;
use self::places::{Place, Places};
use self::rows::{Columns, Rows};
use super::row::Op;
use super::{Block, ParserContext};
use orders::rules::Role;

/// The number of rows of one block. Their columns and orders fit into a core's own cache.
const BATCH_ROWS: usize = 2048;

/// Returns the number of rows of each row group of a file, from its footer.
///
/// # Errors
/// Returns [`ParquetError::Io`] or [`ParquetError::NotParquet`].
pub fn row_groups(path: &Path) -> Result<Vec<u64>, ParquetError> {
    Ok(Footer::read(path)?.rows)
}

/// A reader of some row groups of one file.
pub struct ParquetReader {
    footer: Footer,
    places: Places,
    context: ParserContext,
    /// The row groups that were not started yet.
    row_groups: Range<usize>,
    group: Option<Group>,
    /// The next row, counted from the start of the file.
    row: u64,
    /// The row of the file at which this part begins.
    first_row: u64,
    rows: Rows,
}

/// A row group that is being read.
struct Group {
    ordinal: usize,
    rows: u64,
    rows_left: u64,
    /// The size of the row group in the file, in bytes. The progress counts each row with its
    /// share.
    bytes: u64,
    columns: Columns,
}

impl ParquetReader {
    /// Creates a reader of these row groups of the file at `path`.
    ///
    /// The position of a row is its number in the file. The line of a reject is counted from the
    /// first row of `row_groups`, and its raw text is the row as JSON.
    ///
    /// # Errors
    /// Returns any [`ParquetError`] except [`ParquetError::Damaged`], which only reading returns.
    ///
    /// # Panics
    /// Panics if the file has fewer row groups.
    pub fn open(
        path: &Path,
        context: ParserContext,
        row_groups: Range<usize>,
    ) -> Result<ParquetReader, ParquetError> {
        ParquetReader::of(Footer::read(path)?, context, row_groups)
    }

    fn of(
        footer: Footer,
        context: ParserContext,
        row_groups: Range<usize>,
    ) -> Result<ParquetReader, ParquetError> {
        let places = Places::find(&footer, &context.form)?;
        let first_row = footer.rows[..row_groups.start].iter().sum();
        assert!(row_groups.end <= footer.rows.len(), "the file has so many row groups");
        let rows = Rows::default();
        Ok(ParquetReader {
            footer,
            places,
            context,
            row_groups,
            group: None,
            row: first_row,
            first_row,
            rows,
        })
    }

    /// Appends the next block of rows. Returns `false` at the end, and appends nothing then.
    ///
    /// # Errors
    /// Returns [`ParquetError::Damaged`]. The reader is then at its end.
    pub fn read_block(&mut self, epoch: Epoch, block: &mut Block) -> Result<bool, ParquetError> {
        while self.group.as_ref().is_none_or(|group| group.rows_left == 0) {
            let Some(ordinal) = self.row_groups.next() else { return Ok(false) };
            let group = guarded(|| self.start_group(ordinal));
            self.group = Some(group.map_err(|reason| self.damaged(ordinal, reason))?);
        }
        let Some(group) = &mut self.group else { return Ok(false) };
        let count = group.rows_left.min(BATCH_ROWS as u64);
        let ordinal = group.ordinal;
        let rows = &mut self.rows;
        guarded(|| rows.read(&mut group.columns, count as usize))
            .map_err(|reason| self.damaged(ordinal, reason))?;
        let Some(group) = &mut self.group else { return Ok(false) };
        let share = |rows_left: u64| {
            u128::from(group.bytes) * u128::from(group.rows - rows_left) / u128::from(group.rows)
        };
        block.bytes += (share(group.rows_left - count) - share(group.rows_left)) as u64;
        block.lines += count;
        group.rows_left -= count;
        self.push_rows(count as usize, epoch, block);
        self.row += count;
        Ok(true)
    }

    fn damaged(&mut self, row_group: usize, reason: String) -> ParquetError {
        self.group = None;
        self.row_groups = 0..0;
        ParquetError::Damaged { name: self.footer.name.clone(), row_group, reason }
    }

    fn start_group(&self, ordinal: usize) -> Result<Group, DecodeError> {
        let metadata = self.footer.metadata.row_group(ordinal);
        let rows = self.footer.rows[ordinal];
        let open = |place: Place| {
            let chunk = metadata.column(place.leaf);
            Ok::<_, DecodeError>(Opened {
                column: chunk.column_descr_ptr(),
                kind: place.kind,
                pages: self.footer.source.pages(chunk, usize::try_from(rows)?)?,
                decoded_here: chunk.encodings().all(is_decoded_here),
                dictionary: chunk.encodings().any(is_dictionary),
            })
        };
        let (places, form) = (&self.places, &self.context.form);
        let keyed = form.envelope.is_keyed();
        let order_id = places.order_id.filter(|place| keyed || !is_text(metadata.column(place.leaf)));
        let order_ids = |opened: Opened| match keyed {
            true => opened.ids(Role::OrderId, form),
            false => opened.checked_order_ids(form),
        };
        let open_any = |place: Option<Place>| place.map(open).transpose();
        let columns = Columns {
            user_ids: open(places.user_id)?.ids(Role::UserId, form),
            order_ids: open_any(order_id)?.map(order_ids),
            prices: open(places.price)?.numbers_of(Role::Price, form),
            quantities: open_any(places.quantity)?.map(|opened| opened.numbers_of(Role::Quantity, form)),
            times_ms: open(places.timestamp)?.times_ms(form),
            ops: open_any(places.op)?.map(|opened| opened.ops(form.envelope)),
        };
        let bytes = u64::try_from(metadata.compressed_size()).unwrap_or(0);
        Ok(Group { ordinal, rows, rows_left: rows, bytes, columns })
    }

    fn push_rows(&mut self, count: usize, epoch: Epoch, block: &mut Block) {
        let rows = &mut self.rows;
        if self.context.form.envelope.is_keyed() || rows.any_bad() {
            for at in 0..count {
                self.push_row(at, epoch, block);
            }
            return;
        }
        let amounts = &rows.amounts.as_ref().unwrap_or(&rows.prices).values;
        let orders = rows.user_ids.values.drain(..).zip(&rows.times_ms.values).zip(amounts);
        block
            .orders
            .extend(orders.map(|((user_id, &at_ms), &price)| (Order { user_id, at_ms, price }, epoch, 1)));
    }

    fn push_row(&self, at: usize, epoch: Epoch, block: &mut Block) {
        let rows = &self.rows;
        let offset = self.row + at as u64;
        if let Some(reason) = rows.reason_at(at) {
            let raw = rows.json_at(at, &self.footer.metadata, &self.places);
            self.context.push_reject(block, offset - self.first_row, reason, raw.as_bytes());
            return;
        }
        let user_id = rows.user_ids.values[at].clone();
        let price = rows.amounts.as_ref().unwrap_or(&rows.prices).values[at];
        let order = Order { user_id, at_ms: rows.times_ms.values[at], price };
        if !self.context.form.envelope.is_keyed() {
            block.orders.push((order, epoch, 1));
            return;
        }
        let key = OrderKey { user_id: order.user_id.clone(), order_id: rows.order_ids.values[at].clone() };
        let after = OrderState { at_ms: order.at_ms, price: order.price };
        let after = (rows.op_at(at) == Op::Put).then_some(after);
        block.upserts.push(Upsert { key, position: self.context.position(offset), after, epoch });
    }
}

/// Returns whether the file says of a column that its values are text, or are printed as such.
fn is_text(chunk: &ColumnChunkMetaData) -> bool {
    let column = chunk.column_descr();
    let said = column.logical_type_ref().is_some() || column.converted_type() != ConvertedType::NONE;
    let is_bytes =
        matches!(column.physical_type(), PhysicalType::BYTE_ARRAY | PhysicalType::FIXED_LEN_BYTE_ARRAY);
    said || !is_bytes
}

#[cfg(test)]
mod tests;
