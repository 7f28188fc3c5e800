//! Turns a good row into an order or an upsert, in the same way for all forms of files.

use std::borrow::Cow;

use dataflows::{Amount, Epoch, Id, Order, OrderKey, OrderState, Position, Upsert};
use orders::DecimalMark;
use orders::rules::{NO_USER, Quoted, Role, check_id, check_text, price_reason};

use super::{Block, ColumnNames, Envelope, ParserContext, Reject, RowForm};

impl ColumnNames {
    /// Returns the name that was given for a role; `None` if none was.
    pub fn given(&self, role: Role) -> Option<&str> {
        let name = match role {
            Role::UserId => &self.user_id,
            Role::OrderId => &self.order_id,
            Role::Price => &self.price,
            Role::Timestamp => &self.timestamp,
            Role::Op => &self.op,
            Role::Quantity => &self.quantity,
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
            (None, Role::Quantity) => false,
            (None, role) => name == role.name(),
        }
    }

    /// Returns the first role that a column with this name has; `None` if it has none.
    pub fn role_of(&self, name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| self.matches(*role, name))
    }
}

impl RowForm {
    /// Returns whether an input without a column of this role is refused.
    pub fn requires(&self, role: Role) -> bool {
        match role {
            Role::UserId | Role::Price | Role::Timestamp => true,
            Role::OrderId => self.envelope.is_keyed() || self.names.order_id.is_some(),
            Role::Op | Role::Quantity => self.names.given(role).is_some(),
        }
    }

    /// Returns the user that a cell names. An empty cell is the guest, if guests are counted.
    ///
    /// # Errors
    /// Returns the reason if there is no user, or if the id is not good.
    pub fn user_id<'a>(&'a self, text: &'a [u8]) -> Result<&'a str, String> {
        match (text, &self.guest) {
            (b"", Some(guest)) => Ok(guest),
            (b"", None) => Err(NO_USER.to_owned()),
            _ => check_id(Role::UserId, text),
        }
    }

    /// Returns the order's id that a cell holds. If each line is an order of its own, the id is in
    /// no result, and any text will do, of any length.
    ///
    /// # Errors
    /// Returns the reason if the id is not good.
    pub fn order_id<'a>(&self, text: &'a [u8]) -> Result<&'a str, String> {
        let check = if self.envelope.is_keyed() { check_id } else { check_text };
        check(Role::OrderId, text)
    }
}

/// Returns the amount of an order from the price of one and the quantity.
///
/// # Errors
/// Returns the reason if the product is no price.
pub fn amount_of(price: Amount, quantity: Amount) -> Result<Amount, String> {
    price
        .times(quantity)
        .map_err(|error| price_reason(format_args!("{price} times quantity {quantity}"), error))
}

/// What a row does to its order.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// The row places or replaces the order.
    Put,
    /// The row deletes the order.
    Delete,
}

/// A number of a row as text.
#[derive(Clone, Debug, Default)]
pub struct NumberText<'a> {
    /// The number. Spaces and tabs around it are ignored.
    pub text: Cow<'a, [u8]>,
    /// What stands before its fraction. JSON's own numbers have a point, whatever texts have.
    pub mark: DecimalMark,
}

impl NumberText<'_> {
    fn parse(&self, role: Role) -> Result<Amount, String> {
        self.mark.parse(role, &self.text)
    }
}

/// The values of one row as text, unquoted and unescaped. A missing `op` is empty.
#[derive(Clone, Debug, Default)]
pub struct Cells<'a> {
    /// The user's id.
    pub user_id: Cow<'a, [u8]>,
    /// The order's id.
    pub order_id: Cow<'a, [u8]>,
    /// The price, a decimal number.
    pub price: NumberText<'a>,
    /// The event time. Spaces and tabs around it are ignored.
    pub timestamp: Cow<'a, [u8]>,
    /// The operation: empty, `put` or `delete`.
    pub op: Cow<'a, [u8]>,
    /// The quantity, a decimal number; `None` if the price is that of the whole order.
    pub quantity: Option<NumberText<'a>>,
}

impl Cells<'_> {
    fn amount(&self) -> Result<Amount, String> {
        let price = self.price.parse(Role::Price)?;
        match &self.quantity {
            Some(quantity) => amount_of(price, quantity.parse(Role::Quantity)?),
            None => Ok(price),
        }
    }
}

/// Returns the operation that a cell of the `op` column spells. An empty cell is a put.
///
/// # Errors
/// Returns the reason if it is no operation, or if it deletes although the envelope is append.
pub fn parse_op(text: &[u8], envelope: Envelope) -> Result<Op, String> {
    match (text, envelope) {
        (b"" | b"put", _) => Ok(Op::Put),
        (b"delete", Envelope::Upsert | Envelope::Debezium) => Ok(Op::Delete),
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
        let op = parse_op(&cells.op, self.form.envelope)?;
        let user_id = self.form.user_id(&cells.user_id)?;
        let order_id = self.form.order_id(&cells.order_id)?;
        if op == Op::Delete {
            self.push_delete(block, epoch, offset, user_id, order_id);
            return Ok(());
        }
        let price = cells.amount()?;
        let at_ms = self.form.time.parse(&cells.timestamp)?;
        let order = Order { user_id: Id::new(user_id), at_ms, price };
        self.push_put(block, epoch, offset, order, order_id);
        Ok(())
    }

    /// Appends an order, or the upsert that puts it. `offset` is the position at which its record
    /// starts.
    #[inline]
    pub fn push_put(&self, block: &mut Block, epoch: Epoch, offset: u64, order: Order, order_id: &str) {
        if self.form.envelope.is_keyed() {
            let key = OrderKey { user_id: order.user_id.clone(), order_id: Id::new(order_id) };
            let after = Some(OrderState { at_ms: order.at_ms, price: order.price });
            block.upserts.push(Upsert { key, position: self.position(offset), after, epoch });
        } else {
            block.orders.push((order, epoch, 1));
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
