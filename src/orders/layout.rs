//! How the keys of results are printed.

use dataflows::WindowWidth;

use crate::Zone;

/// How the keys of windows are printed: the same for all results of a run or a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The zone that windows are printed in.
    pub zone: Zone,
    /// The width of windows.
    pub width: WindowWidth,
}

impl Layout {
    /// Appends the first instant of the window from `start_ms`, as its key prints it.
    ///
    /// Milliseconds are printed only where the width is not whole seconds.
    pub fn push_begin(&self, out: &mut Vec<u8>, start_ms: i64) {
        self.zone.push(out, start_ms, self.width.ms() % 1000 != 0);
    }

    /// The first instant of the window from `start_ms`, as its key prints it.
    pub fn begin(&self, start_ms: i64) -> String {
        let mut text = Vec::new();
        self.push_begin(&mut text, start_ms);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The first instant after the window from `start_ms`, as its key prints it.
    pub fn end(&self, start_ms: i64) -> String {
        self.begin(start_ms.saturating_add(self.width.ms()))
    }

    /// The first instant of the window whose key prints so; none if no window's does.
    pub fn start_ms(&self, begin: &str) -> Option<i64> {
        let start_ms = self.zone.instant_ms(begin)?;
        (self.width.containing(start_ms).start_ms == start_ms).then_some(start_ms)
    }

    /// Appends the first instant after the window from `start_ms`, as its key prints it.
    pub fn push_end(&self, out: &mut Vec<u8>, start_ms: i64) {
        self.push_begin(out, start_ms.saturating_add(self.width.ms()));
    }
}
