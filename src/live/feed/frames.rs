//! Makes frames, as server-sent events. The last frames are kept, and each follower reads them at
//! its own pace.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use dataflows::{Stretch, Totals};
use serde::Serialize;
use tokio::sync::watch;

use super::{LEADERS_MAX, Rank, Seen, Shared, State};
use orders::Layout;

/// The most frames that are kept for followers who come back, and the most bytes of them.
const FRAMES_MAX: usize = 256;
const FRAMES_BYTES_MAX: usize = 4 << 20;

/// How far ahead a snapshot tells where windows begin by the clock of the zone.
const CLOCK_AHEAD_MS: i64 = 366 * 24 * 3_600_000;

/// The most windows that a frame shows. If more changed, the follower has to fetch them.
const WINDOWS_MAX: usize = 500;

/// The row of a user.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Leader {
    #[serde(rename = "UserId")]
    user: String,
    count: i64,
    #[serde(rename = "totalPriceExact")]
    amount: String,
}

/// The row of a window. Its count is 0 if the row is gone.
#[derive(Debug, Serialize)]
struct Window {
    #[serde(rename = "beginMs")]
    begin_ms: i64,
    count: i64,
    #[serde(rename = "totalPriceExact")]
    amount: String,
    late: u64,
}

/// The data of an event.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(flatten)]
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_amount: Option<&'a [Leader]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_count: Option<&'a [Leader]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<Vec<Window>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reload_windows: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    clock: Vec<ClockStretch>,
    /// The number of the frame that follows, by which a reader may ask for it.
    next: u64,
}

/// The windows in a stretch of time in which the clock of the zone is not turned; see
/// [`Stretch`](dataflows::Stretch).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ClockStretch {
    from_ms: i64,
    offset_ms: i64,
    open_ms: i64,
    next_ms: i64,
}

#[derive(Debug)]
struct Frame {
    epoch: u64,
    bytes: Bytes,
}

/// The last frames, and what the next one will hold.
#[derive(Debug, Default)]
pub(super) struct Frames {
    kept: VecDeque<Frame>,
    /// The number of the frame after the last one. Processes that follow each other begin with
    /// different numbers, so a reader of the one before finds no frame of its number.
    next: u64,
    bytes: usize,
    by_amount: Vec<Leader>,
    by_count: Vec<Leader>,
    /// The windows that changed since the last frame, unless they are too many to show.
    changed: Changed,
}

#[derive(Debug)]
enum Changed {
    Windows(BTreeMap<i64, Totals>),
    TooMany,
}

impl Default for Changed {
    fn default() -> Changed {
        Changed::Windows(BTreeMap::new())
    }
}

impl Frames {
    /// Creates the frames of a process that began at `now_ms` (epoch ms).
    pub(super) fn since(now_ms: i64) -> Frames {
        Frames { next: now_ms.unsigned_abs().saturating_mul(1_000), ..Frames::default() }
    }

    /// Notes that a window has these totals from now on; `None` means no orders.
    pub(super) fn window(&mut self, start_ms: i64, totals: Option<Totals>) {
        if let Changed::Windows(windows) = &mut self.changed {
            windows.insert(start_ms, totals.unwrap_or(Totals::ZERO));
            if windows.len() > WINDOWS_MAX {
                self.changed = Changed::TooMany;
            }
        }
    }

    /// Notes that any window may have changed.
    pub(super) fn all_windows(&mut self) {
        self.changed = Changed::TooMany;
    }

    fn first(&self) -> u64 {
        self.next - self.kept.len() as u64
    }

    /// Returns the number of the frame after the first one of this epoch; `None` if no frame of it is
    /// kept. Whoever names an epoch has had that frame, but maybe no later one of the same epoch.
    fn after(&self, epoch: u64) -> Option<u64> {
        let at = self.kept.iter().position(|frame| frame.epoch == epoch)?;
        Some(self.first() + at as u64 + 1)
    }

    fn keep(&mut self, epoch: u64, bytes: Bytes) {
        self.bytes += bytes.len();
        self.kept.push_back(Frame { epoch, bytes });
        self.next += 1;
        while self.kept.len() > FRAMES_MAX || self.bytes > FRAMES_BYTES_MAX {
            match self.kept.pop_front() {
                Some(frame) => self.bytes -= frame.bytes.len(),
                None => break,
            }
        }
    }
}

impl Seen {
    /// Closes a frame of all that changed since the last one. Returns the number of the frame after
    /// it.
    pub(super) fn publish(&mut self, state: State) -> u64 {
        let by_amount = leaders(self, Rank::Amount);
        let by_count = leaders(self, Rank::Count);
        let changed = std::mem::take(&mut self.frames.changed);
        let (changed, reload_windows) = match changed {
            Changed::TooMany => (None, Some(true)),
            Changed::Windows(windows) => {
                let window = |(begin_ms, totals): (i64, Totals)| Window {
                    begin_ms,
                    count: totals.orders,
                    amount: totals.amount.to_string(),
                    late: self.late.in_window(begin_ms),
                };
                (Some(windows.into_iter().map(window).collect()), None)
            }
        };
        let epoch = state.epoch;
        let event = Event {
            state,
            by_amount: (by_amount != self.frames.by_amount).then_some(&by_amount),
            by_count: (by_count != self.frames.by_count).then_some(&by_count),
            changed,
            reload_windows,
            clock: Vec::new(),
            next: self.frames.next + 1,
        };
        let bytes = server_sent("frame", Some(epoch), &event);
        self.frames.by_amount = by_amount;
        self.frames.by_count = by_count;
        self.frames.keep(epoch, bytes);
        self.frames.next
    }

    /// Returns a snapshot of everything, which is a follower's first event.
    fn snapshot(&self, state: State, layout: &Layout) -> Bytes {
        let (by_amount, by_count) = (leaders(self, Rank::Amount), leaders(self, Rank::Count));
        let (epoch, end_ms) = (state.epoch, state.now_ms.saturating_add(CLOCK_AHEAD_MS));
        let event = Event {
            state,
            by_amount: Some(&by_amount),
            by_count: Some(&by_count),
            changed: None,
            reload_windows: None,
            clock: clock(layout, end_ms),
            next: self.frames.next,
        };
        server_sent("snapshot", Some(epoch), &event)
    }
}

fn leaders(seen: &Seen, rank: Rank) -> Vec<Leader> {
    let leader = |(user, totals): (String, Totals)| Leader {
        user,
        count: totals.orders,
        amount: totals.amount.to_string(),
    };
    seen.board.top_users(rank, LEADERS_MAX).into_iter().map(leader).collect()
}

/// Returns where windows begin by the clock of the zone, up to `end_ms` (epoch ms); nothing if they
/// do not begin by a clock.
fn clock(layout: &Layout, end_ms: i64) -> Vec<ClockStretch> {
    let stretch = |&Stretch { from_ms, offset_ms, open_ms, next_ms }: &Stretch| ClockStretch {
        from_ms,
        offset_ms,
        open_ms,
        next_ms,
    };
    layout.windows.stretches(i64::MIN, end_ms).iter().map(stretch).collect()
}

/// Returns an event in the event stream format of the HTML standard. JSON has no line breaks in it.
fn server_sent(name: &str, id: Option<u64>, data: &impl Serialize) -> Bytes {
    let mut bytes = format!("event: {name}\n").into_bytes();
    if let Some(id) = id {
        bytes.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    bytes.extend_from_slice(b"data: ");
    serde_json::to_writer(&mut bytes, data).expect("numbers and texts are JSON");
    bytes.extend_from_slice(b"\n\n");
    Bytes::from(bytes)
}

/// Where a follower begins. If that frame is no longer kept, it begins with a snapshot of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowFrom {
    /// With a snapshot.
    Start,
    /// After the first frame of this epoch.
    After(u64),
    /// With the frame of this number, as an event before it has told.
    Frame(u64),
}

/// A follower of the frames.
#[derive(Debug)]
pub struct Follower {
    shared: Arc<Shared>,
    news: watch::Receiver<u64>,
    /// The number of the next frame; `None` if the next event is a snapshot. It may be a number that
    /// no frame has.
    next: Option<u64>,
}

impl Follower {
    pub(super) fn new(shared: Arc<Shared>, from: FollowFrom) -> Follower {
        let news = shared.news.subscribe();
        let next = match from {
            FollowFrom::Start => None,
            FollowFrom::After(epoch) => shared.seen().frames.after(epoch),
            FollowFrom::Frame(number) => Some(number),
        };
        Follower { shared, news, next }
    }

    /// Waits for the next event and returns it. This is cancel safe.
    pub async fn next(&mut self) -> Bytes {
        loop {
            if let Some(bytes) = self.ready() {
                return bytes;
            }
            // The sender lives as long as `shared` does, so this cannot fail.
            let _ = self.news.changed().await;
        }
    }

    /// Returns all events that are there already, and then a beat. It never waits.
    pub fn now(&mut self) -> Bytes {
        let mut events = Vec::new();
        while let Some(event) = self.ready() {
            events.extend_from_slice(&event);
        }
        events.extend_from_slice(&self.beat());
        Bytes::from(events)
    }

    /// Returns the event that is sent between frames: the state alone.
    pub fn beat(&self) -> Bytes {
        server_sent("beat", None, &self.shared.state())
    }

    fn ready(&mut self) -> Option<Bytes> {
        self.news.mark_unchanged();
        let (now_ms, refusing) = (self.shared.now_ms(), self.shared.refusing());
        let mut seen = self.shared.seen();
        let first = seen.frames.first();
        match self.next {
            Some(next) if next == seen.frames.next => None,
            Some(next) if next >= first => {
                let frame = seen.frames.kept.get(usize::try_from(next - first).ok()?)?;
                self.next = Some(next + 1);
                Some(frame.bytes.clone())
            }
            _ => {
                self.next = Some(seen.frames.next);
                // A snapshot is made for each follower, because it says what time it is.
                let state = State::of(&mut seen, &self.shared.layout, now_ms, refusing);
                Some(seen.snapshot(state, &self.shared.layout))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(frames: &Frames) -> Vec<u64> {
        frames.kept.iter().map(|frame| frame.epoch).collect()
    }

    #[test]
    fn the_last_frames_are_kept_by_number_and_by_bytes() {
        let mut frames = Frames::default();
        for epoch in 0..1_000 {
            frames.keep(epoch, Bytes::from_static(b"frame"));
        }
        let last: Vec<u64> = (1_000 - FRAMES_MAX as u64..1_000).collect();
        assert_eq!((kept(&frames), frames.first(), frames.next), (last, 1_000 - FRAMES_MAX as u64, 1_000));
        let large = Bytes::from(vec![0; FRAMES_BYTES_MAX / 3]);
        for epoch in 1_000..1_010 {
            frames.keep(epoch, large.clone());
            assert!(frames.bytes <= FRAMES_BYTES_MAX);
        }
        assert_eq!(kept(&frames), [1_007, 1_008, 1_009]);
        assert_eq!((frames.first(), frames.bytes), (1_007, 3 * large.len()));
        // A frame that is too large is not kept: followers get a snapshot instead.
        frames.keep(1_010, Bytes::from(vec![0; FRAMES_BYTES_MAX + 1]));
        assert_eq!((frames.kept.len(), frames.bytes, frames.first(), frames.next), (0, 0, 1_011, 1_011));
    }

    #[test]
    fn who_comes_back_goes_on_after_the_first_frame_of_an_epoch() {
        let mut frames = Frames::default();
        // Several frames are of the same epoch if rejects, recounts or phases changed.
        for epoch in [3, 5, 5, 9] {
            frames.keep(epoch, Bytes::from_static(b"frame"));
        }
        for (epoch, after) in [(3, Some(1)), (5, Some(2)), (9, Some(4)), (4, None), (10, None), (0, None)] {
            assert_eq!(frames.after(epoch), after, "{epoch}");
        }
    }

    #[test]
    fn more_windows_than_a_frame_shows_are_to_be_fetched() {
        let mut frames = Frames::default();
        for start_ms in 0..=WINDOWS_MAX as i64 {
            assert!(
                matches!(&frames.changed, Changed::Windows(windows) if windows.len() == start_ms as usize)
            );
            frames.window(start_ms, None);
        }
        assert!(matches!(frames.changed, Changed::TooMany));
        frames.window(0, None);
        assert!(matches!(frames.changed, Changed::TooMany));
    }
}
