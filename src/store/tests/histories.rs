//! Runs random histories. Store and model must be equal after every request and after every
//! restart.

use proptest::prelude::*;

use super::model::{Model, Refused};
use crate::change::{ColumnChange, Condition, Existence, Returning, RowWrite, Write};
use crate::engine::faulty::Disk;
use crate::filter::{Comparator, Filter};
use crate::read::Direction;
use crate::schema::{StreamOptions, TableOptions, TableUpdate};
use crate::testing::{TestClock, all, folder, memory_store, open, scan, schema};
use crate::value::{KeyPart, KeyValue, NamedKey, Value};
use crate::{Durability, Store};

/// The versions of cells in a history, in milliseconds before or after its start.
const VERSIONS_MS: std::ops::Range<i64> = -3_000..3_000;
const TABLES: [&str; 3] = ["Plain", "Logged", "Counted"];

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<Write>),
    Options { table: usize, max_versions: i32, time_to_live_s: i32 },
    Stream { table: usize, on: bool },
    Recreate { table: usize },
    Wait { ms: i64 },
    Reopen,
}

fn name(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(names).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-3..3i64).prop_map(Value::Integer),
        1 => Just(Value::Integer(i64::MAX)),
        1 => ".{0,3}".prop_map(Value::String),
        1 => Just(Value::Double(-0.0)),
        1 => any::<bool>().prop_map(Value::Boolean),
        1 => prop::collection::vec(any::<u8>(), 0..3).prop_map(Value::Binary),
    ]
}

fn column_change() -> impl Strategy<Value = (String, ColumnChange)> {
    let version = VERSIONS_MS.prop_map(|ms| crate::testing::START_MS + ms);
    let change = prop_oneof![
        5 => (value(), prop::option::weighted(0.3, version.clone()))
            .prop_map(|(value, version)| ColumnChange::Put { value, version }),
        1 => version.prop_map(ColumnChange::DeleteVersion),
        1 => Just(ColumnChange::DeleteAll),
        2 => (-2..3i64).prop_map(ColumnChange::Increment),
    ];
    (name(&["a", "b", "bb", "c"]), change)
}

fn filter() -> impl Strategy<Value = Filter> {
    let comparator = prop::sample::select(
        &[
            Comparator::Equal,
            Comparator::NotEqual,
            Comparator::Greater,
            Comparator::GreaterEqual,
            Comparator::Less,
            Comparator::LessEqual,
        ][..],
    );
    let column = (name(&["a", "b", "d"]), comparator, -2..3i64, any::<bool>(), any::<bool>()).prop_map(
        |(name, comparator, value, if_missing, latest_only)| Filter::Column {
            name,
            comparator,
            value: Value::Integer(value),
            if_missing,
            latest_only,
        },
    );
    column.prop_recursive(2, 6, 3, |filter| {
        prop_oneof![
            filter.clone().prop_map(|filter| Filter::Not(Box::new(filter))),
            prop::collection::vec(filter.clone(), 0..3).prop_map(Filter::All),
            prop::collection::vec(filter, 0..3).prop_map(Filter::Any),
        ]
    })
}

fn write() -> impl Strategy<Value = Write> {
    let key = (name(&["", "u", "u\0", "v"]), 0..3i64, any::<bool>());
    let puts = prop::collection::vec(
        column_change().prop_filter("puts only", |(_, change)| matches!(change, ColumnChange::Put { .. })),
        0..4,
    );
    let change = prop_oneof![
        3 => puts.prop_map(RowWrite::Put),
        4 => prop::collection::vec(column_change(), 1..5).prop_map(RowWrite::Update),
        1 => Just(RowWrite::Delete),
    ];
    let existence = prop_oneof![
        6 => Just(Existence::Ignore),
        1 => Just(Existence::Exists),
        1 => Just(Existence::Absent)
    ];
    let condition = (existence, prop::option::weighted(0.2, filter()));
    let returning = prop_oneof![
        Just(Returning::Nothing),
        Just(Returning::Key),
        Just(Returning::After(vec!["a".to_owned(), "b".to_owned()]))
    ];
    (name(&["Plain", "Logged", "Counted", "None"]), key, change, condition, returning).prop_map(
        |(table, (user, id, choose), change, (existence, columns), returning)| {
            let choose = choose && table == "Counted" && matches!(change, RowWrite::Put(_));
            let id = if choose { KeyPart::AutoIncrement } else { KeyPart::Value(KeyValue::Integer(id)) };
            let user = KeyPart::Value(KeyValue::String(user));
            let key: NamedKey = vec![("User".to_owned(), user), ("Id".to_owned(), id)];
            Write { table, key, change, condition: Condition { existence, columns }, returning }
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let table = 0..TABLES.len();
    prop_oneof![
        12 => prop::collection::vec(write(), 1..5).prop_map(Step::Write),
        1 => (table.clone(), 1..4i32, prop_oneof![Just(-1), 1..3i32]).prop_map(
            |(table, max_versions, time_to_live_s)| Step::Options { table, max_versions, time_to_live_s }
        ),
        1 => (table.clone(), any::<bool>()).prop_map(|(table, on)| Step::Stream { table, on }),
        1 => table.prop_map(|table| Step::Recreate { table }),
        2 => (0..2_000i64).prop_map(|ms| Step::Wait { ms }),
        1 => Just(Step::Reopen),
    ]
}

struct History {
    clock: TestClock,
    model: Model,
    store: Store,
}

impl History {
    fn new(clock: TestClock, store: Store) -> History {
        let mut history = History { clock, model: Model::default(), store };
        (0..TABLES.len()).for_each(|table| history.create(table));
        history
    }

    fn create(&mut self, table: usize) {
        let mut schema = schema(TABLES[table], table == 1);
        schema.key[1].auto_increment = table == 2;
        self.store.create_table(schema.clone()).unwrap();
        self.model.create(schema);
    }

    fn step(&mut self, step: Step, reopen: &mut dyn FnMut(&TestClock) -> Store) {
        // This is more time than the requests in between take, as each takes at least a
        // microsecond.
        self.clock.advance_ms(1);
        match step {
            Step::Write(writes) => self.write(writes),
            Step::Options { table, max_versions, time_to_live_s } => {
                let options = TableOptions { max_versions, time_to_live_s, ..TableOptions::default() };
                let update = TableUpdate { options: Some(options), ..TableUpdate::default() };
                self.store.update_table(TABLES[table], update).unwrap();
                self.model.tables.get_mut(TABLES[table]).unwrap().schema.options = options;
            }
            Step::Stream { table, on } => {
                let stream = Some(on.then_some(StreamOptions::of_hours(1)));
                self.store
                    .update_table(TABLES[table], TableUpdate { stream, ..TableUpdate::default() })
                    .unwrap();
            }
            Step::Recreate { table } => {
                self.store.delete_table(TABLES[table]).unwrap();
                self.create(table);
            }
            Step::Wait { ms } => self.clock.advance_ms(ms),
            Step::Reopen => {
                // The old store is closed before its folder is opened again.
                self.store = memory_store();
                self.store = reopen(&self.clock);
            }
        }
        self.compare();
    }

    fn write(&mut self, writes: Vec<Write>) {
        let now_ms = self.clock.now_ms();
        let expected: Vec<_> = writes.iter().map(|write| self.model.write(write, now_ms)).collect();
        let answers = self.store.write_and_wait(writes);
        let commits: Vec<u64> = answers.iter().flatten().map(|written| written.commit).collect();
        assert!(commits.iter().all(|commit| *commit == commits[0] && *commit <= self.store.last_commit()));
        let answers: Vec<_> = answers
            .into_iter()
            .map(|answer| answer.map(|written| written.row).map_err(|e| Refused::of(&e)))
            .collect();
        assert_eq!(answers, expected);
    }

    fn compare(&self) {
        for table in TABLES {
            let expected = self.model.rows(table, self.clock.now_ms());
            let mut read = all(&self.store, table, Direction::Forward);
            assert_eq!(scan(&self.store, read.clone()).unwrap(), expected);
            read.rows_max = Some(2);
            assert_eq!(scan(&self.store, read).unwrap(), expected);
            let mut backward = scan(&self.store, all(&self.store, table, Direction::Backward)).unwrap();
            backward.reverse();
            assert_eq!(backward, expected);
        }
        self.store.check().unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn store_and_model_agree(steps in prop::collection::vec(step(), 1..25)) {
        let (disk, clock) = (Disk::default(), TestClock::new());
        let store = open(&disk, &clock, Durability::Synced).unwrap();
        let mut history = History::new(clock, store);
        let mut reopen = |clock: &TestClock| {
            disk.restart();
            open(&disk, clock, Durability::Synced).unwrap()
        };
        steps.into_iter().for_each(|step| history.step(step, &mut reopen));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn store_and_model_agree_on_files(steps in prop::collection::vec(step(), 1..25)) {
        let (folder, clock) = (folder(), TestClock::new());
        let reopen = |clock: &TestClock| Store::open(folder.path(), clock.options(Durability::Synced)).unwrap();
        let store = reopen(&clock);
        let mut history = History::new(clock, store);
        steps.into_iter().for_each(|step| history.step(step, &mut &reopen));
    }
}
