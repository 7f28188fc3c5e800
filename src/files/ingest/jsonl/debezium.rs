//! Reads changes as Debezium writes them: an object with `op` and the row before and after, alone
//! or as the `payload` beside its `schema`.
//!
//! | `op` | is | does |
//! |---|---|---|
//! | `c`, `r` | a row that was created, or read for a snapshot | puts the row after |
//! | `u` | a row that was updated | puts the row after; if its key was another one before, takes that away |
//! | `d` | a row that was deleted | takes the row before away |
//!
//! An update needs the row before, because an order that goes from one user to another would count
//! for both. The names of columns are those of the row. A `null`, which follows a delete for Kafka's sake, is
//! skipped.

use std::borrow::Cow;

use dataflows::Epoch;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::members::{Members, Places, not_an_object};
use crate::ingest::row::Cells;
use crate::ingest::{Block, ParserContext};
use orders::rules::{Quoted, Role};

/// A change, or what it is wrapped in.
#[derive(Deserialize)]
struct Change<'a> {
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    op: Option<Cow<'a, str>>,
    #[serde(borrow)]
    before: Option<&'a RawValue>,
    #[serde(borrow)]
    after: Option<&'a RawValue>,
}

/// Appends the upserts that a change makes. `offset` is the position at which its record starts.
///
/// # Errors
/// Returns the reason for setting the change aside. Then nothing was appended.
pub(super) fn push_change(
    context: &ParserContext,
    places: &Places,
    block: &mut Block,
    epoch: Epoch,
    offset: u64,
    json: &[u8],
) -> Result<(), String> {
    if json.trim_ascii() == b"null" {
        return Ok(());
    }
    let mut change: Change<'_> = serde_json::from_slice(json).map_err(|error| not_an_object(&error))?;
    if let Some(payload) = change.payload {
        change = serde_json::from_str(payload.get()).map_err(|error| not_an_object(&error))?;
    }
    let form = &context.form;
    match change.op.as_deref() {
        Some(op @ ("c" | "r" | "u")) => {
            let before = if op == "u" { Some(row_before(op, change.before, places)?) } else { None };
            let after = change.after.ok_or_else(|| format!("op {op:?} without the row after"))?;
            let after = Members::of(after.get().as_bytes(), places)?;
            block.members_seen |= after.roles();
            after.check(form, false)?;
            let cells = Cells { op: Cow::default(), ..after.cells(form)? };
            context.push_cells(block, epoch, offset, &cells)?;
            if let Some(before) = before {
                let (user_id, order_id) = (before.text(Role::UserId)?, before.text(Role::OrderId)?);
                let is_other = (&user_id, &order_id) != (&cells.user_id, &cells.order_id);
                // A row that was set aside, such as one without a user, has put nothing.
                if let (true, Ok(user_id), Ok(order_id)) =
                    (is_other, form.user_id(&user_id), form.order_id(&order_id))
                {
                    context.push_delete(block, epoch, offset, user_id, order_id);
                }
            }
            Ok(())
        }
        Some(op @ "d") => {
            let before = row_before(op, change.before, places)?;
            block.members_seen |= before.roles();
            before.check(form, true)?;
            let cells = Cells { op: Cow::Borrowed(b"delete"), ..before.cells(form)? };
            context.push_cells(block, epoch, offset, &cells)
        }
        Some(op) => Err(format!("op {} is none of c, r, u and d", Quoted(op.as_bytes()))),
        None => Err("no member \"op\"".to_owned()),
    }
}

fn row_before<'a>(op: &str, row: Option<&'a RawValue>, places: &Places) -> Result<Members<'a>, String> {
    match row {
        Some(row) => Members::of(row.get().as_bytes(), places),
        None => Err(format!(
            "op {op:?} without the row before: have the database send it (PostgreSQL: REPLICA IDENTITY FULL)"
        )),
    }
}
