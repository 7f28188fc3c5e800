//! Offers the operations on tables.

use bytes::Bytes;

use super::Client;
use super::call::Operation;
use super::error::ClientError;
use crate::plain_buffer::{parse_key, write_bare_bound};
use crate::table;
use store::schema::{
    KeyColumn, STREAM_HOURS, StreamOptions, TableInfo, TableOptions, TableSchema, TableUpdate,
};
use store::value::{KeyPart, KeyType, KeyValue};

const LIST: Operation = Operation::read("/ListTable");
const CREATE: Operation = Operation::write("/CreateTable");
const DESCRIBE: Operation = Operation::read("/DescribeTable");
const UPDATE: Operation = Operation::write("/UpdateTable");
const DELETE: Operation = Operation::write("/DeleteTable");

impl Client {
    /// Returns the names of all tables.
    ///
    /// # Errors
    /// Returns [`ClientError`] if the call fails.
    pub async fn list_tables(&self) -> Result<Vec<String>, ClientError> {
        let called = self.call::<table::ListTableResponse>(LIST, &table::ListTableRequest {}).await?;
        Ok(called.answer.table_names)
    }

    /// Creates a table. In a cloud instance it takes up to a minute before calls on it succeed;
    /// they wait for that.
    ///
    /// # Errors
    /// Returns [`ClientError`]; with `OTSObjectAlreadyExist` if there is a table of this name.
    pub async fn create_table(&self, schema: &TableSchema) -> Result<(), ClientError> {
        let request = table::CreateTableRequest {
            table_meta: table::TableMeta {
                table_name: schema.name.clone(),
                primary_key: schema.key.iter().map(key_schema).collect(),
                defined_column: schema
                    .defined_columns
                    .iter()
                    .map(|(name, kind)| table::DefinedColumnSchema { name: name.clone(), r#type: *kind })
                    .collect(),
            },
            reserved_throughput: throughput(schema.throughput),
            table_options: Some(options(schema.options)),
            partitions: partitions(&schema.splits),
            stream_spec: schema.stream.as_ref().map(|stream| stream_specification(Some(stream))),
            ..table::CreateTableRequest::default()
        };
        self.call::<table::CreateTableResponse>(CREATE, &request).await?;
        Ok(())
    }

    /// Returns the schema, options and state of a table.
    ///
    /// # Errors
    /// Returns [`ClientError`]; with `OTSObjectNotExist` if there is no such table.
    pub async fn describe_table(&self, name: &str) -> Result<TableInfo, ClientError> {
        let request = table::DescribeTableRequest { table_name: name.to_owned() };
        let answer = self.call::<table::DescribeTableResponse>(DESCRIBE, &request).await?.answer;
        info(answer).map_err(|reason| self.untrusted(DESCRIBE, reason))
    }

    /// Changes a table's options.
    ///
    /// # Errors
    /// Returns [`ClientError`]; with `OTSObjectNotExist` if there is no such table.
    pub async fn update_table(&self, name: &str, update: &TableUpdate) -> Result<(), ClientError> {
        let request = table::UpdateTableRequest {
            table_name: name.to_owned(),
            reserved_throughput: update.throughput.map(throughput),
            table_options: update.options.map(options),
            stream_spec: update.stream.as_ref().map(|stream| stream_specification(stream.as_ref())),
        };
        self.call::<table::UpdateTableResponse>(UPDATE, &request).await?;
        Ok(())
    }

    /// Deletes a table with all its rows.
    ///
    /// # Errors
    /// Returns [`ClientError`]; with `OTSObjectNotExist` if there is no such table.
    pub async fn delete_table(&self, name: &str) -> Result<(), ClientError> {
        let request = table::DeleteTableRequest { table_name: name.to_owned() };
        self.call::<table::DeleteTableResponse>(DELETE, &request).await?;
        Ok(())
    }

    /// Creates the error for an answer that is rightly signed, but says something impossible.
    pub(super) fn untrusted(&self, operation: Operation, reason: impl std::fmt::Display) -> ClientError {
        ClientError::Untrusted {
            operation: operation.name(),
            endpoint: self.endpoint().to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// Returns the ranges that meet at these values.
fn partitions(splits: &[KeyValue]) -> Vec<table::PartitionRange> {
    if splits.is_empty() {
        return Vec::new();
    }
    let inner = splits.iter().cloned().map(KeyPart::Value);
    let bounds: Vec<Bytes> = [KeyPart::Min]
        .into_iter()
        .chain(inner)
        .chain([KeyPart::Max])
        .map(|bound| write_bare_bound(&bound).into())
        .collect();
    let ends = bounds.iter().skip(1);
    bounds
        .iter()
        .zip(ends)
        .map(|(begin, end)| table::PartitionRange { begin: begin.clone(), end: end.clone() })
        .collect()
}

/// Returns the values at which a table is split, of which each came as a row of one key cell.
fn splits(shard_splits: &[Bytes]) -> Result<Vec<KeyValue>, String> {
    let split = |bytes: &Bytes| match parse_key(bytes).map_err(|error| error.to_string())?.pop() {
        Some((_, KeyPart::Value(value))) => Ok(value),
        _ => Err("a value at which the table is split has no value".to_owned()),
    };
    shard_splits.iter().map(split).collect()
}

fn key_schema(column: &KeyColumn) -> table::PrimaryKeySchema {
    let kind = match column.kind {
        KeyType::Integer => table::PrimaryKeyType::Integer,
        KeyType::String => table::PrimaryKeyType::String,
        KeyType::Binary => table::PrimaryKeyType::Binary,
    };
    let option = column.auto_increment.then_some(table::PrimaryKeyOption::AutoIncrement.into());
    table::PrimaryKeySchema { name: column.name.clone(), r#type: kind.into(), option }
}

fn throughput((read, write): (i32, i32)) -> table::ReservedThroughput {
    table::ReservedThroughput { capacity_unit: table::CapacityUnit { read: Some(read), write: Some(write) } }
}

fn options(options: TableOptions) -> table::TableOptions {
    table::TableOptions {
        time_to_live: Some(options.time_to_live_s),
        max_versions: Some(options.max_versions),
        deviation_cell_version_in_sec: Some(options.version_deviation_s),
        ..table::TableOptions::default()
    }
}

fn stream_specification(stream: Option<&StreamOptions>) -> table::StreamSpecification {
    table::StreamSpecification {
        enable_stream: stream.is_some(),
        expiration_time: stream.map(|stream| stream.hours),
        columns_to_get: stream.map(|stream| stream.columns.clone()).unwrap_or_default(),
    }
}

/// Returns the table that an answer describes. Returns the reason as an error if it is impossible.
fn info(answer: table::DescribeTableResponse) -> Result<TableInfo, String> {
    let key = answer.table_meta.primary_key.iter().map(|column| {
        let kind = match table::PrimaryKeyType::try_from(column.r#type) {
            Ok(table::PrimaryKeyType::Integer) => KeyType::Integer,
            Ok(table::PrimaryKeyType::String) => KeyType::String,
            Ok(table::PrimaryKeyType::Binary) => KeyType::Binary,
            Err(_) => {
                return Err(format!("key column {} has the unknown type {}", column.name, column.r#type));
            }
        };
        Ok(KeyColumn { name: column.name.clone(), kind, auto_increment: column.option.is_some() })
    });
    let options = answer.table_options;
    let default = TableOptions::default();
    let stream = answer.stream_details.unwrap_or_default();
    let capacity = answer.reserved_throughput_details.capacity_unit;
    Ok(TableInfo {
        schema: TableSchema {
            key: key.collect::<Result<_, _>>()?,
            name: answer.table_meta.table_name,
            options: TableOptions {
                time_to_live_s: options.time_to_live.unwrap_or(default.time_to_live_s),
                max_versions: options.max_versions.unwrap_or(default.max_versions),
                version_deviation_s: options
                    .deviation_cell_version_in_sec
                    .unwrap_or(default.version_deviation_s),
            },
            stream: stream.enable_stream.then(|| StreamOptions {
                hours: stream.expiration_time.unwrap_or(STREAM_HOURS),
                columns: stream.column_to_get,
            }),
            defined_columns: answer
                .table_meta
                .defined_column
                .into_iter()
                .map(|column| (column.name, column.r#type))
                .collect(),
            throughput: (capacity.read(), capacity.write()),
            splits: splits(&answer.shard_splits)?,
        },
        stream_id: stream.stream_id,
        stream_enabled_us: stream.last_enable_time.unwrap_or(0),
        created_us: answer.creation_time.unwrap_or(0),
    })
}
