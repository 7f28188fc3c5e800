//! Reads rows of the table of orders as orders.

use dataflows::{Amount, Id, Order};

use orders::rules::{Role, check_at_ms, check_id, price_reason};
use store::value::{CellRef, KeyRef, ValueRef};

/// The reason why a row is not an order. It names the column or the field, the value found there
/// and what is wrong with it.
pub type Reject = String;

/// Returns the order that a row of the table of orders stands for.
///
/// The price is a double or an integer and is taken as its shortest decimal. The time is an
/// integer, or a double that is a whole number, of epoch milliseconds. If a cell has several
/// versions, the newest counts. Nothing is rounded.
///
/// # Errors
/// Returns the reason why the row is set aside.
pub fn order_of(key: &[KeyRef<'_>], cells: &[CellRef<'_>]) -> Result<Order, Reject> {
    let (KeyRef::String(user), KeyRef::String(order)) = (key_part(key, 0), key_part(key, 1)) else {
        return Err("the key is not two strings".to_owned());
    };
    let user = check_id(Role::UserId, user.as_bytes())?;
    check_id(Role::OrderId, order.as_bytes())?;
    // Cells are sorted by name, then from the newest version to the oldest, so this finds the
    // newest.
    let cell = |name| cells.iter().find(|cell| cell.name == name).map(|cell| cell.value);
    let price = price_of(cell("price"))?;
    let at_ms = at_ms_of(cell("timestamp"))?;
    Ok(Order { user_id: Id::new(user), at_ms, price })
}

fn key_part<'a>(key: &[KeyRef<'a>], at: usize) -> KeyRef<'a> {
    key.get(at).copied().unwrap_or(KeyRef::Integer(0))
}

fn price_of(value: Option<ValueRef<'_>>) -> Result<Amount, Reject> {
    match value {
        Some(ValueRef::Double(price)) => {
            Amount::try_from(price).map_err(|error| price_reason(format_args!("{price:?}"), error))
        }
        Some(ValueRef::Integer(price)) => {
            Amount::from_decimal(price, 0).map_err(|error| price_reason(price, error))
        }
        other => Err(wrong("price", other, "a double")),
    }
}

fn at_ms_of(value: Option<ValueRef<'_>>) -> Result<i64, Reject> {
    match value {
        Some(ValueRef::Integer(at_ms)) => check_at_ms(at_ms),
        Some(ValueRef::Double(at_ms)) if at_ms.fract() == 0.0 => {
            // The cast saturates, and a saturated value is out of range.
            check_at_ms(at_ms as i64)
        }
        other => Err(wrong("timestamp", other, "an integer of epoch milliseconds")),
    }
}

fn wrong(column: &str, value: Option<ValueRef<'_>>, wanted: &str) -> Reject {
    match value {
        None => format!("{column} is missing"),
        Some(ValueRef::Integer(_)) => format!("{column} is an integer, not {wanted}"),
        Some(ValueRef::Double(value)) => format!("{column} {value:?} is not {wanted}"),
        Some(ValueRef::Boolean(_)) => format!("{column} is a boolean, not {wanted}"),
        Some(ValueRef::String(_)) => format!("{column} is a string, not {wanted}"),
        Some(ValueRef::Binary(_)) => format!("{column} is binary, not {wanted}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [KeyRef<'static>; 2] = [KeyRef::String("u1"), KeyRef::String("o1")];

    fn cell<'a>(name: &'a str, value: ValueRef<'a>) -> CellRef<'a> {
        CellRef { name, value, version: 1 }
    }

    fn read(price: Option<ValueRef<'_>>, at: Option<ValueRef<'_>>) -> Result<Order, Reject> {
        let cells: Vec<_> = [("price", price), ("timestamp", at)]
            .into_iter()
            .filter_map(|(name, value)| Some(cell(name, value?)))
            .collect();
        order_of(&KEY, &cells)
    }

    #[test]
    fn prices_and_times_are_taken_exactly_or_refused_with_a_reason() {
        use ValueRef::{Binary, Boolean, Double, Integer, String};
        let at = Some(Integer(1_700_000_000_000));
        for (price, amount) in [
            (Double(0.1 + 0.2), "0.30000000000000004"),
            (Double(-0.0), "0.00"),
            (Double(12.34), "12.34"),
            (Double(1e12), "1000000000000.00"),
            (Integer(5), "5.00"),
            (Integer(-7), "-7.00"),
        ] {
            assert_eq!(read(Some(price), at).unwrap().price.to_string(), amount);
        }
        for (price, reason) in [
            (None, "price is missing"),
            (Some(String("12.34")), "price is a string, not a double"),
            (Some(Boolean(true)), "price is a boolean, not a double"),
            (Some(Binary(b"1")), "price is binary, not a double"),
            (Some(Double(f64::NAN)), "price NaN is not a finite number"),
            (Some(Double(f64::NEG_INFINITY)), "price -inf is not a finite number"),
            (Some(Double(1.1e12)), "price 1100000000000.0 is beyond ±1000000000000"),
            (Some(Integer(i64::MAX)), "price 9223372036854775807 is beyond ±1000000000000"),
            (Some(Double(1e-19)), "price 1e-19 has more than 18 fraction digits"),
        ] {
            assert_eq!(read(price, at), Err(reason.to_owned()));
        }
        let price = Some(Double(1.0));
        for (at, at_ms) in [(Integer(-1), -1), (Double(1.7e12), 1_700_000_000_000)] {
            assert_eq!(read(price, Some(at)).unwrap().at_ms, at_ms);
        }
        let out = "epoch milliseconds from -62000000000000 to 253000000000000";
        for (at, reason) in [
            (None, "timestamp is missing".to_owned()),
            (Some(Double(0.5)), "timestamp 0.5 is not an integer of epoch milliseconds".to_owned()),
            (Some(Double(f64::NAN)), "timestamp NaN is not an integer of epoch milliseconds".to_owned()),
            (Some(String("0")), "timestamp is a string, not an integer of epoch milliseconds".to_owned()),
            (Some(Integer(i64::MIN)), format!("timestamp {} is out of range: {out}", i64::MIN)),
            (Some(Double(1e300)), format!("timestamp {} is out of range: {out}", i64::MAX)),
        ] {
            assert_eq!(read(price, at), Err(reason));
        }
    }

    #[test]
    fn the_newest_version_counts() {
        let version = |price, version| CellRef { name: "price", value: ValueRef::Double(price), version };
        let cells = [version(2.0, 9), version(1.0, 3), cell("timestamp", ValueRef::Integer(0))];
        assert_eq!(order_of(&KEY, &cells).unwrap().price.to_string(), "2.00");
    }

    #[test]
    fn an_order_without_a_user_or_an_id_is_none() {
        let cells = [cell("price", ValueRef::Double(1.0)), cell("timestamp", ValueRef::Integer(0))];
        for (user, order, reason) in [("", "o", "user_id is empty"), ("u", "", "order_id is empty")] {
            let key = [KeyRef::String(user), KeyRef::String(order)];
            assert_eq!(order_of(&key, &cells), Err(reason.to_owned()));
        }
    }
}
