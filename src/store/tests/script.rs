//! A workload for the tests of failures that is the same every time, request by request.

use super::model::Model;
use crate::Store;
use crate::change::{ColumnChange, Condition, Existence, RowWrite, Write};
use crate::error::{CatalogError, WriteError};
use crate::schema::{TableOptions, TableSchema, TableUpdate};
use crate::testing::{TestClock, key, rows, schema, set, write};

#[derive(Clone)]
pub(crate) enum Request {
    Create(TableSchema),
    Delete(&'static str),
    Options(&'static str, TableOptions),
    Write(Vec<Write>),
}

impl Request {
    /// Runs the request. Refusals of single writes do not matter here, except that the store takes
    /// no more writes.
    pub(crate) fn run(&self, store: &Store, clock: &TestClock) -> Result<(), CatalogError> {
        clock.advance_ms(1);
        match self.clone() {
            Request::Create(schema) => store.create_table(schema),
            Request::Delete(table) => store.delete_table(table),
            Request::Options(table, options) => {
                let update = TableUpdate { options: Some(options), ..TableUpdate::default() };
                store.update_table(table, update).map(drop)
            }
            Request::Write(writes) => {
                let halted = store.write_and_wait(writes).into_iter().find_map(|answer| match answer {
                    Err(WriteError::Halted(halt)) => Some(halt),
                    _ => None,
                });
                halted.map_or(Ok(()), |halt| Err(halt.into()))
            }
        }
    }

    pub(crate) fn run_on_model(&self, model: &mut Model, now_ms: i64) {
        match self {
            Request::Create(schema) => model.create(schema.clone()),
            Request::Delete(table) => drop(model.tables.remove(*table)),
            Request::Options(table, options) => {
                model.tables.get_mut(*table).unwrap().schema.options = *options;
            }
            Request::Write(writes) => writes.iter().for_each(|write| drop(model.write(write, now_ms))),
        }
    }
}

/// Returns puts, updates, deletes, conditions, and tables that are created and deleted.
pub(crate) fn script() -> Vec<Request> {
    let put = |table: &str, user: &str, id: i64, value: i64| {
        write(table, key(user, id), RowWrite::Put(vec![set("v", value), set("text", "words")]))
    };
    let only = |write: Write, existence| Write {
        condition: Condition { existence, ..Condition::default() },
        ..write
    };
    let add = |by| vec![("v".to_owned(), ColumnChange::Increment(by))];
    let mut requests = vec![
        Request::Create(schema("Log", true)),
        Request::Create(schema("Plain", false)),
        Request::Write(vec![put("Log", "a", 1, 1), put("Log", "b", 1, 2), put("Plain", "a", 1, 3)]),
        Request::Write(vec![only(put("Log", "a", 1, 9), Existence::Absent), put("Log", "c", 1, 4)]),
        Request::Write(vec![write("Log", key("b", 1), RowWrite::Update(add(40)))]),
        Request::Write(vec![write("Log", key("a", 1), RowWrite::Delete), put("Plain", "a", 1, 5)]),
        Request::Create(schema("Short", true)),
        Request::Write((0..20).map(|id| put("Short", "s", id, id)).collect()),
        Request::Options("Log", TableOptions { max_versions: 3, ..TableOptions::default() }),
        Request::Write(vec![write("Log", key("b", 1), RowWrite::Update(add(1)))]),
        Request::Delete("Short"),
        Request::Write(vec![only(put("Log", "a", 1, 6), Existence::Absent), put("None", "a", 1, 7)]),
        Request::Create(schema("Short", false)),
        Request::Write(vec![put("Short", "s", 3, 8), write("Plain", key("a", 1), RowWrite::Delete)]),
    ];
    for round in 0..6 {
        let writes = (0..5).map(|id| put("Log", "round", id, round)).collect();
        requests.push(Request::Write(writes));
    }
    requests
}

/// Returns the models after none, one, two … requests, each a millisecond after the one before.
pub(crate) fn models(requests: &[Request], mut now_ms: i64) -> Vec<Model> {
    let mut model = Model::default();
    let mut models = vec![model.clone()];
    for request in requests {
        now_ms += 1;
        request.run_on_model(&mut model, now_ms);
        models.push(model.clone());
    }
    models
}

/// Returns whether a store agrees with a model.
pub(crate) fn agrees(store: &Store, model: &Model, now_ms: i64) -> bool {
    let names: Vec<String> = model.tables.keys().cloned().collect();
    store.tables() == names && names.iter().all(|table| rows(store, table) == model.rows(table, now_ms))
}
