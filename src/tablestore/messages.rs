//! The messages of Tablestore's wire protocol (proto2), as far as they are served.
//!
//! Names and field numbers are the protocol's own. A reader skips the fields that are left out
//! here. A required field is always written, even if it is zero or empty: the SDKs refuse a message
//! that lacks one. `prost` reads an absent required field as its default, so the server checks
//! first that those are present whose default would mean something (`server/decode.rs`). A field of
//! type `i32` with an `enumeration` holds what was sent; its method of the same name returns the
//! enum, or the enum's first value if the number is unknown.
//!
//! Fields of type `Bytes` named `row`, `row_change`, `primary_key`, `rows` or `record` hold rows in
//! the form of `plain_buffer`.

// Only those fields have a comment whose name does not say everything.
#![allow(missing_docs)]

pub mod refusals;
pub mod snapshot;
pub mod table;
pub mod tunnel;

#[cfg(test)]
mod tests;
