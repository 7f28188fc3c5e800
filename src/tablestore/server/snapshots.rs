//! Serves snapshots: the state after one commit, kept for callers that read all of it in many
//! requests.
//!
//! Each snapshot keeps the data that it shows on disk. So there are few, and one that nobody uses
//! is closed.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use prost::Message;
use tokio::time::{Instant, sleep_until};

use super::Service;
use super::decode::{CLOSE_SNAPSHOT, PLAIN, READ_SNAPSHOT, SNAPSHOT_CHANGES, decode};
use super::error::Refusal;
use super::operation::SnapshotOperation;
use super::reads::{key_names, range_page, range_read};
use super::sentences::resource_gone;
use crate::plain_buffer::Writer;
use crate::snapshot;
use store::Store;
use store::changes::{ChangeRef, ChangesFrom};
use store::error::Damage;
use store::read::{PAGE_BYTES_MAX, PAGE_ROWS_MAX};
use store::schema::TableInfo;
use store::value::{CellRef, KeyRef};
use store::view::View;

/// What the server asks about the results in its store, for snapshots that show them too.
pub trait ShownResults: Send + Sync {
    /// Returns as of which commit the results in `view` are, and how they print; `None` if there
    /// are no results.
    ///
    /// # Errors
    /// Returns [`Damage`] if the view cannot be read.
    fn in_view(&self, view: &View) -> Result<Option<ResultsAsOf>, Damage>;

    /// Returns the name of the table that the results are computed from. A snapshot serves its
    /// changes.
    fn source(&self) -> &str;
}

/// The commit as of which results are, and how the keys of their windows print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultsAsOf {
    /// The results are of the rows as of all commits below this one.
    pub upper: u64,
    /// The name of the time zone in which windows are printed.
    pub zone: String,
    /// The width of the windows, in milliseconds.
    pub window_ms: i64,
    /// A digest of the clock by which windows begin; `None` if they begin at multiples of their width.
    pub clock: Option<u64>,
}

/// The open snapshots. They are closed when this is dropped.
pub(super) struct Snapshots {
    held: Arc<Mutex<Vec<Held>>>,
    count_max: usize,
    idle_time_max: Duration,
}

struct Held {
    id: u64,
    used: Instant,
    view: Arc<View>,
}

impl Snapshots {
    /// Creates an empty set of at most `count_max` snapshots. Each stays open for `idle_time_max`
    /// after it was last used.
    pub(super) fn new(count_max: usize, idle_time_max: Duration) -> Snapshots {
        Snapshots { held: Arc::default(), count_max, idle_time_max }
    }

    /// Keeps a view as a snapshot, and returns its id.
    fn hold(&self, view: View) -> Result<u64, Refusal> {
        // The id is random, so that nobody can guess it and none from before a restart is valid.
        let id = getrandom::u64().map_err(|error| Refusal::internal(&error.to_string()))?;
        let mut held = lock(&self.held);
        self.check_room(held.len())?;
        held.push(Held { id, used: Instant::now(), view: Arc::new(view) });
        tokio::spawn(let_go_unused(Arc::downgrade(&self.held), id, self.idle_time_max));
        Ok(id)
    }

    fn check_room(&self, held: usize) -> Result<(), Refusal> {
        if held < self.count_max {
            return Ok(());
        }
        let message = format!(
            "Server is busy: {held} snapshots are open, and no more may be. One goes once it is closed, or was not used \
             for {} s.",
            self.idle_time_max.as_secs_f64()
        );
        Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "OTSServerBusy", message))
    }

    /// Returns the view of the open snapshot with this id and marks it used now. Refuses with
    /// `OTSResourceGone` if it was closed or idle too long.
    fn find(&self, id: u64) -> Result<Arc<View>, Refusal> {
        match lock(&self.held).iter_mut().find(|held| held.id == id) {
            Some(held) => {
                held.used = Instant::now();
                Ok(held.view.clone())
            }
            None => Err(resource_gone(format!(
                "snapshot {id} is not open: it was closed, or not used for {} s",
                self.idle_time_max.as_secs_f64()
            ))),
        }
    }

    /// Closes a snapshot. Does nothing if it is closed already.
    fn close(&self, id: u64) {
        lock(&self.held).retain(|held| held.id != id);
    }
}

fn lock(held: &Mutex<Vec<Held>>) -> std::sync::MutexGuard<'_, Vec<Held>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Closes a snapshot once it has been idle for `idle_time_max`.
async fn let_go_unused(snapshots: Weak<Mutex<Vec<Held>>>, id: u64, idle_time_max: Duration) {
    while let Some(due) = snapshots.upgrade().and_then(|held| due(&held, id, idle_time_max)) {
        sleep_until(due).await;
    }
}

/// Returns when a snapshot is to be closed. Closes it if that time has come, and then returns
/// `None`.
fn due(snapshots: &Mutex<Vec<Held>>, id: u64, idle_time_max: Duration) -> Option<Instant> {
    let mut snapshots = lock(snapshots);
    let at = snapshots.iter().position(|held| held.id == id)?;
    let held = snapshots.get_mut(at)?;
    let now = Instant::now();
    if Arc::strong_count(&held.view) > 1 {
        // A request is reading the snapshot, so it counts as used.
        held.used = now;
    }
    let due = held.used + idle_time_max;
    if due > now {
        return Some(due);
    }
    snapshots.swap_remove(at);
    None
}

/// Runs an operation on snapshots.
pub(super) async fn run(
    service: &Service,
    operation: SnapshotOperation,
    body: Bytes,
) -> Result<Vec<u8>, Refusal> {
    match operation {
        SnapshotOperation::Open => open(service, body).await,
        SnapshotOperation::Read => read(service, body).await,
        SnapshotOperation::Changes => changes(service, body).await,
        SnapshotOperation::Close => {
            let request: snapshot::CloseRequest = decode(body, &CLOSE_SNAPSHOT)?;
            service.snapshots.close(request.id);
            Ok(snapshot::CloseResponse {}.encode_to_vec())
        }
    }
}

async fn open(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let snapshot::OpenRequest {} = decode(body, &PLAIN)?;
    // The room is checked before a view is taken in vain.
    service.snapshots.check_room(lock(&service.snapshots.held).len())?;
    let results = service.results.clone();
    let taken = service.blocking(move |store: &Store| {
        let view = store.view()?;
        Ok::<_, Damage>(results.in_view(&view)?.map(|as_of| (view, as_of)))
    });
    let hold = |(view, as_of): (View, ResultsAsOf)| {
        Ok::<_, Refusal>(snapshot::Snapshot {
            last_commit: view.last_commit(),
            id: service.snapshots.hold(view)?,
            upper: as_of.upper,
            zone: as_of.zone,
            window_ms: as_of.window_ms,
            clock: as_of.clock,
        })
    };
    let snapshot = taken.await?.map(hold).transpose()?;
    Ok(snapshot::OpenResponse { snapshot }.encode_to_vec())
}

async fn read(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: snapshot::ReadRequest = decode(body, &READ_SNAPSHOT)?;
    let (read, form) = range_read(request.range)?;
    let view = service.snapshots.find(request.id)?;
    let page = move |_: &Store| {
        let info = view.table(&read.table)?;
        range_page(&info, form, |emit| view.range(&read, emit))
    };
    service.blocking(page).await
}

async fn changes(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: snapshot::ChangesRequest = decode(body, &SNAPSHOT_CHANGES)?;
    let from = ChangesFrom { commit: request.from.commit, skip: request.from.skip };
    let limit = match request.limit.map(usize::try_from) {
        Some(Ok(0)) => return Err(Refusal::invalid("The limit must be greater than 0.")),
        Some(Ok(limit)) => limit.min(PAGE_ROWS_MAX),
        None | Some(Err(_)) => PAGE_ROWS_MAX,
    };
    let view = service.snapshots.find(request.id)?;
    let results = service.results.clone();
    let page = move |_: &Store| page_of_changes(&view, results.source(), from, limit);
    let page = service.blocking(page).await?;
    Ok(page.encode_to_vec())
}

fn page_of_changes(
    view: &View,
    source: &str,
    from: ChangesFrom,
    limit: usize,
) -> Result<snapshot::ChangesResponse, Refusal> {
    // If the table is gone, so are its changes.
    let Ok(info) = view.table(source) else { return Ok(snapshot::ChangesResponse::default()) };
    let (mut changes, mut bytes) = (Vec::new(), 0);
    let next = view.changes_page(source, from, &mut |ChangeRef { key, before, after }| {
        let row = |cells: Option<&[CellRef<'_>]>| cells.map(|cells| encode(&info, key, cells));
        let change = snapshot::Change { before: row(*before), after: row(*after) };
        bytes += change.encoded_len();
        changes.push(change);
        match changes.len() >= limit || bytes >= PAGE_BYTES_MAX {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    let next = next.map(|next| snapshot::Place { commit: next.commit, skip: next.skip });
    Ok(snapshot::ChangesResponse { changes, next })
}

fn encode(info: &TableInfo, key: &[KeyRef<'_>], cells: &[CellRef<'_>]) -> Bytes {
    let mut writer = Writer::new();
    let mut row = writer.row();
    key_names(info).zip(key).for_each(|(name, value)| row.key(name, *value));
    cells.iter().for_each(|cell| row.cell(*cell));
    row.end();
    writer.finish().into()
}

#[cfg(test)]
mod tests {
    use super::super::tests::open_store;
    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    fn view() -> View {
        // A view shows what was there, even after its folder is gone.
        open_store(tempfile::tempdir().unwrap().path()).view().unwrap()
    }

    #[tokio::test]
    async fn one_that_is_read_stays_and_one_that_is_not_goes() {
        let snapshots = Snapshots::new(2, IDLE);
        let id = snapshots.hold(view()).unwrap();
        let due = || due(&snapshots.held, id, IDLE);
        let is_long_unused = || {
            let long_ago = Instant::now().checked_sub(IDLE).unwrap();
            lock(&snapshots.held).iter_mut().for_each(|held| held.used = long_ago);
        };
        assert!(due().is_some());
        is_long_unused();
        let reading = snapshots.find(id).unwrap();
        assert!(due().is_some(), "it was asked for");
        is_long_unused();
        assert!(due().is_some(), "it is being read");
        drop(reading);
        is_long_unused();
        assert_eq!(due(), None);
        assert_eq!(snapshots.find(id).unwrap_err().code, "OTSResourceGone");
    }

    #[tokio::test]
    async fn all_go_with_the_server() {
        let snapshots = Snapshots::new(2, IDLE);
        let id = snapshots.hold(view()).unwrap();
        let shown = Arc::downgrade(&snapshots.find(id).unwrap());
        assert!(shown.upgrade().is_some());
        drop(snapshots);
        assert!(shown.upgrade().is_none());
    }
}
