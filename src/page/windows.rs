//! Reads the windows of a span of time.

use dataflows::views::WINDOWS;

use super::fields::totals_fields;
use super::rows::{Rows, ShownField};
use live::feed::{FeedWatch, epoch_of};
use order_tables::{ResultError, not_a_result, totals_of};
use orders::Layout;
use store::read::{Direction, RangeRead, Selection};
use store::value::{CellRef, KeyPart, KeyRef, KeyValue, NamedKey};

/// The most by which the order of printed times may differ from that of instants (ms): no zone ever
/// changed its clock by more.
const TURN_MAX_MS: i64 = 26 * 3_600_000;

/// The columns of a window's row.
pub(super) const COLUMNS: &[&str] =
    &["begin", "end", "beginMs", "count", "totalPrice", "totalPriceExact", "late"];

/// Returns the last windows, at most `limit`, of those that begin in `[from, to)` (epoch ms),
/// ascending. `None` means no bound.
///
/// # Errors
/// Returns [`ResultError`] if the table cannot be read, or if a row is not that of a result.
pub(super) fn last_of(
    feed: &FeedWatch,
    (from, to): (Option<i64>, Option<i64>),
    limit: usize,
) -> Result<Rows, ResultError> {
    let view = feed.store().view()?;
    let layout = feed.layout();
    let mut rows = Rows { columns: COLUMNS.to_vec(), epoch: epoch_of(&view)?, rows: Vec::new() };
    if view.find_table(WINDOWS.table).is_none() || limit == 0 {
        return Ok(rows);
    }
    let mut read = RangeRead {
        table: WINDOWS.table.to_owned(),
        direction: Direction::Backward,
        start: bound(layout, to, TURN_MAX_MS, KeyPart::Max),
        end: bound(layout, from, -TURN_MAX_MS, KeyPart::Min),
        selection: Selection { versions_max: Some(1), ..Selection::default() },
        rows_max: Some(limit.min(PAGE_ROWS_MAX)),
    };
    let is_within =
        |start_ms: i64| from.is_none_or(|from| from <= start_ms) && to.is_none_or(|to| start_ms < to);
    loop {
        let mut wrong = None;
        let next = view.range(&read, &mut |key, cells| {
            match window_fields(feed, key, cells) {
                Some((start_ms, fields)) if is_within(start_ms) => rows.rows.push(fields),
                Some(_) => {}
                None => wrong = Some(not_a_result(WINDOWS.table, key)),
            }
            0
        })?;
        if let Some(error) = wrong {
            return Err(error);
        }
        match next.filter(|_| rows.rows.len() < limit) {
            Some(next) => {
                read.start = names().into_iter().zip(next.into_iter().map(KeyPart::Value)).collect()
            }
            None => break,
        }
    }
    rows.rows.truncate(limit);
    rows.rows.reverse();
    Ok(rows)
}

/// The most rows that are read at a time.
const PAGE_ROWS_MAX: usize = 5_000;

/// Returns the first instant (epoch ms) of a window, and its fields; `None` if the row is not that
/// of a result.
pub(super) fn window_fields(
    feed: &FeedWatch,
    key: &[KeyRef<'_>],
    cells: &[CellRef<'_>],
) -> Option<(i64, Vec<ShownField>)> {
    let totals = totals_of(WINDOWS, key, cells)?;
    let Some(KeyRef::String(begin)) = key.first() else { return None };
    let layout = feed.layout();
    let start_ms = layout.start_ms(begin)?;
    let head = [
        ShownField::Plain((*begin).to_owned()),
        ShownField::Plain(layout.end(start_ms)),
        ShownField::Integer(start_ms),
    ];
    let late = ShownField::count(feed.late_in(start_ms));
    Some((start_ms, head.into_iter().chain(totals_fields(&totals)).chain([late]).collect()))
}

fn names() -> [String; 2] {
    ["begin".to_owned(), "end".to_owned()]
}

/// Returns a key that bounds the windows that begin before or after `at_ms`. `turn_ms` widens the
/// bound, because printed times may sort in another order than instants. Without a time, the bound
/// is the end of the table, `open`.
fn bound(layout: &Layout, at_ms: Option<i64>, turn_ms: i64, open: KeyPart) -> NamedKey {
    let printed = at_ms.map(|at_ms| layout.begin(at_ms.saturating_add(turn_ms)));
    // A time outside the calendar is printed as a number.
    let part = match printed.filter(|text| text.contains(':')) {
        Some(text) => KeyPart::Value(KeyValue::String(text)),
        None => open.clone(),
    };
    let [begin, end] = names();
    vec![(begin, part), (end, open)]
}
