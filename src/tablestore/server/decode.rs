//! Decodes requests within limits, and turns their numbers into the values that they stand for.

use bytes::Bytes;
use prost::Message;

use super::error::Refusal;
use crate::filter::parse_filter;
use crate::limits::{COLUMNS_NAMED_MAX, ROWS_PER_READ_MAX, ROWS_PER_WRITE_MAX};
use crate::shape::{Misshapen, Part, check};
use crate::table;
use store::change::{Condition, Existence, Returning};

/// Describes the names of columns that are to be read or returned.
const fn names(field: u32) -> Part {
    Part {
        field,
        count_max: COLUMNS_NAMED_MAX,
        refusal: "The number of columns named exceeds the limit, limit count: 1024.",
        required: None,
        inside: &[],
    }
}

/// Describes the entries of a list. Their own limit is far below this one, and is checked where it
/// is known.
const fn entries(field: u32, inside: &'static [Part]) -> Part {
    Part {
        field,
        count_max: 1_024,
        refusal: "The number of entries exceeds the limit, limit count: 1024.",
        required: None,
        inside,
    }
}

/// Describes the rows of a batch write, or the tables that hold them.
const fn rows_written(field: u32, inside: &'static [Part]) -> Part {
    Part { field, count_max: ROWS_PER_WRITE_MAX, refusal: TOO_MANY_ROWS_WRITTEN, required: None, inside }
}

/// Describes the rows of a batch read, or the tables that hold them.
const fn rows_read(field: u32, inside: &'static [Part]) -> Part {
    Part { field, count_max: ROWS_PER_READ_MAX, refusal: TOO_MANY_ROWS_READ, required: None, inside }
}

/// The refusal of a batch write with too many rows.
pub(super) const TOO_MANY_ROWS_WRITTEN: &str = "Rows count exceeds the upper limit: 200.";
/// The refusal of a batch read with too many rows.
pub(super) const TOO_MANY_ROWS_READ: &str = "Rows count exceeds the upper limit: 100.";

/// The shape of a write's condition.
static CONDITION: [Part; 1] = [Part::must(1, "row_existence", &[])];
/// The shape of a column, which has a name and a type.
static COLUMN: [Part; 2] = [Part::must(1, "name", &[]), Part::must(2, "type", &[])];
/// The shape of a part of a table that is kept apart.
static PARTITION: [Part; 2] = [Part::must(1, "begin", &[]), Part::must(2, "end", &[])];
/// The shape of a table's settings for its stream.
static STREAM: [Part; 2] = [Part::must(1, "enable_stream", &[]), names(3)];

/// The shape of messages that hold only names and texts. An absent one is read as an empty one, and
/// refused as that.
pub(super) static PLAIN: [Part; 0] = [];
pub(super) static CREATE_TABLE: [Part; 5] = [
    Part::must(1, "table_meta", &[entries(2, &COLUMN), entries(3, &COLUMN)]),
    Part::must(2, "reserved_throughput", &[Part::must(1, "capacity_unit", &[])]),
    entries(4, &PARTITION),
    Part::once(5, &STREAM),
    entries(7, &[]),
];
pub(super) static UPDATE_TABLE: [Part; 2] =
    [Part::once(2, &[Part::must(1, "capacity_unit", &[])]), Part::once(4, &STREAM)];
pub(super) static WRITE_ROW: [Part; 2] = [Part::must(3, "condition", &CONDITION), Part::once(4, &[names(2)])];
pub(super) static BATCH_WRITE_ROW: [Part; 1] = [rows_written(
    1,
    &[rows_written(
        2,
        &[Part::must(1, "type", &[]), Part::must(3, "condition", &CONDITION), Part::once(4, &[names(2)])],
    )],
)];
pub(super) static BULK_IMPORT: [Part; 1] = [rows_written(2, &[Part::must(1, "type", &[])])];
pub(super) static SPLIT_POINTS: [Part; 1] = [Part::must(2, "split_size", &[])];
pub(super) static GET_ROW: [Part; 1] = [names(3)];
pub(super) static GET_RANGE: [Part; 2] = [Part::must(2, "direction", &[]), names(3)];
pub(super) static BATCH_GET_ROW: [Part; 1] =
    [rows_read(1, &[rows_read(2, &[]), rows_read(3, &[]), names(4)])];
pub(super) static CREATE_TUNNEL: [Part; 1] = [Part::must(1, "tunnel", &[Part::must(4, "tunnel_type", &[])])];
/// The shape of a heartbeat, which reports channels.
pub(super) static HEARTBEAT: [Part; 1] =
    [entries(3, &[Part::must(2, "version", &[]), Part::must(3, "status", &[])])];
pub(super) static CHECKPOINT: [Part; 1] = [Part::must(5, "sequence_number", &[])];
pub(super) static READ_SNAPSHOT: [Part; 2] = [Part::must(1, "id", &[]), Part::must(2, "range", &[])];
pub(super) static SNAPSHOT_CHANGES: [Part; 2] = [
    Part::must(1, "id", &[]),
    Part::must(2, "from", &[Part::must(1, "commit", &[]), Part::must(2, "skip", &[])]),
];
pub(super) static CLOSE_SNAPSHOT: [Part; 1] = [Part::must(1, "id", &[])];

/// Decodes a request. Refuses it if a part occurs too often, or if a part is absent whose default
/// would have a meaning.
pub(super) fn decode<M: Message + Default>(body: Bytes, shape: &'static [Part]) -> Result<M, Refusal> {
    check(&body, shape).map_err(|error| match error {
        Misshapen::TooMany(part) => Refusal::invalid(part.refusal),
        Misshapen::Missing(_) | Misshapen::Broken(_) => {
            Refusal::invalid(format!("Parse from protobuf failed: {error}."))
        }
    })?;
    Ok(M::decode(body)?)
}

/// Returns the value that a number stands for. Refuses unknown numbers.
pub(super) fn number<E: TryFrom<i32>>(what: &str, number: i32) -> Result<E, Refusal> {
    E::try_from(number).map_err(|_| Refusal::invalid(format!("Invalid {what}: {number}.")))
}

/// Refuses requests that name a transaction, because there are none.
pub(super) fn no_transaction(id: Option<&str>) -> Result<(), Refusal> {
    match id {
        None | Some("") => Ok(()),
        Some(id) => Err(Refusal::invalid(format!("Transactions are not supported. Transaction: '{id}'."))),
    }
}

/// Converts the condition of a write.
pub(super) fn condition(condition: &table::Condition) -> Result<Condition, Refusal> {
    let existence = match number("row existence expectation", condition.row_existence)? {
        table::RowExistenceExpectation::Ignore => Existence::Ignore,
        table::RowExistenceExpectation::ExpectExist => Existence::Exists,
        table::RowExistenceExpectation::ExpectNotExist => Existence::Absent,
    };
    Ok(Condition { existence, columns: filter(condition.column_condition.as_ref())? })
}

/// Decodes a filter. Returns `None` if there is none or it has no bytes.
pub(super) fn filter(filter: Option<&Bytes>) -> Result<Option<store::filter::Filter>, Refusal> {
    let filter = filter.filter(|bytes| !bytes.is_empty());
    filter.map(|bytes| parse_filter(bytes).map_err(Refusal::invalid)).transpose()
}

/// Returns what a write is to answer with.
pub(super) fn returning(content: Option<table::ReturnContent>) -> Result<Returning, Refusal> {
    let Some(table::ReturnContent { return_type: Some(return_type), return_column_names }) = content else {
        return Ok(Returning::Nothing);
    };
    Ok(match number("return type", return_type)? {
        table::ReturnType::None => Returning::Nothing,
        table::ReturnType::Pk => match return_column_names.first() {
            Some(column) => return Err(Refusal::invalid(format!("Invalid return column: '{column}'."))),
            None => Returning::Key,
        },
        table::ReturnType::AfterModify => Returning::After(return_column_names),
    })
}

/// Returns the units of capacity that an answer says were used. Nothing is charged: a read takes
/// one, and so does a write.
pub(super) fn consumed(read: i32, write: i32) -> table::ConsumedCapacity {
    table::ConsumedCapacity {
        capacity_unit: table::CapacityUnit { read: Some(read), write: Some(write) },
        capacity_data_size: None,
    }
}

/// Returns the bytes that an answer says were written.
pub(super) fn imported(bytes: usize) -> table::ConsumedCapacity {
    let written = i64::try_from(bytes).unwrap_or(i64::MAX);
    let sizes = table::CapacityDataSize { read_size: Some(0), write_size: Some(written) };
    table::ConsumedCapacity { capacity_data_size: Some(sizes), ..consumed(0, 0) }
}
