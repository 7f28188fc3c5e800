//! Reads rows: one, up to 100 by key, or a page of a range.
//!
//! No read runs on a thread that serves connections, because a page may take milliseconds and a
//! disk may be slow.

use bytes::Bytes;
use prost::Message;

use super::Service;
use super::decode::{
    BATCH_GET_ROW, GET_RANGE, GET_ROW, TOO_MANY_ROWS_READ, consumed, decode, filter, no_transaction, number,
};
use super::error::Refusal;
use crate::limits::ROWS_PER_READ_MAX;
use crate::plain_buffer::{Writer, encode_row, parse_key};
use crate::table;
use store::Store;
use store::error::ReadError;
use store::read::{Direction, PAGE_BYTES_MAX, RangeRead, Selection};
use store::schema::TableInfo;
use store::value::{CellRef, KeyRef, NamedKey, PrimaryKey};

/// The number of bytes of rows after which a batch read refuses further rows.
const BATCH_BYTES_MAX: usize = 2 * PAGE_BYTES_MAX;
/// The number of bytes that are reserved for a page of a range at first.
const PAGE_BYTES: usize = 64 << 10;

/// A function that takes a row, and returns the number of bytes that it made of the row.
type Emit<'a> = &'a mut dyn FnMut(&[KeyRef<'_>], &[CellRef<'_>]) -> usize;

/// Reads one row.
pub(super) async fn get(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: table::GetRowRequest = decode(body, &GET_ROW)?;
    no_transaction(request.transaction_id.as_deref())?;
    no_token(request.token.as_ref())?;
    let key = key_of(&request.table_name, &request.primary_key)?;
    let cells = Cells {
        columns: request.columns_to_get,
        time_range: request.time_range,
        max_versions: request.max_versions,
        filter: request.filter,
        start_column: request.start_column,
        end_column: request.end_column,
    };
    let selection = cells.selection(&request.table_name)?;
    let read = move |store: &Store| read_row(store, &request.table_name, &key, &selection);
    let row = service.blocking(read).await?.into();
    Ok(table::GetRowResponse { consumed: consumed(1, 0), row }.encode_to_vec())
}

/// Reads rows by key. If a row cannot be read, its own entry holds the error.
pub(super) async fn batch_get(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: table::BatchGetRowRequest = decode(body, &BATCH_GET_ROW)?;
    match request.tables.iter().map(|table| table.primary_key.len()).sum() {
        0 => return Err(Refusal::invalid("No row is specified in the request of BatchGetRow.")),
        1..=ROWS_PER_READ_MAX => {}
        _ => return Err(Refusal::invalid(TOO_MANY_ROWS_READ)),
    }
    let read = move |store: &Store| {
        let mut bytes = 0;
        let tables = request.tables.into_iter().map(|table| read_rows(store, table, &mut bytes));
        tables.collect::<Result<Vec<_>, Refusal>>()
    };
    let tables = service.blocking(read).await?;
    Ok(table::BatchGetRowResponse { tables }.encode_to_vec())
}

/// Reads a page of a range.
pub(super) async fn range(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let read = range_read(body)?;
    let page = move |store: &Store| {
        let info = store.table(&read.table)?;
        range_page(&info, |emit| store.range(&read, emit))
    };
    service.blocking(page).await
}

/// Decodes a request for a page of a range.
pub(super) fn range_read(body: Bytes) -> Result<RangeRead, Refusal> {
    let request: table::GetRangeRequest = decode(body, &GET_RANGE)?;
    no_transaction(request.transaction_id.as_deref())?;
    no_token(request.token.as_ref())?;
    let cells = Cells {
        columns: request.columns_to_get,
        time_range: request.time_range,
        max_versions: request.max_versions,
        filter: request.filter,
        start_column: request.start_column,
        end_column: request.end_column,
    };
    Ok(RangeRead {
        direction: match number("direction", request.direction)? {
            table::Direction::Forward => Direction::Forward,
            table::Direction::Backward => Direction::Backward,
        },
        start: key_of(&request.table_name, &request.inclusive_start_primary_key)?,
        end: key_of(&request.table_name, &request.exclusive_end_primary_key)?,
        selection: cells.selection(&request.table_name)?,
        rows_max: rows_max(request.limit, &request.table_name)?,
        table: request.table_name,
    })
}

/// Builds the answer with a page of a range of a table. `range` hands out the rows and returns the
/// key at which the next page begins.
pub(super) fn range_page(
    info: &TableInfo,
    range: impl FnOnce(Emit<'_>) -> Result<Option<PrimaryKey>, ReadError>,
) -> Result<Vec<u8>, Refusal> {
    let mut page = Writer::with_capacity(PAGE_BYTES);
    let next = range(&mut |key, cells| {
        let before = page.bytes();
        let mut row = page.row();
        key_names(info).zip(key).for_each(|(name, value)| row.key(name, *value));
        cells.iter().for_each(|cell| row.cell(*cell));
        row.end();
        page.bytes() - before
    })?;
    let response = table::GetRangeResponse {
        consumed: consumed(1, 0),
        rows: page.finish().into(),
        next_start_primary_key: next.map(|key| encode_whole_key(info, key).into()),
    };
    Ok(response.encode_to_vec())
}

fn read_rows(
    store: &Store,
    request: table::TableInBatchGetRowRequest,
    bytes: &mut usize,
) -> Result<table::TableInBatchGetRowResponse, Refusal> {
    request.token.iter().try_for_each(|token| no_token(Some(token)))?;
    let cells = Cells {
        columns: request.columns_to_get,
        time_range: request.time_range,
        max_versions: request.max_versions,
        filter: request.filter,
        start_column: request.start_column,
        end_column: request.end_column,
    };
    let selection = cells.selection(&request.table_name)?;
    let read = |key: &Bytes| {
        if *bytes >= BATCH_BYTES_MAX {
            return Err(Refusal::invalid(format!(
                "The total data size of the rows of BatchGetRow exceeds the limit, limit size: {BATCH_BYTES_MAX}. \
                 Table: '{}'.",
                request.table_name
            )));
        }
        let row = read_row(store, &request.table_name, &key_of(&request.table_name, key)?, &selection)?;
        *bytes += row.len();
        Ok(row)
    };
    let rows = request.primary_key.iter().map(read).map(answer_row).collect();
    Ok(table::TableInBatchGetRowResponse { table_name: request.table_name, rows })
}

fn answer_row(result: Result<Vec<u8>, Refusal>) -> table::RowInBatchGetRowResponse {
    match result {
        Ok(row) => table::RowInBatchGetRowResponse {
            is_ok: true,
            error: None,
            consumed: Some(consumed(1, 0)),
            row: Some(row.into()),
        },
        Err(refusal) => table::RowInBatchGetRowResponse {
            is_ok: false,
            error: Some(refusal.message()),
            consumed: None,
            row: None,
        },
    }
}

/// Reads a row and encodes it. Returns no bytes if there is no such row.
fn read_row(store: &Store, table: &str, key: &NamedKey, selection: &Selection) -> Result<Vec<u8>, Refusal> {
    match store.get(table, key, selection)? {
        None => Ok(Vec::new()),
        Some(row) => Ok(encode_row(key_names(&*store.table(table)?), &row)),
    }
}

fn key_of(table: &str, bytes: &Bytes) -> Result<NamedKey, Refusal> {
    parse_key(bytes).map_err(|error| Refusal::malformed(error, table))
}

fn encode_whole_key(info: &TableInfo, key: PrimaryKey) -> Vec<u8> {
    encode_row(key_names(info), &store::value::Row { key, cells: Vec::new() })
}

pub(super) fn key_names(info: &TableInfo) -> impl Iterator<Item = &str> {
    info.schema.key.iter().map(|column| column.name.as_str())
}

/// The choice of cells in a request.
struct Cells {
    columns: Vec<String>,
    time_range: Option<table::TimeRange>,
    max_versions: Option<i32>,
    filter: Option<Bytes>,
    start_column: Option<String>,
    end_column: Option<String>,
}

impl Cells {
    fn selection(self, table: &str) -> Result<Selection, Refusal> {
        let wrong = |what: String| Refusal::invalid(format!("{what} Table: '{table}'."));
        if self.max_versions.is_none() && self.time_range.is_none() {
            return Err(wrong("No max_versions or time_range is specified.".to_owned()));
        }
        let positive = |count: i32| {
            usize::try_from(count).map_err(|_| wrong(format!("max_versions is negative: {count}.")))
        };
        Ok(Selection {
            columns: self.columns,
            versions_max: self.max_versions.map(positive).transpose()?,
            versions: self.time_range.map(|range| versions(range).map_err(wrong)).transpose()?,
            start_column: self.start_column,
            end_column: self.end_column,
            filter: filter(self.filter.as_ref())?,
        })
    }
}

/// Returns the chosen versions: from the first, to below the second.
fn versions(range: table::TimeRange) -> Result<(i64, i64), String> {
    match (range.specific_time, range.start_time, range.end_time) {
        (Some(at), None, None) => Ok((at, at.saturating_add(1))),
        (None, Some(start), Some(end)) => Ok((start, end)),
        _ => Err("time_range must have a specific_time, or a start_time and an end_time.".to_owned()),
    }
}

fn rows_max(limit: Option<i32>, table: &str) -> Result<Option<usize>, Refusal> {
    let limit = limit.map(usize::try_from).transpose();
    limit.map_err(|_| Refusal::invalid(format!("The limit must be greater than 0. Table: '{table}'.")))
}

/// Refuses a position within a row, because no answer ever ends within one.
fn no_token(token: Option<&Bytes>) -> Result<(), Refusal> {
    match token {
        Some(token) if !token.is_empty() => Err(Refusal::invalid("Invalid token: rows are never cut.")),
        _ => Ok(()),
    }
}
