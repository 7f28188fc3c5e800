//! Answers requests for results: arrays of flat objects, or CSV.

use std::sync::Arc;

use dataflows::Totals;
use dataflows::views::{TOTAL, USERS, WINDOWS};
use hyper::{Response, StatusCode};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use super::answer::{Body, JSON, answer, csv, refusal, whole};
use super::download::Download;
use super::fields::{columns_of, totals_fields};
use super::query::Query;
use super::refusal::Refusal;
use super::rows::{Rows, ShownField};
use super::{Page, windows};
use live::feed::{FeedWatch, Rank, SHOWN_MAX};
use live::job::LateChange;

/// The most windows in one answer.
const WINDOWS_MAX: usize = 20_000;

impl Page {
    /// Answers a request for `/api/` and this name. `hang_up` cuts the connection.
    pub(super) async fn api(&self, name: &str, query: Option<&str>, hang_up: Arc<Notify>) -> Response<Body> {
        let (name, is_csv) = name.strip_suffix(".csv").map_or((name, false), |name| (name, true));
        if name == "at" && !is_csv {
            return match Query::read(query, &[]) {
                Err(sentence) => refusal(StatusCode::BAD_REQUEST, &sentence),
                Ok(_) => {
                    let mut state = serde_json::to_vec(&[self.config.feed.state()]).unwrap_or_default();
                    state.push(b'\n');
                    answer(StatusCode::OK, JSON, whole(state))
                }
            };
        }
        let (marked, query) = match (is_csv, query) {
            (true, Some(query)) => without_mark(query),
            (_, query) => (false, query.map(str::to_owned)),
        };
        let query = query.as_deref();
        if is_csv
            && query.is_none_or(str::is_empty)
            && let Some(download) = Download::of(name)
        {
            return self.download(download, marked, hang_up);
        }
        let rows = match (name, Download::of(name)) {
            ("late", _) => self.late(query),
            (_, Some(Download::View(USERS))) => self.users(query).await,
            (_, Some(Download::View(WINDOWS))) => self.windows(query).await,
            (_, Some(download)) => self.first(download, query).await,
            (name, None) if name == TOTAL.name => self.total(query),
            _ => return refusal(StatusCode::NOT_FOUND, "there is nothing at this address"),
        };
        match rows {
            Err(refusal) => refusal.answer(),
            Ok(rows) if is_csv => csv(name, whole([rows.csv_head(marked), rows.csv()].concat())),
            Ok(rows) => answer(StatusCode::OK, JSON, whole(rows.json())),
        }
    }

    fn total(&self, query: Option<&str>) -> Result<Rows, Refusal> {
        Query::read(query, &[])?;
        let (epoch, totals) = self.config.feed.total();
        Ok(Rows { columns: columns_of(TOTAL), epoch, rows: vec![totals_fields(&totals).into()] })
    }

    async fn users(&self, query: Option<&str>) -> Result<Rows, Refusal> {
        let query = Query::read(query, &["top", "by", "q", "limit"])?;
        if let Some(prefix) = query.text("q") {
            if query.text("top").or(query.text("by")).is_some() {
                return Err("q finds users by id, in the order of ids: it goes with limit alone"
                    .to_owned()
                    .into());
            }
            let (limit, prefix) = (query.rows("limit", 50, SHOWN_MAX)?, prefix.to_owned());
            return self.read(move |feed| Download::View(USERS).starting_with(feed, &prefix, limit)).await;
        }
        if query.text("limit").is_some() {
            return Err("limit goes with q; the number of leaders is top".to_owned().into());
        }
        let rank = match query.text("by") {
            None | Some("amount") => Rank::Amount,
            Some("count") => Rank::Count,
            Some(other) => return Err(format!("by={other:?} must be amount or count").into()),
        };
        let (epoch, users) = self.config.feed.top_users(rank, query.rows("top", 10, SHOWN_MAX)?).await;
        let rows = users.into_iter().map(|(user, totals)| user_fields(&user, &totals)).collect();
        Ok(Rows { columns: columns_of(USERS), epoch, rows })
    }

    async fn windows(&self, query: Option<&str>) -> Result<Rows, Refusal> {
        let query = Query::read(query, &["from", "to", "limit"])?;
        let range = (query.number("from")?, query.number("to")?);
        let limit = query.rows("limit", 5_000, WINDOWS_MAX)?;
        self.read(move |feed| Ok(windows::last_of(feed, range, limit)?)).await
    }

    /// Reads the first rows of a table, in the order of their keys.
    async fn first(&self, download: Download, query: Option<&str>) -> Result<Rows, Refusal> {
        let limit = Query::read(query, &["limit"])?.rows("limit", 100, SHOWN_MAX)?;
        self.read(move |feed| download.starting_with(feed, "", limit)).await
    }

    fn late(&self, query: Option<&str>) -> Result<Rows, Refusal> {
        let limit = Query::read(query, &["limit"])?.rows("limit", 100, SHOWN_MAX)?;
        let feed = &self.config.feed;
        let (epoch, late) = feed.late(limit);
        let rows = late.into_iter().map(|change| late_fields(feed, change)).collect();
        let columns = vec![
            "UserId",
            "OrderId",
            "change",
            "price",
            "priceBefore",
            "timestamp",
            "begin",
            "beginMs",
            "commit",
        ];
        Ok(Rows { columns, epoch, rows })
    }

    /// Runs what reads tables on a thread that may block. At most `reads_max` such reads run at a
    /// time; others wait.
    async fn read(
        &self,
        read: impl FnOnce(&FeedWatch) -> Result<Rows, Refusal> + Send + 'static,
    ) -> Result<Rows, Refusal> {
        let failed =
            |error: &dyn std::fmt::Display| Refusal::Store(format!("the results cannot be read: {error}"));
        let _place = self.reads.acquire().await.map_err(|error| failed(&error))?;
        let feed = self.config.feed.clone();
        spawn_blocking(move || read(&feed)).await.unwrap_or_else(|error| Err(failed(&error)))
    }
}

/// Takes the parameter `bom` out of the query of a CSV file. Returns whether it was there, and the
/// query without it.
fn without_mark(query: &str) -> (bool, Option<String>) {
    let is_mark = |part: &&str| matches!(*part, "bom" | "bom=");
    let rest: Vec<&str> = query.split('&').filter(|part| !is_mark(part)).collect();
    (query.split('&').any(|part| is_mark(&part)), (!rest.is_empty()).then(|| rest.join("&")))
}

/// Returns the fields of a user's row.
fn user_fields(user: &str, totals: &Totals) -> Vec<ShownField> {
    [ShownField::Text(user.to_owned())].into_iter().chain(totals_fields(totals)).collect()
}

fn late_fields(feed: &FeedWatch, change: LateChange) -> Vec<ShownField> {
    let LateChange { user, order, before, after, window_ms, commit } = change;
    let kind = match (&before, &after) {
        (None, _) => "placed",
        (Some(_), Some(_)) => "corrected",
        (Some(_), None) => "cancelled",
    };
    let price = |placed: Option<live::job::Placed>| {
        placed.map_or(ShownField::Nothing, |(price, _)| ShownField::Plain(price.to_string()))
    };
    vec![
        ShownField::Text(user),
        ShownField::Text(order),
        ShownField::Plain(kind.to_owned()),
        price(after),
        price(before),
        after.or(before).map_or(ShownField::Nothing, |(_, at_ms)| ShownField::Integer(at_ms)),
        ShownField::Plain(feed.layout().begin(window_ms)),
        ShownField::Integer(window_ms),
        ShownField::count(commit),
    ]
}
