//! Orders of a shop with 100,000 users.

use order_tables::{ORDER_KEY, ORDER_SOURCE, schemas};
use store::change::{ColumnChange, Condition, Returning, RowWrite, Write};
use store::value::{KeyPart, KeyValue, Value};

use crate::server::Server;

/// Users of the shop.
pub(crate) const USERS: u64 = 100_000;

/// Event time of the first order, in epoch milliseconds.
const START_MS: i64 = 1_700_000_000_000;

/// Event time of all orders: a day.
const SPAN_MS: i64 = 86_400_000;

/// An order: its user is random, and rows come in no order of their keys.
pub(crate) fn order(number: u64) -> Write {
    let user = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % USERS;
    placed(&format!("user_{user:06}"), number, (number % 10_000) as f64 / 100.0)
}

/// An order of this user at this price.
pub(crate) fn placed(user: &str, number: u64, price: f64) -> Write {
    let key = |text: &str| KeyPart::Value(KeyValue::String(text.to_owned()));
    let put = |name: &str, value| (name.to_owned(), ColumnChange::Put { value, version: None });
    let [user_name, order_name] = ORDER_KEY;
    Write {
        table: ORDER_SOURCE.to_owned(),
        key: vec![
            (user_name.to_owned(), key(user)),
            (order_name.to_owned(), key(&format!("order-{number:09}"))),
        ],
        change: RowWrite::Put(vec![
            put("price", Value::Double(price)),
            put("timestamp", Value::Integer(START_MS + number.cast_signed() * 7 % SPAN_MS)),
        ]),
        condition: Condition::default(),
        returning: Returning::Nothing,
    }
}

/// A server of a new store with the table of orders, once its job runs.
pub(crate) async fn shop(folder: &std::path::Path, flags: &[&str]) -> Server {
    let server = Server::start(folder, flags);
    let [orders, ..] = schemas();
    server.client().create_table(&orders).await.expect("the table is created");
    server
}
