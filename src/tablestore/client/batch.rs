//! Reads and writes many rows at once. They are cut into requests that servers accept, and only
//! rows that may yet succeed are sent again.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use prost::Message;

use super::Client;
use super::call::{Operation, Retries};
use super::error::{ClientError, ServiceError};
use super::retry::{Access, RetryPolicy, is_retryable};
use super::rows::{condition, return_content, returned_row, time_range, versions_max};
use crate::filter::encode_filter;
use crate::limits::{ROWS_PER_READ_MAX, ROWS_PER_WRITE_MAX, WRITE_BYTES_MAX};
use crate::plain_buffer::{encode_change, encode_key};
use crate::table;
use store::change::{RowWrite, Write};
use store::read::Selection;
use store::value::{NamedKey, Row};

/// The most bytes around a row, or around the name of a table, in a request: at most a tag and a
/// length each.
const FRAME_BYTES_MAX: usize = 16;

const WRITE: Operation = Operation::write("/BatchWriteRow");
const READ: Operation = Operation::read("/BatchGetRow");

/// The outcome of a row of a batch: the row that the server returned, or its refusal.
pub type RowResult = Result<Option<Row>, ServiceError>;

/// A row of an answer to a batch read or write.
struct AnsweredRow {
    is_ok: bool,
    error: Option<table::Error>,
    row: Option<bytes::Bytes>,
}

impl Client {
    /// Writes any number of rows. Returns the outcome of each, in order.
    ///
    /// The rows go in requests of at most [`ROWS_PER_WRITE_MAX`] rows and [`WRITE_BYTES_MAX`]
    /// bytes, one after the other. No request holds two writes of one row, so writes of one row
    /// take place in the order given. A single row that is too large is sent as it is, and the
    /// server refuses it.
    ///
    /// # Errors
    /// Returns [`ClientError`] if a request as a whole fails. The requests before it have taken
    /// place.
    pub async fn batch_write_row(&self, writes: &[Write]) -> Result<Vec<RowResult>, ClientError> {
        let encoded: Vec<_> = writes.iter().map(encoded).collect();
        let mut results = Vec::with_capacity(writes.len());
        for chunk in chunks(writes, &encoded) {
            let (Some(writes), Some(encoded)) = (writes.get(chunk.clone()), encoded.get(chunk)) else {
                break;
            };
            results.extend(self.write_chunk(writes, encoded).await?);
        }
        Ok(results)
    }

    async fn write_chunk(
        &self,
        writes: &[Write],
        encoded: &[table::RowInBatchWriteRowRequest],
    ) -> Result<Vec<RowResult>, ClientError> {
        let tables = by_table(writes);
        let mut rows = Settling::new(&self.inner.config.retry, WRITE.access, writes.len());
        while rows.wait().await {
            let mut request = table::BatchWriteRowRequest::default();
            let mut asked = Vec::with_capacity(rows.pending.len());
            for (name, of_table) in &tables {
                let of_table: Vec<usize> =
                    of_table.iter().copied().filter(|row| rows.pending.binary_search(row).is_ok()).collect();
                if !of_table.is_empty() {
                    request.tables.push(table::TableInBatchWriteRowRequest {
                        table_name: (*name).to_owned(),
                        rows: of_table.iter().filter_map(|&row| encoded.get(row)).cloned().collect(),
                    });
                    asked.extend(of_table);
                }
            }
            let called = self.call::<table::BatchWriteRowResponse>(WRITE, &request).await?;
            let answered = called.answer.tables.into_iter().flat_map(|table| table.rows);
            let answered = answered
                .map(|row| AnsweredRow { is_ok: row.is_ok, error: row.error, row: row.row })
                .collect();
            rows.settle(asked, self.results(WRITE, rows.pending.len(), answered, &called.request_id)?);
        }
        Ok(rows.results())
    }

    /// Reads any number of rows of one table by their keys. Returns the outcome of each, in order.
    ///
    /// # Errors
    /// Returns [`ClientError`] if a request as a whole fails.
    pub async fn batch_get_row(
        &self,
        table: &str,
        keys: &[NamedKey],
        selection: &Selection,
    ) -> Result<Vec<RowResult>, ClientError> {
        let mut results = Vec::with_capacity(keys.len());
        for keys in keys.chunks(ROWS_PER_READ_MAX) {
            let mut rows = Settling::new(&self.inner.config.retry, READ.access, keys.len());
            while rows.wait().await {
                let asked = rows.pending.iter().filter_map(|&row| keys.get(row));
                let request = table::BatchGetRowRequest {
                    tables: vec![table::TableInBatchGetRowRequest {
                        table_name: table.to_owned(),
                        primary_key: asked.map(|key| encode_key(key).into()).collect(),
                        columns_to_get: selection.columns.clone(),
                        time_range: time_range(selection),
                        max_versions: versions_max(selection),
                        filter: selection.filter.as_ref().map(encode_filter),
                        start_column: selection.start_column.clone(),
                        end_column: selection.end_column.clone(),
                        ..Default::default()
                    }],
                };
                let called = self.call::<table::BatchGetRowResponse>(READ, &request).await?;
                let answered = called.answer.tables.into_iter().flat_map(|table| table.rows);
                let answered = answered
                    .map(|row| AnsweredRow { is_ok: row.is_ok, error: row.error, row: row.row })
                    .collect();
                let settled = self.results(READ, rows.pending.len(), answered, &called.request_id)?;
                rows.settle(rows.pending.clone(), settled);
            }
            results.extend(rows.results());
        }
        Ok(results)
    }

    /// Returns the outcome of each row of an answer, in the order of the request.
    fn results(
        &self,
        operation: Operation,
        asked: usize,
        answered: Vec<AnsweredRow>,
        request_id: &str,
    ) -> Result<Vec<RowResult>, ClientError> {
        if answered.len() != asked {
            let reason = format!("it is of {} rows where {asked} were sent", answered.len());
            return Err(self.untrusted(operation, reason));
        }
        let result = |row: AnsweredRow| {
            if row.is_ok {
                return returned_row(row.row.as_deref())
                    .map(Ok)
                    .map_err(|malformed| self.untrusted(operation, malformed));
            }
            let table::Error { code, message } = row.error.unwrap_or_default();
            let (message, request_id) = (message.unwrap_or_default(), request_id.to_owned());
            Ok(Err(ServiceError { code, message, status: 200, request_id }))
        };
        answered.into_iter().map(result).collect()
    }
}

/// The rows of a request, which are sent until each has succeeded, has failed for good, or has been
/// tried for long enough.
struct Settling<'a> {
    access: Access,
    retries: Retries<'a>,
    /// The rows to send next, in ascending order.
    pending: Vec<usize>,
    results: Vec<Option<RowResult>>,
}

impl<'a> Settling<'a> {
    fn new(policy: &'a RetryPolicy, access: Access, rows: usize) -> Settling<'a> {
        let retries = Retries::new(policy, access);
        Settling { access, retries, pending: (0..rows).collect(), results: vec![None; rows] }
    }

    /// Takes in the outcomes of these rows. Rows that may yet succeed become pending again.
    fn settle(&mut self, asked: Vec<usize>, results: Vec<RowResult>) {
        self.pending.clear();
        for (row, result) in asked.into_iter().zip(results) {
            if result.as_ref().is_err_and(|error| is_retryable(self.access, error.failure())) {
                self.pending.push(row);
            }
            if let Some(settled) = self.results.get_mut(row) {
                *settled = Some(result);
            }
        }
        self.pending.sort_unstable();
    }

    /// Waits until the pending rows may be sent. Returns false if there are none, or they are not
    /// to be sent again.
    async fn wait(&mut self) -> bool {
        let Some(&row) = self.pending.first() else { return false };
        match self.results.get(row) {
            Some(Some(Err(error))) => self.retries.wait(error.failure()).await,
            _ => true,
        }
    }

    fn results(self) -> Vec<RowResult> {
        self.results.into_iter().flatten().collect()
    }
}

fn encoded(write: &Write) -> table::RowInBatchWriteRowRequest {
    let kind = match write.change {
        RowWrite::Put(_) => table::OperationType::Put,
        RowWrite::Update(_) => table::OperationType::Update,
        RowWrite::Delete => table::OperationType::Delete,
    };
    table::RowInBatchWriteRowRequest {
        r#type: kind.into(),
        row_change: encode_change(&write.key, &write.change).into(),
        condition: condition(&write.condition),
        return_content: return_content(&write.returning),
    }
}

/// Returns the indices of the rows of each table, in the order in which the tables first occur.
fn by_table(writes: &[Write]) -> Vec<(&str, Vec<usize>)> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut tables: Vec<(&str, Vec<usize>)> = Vec::new();
    for (row, write) in writes.iter().enumerate() {
        let place = *places.entry(&write.table).or_insert_with(|| {
            tables.push((&write.table, Vec::new()));
            tables.len() - 1
        });
        if let Some((_, rows)) = tables.get_mut(place) {
            rows.push(row);
        }
    }
    tables
}

/// Cuts writes into requests, as [`Client::batch_write_row`] describes.
fn chunks(writes: &[Write], encoded: &[table::RowInBatchWriteRowRequest]) -> Vec<Range<usize>> {
    let mut chunks = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    let mut tables: HashSet<&str> = HashSet::new();
    let mut keys: HashSet<(&str, &NamedKey)> = HashSet::new();
    for (row, (write, encoded)) in writes.iter().zip(encoded).enumerate() {
        let row_bytes = encoded.encoded_len() + FRAME_BYTES_MAX;
        let table_bytes = write.table.len() + FRAME_BYTES_MAX;
        let more_bytes = row_bytes + if tables.contains(&*write.table) { 0 } else { table_bytes };
        let is_full = row - start == ROWS_PER_WRITE_MAX || bytes + more_bytes > WRITE_BYTES_MAX;
        if row > start && (is_full || keys.contains(&(&*write.table, &write.key))) {
            chunks.push(start..row);
            (start, bytes) = (row, row_bytes + table_bytes);
            tables.clear();
            keys.clear();
        } else {
            bytes += more_bytes;
        }
        tables.insert(&write.table);
        keys.insert((&write.table, &write.key));
    }
    if start < writes.len() {
        chunks.push(start..writes.len());
    }
    chunks
}
