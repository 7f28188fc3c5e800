//! The tables of the design: their names and keys, and how orders, results and rejects are rows of them.
//!
//! | table | key | columns |
//! |---|---|---|
//! | `OrderSource` | `UserId`, `OrderId` | `price`, `timestamp` |
//! | `OrderBatchSink` | `UserId` | `count`, `totalPrice`, `totalPriceExact` |
//! | `OrderTotalSink` | `count` | `totalPrice`, `totalPriceExact` |
//! | `OrderStreamSink` | `begin`, `end` | `count`, `totalPrice`, `totalPriceExact` |
//! | `OrderRejects` | `UserId`, `OrderId` | `reason`, `commit` |

mod orders;
mod read;
mod results;

pub use orders::{Reject, order_of};
pub use read::{ResultError, each_totals, not_a_result, total, totals_of};
pub use results::{RejectRow, ResultRow};

use store::schema::{KeyColumn, TableOptions, TableSchema};
use store::value::KeyType;
use tablestore::tunnel::TunnelType;

/// The table of the orders.
pub const ORDER_SOURCE: &str = "OrderSource";

/// Its key: whose order, and which.
pub const ORDER_KEY: [&str; 2] = ["UserId", "OrderId"];

/// Its columns: what is paid, a double, and when, in epoch milliseconds.
pub const ORDER_COLUMNS: [&str; 2] = ["price", "timestamp"];

/// The tunnel that follows the orders.
pub const ORDER_TUNNEL: &str = "OrderSourceTunnel";

/// The table of the orders that were set aside.
pub const ORDER_REJECTS: &str = "OrderRejects";

/// The table of what each user has ordered.
pub const USERS_TABLE: &str = "OrderBatchSink";

/// The table of what all have ordered.
pub const TOTAL_TABLE: &str = "OrderTotalSink";

/// The table of what was ordered in each window.
pub const WINDOWS_TABLE: &str = "OrderStreamSink";

/// The tables that the live job writes, and nobody else while it runs.
pub const RESULT_TABLES: [&str; 4] = [USERS_TABLE, TOTAL_TABLE, WINDOWS_TABLE, ORDER_REJECTS];

/// What the tunnel delivers: the orders that are there, then every change.
pub const ORDER_TUNNEL_TYPE: TunnelType = TunnelType::BaseAndStream;

/// The tables: that of the orders first, then those of the results in the order of [`RESULT_TABLES`].
pub fn schemas() -> [TableSchema; 5] {
    let [user, order] = ORDER_KEY;
    [
        table(ORDER_SOURCE, &[(user, KeyType::String), (order, KeyType::String)]),
        table(RESULT_TABLES[0], &[(user, KeyType::String)]),
        table(RESULT_TABLES[1], &[("count", KeyType::Integer)]),
        table(RESULT_TABLES[2], &[("begin", KeyType::String), ("end", KeyType::String)]),
        table(ORDER_REJECTS, &[(user, KeyType::String), (order, KeyType::String)]),
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
pub fn key_text(key: &[KeyColumn]) -> String {
    let column = |column: &KeyColumn| {
        let kind = column.kind.name();
        let chosen = if column.auto_increment { " auto-increment" } else { "" };
        format!("{} {kind}{chosen}", column.name)
    };
    key.iter().map(column).collect::<Vec<_>>().join(", ")
}
