//! Reads one state of all tables of a store that another process serves.

use tokio::runtime::Handle;

use super::source::{borrowed, range};
use super::{ChangesFrom, EmitRow, Recount, RecountSource, VerifyError};
use crate::job::Recorded;
use orders::{Layout, Zone};
use store::changes::ChangeRef;
use store::value::{KeyPart, PrimaryKey};
use tablestore::client::{Client, ClientError, Place, Snapshot};

/// A snapshot that a server keeps open. The server closes it if it is not read for a minute.
///
/// The methods block until the server answers, so only threads that run no tasks may call them.
#[derive(Debug)]
pub struct Remote {
    client: Client,
    runtime: Handle,
    id: u64,
}

impl Remote {
    /// Opens a snapshot and begins a recount of the results in it. Calls are made on `runtime`,
    /// which another thread runs.
    ///
    /// # Errors
    /// Returns [`VerifyError::NoResults`] if there are none, and [`VerifyError::Foreign`] if the
    /// server has no such operation.
    pub fn recount(client: Client, runtime: Handle) -> Result<Recount<Remote>, VerifyError> {
        let opened = runtime.block_on(client.open_snapshot());
        let opened = opened.map_err(|error| not_opened(client.endpoint(), error))?;
        let snapshot = opened.ok_or(VerifyError::NoResults)?;
        let recorded = recorded(&snapshot).ok_or_else(|| {
            VerifyError::Call(ClientError::Untrusted {
                operation: "orderflow/snapshot/open",
                endpoint: client.endpoint().to_owned(),
                reason: format!(
                    "there are no windows of {} ms in zone {:?} that begin as those of the results do: \
                     use the program that wrote them",
                    snapshot.window_ms, snapshot.zone
                ),
            })
        })?;
        Ok(Recount::new(Remote { client, runtime, id: snapshot.id }, recorded))
    }

    /// Closes the snapshot.
    ///
    /// # Errors
    /// Returns [`VerifyError::Call`] if the call fails. The server then closes the snapshot by
    /// itself.
    pub fn close(self) -> Result<(), VerifyError> {
        self.runtime.block_on(self.client.close_snapshot(self.id)).map_err(VerifyError::Call)
    }
}

/// Returns the error that it means if no snapshot is opened. Our own servers refuse that only to a
/// caller without permission, or because too many snapshots are open.
fn not_opened(endpoint: &str, error: ClientError) -> VerifyError {
    match &error {
        ClientError::Refused { error: refusal, .. } if matches!(refusal.status, 400 | 404 | 405) => {
            VerifyError::Foreign { endpoint: endpoint.to_owned(), error }
        }
        _ => VerifyError::Call(error),
    }
}

/// Returns as of when the results in a snapshot are, and how they are printed; `None` if the zone
/// or the width does not exist, or if the server knows other rules of the zone's clock.
fn recorded(snapshot: &Snapshot) -> Option<Recorded> {
    let width_ms = u32::try_from(snapshot.window_ms).ok()?;
    let layout = Layout::recorded(Zone::parse(&snapshot.zone).ok()?, width_ms, snapshot.clock)?;
    Some(Recorded { upper: snapshot.upper, layout })
}

impl RecountSource for Remote {
    fn rows(
        &mut self,
        table: &'static str,
        start: Option<PrimaryKey>,
        rows_max: usize,
        emit: EmitRow<'_>,
    ) -> Result<Option<PrimaryKey>, VerifyError> {
        let read = range(table, start, rows_max);
        let page = match self.runtime.block_on(self.client.read_snapshot(self.id, &read)) {
            Err(error) if error.is_code("OTSObjectNotExist") => return Ok(None),
            page => page.map_err(VerifyError::Call)?,
        };
        for row in &page.rows {
            let (key, cells) = borrowed(row);
            emit(&key, &cells);
        }
        let value = |(_, part)| match part {
            KeyPart::Value(value) => Some(value),
            _ => None,
        };
        Ok(page.next.map(|next| next.into_iter().filter_map(value).collect()))
    }

    fn changes(
        &mut self,
        from: ChangesFrom,
        changes_max: usize,
        emit: &mut dyn FnMut(&ChangeRef<'_>),
    ) -> Result<Option<ChangesFrom>, VerifyError> {
        let place = Place { commit: from.commit, skip: from.skip };
        let changes_max = u32::try_from(changes_max).unwrap_or(u32::MAX);
        let page = self.runtime.block_on(self.client.snapshot_changes(self.id, place, changes_max));
        let page = page.map_err(|error| match error.is_code("OTSTunnelExpired") {
            true => VerifyError::ChangesGone(from.commit),
            false => VerifyError::Call(error),
        })?;
        page.changes.iter().for_each(|change| change.lend(&mut *emit));
        Ok(page.next.map(|next| ChangesFrom { commit: next.commit, skip: next.skip }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tablestore::client::ServiceError;

    #[test]
    fn a_server_that_knows_no_such_operation_is_foreign() {
        for (status, code, foreign) in [
            (400, "OTSUnsupportOperation", true),
            (400, "OTSParameterInvalid", true),
            (404, "", true),
            (405, "OTSMethodNotAllowed", true),
            (403, "OTSAuthFailed", false),
            (403, "OTSNoPermissionAccess", false),
            (503, "OTSServerBusy", false),
        ] {
            let error = ServiceError {
                code: code.to_owned(),
                message: "Unsupported operation: 'orderflow'.".to_owned(),
                status,
                request_id: String::new(),
            };
            let error = ClientError::Refused { operation: "orderflow/snapshot/open", error };
            let error = not_opened("https://far.away", error);
            assert_eq!(matches!(error, VerifyError::Foreign { .. }), foreign, "{error}");
        }
    }

    #[test]
    fn windows_that_cannot_be_are_none() {
        let snapshot = |zone: &str, window_ms| Snapshot {
            id: 1,
            last_commit: 9,
            upper: 7,
            zone: zone.to_owned(),
            window_ms,
            clock: None,
        };
        let good = recorded(&snapshot("Europe/Berlin", 30_000)).unwrap();
        assert_eq!(
            (good.upper, good.layout.zone.name(), good.layout.windows.width_ms()),
            (7, "Europe/Berlin", 30_000)
        );
        for (zone, window_ms) in [("Nowhere", 30_000), ("UTC", 0), ("UTC", -1), ("UTC", i64::MAX)] {
            assert_eq!(recorded(&snapshot(zone, window_ms)), None);
        }
        let of_days = Layout::new(Zone::parse("Europe/Berlin").unwrap(), 86_400_000).unwrap();
        let clock = of_days.windows.clock_digest();
        let by_clock = |clock| recorded(&Snapshot { clock, ..snapshot("Europe/Berlin", 86_400_000) });
        assert_eq!(by_clock(clock).unwrap().layout, of_days);
        assert_eq!(by_clock(clock.map(|digest| !digest)), None, "the server knows other rules");
        assert_ne!(by_clock(None).unwrap().layout, of_days, "the windows are those of older results");
    }
}
