//! Cells that are no longer to be seen.

use super::schema::TableOptions;

/// When cells have lived long enough.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expiry {
    /// Versions up to this one have.
    last_ms: i64,
}

impl Expiry {
    /// At `now_ms` in a table with these options; none where cells live for ever.
    pub(crate) fn new(options: &TableOptions, now_ms: i64) -> Option<Expiry> {
        let time_to_live_s = u32::try_from(options.time_to_live_s).ok()?;
        Some(Expiry { last_ms: now_ms.saturating_sub(i64::from(time_to_live_s) * 1_000) })
    }

    /// The last version, in milliseconds since 1970, that has.
    pub(crate) fn last_ms(self) -> i64 {
        self.last_ms
    }

    /// Whether a cell of this version is no longer to be seen.
    pub(crate) fn has_passed(self, version: i64) -> bool {
        version <= self.last_ms
    }
}
