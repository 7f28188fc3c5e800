//! The feed's task: it applies each epoch to the board, and publishes at most ten frames a second,
//! and fewer if there are many followers.

use std::mem::{Discriminant, discriminant};
use std::sync::Arc;
use std::time::Duration;

use dataflows::views::WINDOWS;
use dataflows::{Part, Parts};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Board, LEADERS_MAX, Shared};
use crate::job::{Committed, Phase, Status};
use crate::verify::Verification;
use order_tables::ResultError;
use store::error::ReadError;

/// The shortest time between two frames.
const FRAME_INTERVAL: Duration = Duration::from_millis(100);

/// The same for each follower: of all frames, at most a thousand a second are sent.
const FRAME_INTERVAL_EACH: Duration = Duration::from_millis(1);

/// The pause after the result tables could not be read.
const READ_PAUSE: Duration = Duration::from_secs(1);

/// What the job was doing when the board was read: its phase, and the number of its sittings.
type Began = (Discriminant<Phase>, u64);

/// What has happened.
enum News {
    Epoch(Result<Arc<Committed>, RecvError>),
    Status(bool),
    Verified,
    Wanted,
    Frame,
}

/// Follows the job and the recount. What a job that has ended said last stands.
pub(super) async fn follow(
    shared: Arc<Shared>,
    mut status: watch::Receiver<Status>,
    mut committed: broadcast::Receiver<Arc<Committed>>,
    mut verified: watch::Receiver<Option<Verification>>,
) {
    // The status may have changed since the feed was made.
    let first = status.borrow_and_update().clone();
    let mut began = began(&first);
    shared.seen().status = first;
    let mut read_anew = true;
    let mut unreadable = String::new();
    let (mut is_followed, mut is_committed, mut is_recounted) = (true, true, true);
    // The time at which a frame is due; `None` if nothing changed since the last frame.
    let mut due: Option<Instant> = None;
    let mut last = Instant::now();
    loop {
        if read_anew || shared.seen().board.is_short(LEADERS_MAX) {
            read_anew = !read(&shared, &mut unreadable).await;
            due.get_or_insert(last + frame_interval(&shared));
        }
        let news = tokio::select! {
            biased;
            () = sleep_until(due.unwrap_or(last)), if due.is_some() => News::Frame,
            changed = status.changed(), if is_followed => News::Status(changed.is_ok()),
            epoch = committed.recv(), if is_committed => News::Epoch(epoch),
            changed = verified.changed(), if is_recounted => {
                is_recounted = changed.is_ok();
                News::Verified
            }
            () = shared.wanted.notified() => News::Wanted,
        };
        match news {
            News::Frame => {
                (due, last) = (None, Instant::now());
                let (now_ms, refusing) = (shared.now_ms(), shared.refusing());
                let mut seen = shared.seen();
                let state = super::State::of(&mut seen, &shared.layout, now_ms, refusing);
                let number = seen.publish(state);
                drop(seen);
                shared.news.send_replace(number);
                continue;
            }
            News::Epoch(Ok(epoch)) => apply(&shared, &epoch),
            News::Epoch(Err(RecvError::Lagged(_))) | News::Wanted => read_anew = true,
            News::Epoch(Err(RecvError::Closed)) => {
                is_committed = false;
                continue;
            }
            News::Status(false) => {
                is_followed = false;
                continue;
            }
            News::Status(true) => {
                let now = status.borrow_and_update().clone();
                let begins = super::follow::began(&now);
                read_anew |= begins != began && matches!(now.phase, Phase::Running | Phase::Waiting);
                began = begins;
                if !shared.seen().status_changes(now) {
                    continue;
                }
            }
            News::Verified => shared.seen().verified = verified.borrow_and_update().clone(),
        }
        due.get_or_insert(last + frame_interval(&shared));
    }
}

/// Returns the shortest time between two frames for as many followers as there are now.
fn frame_interval(shared: &Shared) -> Duration {
    let followers = u32::try_from(shared.news.receiver_count()).unwrap_or(u32::MAX);
    FRAME_INTERVAL.max(FRAME_INTERVAL_EACH.saturating_mul(followers))
}

fn began(status: &Status) -> Began {
    (discriminant(&status.phase), status.sittings)
}

impl super::Seen {
    /// Stores a status. Returns whether people see a difference that does not come with an epoch.
    fn status_changes(&mut self, status: Status) -> bool {
        let differs = self.status.phase != status.phase || self.status.rejects != status.rejects;
        self.status = status;
        differs
    }
}

/// Applies an epoch to the board.
fn apply(shared: &Shared, committed: &Committed) {
    let changed_ms = shared.now_ms() - committed.at.elapsed().as_millis() as i64;
    let mut seen = shared.seen();
    seen.board.apply(committed);
    seen.late.add(&committed.late);
    seen.changed_ms = Some(changed_ms);
    for change in &committed.changes {
        if let (WINDOWS, Parts::One(Part::Integer(start_ms))) = (change.key.view, &change.key.parts) {
            seen.frames.window(*start_ms, change.after);
        }
    }
}

/// Reads the board anew. If this fails, waits a second and returns false. Logs why, unless that is
/// what `unreadable` says already.
async fn read(shared: &Arc<Shared>, unreadable: &mut String) -> bool {
    let (store, layout, now_ms) = (shared.store.clone(), shared.layout.clone(), shared.now_ms());
    let board = spawn_blocking(move || Board::read(&store.view()?, &layout, now_ms));
    match board.await {
        // The job makes the table, and then begins a new sitting.
        Ok(Err(ResultError::Read(ReadError::NoTable(_)))) => true,
        Ok(Ok(board)) => {
            let mut seen = shared.seen();
            seen.board = board;
            seen.frames.all_windows();
            drop(seen);
            shared.renewed.notify_waiters();
            unreadable.clear();
            true
        }
        Ok(Err(error)) => {
            let error = error.to_string();
            if *unreadable != error {
                tracing::error!("the page cannot read the results: {error}");
                *unreadable = error;
            }
            sleep(READ_PAUSE).await;
            false
        }
        Err(_) => {
            sleep(READ_PAUSE).await;
            false
        }
    }
}
