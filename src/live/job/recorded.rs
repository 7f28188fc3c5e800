//! The head of the checkpoint: as of when the results are, of which tables, and how they are printed.

use std::fmt;

use dataflows::WindowWidth;
use serde::{Deserialize, Serialize};

use super::tables::{Look, Wanted};
use orders::{Layout, Zone};
use store::error::Damage;
use store::format::TableId;
use store::view::View;

/// Version of the checkpoint's form. One of any other is made anew from the order table.
const VERSION: u32 = 1;

/// The note that holds it.
pub(crate) const HEAD_KEY: &[u8] = b"job";

/// What is written with the results of each epoch, in their commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    version: u32,
    /// The results are those of the orders as of all commits below this one.
    pub(super) upper: u64,
    /// Zone that windows are printed in.
    zone: String,
    /// Width of windows in milliseconds.
    window_ms: i64,
    /// Ids of the table of orders and of those that the job writes, in the order of [`schemas`](order_tables::schemas).
    pub(super) tables: Vec<u32>,
    /// Orders that are set aside.
    pub(super) rejects: u64,
    /// Sum of the digests of all totals of the checkpoint.
    pub(super) digest: u64,
}

/// As of when results are, and how they are printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The results are those of the orders as of all commits below this one.
    pub upper: u64,
    /// Zone and width of the windows.
    pub layout: Layout,
}

/// A head that is not of this version, or not a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// Of another version.
    Version(u32),
    /// Of fewer, more or other views than there are.
    OtherViews,
    /// Damaged.
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
    /// A head of this version.
    pub(crate) fn new(upper: u64, layout: &Layout, tables: Vec<u32>, rejects: u64, digest: u64) -> Head {
        let (zone, window_ms) = (layout.zone.name().to_owned(), layout.width.ms());
        Head { version: VERSION, upper, zone, window_ms, tables, rejects, digest }
    }

    /// Its bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads them.
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

    /// The head in a view, if there is one.
    pub(super) fn read(view: &View) -> Result<Option<Result<Head, Unusable>>, Damage> {
        // It sorts before the entries, whose keys start with its own.
        match view.notes(HEAD_KEY).next().transpose()? {
            Some((key, value)) if key == HEAD_KEY => Ok(Some(Head::decode(&value))),
            _ => Ok(None),
        }
    }

    /// Whether the results have these windows, printed alike.
    pub(super) fn has_windows(&self, layout: &Layout) -> bool {
        self.zone == layout.zone.name() && self.window_ms == layout.width.ms()
    }

    /// How the results are printed; none if there is no such zone or width.
    pub(super) fn layout(&self) -> Option<Layout> {
        let width = u32::try_from(self.window_ms).ok().and_then(WindowWidth::from_ms)?;
        Some(Layout { zone: Zone::parse(&self.zone).ok()?, width })
    }
}

impl Recorded {
    /// As of when the results in a view are. None where no job ever wrote any, or where its checkpoint cannot be used.
    pub fn of(view: &View) -> Result<Option<Recorded>, Damage> {
        let Some(Ok(head)) = Head::read(view)? else { return Ok(None) };
        Ok(head.layout().map(|layout| Recorded { upper: head.upper, layout }))
    }

    /// As [`Recorded::of`], with the table of orders that the results are of. None also while a table is not as the job needs it,
    /// or is another than the results were written with: then the job is about to make them anew.
    pub(crate) fn current(view: &View) -> Result<Option<(TableId, Recorded)>, Damage> {
        let Look::Ready(tables) = Wanted::new().look(|name| view.find_table(name)) else { return Ok(None) };
        let Some(Ok(head)) = Head::read(view)? else { return Ok(None) };
        let is_of_them = head.tables.iter().eq(tables.iter().map(|table| &table.0));
        let recorded = head.layout().map(|layout| Recorded { upper: head.upper, layout });
        Ok(tables.first().copied().zip(recorded).filter(|_| is_of_them))
    }
}
