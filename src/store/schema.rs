//! What a table is: key columns, options, and what is kept of its changes.

use serde::{Deserialize, Serialize};

use super::value::KeyType;

/// Most tables that a store holds.
pub const TABLES_MAX: usize = 64;
/// Most key columns of a table.
pub const KEY_COLUMNS_MAX: usize = 4;
/// Most bytes of the name of a table or column.
pub const NAME_BYTES_MAX: usize = 255;
/// Most bytes of a string or binary key column.
pub const KEY_BYTES_MAX: usize = 1_024;
/// Most bytes of a string or binary attribute column.
pub const VALUE_BYTES_MAX: usize = 2 << 20;
/// Most columns that one write names.
pub const WRITE_COLUMNS_MAX: usize = 1_024;
/// Most bytes of a row as it is stored, all its columns and versions together.
pub const ROW_BYTES_MAX: usize = 16 << 20;
/// Versions are below this, in milliseconds since 1970.
pub const VERSION_MS_MAX: i64 = i64::MAX / 1_000;
/// Time that changes are kept at least where a table does not say otherwise, in hours.
pub const STREAM_HOURS: i32 = 168;
/// Longest time that a table may ask for its changes to be kept, in hours.
pub const STREAM_HOURS_MAX: i32 = 168;
/// Shortest time to live of cells, in seconds.
pub const TIME_TO_LIVE_S_MIN: i32 = 1;

/// A key column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: KeyType,
    /// The store chooses its values, upwards. An integer column other than the first.
    pub auto_increment: bool,
}

/// How long cells live and how many versions of each are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableOptions {
    /// Seconds that a cell is visible after its version; -1 for ever.
    pub time_to_live_s: i32,
    /// Versions of a cell that are kept, at least 1.
    pub max_versions: i32,
    /// Seconds that a version given by a caller may differ from the time of the write. Described, not enforced: a program
    /// that uses the Node SDK may send a column's own value as its version without knowing.
    pub version_deviation_s: i64,
}

impl Default for TableOptions {
    fn default() -> TableOptions {
        TableOptions { time_to_live_s: -1, max_versions: 1, version_deviation_s: 86_400 }
    }
}

/// What is kept of a table's changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamOptions {
    /// Hours that a change is kept at least.
    pub hours: i32,
}

/// A table as its creator describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    /// Its name: 1 to 255 letters, digits and underscores, not starting with a digit.
    pub name: String,
    /// 1 to 4 key columns.
    pub key: Vec<KeyColumn>,
    /// Options of its cells.
    pub options: TableOptions,
    /// Whether its changes are logged, and for how long.
    pub stream: Option<StreamOptions>,
    /// Attribute columns named at creation, and their types' numbers on the wire. Described, not enforced.
    pub defined_columns: Vec<(String, i32)>,
    /// Read and write capacity. Described, not enforced.
    pub throughput: (i32, i32),
}

/// A table as the store describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableInfo {
    /// As it was created and updated.
    pub schema: TableSchema,
    /// Names its stream, where it has one.
    pub stream_id: Option<String>,
    /// When its stream was switched on last, in microseconds since 1970; 0 without one.
    pub stream_enabled_us: i64,
    /// When it was created, in microseconds since 1970.
    pub created_us: i64,
}

/// What may change of a table; `None` leaves a thing as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableUpdate {
    /// Other options.
    pub options: Option<TableOptions>,
    /// Switches its stream on, to this length, or off.
    pub stream: Option<Option<StreamOptions>>,
    /// Another described capacity.
    pub throughput: Option<(i32, i32)>,
}
