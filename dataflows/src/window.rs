//! Tumbling windows of event time. A window is found by dividing the time by the width.

use std::num::NonZeroU32;

/// The default width of a window of event time, in milliseconds.
pub const WINDOW_MS_DEFAULT: u32 = 30_000;

/// The width of all windows of a run, in milliseconds.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct WindowWidth(NonZeroU32);

impl WindowWidth {
    /// Creates a width of this many milliseconds; `None` for 0.
    pub fn from_ms(width_ms: u32) -> Option<WindowWidth> {
        NonZeroU32::new(width_ms).map(WindowWidth)
    }

    /// Returns this width in milliseconds.
    pub fn ms(self) -> i64 {
        i64::from(self.0.get())
    }

    /// Returns the window `[start_ms, start_ms + width)` that contains `at_ms` (epoch ms).
    ///
    /// The division rounds down, so times before 1970 work, too. The first window of all time is
    /// cut off where `i64` ends.
    #[inline]
    pub fn containing(self, at_ms: i64) -> Window {
        Window { start_ms: at_ms.saturating_sub(at_ms.rem_euclid(self.ms())) }
    }

    /// Returns whether `at_ms` (epoch ms) is in a window of this width, without a division.
    #[inline]
    pub fn holds(self, window: Window, at_ms: i64) -> bool {
        if window.start_ms == i64::MIN {
            return self.containing(at_ms) == window;
        }
        (at_ms.wrapping_sub(window.start_ms) as u64) < u64::from(self.0.get())
    }
}

impl Default for WindowWidth {
    fn default() -> WindowWidth {
        WindowWidth(NonZeroU32::new(WINDOW_MS_DEFAULT).expect("the default width is not zero"))
    }
}

/// A window of event time, named by its start. The run's [`WindowWidth`] is its width.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// The first millisecond of the window (epoch ms).
    pub start_ms: i64,
}
