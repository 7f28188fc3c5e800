//! Says where windows begin, prints their keys, and reads them back.

use std::sync::{Mutex, PoisonError};

use dataflows::{Part, Print, Window, Windows};

use crate::Zone;
use crate::text::push_integer;
use crate::zone::push_utc_date;

/// The last layout whose windows begin by a clock. Whoever reads results needs the same one for each
/// page.
static LAST_BY_CLOCK: Mutex<Option<Layout>> = Mutex::new(None);

/// Where windows begin and end, and how their keys are printed. It is the same for all results of a
/// run or a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The time zone in which the bounds of windows are printed.
    pub zone: Zone,
    /// The windows.
    pub windows: Windows,
}

impl Layout {
    /// Returns the layout of windows of this width in a zone; `None` for a width of 0.
    ///
    /// Windows of whole hours that are a divisor or a multiple of a day begin by the clocks of the
    /// zone, as [`Windows::by_clock`] says. Cost: computes the turns of these clocks if so, unless the
    /// last layout of this kind was the same.
    pub fn new(zone: Zone, width_ms: u32) -> Option<Layout> {
        let mut last = LAST_BY_CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |last: &&Layout| last.zone == zone && last.windows.width_ms() == i64::from(width_ms);
        if let Some(same) = last.as_ref().filter(is_same) {
            return Some(same.clone());
        }
        let windows = Windows::by_clock(width_ms, || zone.turns())?;
        let layout = Layout { zone, windows };
        if layout.windows.clock_digest().is_some() {
            *last = Some(layout.clone());
        }
        Some(layout)
    }

    /// Returns the layout of windows that were recorded with the digest of the clock by which they
    /// begin, or with none. `None` for a width of 0, or if the clock of the zone has another digest.
    /// Cost: that of [`Layout::new`].
    pub fn recorded(zone: Zone, width_ms: u32, clock: Option<u64>) -> Option<Layout> {
        if clock.is_none() {
            return Some(Layout { zone, windows: Windows::of_width(width_ms)? });
        }
        Layout::new(zone, width_ms).filter(|layout| layout.windows.clock_digest() == clock)
    }

    /// Appends a part of a row's key as a column of this kind shows it.
    pub fn push_part(&self, out: &mut Vec<u8>, print: Print, part: &Part) {
        match (print, part) {
            (_, Part::Text(text)) => text.with_bytes(|bytes| out.extend_from_slice(bytes)),
            (Print::WindowBegin, Part::Integer(start_ms)) => self.push_begin(out, *start_ms),
            (Print::WindowEnd, Part::Integer(start_ms)) => self.push_end(out, *start_ms),
            (Print::UtcDate, Part::Integer(day_ms)) => push_utc_date(out, *day_ms),
            (Print::Integer | Print::Text, Part::Integer(number)) => push_integer(out, *number),
        }
    }

    /// A part of a row's key as a column of this kind shows it.
    pub fn part(&self, print: Print, part: &Part) -> String {
        let mut text = Vec::new();
        self.push_part(&mut text, print, part);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Appends the begin of the window that starts at `start_ms` (epoch ms), as it is printed in
    /// its key.
    ///
    /// Milliseconds are printed only if the width is not a whole number of seconds.
    pub fn push_begin(&self, out: &mut Vec<u8>, start_ms: i64) {
        self.zone.push(out, start_ms, self.windows.width_ms() % 1000 != 0);
    }

    /// Returns the begin of the window that starts at `start_ms` (epoch ms), as it is printed in
    /// its key.
    pub fn begin(&self, start_ms: i64) -> String {
        let mut text = Vec::new();
        self.push_begin(&mut text, start_ms);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Returns the end of the window that starts at `start_ms` (epoch ms), as it is printed in its
    /// key. The end is the first instant after the window.
    pub fn end(&self, start_ms: i64) -> String {
        self.begin(self.end_ms(start_ms))
    }

    /// Returns the start (epoch ms) of the window whose begin is printed as `begin`. Returns `None`
    /// if no window's begin is printed so.
    pub fn start_ms(&self, begin: &str) -> Option<i64> {
        let start_ms = self.zone.instant_ms(begin)?;
        (self.windows.containing(start_ms).start_ms == start_ms).then_some(start_ms)
    }

    /// Appends the end of the window that starts at `start_ms` (epoch ms), as it is printed in its
    /// key. The end is the first instant after the window.
    pub fn push_end(&self, out: &mut Vec<u8>, start_ms: i64) {
        self.push_begin(out, self.end_ms(start_ms));
    }

    /// Returns the first instant after the window that starts at `start_ms` (both epoch ms).
    fn end_ms(&self, start_ms: i64) -> i64 {
        self.windows.end_ms(Window { start_ms })
    }
}

#[cfg(test)]
mod tests;
