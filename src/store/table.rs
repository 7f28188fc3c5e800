//! Describes a table as the store keeps it: its id, its schema and the commit since which its
//! changes are logged.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::format::TableId;
use super::schema::{KeyColumn, TableInfo, TableOptions};

/// A table as it is kept in the space `meta`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The id of the table, which is part of all its keys.
    pub id: TableId,
    /// The description of the table for callers.
    #[serde(serialize_with = "write_info", deserialize_with = "read_info")]
    pub info: Arc<TableInfo>,
    /// The commit that last switched the table's stream on. This commit and every later change are
    /// logged. 0 without a stream.
    pub logged_since: u64,
}

fn write_info<S: Serializer>(info: &Arc<TableInfo>, serializer: S) -> Result<S::Ok, S::Error> {
    info.as_ref().serialize(serializer)
}

fn read_info<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<TableInfo>, D::Error> {
    TableInfo::deserialize(deserializer).map(Arc::new)
}

impl Table {
    /// Returns the name of the table.
    pub fn name(&self) -> &str {
        &self.info.schema.name
    }

    /// Returns the key columns of the table.
    pub fn key(&self) -> &[KeyColumn] {
        &self.info.schema.key
    }

    /// Returns the names of the columns whose former values readers of a change are given.
    pub(crate) fn kept_columns(&self) -> &[String] {
        self.info.schema.stream.as_ref().map_or(&[], |stream| &stream.columns)
    }

    /// Returns the options of the table.
    pub fn options(&self) -> &TableOptions {
        &self.info.schema.options
    }
}

/// The tables of a store by name.
pub(crate) type Tables = BTreeMap<String, Arc<Table>>;
