//! Loads, creates, changes and deletes tables.

use std::sync::Arc;

use super::engine::{Snapshot, Space};
use super::error::{AutoIncrementError, CatalogError, Damage, SplitError};
use super::format::{META_NEXT_ID, META_PURGE, META_TABLE, META_TUNNEL, TableId, meta_key, table_key};
use super::read::Direction;
use super::schema::{
    KEY_COLUMNS_MAX, NAME_BYTES_MAX, STREAM_HOURS, STREAM_HOURS_MAX, TABLES_MAX, TIME_TO_LIVE_S_MIN,
    TableInfo, TableOptions, TableSchema, TableUpdate,
};
use super::schema::{KeyColumn, PARTITIONS_MAX, SPLIT_BYTES_MAX, StreamOptions, is_name};
use super::table::{Table, Tables};
use super::transaction::Transaction;
use super::value::{KeyType, KeyValue};

/// Loads all tables from the space `meta`.
pub(crate) fn load(snapshot: &dyn Snapshot) -> Result<Tables, Damage> {
    let mut tables = Tables::new();
    for entry in snapshot.scan(Space::Meta, &[META_TABLE], &[META_TABLE + 1], Direction::Forward) {
        let entry = entry?;
        let table: Table = serde_json::from_slice(&entry.value).map_err(|error| {
            let name = String::from_utf8_lossy(entry.key.get(1..).unwrap_or_default()).into_owned();
            Damage(format!("description of table \"{name}\" in the space meta: {error}"))
        })?;
        tables.insert(table.name().to_owned(), Arc::new(table));
    }
    Ok(tables)
}

/// Creates a table. Returns an error if the schema is not allowed, the name is taken, or the store
/// has [`TABLES_MAX`] tables.
pub(crate) fn create(transaction: &mut Transaction<'_>, mut schema: TableSchema) -> Result<(), CatalogError> {
    check_schema(&schema)?;
    if transaction.tables().contains_key(&schema.name) {
        return Err(CatalogError::Exists(schema.name));
    }
    if transaction.tables().len() >= TABLES_MAX {
        return Err(CatalogError::TooManyTables);
    }
    let stream = schema.stream.take();
    let id = next_id(transaction)?;
    let mut info =
        TableInfo { schema, stream_id: None, stream_enabled_us: 0, created_us: transaction.now_us() };
    let switched = set_stream(transaction, &mut info, stream);
    store(transaction, Table { id, info: Arc::new(info), logged_since: switched.unwrap_or_default() })?;
    Ok(())
}

/// Changes a table and returns it as it is then.
pub(crate) fn update(
    transaction: &mut Transaction<'_>,
    name: &str,
    update: TableUpdate,
) -> Result<Arc<Table>, CatalogError> {
    let table = transaction.table(name)?;
    let (mut info, mut logged_since) = (TableInfo::clone(&table.info), table.logged_since);
    if let Some(options) = update.options {
        check_options(&options)?;
        info.schema.options = options;
    }
    if let Some(stream) = update.stream {
        stream.as_ref().map_or(Ok(()), check_stream)?;
        logged_since = set_stream(transaction, &mut info, stream).unwrap_or(logged_since);
    }
    if let Some(throughput) = update.throughput {
        info.schema.throughput = throughput;
    }
    Ok(store(transaction, Table { id: table.id, info: Arc::new(info), logged_since })?)
}

/// Switches a table's stream on if it is off, and returns the table. Changes are logged from this
/// commit on.
pub(crate) fn switch_stream_on(
    transaction: &mut Transaction<'_>,
    table: Arc<Table>,
) -> Result<Arc<Table>, Damage> {
    if table.info.schema.stream.is_some() {
        return Ok(table);
    }
    let mut info = TableInfo::clone(&table.info);
    let switched = set_stream(transaction, &mut info, Some(StreamOptions::of_hours(STREAM_HOURS)));
    let logged_since = switched.unwrap_or(table.logged_since);
    store(transaction, Table { id: table.id, info: Arc::new(info), logged_since })
}

/// Deletes a table with its tunnels at once. Its rows and its log can no longer be found and are
/// [purged](super::purge) in the background.
pub(crate) fn delete(transaction: &mut Transaction<'_>, name: &str) -> Result<(), CatalogError> {
    let table = transaction.table(name)?;
    transaction.tables_mut().remove(name);
    transaction.remove(Space::Meta, table_key(name));
    for key in transaction.list(&meta_key(META_TUNNEL, table.id))?.into_keys() {
        transaction.remove(Space::Meta, key);
    }
    transaction.put(Space::Meta, meta_key(META_PURGE, table.id), Vec::new());
    Ok(())
}

fn store(transaction: &mut Transaction<'_>, table: Table) -> Result<Arc<Table>, Damage> {
    let value = serde_json::to_vec(&table)
        .map_err(|error| Damage(format!("description of table \"{}\": {error}", table.name())))?;
    let table = Arc::new(table);
    transaction.put(Space::Meta, table_key(table.name()), value);
    transaction.tables_mut().insert(table.name().to_owned(), table.clone());
    Ok(table)
}

/// Switches a stream on or off. If that changes anything, returns the new `logged_since` of the
/// table. A stream that is switched on again starts anew: what was logged before no longer belongs
/// to it.
fn set_stream(
    transaction: &Transaction<'_>,
    info: &mut TableInfo,
    stream: Option<StreamOptions>,
) -> Option<u64> {
    let logged_since = match (&stream, &info.schema.stream) {
        (Some(_), None) => {
            info.stream_id = Some(format!("{}_{}", info.schema.name, transaction.now_us()));
            info.stream_enabled_us = transaction.now_us();
            Some(transaction.number())
        }
        (None, Some(_)) => {
            info.stream_id = None;
            info.stream_enabled_us = 0;
            Some(0)
        }
        _ => None,
    };
    info.schema.stream = stream;
    logged_since
}

fn next_id(transaction: &mut Transaction<'_>) -> Result<TableId, CatalogError> {
    let damaged = || Damage("the next table id in the space meta".to_owned());
    let id = match transaction.get(Space::Meta, META_NEXT_ID)? {
        Some(bytes) => u32::from_le_bytes(bytes.as_ref().try_into().map_err(|_| damaged())?),
        None => 1,
    };
    // The last id is never used, so that there is always a bound above all keys of a table.
    if id >= u32::MAX - 1 {
        return Err(CatalogError::NoMoreIds);
    }
    transaction.put(Space::Meta, META_NEXT_ID, (id + 1).to_le_bytes().to_vec());
    Ok(TableId(id))
}

fn check_schema(schema: &TableSchema) -> Result<(), CatalogError> {
    if !is_name(&schema.name) {
        return Err(CatalogError::TableName(schema.name.clone()));
    }
    if !(1..=KEY_COLUMNS_MAX).contains(&schema.key.len()) {
        return Err(CatalogError::KeyColumns { table: schema.name.clone(), count: schema.key.len() });
    }
    for (place, column) in schema.key.iter().enumerate() {
        check_key_column(column, schema.key.get(..place).unwrap_or_default())?;
    }
    for (place, (name, _)) in schema.defined_columns.iter().enumerate() {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(CatalogError::ColumnName(name.clone()));
        }
        let taken = schema.key.iter().any(|column| column.name == *name)
            || schema.defined_columns.iter().take(place).any(|(other, _)| other == name);
        if taken {
            return Err(CatalogError::ColumnTwice(name.clone()));
        }
    }
    check_options(&schema.options)?;
    check_splits(schema)?;
    schema.stream.as_ref().map_or(Ok(()), check_stream)
}

/// Checks the values at which the table is to be split. There is one partition more than values.
fn check_splits(schema: &TableSchema) -> Result<(), CatalogError> {
    let kind = schema.key.first().map(|column| column.kind);
    if schema.splits.len() + 1 > PARTITIONS_MAX && !schema.splits.is_empty() {
        return Err(CatalogError::Split(SplitError::TooMany));
    }
    for split in &schema.splits {
        let bytes = match split {
            _ if Some(split.kind()) != kind => return Err(CatalogError::Split(SplitError::Type)),
            KeyValue::Integer(i64::MIN | i64::MAX) => return Err(CatalogError::Split(SplitError::Extreme)),
            KeyValue::Integer(_) => continue,
            KeyValue::String(text) => text.len(),
            KeyValue::Binary(bytes) => bytes.len(),
        };
        match bytes {
            0 => return Err(CatalogError::Split(SplitError::Empty)),
            1..=SPLIT_BYTES_MAX => {}
            _ => return Err(CatalogError::Split(SplitError::TooLong(bytes))),
        }
    }
    Ok(())
}

/// Checks a key column; `before` are the key columns before it.
fn check_key_column(column: &KeyColumn, before: &[KeyColumn]) -> Result<(), CatalogError> {
    let name = || column.name.clone();
    if !is_name(&column.name) {
        return Err(CatalogError::ColumnName(name()));
    }
    if before.iter().any(|other| other.name == column.name) {
        return Err(CatalogError::KeyColumnTwice(name()));
    }
    if !column.auto_increment {
        return Ok(());
    }
    let error = if column.kind != KeyType::Integer {
        AutoIncrementError::NotAnInteger
    } else if before.is_empty() {
        AutoIncrementError::First
    } else if before.iter().any(|other| other.auto_increment) {
        AutoIncrementError::Second
    } else {
        return Ok(());
    };
    Err(CatalogError::AutoIncrement { column: name(), error })
}

fn check_options(options: &TableOptions) -> Result<(), CatalogError> {
    if options.max_versions < 1 {
        return Err(CatalogError::MaxVersions(options.max_versions));
    }
    if options.time_to_live_s != -1 && options.time_to_live_s < TIME_TO_LIVE_S_MIN {
        return Err(CatalogError::TimeToLive(options.time_to_live_s));
    }
    if options.version_deviation_s < 1 {
        return Err(CatalogError::VersionDeviation(options.version_deviation_s));
    }
    Ok(())
}

fn check_stream(stream: &StreamOptions) -> Result<(), CatalogError> {
    if !(1..=STREAM_HOURS_MAX).contains(&stream.hours) {
        return Err(CatalogError::StreamHours(stream.hours));
    }
    let wrong = |name: &&String| name.is_empty() || name.len() > NAME_BYTES_MAX;
    match stream.columns.iter().find(wrong) {
        Some(name) => Err(CatalogError::ColumnName(name.clone())),
        None => Ok(()),
    }
}
