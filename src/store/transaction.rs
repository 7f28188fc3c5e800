//! Runs one request on the commit thread. A request reads what earlier requests of its group wrote,
//! and gathers what it writes itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::engine::{Batch, Bytes, KeyWrite, Snapshot, Space};
use super::error::{Damage, NoTable};
use super::format::{META_COMMIT, after_prefix};
use super::read::Direction;
use super::table::{Table, Tables};

/// The number and time of the last commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Last {
    /// The number of the commit. The first commit is 1; 0 means that there is none yet.
    pub(crate) commit: u64,
    /// The time of the commit, in microseconds since 1970. It is greater than that of every commit
    /// before.
    pub(crate) time_us: i64,
}

impl Last {
    /// Encodes the value as it stands in the space `meta`.
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut bytes = self.commit.to_le_bytes().to_vec();
        bytes.extend_from_slice(&self.time_us.to_le_bytes());
        bytes
    }

    /// Decodes the value in the space `meta`. Returns `None` if the bytes do not have that form.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Last> {
        let (commit, time_us) = bytes.split_first_chunk()?;
        Some(Last {
            commit: u64::from_le_bytes(*commit),
            time_us: i64::from_le_bytes(time_us.try_into().ok()?),
        })
    }
}

/// Returns the last commit that a snapshot shows.
pub(crate) fn last_of(snapshot: &dyn Snapshot) -> Result<Last, Damage> {
    match snapshot.get(Space::Meta, META_COMMIT)? {
        Some(bytes) => {
            Last::decode(&bytes).ok_or_else(|| Damage("the last commit in the space meta".to_owned()))
        }
        None => Ok(Last::default()),
    }
}

/// The group of requests that share one commit of the engine, and what they have written so far.
pub(crate) struct Group {
    /// The state that was committed before the group.
    snapshot: Box<dyn Snapshot>,
    /// The new values of keys, by space; `None` for a key that was removed.
    written: [HashMap<Bytes, Option<Bytes>>; Space::ALL.len()],
    /// New keys that no request looks for.
    appended: Vec<KeyWrite>,
    /// The tables as the requests of the group left them.
    pub(crate) tables: Arc<Tables>,
    /// The commit of the last request that changed anything.
    pub(crate) last: Last,
    changed: bool,
}

impl Group {
    pub(crate) fn new(snapshot: Box<dyn Snapshot>, tables: Arc<Tables>, last: Last) -> Group {
        let written = Default::default();
        Group { snapshot, written, appended: Vec::new(), tables, last, changed: false }
    }

    /// Returns what the engine is to commit, or `None` if no request changed anything.
    pub(crate) fn into_batch(self) -> Option<Batch> {
        if !self.changed {
            return None;
        }
        let mut writes = self.appended;
        for (space, written) in Space::ALL.into_iter().zip(self.written) {
            writes.extend(written.into_iter().map(|(key, value)| KeyWrite { space, key, value }));
        }
        let last = Some(self.last.encode().into());
        writes.push(KeyWrite { space: Space::Meta, key: META_COMMIT.into(), value: last });
        Some(Batch { writes })
    }
}

/// The value of a key within the group before a request wrote it.
struct Undo {
    space: Space,
    key: Bytes,
    before: Option<Option<Bytes>>,
}

/// One request. Either all of its effects become one commit, or none does.
pub(crate) struct Transaction<'g> {
    group: &'g mut Group,
    this: Last,
    undo: Vec<Undo>,
    appended_before: usize,
    tables_before: Arc<Tables>,
}

impl<'g> Transaction<'g> {
    /// Starts a request. `now_us` is the time by the clock, in microseconds since 1970.
    pub(crate) fn new(group: &'g mut Group, now_us: i64) -> Transaction<'g> {
        let last = group.last;
        let this = Last { commit: last.commit + 1, time_us: now_us.max(last.time_us + 1) };
        let (appended_before, tables_before) = (group.appended.len(), group.tables.clone());
        Transaction { group, this, undo: Vec::new(), appended_before, tables_before }
    }

    /// Returns the number of this request's commit. A request that changes nothing makes no commit,
    /// and the next request gets the number.
    pub(crate) fn number(&self) -> u64 {
        self.this.commit
    }

    /// Returns the time of the commit in microseconds since 1970. It is greater than that of every
    /// commit before, even if the clock was set back.
    pub(crate) fn now_us(&self) -> i64 {
        self.this.time_us
    }

    /// Returns the current value of a key within the group.
    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Damage> {
        match self.group.written[space.index()].get(key) {
            Some(written) => Ok(written.clone()),
            None => Ok(self.group.snapshot.get(space, key)?),
        }
    }

    /// Returns the current entries of the space `meta` within the group whose keys start with
    /// `prefix`, in order. Reads all of them into memory.
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

    /// Writes the value of a key.
    pub(crate) fn put(&mut self, space: Space, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.write(space, key.into(), Some(value.into()));
    }

    /// Removes a key, if it exists.
    pub(crate) fn remove(&mut self, space: Space, key: impl Into<Bytes>) {
        self.write(space, key.into(), None);
    }

    fn write(&mut self, space: Space, key: Bytes, value: Option<Bytes>) {
        let before = self.group.written[space.index()].insert(key.clone(), value);
        self.undo.push(Undo { space, key, before });
    }

    /// Writes a key that was never written before and that no request of the group will look for,
    /// such as a change of the log.
    pub(crate) fn append(&mut self, space: Space, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.group.appended.push(KeyWrite { space, key: key.into(), value: Some(value.into()) });
    }

    /// Returns what was committed before the group. It lacks what earlier requests of the group
    /// wrote.
    pub(crate) fn snapshot(&self) -> &dyn Snapshot {
        self.group.snapshot.as_ref()
    }

    /// Returns all tables as they are now within the group.
    pub(crate) fn tables(&self) -> &Arc<Tables> {
        &self.group.tables
    }

    /// Returns a table as it is now within the group.
    pub(crate) fn table(&self, name: &str) -> Result<Arc<Table>, NoTable> {
        self.group.tables.get(name).cloned().ok_or_else(|| NoTable(name.to_owned()))
    }

    /// Returns the tables that later requests see, for changes. The caller also writes the changes
    /// to the space `meta`.
    pub(crate) fn tables_mut(&mut self) -> &mut Tables {
        Arc::make_mut(&mut self.group.tables)
    }

    /// Returns whether the request has written anything so far.
    pub(crate) fn changed(&self) -> bool {
        !self.undo.is_empty() || self.group.appended.len() > self.appended_before
    }

    /// Undoes everything that the request wrote.
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

    /// Ends the request. What it wrote, if anything, stays in the group.
    pub(crate) fn end(self) {
        if self.changed() {
            self.group.last = self.this;
            self.group.changed = true;
        }
    }
}
