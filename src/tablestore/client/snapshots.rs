//! Operations on snapshots, which stores of our own have and no other Tablestore.

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
    /// In order.
    pub changes: Vec<ChangedRow>,
    /// Where the next page starts; `None` if there is no more.
    pub next: Option<Place>,
}

impl Client {
    /// Opens a snapshot of all tables as of now. `None` where no live job has written results.
    ///
    /// It stays open for a minute after each request for it; few may be at a time.
    ///
    /// # Errors
    /// [`ClientError`]; `OTSServerBusy` where too many are open.
    pub async fn open_snapshot(&self) -> Result<Option<Snapshot>, ClientError> {
        let request = snapshot::OpenRequest {};
        Ok(self.call::<snapshot::OpenResponse>(OPEN, &request).await?.answer.snapshot)
    }

    /// Reads one page of a range as a snapshot shows it.
    ///
    /// # Errors
    /// [`ClientError`]; `OTSResourceGone` if the snapshot is not open any more.
    pub async fn read_snapshot(&self, id: u64, read: &RangeRead) -> Result<RangePage, ClientError> {
        let range = prost::Message::encode_to_vec(&range_request(read)).into();
        let request = snapshot::ReadRequest { id, range };
        let answer: table::GetRangeResponse = self.call(READ, &request).await?.answer;
        range_page(&answer).map_err(|malformed| self.untrusted(READ, malformed))
    }

    /// Reads at most so many changes of the table of orders that a snapshot shows, from a place on.
    ///
    /// # Errors
    /// [`ClientError`]; `OTSTunnelExpired` if changes from there on are no longer kept, `OTSResourceGone` if the snapshot
    /// is not open any more.
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

    /// Closes a snapshot. One that is closed already may be.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn close_snapshot(&self, id: u64) -> Result<(), ClientError> {
        self.call::<snapshot::CloseResponse>(CLOSE, &snapshot::CloseRequest { id }).await?;
        Ok(())
    }
}
