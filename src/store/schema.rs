//! Describes what a table is: its key columns, its options, and how long its changes are kept.

use serde::{Deserialize, Serialize};

use super::value::{KeyType, KeyValue};

/// The most tables that a store holds.
pub const TABLES_MAX: usize = 64;
/// The most key columns of a table.
pub const KEY_COLUMNS_MAX: usize = 4;
/// The most bytes of the name of a table or column.
pub const NAME_BYTES_MAX: usize = 255;
/// The most bytes of a value of a string or binary key column.
pub const KEY_BYTES_MAX: usize = 1_024;
/// The most bytes of a value of a string or binary attribute column.
pub const VALUE_BYTES_MAX: usize = 2 << 20;
/// The most columns that one write names.
pub const WRITE_COLUMNS_MAX: usize = 1_024;
/// The most bytes of a row as it is stored, with all its columns and versions.
pub const ROW_BYTES_MAX: usize = 16 << 20;
/// Versions must be less than this, in milliseconds since 1970.
pub const VERSION_MS_MAX: i64 = i64::MAX / 1_000;
/// The least time, in hours, for which changes are kept if a table does not say otherwise.
pub const STREAM_HOURS: i32 = 168;
/// The longest time, in hours, for which a table may ask to keep its changes.
pub const STREAM_HOURS_MAX: i32 = 168;
/// The shortest time to live of cells, in seconds.
pub const TIME_TO_LIVE_S_MIN: i32 = 1;
/// The most partitions into which a table's creator may wish it to be split.
pub const PARTITIONS_MAX: usize = 10;
/// The most bytes of a value at which a table's creator wishes it to be split.
pub const SPLIT_BYTES_MAX: usize = 64;

/// Returns whether a text is allowed as the name of a table or of a key column: it has 1 to 255
/// letters, digits and underscores and does not start with a digit.
pub fn is_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    (1..=NAME_BYTES_MAX).contains(&bytes.len())
        && !bytes.first().is_some_and(u8::is_ascii_digit)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// A key column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyColumn {
    /// The name of the column.
    pub name: String,
    /// The type of the column.
    pub kind: KeyType,
    /// Whether the store chooses the values, which then go upwards. The column must be an integer
    /// column and not the first one.
    pub auto_increment: bool,
}

/// The options of a table's cells: how long they live and how many versions of each are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableOptions {
    /// How many seconds after its version a cell stays visible; -1 for ever.
    pub time_to_live_s: i32,
    /// How many versions of a cell are kept, at least 1.
    pub max_versions: i32,
    /// By how many seconds a version given by a caller may differ from the time of the write. The
    /// store reports this value but does not enforce it: a program that uses the Node SDK may send
    /// a column's own value as its version without knowing.
    pub version_deviation_s: i64,
}

impl Default for TableOptions {
    fn default() -> TableOptions {
        TableOptions { time_to_live_s: -1, max_versions: 1, version_deviation_s: 86_400 }
    }
}

/// The options of a table's stream: how long its changes are kept, and what readers of a change are
/// given of the row before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamOptions {
    /// How many hours a change is kept at least.
    pub hours: i32,
    /// The names of the columns whose former values readers of a change are given.
    #[serde(default)]
    pub columns: Vec<String>,
}

impl StreamOptions {
    /// Returns the options of a stream that keeps changes for this many hours and gives no former
    /// values.
    pub fn of_hours(hours: i32) -> StreamOptions {
        StreamOptions { hours, columns: Vec::new() }
    }
}

/// A table as its creator describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    /// The name of the table. It has 1 to 255 letters, digits and underscores and does not start
    /// with a digit.
    pub name: String,
    /// The key columns, 1 to 4 of them.
    pub key: Vec<KeyColumn>,
    /// The options of the table's cells.
    pub options: TableOptions,
    /// How long changes are kept; `None` if they are not logged.
    pub stream: Option<StreamOptions>,
    /// The attribute columns that were named at creation, and the numbers of their types on the
    /// wire. The store reports them but does not enforce them.
    pub defined_columns: Vec<(String, i32)>,
    /// The read and write capacity. The store reports it but does not enforce it.
    pub throughput: (i32, i32),
    /// The values of the first key column at which the creator wishes the table to be split, in
    /// ascending order. The store reports them but does not split by them.
    #[serde(default)]
    pub splits: Vec<KeyValue>,
}

/// A table as the store describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableInfo {
    /// The schema as it was created and updated.
    pub schema: TableSchema,
    /// The id of the table's stream; `None` if it has no stream.
    pub stream_id: Option<String>,
    /// The time at which the stream was last switched on, in microseconds since 1970; 0 without a
    /// stream.
    pub stream_enabled_us: i64,
    /// The time at which the table was created, in microseconds since 1970.
    pub created_us: i64,
}

/// A change of a table. `None` leaves a value as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableUpdate {
    /// The new options.
    pub options: Option<TableOptions>,
    /// The new stream: `Some(None)` switches it off, and `Some(Some(…))` switches it on or changes
    /// how long changes are kept.
    pub stream: Option<Option<StreamOptions>>,
    /// The new read and write capacity.
    pub throughput: Option<(i32, i32)>,
}
