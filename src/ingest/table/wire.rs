//! The rows of a table in a store that is served.

use tokio::runtime::{Builder, Runtime};

use super::{ORDER_KEY, ORDER_SOURCE, TableError, check_key};
use crate::store::read::{Direction, RangeRead, Selection};
use crate::store::value::{KeyPart, NamedKey, Row};
use crate::tablestore::client::{Client, ClientConfig, RangePages};

/// What is left of a table.
pub(super) struct WireRows {
    runtime: Runtime,
    pages: RangePages,
    /// Rows given so far.
    given: u64,
}

impl WireRows {
    /// Calls the store, and looks at the table in it.
    pub(super) fn open(name: &str, config: ClientConfig) -> Result<WireRows, TableError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|cause| TableError::System { cause })?;
        let client = |error| TableError::Call { error };
        let called = Client::new(config).map_err(client)?;
        let info = runtime.block_on(called.describe_table(ORDER_SOURCE)).map_err(|error| {
            match error.is_code("OTSObjectNotExist") {
                true => TableError::NoTable { name: name.to_owned() },
                false => client(error),
            }
        })?;
        check_key(name, &info.schema.key)?;
        let bound = |part: KeyPart| -> NamedKey {
            ORDER_KEY.iter().map(|name| ((*name).to_owned(), part.clone())).collect()
        };
        let pages = called.range(RangeRead {
            table: ORDER_SOURCE.to_owned(),
            direction: Direction::Forward,
            start: bound(KeyPart::Min),
            end: bound(KeyPart::Max),
            selection: Selection::default(),
            rows_max: None,
        });
        Ok(WireRows { runtime, pages, given: 0 })
    }

    /// The next rows, at most so many, and the number of the first, from 0; none if there are none left.
    pub(super) fn next_page(&mut self, rows_max: u64) -> Result<Option<(u64, Vec<Row>)>, TableError> {
        let page = self.runtime.block_on(self.pages.next_page(rows_max));
        let page = page.map_err(|error| TableError::Call { error })?;
        Ok(page.map(|rows| {
            let first = self.given;
            self.given += rows.len() as u64;
            (first, rows)
        }))
    }
}
