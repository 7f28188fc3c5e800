//! Tests the words in which the store's refusals reach callers, to the letter. Programs know these
//! sentences, which once were the store's own.

use super::super::error::Refusal;
use store::error::{
    AutoIncrementError, CatalogError, Damage, FilterTooLarge, Halt, KeyInput, KeyMismatch, NoTable, NotKept,
    ReadError, SplitError, TunnelError, WriteError,
};
use store::read::Direction;
use store::value::KeyType;

const INVALID: (u16, &str) = (400, "OTSParameterInvalid");
const KEY: (u16, &str) = (400, "OTSInvalidPK");
const INTERNAL: (u16, &str) = (500, "OTSInternalServerError");
const UNAVAILABLE: (u16, &str) = (503, "OTSServerUnavailable");
const EXPIRED: (u16, &str) = (400, "OTSTunnelExpired");
const GONE: (u16, &str) = (404, "OTSResourceGone");
const NO_PERMISSION: (u16, &str) = (403, "OTSNoPermissionAccess");

fn text(text: &str) -> String {
    text.to_owned()
}

fn told(refusal: impl Into<Refusal>, (status, code): (u16, &str), sentence: &str) {
    let Refusal { status: actual_status, code: actual_code, message, .. } = refusal.into();
    assert_eq!((actual_status.as_u16(), actual_code, message.as_str()), (status, code, sentence));
}

#[test]
fn of_causes_at_any_boundary() {
    told(NoTable(text("T")), (404, "OTSObjectNotExist"), "Requested table does not exist.");
    told(Damage(text("row 1")), INTERNAL, "Internal server error.");
    told(Halt::Failed(text("a write failed")), UNAVAILABLE, "Server is not available.");
    told(Halt::Closing, UNAVAILABLE, "Server is not available.");
    told(
        NotKept::Cut { table: text("T"), kept_from: 9, asked_from: 3 },
        EXPIRED,
        "changes of table 'T' are kept from commit 9 on, and commit 3 is asked for; read the table anew",
    );
    told(
        NotKept::StreamOff { table: text("T") },
        EXPIRED,
        "the stream of table 'T' was switched off; switch it on and read the table anew",
    );
    told(
        KeyMismatch::Count { table: text("T"), expected: 2, actual: 1 },
        KEY,
        "Validate PK size fail. Input: 1, Meta: 2.",
    );
    told(
        KeyMismatch::Name { table: text("T"), expected: text("a"), actual: text("b") },
        KEY,
        "Validate PK name fail. Input: b, Meta: a.",
    );
    for (actual, input) in [
        (KeyInput::Value(KeyType::Integer), "VT_INTEGER"),
        (KeyInput::Value(KeyType::Binary), "VT_BLOB"),
        (KeyInput::AutoIncrement, "VT_AUTO_INCREMENT"),
    ] {
        let expected = KeyType::String;
        told(
            KeyMismatch::Type { table: text("T"), column: text("a"), expected, actual },
            KEY,
            &format!("Validate PK type fail. Input: {input}, Meta: VT_STRING."),
        );
    }
    for (bound, input) in [(KeyInput::Min, "VT_INF_MIN"), (KeyInput::Max, "VT_INF_MAX")] {
        let sentence = format!("{input} is an invalid type for the primary key.");
        told(KeyMismatch::Bound(bound), INVALID, &sentence);
    }
    told(
        KeyMismatch::TooLong { column: text("a"), bytes: 1_025 },
        INVALID,
        "The length of primary key column: 'a' exceeds the MaxLength:1024 with CurrentLength:1025.",
    );
    told(FilterTooLarge::Depth { max: 32 }, INVALID, "The depth of filter exceeds the max: 32.");
    told(FilterTooLarge::Conditions { max: 32 }, INVALID, "The count of filter exceeds the max: 32.");
}

#[test]
fn of_reads() {
    let bounds = |direction| ReadError::Bounds { table: text("T"), direction };
    told(ReadError::NoVersions, INVALID, "Invalid max versions: 0. Reason: Max versions must be positive.");
    told(ReadError::VersionRange(5, 4), INVALID, "Invalid time range: [5, 4).");
    told(ReadError::NoRows, INVALID, "The limit must be greater than 0.");
    told(bounds(Direction::Forward), INVALID, "Begin key must less than end key in FORWARD");
    told(bounds(Direction::Backward), INVALID, "Begin key must more than end key in BACKWARD");
}

#[test]
fn of_writes() {
    told(
        WriteError::Reserved(text("T")),
        NO_PERMISSION,
        "You have no permission to access the requested resource, please contact the resource owner",
    );
    told(WriteError::ConditionFailed, (403, "OTSConditionCheckFail"), "Condition check failed.");
    told(WriteError::PageAsCondition, INVALID, "A column condition can't be a ColumnPaginationFilter.");
    told(
        WriteError::TooManyColumns(1_025),
        INVALID,
        "The number of columns from the request exceeds the limit, limit count: 1024, column count: 1025.",
    );
    told(WriteError::NoColumns(text("T")), INVALID, "Attribute column is missing.");
    told(WriteError::ColumnName(text("")), INVALID, "Invalid column name: ''.");
    told(
        WriteError::IsKeyColumn(text("a")),
        INVALID,
        "Duplicated attribute column name with primary key column: 'a'.",
    );
    told(
        WriteError::NotAPut(text("a")),
        INVALID,
        "Column 'a' can't be deleted or incremented by a put; update the row instead.",
    );
    told(
        WriteError::ValueTooLong { column: text("a"), bytes: 2_097_153 },
        INVALID,
        "The length of attribute column: 'a' exceeds the MaxLength:2097152 with CurrentLength:2097153.",
    );
    told(
        WriteError::Version { column: text("a"), version: -1 },
        INVALID,
        "Timestamp must be in range [0, INT64_MAX/1000).",
    );
    told(
        WriteError::RowTooLarge(16_777_217),
        (400, "OTSOutOfRowSizeLimit"),
        "The total data size of a row exceeds the limit, limit size: 16777216, data size: 16777217.",
    );
    told(
        WriteError::NotAnInteger(text("a")),
        INVALID,
        "Column 'a' can't be incremented: its value is not of type INTEGER.",
    );
    told(
        WriteError::Overflow { column: text("a"), by: 1 },
        INVALID,
        "Column 'a' can't be incremented by 1: the sum is beyond 64 bits.",
    );
}

#[test]
fn of_tables() {
    let chosen = |error| CatalogError::AutoIncrement { column: text("a"), error };
    told(CatalogError::Exists(text("T")), (409, "OTSObjectAlreadyExist"), "Requested table already exists.");
    told(CatalogError::TooManyTables, (403, "OTSQuotaExhausted"), "Number of tables exceeds the quota:64.");
    told(CatalogError::NoMoreIds, INVALID, "all table ids of this store have been used");
    told(
        CatalogError::Reserved(text("T")),
        NO_PERMISSION,
        "You have no permission to access the requested resource, please contact the resource owner",
    );
    told(CatalogError::TableName(text("1")), INVALID, "Invalid table name: '1'.");
    told(
        CatalogError::KeyColumns { table: text("T"), count: 5 },
        INVALID,
        "The number of primary key columns must be in range: [1, 4].",
    );
    told(CatalogError::ColumnName(text("1")), INVALID, "Invalid column name: '1'.");
    told(CatalogError::KeyColumnTwice(text("a")), INVALID, "Duplicated primary key name: 'a'.");
    told(CatalogError::ColumnTwice(text("a")), INVALID, "Duplicated column name: 'a'.");
    told(chosen(AutoIncrementError::NotAnInteger), INVALID, "AUTO_INCREMENT primary key must be integer.");
    told(chosen(AutoIncrementError::First), INVALID, "PkAutoIncr cannot be set as first pk column.");
    told(chosen(AutoIncrementError::Second), INVALID, "AUTO_INCREMENT primary key count must <= 1.");
    told(CatalogError::MaxVersions(0), INVALID, "The maximum versions cannot be less than or equal to 0.");
    told(CatalogError::TimeToLive(0), INVALID, "TimeToLive cannot be 0 or less than -1.");
    told(
        CatalogError::VersionDeviation(0),
        INVALID,
        "The value of deviation_cell_version_in_sec must be positive: 0.",
    );
    told(
        CatalogError::StreamHours(0),
        INVALID,
        "The value of expiration_time must be in range: [1, 168] hours, current: 0.",
    );
    for (error, sentence) in [
        (SplitError::TooMany, "The count of partitions cannot be greater than 10"),
        (SplitError::Type, "The value type of partition does not match with primary key."),
        (SplitError::Extreme, "The value of partition range can not be INT64_MIN or INT64_MAX."),
        (SplitError::Empty, "The value of partition range can not be empty string."),
        (
            SplitError::TooLong(65),
            "The value of partition range exceeds the MaxLength:64 with CurrentLength:65.",
        ),
    ] {
        told(CatalogError::Split(error), INVALID, sentence);
    }
}

#[test]
fn of_tunnels() {
    told(TunnelError::Exists(text("t")), (400, "OTSTunnelExist"), "tunnel already exists: t");
    told(TunnelError::Missing(text("t of table T")), INVALID, "tunnel does not exist: t of table T");
    told(TunnelError::Name(text("a b")), INVALID, "Invalid tunnel name: 'a b'.");
    told(TunnelError::NoStream(text("T")), (404, "OTSObjectNotExist"), "Requested stream does not exist.");
    told(
        TunnelError::RangeOfBase { tunnel: text("t") },
        INVALID,
        "tunnel 't': only a Stream tunnel has a start and an end offset",
    );
    told(
        TunnelError::RangeEmpty { tunnel: text("t"), start_ns: 2, end_ns: 1 },
        INVALID,
        "tunnel 't': the start offset 2 must be below the end offset 1",
    );
    told(TunnelError::TooMany { table: text("T"), max: 64 }, INVALID, "table 'T' has 64 tunnels, its most");
    told(
        TunnelError::StartNotKept { table: text("T"), kept_from_us: 7, start_ns: 6 },
        EXPIRED,
        "changes of table 'T' are kept from 7000 ns since 1970 on, and the start offset is 6",
    );
    told(
        TunnelError::Expired { tunnel: text("t"), table: text("T") },
        EXPIRED,
        "tunnel \"t\" of table \"T\" was left alone for longer than the table keeps changes; create it anew",
    );
    told(
        TunnelError::TooManyClients { max: 9 },
        INVALID,
        "a tunnel serves at most 9 clients at a time; shut some down",
    );
    told(TunnelError::ClientGone(text("c")), GONE, "client \"c\" is not, or no longer, connected");
    told(
        TunnelError::ChannelGone { channel: text("s"), client: text("c") },
        GONE,
        "channel \"s\" is not, or no longer, that of client \"c\"",
    );
    told(
        TunnelError::CheckpointOutOfOrder { channel: text("s"), number: 1, stored: 2 },
        (400, "OTSSequenceNumberNotMatch"),
        "checkpoint 1 of channel \"s\" is not above the stored one, 2",
    );
    told(
        TunnelError::PlaceAhead { commit: 9, last: 3 },
        INVALID,
        "the token names commit 9, and the last one is 3",
    );
    told(TunnelError::PlaceOfOtherType, INVALID, "the token is that of a channel of another type");
}

/// The sentences name no table, so the log does.
#[test]
fn the_log_is_told_what_the_sentence_leaves_out() {
    let details = [
        Refusal::from(NoTable(text("T"))),
        WriteError::Reserved(text("T")).into(),
        WriteError::Key(KeyMismatch::Count { table: text("T"), expected: 2, actual: 1 }).into(),
        ReadError::Bounds { table: text("T"), direction: Direction::Forward }.into(),
        CatalogError::Exists(text("T")).into(),
        Halt::Failed(text("the write of T failed")).into(),
        Damage(text("row 1 of T")).into(),
    ];
    for Refusal { message, detail, .. } in details {
        assert!(detail.as_ref().is_some_and(|detail| detail.contains('T')), "{message}: {detail:?}");
    }
}
