//! Offers the operations on snapshots. Stores of this program have them, other Tablestores do not.

use super::Client;
use super::call::Operation;
use super::error::ClientError;
use super::rows::{RangePage, range_page, range_request, returned_row};
use crate::plain_buffer::Malformed;
use crate::{snapshot, table};
use store::changes::ChangedRow;
use store::read::RangeRead;

const OPEN: Operation = Operation::read("/orderflow/snapshot/open");
const READ: Operation = Operation::read("/orderflow/snapshot/read");
const CHANGES: Operation = Operation::read("/orderflow/snapshot/changes");
const CLOSE: Operation = Operation::read("/orderflow/snapshot/close");

pub use snapshot::{Place, Snapshot};

/// A page of the changes of the table of orders.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangesPage {
    /// The changes, in order.
    pub changes: Vec<ChangedRow>,
    /// The place at which the next page begins; `None` if there are no more changes.
    pub next: Option<Place>,
}

impl Client {
    /// Opens a snapshot of all tables as of now. Returns `None` if no live job has written results.
    ///
    /// It stays open for a minute after each request for it. Few may be open at a time.
    ///
    /// # Errors
    /// Returns [`ClientError`]; with `OTSServerBusy` if too many are open.
    pub async fn open_snapshot(&self) -> Result<Option<Snapshot>, ClientError> {
        let request = snapshot::OpenRequest {};
        Ok(self.call::<snapshot::OpenResponse>(OPEN, &request).await?.answer.snapshot)
    }

    /// Reads one page of a range as a snapshot shows it.
    ///
    /// # Errors
    /// Returns [`ClientError`]; with `OTSResourceGone` if the snapshot is no longer open.
    pub async fn read_snapshot(&self, id: u64, read: &RangeRead) -> Result<RangePage, ClientError> {
        let range = prost::Message::encode_to_vec(&range_request(read)).into();
        let request = snapshot::ReadRequest { id, range };
        let answer: table::GetRangeResponse = self.call(READ, &request).await?.answer;
        range_page(&answer).map_err(|malformed| self.untrusted(READ, malformed))
    }

    /// Reads the changes of the table of orders that a snapshot shows, from a place on and at most
    /// this many.
    ///
    /// # Errors
    /// Returns [`ClientError`]; with `OTSTunnelExpired` if changes from there on are no longer
    /// kept, with `OTSResourceGone` if the snapshot is no longer open.
    pub async fn snapshot_changes(
        &self,
        id: u64,
        from: Place,
        changes_max: u32,
    ) -> Result<ChangesPage, ClientError> {
        let request = snapshot::ChangesRequest { id, from, limit: Some(changes_max) };
        let answer = self.call::<snapshot::ChangesResponse>(CHANGES, &request).await?.answer;
        let change = |change: &snapshot::Change| {
            let before = returned_row(change.before.as_deref())?;
            Ok::<_, Malformed>(ChangedRow { before, after: returned_row(change.after.as_deref())? })
        };
        let changes = answer.changes.iter().map(change).collect::<Result<_, _>>();
        let changes = changes.map_err(|malformed| self.untrusted(CHANGES, malformed))?;
        Ok(ChangesPage { changes, next: answer.next })
    }

    /// Closes a snapshot. Does nothing if it is closed already.
    ///
    /// # Errors
    /// Returns [`ClientError`] if the call fails.
    pub async fn close_snapshot(&self, id: u64) -> Result<(), ClientError> {
        self.call::<snapshot::CloseResponse>(CLOSE, &snapshot::CloseRequest { id }).await?;
        Ok(())
    }
}
