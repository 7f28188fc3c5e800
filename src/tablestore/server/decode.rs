//! Requests as messages: bounded, then decoded, and their numbers turned into what they stand for.

use bytes::Bytes;
use prost::Message;

use super::error::Refusal;
use crate::store::change::{Condition, Existence, Returning};
use crate::tablestore::filter::parse_filter;
use crate::tablestore::limits::{COLUMNS_NAMED_MAX, ROWS_PER_READ_MAX, ROWS_PER_WRITE_MAX};
use crate::tablestore::shape::{Misshapen, Part, check};
use crate::tablestore::table;

/// Names of columns to be read or returned.
const fn names(field: u32) -> Part {
    Part {
        field,
        count_max: COLUMNS_NAMED_MAX,
        refusal: "The number of columns named exceeds the limit, limit count: 1024.",
        inside: &[],
    }
}

/// Entries of a list whose own limit is far below this, and is checked where it is known.
const fn entries(field: u32) -> Part {
    Part {
        field,
        count_max: 1_024,
        refusal: "The number of entries exceeds the limit, limit count: 1024.",
        inside: &[],
    }
}

/// Rows of a batch write, or tables of them.
const fn rows_written(field: u32, inside: &'static [Part]) -> Part {
    Part { field, count_max: ROWS_PER_WRITE_MAX, refusal: TOO_MANY_ROWS_WRITTEN, inside }
}

/// Rows of a batch read, or tables of them.
const fn rows_read(field: u32, inside: &'static [Part]) -> Part {
    Part { field, count_max: ROWS_PER_READ_MAX, refusal: TOO_MANY_ROWS_READ, inside }
}

/// What is said to a batch write that is too large.
pub(super) const TOO_MANY_ROWS_WRITTEN: &str = "Rows count exceeds the upper limit: 200.";
/// What is said to a batch read that is too large.
pub(super) const TOO_MANY_ROWS_READ: &str = "Rows count exceeds the upper limit: 100.";

/// No part is bounded.
pub(super) static PLAIN: [Part; 0] = [];
pub(super) static CREATE_TABLE: [Part; 3] =
    [Part::once(1, &[entries(2), entries(3)]), Part::once(5, &[names(3)]), entries(7)];
pub(super) static UPDATE_TABLE: [Part; 1] = [Part::once(4, &[names(3)])];
pub(super) static WRITE_ROW: [Part; 1] = [Part::once(4, &[names(2)])];
pub(super) static BATCH_WRITE_ROW: [Part; 1] =
    [rows_written(1, &[rows_written(2, &[Part::once(4, &[names(2)])])])];
/// Of one row, or of a range.
pub(super) static READ_ROWS: [Part; 1] = [names(3)];
pub(super) static BATCH_GET_ROW: [Part; 1] =
    [rows_read(1, &[rows_read(2, &[]), rows_read(3, &[]), names(4)])];
/// Reports of channels.
pub(super) static HEARTBEAT: [Part; 1] = [entries(3)];

/// Decodes a request, once none of its parts occurs too often.
pub(super) fn decode<M: Message + Default>(body: Bytes, shape: &'static [Part]) -> Result<M, Refusal> {
    check(&body, shape).map_err(|error| match error {
        Misshapen::TooMany(part) => Refusal::invalid(part.refusal),
        Misshapen::Broken(reason) => Refusal::invalid(format!("Parse from protobuf failed: {reason}.")),
    })?;
    Ok(M::decode(body)?)
}

/// What a number stands for.
pub(super) fn number<E: TryFrom<i32>>(what: &str, number: i32) -> Result<E, Refusal> {
    E::try_from(number).map_err(|_| Refusal::invalid(format!("Invalid {what}: {number}.")))
}

/// Refuses what asks for a transaction: there are none.
pub(super) fn no_transaction(id: Option<&str>) -> Result<(), Refusal> {
    match id {
        None | Some("") => Ok(()),
        Some(id) => Err(Refusal::invalid(format!("Transactions are not supported. Transaction: '{id}'."))),
    }
}

/// A write's condition.
pub(super) fn condition(condition: &table::Condition) -> Result<Condition, Refusal> {
    let existence = match number("row existence expectation", condition.row_existence)? {
        table::RowExistenceExpectation::Ignore => Existence::Ignore,
        table::RowExistenceExpectation::ExpectExist => Existence::Exists,
        table::RowExistenceExpectation::ExpectNotExist => Existence::Absent,
    };
    Ok(Condition { existence, columns: filter(condition.column_condition.as_ref())? })
}

/// A filter. One without bytes is none.
pub(super) fn filter(filter: Option<&Bytes>) -> Result<Option<crate::store::filter::Filter>, Refusal> {
    let filter = filter.filter(|bytes| !bytes.is_empty());
    filter.map(|bytes| parse_filter(bytes).map_err(Refusal::invalid)).transpose()
}

/// What a write is to answer with.
pub(super) fn returning(content: Option<table::ReturnContent>) -> Result<Returning, Refusal> {
    let Some(table::ReturnContent { return_type: Some(return_type), return_column_names }) = content else {
        return Ok(Returning::Nothing);
    };
    Ok(match number("return type", return_type)? {
        table::ReturnType::None => Returning::Nothing,
        table::ReturnType::Pk => Returning::Key,
        table::ReturnType::AfterModify => Returning::After(return_column_names),
    })
}

/// Units of capacity that an answer says it took. There is no charge: a write takes one, and so does a read.
pub(super) fn consumed(read: i32, write: i32) -> table::ConsumedCapacity {
    table::ConsumedCapacity { capacity_unit: table::CapacityUnit { read: Some(read), write: Some(write) } }
}
