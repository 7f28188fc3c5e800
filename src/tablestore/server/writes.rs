//! Writes rows: one, or up to 200 of several tables, each on its own.
//!
//! What can be told from a request alone, such as a value that is too long, refuses all of it. What
//! depends on a table, such as its key or a condition, refuses the row.
//!
//! No thread waits for the disk, because the store calls back once a write is durable.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use tokio::sync::oneshot;

use super::Service;
use super::answer::Built;
use super::decode::{
    BATCH_WRITE_ROW, BULK_IMPORT, TOO_MANY_ROWS_WRITTEN, WRITE_ROW, condition, consumed, decode, imported,
    no_transaction, number, returning,
};
use super::error::Refusal;
use super::tables::named;
use crate::limits::{ROWS_PER_WRITE_MAX, WRITE_BYTES_MAX};
use crate::plain_buffer::{WriteForm, encode_row, parse_change};
use crate::table;
use store::change::{ColumnChange, Existence, Returning, RowWrite, Write, Written};
use store::error::{Halt, WriteError};
use store::schema::TableInfo;
use store::value::KeyPart;

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
    let (consumed, row) = one(service, "PutRow", request.table_name, asked).await?;
    Ok(table::PutRowResponse { consumed, row }.encode_to_vec())
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
    let (consumed, row) = one(service, "UpdateRow", request.table_name, asked).await?;
    Ok(table::UpdateRowResponse { consumed, row }.encode_to_vec())
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
    let (consumed, row) = one(service, "DeleteRow", request.table_name, asked).await?;
    Ok(table::DeleteRowResponse { consumed, row }.encode_to_vec())
}

/// Writes rows of several tables. If a table refuses a row, the row's own entry holds the error; the
/// others are written.
pub(super) async fn batch(service: &Service, body: Bytes) -> Result<Built, Refusal> {
    let request: table::BatchWriteRowRequest = decode(body, &BATCH_WRITE_ROW)?;
    no_transaction(request.transaction_id.as_deref())?;
    if request.is_atomic == Some(true) {
        return Err(Refusal::invalid("A BatchWriteRow of all rows or none (is_atomic) is not supported."));
    }
    if request.tables.is_empty() {
        return Err(Refusal::invalid("No row is specified in BatchWriteRow."));
    }
    let mut batch = Batch::new("BatchWriteRow");
    for table in request.tables {
        batch.start_table(&table.table_name, table.rows.len())?;
        for row in table.rows {
            let form = write_form(row.r#type)?;
            let (condition, returning) = (row.condition, row.return_content);
            batch.add(&table.table_name, Asked { form, row: row.row_change, condition, returning })?;
        }
    }
    let Batch { tables, consumed, writes, .. } = batch.whole()?;
    let wants_rows = writes.iter().any(|write| write.returning != Returning::Nothing);
    let mut written = write_all(service, writes).await?.into_iter().zip(consumed);
    let mut infos = wants_rows.then(HashMap::new);
    let mut built = Built::default();
    let mut answer = table::BatchWriteRowResponse { tables: Vec::with_capacity(tables.len()) };
    for (table_name, rows) in tables {
        let info = infos.as_mut().and_then(|infos| table_info(service, &table_name, infos));
        let rows = written.by_ref().take(rows).map(|(result, consumed)| match result {
            Ok(written) => table::RowInBatchWriteRowResponse {
                is_ok: true,
                error: None,
                consumed: Some(consumed.units),
                row: returned(written, info.as_deref()),
            },
            Err(error) => table::RowInBatchWriteRowResponse {
                is_ok: false,
                error: Some(refused(&mut built, error)),
                consumed: None,
                row: None,
            },
        });
        let rows = rows.collect();
        answer.tables.push(table::TableInBatchWriteRowResponse { table_name, rows });
    }
    Ok(Built { body: answer.encode_to_vec(), ..built })
}

/// Writes rows of one table without conditions. If the table refuses a row, the row's own entry
/// holds the error; the others are written.
pub(super) async fn import(service: &Service, body: Bytes) -> Result<Built, Refusal> {
    let request: table::BulkImportRequest = decode(body, &BULK_IMPORT)?;
    let table_name = request.table_name;
    let mut batch = Batch::new("BulkImport");
    batch.start_table(&table_name, request.rows.len())?;
    for row in request.rows {
        let form = write_form(row.r#type)?;
        let condition = table::Condition::default();
        batch.add(&table_name, Asked { form, row: row.row_change, condition, returning: None })?;
    }
    let Batch { consumed, writes, .. } = batch.whole()?;
    let mut built = Built::default();
    let written = write_all(service, writes).await?.into_iter().zip(consumed);
    let rows = written.map(|(result, consumed)| match result {
        Ok(_) => table::RowInBulkImportResponse {
            is_ok: true,
            error: None,
            consumed: Some(imported(consumed.data_bytes)),
        },
        Err(error) => table::RowInBulkImportResponse {
            is_ok: false,
            error: Some(refused(&mut built, error)),
            consumed: None,
        },
    });
    let answer = table::BulkImportResponse { rows: rows.collect(), table_name };
    Ok(Built { body: answer.encode_to_vec(), ..built })
}

/// Returns the error of a row, and keeps its refusal for the log.
fn refused(built: &mut Built, error: WriteError) -> table::Error {
    let refusal = Refusal::from(error);
    built.rows_refused.push(refusal.clone());
    refusal.message()
}

/// A write as a request holds it.
struct Asked {
    form: WriteForm,
    row: Bytes,
    condition: table::Condition,
    returning: Option<table::ReturnContent>,
}

/// A write as the store takes it, and the number of bytes that the limits of a request count.
struct Parsed {
    write: Write,
    bytes: usize,
    consumed: Consumed,
}

/// What the answer to a write says it took.
#[derive(Clone, Copy, Debug)]
struct Consumed {
    units: table::ConsumedCapacity,
    data_bytes: usize,
}

/// The rows of a request while they are decoded.
struct Batch {
    operation: &'static str,
    /// The names of the tables, and the number of rows of each.
    tables: Vec<(String, usize)>,
    rows: usize,
    bytes: usize,
    writes: Vec<Write>,
    consumed: Vec<Consumed>,
}

impl Batch {
    fn new(operation: &'static str) -> Batch {
        Batch { operation, tables: Vec::new(), rows: 0, bytes: 0, writes: Vec::new(), consumed: Vec::new() }
    }

    /// Starts the rows of a table.
    fn start_table(&mut self, table: &str, rows: usize) -> Result<(), Refusal> {
        named(table)?;
        if rows == 0 {
            return Err(Refusal::invalid(format!("No operation is specified for table: '{table}'.")));
        }
        self.rows += rows;
        if self.rows > ROWS_PER_WRITE_MAX {
            return Err(Refusal::invalid(TOO_MANY_ROWS_WRITTEN));
        }
        self.tables.push((table.to_owned(), rows));
        Ok(())
    }

    fn add(&mut self, table: &str, asked: Asked) -> Result<(), Refusal> {
        let Parsed { write, bytes, consumed } = parse(table, asked)?;
        self.bytes += bytes;
        // If the batch is too large, only its size still matters.
        if self.bytes <= WRITE_BYTES_MAX {
            self.writes.push(write);
            self.consumed.push(consumed);
        }
        Ok(())
    }

    /// Returns the batch, unless it is too large.
    fn whole(self) -> Result<Batch, Refusal> {
        check_size(self.operation, self.bytes)?;
        Ok(self)
    }
}

fn write_form(operation: i32) -> Result<WriteForm, Refusal> {
    Ok(match number("operation type", operation)? {
        table::OperationType::Put => WriteForm::Put,
        table::OperationType::Update => WriteForm::Update,
        table::OperationType::Delete => WriteForm::Delete,
    })
}

/// Decodes a write, and checks what can be told without its table.
fn parse(table: &str, asked: Asked) -> Result<Parsed, Refusal> {
    let row = parse_change(&asked.row, asked.form).map_err(|error| Refusal::malformed(error, table))?;
    let write = Write {
        table: table.to_owned(),
        key: row.key,
        change: row.change,
        condition: condition(&asked.condition)?,
        returning: returning(asked.returning)?,
    };
    let has_placeholder = write.key.iter().any(|(_, part)| *part == KeyPart::AutoIncrement);
    if asked.form == WriteForm::Delete && has_placeholder {
        return Err(Refusal::invalid("Invalid row to delete which with pk auto increment."));
    }
    write.check()?;
    check_returning(&write)?;
    let conditional = write.condition.existence != Existence::Ignore || write.condition.columns.is_some();
    let units = consumed(i32::from(conditional), 1);
    Ok(Parsed { write, bytes: row.bytes, consumed: Consumed { units, data_bytes: row.data_bytes } })
}

/// Refuses to return columns after a write that does not increment them.
fn check_returning(write: &Write) -> Result<(), Refusal> {
    let Returning::After(columns) = &write.returning else { return Ok(()) };
    let changes = match &write.change {
        RowWrite::Update(changes) => changes.as_slice(),
        RowWrite::Put(_) | RowWrite::Delete => &[],
    };
    let incremented = |column: &&String| {
        changes.iter().any(|(name, change)| name == *column && matches!(change, ColumnChange::Increment(_)))
    };
    match columns.iter().find(|column| !incremented(column)) {
        Some(column) => Err(Refusal::invalid(format!("Invalid return column: '{column}'."))
            .with_detail("a write returns only columns that it increments")),
        None => Ok(()),
    }
}

fn check_size(operation: &str, bytes: usize) -> Result<(), Refusal> {
    if bytes <= WRITE_BYTES_MAX {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "The total data size of {operation} request exceeds the limit, limit size: {WRITE_BYTES_MAX}, data size: {bytes}."
    )))
}

/// Writes one row. Returns what that took, and the row that the write is to return.
async fn one(
    service: &Service,
    operation: &str,
    table: String,
    asked: Asked,
) -> Result<(table::ConsumedCapacity, Option<Bytes>), Refusal> {
    named(&table)?;
    let parsed = parse(&table, asked)?;
    check_size(operation, parsed.bytes)?;
    let consumed = parsed.consumed.units;
    let written = write_all(service, vec![parsed.write]).await?.pop().unwrap_or(Err(Halt::Closing.into()))?;
    let row = match written.row {
        None => None,
        row => returned(Written { row, ..written }, service.store.table(&table).ok().as_deref()),
    };
    Ok((consumed, row))
}

/// Writes rows, and waits until all of them are durable.
async fn write_all(
    service: &Service,
    writes: Vec<Write>,
) -> Result<Vec<Result<Written, WriteError>>, Refusal> {
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
