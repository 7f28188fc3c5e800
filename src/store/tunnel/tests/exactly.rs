//! Tests that, whatever happens, the base rows are those of the tunnel's commit, and then each
//! change follows once and in order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::testing::*;
use super::super::*;
use crate::change::{ColumnChange, RowWrite};
use crate::changes::ChangedRow;
use crate::log::Action;
use crate::value::{Cell, PrimaryKey, Row};

const MAX_VERSIONS: usize = 2;

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<(PrimaryKey, RowWrite)>),
    Connect,
    Heartbeat {
        worker: usize,
    },
    Read {
        worker: usize,
        channel: usize,
        records_max: usize,
    },
    /// Lets a client read and die before it has done anything with the records.
    Lose {
        worker: usize,
        channel: usize,
    },
    Fail {
        worker: usize,
        channel: usize,
    },
    ShutDown {
        worker: usize,
    },
    Die {
        worker: usize,
    },
    Pass {
        seconds: i64,
    },
    /// Drops the base views, as happens when there are too many.
    DropBaseViews,
    Restart,
    /// Lets the store do its work in the background.
    Turn,
}

fn change() -> impl Strategy<Value = RowWrite> {
    let name = prop_oneof!["a", "b", "c"];
    let edit = prop_oneof![
        4 => (0..100_i64).prop_map(|value| put("", value).1),
        1 => Just(ColumnChange::DeleteAll),
        1 => (0..5_i64).prop_map(|version| ColumnChange::DeleteVersion(1_700_000_000_000 + version)),
        1 => (1..5_i64).prop_map(ColumnChange::Increment),
    ];
    let puts = prop::collection::btree_map(name.clone(), 0..100_i64, 0..3);
    prop_oneof![
        3 => puts.prop_map(|puts| RowWrite::Put(puts.iter().map(|(name, value)| put(name, *value)).collect())),
        3 => prop::collection::vec((name, edit), 1..4).prop_map(RowWrite::Update),
        2 => Just(RowWrite::Delete),
    ]
}

fn writes(most: usize) -> impl Strategy<Value = Vec<(PrimaryKey, RowWrite)>> {
    let key = (prop_oneof!["", "u", "u\0", "v"], -6..6_i64).prop_map(|(user, order)| key(&user, order));
    prop::collection::vec((key, change()), 1..most)
}

fn step() -> impl Strategy<Value = Step> {
    let (worker, channel) = (0..3_usize, 0..5_usize);
    prop_oneof![
        8 => writes(8).prop_map(Step::Write),
        2 => Just(Step::Connect),
        8 => worker.clone().prop_map(|worker| Step::Heartbeat { worker }),
        16 => (worker.clone(), channel.clone(), 1..9_usize)
            .prop_map(|(worker, channel, records_max)| Step::Read { worker, channel, records_max }),
        1 => (worker.clone(), channel.clone()).prop_map(|(worker, channel)| Step::Lose { worker, channel }),
        1 => (worker.clone(), channel).prop_map(|(worker, channel)| Step::Fail { worker, channel }),
        1 => worker.clone().prop_map(|worker| Step::ShutDown { worker }),
        1 => worker.prop_map(|worker| Step::Die { worker }),
        1 => (1..200_i64).prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::DropBaseViews),
        1 => Just(Step::Restart),
        1 => Just(Step::Turn),
    ]
}

struct World {
    fixture: Fixture,
    tunnel: String,
    workers: Vec<Worker>,
    /// What was consumed of each channel according to its checkpoint.
    consumed: BTreeMap<String, Vec<ReadRecord>>,
}

impl World {
    fn take(&mut self, step: Step) {
        match step {
            Step::Write(changes) => {
                self.fixture.pass(1_500);
                self.fixture.write(changes);
            }
            Step::Connect if self.workers.len() < 3 => {
                let id = self.fixture.tunnels().connect(&self.tunnel, Some(300)).unwrap();
                self.workers.push(Worker { id, ..Worker::default() });
            }
            Step::Heartbeat { worker } if worker < self.workers.len() => self.heartbeat(worker),
            Step::Read { worker, channel, records_max } => drop(self.read(worker, channel, records_max)),
            Step::Lose { worker, channel } => {
                if let Some((channel, at)) = self.reading(worker, channel) {
                    let claim = self.claim(worker, &channel);
                    drop(read_page(self.fixture.store(), claim, at.cursor, 5));
                    self.workers.remove(worker);
                }
            }
            Step::Fail { worker, channel } => {
                if let Some((channel, _)) = self.reading(worker, channel) {
                    self.workers[worker].fail(&channel);
                }
            }
            Step::ShutDown { worker } if worker < self.workers.len() => {
                drop(self.fixture.tunnels().shut_down(&self.tunnel, &self.workers.remove(worker).id));
            }
            Step::Die { worker } if worker < self.workers.len() => drop(self.workers.remove(worker)),
            Step::Pass { seconds } => self.fixture.pass(seconds * SECOND_US),
            Step::DropBaseViews => {
                let store = self.fixture.store();
                let id = TunnelId::parse(&self.tunnel).unwrap();
                store.tunnel_sessions().base_views.forget(id);
            }
            Step::Restart => self.fixture.reopen(),
            Step::Turn => retention::turn(self.fixture.store()).unwrap(),
            _ => {}
        }
    }

    fn heartbeat(&mut self, worker: usize) {
        let said = self.workers[worker].said();
        match self.fixture.tunnels().heartbeat(&self.tunnel, &self.workers[worker].id, &said) {
            Ok(answer) => self.workers[worker].hear(answer),
            Err(TunnelError::ClientGone(_)) => drop(self.workers.remove(worker)),
            Err(error) => panic!("{error}"),
        }
    }

    fn claim<'a>(&'a self, worker: usize, channel: &'a str) -> Claim<'a> {
        Claim { tunnel: &self.tunnel, client: &self.workers[worker].id, channel }
    }

    /// Returns a channel that the worker reads, and the checkpoint at which it reads.
    fn reading(&mut self, worker: usize, channel: usize) -> Option<(String, Checkpoint)> {
        let reads: Vec<_> =
            self.workers.get(worker)?.reads.iter().map(|(name, at)| (name.clone(), at.clone())).collect();
        let (channel, at) = reads.get(channel)?.clone();
        if self.workers[worker].finished.contains(&channel) {
            return None;
        }
        match at {
            Some(at) => Some((channel, at)),
            None => match self.fixture.tunnels().checkpoint(self.claim(worker, &channel)) {
                Ok(at) => Some((channel, at)),
                Err(TunnelError::ClientGone(_) | TunnelError::ChannelGone { .. }) => {
                    self.workers[worker].fail(&channel);
                    None
                }
                Err(error) => panic!("{error}"),
            },
        }
    }

    /// Reads a page and sets a checkpoint after it. Returns true if there were any records or more
    /// are to come.
    fn read(&mut self, worker: usize, channel: usize, records_max: usize) -> bool {
        let Some((channel, at)) = self.reading(worker, channel) else { return false };
        let claim = self.claim(worker, &channel);
        let store = self.fixture.store();
        let page = read_page(store, claim, at.cursor, records_max).and_then(|(records, next, more)| {
            let number = at.number + 1;
            store.tunnels().set_checkpoint(claim, next.clone(), number)?;
            Ok((records, Checkpoint { cursor: next, number }, more))
        });
        match page {
            Ok((records, next, more)) => {
                if next.cursor.place == Place::Finished {
                    self.workers[worker].finished.push(channel.clone());
                }
                let busy = more || !records.is_empty();
                self.workers[worker].reads.insert(channel.clone(), Some(next));
                self.consumed.entry(channel).or_default().extend(records);
                busy
            }
            Err(TunnelError::ClientGone(_) | TunnelError::ChannelGone { .. }) => {
                self.workers[worker].fail(&channel);
                true
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Lets two clients read everything, once the others have timed out.
    fn drain(&mut self) {
        self.workers.clear();
        self.fixture.pass(301 * SECOND_US);
        self.take(Step::Connect);
        self.take(Step::Connect);
        let mut calm = 0;
        while calm < 8 {
            calm += 1;
            (0..2).for_each(|worker| self.heartbeat(worker));
            for (worker, channel) in (0..2).flat_map(|worker| (0..5).map(move |channel| (worker, channel))) {
                while self.read(worker, channel, 7) {
                    calm = 0;
                }
            }
        }
    }

    /// Compares what was consumed with the table.
    fn check(&self, kind: TunnelKind, rows_at_creation: BTreeMap<PrimaryKey, Vec<Cell>>, first: u64) {
        let mut rows = BTreeMap::new();
        if kind != TunnelKind::Stream {
            let base = self.consumed.get("BaseData_0").cloned().unwrap_or_default();
            assert!(base.is_sorted_by(|one, other| one.key < other.key), "base rows in order, each once");
            rows =
                base.iter().map(|read| (read.key.clone(), read.apply(None, MAX_VERSIONS).unwrap())).collect();
            let cells: BTreeMap<_, _> =
                rows.iter().map(|(key, row)| (key.clone(), row.cells.clone())).collect();
            assert_eq!(cells, rows_at_creation, "base rows are those of the creation");
        }
        if kind == TunnelKind::BaseData {
            assert_eq!(self.consumed.keys().collect::<Vec<_>>(), ["BaseData_0"]);
            return;
        }
        let mut streams: BTreeMap<PrimaryKey, Vec<&ReadRecord>> = BTreeMap::new();
        let mut records = 0;
        for (_, stream) in self.consumed.iter().filter(|(channel, _)| channel.starts_with("Stream_")) {
            assert!(stream.is_sorted_by(|one, other| one.sequence < other.sequence), "sequences increase");
            assert!(stream.iter().all(|read| read.sequence.is_some()));
            records += stream.len();
            stream.iter().for_each(|read| streams.entry(read.key.clone()).or_default().push(read));
        }
        // All changes of a row were in one channel, so they came in the order of their commits.
        let mut cursors: BTreeMap<PrimaryKey, usize> = BTreeMap::new();
        let mut changes = ChangeReader::new(self.fixture.store().clone(), TABLE, first);
        let mut next = first;
        let read = &mut Vec::new();
        while let Some(batch) =
            changes.next_batch(3, &mut |_, change| read.push(change.to_changed_row())).unwrap()
        {
            assert_eq!(batch.changes, read.len());
            assert_eq!(batch.lower, next, "batches are contiguous");
            assert!(batch.lower < batch.upper);
            next = batch.upper;
            for ChangedRow { before, after } in read.drain(..) {
                let key = &before.as_ref().or(after.as_ref()).unwrap().key.clone();
                assert_eq!(
                    rows.get(key),
                    before.as_ref(),
                    "the row before {key:?} in [{}, {})",
                    batch.lower,
                    batch.upper
                );
                let cursor = cursors.entry(key.clone()).or_default();
                let record = streams[key][*cursor];
                *cursor += 1;
                records -= 1;
                let row = record.apply(rows.get(key), MAX_VERSIONS);
                assert_eq!(row, after, "{record:?}");
                assert_eq!(record.action == Action::Delete, after.is_none());
                match row {
                    Some(row) => _ = rows.insert(key.clone(), row),
                    None => _ = rows.remove(key),
                }
            }
        }
        assert_eq!(next, self.fixture.store().last_commit() + 1);
        assert_eq!(records, 0, "no record too many");
        let rows: BTreeMap<_, _> = rows.into_iter().map(|(key, Row { cells, .. })| (key, cells)).collect();
        assert_eq!(rows, self.fixture.rows(), "what was delivered adds up to the table");
    }
}

fn kind() -> impl Strategy<Value = TunnelKind> {
    prop_oneof![
        1 => Just(TunnelKind::BaseData),
        1 => Just(TunnelKind::Stream),
        4 => Just(TunnelKind::BaseAndStream),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn every_change_is_delivered_once_and_in_order(
        kind in kind(),
        stream_before in any::<bool>(),
        before in prop::collection::vec(writes(12), 0..6),
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let fixture = Fixture::new(stream_before.then_some(168), MAX_VERSIONS as i32);
        for changes in before {
            fixture.write(changes);
        }
        let rows = if kind == TunnelKind::Stream { BTreeMap::new() } else { fixture.rows() };
        if kind == TunnelKind::Stream && !stream_before {
            // A tunnel without base rows and without a log from the start can only be compared from
            // an empty table on.
            fixture.store().delete_table(TABLE).unwrap();
            fixture.create_table(None, MAX_VERSIONS as i32);
        }
        let earliest = StreamRange { flag: Some(StartFlag::Earliest), ..StreamRange::default() };
        let range = (kind == TunnelKind::Stream).then_some(earliest);
        let tunnel = fixture.create("t", kind, range).unwrap();
        let created = fixture.store().last_commit();
        let first = if kind == TunnelKind::Stream && stream_before { 1 } else { created };
        let mut world = World { fixture, tunnel, workers: Vec::new(), consumed: BTreeMap::new() };
        for step in steps {
            world.take(step);
        }
        world.drain();
        world.check(kind, rows, first);
    }
}
