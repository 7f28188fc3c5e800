//! Words the refusals of the store for callers over the wire: the vendor's status, code and
//! sentence for each of its errors.
//!
//! This is the only place that knows both sides. Programs compare the codes and people search for
//! the sentences, so neither may change.

use hyper::StatusCode as Status;

use super::error::Refusal;
use store::error::{
    AutoIncrementError, CatalogError, Damage, FilterTooLarge, Halt, KeyInput, KeyMismatch, NoTable, NotKept,
    ReadError, TunnelError, WriteError,
};
use store::read::Direction;
use store::schema::{
    KEY_BYTES_MAX, KEY_COLUMNS_MAX, NAME_BYTES_MAX, ROW_BYTES_MAX, STREAM_HOURS_MAX, TABLES_MAX,
    TIME_TO_LIVE_S_MIN, VALUE_BYTES_MAX, WRITE_COLUMNS_MAX,
};
use store::value::KeyType;

/// Refuses a row that names more attribute columns than a write may: `count`. `of` names the table,
/// if it is known.
pub(super) fn too_many_columns(count: usize, of: &str) -> Refusal {
    Refusal::invalid(format!(
        "The number of attribute columns exceeds the limit, limit count: {WRITE_COLUMNS_MAX}, \
         column count: {count}.{of}"
    ))
}

fn invalid_key(sentence: String) -> Refusal {
    Refusal::new(Status::BAD_REQUEST, "OTSInvalidPK", sentence)
}

fn no_permission(table: &str) -> Refusal {
    Refusal::new(
        Status::FORBIDDEN,
        "OTSNoPermissionAccess",
        format!(
            "You have no permission to access the requested resource: table {table} is written by the live job and \
             by nobody else while that runs."
        ),
    )
}

fn tunnel_expired(sentence: String) -> Refusal {
    Refusal::new(Status::BAD_REQUEST, "OTSTunnelExpired", sentence)
}

/// Refuses what a tunnel's client names if it does not, or no longer, belong to the client.
pub(super) fn resource_gone(sentence: String) -> Refusal {
    Refusal::new(Status::NOT_FOUND, "OTSResourceGone", sentence)
}

/// Returns the vendor's name of a type of key columns.
fn key_type(kind: KeyType) -> &'static str {
    match kind {
        KeyType::Integer => "INTEGER",
        KeyType::String => "STRING",
        KeyType::Binary => "BINARY",
    }
}

impl From<NoTable> for Refusal {
    fn from(NoTable(table): NoTable) -> Refusal {
        Refusal::new(
            Status::NOT_FOUND,
            "OTSObjectNotExist",
            format!("Requested table does not exist. Table: '{table}'."),
        )
    }
}

impl From<Damage> for Refusal {
    fn from(Damage(what): Damage) -> Refusal {
        Refusal::internal(&what)
    }
}

impl From<Halt> for Refusal {
    fn from(halt: Halt) -> Refusal {
        let reason = match halt {
            Halt::Failed(sentence) => sentence,
            Halt::Closing => "the store is shutting down".to_owned(),
        };
        let sentence = format!("Server is not available. {reason}");
        Refusal::new(Status::SERVICE_UNAVAILABLE, "OTSServerUnavailable", sentence)
    }
}

impl From<NotKept> for Refusal {
    fn from(not_kept: NotKept) -> Refusal {
        tunnel_expired(match not_kept {
            NotKept::Cut { table, kept_from, asked_from } => format!(
                "changes of table '{table}' are kept from commit {kept_from} on, and commit {asked_from} is asked for; \
                 read the table anew"
            ),
            NotKept::StreamOff { table } => format!(
                "the stream of table '{table}' was switched off; switch it on and read the table anew"
            ),
        })
    }
}

impl From<KeyMismatch> for Refusal {
    fn from(mismatch: KeyMismatch) -> Refusal {
        match mismatch {
            KeyMismatch::Count { table, expected, actual } => invalid_key(format!(
                "Validate PK size fail. Input: {actual}, Meta: {expected}. Table: '{table}'."
            )),
            KeyMismatch::Name { table, expected, actual } => invalid_key(format!(
                "Validate PK name fail. Input: {actual}, Meta: {expected}. Table: '{table}'."
            )),
            KeyMismatch::Type { table, column, expected, actual } => {
                let actual = match actual {
                    KeyInput::Value(kind) => key_type(kind),
                    KeyInput::Min => "INF_MIN",
                    KeyInput::Max => "INF_MAX",
                    KeyInput::AutoIncrement => "AUTO_INCREMENT",
                };
                let expected = key_type(expected);
                invalid_key(format!(
                    "Validate PK type fail. Input: {actual}, Meta: {expected}. Column: '{column}', table: '{table}'."
                ))
            }
            KeyMismatch::TooLong { column, bytes } => Refusal::invalid(format!(
                "The length of primary key column: '{column}' exceeds the MaxLength:{KEY_BYTES_MAX} \
                 with CurrentLength:{bytes}."
            )),
        }
    }
}

impl From<FilterTooLarge> for Refusal {
    fn from(too_large: FilterTooLarge) -> Refusal {
        Refusal::invalid(match too_large {
            FilterTooLarge::Depth { max } => format!("The depth of filter exceeds the max: {max}."),
            FilterTooLarge::Conditions { max } => format!("The count of filter exceeds the max: {max}."),
        })
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Refusal {
        match error {
            ReadError::NoTable(cause) => cause.into(),
            ReadError::Key(cause) => cause.into(),
            ReadError::Filter(cause) => cause.into(),
            ReadError::NoVersions => Refusal::invalid("The value of max_versions must be positive: 0."),
            ReadError::VersionRange(start, end) => {
                Refusal::invalid(format!("Invalid time range: [{start}, {end})."))
            }
            ReadError::NoRows => Refusal::invalid("The limit must be greater than 0."),
            ReadError::Bounds { table, direction } => Refusal::invalid(match direction {
                Direction::Forward => {
                    format!("Begin key must less than end key in FORWARD. Table: '{table}'.")
                }
                Direction::Backward => {
                    format!("Begin key must more than end key in BACKWARD. Table: '{table}'.")
                }
            }),
            ReadError::NotKept(cause) => cause.into(),
            ReadError::Damaged(cause) => cause.into(),
        }
    }
}

impl From<WriteError> for Refusal {
    fn from(error: WriteError) -> Refusal {
        match error {
            WriteError::NoTable(cause) => cause.into(),
            WriteError::Reserved(table) => no_permission(&table),
            WriteError::Key(cause) => cause.into(),
            WriteError::Condition(cause) => cause.into(),
            WriteError::PageAsCondition => {
                Refusal::invalid("A column condition can't be a ColumnPaginationFilter.")
            }
            WriteError::ConditionFailed => {
                Refusal::new(Status::FORBIDDEN, "OTSConditionCheckFail", "Condition check failed.")
            }
            WriteError::TooManyColumns(count) => too_many_columns(count, ""),
            WriteError::NoColumns(table) => {
                Refusal::invalid(format!("Attribute column is missing. Table: '{table}'."))
            }
            WriteError::ColumnName(column) => Refusal::invalid(format!(
                "The length of column name must be in range: [1, {NAME_BYTES_MAX}], current length: {}, \
                 column: '{column}'.",
                column.len()
            )),
            WriteError::IsKeyColumn(column) => {
                Refusal::invalid(format!("Attribute column '{column}' has the name of a primary key column."))
            }
            WriteError::NotAPut(column) => Refusal::invalid(format!(
                "Column '{column}' can't be deleted or incremented by a put; update the row instead."
            )),
            WriteError::ValueTooLong { column, bytes } => Refusal::invalid(format!(
                "The length of attribute column: '{column}' exceeds the MaxLength:{VALUE_BYTES_MAX} \
                 with CurrentLength:{bytes}."
            )),
            WriteError::Version { column, version } => Refusal::invalid(format!(
                "Timestamp must be in range [0, INT64_MAX/1000). Column: '{column}', current: {version}."
            )),
            WriteError::RowTooLarge(bytes) => Refusal::new(
                Status::BAD_REQUEST,
                "OTSOutOfRowSizeLimit",
                format!(
                    "The total data size of a row exceeds the limit, limit size: {ROW_BYTES_MAX}, data size: {bytes}."
                ),
            ),
            WriteError::NotAnInteger(column) => Refusal::invalid(format!(
                "Column '{column}' can't be incremented: its value is not of type INTEGER."
            )),
            WriteError::Overflow { column, by } => Refusal::invalid(format!(
                "Column '{column}' can't be incremented by {by}: the sum is beyond 64 bits."
            )),
            WriteError::Damaged(cause) => cause.into(),
            WriteError::Halted(cause) => cause.into(),
        }
    }
}

impl From<CatalogError> for Refusal {
    fn from(error: CatalogError) -> Refusal {
        Refusal::invalid(match error {
            CatalogError::NoTable(cause) => return cause.into(),
            CatalogError::Exists(table) => {
                let sentence = format!("Requested table already exists. Table: '{table}'.");
                return Refusal::new(Status::CONFLICT, "OTSObjectAlreadyExist", sentence);
            }
            CatalogError::TooManyTables => {
                let sentence = format!("Number of tables exceeds the quota:{TABLES_MAX}.");
                return Refusal::new(Status::FORBIDDEN, "OTSQuotaExhausted", sentence);
            }
            CatalogError::NoMoreIds => "all table ids of this store have been used".to_owned(),
            CatalogError::Reserved(table) => return no_permission(&table),
            CatalogError::TableName(name) => format!("Invalid table name: '{name}'."),
            CatalogError::KeyColumns { table, count } => format!(
                "The number of primary key columns must be in range: [1, {KEY_COLUMNS_MAX}]. \
                 Table: '{table}', current: {count}."
            ),
            CatalogError::ColumnName(name) => format!("Invalid column name: '{name}'."),
            CatalogError::KeyColumnTwice(name) => format!("Duplicated primary key name: '{name}'."),
            CatalogError::ColumnTwice(name) => format!("Duplicated column name: '{name}'."),
            CatalogError::AutoIncrement { column, error } => match error {
                AutoIncrementError::NotAnInteger => {
                    format!("AUTO_INCREMENT primary key column '{column}' must be INTEGER.")
                }
                AutoIncrementError::First => {
                    format!("The first primary key column '{column}' can't be AUTO_INCREMENT.")
                }
                AutoIncrementError::Second => {
                    format!("AUTO_INCREMENT primary key count must be at most 1, found '{column}'.")
                }
            },
            CatalogError::MaxVersions(count) => {
                format!("The value of max_versions must be positive: {count}.")
            }
            CatalogError::TimeToLive(seconds) => format!(
                "The value of time_to_live must be -1, or at least {TIME_TO_LIVE_S_MIN} seconds: {seconds}."
            ),
            CatalogError::VersionDeviation(seconds) => {
                format!("The value of deviation_cell_version_in_sec must be positive: {seconds}.")
            }
            CatalogError::StreamHours(hours) => format!(
                "The value of expiration_time must be in range: [1, {STREAM_HOURS_MAX}] hours, current: {hours}."
            ),
            CatalogError::Damaged(cause) => return cause.into(),
            CatalogError::Halted(cause) => return cause.into(),
        })
    }
}

impl From<TunnelError> for Refusal {
    fn from(error: TunnelError) -> Refusal {
        Refusal::invalid(match error {
            TunnelError::NoTable(cause) => return cause.into(),
            TunnelError::Exists(tunnel) => {
                let sentence = format!("tunnel already exists: {tunnel}");
                return Refusal::new(Status::BAD_REQUEST, "OTSTunnelExist", sentence);
            }
            TunnelError::Missing(tunnel) => format!("tunnel does not exist: {tunnel}"),
            TunnelError::Name(name) => format!(
                "Invalid tunnel name: '{name}'. It must be 1 to {NAME_BYTES_MAX} letters, digits, underscores and hyphens."
            ),
            TunnelError::RangeOfBase { tunnel } => {
                format!("tunnel '{tunnel}': only a Stream tunnel has a start and an end offset")
            }
            TunnelError::RangeEmpty { tunnel, start_ns, end_ns } => format!(
                "tunnel '{tunnel}': the start offset {start_ns} must be below the end offset {end_ns}"
            ),
            TunnelError::TooMany { table, max } => format!("table '{table}' has {max} tunnels, its most"),
            TunnelError::StartNotKept { table, kept_from_us, start_ns } => {
                return tunnel_expired(format!(
                    "changes of table '{table}' are kept from {kept_from_us}000 ns since 1970 on, and the start offset \
                     is {start_ns}"
                ));
            }
            TunnelError::NotKept(cause) => return cause.into(),
            TunnelError::Expired { tunnel, table } => {
                return tunnel_expired(format!(
                    "tunnel \"{tunnel}\" of table \"{table}\" was left alone for longer than the table keeps changes; \
                     create it anew"
                ));
            }
            TunnelError::TooManyClients { max } => {
                format!("a tunnel serves at most {max} clients at a time; shut some down")
            }
            TunnelError::ClientGone(client) => {
                return resource_gone(format!("client {client:?} is not, or no longer, connected"));
            }
            TunnelError::ChannelGone { channel, client } => {
                return resource_gone(format!(
                    "channel {channel:?} is not, or no longer, that of client {client:?}"
                ));
            }
            TunnelError::CheckpointOutOfOrder { channel, number, stored } => {
                let sentence = format!(
                    "checkpoint {number} of channel {channel:?} is not above the stored one, {stored}"
                );
                return Refusal::new(Status::BAD_REQUEST, "OTSSequenceNumberNotMatch", sentence);
            }
            TunnelError::PlaceAhead { commit, last } => {
                format!("the token names commit {commit}, and the last one is {last}")
            }
            TunnelError::PlaceOfOtherType => "the token is that of a channel of another type".to_owned(),
            TunnelError::Damaged(cause) => return cause.into(),
            TunnelError::Halted(cause) => return cause.into(),
        })
    }
}
