//! Tables by key: the first rows that begin so, or all of them, a part at a time.

use std::sync::Arc;

use bytes::Bytes;
use hyper::{Response, StatusCode};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::answer::{Body, Parts, refusal};
use super::api::{Refusal, csv, user_fields};
use super::rows::{Field, Rows};
use super::{Page, windows};
use live::feed::{FeedWatch, epoch_of};
use live::verify::{Source, VerifyError};
use order_tables::{ORDER_REJECTS, USERS_TABLE, WINDOWS_TABLE, not_a_result, totals_of};
use store::value::{CellRef, KeyRef, KeyValue, PrimaryKey, ValueRef};
use store::view::View;

/// Rows in a part.
const PART_ROWS_MAX: usize = 2_000;

/// A table that is given by key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Table {
    Users,
    Windows,
    Rejects,
}

impl Table {
    /// The one of this name.
    pub(super) fn of(name: &str) -> Option<Table> {
        match name {
            "users" => Some(Table::Users),
            "windows" => Some(Table::Windows),
            "rejects" => Some(Table::Rejects),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Table::Users => "users",
            Table::Windows => "windows",
            Table::Rejects => "rejects",
        }
    }

    fn table(self) -> &'static str {
        match self {
            Table::Users => USERS_TABLE,
            Table::Windows => WINDOWS_TABLE,
            Table::Rejects => ORDER_REJECTS,
        }
    }

    /// Names of its columns.
    pub(super) fn columns(self) -> &'static [&'static str] {
        match self {
            Table::Users => &["UserId", "count", "totalPrice", "totalPriceExact"],
            Table::Windows => windows::COLUMNS,
            Table::Rejects => &["UserId", "OrderId", "reason", "commit"],
        }
    }

    /// The first rows whose key begins with `prefix`, at most so many.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn starting_with(self, feed: &FeedWatch, prefix: &str, limit: usize) -> Result<Rows, Refusal> {
        let mut view = feed.store().view()?;
        let mut all = Rows { columns: self.columns(), epoch: epoch_of(&view)?, rows: Vec::new() };
        if limit == 0 {
            return Ok(all);
        }
        let start: PrimaryKey = match self {
            Table::Users => vec![KeyValue::String(prefix.to_owned())],
            _ => ["", ""].map(|part| KeyValue::String(part.to_owned())).into(),
        };
        let (rows, _) = self.page(feed, &mut view, Some(start), limit)?;
        let begins =
            |row: &Vec<Field>| matches!(row.first(), Some(Field::Text(text)) if text.starts_with(prefix));
        all.rows = rows.into_iter().take_while(begins).collect();
        Ok(all)
    }

    /// Rows from a key on, at most so many, and the key to go on from.
    fn page(
        self,
        feed: &FeedWatch,
        view: &mut View,
        start: Option<PrimaryKey>,
        rows_max: usize,
    ) -> Result<(Vec<Vec<Field>>, Option<PrimaryKey>), Refusal> {
        let (mut rows, mut wrong, mut next) = (Vec::new(), None, start);
        loop {
            let left = rows_max - rows.len();
            next = view
                .rows(self.table(), next, left, &mut |key, cells| match self.fields(feed, key, cells) {
                    Some(fields) => rows.push(fields),
                    None => wrong = Some(not_a_result(self.table(), key)),
                })
                .map_err(refused)?;
            if let Some(error) = wrong {
                return Err(error.into());
            }
            // A page may have fewer rows and not be the last.
            if next.is_none() || rows.len() >= rows_max {
                return Ok((rows, next));
            }
        }
    }

    fn fields(self, feed: &FeedWatch, key: &[KeyRef<'_>], cells: &[CellRef<'_>]) -> Option<Vec<Field>> {
        match self {
            Table::Users => totals_of(key, cells).map(|(user, totals)| user_fields(user, &totals)),
            Table::Windows => windows::window_fields(feed, key, cells).map(|(_, fields)| fields),
            Table::Rejects => reject_fields(key, cells),
        }
    }
}

fn refused(error: VerifyError) -> Refusal {
    Refusal::Store(format!("the results cannot be read: {error}"))
}

fn reject_fields(key: &[KeyRef<'_>], cells: &[CellRef<'_>]) -> Option<Vec<Field>> {
    // What was set aside may have a key of any form.
    let text = |part: &KeyRef<'_>| match part {
        KeyRef::String(text) => Field::Text((*text).to_owned()),
        KeyRef::Integer(number) => Field::Integer(*number),
        KeyRef::Binary(bytes) => Field::Text(String::from_utf8_lossy(bytes).into_owned()),
    };
    let cell = |name: &str| cells.iter().find(|cell| cell.name == name).map(|cell| cell.value);
    let (Some(ValueRef::String(reason)), Some(ValueRef::Integer(commit))) = (cell("reason"), cell("commit"))
    else {
        return None;
    };
    let [user, order] = key else { return None };
    Some(vec![text(user), text(order), Field::Text(reason.to_owned()), Field::Integer(commit)])
}

impl Page {
    /// All rows of a table as CSV, as of one epoch.
    pub(super) fn download(&self, table: Table, hang_up: Arc<Notify>) -> Response<Body> {
        let Ok(place) = self.downloads.clone().try_acquire_owned() else {
            return refusal(StatusCode::SERVICE_UNAVAILABLE, "too many downloads at a time: try again later");
        };
        let limits = &self.config.limits;
        let (parts, body) = Parts::new(hang_up, limits.unread_time_max);
        let deadline = Instant::now() + limits.download_time_max;
        let feed = self.config.feed.clone();
        let runtime = Handle::current();
        spawn_blocking(move || {
            if let Err(Refusal::Store(sentence) | Refusal::Asked(sentence)) =
                give_all(table, &feed, &parts, &runtime, deadline)
            {
                tracing::error!("a download of {} was cut off: {sentence}", table.name());
                parts.cut();
            }
            drop(place);
        });
        csv(table.name(), body)
    }
}

/// Gives all rows of a table, until they are given, the reader is gone or the time is over.
fn give_all(
    table: Table,
    feed: &FeedWatch,
    parts: &Parts,
    runtime: &Handle,
    deadline: Instant,
) -> Result<(), Refusal> {
    let mut view = feed.store().view()?;
    let mut part = Rows { columns: table.columns(), epoch: epoch_of(&view)?, rows: Vec::new() };
    let mut bytes = part.csv_head();
    let mut start = None;
    loop {
        let (rows, next) = table.page(feed, &mut view, start, PART_ROWS_MAX)?;
        part.rows = rows;
        bytes.extend_from_slice(&part.csv());
        if !runtime.block_on(parts.give(Bytes::from(std::mem::take(&mut bytes)))) {
            return Ok(());
        }
        match next {
            None => return Ok(()),
            Some(_) if Instant::now() > deadline => {
                return Err(Refusal::Store("its reader took too long".to_owned()));
            }
            next => start = next,
        }
    }
}
