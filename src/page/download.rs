//! Reads tables in the order of their keys: the first rows, those with a prefix, or all of them in
//! parts.

use std::sync::Arc;

use bytes::Bytes;
use dataflows::views::WINDOWS;
use dataflows::{Print, ViewId};
use hyper::{Response, StatusCode};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::answer::{Body, Parts, csv, refusal};
use super::fields::{columns_of, totals_fields};
use super::refusal::Refusal;
use super::rows::{Rows, ShownField};
use super::{Page, windows};
use live::feed::{FeedWatch, epoch_of};
use live::verify::{RecountSource, VerifyError};
use order_tables::{ORDER_KEY, ORDER_REJECTS, not_a_result, totals_of};
use store::value::{CellRef, KeyRef, KeyValue, PrimaryKey, ValueRef};
use store::view::View;

/// The most rows in a part.
const PART_ROWS_MAX: usize = 2_000;

/// The name of the rejects in addresses.
const REJECTS: &str = "rejects";

/// A table that can be downloaded.
#[derive(Clone, Copy, Debug)]
pub(super) enum Download {
    /// The result table of a view with groups.
    View(ViewId),
    /// The table of the orders that are set aside.
    Rejects,
}

impl Download {
    /// Returns the download with this name in addresses; `None` if there is none.
    pub(super) fn of(name: &str) -> Option<Download> {
        match name {
            REJECTS => Some(Download::Rejects),
            name => ViewId::all().find(|view| view.name == name && !view.key.is_empty()).map(Download::View),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Download::View(view) => view.name,
            Download::Rejects => REJECTS,
        }
    }

    fn table(self) -> &'static str {
        match self {
            Download::View(view) => view.table,
            Download::Rejects => ORDER_REJECTS,
        }
    }

    /// Returns the names of the columns.
    pub(super) fn columns(self) -> Vec<&'static str> {
        match self {
            Download::View(WINDOWS) => windows::COLUMNS.to_vec(),
            Download::View(view) => columns_of(view),
            Download::Rejects => ORDER_KEY.into_iter().chain(["reason", "commit"]).collect(),
        }
    }

    /// Returns the number of columns of the key.
    fn key_columns(self) -> usize {
        match self {
            Download::View(view) => view.key.len(),
            Download::Rejects => ORDER_KEY.len(),
        }
    }

    /// Reads the first rows whose key begins with `prefix`, at most `limit`.
    ///
    /// # Errors
    /// Returns [`Refusal::Store`] if the table cannot be read.
    pub(super) fn starting_with(self, feed: &FeedWatch, prefix: &str, limit: usize) -> Result<Rows, Refusal> {
        let mut view = feed.store().view()?;
        let mut all = Rows { columns: self.columns(), epoch: epoch_of(&view)?, rows: Vec::new() };
        if limit == 0 {
            return Ok(all);
        }
        if prefix.is_empty() {
            all.rows = self.page(feed, &mut view, None, limit)?.0;
            return Ok(all);
        }
        let others = std::iter::repeat_n("", self.key_columns().saturating_sub(1));
        let start: PrimaryKey =
            [prefix].into_iter().chain(others).map(|part| KeyValue::String(part.to_owned())).collect();
        let (rows, _) = self.page(feed, &mut view, Some(start), limit)?;
        let begins = |row: &Vec<ShownField>| matches!(row.first(), Some(ShownField::Text(text)) if text.starts_with(prefix));
        all.rows = rows.into_iter().take_while(begins).collect();
        Ok(all)
    }

    /// Reads at most `rows_max` rows, from the key `start` on. Returns them and the key to go on
    /// from; `None` after the last row.
    fn page(
        self,
        feed: &FeedWatch,
        view: &mut View,
        start: Option<PrimaryKey>,
        rows_max: usize,
    ) -> Result<(Vec<Vec<ShownField>>, Option<PrimaryKey>), Refusal> {
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
            // A page may have fewer rows than asked for and still not be the last.
            if next.is_none() || rows.len() >= rows_max {
                return Ok((rows, next));
            }
        }
    }

    fn fields(self, feed: &FeedWatch, key: &[KeyRef<'_>], cells: &[CellRef<'_>]) -> Option<Vec<ShownField>> {
        match self {
            Download::View(WINDOWS) => windows::window_fields(feed, key, cells).map(|(_, fields)| fields),
            Download::View(view) => view_fields(view, key, cells),
            Download::Rejects => reject_fields(key, cells),
        }
    }
}

fn refused(error: VerifyError) -> Refusal {
    Refusal::Store(format!("the results cannot be read: {error}"))
}

/// Returns the fields of a row of a view: the columns of its key, then the totals.
fn view_fields(view: ViewId, key: &[KeyRef<'_>], cells: &[CellRef<'_>]) -> Option<Vec<ShownField>> {
    let totals = totals_of(view, key, cells)?;
    let field = |(part, print): (&KeyRef<'_>, Print)| match (part, print) {
        (KeyRef::String(text), Print::Text) => Some(ShownField::Text((*text).to_owned())),
        (KeyRef::String(text), _) => Some(ShownField::Plain((*text).to_owned())),
        (KeyRef::Integer(number), _) => Some(ShownField::Integer(*number)),
        (KeyRef::Binary(_), _) => None,
    };
    let key = key.iter().zip(view.key.iter().map(|column| column.print)).map(field);
    key.chain(totals_fields(&totals).map(Some)).collect()
}

fn reject_fields(key: &[KeyRef<'_>], cells: &[CellRef<'_>]) -> Option<Vec<ShownField>> {
    // Orders that are set aside may have keys of any type.
    let text = |part: &KeyRef<'_>| match part {
        KeyRef::String(text) => ShownField::Text((*text).to_owned()),
        KeyRef::Integer(number) => ShownField::Integer(*number),
        KeyRef::Binary(bytes) => ShownField::Text(String::from_utf8_lossy(bytes).into_owned()),
    };
    let cell = |name: &str| cells.iter().find(|cell| cell.name == name).map(|cell| cell.value);
    let (Some(ValueRef::String(reason)), Some(ValueRef::Integer(commit))) = (cell("reason"), cell("commit"))
    else {
        return None;
    };
    let [user, order] = key else { return None };
    Some(vec![text(user), text(order), ShownField::Text(reason.to_owned()), ShownField::Integer(commit)])
}

impl Page {
    /// Returns all rows of a download as CSV, as of one epoch, after a byte order mark if it is to be
    /// `marked`.
    pub(super) fn download(&self, download: Download, marked: bool, hang_up: Arc<Notify>) -> Response<Body> {
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
                give_all((download, marked), &feed, &parts, &runtime, deadline)
            {
                tracing::error!("a download of {} was cut off: {sentence}", download.name());
                parts.cut();
            }
            drop(place);
        });
        csv(download.name(), body)
    }
}

/// Gives all rows of a download to the reader. Ends early without an error if the reader is gone,
/// and with an error after `deadline`.
fn give_all(
    (download, marked): (Download, bool),
    feed: &FeedWatch,
    parts: &Parts,
    runtime: &Handle,
    deadline: Instant,
) -> Result<(), Refusal> {
    let mut view = feed.store().view()?;
    let mut part = Rows { columns: download.columns(), epoch: epoch_of(&view)?, rows: Vec::new() };
    let mut bytes = part.csv_head(marked);
    let mut start = None;
    loop {
        let (rows, next) = download.page(feed, &mut view, start, PART_ROWS_MAX)?;
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
