//! Reads rows: one, up to 100 by key, or a page of a range.
//!
//! What can be told from a request alone, such as a key that is too long, refuses all of it. What
//! depends on a table refuses the row.
//!
//! No read runs on a thread that serves connections, because a page may take milliseconds and a
//! disk may be slow.

use bytes::Bytes;
use prost::Message;

use super::Service;
use super::answer::Built;
use super::decode::{
    BATCH_GET_ROW, GET_RANGE, GET_ROW, TOO_MANY_ROWS_READ, consumed, decode, filter, no_transaction, number,
};
use super::error::Refusal;
use super::matrix::Matrix;
use super::tables::named;
use crate::limits::ROWS_PER_READ_MAX;
use crate::plain_buffer::{Writer, encode_row, parse_key};
use crate::table;
use store::Store;
use store::error::ReadError;
use store::read::{Direction, PAGE_BYTES_MAX, RangeRead, Selection, check_row_key};
use store::schema::TableInfo;
use store::value::{CellRef, KeyPart, KeyRef, NamedKey, PrimaryKey};

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
    named(&request.table_name)?;
    let key = row_key(&request.table_name, &request.primary_key)?;
    let cells = Cells {
        columns: request.columns_to_get,
        time_range: request.time_range,
        max_versions: request.max_versions,
        filter: request.filter,
        start_column: request.start_column,
        end_column: request.end_column,
    };
    let selection = cells.selection(NO_VERSIONS)?;
    let read = move |store: &Store| read_row(store, &request.table_name, &key, &selection);
    let row = service.blocking(read).await?.into();
    Ok(table::GetRowResponse { consumed: consumed(1, 0), row }.encode_to_vec())
}

/// Reads rows by key. If a row cannot be read, its own entry holds the error.
pub(super) async fn batch_get(service: &Service, body: Bytes) -> Result<Built, Refusal> {
    let request: table::BatchGetRowRequest = decode(body, &BATCH_GET_ROW)?;
    if request.tables.is_empty() {
        return Err(Refusal::invalid("No row specified in the request of BatchGetRow."));
    }
    if request.tables.iter().map(|table| table.primary_key.len()).sum::<usize>() > ROWS_PER_READ_MAX {
        return Err(Refusal::invalid(TOO_MANY_ROWS_READ));
    }
    let reads = request.tables.into_iter().map(RowsRead::of).collect::<Result<Vec<_>, Refusal>>()?;
    let read = move |store: &Store| {
        let (mut bytes, mut built) = (0, Built::default());
        let tables = reads.into_iter().map(|table| read_rows(store, table, &mut bytes, &mut built));
        let answer = table::BatchGetRowResponse { tables: tables.collect() };
        Ok::<_, Refusal>(Built { body: answer.encode_to_vec(), ..built })
    };
    service.blocking(read).await
}

/// Reads a page of a range.
pub(super) async fn range(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let (read, form) = range_read(body)?;
    let page = move |store: &Store| {
        let info = store.table(&read.table)?;
        range_page(&info, form, |emit| store.range(&read, emit))
    };
    service.blocking(page).await
}

/// The form of a page of rows.
#[derive(Debug)]
pub(super) enum PageForm {
    /// The form of all other rows.
    PlainBuffer,
    /// A matrix with these columns beside those of the key.
    Matrix(Vec<String>),
}

/// Decodes a request for a page of a range.
pub(super) fn range_read(body: Bytes) -> Result<(RangeRead, PageForm), Refusal> {
    let request: table::GetRangeRequest = decode(body, &GET_RANGE)?;
    no_transaction(request.transaction_id.as_deref())?;
    no_token(request.token.as_ref())?;
    named(&request.table_name)?;
    let form = page_form(&request)?;
    let cells = Cells {
        columns: request.columns_to_get,
        time_range: request.time_range,
        max_versions: request.max_versions,
        filter: request.filter,
        start_column: request.start_column,
        end_column: request.end_column,
    };
    let read = RangeRead {
        direction: match number("direction", request.direction)? {
            table::Direction::Forward => Direction::Forward,
            table::Direction::Backward => Direction::Backward,
        },
        start: key_of(&request.table_name, &request.inclusive_start_primary_key)?,
        end: key_of(&request.table_name, &request.exclusive_end_primary_key)?,
        selection: cells.selection(NO_VERSIONS)?,
        rows_max: rows_max(request.limit)?,
        table: request.table_name,
    };
    Ok((read, form))
}

/// Returns the form in which a page is to be. A caller that wishes a matrix reads both forms, and
/// gets one where it loses nothing: where the columns are named and only their newest versions are
/// asked for.
fn page_form(request: &table::GetRangeRequest) -> Result<PageForm, Refusal> {
    let hint = request.data_block_type_hint.map(|hint| number("data block type", hint)).transpose()?;
    let fits = !request.columns_to_get.is_empty() && request.max_versions == Some(1);
    Ok(match hint {
        Some(table::DataBlockType::SimpleRowMatrix) if fits => {
            PageForm::Matrix(request.columns_to_get.clone())
        }
        _ => PageForm::PlainBuffer,
    })
}

/// Builds the answer with a page of a range of a table. `range` hands out the rows and returns the
/// key at which the next page begins.
pub(super) fn range_page(
    info: &TableInfo,
    form: PageForm,
    range: impl FnOnce(Emit<'_>) -> Result<Option<PrimaryKey>, ReadError>,
) -> Result<Vec<u8>, Refusal> {
    let (rows, next, form) = match form {
        PageForm::PlainBuffer => {
            let mut page = Writer::with_capacity(PAGE_BYTES);
            let next = range(&mut |key, cells| {
                let before = page.bytes();
                let mut row = page.row();
                key_names(info).zip(key).for_each(|(name, value)| row.key(name, *value));
                cells.iter().for_each(|cell| row.cell(*cell));
                row.end();
                page.bytes() - before
            })?;
            (page.finish(), next, None)
        }
        PageForm::Matrix(mut columns) => {
            columns.retain(|column| key_names(info).all(|name| name != column));
            let mut page = Matrix::new(key_names(info), columns);
            let next = range(&mut |key, cells| page.row(key, cells))?;
            (page.finish(), next, Some(table::DataBlockType::SimpleRowMatrix.into()))
        }
    };
    let response = table::GetRangeResponse {
        consumed: consumed(1, 0),
        rows: rows.into(),
        next_start_primary_key: next.map(|key| encode_whole_key(info, key).into()),
        data_block_type: form,
    };
    Ok(response.encode_to_vec())
}

/// The rows that a batch reads of one table.
struct RowsRead {
    table: String,
    keys: Vec<NamedKey>,
    selection: Selection,
}

impl RowsRead {
    fn of(request: table::TableInBatchGetRowRequest) -> Result<RowsRead, Refusal> {
        named(&request.table_name)?;
        request.token.iter().try_for_each(|token| no_token(Some(token)))?;
        let cells = Cells {
            columns: request.columns_to_get,
            time_range: request.time_range,
            max_versions: request.max_versions,
            filter: request.filter,
            start_column: request.start_column,
            end_column: request.end_column,
        };
        let keys = request.primary_key.iter().map(|key| row_key(&request.table_name, key));
        Ok(RowsRead {
            keys: keys.collect::<Result<_, Refusal>>()?,
            selection: cells.selection("No version condition is specified while querying row.")?,
            table: request.table_name,
        })
    }
}

fn read_rows(
    store: &Store,
    read: RowsRead,
    bytes: &mut usize,
    built: &mut Built,
) -> table::TableInBatchGetRowResponse {
    let RowsRead { table, keys, selection } = read;
    let read = |key: &NamedKey| {
        if *bytes >= BATCH_BYTES_MAX {
            let sentence = format!(
                "The total data size of the rows of BatchGetRow exceeds the limit, limit size: {BATCH_BYTES_MAX}."
            );
            return Err(Refusal::invalid(sentence).with_detail(format!("rows of table {table}")));
        }
        let row = read_row(store, &table, key, &selection)?;
        *bytes += row.len();
        Ok(row)
    };
    let rows = keys.iter().map(read).map(|result| match result {
        Ok(row) => table::RowInBatchGetRowResponse {
            is_ok: true,
            error: None,
            consumed: Some(consumed(1, 0)),
            row: Some(row.into()),
        },
        Err(refusal) => {
            built.rows_refused.push(refusal.clone());
            table::RowInBatchGetRowResponse {
                is_ok: false,
                error: Some(refusal.message()),
                consumed: None,
                row: None,
            }
        }
    });
    let rows = rows.collect();
    table::TableInBatchGetRowResponse { table_name: table, rows }
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

/// Decodes the key of a row, and checks what can be told without the table.
fn row_key(table: &str, bytes: &Bytes) -> Result<NamedKey, Refusal> {
    let key = key_of(table, bytes)?;
    if key.iter().any(|(_, part)| *part == KeyPart::AutoIncrement) {
        return Err(Refusal::invalid("PKAutoIncr can't be used for read operations."));
    }
    check_row_key(&key)?;
    Ok(key)
}

pub(super) fn encode_whole_key(info: &TableInfo, key: PrimaryKey) -> Vec<u8> {
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

/// The refusal of a read that says nothing about versions.
const NO_VERSIONS: &str = "No version condition is specified.";

impl Cells {
    /// Returns the selection. If nothing is said about versions, the read is refused with the
    /// sentence `no_versions`.
    fn selection(self, no_versions: &str) -> Result<Selection, Refusal> {
        let versions = match self.time_range {
            Some(range) => versions(range, self.max_versions.is_some()).map_err(Refusal::invalid)?,
            None => None,
        };
        if self.max_versions.is_none() && versions.is_none() {
            return Err(Refusal::invalid(no_versions));
        }
        let positive = |count: i32| {
            usize::try_from(count).map_err(|_| {
                Refusal::invalid(format!(
                    "Invalid max versions: {count}. Reason: Max versions must be positive."
                ))
            })
        };
        Ok(Selection {
            columns: self.columns,
            versions_max: self.max_versions.map(positive).transpose()?,
            versions,
            start_column: self.start_column,
            end_column: self.end_column,
            filter: filter(self.filter.as_ref())?,
        })
    }
}

/// Returns the chosen versions: from the first, to below the second; `None` if the range says
/// nothing. `with_count` says whether a number of versions is given too.
fn versions(range: table::TimeRange, with_count: bool) -> Result<Option<(i64, i64)>, &'static str> {
    match (range.specific_time, range.start_time, range.end_time) {
        (None, None, None) => Ok(None),
        (None, Some(start), Some(end)) => Ok(Some((start, end))),
        (None, ..) => Err("Start and end time must be given at the same time."),
        // The next two are spelled as the vendor spells them.
        (Some(_), None, None) if with_count => {
            Err("Specific tiemstamp and max versions cannot be given at the same time.")
        }
        (Some(at), None, None) => Ok(Some((at, at.saturating_add(1)))),
        (Some(_), ..) => Err("Specific tiemstamp and time range cannot be given at the same time."),
    }
}

fn rows_max(limit: Option<i32>) -> Result<Option<usize>, Refusal> {
    let limit = limit.map(usize::try_from).transpose();
    limit.map_err(|_| Refusal::invalid("The limit must be greater than 0."))
}

/// Refuses a position within a row, because no answer ever ends within one.
fn no_token(token: Option<&Bytes>) -> Result<(), Refusal> {
    match token {
        Some(token) if !token.is_empty() => Err(Refusal::invalid("Invalid token: rows are never cut.")),
        _ => Ok(()),
    }
}
