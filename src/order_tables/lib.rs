//! Names the tables that the program uses and their keys, and turns orders, results and rejects
//! into rows and back.
//!
//! | table | key | columns |
//! |---|---|---|
//! | `OrderSource` | `UserId`, `OrderId` | `price`, `timestamp` |
//! | of each view, [`View::table`] | those of the view, or `count` where it has none | `count`, `totalPrice`, `totalPriceExact` |
//! | `OrderRejects` | `UserId`, `OrderId` | `reason`, `commit` |

mod order;
mod read;
mod results;
pub mod row_text;

pub use order::{Reject, order_of};
pub use read::{ResultError, each_totals, not_a_result, total, totals_of};
pub use results::{RejectRow, ResultRow};

use dataflows::views::VIEWS;
use dataflows::{Print, View};

use store::schema::{KeyColumn, STREAM_HOURS, StreamOptions, TableOptions, TableSchema};
use store::value::KeyType;

/// The name of the table of orders.
pub const ORDER_SOURCE: &str = "OrderSource";

/// The key columns of the table of orders: the user, and the id of the order.
pub const ORDER_KEY: [&str; 2] = ["UserId", "OrderId"];

/// The columns of the table of orders: the price, a double, and the time, in epoch milliseconds.
pub const ORDER_COLUMNS: [&str; 2] = ["price", "timestamp"];

/// The name of the tunnel that follows the orders.
pub const ORDER_TUNNEL: &str = "OrderSourceTunnel";

/// The name of the table of orders that were set aside.
pub const ORDER_REJECTS: &str = "OrderRejects";

/// The names of the tables that only the live job writes while it runs: one for each view, in the
/// order of [`VIEWS`], then [`ORDER_REJECTS`].
pub const RESULT_TABLES: [&str; VIEWS.len() + 1] = {
    let mut tables = [ORDER_REJECTS; VIEWS.len() + 1];
    let mut at = 0;
    while at < VIEWS.len() {
        tables[at] = VIEWS[at].table;
        at += 1;
    }
    tables
};

/// Returns the schemas of all tables: first the table of orders, then those of [`RESULT_TABLES`] in
/// their order.
pub fn schemas() -> [TableSchema; RESULT_TABLES.len() + 1] {
    let orders = ORDER_KEY.map(|name| (name, KeyType::String));
    let all: [&str; RESULT_TABLES.len() + 1] =
        std::array::from_fn(|at| if at == 0 { ORDER_SOURCE } else { RESULT_TABLES[at - 1] });
    all.map(|name| match VIEWS.iter().find(|view| view.table == name) {
        Some(view) => table(name, &key_of(view)),
        None => table(name, &orders),
    })
}

/// Returns how the changes of the table of orders are logged: each is kept for as long as any may
/// be, and its readers are given the price and time of the order before it, so that they need not
/// keep the orders.
pub fn order_stream() -> StreamOptions {
    StreamOptions { hours: STREAM_HOURS, columns: ORDER_COLUMNS.map(str::to_owned).into() }
}

/// Returns the key columns of a view's table. A table needs at least one, so a view without groups
/// uses its count.
fn key_of(view: &View) -> Vec<(&'static str, KeyType)> {
    let kind = |print| if print == Print::Integer { KeyType::Integer } else { KeyType::String };
    match view.key {
        [] => view.count_column().map(|count| (count, KeyType::Integer)).into_iter().collect(),
        key => key.iter().map(|column| (column.name, kind(column.print))).collect(),
    }
}

fn table(name: &str, key: &[(&str, KeyType)]) -> TableSchema {
    let column =
        |&(name, kind): &(&str, KeyType)| KeyColumn { name: name.to_owned(), kind, auto_increment: false };
    TableSchema {
        name: name.to_owned(),
        key: key.iter().map(column).collect(),
        options: TableOptions::default(),
        // What needs the log of orders switches it on, as `order_stream` says.
        stream: None,
        defined_columns: Vec::new(),
        throughput: (0, 0),
        splits: Vec::new(),
    }
}

/// Returns the columns of a key as text for people, such as `UserId string, OrderId string`.
pub fn key_text(key: &[KeyColumn]) -> String {
    let column = |column: &KeyColumn| {
        let kind = column.kind.name();
        let chosen = if column.auto_increment { " auto-increment" } else { "" };
        format!("{} {kind}{chosen}", column.name)
    };
    key.iter().map(column).collect::<Vec<_>>().join(", ")
}
