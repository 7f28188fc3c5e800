//! Reads the rows of a table from a store that is served.

use tokio::runtime::{Builder, Runtime};

use super::{ORDER_KEY, ORDER_SOURCE, TableError, check_key};
use store::read::{Direction, RangeRead, Selection};
use store::value::{KeyPart, NamedKey, Row};
use tablestore::client::{Client, ClientConfig, ClientError, RangePage};

/// The rows of a table that were not read yet.
pub(super) struct WireRows {
    runtime: Runtime,
    client: Client,
    /// The id of the snapshot that all pages are read from. `None` if the server has no live job,
    /// or is not one of ours.
    snapshot: Option<u64>,
    /// The range that is still to be read; `None` at the end of the table.
    rest: Option<RangeRead>,
    /// The number of rows given so far.
    given: u64,
}

impl WireRows {
    /// Connects to the store and checks that it has a table of orders. `name` is the input as
    /// typed, for errors.
    pub(super) fn open(name: &str, config: ClientConfig) -> Result<WireRows, TableError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|cause| TableError::System { cause })?;
        let failed = |error| TableError::Call { error };
        let client = Client::new(config).map_err(failed)?;
        let info = runtime.block_on(client.describe_table(ORDER_SOURCE)).map_err(|error| {
            match error.is_code("OTSObjectNotExist") {
                true => TableError::NoTable { name: name.to_owned() },
                false => failed(error),
            }
        })?;
        check_key(name, &info.schema.key)?;
        let snapshot = runtime.block_on(open_snapshot(&client)).map_err(failed)?;
        let bound = |part: KeyPart| -> NamedKey {
            ORDER_KEY.iter().map(|name| ((*name).to_owned(), part.clone())).collect()
        };
        let rest = Some(RangeRead {
            table: ORDER_SOURCE.to_owned(),
            direction: Direction::Forward,
            start: bound(KeyPart::Min),
            end: bound(KeyPart::Max),
            selection: Selection::default(),
            rows_max: None,
        });
        Ok(WireRows { runtime, client, snapshot, rest, given: 0 })
    }

    /// Returns the next rows, at most `rows_max`, and the number of the first of them, from 0.
    /// `None` at the end of the table.
    pub(super) fn next_page(&mut self, rows_max: usize) -> Result<Option<(u64, Vec<Row>)>, TableError> {
        let Some(rest) = &mut self.rest else { return Ok(None) };
        rest.rows_max = Some(rows_max);
        let page = self.runtime.block_on(read_page(&self.client, self.snapshot, rest));
        let RangePage { rows, next } = page.map_err(|error| TableError::Call { error })?;
        match next {
            Some(next) => rest.start = next,
            None => self.rest = None,
        }
        let first = self.given;
        self.given += rows.len() as u64;
        Ok(Some((first, rows)))
    }
}

impl Drop for WireRows {
    fn drop(&mut self) {
        if let Some(id) = self.snapshot {
            // A snapshot that cannot be closed is closed by the server when it is idle too long.
            let _ = self.runtime.block_on(self.client.close_snapshot(id));
        }
    }
}

/// Opens a snapshot. Returns `None` if the server has none to give.
async fn open_snapshot(client: &Client) -> Result<Option<u64>, ClientError> {
    match client.open_snapshot().await {
        Ok(snapshot) => Ok(snapshot.map(|snapshot| snapshot.id)),
        // Servers other than ours do not know this operation.
        Err(ClientError::Refused { error, .. }) if (400..500).contains(&error.status) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn read_page(
    client: &Client,
    snapshot: Option<u64>,
    read: &RangeRead,
) -> Result<RangePage, ClientError> {
    match snapshot {
        Some(id) => client.read_snapshot(id, read).await,
        None => client.get_range(read).await,
    }
}
