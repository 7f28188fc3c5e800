//! Writes generated orders in the shapes in which shops and programs have their files, to try the
//! flags on that read them.
//!
//! A shape has the columns, the spelling of times and the quirks of its source, as far as orders
//! show them. Times are cut to the seconds or minutes that the source has; all are of UTC.

use std::collections::HashMap;
use std::io::Write;

use orders::Zone;
use serde_json::{Value, json};

use super::format::{PROGRESS_LINES, WriteError, push_price};
use super::{GeneratedOrder, Op, Orders, Spec, push_order_id, push_user_id};
use crate::format::Format;
use crate::parquet_write::{Column, ColumnType, GROUP_ROWS, ParquetWriter, TextColumn};

/// The source whose files are imitated.
#[derive(Copy, Clone, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Shape {
    /// The export of orders of a Shopify shop.
    Shopify,
    /// The export of orders of WooCommerce's analytics.
    Woocommerce,
    /// The export of payments of Stripe.
    Stripe,
    /// The order items of the Brazilian shop Olist, as published.
    Olist,
    /// The UCI data set Online Retail: lines of invoices, with a quantity each.
    OnlineRetail,
    /// The purchase history that REES46 published.
    Rees46,
    /// What a German Excel saves as CSV.
    Excel,
    /// What `DataFrame.to_json(orient="records")` of pandas writes: one array.
    Pandas,
    /// What Spark writes as Parquet, with times as INT96.
    Spark,
    /// Debezium's changes of a table, one a line.
    Debezium,
}

impl Shape {
    /// Returns the form of its files.
    pub fn format(self) -> Format {
        match self {
            Shape::Pandas | Shape::Debezium => Format::Jsonl,
            Shape::Spark => Format::Parquet,
            _ => Format::Csv,
        }
    }

    /// Checks that the orders can be written in this shape.
    ///
    /// # Errors
    /// Returns the reason if they cannot, as the rest of a sentence that begins with "orders".
    pub fn check(self, spec: &Spec) -> Result<(), String> {
        if spec.is_upserts() && self != Shape::Debezium {
            return Err(
                "are corrected or cancelled only in the shape debezium, or without --shape".to_owned()
            );
        }
        Ok(())
    }

    /// Returns what stands before the first order.
    fn head(self) -> &'static str {
        match self {
            Shape::Shopify => {
                "Name,Email,Financial Status,Paid at,Currency,Subtotal,Shipping,Taxes,Total,Discount Code,Created at,\
                 Lineitem quantity,Lineitem name,Lineitem price,Notes,Id\n"
            }
            Shape::Woocommerce => {
                "Date,\"Order #\",\"N. Revenue (formatted)\",Status,Customer,\"Customer type\",Product(s),\
                 \"Items sold\",Coupon(s),\"N. Revenue\"\n"
            }
            Shape::Stripe => {
                "id,Description,Created date (UTC),Amount,Amount Refunded,Currency,Status,Customer ID,Customer Email\n"
            }
            Shape::Olist => {
                "\"order_id\",\"order_item_id\",\"product_id\",\"seller_id\",\"shipping_limit_date\",\"price\",\
                 \"freight_value\"\n"
            }
            Shape::OnlineRetail => {
                "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
            }
            Shape::Rees46 => "event_time,order_id,product_id,category_id,category_code,brand,price,user_id\n",
            Shape::Excel => "\u{feff}Kunde;Bestellung;Betrag;Datum;Bemerkung\r\n",
            Shape::Pandas => "[",
            Shape::Spark | Shape::Debezium => "",
        }
    }

    /// Returns what stands after the last order.
    fn tail(self) -> &'static str {
        if self == Shape::Pandas { "]" } else { "" }
    }
}

/// An order with its parts as text.
struct Parts {
    user_id: String,
    order_id: String,
    price: String,
    cents: i64,
    /// Year, month, day, hour, minute and second.
    at: [String; 6],
    at_ms: i64,
    number: u64,
}

impl Parts {
    fn of(order: &GeneratedOrder) -> Parts {
        let text = |push: &dyn Fn(&mut Vec<u8>)| {
            let mut text = Vec::new();
            push(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        };
        let at = Zone::default().format(order.at_ms);
        let mut at = at.split([' ', '-', ':']).map(str::to_owned);
        Parts {
            user_id: text(&|out| push_user_id(order.user, out)),
            order_id: text(&|out| push_order_id(order.order, out)),
            price: text(&|out| push_price(order.price_cents, out)),
            cents: order.price_cents,
            at: std::array::from_fn(|_| at.next().unwrap_or_default()),
            at_ms: order.at_ms,
            number: order.order,
        }
    }

    /// Returns the time as `YYYY-MM-DD HH:MM:SS`.
    fn seconds(&self) -> String {
        let [year, month, day, hour, minute, second] = &self.at;
        format!("{year}-{month}-{day} {hour}:{minute}:{second}")
    }
}

/// Returns the line of an order in a shape of text.
fn line(shape: Shape, order: &Parts) -> String {
    let Parts { user_id, order_id, price, cents, at, at_ms, number } = order;
    let seconds = order.seconds();
    let [year, month, day, hour, minute, _] = at;
    let short = |text: &str| text.trim_start_matches('0').to_owned();
    match shape {
        Shape::Shopify => format!(
            "#{order_id},{user_id}@example.com,paid,{seconds} +0000,EUR,{price},0.00,0.00,{price},,{seconds} +0000,1,\
             \"Tea, green\",{price},\"left at\nthe door\",{number}\n"
        ),
        Shape::Woocommerce => format!(
            "{seconds},{order_id},\"€{price}\",completed,{user_id},returning,\"1× Tea, green\",1,,{price}\n"
        ),
        Shape::Stripe => {
            format!("{order_id},,{seconds},{price},0.00,eur,Paid,{user_id},{user_id}@example.com\n")
        }
        Shape::Olist => {
            format!("\"{order_id}\",1,\"p{}\",\"{user_id}\",{seconds},{price},8.50\n", number % 1_000)
        }
        Shape::OnlineRetail => {
            // Quantities by which the price can be divided, so that the amount is the order's.
            let quantity = [6, 5, 4, 3, 2].into_iter().find(|quantity| cents % quantity == 0).unwrap_or(1);
            let unit = cents / quantity;
            format!(
                "{order_id},85123A,\"HOLDER, WHITE\",{quantity},{}/{}/{year} {}:{minute},{}.{:02},{user_id},\
                 United Kingdom\n",
                short(month),
                short(day),
                if hour == "00" { "0".to_owned() } else { short(hour) },
                unit / 100,
                unit % 100,
            )
        }
        Shape::Rees46 => format!(
            "{seconds} UTC,{order_id},{},2268105428166508800,electronics.smartphone,samsung,{price},{user_id}\n",
            number % 1_000
        ),
        Shape::Excel => format!(
            "{user_id};{order_id};{};{day}.{month}.{year} {hour}:{minute};\"ab 18 Uhr; klingeln\"\r\n",
            price.replace('.', ",")
        ),
        Shape::Pandas => format!(
            "{}{{\"user_id\":\"{user_id}\",\"order_id\":\"{order_id}\",\"price\":{price},\"timestamp\":{at_ms}}}",
            if *number == 0 { "" } else { "," }
        ),
        Shape::Spark | Shape::Debezium => String::new(),
    }
}

/// Writes the orders in a shape. Calls `on_progress` with the number of lines written so far.
///
/// With corrections or cancels, [`Shape::Debezium`] keeps all orders in memory, because a change
/// shows the row before.
///
/// Panics unless [`Spec::check`] and [`Shape::check`] accept the spec.
///
/// # Errors
/// Returns [`WriteError`] if `out` does not take the bytes.
pub fn write_shape(
    spec: &Spec,
    shape: Shape,
    out: &mut (impl Write + Send),
    on_progress: impl FnMut(u64),
) -> Result<(), WriteError> {
    assert_eq!(shape.check(spec), Ok(()), "the shape has such orders");
    if shape == Shape::Spark {
        return write_spark(spec, out, on_progress);
    }
    let mut rows = HashMap::new();
    write_text(spec, shape, out, on_progress, |order| match shape {
        Shape::Debezium => change(order, &mut rows, spec.is_upserts()),
        shape => line(shape, &Parts::of(order)),
    })
}

fn write_text(
    spec: &Spec,
    shape: Shape,
    out: &mut impl Write,
    mut on_progress: impl FnMut(u64),
    mut line: impl FnMut(&GeneratedOrder) -> String,
) -> Result<(), WriteError> {
    let mut buffer = shape.head().to_owned();
    let mut lines = 0_u64;
    for order in Orders::new(spec.clone()) {
        buffer += &line(&order);
        lines += 1;
        if lines.is_multiple_of(PROGRESS_LINES as u64) {
            out.write_all(buffer.as_bytes())?;
            buffer.clear();
            on_progress(lines);
        }
    }
    buffer += shape.tail();
    out.write_all(buffer.as_bytes())?;
    out.flush()?;
    on_progress(lines);
    Ok(())
}

/// Returns the change that a line makes to its order's row. `rows` has the rows as they are, by the
/// number of the order; the new one is added if it may change later.
fn change(order: &GeneratedOrder, rows: &mut HashMap<u64, Parts>, may_change: bool) -> String {
    let row = |parts: &Parts| {
        let Parts { user_id, order_id, price, at_ms, .. } = parts;
        json!({ "user_id": user_id, "order_id": order_id, "price": price, "timestamp": at_ms })
    };
    let now = Parts::of(order);
    let ts_ms = now.at_ms;
    let after = (order.op == Op::Put).then(|| row(&now));
    let before = rows.remove(&order.order).as_ref().map(row);
    let op = match (&before, &after) {
        (None, Some(_)) => "c",
        (Some(_), Some(_)) => "u",
        (Some(_), None) => "d",
        // The row was deleted before. Kafka has a null after that.
        (None, None) => return "null\n".to_owned(),
    };
    let before = before.unwrap_or(Value::Null);
    let source = json!({ "connector": "postgresql", "db": "shop", "table": "orders" });
    let change = json!({ "before": before, "after": &after, "source": source, "op": op, "ts_ms": ts_ms });
    if may_change && after.is_some() {
        rows.insert(order.order, now);
    }
    format!("{change}\n")
}

/// Writes row groups of at most [`GROUP_ROWS`] rows each, with times as INT96.
fn write_spark(
    spec: &Spec,
    out: &mut (impl Write + Send),
    mut on_progress: impl FnMut(u64),
) -> Result<(), WriteError> {
    let columns = [
        ("user_id", ColumnType::Text),
        ("order_id", ColumnType::Text),
        ("price", ColumnType::Double),
        ("timestamp", ColumnType::Int96),
    ];
    let mut writer = ParquetWriter::create(out, &columns)?;
    let mut orders = Orders::new(spec.clone());
    let mut lines = 0;
    loop {
        let (mut user_ids, mut order_ids) = <(TextColumn, TextColumn)>::default();
        let (mut prices, mut times_ms) = (Vec::new(), Vec::new());
        for order in orders.by_ref().take(GROUP_ROWS) {
            let Parts { user_id, order_id, .. } = Parts::of(&order);
            user_ids.push(&user_id);
            order_ids.push(&order_id);
            prices.push(order.price_cents as f64 / 100.0);
            times_ms.push(order.at_ms);
        }
        if prices.is_empty() {
            return Ok(writer.finish()?);
        }
        lines += prices.len() as u64;
        let (texts, numbers) = ([user_ids, order_ids].map(Column::Text), Column::Double(prices));
        writer.write_group(texts.into_iter().chain([numbers, Column::Int64(times_ms)]).collect())?;
        on_progress(lines);
    }
}
