//! The head of the checkpoint: as of which commit the results are, of which tables, and how they
//! are printed.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::tables::{Look, Wanted};
use orders::{Layout, Zone};
use store::error::Damage;
use store::format::TableId;
use store::view::View;

/// The versions of the checkpoint's form: the first, and that of windows that begin by the clock of
/// their zone. A checkpoint of any other version is made anew from the order table.
const VERSION: u32 = 1;
const VERSION_BY_CLOCK: u32 = 2;

/// The key of the note that holds the head.
pub(crate) const HEAD_KEY: &[u8] = b"job";

/// The head of the checkpoint. It is written with the results of each epoch, in their commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    version: u32,
    /// The results are those of the orders as of all commits below this one.
    pub(super) upper: u64,
    /// The zone that windows are printed in.
    zone: String,
    /// The width of the windows in milliseconds.
    window_ms: i64,
    /// The digest of the clock by which windows begin; `None` if they begin at multiples of their
    /// width. The first version knew no other windows, whatever the zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clock: Option<u64>,
    /// The ids of the table of orders and of the tables that the job writes, in the order of
    /// [`schemas`](order_tables::schemas).
    pub(super) tables: Vec<u32>,
    /// The number of orders that are set aside.
    pub(super) rejects: u64,
    /// The sum of the digests of all totals of the checkpoint.
    pub(super) digest: u64,
}

/// Says as of which commit the results are, and how they are printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The results are those of the orders as of all commits below this one.
    pub upper: u64,
    /// The windows, and the zone that they are printed in.
    pub layout: Layout,
}

/// Why a head cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// The head is of this other version.
    Version(u32),
    /// The checkpoint is of fewer, more or other views than there are.
    OtherViews,
    /// The head or an entry is damaged.
    Damaged,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::Version(version) => write!(f, "it is of version {version}"),
            Unusable::OtherViews => f.write_str("it is of other views"),
            Unusable::Damaged => f.write_str("it is damaged"),
        }
    }
}

impl Head {
    /// Creates a head of this version.
    pub(crate) fn new(upper: u64, layout: &Layout, tables: Vec<u32>, rejects: u64, digest: u64) -> Head {
        let (zone, window_ms) = (layout.zone.name().to_owned(), layout.windows.width_ms());
        let clock = layout.windows.clock_digest();
        let version = if clock.is_some() { VERSION_BY_CLOCK } else { VERSION };
        Head { version, upper, zone, window_ms, clock, tables, rejects, digest }
    }

    /// Returns the head as bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a head from bytes.
    pub(super) fn decode(bytes: &[u8]) -> Result<Head, Unusable> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } = serde_json::from_slice(bytes).map_err(|_| Unusable::Damaged)?;
        if ![VERSION, VERSION_BY_CLOCK].contains(&version) {
            return Err(Unusable::Version(version));
        }
        let head: Head = serde_json::from_slice(bytes).map_err(|_| Unusable::Damaged)?;
        match head.windows_printed() {
            Some(_) if head.clock.is_some() == (version == VERSION_BY_CLOCK) => Ok(head),
            _ => Err(Unusable::Damaged),
        }
    }

    /// Returns the head in a view; `None` if there is none.
    pub(super) fn read(view: &View) -> Result<Option<Result<Head, Unusable>>, Damage> {
        // The head sorts before the entries, whose keys start with its own.
        match view.notes(HEAD_KEY).next().transpose()? {
            Some((key, value)) if key == HEAD_KEY => Ok(Some(Head::decode(&value))),
            _ => Ok(None),
        }
    }

    /// Returns whether the results have windows of this width, printed in this zone.
    pub(super) fn has_windows(&self, layout: &Layout) -> bool {
        self.zone == layout.zone.name() && self.window_ms == layout.windows.width_ms()
    }

    /// Returns whether windows of the same width in the same zone begin as those of the results do.
    /// They do not if the results are of a program that knew other rules of the zone's clock, or
    /// that let no windows begin by a clock.
    pub(super) fn has_clock(&self, layout: &Layout) -> bool {
        self.clock == layout.windows.clock_digest()
    }

    /// Returns the zone and the width of the windows in milliseconds; `None` if they do not exist.
    pub(super) fn windows_printed(&self) -> Option<(Zone, u32)> {
        let width_ms = u32::try_from(self.window_ms).ok().filter(|width_ms| *width_ms > 0)?;
        Some((Zone::parse(&self.zone).ok()?, width_ms))
    }

    /// Returns where the windows of the results begin, and how they are printed. `None` if the zone
    /// or the width does not exist, or if the clock of the zone has other rules by now.
    fn layout(&self) -> Option<Layout> {
        let (zone, width_ms) = self.windows_printed()?;
        Layout::recorded(zone, width_ms, self.clock)
    }
}

impl Recorded {
    /// Returns the upper bound of the commits that the results in a view hold; `None` if no job has
    /// written any, or if its checkpoint cannot be read.
    pub(crate) fn upper_of(view: &View) -> Result<Option<u64>, Damage> {
        Ok(Head::read(view)?.and_then(Result::ok).map(|head| head.upper))
    }

    /// Returns as of which commit the results in a view are; `None` if no job has written any, or
    /// if its checkpoint cannot be used.
    pub fn of(view: &View) -> Result<Option<Recorded>, Damage> {
        let Some(Ok(head)) = Head::read(view)? else { return Ok(None) };
        Ok(head.layout().map(|layout| Recorded { upper: head.upper, layout }))
    }

    /// Returns what [`Recorded::of`] does, with the table of orders that the results are of.
    /// Returns `None` also if a table is not as the job needs it, or is another than the results
    /// were written with: then the job is about to make the results anew.
    pub(crate) fn current(view: &View) -> Result<Option<(TableId, Recorded)>, Damage> {
        let Look::Ready(tables) = Wanted::new().look(|name| view.find_table(name)) else { return Ok(None) };
        let Some(Ok(head)) = Head::read(view)? else { return Ok(None) };
        let is_of_them = head.tables.iter().eq(tables.iter().map(|table| &table.0));
        let recorded = head.layout().map(|layout| Recorded { upper: head.upper, layout });
        Ok(tables.first().copied().zip(recorded).filter(|_| is_of_them))
    }
}
