//! Reads a batch of rows: the columns of an order side by side.

use dataflows::{Amount, Id};
use parquet::errors::ParquetError as DecodeError;
use parquet::file::metadata::ParquetMetaData;

use super::column::{Bad, Batch, Column};
use super::places::{Place, Places};
use super::values::json_string;
use crate::ingest::row::{Op, amount_of};

/// Returns the product of each price and its quantity.
fn products(prices: &Batch<Amount>, quantities: &Batch<Amount>) -> Batch<Amount> {
    let mut products = Batch::default();
    for (at, (price, quantity)) in prices.values.iter().zip(&quantities.values).enumerate() {
        let product = amount_of(*price, *quantity).unwrap_or_else(|reason| {
            products.bad.push((at, Bad { reason, raw: String::new() }));
            Amount::ZERO
        });
        products.values.push(product);
    }
    products
}

/// The columns of a row group. `order_ids` is `None` if ids need not be read, and gives blank ids
/// if they are only checked. `ops` is `None` if there is no such column.
pub(super) struct Columns {
    pub(super) user_ids: Box<dyn Column<Id>>,
    pub(super) order_ids: Option<Box<dyn Column<Id>>>,
    pub(super) prices: Box<dyn Column<Amount>>,
    /// `None` if prices are those of whole orders.
    pub(super) quantities: Option<Box<dyn Column<Amount>>>,
    pub(super) times_ms: Box<dyn Column<i64>>,
    pub(super) ops: Option<Box<dyn Column<Op>>>,
}

/// A batch of rows, column by column. `order_ids` and `ops` are empty if they are not read.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) user_ids: Batch<Id>,
    pub(super) order_ids: Batch<Id>,
    pub(super) prices: Batch<Amount>,
    pub(super) quantities: Batch<Amount>,
    /// The products of prices and quantities; `None` if there are no quantities. Only a row whose
    /// factors are good can be bad here.
    pub(super) amounts: Option<Batch<Amount>>,
    pub(super) times_ms: Batch<i64>,
    pub(super) ops: Batch<Op>,
}

impl Rows {
    /// Replaces the batch with the next `count` rows of these columns.
    pub(super) fn read(&mut self, columns: &mut Columns, count: usize) -> Result<(), DecodeError> {
        self.user_ids.clear();
        self.order_ids.clear();
        self.prices.clear();
        self.quantities.clear();
        self.times_ms.clear();
        self.ops.clear();
        columns.user_ids.read(count, &mut self.user_ids)?;
        if let Some(order_ids) = &mut columns.order_ids {
            order_ids.read(count, &mut self.order_ids)?;
        }
        columns.prices.read(count, &mut self.prices)?;
        self.amounts = None;
        if let Some(quantities) = &mut columns.quantities {
            quantities.read(count, &mut self.quantities)?;
            self.amounts = Some(products(&self.prices, &self.quantities));
        }
        columns.times_ms.read(count, &mut self.times_ms)?;
        if let Some(ops) = &mut columns.ops {
            ops.read(count, &mut self.ops)?;
        }
        Ok(())
    }

    pub(super) fn any_bad(&self) -> bool {
        !(self.user_ids.bad.is_empty()
            && self.order_ids.bad.is_empty()
            && self.prices.bad.is_empty()
            && self.quantities.bad.is_empty()
            && self.amounts.as_ref().is_none_or(|amounts| amounts.bad.is_empty())
            && self.times_ms.bad.is_empty()
            && self.ops.bad.is_empty())
    }

    pub(super) fn op_at(&self, at: usize) -> Op {
        self.ops.values.get(at).copied().unwrap_or(Op::Put)
    }

    /// Returns why the row is set aside; `None` if it is good. A row that deletes needs no price
    /// and no time.
    pub(super) fn reason_at(&self, at: usize) -> Option<String> {
        let put = self.op_at(at) == Op::Put;
        let bad =
            self.ops.bad_at(at).or_else(|| self.user_ids.bad_at(at)).or_else(|| self.order_ids.bad_at(at));
        let bad = bad.or_else(|| self.prices.bad_at(at).filter(|_| put));
        let bad = bad.or_else(|| self.quantities.bad_at(at).filter(|_| put));
        let bad = bad.or_else(|| self.amounts.as_ref()?.bad_at(at).filter(|_| put));
        let bad = bad.or_else(|| self.times_ms.bad_at(at).filter(|_| put));
        bad.map(|bad| bad.reason.clone())
    }

    /// Returns the row as JSON text. It has the columns whose values are known, under their names in
    /// the file.
    pub(super) fn json_at(&self, at: usize, metadata: &ParquetMetaData, places: &Places) -> String {
        let schema = metadata.file_metadata().schema_descr();
        let mut members = Vec::new();
        let mut member = |place: Place, value: Option<String>| {
            if let Some(value) = value {
                members.push(format!("{}:{value}", json_string(schema.columns()[place.leaf].name())));
            }
        };
        member(places.user_id, self.user_ids.json_at(at, |id| json_string(&id.to_string())));
        if let Some(place) = places.order_id {
            // A good id is blank if it was only checked, or if it may be missing.
            let ids = &self.order_ids;
            let blank = ids.bad_at(at).is_none() && ids.values.get(at).is_some_and(Id::is_empty);
            member(place, ids.json_at(at, |id| json_string(&id.to_string())).filter(|_| !blank));
        }
        member(places.price, self.prices.json_at(at, Amount::to_string));
        if let Some(place) = places.quantity {
            member(place, self.quantities.json_at(at, Amount::to_string));
        }
        member(places.timestamp, self.times_ms.json_at(at, i64::to_string));
        if let Some(place) = places.op {
            let word = |op: &Op| if *op == Op::Put { "\"put\"" } else { "\"delete\"" };
            member(place, self.ops.json_at(at, |op| word(op).to_owned()));
        }
        format!("{{{}}}", members.join(","))
    }
}
