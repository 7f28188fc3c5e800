//! Creates, lists, describes, changes and deletes tables.

use bytes::Bytes;
use prost::Message;

use super::Service;
use super::decode::{CREATE_TABLE, PLAIN, UPDATE_TABLE, decode, number};
use super::error::Refusal;
use super::sentences::table_name;
use crate::plain_buffer::{encode_key, parse_bare_bound};
use crate::table;
use store::schema::{
    KeyColumn, STREAM_HOURS, StreamOptions, TableInfo, TableOptions, TableSchema, TableUpdate, is_name,
};
use store::value::{KeyPart, KeyType, KeyValue};

/// Creates a table. Names in the refusal what is not supported, instead of ignoring it.
pub(super) async fn create(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: table::CreateTableRequest = decode(body, &CREATE_TABLE)?;
    let unsupported = |what: String| Err(Refusal::invalid(format!("{what} not supported.")));
    if let Some(index) = request.index_metas.first() {
        return unsupported(format!("Indexes are (index_metas: '{}')", index.name));
    }
    if request.enable_local_txn == Some(true) {
        return unsupported("Local transactions are (enable_local_txn)".to_owned());
    }
    if request.sse_spec.is_some_and(|sse| sse.enable) {
        return unsupported("Server side encryption is (sse_spec)".to_owned());
    }
    let schema = TableSchema {
        key: key_columns(&request.table_meta)?,
        options: options(request.table_options, TableOptions::default())?,
        stream: request.stream_spec.and_then(|spec| stream(&spec)),
        defined_columns: defined_columns(&request.table_meta)?,
        throughput: throughput(&request.reserved_throughput),
        splits: splits(&request.partitions)?,
        name: request.table_meta.table_name,
    };
    service.blocking(|store| store.create_table(schema)).await?;
    Ok(table::CreateTableResponse {}.encode_to_vec())
}

/// Lists the names of all tables.
pub(super) fn list(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let _: table::ListTableRequest = decode(body, &PLAIN)?;
    Ok(table::ListTableResponse { table_names: service.store.tables() }.encode_to_vec())
}

/// Describes a table.
pub(super) fn describe(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: table::DescribeTableRequest = decode(body, &PLAIN)?;
    named(&request.table_name)?;
    let info = service.store.table(&request.table_name)?;
    let defined = info
        .schema
        .defined_columns
        .iter()
        .map(|(name, kind)| table::DefinedColumnSchema { name: name.clone(), r#type: *kind });
    let response = table::DescribeTableResponse {
        table_meta: table::TableMeta {
            table_name: info.schema.name.clone(),
            primary_key: key_schema(&info),
            defined_column: defined.collect(),
        },
        reserved_throughput_details: throughput_details(&info),
        table_options: all_options(&info),
        table_status: table::TableStatus::Active.into(),
        stream_details: Some(stream_details(&info)),
        shard_splits: shard_splits(&info),
        creation_time: Some(info.created_us),
    };
    Ok(response.encode_to_vec())
}

/// Changes a table's options. An option that is left out stays as it is.
pub(super) async fn update(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: table::UpdateTableRequest = decode(body, &UPDATE_TABLE)?;
    let name = request.table_name;
    named(&name)?;
    let now = service.store.table(&name)?;
    if request.table_options.is_some_and(|options| options.update_full_row.is_some()) {
        return Err(Refusal::invalid("Option updateFullRow can not be updated."));
    }
    let update = TableUpdate {
        options: match request.table_options {
            Some(changed) => Some(options(Some(changed), now.schema.options)?),
            None => None,
        },
        stream: request.stream_spec.map(|spec| stream(&spec)),
        throughput: request.reserved_throughput.as_ref().map(throughput),
    };
    let info = service.blocking(move |store| store.update_table(&name, update)).await?;
    let response = table::UpdateTableResponse {
        reserved_throughput_details: throughput_details(&info),
        table_options: all_options(&info),
        stream_details: Some(stream_details(&info)),
    };
    Ok(response.encode_to_vec())
}

/// Deletes a table.
pub(super) async fn delete(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: table::DeleteTableRequest = decode(body, &PLAIN)?;
    named(&request.table_name)?;
    service.blocking(move |store| store.delete_table(&request.table_name)).await?;
    Ok(table::DeleteTableResponse {}.encode_to_vec())
}

/// Refuses a table whose name none can have.
pub(super) fn named(table: &str) -> Result<(), Refusal> {
    if is_name(table) { Ok(()) } else { Err(table_name(table)) }
}

/// Returns the key columns of a table as they are described.
pub(super) fn key_schema(info: &TableInfo) -> Vec<table::PrimaryKeySchema> {
    let column = |column: &KeyColumn| table::PrimaryKeySchema {
        name: column.name.clone(),
        r#type: match column.kind {
            KeyType::Integer => table::PrimaryKeyType::Integer,
            KeyType::String => table::PrimaryKeyType::String,
            KeyType::Binary => table::PrimaryKeyType::Binary,
        }
        .into(),
        option: column.auto_increment.then(|| table::PrimaryKeyOption::AutoIncrement.into()),
    };
    info.schema.key.iter().map(column).collect()
}

/// Returns the values at which partitions meet: each begins where the one before ends.
fn splits(partitions: &[table::PartitionRange]) -> Result<Vec<KeyValue>, Refusal> {
    let mut splits = Vec::new();
    for bound in partitions.iter().flat_map(|range| [&range.begin, &range.end]) {
        let bound = parse_bare_bound(bound)
            .map_err(|error| Refusal::invalid(format!("Invalid partition range: {error}.")))?;
        if let KeyPart::Value(value) = bound {
            splits.push(value);
        }
    }
    splits.sort_unstable();
    splits.dedup();
    Ok(splits)
}

fn shard_splits(info: &TableInfo) -> Vec<Bytes> {
    let name = info.schema.key.first().map(|column| column.name.as_str());
    let split = |value: &KeyValue| {
        let key = vec![(name.unwrap_or_default().to_owned(), KeyPart::Value(value.clone()))];
        encode_key(&key).into()
    };
    info.schema.splits.iter().map(split).collect()
}

fn key_columns(meta: &table::TableMeta) -> Result<Vec<KeyColumn>, Refusal> {
    let column = |column: &table::PrimaryKeySchema| {
        let kind = match number(&format!("type of primary key column '{}'", column.name), column.r#type)? {
            table::PrimaryKeyType::Integer => KeyType::Integer,
            table::PrimaryKeyType::String => KeyType::String,
            table::PrimaryKeyType::Binary => KeyType::Binary,
        };
        let auto_increment = match column.option {
            None => false,
            Some(option) => {
                let what = format!("option of primary key column '{}'", column.name);
                number::<table::PrimaryKeyOption>(&what, option)? == table::PrimaryKeyOption::AutoIncrement
            }
        };
        Ok(KeyColumn { name: column.name.clone(), kind, auto_increment })
    };
    meta.primary_key.iter().map(column).collect()
}

fn defined_columns(meta: &table::TableMeta) -> Result<Vec<(String, i32)>, Refusal> {
    let column = |column: &table::DefinedColumnSchema| {
        let what = format!("type of defined column '{}'", column.name);
        number::<table::DefinedColumnType>(&what, column.r#type)?;
        Ok((column.name.clone(), column.r#type))
    };
    meta.defined_column.iter().map(column).collect()
}

fn options(changed: Option<table::TableOptions>, now: TableOptions) -> Result<TableOptions, Refusal> {
    let Some(changed) = changed else { return Ok(now) };
    let unsupported = |what: &str| Err(Refusal::invalid(format!("{what} is not supported.")));
    if changed.allow_update == Some(false) {
        return unsupported("A table without updates (allow_update: false)");
    }
    if changed.update_full_row == Some(true) {
        return unsupported("A table with updates of full rows only (update_full_row: true)");
    }
    Ok(TableOptions {
        time_to_live_s: changed.time_to_live.unwrap_or(now.time_to_live_s),
        max_versions: changed.max_versions.unwrap_or(now.max_versions),
        version_deviation_s: changed.deviation_cell_version_in_sec.unwrap_or(now.version_deviation_s),
    })
}

fn stream(spec: &table::StreamSpecification) -> Option<StreamOptions> {
    spec.enable_stream.then(|| StreamOptions {
        hours: spec.expiration_time.unwrap_or(STREAM_HOURS),
        columns: spec.columns_to_get.clone(),
    })
}

fn throughput(reserved: &table::ReservedThroughput) -> (i32, i32) {
    let unit = reserved.capacity_unit;
    (unit.read.unwrap_or_default(), unit.write.unwrap_or_default())
}

fn throughput_details(info: &TableInfo) -> table::ReservedThroughputDetails {
    let (read, write) = info.schema.throughput;
    let created_s = info.created_us.div_euclid(1_000_000);
    table::ReservedThroughputDetails {
        capacity_unit: table::CapacityUnit { read: Some(read), write: Some(write) },
        last_increase_time: created_s,
        last_decrease_time: Some(created_s),
    }
}

fn all_options(info: &TableInfo) -> table::TableOptions {
    let options = &info.schema.options;
    table::TableOptions {
        time_to_live: Some(options.time_to_live_s),
        max_versions: Some(options.max_versions),
        deviation_cell_version_in_sec: Some(options.version_deviation_s),
        allow_update: None,
        update_full_row: None,
    }
}

fn stream_details(info: &TableInfo) -> table::StreamDetails {
    let stream = info.schema.stream.as_ref();
    table::StreamDetails {
        enable_stream: stream.is_some(),
        stream_id: info.stream_id.clone(),
        expiration_time: stream.map(|stream| stream.hours),
        last_enable_time: stream.map(|_| info.stream_enabled_us),
        column_to_get: stream.map(|stream| stream.columns.clone()).unwrap_or_default(),
    }
}
