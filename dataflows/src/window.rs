//! Tumbling windows of event time: which window holds a time, and where it ends.
//!
//! Most windows are found by dividing the time by the width. Windows of whole hours that are a
//! divisor or a multiple of a day begin by the clock of a zone instead: see [`Windows::by_clock`].

mod local;

use std::num::NonZeroU32;
use std::sync::Arc;

use self::local::LocalStarts;

/// The default width of a window of event time, in milliseconds.
pub const WINDOW_MS_DEFAULT: u32 = 30_000;

/// The number of milliseconds of an hour, and of a day of 24 hours.
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// All windows of a run: where each begins and ends. It is cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    width_ms: NonZeroU32,
    /// Where windows begin by the clock of a zone; `None` if they begin at multiples of the width.
    local: Option<Arc<LocalStarts>>,
}

/// An instant from which on the clocks of a zone are this far ahead of UTC, until the next turn.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The first instant with this offset (epoch ms). It is `i64::MIN` for the first turn.
    pub at_ms: i64,
    /// How far the clocks are ahead of UTC, in milliseconds; negative if they are behind.
    pub offset_ms: i64,
}

impl Windows {
    /// Creates the windows `[n * width, (n + 1) * width)` of epoch milliseconds; `None` for a width
    /// of 0.
    pub fn of_width(width_ms: u32) -> Option<Windows> {
        Some(Windows { width_ms: NonZeroU32::new(width_ms)?, local: None })
    }

    /// Creates windows that begin by a zone's clock, if the width is a whole number of hours and a
    /// divisor or a multiple of a day. Windows of any other width are those of
    /// [`Windows::of_width`]. `None` for a width of 0.
    ///
    /// A window begins when the clock comes to a multiple of the width, counted from the midnight of
    /// 1 January 1970 on this clock. So a window of a day begins at midnight and lasts 23 or 25
    /// hours if the clock is turned meanwhile. If the clock jumps over a multiple, the window begins
    /// with the jump. If the clock is turned back and comes to a multiple again, no other window
    /// begins; only with windows of one hour, an hour that comes twice is two windows.
    ///
    /// `turns` returns what the clock shows, in ascending order of time. It is called only if the
    /// windows may begin by the clock. Cost: one pass over what it returns.
    ///
    /// # Panics
    /// Panics if there are no turns.
    pub fn by_clock(width_ms: u32, turns: impl FnOnce() -> Vec<Turn>) -> Option<Windows> {
        let fixed = Windows::of_width(width_ms)?;
        let width = fixed.width_ms();
        let is_of_days = width % HOUR_MS == 0 && (DAY_MS % width == 0 || width % DAY_MS == 0);
        if !is_of_days {
            return Some(fixed);
        }
        let turns = turns();
        if let [always] = *turns
            && always.offset_ms % width == 0
        {
            return Some(fixed);
        }
        let local = LocalStarts::new(width, &turns, width > HOUR_MS);
        Some(Windows { local: Some(Arc::new(local)), ..fixed })
    }

    /// Returns the width in milliseconds. Windows in which a clock is turned are longer or shorter.
    pub fn width_ms(&self) -> i64 {
        i64::from(self.width_ms.get())
    }

    /// Returns the window that contains `at_ms` (epoch ms).
    ///
    /// Times before 1970 work, too. The first window of all time is cut off where `i64` ends. Cost:
    /// one division; by a clock, a look at its turns in about half a year besides.
    #[inline]
    pub fn containing(&self, at_ms: i64) -> Window {
        let start_ms = match &self.local {
            None => at_ms.saturating_sub(at_ms.rem_euclid(self.width_ms())),
            Some(local) => local.start_ms(at_ms),
        };
        Window { start_ms }
    }

    /// Returns the first instant (epoch ms) after a window of these.
    pub fn end_ms(&self, window: Window) -> i64 {
        match &self.local {
            None => window.start_ms.saturating_add(self.width_ms()),
            Some(local) => local.end_ms(window.start_ms),
        }
    }

    /// Returns whether `at_ms` (epoch ms) is in a window of these. Windows that do not begin by a
    /// clock need no division for it.
    #[inline]
    pub fn holds(&self, window: Window, at_ms: i64) -> bool {
        if self.local.is_some() || window.start_ms == i64::MIN {
            return self.containing(at_ms) == window;
        }
        (at_ms.wrapping_sub(window.start_ms) as u64) < u64::from(self.width_ms.get())
    }

    /// Returns a number that stands for the whole history of the clock by which windows begin; `None`
    /// if they do not begin by a clock.
    ///
    /// It is the same in all versions of this program. Windows of the same width and number begin at
    /// the same instants.
    pub fn clock_digest(&self) -> Option<u64> {
        self.local.as_ref().map(|local| local.clock_digest())
    }

    /// Returns the stretches of the clock that touch `[from_ms, to_ms)` (epoch ms), in ascending
    /// order; none if windows do not begin by a clock.
    pub fn stretches(&self, from_ms: i64, to_ms: i64) -> &[Stretch] {
        self.local.as_ref().map_or(&[], |local| local.stretches(from_ms, to_ms))
    }
}

impl Default for Windows {
    fn default() -> Windows {
        Windows::of_width(WINDOW_MS_DEFAULT).expect("the default width is not zero")
    }
}

/// A stretch of time in which the clock of a zone is not turned, and the windows in it. All instants
/// are epoch milliseconds.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The first instant of the stretch. It ends where the next stretch begins.
    pub from_ms: i64,
    /// How far the clock is ahead of UTC, in milliseconds.
    pub offset_ms: i64,
    /// The begin of the window that is open at the first instant.
    pub open_ms: i64,
    /// The begin of the first window after that one, if the stretch lasts so long. Each further
    /// window of the stretch is as wide as all windows should be.
    pub next_ms: i64,
}

/// A window of event time, named by its start. The run's [`Windows`] know where it ends.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// The first millisecond of the window (epoch ms).
    pub start_ms: i64,
}
