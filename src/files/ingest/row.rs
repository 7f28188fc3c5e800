//! Turns a good row into an order or an upsert, in the same way for all forms of files.

use dataflows::{Epoch, Id, Order, OrderKey, OrderState, Position, Upsert};
use orders::rules::{Quoted, Role, check_id, parse_at_ms, parse_price};

use super::{Block, ColumnNames, Envelope, ParserContext, Reject};

impl ColumnNames {
    /// Returns the name that was given for a role; `None` if none was.
    pub fn given(&self, role: Role) -> Option<&str> {
        let name = match role {
            Role::UserId => &self.user_id,
            Role::OrderId => &self.order_id,
            Role::Price => &self.price,
            Role::Timestamp => &self.timestamp,
            Role::Op => &self.op,
        };
        name.as_deref()
    }

    /// Returns the name of the column with this role, for messages.
    pub fn wanted(&self, role: Role) -> &str {
        self.given(role).unwrap_or(role.name())
    }

    /// Returns whether a column with this name has this role.
    pub fn matches(&self, role: Role, name: &str) -> bool {
        match (self.given(role), role) {
            (Some(given), _) => name == given,
            (None, Role::UserId) => name == "user_id" || name == "UserId",
            (None, Role::OrderId) => name == "order_id" || name == "OrderId",
            (None, role) => name == role.name(),
        }
    }

    /// Returns the first role that a column with this name has; `None` if it has none.
    pub fn role_of(&self, name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| self.matches(*role, name))
    }

    /// Returns whether an input without a column of this role is refused.
    pub fn requires(&self, role: Role) -> bool {
        role != Role::Op || self.op.is_some()
    }
}

/// What a row does to its order.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// The row places or replaces the order.
    Put,
    /// The row deletes the order.
    Delete,
}

/// The values of one row as text, unquoted and unescaped. A missing `op` is empty.
#[derive(Copy, Clone, Debug, Default)]
pub struct Cells<'a> {
    /// The user's id.
    pub user_id: &'a [u8],
    /// The order's id.
    pub order_id: &'a [u8],
    /// The price, a decimal number. Spaces and tabs around it are ignored.
    pub price: &'a [u8],
    /// The event time in epoch milliseconds. Spaces and tabs around it are ignored.
    pub timestamp: &'a [u8],
    /// The operation: empty, `put` or `delete`.
    pub op: &'a [u8],
}

/// Returns the operation that a cell of the `op` column spells. An empty cell is a put.
///
/// # Errors
/// Returns the reason if it is no operation, or if it deletes although the envelope is append.
pub fn parse_op(text: &[u8], envelope: Envelope) -> Result<Op, String> {
    match (text, envelope) {
        (b"" | b"put", _) => Ok(Op::Put),
        (b"delete", Envelope::Upsert) => Ok(Op::Delete),
        (b"delete", Envelope::Append) => Err("op \"delete\" needs --envelope upsert".to_owned()),
        (text, _) => Err(format!("op {} is neither put nor delete", Quoted(text))),
    }
}

impl ParserContext {
    /// Appends the order or upsert that the cells of a row spell.
    ///
    /// A row that deletes its order needs no price and no timestamp, and they are not looked at.
    ///
    /// # Errors
    /// Returns the reason for setting the row aside. Then nothing was appended.
    pub fn push_cells(
        &self,
        block: &mut Block,
        epoch: Epoch,
        offset: u64,
        cells: &Cells<'_>,
    ) -> Result<(), String> {
        let op = parse_op(cells.op, self.envelope)?;
        let user_id = check_id(Role::UserId, cells.user_id)?;
        let order_id = check_id(Role::OrderId, cells.order_id)?;
        if op == Op::Delete {
            self.push_delete(block, epoch, offset, user_id, order_id);
            return Ok(());
        }
        let price = parse_price(cells.price)?;
        let at_ms = parse_at_ms(cells.timestamp)?;
        let order = Order { user_id: Id::new(user_id), at_ms, price };
        self.push_put(block, epoch, offset, order, order_id);
        Ok(())
    }

    /// Appends an order, or the upsert that puts it. `offset` is the position at which its record
    /// starts.
    #[inline]
    pub fn push_put(&self, block: &mut Block, epoch: Epoch, offset: u64, order: Order, order_id: &str) {
        match self.envelope {
            Envelope::Append => block.orders.push((order, epoch, 1)),
            Envelope::Upsert => {
                let key = OrderKey { user_id: order.user_id.clone(), order_id: Id::new(order_id) };
                let after = Some(OrderState { at_ms: order.at_ms, price: order.price });
                block.upserts.push(Upsert { key, position: self.position(offset), after, epoch });
            }
        }
    }

    /// Appends the upsert that deletes an order. `offset` is the position at which its record
    /// starts.
    pub fn push_delete(&self, block: &mut Block, epoch: Epoch, offset: u64, user_id: &str, order_id: &str) {
        let key = OrderKey { user_id: Id::new(user_id), order_id: Id::new(order_id) };
        block.upserts.push(Upsert { key, position: self.position(offset), after: None, epoch });
    }

    /// Sets a row aside. `line` is counted from 0 at the start of the part.
    pub fn push_reject(&self, block: &mut Block, line: u64, reason: String, raw: &[u8]) {
        block.rejects.push(Reject { input: self.input, part: self.part, line, reason, raw: raw.to_vec() });
    }

    /// Returns the position of the record that starts at `offset`.
    #[inline]
    pub fn position(&self, offset: u64) -> Position {
        Position { round: self.round, input: self.input, offset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_depend_on_the_envelope() {
        for envelope in [Envelope::Append, Envelope::Upsert] {
            assert_eq!(parse_op(b"", envelope), Ok(Op::Put));
            assert_eq!(parse_op(b"put", envelope), Ok(Op::Put));
            assert_eq!(parse_op(b"Put", envelope), Err("op \"Put\" is neither put nor delete".to_owned()));
        }
        assert_eq!(parse_op(b"delete", Envelope::Upsert), Ok(Op::Delete));
        let refused = "op \"delete\" needs --envelope upsert".to_owned();
        assert_eq!(parse_op(b"delete", Envelope::Append), Err(refused));
    }
}
