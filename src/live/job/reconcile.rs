//! Finds the writes that make the result tables hold what they must, whatever they hold now.

use std::iter::Peekable;
use std::ops::ControlFlow;

use dataflows::{Change, ViewId};

use super::checkpoint::Rejects;
use order_tables::{ORDER_REJECTS, ResultRow};
use orders::Layout;
use store::change::{ColumnChange, Condition, Returning, RowWrite, Write};
use store::error::ReadError;
use store::value::{CellRef, KeyPart, KeyRef, PrimaryKey};
use store::view::View;

/// Returns the writes that make the result tables in a view hold `rows` and `rejects` and nothing
/// else, as of `epoch`. Tables that do not exist are left out.
///
/// `rows` are the rows of all results, sorted by key. Cost: one scan of the tables, and memory for
/// the rows that differ.
pub(super) fn reconcile(
    view: &View,
    rows: &[Change],
    rejects: &Rejects,
    layout: &Layout,
    epoch: u64,
) -> Result<Vec<Write>, ReadError> {
    let row = |change: &Change| {
        let totals = change.after.as_ref()?;
        Some(Wanted::new(ResultRow::new(&change.key, totals, layout).put(epoch)))
    };
    let mut writes = Vec::new();
    for of in ViewId::all() {
        let wanted = rows.iter().filter(|change| change.key.view == of).filter_map(row);
        if of.prints_in_order() {
            table(view, of.table, wanted, &mut writes)?;
        } else {
            // Local times may sort in another order than instants.
            let mut wanted: Vec<Wanted> = wanted.collect();
            wanted.sort_by(|one, other| one.key.cmp(&other.key));
            table(view, of.table, wanted.into_iter(), &mut writes)?;
        }
    }
    table(
        view,
        ORDER_REJECTS,
        rejects.values().map(|reject| Wanted::new(reject.clone().put())),
        &mut writes,
    )?;
    Ok(writes)
}

/// A row that a table must hold.
struct Wanted {
    key: PrimaryKey,
    /// The write that puts the row.
    put: Write,
}

impl Wanted {
    fn new(put: Write) -> Wanted {
        let value = |(_, part): &(String, KeyPart)| match part {
            KeyPart::Value(value) => Some(value.clone()),
            _ => None,
        };
        Wanted { key: put.key.iter().filter_map(value).collect(), put }
    }

    /// Returns whether the row has these cells, whatever their versions.
    fn is(&self, cells: &[CellRef<'_>]) -> bool {
        let RowWrite::Put(columns) = &self.put.change else { return false };
        let same = |(cell, (name, change)): (&CellRef<'_>, &(String, ColumnChange))| matches!(change, ColumnChange::Put { value, .. } if cell.name == name && cell.value == value.borrow());
        columns.len() == cells.len() && cells.iter().zip(columns).all(same)
    }
}

/// Takes the rows at the front for which `is` holds, and puts them: the table lacks them.
fn missing<I: Iterator<Item = Wanted>>(
    wanted: &mut Peekable<I>,
    is: impl Fn(&Wanted) -> bool,
    writes: &mut Vec<Write>,
) {
    while let Some(next) = wanted.next_if(&is) {
        writes.push(next.put);
    }
}

/// Compares a table with the rows that it must hold. Both are sorted by key.
fn table(
    view: &View,
    name: &str,
    wanted: impl Iterator<Item = Wanted>,
    writes: &mut Vec<Write>,
) -> Result<(), ReadError> {
    let Some(table) = view.find_table(name) else { return Ok(()) };
    let mut wanted = wanted.peekable();
    view.each_row(name, None, &mut |key, cells| {
        let key: PrimaryKey = key.iter().copied().map(KeyRef::to_value).collect();
        missing(&mut wanted, |next| next.key < key, writes);
        match wanted.next_if(|next| next.key == key) {
            Some(next) if next.is(cells) => {}
            Some(next) => writes.push(next.put),
            None => {
                let named = table.key().iter().zip(key);
                let key = named.map(|(column, value)| (column.name.clone(), KeyPart::Value(value)));
                writes.push(Write {
                    table: name.to_owned(),
                    key: key.collect(),
                    change: RowWrite::Delete,
                    condition: Condition::default(),
                    returning: Returning::Nothing,
                });
            }
        }
        ControlFlow::Continue(())
    })?;
    missing(&mut wanted, |_| true, writes);
    Ok(())
}
