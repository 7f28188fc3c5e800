//! A table as the store keeps it: its id, its schema and since when its changes are logged.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::format::TableId;
use super::schema::{KeyColumn, TableInfo, TableOptions};

/// A table as it is kept in `meta`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its id, in all its keys.
    pub id: TableId,
    /// What callers know of it.
    #[serde(serialize_with = "write_info", deserialize_with = "read_info")]
    pub info: Arc<TableInfo>,
    /// The commit that switched its stream on last: every later change is logged. 0 without a stream.
    pub logged_since: u64,
}

fn write_info<S: Serializer>(info: &Arc<TableInfo>, serializer: S) -> Result<S::Ok, S::Error> {
    info.as_ref().serialize(serializer)
}

fn read_info<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<TableInfo>, D::Error> {
    TableInfo::deserialize(deserializer).map(Arc::new)
}

impl Table {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.info.schema.name
    }

    /// Its key columns.
    pub fn key(&self) -> &[KeyColumn] {
        &self.info.schema.key
    }

    /// Its options.
    pub fn options(&self) -> &TableOptions {
        &self.info.schema.options
    }
}

/// All tables by name.
pub(crate) type Tables = BTreeMap<String, Arc<Table>>;
