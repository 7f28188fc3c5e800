//! Windows that begin by the clock of a zone.
//!
//! ```text
//!  turns    ├──────── +01:00 ────────┼─────── +02:00 ─────────┼──────── +01:00 ───────
//!  windows  ──┼─────────┼────────────┼────┼─────────┼─────────┼─────┼─────────┼───────
//!             open at the turn ──► open_ms │   next_ms: from here on, one each width
//! ```
//!
//! Where the windows of a stretch begin is computed once. Finding the window of a time is then to look
//! up its stretch and one division.

use super::{Stretch, Turn};
use crate::key::{MIX, mix};

/// A time belongs to the bucket of all times that differ in these lowest bits only: some 200 days,
/// about as long as a clock goes without a turn.
const BUCKET_BITS: u32 = 34;

/// Where the windows of one width begin by the clock of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LocalStarts {
    width_ms: i64,
    /// The stretches of the clock, in ascending order. The first begins at `i64::MIN`.
    stretches: Vec<Stretch>,
    /// The first instant of each stretch, which lie close together for the look-up.
    from_ms: Vec<i64>,
    /// The stretch that holds the first instant of each bucket, from that of the first turn on.
    buckets: Vec<u32>,
    /// A number that stands for all turns of the clock.
    digest: u64,
}

impl LocalStarts {
    /// Computes where windows of this width begin.
    ///
    /// With `once`, a multiple of the width that the clock has shown before begins no window when
    /// the clock is turned back and comes to it again.
    ///
    /// # Panics
    /// Panics if there are no turns.
    pub(super) fn new(width_ms: i64, turns: &[Turn], once: bool) -> LocalStarts {
        let first = turns.first().expect("a clock shows some time");
        let mut all = LocalStarts {
            width_ms,
            stretches: Vec::with_capacity(turns.len()),
            from_ms: Vec::new(),
            buckets: Vec::new(),
            digest: 0,
        };
        all.push(Stretch {
            from_ms: i64::MIN,
            offset_ms: first.offset_ms,
            open_ms: i64::MIN,
            next_ms: i64::MIN,
        });
        // The local time up to which the clock has come so far; it has not shown this time itself.
        let mut shown = i64::MIN;
        for (before, turn) in turns.iter().zip(&turns[1..]) {
            // The clock would show `off` at the turn and shows `on`.
            let (off, on) = (turn.at_ms + before.offset_ms, turn.at_ms + turn.offset_ms);
            shown = shown.max(off);
            let least = |local: i64| if once { local.max(shown) } else { local };
            let jumps_to_start = up_to_multiple(least(off), width_ms) <= on;
            all.push(Stretch {
                from_ms: turn.at_ms,
                offset_ms: turn.offset_ms,
                open_ms: if jumps_to_start { turn.at_ms } else { all.start_ms(turn.at_ms - 1) },
                next_ms: up_to_multiple(least(on), width_ms) - turn.offset_ms,
            });
        }
        all
    }

    fn push(&mut self, stretch: Stretch) {
        if let Some(before) = self.stretches.len().checked_sub(1) {
            let bucket = self.bucket(stretch.from_ms).unwrap_or(0);
            // There are no 2^32 turns of a clock.
            self.buckets.resize(self.buckets.len().max(bucket + 1), before as u32);
        }
        let turn = self.digest ^ stretch.from_ms as u64 ^ MIX[0];
        self.digest = mix(turn, stretch.offset_ms as u64 ^ MIX[1]);
        self.stretches.push(stretch);
        self.from_ms.push(stretch.from_ms);
    }

    /// Returns the number of the bucket of `at_ms`; `None` if it lies before that of the first turn.
    #[inline]
    fn bucket(&self, at_ms: i64) -> Option<usize> {
        let first = self.from_ms.get(1).map_or(at_ms, |from_ms| *from_ms);
        usize::try_from((at_ms >> BUCKET_BITS) - (first >> BUCKET_BITS)).ok()
    }

    /// Returns the place of the stretch that holds `at_ms`. Cost: looks at the turns in one bucket.
    #[inline]
    fn place(&self, at_ms: i64) -> usize {
        let found = self.bucket(at_ms).map(|bucket| self.buckets.get(bucket).or(self.buckets.last()));
        let mut place = found.flatten().map_or(0, |place| *place as usize);
        while self.from_ms.get(place + 1).is_some_and(|from_ms| *from_ms <= at_ms) {
            place += 1;
        }
        place
    }

    /// Returns the begin of the window that holds `at_ms`.
    #[inline]
    pub(super) fn start_ms(&self, at_ms: i64) -> i64 {
        let stretch = &self.stretches[self.place(at_ms)];
        if at_ms < stretch.next_ms {
            return stretch.open_ms;
        }
        let since = (at_ms.rem_euclid(self.width_ms) + stretch.offset_ms).rem_euclid(self.width_ms);
        at_ms.saturating_sub(since)
    }

    /// Returns the begin of the window after the one that begins at `start_ms`.
    pub(super) fn end_ms(&self, start_ms: i64) -> i64 {
        let mut place = self.place(start_ms);
        let mut next = self.stretches[place].next_ms;
        if next <= start_ms {
            next = start_ms.saturating_add(self.width_ms);
        }
        loop {
            place += 1;
            match self.stretches.get(place) {
                Some(stretch) if stretch.from_ms <= next => {
                    if stretch.open_ms == stretch.from_ms {
                        return stretch.from_ms;
                    }
                    next = stretch.next_ms;
                }
                _ => return next,
            }
        }
    }

    /// Returns the stretches that touch `[from_ms, to_ms)`.
    pub(super) fn stretches(&self, from_ms: i64, to_ms: i64) -> &[Stretch] {
        let (first, end) = (self.place(from_ms), self.from_ms.partition_point(|from| *from < to_ms));
        &self.stretches[first..end.max(first + 1)]
    }

    /// Returns a number that stands for all turns of the clock.
    pub(super) fn clock_digest(&self) -> u64 {
        self.digest
    }
}

/// Returns the least multiple of `width` that is not below `local`.
fn up_to_multiple(local: i64, width: i64) -> i64 {
    local + (-local).rem_euclid(width)
}
