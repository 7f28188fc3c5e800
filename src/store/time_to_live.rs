//! Decides which cells have expired and are no longer visible.

use super::schema::TableOptions;

/// The moment up to which cells have expired.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expiry {
    /// Versions up to this one, in milliseconds since 1970, have expired.
    last_ms: i64,
}

impl Expiry {
    /// Returns the expiry at `now_ms`, in milliseconds since 1970, in a table with these options.
    /// Returns `None` if cells live for ever.
    pub(crate) fn new(options: &TableOptions, now_ms: i64) -> Option<Expiry> {
        let time_to_live_s = u32::try_from(options.time_to_live_s).ok()?;
        Some(Expiry { last_ms: now_ms.saturating_sub(i64::from(time_to_live_s) * 1_000) })
    }

    /// Returns the last version that has expired, in milliseconds since 1970.
    pub(crate) fn last_ms(self) -> i64 {
        self.last_ms
    }

    /// Returns whether a cell with this version has expired.
    pub(crate) fn has_passed(self, version: i64) -> bool {
        version <= self.last_ms
    }
}
