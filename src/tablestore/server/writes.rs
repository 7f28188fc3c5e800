//! Writes rows: one, or up to 200 of several tables, each on its own.
//!
//! No thread waits for the disk, because the store calls back once a write is durable.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use tokio::sync::oneshot;

use super::Service;
use super::decode::{
    BATCH_WRITE_ROW, TOO_MANY_ROWS_WRITTEN, WRITE_ROW, condition, consumed, decode, no_transaction, number,
    returning,
};
use super::error::Refusal;
use crate::limits::{ROWS_PER_WRITE_MAX, WRITE_BYTES_MAX};
use crate::plain_buffer::{WriteForm, encode_row, parse_change};
use crate::table;
use store::change::{Returning, Write, Written};
use store::error::{Halt, WriteError};
use store::schema::TableInfo;

/// Replaces a row.
pub(super) async fn put(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: table::PutRowRequest = decode(body, &WRITE_ROW)?;
    no_transaction(request.transaction_id.as_deref())?;
    let asked = Asked {
        form: WriteForm::Put,
        row: request.row,
        condition: request.condition,
        returning: request.return_content,
    };
    let row = one(service, "PutRow", request.table_name, asked).await?;
    Ok(table::PutRowResponse { consumed: consumed(0, 1), row }.encode_to_vec())
}

/// Changes columns of a row.
pub(super) async fn update(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: table::UpdateRowRequest = decode(body, &WRITE_ROW)?;
    no_transaction(request.transaction_id.as_deref())?;
    let asked = Asked {
        form: WriteForm::Update,
        row: request.row_change,
        condition: request.condition,
        returning: request.return_content,
    };
    let row = one(service, "UpdateRow", request.table_name, asked).await?;
    Ok(table::UpdateRowResponse { consumed: consumed(0, 1), row }.encode_to_vec())
}

/// Deletes a row.
pub(super) async fn delete(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: table::DeleteRowRequest = decode(body, &WRITE_ROW)?;
    no_transaction(request.transaction_id.as_deref())?;
    let asked = Asked {
        form: WriteForm::Delete,
        row: request.primary_key,
        condition: request.condition,
        returning: request.return_content,
    };
    let row = one(service, "DeleteRow", request.table_name, asked).await?;
    Ok(table::DeleteRowResponse { consumed: consumed(0, 1), row }.encode_to_vec())
}

/// Writes rows of several tables. If a row is refused, its own entry holds the error; the others
/// are written.
pub(super) async fn batch(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: table::BatchWriteRowRequest = decode(body, &BATCH_WRITE_ROW)?;
    no_transaction(request.transaction_id.as_deref())?;
    if request.is_atomic == Some(true) {
        return Err(Refusal::invalid("A BatchWriteRow of all rows or none (is_atomic) is not supported."));
    }
    let rows_count = request.tables.iter().map(|table| table.rows.len()).sum();
    match rows_count {
        0 => return Err(Refusal::invalid("No row is specified in BatchWriteRow.")),
        1..=ROWS_PER_WRITE_MAX => {}
        _ => return Err(Refusal::invalid(TOO_MANY_ROWS_WRITTEN)),
    }
    let mut bytes = 0;
    let mut writes = Vec::with_capacity(rows_count);
    // This holds the refusal of each row, or `None` if the row is among the writes.
    let mut refusals = Vec::with_capacity(request.tables.len());
    for table in request.tables {
        let mut of_table = Vec::with_capacity(table.rows.len());
        for row in table.rows {
            of_table.push(match parse_row(&table.table_name, row) {
                Ok(parsed) => {
                    bytes += parsed.bytes;
                    // If the batch is too large, only its size still matters.
                    if bytes <= WRITE_BYTES_MAX {
                        writes.push(parsed.write);
                    }
                    None
                }
                Err(refusal) => Some(refusal),
            });
        }
        refusals.push((table.table_name, of_table));
    }
    check_size("BatchWriteRow", bytes)?;
    let wants_rows = writes.iter().any(|write| write.returning != Returning::Nothing);
    let mut written = write_all(service, writes).await?.into_iter();
    let mut tables = Vec::with_capacity(refusals.len());
    let mut infos = wants_rows.then(HashMap::new);
    for (table_name, of_table) in refusals {
        let info = infos.as_mut().and_then(|infos| table_info(service, &table_name, infos));
        let answer = |refusal: Option<Refusal>| {
            let result = match refusal {
                Some(refusal) => Err(refusal),
                None => written.next().unwrap_or(Err(Halt::Closing.into())).map_err(Refusal::from),
            };
            answer_row(result, info.as_deref())
        };
        let rows = of_table.into_iter().map(answer).collect();
        tables.push(table::TableInBatchWriteRowResponse { table_name, rows });
    }
    Ok(table::BatchWriteRowResponse { tables }.encode_to_vec())
}

/// A write as a request holds it.
struct Asked {
    form: WriteForm,
    row: Bytes,
    condition: table::Condition,
    returning: Option<table::ReturnContent>,
}

/// A write as the store takes it, and the number of bytes of its names and values.
struct Parsed {
    write: Write,
    bytes: usize,
}

fn parse(table: &str, asked: Asked) -> Result<Parsed, Refusal> {
    let row = parse_change(&asked.row, asked.form).map_err(|error| Refusal::malformed(error, table))?;
    let write = Write {
        table: table.to_owned(),
        key: row.key,
        change: row.change,
        condition: condition(&asked.condition)?,
        returning: returning(asked.returning)?,
    };
    Ok(Parsed { write, bytes: row.bytes })
}

fn parse_row(table: &str, row: table::RowInBatchWriteRowRequest) -> Result<Parsed, Refusal> {
    let form = match number("operation type", row.r#type)? {
        table::OperationType::Put => WriteForm::Put,
        table::OperationType::Update => WriteForm::Update,
        table::OperationType::Delete => WriteForm::Delete,
    };
    parse(table, Asked { form, row: row.row_change, condition: row.condition, returning: row.return_content })
}

fn check_size(operation: &str, bytes: usize) -> Result<(), Refusal> {
    if bytes <= WRITE_BYTES_MAX {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "The total data size of {operation} request exceeds the limit, limit size: {WRITE_BYTES_MAX}, data size: {bytes}."
    )))
}

/// Writes one row. Answers with the row that the write is to return.
async fn one(
    service: &Service,
    operation: &str,
    table: String,
    asked: Asked,
) -> Result<Option<Bytes>, Refusal> {
    let parsed = parse(&table, asked)?;
    check_size(operation, parsed.bytes)?;
    let written = write_all(service, vec![parsed.write]).await?.pop().unwrap_or(Err(Halt::Closing.into()))?;
    match written.row {
        None => Ok(None),
        row => Ok(returned(Written { row, ..written }, service.store.table(&table).ok().as_deref())),
    }
}

/// Writes rows, and waits until all of them are durable.
async fn write_all(
    service: &Service,
    writes: Vec<Write>,
) -> Result<Vec<Result<Written, WriteError>>, Refusal> {
    if writes.is_empty() {
        return Ok(Vec::new());
    }
    let (done, answered) = oneshot::channel();
    // If the caller is gone, nobody needs the results.
    service.store.write(writes, move |results| drop(done.send(results)));
    // An answer is lost only if the store's commit thread has failed.
    answered.await.map_err(|_| match service.store.refusal() {
        Some(refusal) => Halt::Failed(refusal.reason).into(),
        None => Halt::Closing.into(),
    })
}

fn table_info(
    service: &Service,
    name: &str,
    infos: &mut HashMap<String, Option<Arc<TableInfo>>>,
) -> Option<Arc<TableInfo>> {
    infos.entry(name.to_owned()).or_insert_with(|| service.store.table(name).ok()).clone()
}

/// Returns the encoded row that a write returns.
fn returned(written: Written, info: Option<&TableInfo>) -> Option<Bytes> {
    let (row, info) = written.row.zip(info)?;
    let names = info.schema.key.iter().map(|column| column.name.as_str());
    Some(encode_row(names, &row).into())
}

fn answer_row(
    result: Result<Written, Refusal>,
    info: Option<&TableInfo>,
) -> table::RowInBatchWriteRowResponse {
    match result {
        Ok(written) => table::RowInBatchWriteRowResponse {
            is_ok: true,
            error: None,
            consumed: Some(consumed(0, 1)),
            row: returned(written, info),
        },
        Err(refusal) => table::RowInBatchWriteRowResponse {
            is_ok: false,
            error: Some(refusal.message()),
            consumed: None,
            row: None,
        },
    }
}
