//! Defines why the store refuses a request. Each boundary has one error, in the store's own words
//! and with what is wrong as data.
//!
//! | boundary | error |
//! |---|---|
//! | a folder is opened, the store is closed | [`OpenError`], [`CloseError`] |
//! | a table is created, changed or deleted | [`CatalogError`] |
//! | a row is written | [`WriteError`] |
//! | rows or changes are read | [`ReadError`] |
//! | anything about a tunnel | [`TunnelError`] |
//!
//! What may go wrong at several boundaries is a type of its own within their errors: [`NoTable`],
//! [`KeyMismatch`], [`NotKept`], [`Damage`] and [`Halt`]. What a caller over the wire is told is
//! decided in the room of the wire.

mod catalog;
mod causes;
mod open;
mod read;
mod tunnel;
mod write;

pub use catalog::{AutoIncrementError, CatalogError, SplitError};
pub(crate) use causes::{CommitError, EngineError};
pub use causes::{Damage, FilterTooLarge, Halt, KeyInput, KeyMismatch, NoTable, NotKept, Refusal};
pub use open::{CloseError, OpenError};
pub use read::ReadError;
pub use tunnel::TunnelError;
pub use write::WriteError;

/// Lets `?` turn causes into an error that has a variant for each of them.
macro_rules! from_causes {
    ($error:ident: $($cause:ident => $variant:ident),+) => {
        $(impl From<$cause> for $error {
            fn from(cause: $cause) -> $error {
                $error::$variant(cause)
            }
        })+

        impl From<crate::error::EngineError> for $error {
            fn from(error: crate::error::EngineError) -> $error {
                $error::Damaged(Damage::from(error))
            }
        }

        impl std::error::Error for $error {}
    };
}
use from_causes;
