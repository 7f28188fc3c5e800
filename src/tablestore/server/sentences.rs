//! Words the refusals of the store for callers over the wire: the vendor's status, code and
//! sentence for each of its errors.
//!
//! This is the only place that knows both sides. Programs compare the codes and people search for
//! the sentences, so neither may change.

use hyper::StatusCode as Status;

use super::error::Refusal;
use store::error::{
    AutoIncrementError, CatalogError, Damage, FilterTooLarge, Halt, KeyInput, KeyMismatch, NoTable, NotKept,
    ReadError, SplitError, TunnelError, WriteError,
};
use store::read::Direction;
use store::schema::{
    KEY_BYTES_MAX, KEY_COLUMNS_MAX, PARTITIONS_MAX, ROW_BYTES_MAX, SPLIT_BYTES_MAX, STREAM_HOURS_MAX,
    TABLES_MAX, VALUE_BYTES_MAX, WRITE_COLUMNS_MAX,
};
use store::value::KeyType;

/// Refuses a row that names more attribute columns than a write may: `count`.
pub(super) fn too_many_columns(count: usize) -> Refusal {
    Refusal::invalid(format!(
        "The number of columns from the request exceeds the limit, limit count: {WRITE_COLUMNS_MAX}, \
         column count: {count}."
    ))
}

/// Refuses a table whose name none can have.
pub(super) fn table_name(name: &str) -> Refusal {
    Refusal::invalid(format!("Invalid table name: '{name}'."))
}

fn invalid_key(sentence: String) -> Refusal {
    Refusal::new(Status::BAD_REQUEST, "OTSInvalidPK", sentence)
}

fn no_permission() -> Refusal {
    Refusal::new(
        Status::FORBIDDEN,
        "OTSNoPermissionAccess",
        "You have no permission to access the requested resource, please contact the resource owner",
    )
}

fn tunnel_expired(sentence: String) -> Refusal {
    Refusal::new(Status::BAD_REQUEST, "OTSTunnelExpired", sentence)
}

/// Refuses what a tunnel's client names if it does not, or no longer, belong to the client.
pub(super) fn resource_gone(sentence: String) -> Refusal {
    Refusal::new(Status::NOT_FOUND, "OTSResourceGone", sentence)
}

/// Returns the vendor's name of the type of a key column's value.
fn key_type(kind: KeyType) -> &'static str {
    match kind {
        KeyType::Integer => "VT_INTEGER",
        KeyType::String => "VT_STRING",
        KeyType::Binary => "VT_BLOB",
    }
}

/// Returns the vendor's name of what a key holds in place of a value.
fn key_input(input: KeyInput) -> &'static str {
    match input {
        KeyInput::Value(kind) => key_type(kind),
        KeyInput::Min => "VT_INF_MIN",
        KeyInput::Max => "VT_INF_MAX",
        KeyInput::AutoIncrement => "VT_AUTO_INCREMENT",
    }
}

impl From<NoTable> for Refusal {
    fn from(cause: NoTable) -> Refusal {
        Refusal::new(Status::NOT_FOUND, "OTSObjectNotExist", "Requested table does not exist.")
            .with_detail(cause.to_string())
    }
}

impl From<Damage> for Refusal {
    fn from(Damage(what): Damage) -> Refusal {
        Refusal::internal(&what)
    }
}

impl From<Halt> for Refusal {
    fn from(halt: Halt) -> Refusal {
        Refusal::new(Status::SERVICE_UNAVAILABLE, "OTSServerUnavailable", "Server is not available.")
            .with_detail(halt.to_string())
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
        let detail = mismatch.to_string();
        let refusal = match mismatch {
            KeyMismatch::Count { expected, actual, .. } => {
                invalid_key(format!("Validate PK size fail. Input: {actual}, Meta: {expected}."))
            }
            KeyMismatch::Name { expected, actual, .. } => {
                invalid_key(format!("Validate PK name fail. Input: {actual}, Meta: {expected}."))
            }
            KeyMismatch::Type { expected, actual, .. } => {
                let (expected, actual) = (key_type(expected), key_input(actual));
                invalid_key(format!("Validate PK type fail. Input: {actual}, Meta: {expected}."))
            }
            KeyMismatch::Bound(actual) => {
                Refusal::invalid(format!("{} is an invalid type for the primary key.", key_input(actual)))
            }
            KeyMismatch::TooLong { column, bytes } => Refusal::invalid(format!(
                "The length of primary key column: '{column}' exceeds the MaxLength:{KEY_BYTES_MAX} \
                 with CurrentLength:{bytes}."
            )),
        };
        refusal.with_detail(detail)
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
        let detail = error.to_string();
        let refusal = match error {
            ReadError::NoTable(cause) => cause.into(),
            ReadError::Key(cause) => cause.into(),
            ReadError::Filter(cause) => cause.into(),
            ReadError::NoVersions => {
                Refusal::invalid("Invalid max versions: 0. Reason: Max versions must be positive.")
            }
            ReadError::VersionRange(start, end) => {
                Refusal::invalid(format!("Invalid time range: [{start}, {end})."))
            }
            ReadError::NoRows => Refusal::invalid("The limit must be greater than 0."),
            // The vendor ends these two without a full stop.
            ReadError::Bounds { direction, .. } => Refusal::invalid(match direction {
                Direction::Forward => "Begin key must less than end key in FORWARD",
                Direction::Backward => "Begin key must more than end key in BACKWARD",
            }),
            ReadError::NotKept(cause) => cause.into(),
            ReadError::Damaged(cause) => cause.into(),
        };
        refusal.with_detail(detail)
    }
}

impl From<WriteError> for Refusal {
    fn from(error: WriteError) -> Refusal {
        let detail = error.to_string();
        let refusal = match error {
            WriteError::NoTable(cause) => cause.into(),
            WriteError::Reserved(_) => no_permission(),
            WriteError::Key(cause) => cause.into(),
            WriteError::Condition(cause) => cause.into(),
            WriteError::PageAsCondition => {
                Refusal::invalid("A column condition can't be a ColumnPaginationFilter.")
            }
            WriteError::ConditionFailed => {
                Refusal::new(Status::FORBIDDEN, "OTSConditionCheckFail", "Condition check failed.")
            }
            WriteError::TooManyColumns(count) => too_many_columns(count),
            WriteError::NoColumns(_) => Refusal::invalid("Attribute column is missing."),
            WriteError::ColumnName(column) => Refusal::invalid(format!("Invalid column name: '{column}'.")),
            WriteError::IsKeyColumn(column) => Refusal::invalid(format!(
                "Duplicated attribute column name with primary key column: '{column}'."
            )),
            WriteError::NotAPut(column) => Refusal::invalid(format!(
                "Column '{column}' can't be deleted or incremented by a put; update the row instead."
            )),
            WriteError::ValueTooLong { column, bytes } => Refusal::invalid(format!(
                "The length of attribute column: '{column}' exceeds the MaxLength:{VALUE_BYTES_MAX} \
                 with CurrentLength:{bytes}."
            )),
            WriteError::Version { .. } => Refusal::invalid("Timestamp must be in range [0, INT64_MAX/1000)."),
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
        };
        refusal.with_detail(detail)
    }
}

impl From<CatalogError> for Refusal {
    fn from(error: CatalogError) -> Refusal {
        let detail = error.to_string();
        let refusal = Refusal::invalid(match error {
            CatalogError::NoTable(cause) => return cause.into(),
            CatalogError::Exists(_) => {
                let sentence = "Requested table already exists.";
                return Refusal::new(Status::CONFLICT, "OTSObjectAlreadyExist", sentence).with_detail(detail);
            }
            CatalogError::TooManyTables => {
                let sentence = format!("Number of tables exceeds the quota:{TABLES_MAX}.");
                return Refusal::new(Status::FORBIDDEN, "OTSQuotaExhausted", sentence).with_detail(detail);
            }
            CatalogError::NoMoreIds => "all table ids of this store have been used".to_owned(),
            CatalogError::Reserved(_) => return no_permission().with_detail(detail),
            CatalogError::TableName(name) => return table_name(&name).with_detail(detail),
            CatalogError::KeyColumns { .. } => {
                format!("The number of primary key columns must be in range: [1, {KEY_COLUMNS_MAX}].")
            }
            CatalogError::ColumnName(name) => format!("Invalid column name: '{name}'."),
            CatalogError::KeyColumnTwice(name) => format!("Duplicated primary key name: '{name}'."),
            CatalogError::ColumnTwice(name) => format!("Duplicated column name: '{name}'."),
            CatalogError::AutoIncrement { error, .. } => match error {
                AutoIncrementError::NotAnInteger => "AUTO_INCREMENT primary key must be integer.",
                AutoIncrementError::First => "PkAutoIncr cannot be set as first pk column.",
                AutoIncrementError::Second => "AUTO_INCREMENT primary key count must <= 1.",
            }
            .to_owned(),
            CatalogError::MaxVersions(_) => {
                "The maximum versions cannot be less than or equal to 0.".to_owned()
            }
            CatalogError::TimeToLive(_) => "TimeToLive cannot be 0 or less than -1.".to_owned(),
            CatalogError::VersionDeviation(seconds) => {
                format!("The value of deviation_cell_version_in_sec must be positive: {seconds}.")
            }
            CatalogError::StreamHours(hours) => format!(
                "The value of expiration_time must be in range: [1, {STREAM_HOURS_MAX}] hours, current: {hours}."
            ),
            CatalogError::Split(error) => match error {
                // The vendor ends this one without a full stop.
                SplitError::TooMany => {
                    format!("The count of partitions cannot be greater than {PARTITIONS_MAX}")
                }
                SplitError::Type => "The value type of partition does not match with primary key.".to_owned(),
                SplitError::Extreme => {
                    "The value of partition range can not be INT64_MIN or INT64_MAX.".to_owned()
                }
                SplitError::Empty => "The value of partition range can not be empty string.".to_owned(),
                SplitError::TooLong(bytes) => format!(
                    "The value of partition range exceeds the MaxLength:{SPLIT_BYTES_MAX} with CurrentLength:{bytes}."
                ),
            },
            CatalogError::Damaged(cause) => return cause.into(),
            CatalogError::Halted(cause) => return cause.into(),
        });
        refusal.with_detail(detail)
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
            TunnelError::NoStream(_) => {
                let sentence = "Requested stream does not exist.";
                return Refusal::new(Status::NOT_FOUND, "OTSObjectNotExist", sentence)
                    .with_detail(error.to_string());
            }
            TunnelError::Name(ref name) => {
                let sentence = format!("Invalid tunnel name: '{name}'.");
                return Refusal::invalid(sentence).with_detail(error.to_string());
            }
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
