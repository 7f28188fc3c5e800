//! The head of the checkpoint: as of which commit the results are, of which tables, and how they
//! are printed.

use std::fmt;

use dataflows::WindowWidth;
use serde::{Deserialize, Serialize};

use super::tables::{Look, Wanted};
use orders::{Layout, Zone};
use store::error::Damage;
use store::format::TableId;
use store::view::View;

/// The version of the checkpoint's form. A checkpoint of any other version is made anew from the
/// order table.
const VERSION: u32 = 1;

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
    /// The zone and the width of the windows.
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
        let (zone, window_ms) = (layout.zone.name().to_owned(), layout.width.ms());
        Head { version: VERSION, upper, zone, window_ms, tables, rejects, digest }
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
        if version != VERSION {
            return Err(Unusable::Version(version));
        }
        let head: Head = serde_json::from_slice(bytes).map_err(|_| Unusable::Damaged)?;
        head.layout().map(|_| head).ok_or(Unusable::Damaged)
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
        self.zone == layout.zone.name() && self.window_ms == layout.width.ms()
    }

    /// Returns how the results are printed; `None` if the zone or the width does not exist.
    pub(super) fn layout(&self) -> Option<Layout> {
        let width = u32::try_from(self.window_ms).ok().and_then(WindowWidth::from_ms)?;
        Some(Layout { zone: Zone::parse(&self.zone).ok()?, width })
    }
}

impl Recorded {
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
