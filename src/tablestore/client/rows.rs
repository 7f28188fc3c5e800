//! Offers the operations on single rows and on ranges of rows.

use bytes::Bytes;

use super::Client;
use super::call::Operation;
use super::error::ClientError;
use crate::filter::encode_filter;
use crate::plain_buffer::{Malformed, Rows, encode_change, encode_key, parse_key};
use crate::table;
use store::change::{Condition, Existence, Returning, RowWrite, Write};
use store::read::{Direction, RangeRead, Selection};
use store::value::{NamedKey, Row};

const PUT: Operation = Operation::write("/PutRow");
const UPDATE: Operation = Operation::write("/UpdateRow");
const DELETE: Operation = Operation::write("/DeleteRow");
const GET: Operation = Operation::read("/GetRow");
const RANGE: Operation = Operation::read("/GetRange");

/// The number of versions of a column that a read asks for if its selection does not say.
const VERSIONS_MAX: i32 = 1;

/// A page of a range.
#[derive(Clone, Debug, PartialEq)]
pub struct RangePage {
    /// The rows, in the order of the range.
    pub rows: Vec<Row>,
    /// The key at which the next page begins; `None` if there are no more rows.
    pub next: Option<NamedKey>,
}

/// The pages of a range, which are read one after the other.
#[derive(Debug)]
pub struct RangePages {
    client: Client,
    /// The range that is still to be read; `None` at the end.
    rest: Option<RangeRead>,
}

impl RangePages {
    /// Reads the next page. It has at most `rows_max` rows, and may have fewer or none. Returns
    /// `None` at the end of the range.
    ///
    /// # Errors
    /// Returns [`ClientError`] if the call fails.
    pub async fn next_page(&mut self, rows_max: u64) -> Result<Option<Vec<Row>>, ClientError> {
        let Some(rest) = &mut self.rest else { return Ok(None) };
        rest.rows_max = Some(usize::try_from(rows_max).unwrap_or(usize::MAX));
        let page = self.client.get_range(rest).await?;
        match page.next {
            Some(next) => rest.start = next,
            None => self.rest = None,
        }
        Ok(Some(page.rows))
    }
}

impl Client {
    /// Puts, updates or deletes a row. Returns the row that the write asks to return.
    ///
    /// # Errors
    /// Returns [`ClientError`]; with `OTSConditionCheckFail` if the row does not meet the write's
    /// condition.
    pub async fn write_row(&self, write: &Write) -> Result<Option<Row>, ClientError> {
        let table_name = write.table.clone();
        let row = Bytes::from(encode_change(&write.key, &write.change));
        let condition = condition(&write.condition);
        let return_content = return_content(&write.returning);
        let (operation, row) = match &write.change {
            RowWrite::Put(_) => {
                let request =
                    table::PutRowRequest { table_name, row, condition, return_content, ..Default::default() };
                (PUT, self.call::<table::PutRowResponse>(PUT, &request).await?.answer.row)
            }
            RowWrite::Update(_) => {
                let request = table::UpdateRowRequest {
                    table_name,
                    row_change: row,
                    condition,
                    return_content,
                    ..Default::default()
                };
                (UPDATE, self.call::<table::UpdateRowResponse>(UPDATE, &request).await?.answer.row)
            }
            RowWrite::Delete => {
                let request = table::DeleteRowRequest {
                    table_name,
                    primary_key: row,
                    condition,
                    return_content,
                    ..Default::default()
                };
                (DELETE, self.call::<table::DeleteRowResponse>(DELETE, &request).await?.answer.row)
            }
        };
        returned_row(row.as_deref()).map_err(|malformed| self.untrusted(operation, malformed))
    }

    /// Reads a row. A selection without a number of versions reads the newest.
    ///
    /// # Errors
    /// Returns [`ClientError`] if the call fails.
    pub async fn get_row(
        &self,
        table: &str,
        key: &NamedKey,
        selection: &Selection,
    ) -> Result<Option<Row>, ClientError> {
        let request = table::GetRowRequest {
            table_name: table.to_owned(),
            primary_key: encode_key(key).into(),
            columns_to_get: selection.columns.clone(),
            time_range: time_range(selection),
            max_versions: versions_max(selection),
            filter: selection.filter.as_ref().map(encode_filter),
            start_column: selection.start_column.clone(),
            end_column: selection.end_column.clone(),
            ..Default::default()
        };
        let answer = self.call::<table::GetRowResponse>(GET, &request).await?.answer;
        returned_row(Some(&answer.row)).map_err(|malformed| self.untrusted(GET, malformed))
    }

    /// Reads one page of a range: as many rows from its start as fit.
    ///
    /// # Errors
    /// Returns [`ClientError`] if the call fails.
    pub async fn get_range(&self, read: &RangeRead) -> Result<RangePage, ClientError> {
        let answer = self.call(RANGE, &range_request(read)).await?.answer;
        range_page(&answer).map_err(|malformed| self.untrusted(RANGE, malformed))
    }

    /// Reads a range page by page, until the server says that there is no more.
    pub fn range(&self, read: RangeRead) -> RangePages {
        RangePages { client: self.clone(), rest: Some(read) }
    }
}

/// Returns the request for a page of a range.
pub(super) fn range_request(read: &RangeRead) -> table::GetRangeRequest {
    let RangeRead { selection, .. } = read;
    let direction = match read.direction {
        Direction::Forward => table::Direction::Forward,
        Direction::Backward => table::Direction::Backward,
    };
    table::GetRangeRequest {
        table_name: read.table.clone(),
        direction: direction.into(),
        columns_to_get: selection.columns.clone(),
        time_range: time_range(selection),
        max_versions: versions_max(selection),
        limit: read.rows_max.map(|rows_max| i32::try_from(rows_max).unwrap_or(i32::MAX)),
        inclusive_start_primary_key: encode_key(&read.start).into(),
        exclusive_end_primary_key: encode_key(&read.end).into(),
        filter: selection.filter.as_ref().map(encode_filter),
        start_column: selection.start_column.clone(),
        end_column: selection.end_column.clone(),
        ..Default::default()
    }
}

/// Returns the page in an answer.
pub(super) fn range_page(answer: &table::GetRangeResponse) -> Result<RangePage, Malformed> {
    let rows = Rows::of(&answer.rows)?.map(|row| row?.stored_row()).collect::<Result<_, Malformed>>()?;
    let next = answer.next_start_primary_key.as_ref().filter(|next| !next.is_empty());
    Ok(RangePage { rows, next: next.map(|next| parse_key(next)).transpose()? })
}

/// Returns the row in an answer; `None` if it has no bytes.
pub(super) fn returned_row(bytes: Option<&[u8]>) -> Result<Option<Row>, Malformed> {
    match bytes {
        None | Some([]) => Ok(None),
        Some(bytes) => Rows::of(bytes)?.only()?.stored_row().map(Some),
    }
}

pub(super) fn condition(condition: &Condition) -> table::Condition {
    let existence = match condition.existence {
        Existence::Ignore => table::RowExistenceExpectation::Ignore,
        Existence::Exists => table::RowExistenceExpectation::ExpectExist,
        Existence::Absent => table::RowExistenceExpectation::ExpectNotExist,
    };
    table::Condition {
        row_existence: existence.into(),
        column_condition: condition.columns.as_ref().map(encode_filter),
    }
}

pub(super) fn return_content(returning: &Returning) -> Option<table::ReturnContent> {
    let content = |kind: table::ReturnType, names: &[String]| {
        Some(table::ReturnContent { return_type: Some(kind.into()), return_column_names: names.to_vec() })
    };
    match returning {
        Returning::Nothing => None,
        Returning::Key => content(table::ReturnType::Pk, &[]),
        Returning::After(names) => content(table::ReturnType::AfterModify, names),
    }
}

pub(super) fn time_range(selection: &Selection) -> Option<table::TimeRange> {
    let range =
        |(start, end)| table::TimeRange { start_time: Some(start), end_time: Some(end), specific_time: None };
    selection.versions.map(range)
}

/// Returns the number of versions to ask for; `None` if the selection names versions by time. The
/// server wants one of the two.
pub(super) fn versions_max(selection: &Selection) -> Option<i32> {
    match (selection.versions_max, selection.versions) {
        (Some(versions), _) => Some(i32::try_from(versions).unwrap_or(i32::MAX)),
        (None, None) => Some(VERSIONS_MAX),
        (None, Some(_)) => None,
    }
}
