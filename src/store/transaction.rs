//! One request on the commit thread: reads what earlier requests of its group wrote, and gathers what it writes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::engine::{Batch, Bytes, Change, Snapshot, Space};
use super::error::{Damage, NoTable};
use super::format::{META_COMMIT, after_prefix};
use super::read::Direction;
use super::table::{Table, Tables};

/// The last commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Last {
    /// Its number; the first is 1.
    pub(crate) commit: u64,
    /// Its time, in microseconds since 1970; that of each commit is above that of the one before.
    pub(crate) time_us: i64,
}

impl Last {
    /// Its bytes in the space `meta`.
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut bytes = self.commit.to_le_bytes().to_vec();
        bytes.extend_from_slice(&self.time_us.to_le_bytes());
        bytes
    }

    /// Reads them; none if they are not that.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Last> {
        let (commit, time_us) = bytes.split_first_chunk()?;
        Some(Last {
            commit: u64::from_le_bytes(*commit),
            time_us: i64::from_le_bytes(time_us.try_into().ok()?),
        })
    }
}

/// The last commit that a snapshot shows.
pub(crate) fn last_of(snapshot: &dyn Snapshot) -> Result<Last, Damage> {
    match snapshot.get(Space::Meta, META_COMMIT)? {
        Some(bytes) => {
            Last::decode(&bytes).ok_or_else(|| Damage("the last commit in the space meta".to_owned()))
        }
        None => Ok(Last::default()),
    }
}

/// What requests that share one commit of the engine have written so far.
pub(crate) struct Group {
    /// What was committed before the group.
    snapshot: Box<dyn Snapshot>,
    /// By space: what its keys became; `None` where they went.
    written: [HashMap<Bytes, Option<Bytes>>; Space::ALL.len()],
    /// New keys that no request looks for.
    appended: Vec<Change>,
    /// Tables as the group's requests left them.
    pub(crate) tables: Arc<Tables>,
    /// The last request that changed anything.
    pub(crate) last: Last,
    changed: bool,
}

impl Group {
    pub(crate) fn new(snapshot: Box<dyn Snapshot>, tables: Arc<Tables>, last: Last) -> Group {
        let written = Default::default();
        Group { snapshot, written, appended: Vec::new(), tables, last, changed: false }
    }

    /// What the engine is to commit; none if no request changed anything.
    pub(crate) fn into_batch(self) -> Option<Batch> {
        if !self.changed {
            return None;
        }
        let mut changes = self.appended;
        for (space, written) in Space::ALL.into_iter().zip(self.written) {
            changes.extend(written.into_iter().map(|(key, value)| Change { space, key, value }));
        }
        let last = Some(self.last.encode().into());
        changes.push(Change { space: Space::Meta, key: META_COMMIT.into(), value: last });
        Some(Batch { changes })
    }
}

/// What a key was within the group before a request wrote it.
struct Undo {
    space: Space,
    key: Bytes,
    before: Option<Option<Bytes>>,
}

/// One request. Its effects are those of one commit, or none.
pub(crate) struct Transaction<'g> {
    group: &'g mut Group,
    this: Last,
    undo: Vec<Undo>,
    appended_before: usize,
    tables_before: Arc<Tables>,
}

impl<'g> Transaction<'g> {
    /// Starts a request at `now_us` by the clock.
    pub(crate) fn new(group: &'g mut Group, now_us: i64) -> Transaction<'g> {
        let last = group.last;
        let this = Last { commit: last.commit + 1, time_us: now_us.max(last.time_us + 1) };
        let (appended_before, tables_before) = (group.appended.len(), group.tables.clone());
        Transaction { group, this, undo: Vec::new(), appended_before, tables_before }
    }

    /// Number of the commit, if it comes to one: requests that change nothing have none.
    pub(crate) fn number(&self) -> u64 {
        self.this.commit
    }

    /// Time of the commit in microseconds since 1970, above that of every commit before, whatever the clock does.
    pub(crate) fn now_us(&self) -> i64 {
        self.this.time_us
    }

    /// The value of a key, as of now within the group.
    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Damage> {
        match self.group.written[space.index()].get(key) {
            Some(written) => Ok(written.clone()),
            None => Ok(self.group.snapshot.get(space, key)?),
        }
    }

    /// Entries of the space `meta` whose keys start with `prefix`, in order, as of now within the group. Reads them all.
    pub(crate) fn list(&self, prefix: &[u8]) -> Result<BTreeMap<Bytes, Bytes>, Damage> {
        let upper = after_prefix(prefix).unwrap_or_default();
        let mut entries = BTreeMap::new();
        for entry in self.group.snapshot.scan(Space::Meta, prefix, &upper, Direction::Forward) {
            let entry = entry?;
            entries.insert(entry.key, entry.value);
        }
        for (key, value) in &self.group.written[Space::Meta.index()] {
            match value {
                Some(value) if key.starts_with(prefix) => entries.insert(key.clone(), value.clone()),
                _ => entries.remove(key),
            };
        }
        Ok(entries)
    }

    /// Writes a key's value.
    pub(crate) fn put(&mut self, space: Space, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.write(space, key.into(), Some(value.into()));
    }

    /// Removes a key, if it is there.
    pub(crate) fn remove(&mut self, space: Space, key: impl Into<Bytes>) {
        self.write(space, key.into(), None);
    }

    fn write(&mut self, space: Space, key: Bytes, value: Option<Bytes>) {
        let before = self.group.written[space.index()].insert(key.clone(), value);
        self.undo.push(Undo { space, key, before });
    }

    /// Writes a key that was never written before and that no request of the group will look for: a change of the log.
    pub(crate) fn append(&mut self, space: Space, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.group.appended.push(Change { space, key: key.into(), value: Some(value.into()) });
    }

    /// What was committed before the group; it lacks what earlier requests of the group wrote.
    pub(crate) fn snapshot(&self) -> &dyn Snapshot {
        self.group.snapshot.as_ref()
    }

    /// All tables, as of now within the group.
    pub(crate) fn tables(&self) -> &Arc<Tables> {
        &self.group.tables
    }

    /// A table, as of now within the group.
    pub(crate) fn table(&self, name: &str) -> Result<Arc<Table>, NoTable> {
        self.group.tables.get(name).cloned().ok_or_else(|| NoTable(name.to_owned()))
    }

    /// Changes the tables that later requests see. The caller also writes them to `meta`.
    pub(crate) fn tables_mut(&mut self) -> &mut Tables {
        Arc::make_mut(&mut self.group.tables)
    }

    /// Whether it has written anything so far.
    pub(crate) fn changed(&self) -> bool {
        !self.undo.is_empty() || self.group.appended.len() > self.appended_before
    }

    /// Takes back all that it wrote.
    pub(crate) fn undo(&mut self) {
        while let Some(Undo { space, key, before }) = self.undo.pop() {
            let written = &mut self.group.written[space.index()];
            match before {
                Some(before) => written.insert(key, before),
                None => written.remove(&key),
            };
        }
        self.group.appended.truncate(self.appended_before);
        self.group.tables = self.tables_before.clone();
    }

    /// Ends it; what it wrote, if anything, is the group's.
    pub(crate) fn end(self) {
        if self.changed() {
            self.group.last = self.this;
            self.group.changed = true;
        }
    }
}
