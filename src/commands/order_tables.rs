//! The four tables of the design and the tunnel on the first.

use crate::store::schema::{KeyColumn, TableOptions, TableSchema};
use crate::store::value::KeyType;
use crate::tablestore::tunnel::TunnelType;

/// The table of the orders.
pub(super) const ORDER_SOURCE: &str = "OrderSource";

/// Its key: whose order, and which.
pub(super) const ORDER_KEY: [&str; 2] = ["UserId", "OrderId"];

/// Its columns: what is paid, a double, and when, in epoch milliseconds.
pub(super) const ORDER_COLUMNS: [&str; 2] = ["price", "timestamp"];

/// The tunnel that follows the orders.
pub(super) const ORDER_TUNNEL: &str = "OrderSourceTunnel";

/// What the tunnel delivers: the orders that are there, then every change.
pub(super) const ORDER_TUNNEL_TYPE: TunnelType = TunnelType::BaseAndStream;

/// The tables, that of the orders first, then those of the results.
pub(super) fn schemas() -> [TableSchema; 4] {
    let [user, order] = ORDER_KEY;
    [
        table(ORDER_SOURCE, &[(user, KeyType::String), (order, KeyType::String)]),
        table("OrderBatchSink", &[(user, KeyType::String)]),
        table("OrderTotalSink", &[("count", KeyType::Integer)]),
        table("OrderStreamSink", &[("begin", KeyType::String), ("end", KeyType::String)]),
    ]
}

fn table(name: &str, key: &[(&str, KeyType)]) -> TableSchema {
    let column =
        |&(name, kind): &(&str, KeyType)| KeyColumn { name: name.to_owned(), kind, auto_increment: false };
    TableSchema {
        name: name.to_owned(),
        key: key.iter().map(column).collect(),
        options: TableOptions::default(),
        // The tunnel switches on the stream that it reads.
        stream: None,
        defined_columns: Vec::new(),
        throughput: (0, 0),
    }
}

/// A key as people read it: `UserId string, OrderId string`.
pub(super) fn key_text(key: &[KeyColumn]) -> String {
    let column = |column: &KeyColumn| {
        let kind = match column.kind {
            KeyType::Integer => "integer",
            KeyType::String => "string",
            KeyType::Binary => "binary",
        };
        let chosen = if column.auto_increment { " auto-increment" } else { "" };
        format!("{} {kind}{chosen}", column.name)
    };
    key.iter().map(column).collect::<Vec<_>>().join(", ")
}
