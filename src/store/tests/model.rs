//! A model of the store as a map of maps, with which the tests compare it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::change::{ColumnChange, Existence, Returning, RowWrite, Write};
use crate::error::WriteError;
use crate::filter::{Comparator, Filter};
use crate::schema::{TableOptions, TableSchema};
use crate::value::{Cell, KeyPart, NamedKey, PrimaryKey, Row, Value};

/// Columns with their versions, newest first.
type Columns = BTreeMap<String, BTreeMap<Reverse<i64>, Value>>;

#[derive(Clone, Debug)]
pub(crate) struct ModelTable {
    pub(crate) schema: TableSchema,
    rows: BTreeMap<PrimaryKey, Columns>,
    chosen: i64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) tables: BTreeMap<String, ModelTable>,
}

impl Model {
    pub(crate) fn create(&mut self, schema: TableSchema) {
        let table = ModelTable { schema: schema.clone(), rows: BTreeMap::new(), chosen: 0 };
        self.tables.insert(schema.name, table);
    }

    /// Applies a write. Refusals other than failed conditions are not told apart.
    pub(crate) fn write(&mut self, write: &Write, now_ms: i64) -> Result<Option<Row>, Refused> {
        self.tables.get_mut(&write.table).ok_or(Refused::Other)?.write(write, now_ms)
    }

    /// Returns all rows that reads see now.
    pub(crate) fn rows(&self, table: &str, now_ms: i64) -> Vec<Row> {
        let table = &self.tables[table];
        let row = |(key, columns): (&PrimaryKey, &Columns)| {
            let mut columns = live(columns, &table.schema.options, now_ms)?;
            keep(&mut columns, &table.schema.options);
            Some(Row { key: key.clone(), cells: cells(&columns) })
        };
        table.rows.iter().filter_map(row).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Condition,
    Other,
}

impl Refused {
    pub(crate) fn of(error: &WriteError) -> Refused {
        match error {
            WriteError::ConditionFailed => Refused::Condition,
            _ => Refused::Other,
        }
    }
}

impl ModelTable {
    fn write(&mut self, write: &Write, now_ms: i64) -> Result<Option<Row>, Refused> {
        let options = self.schema.options;
        let key = self.key(&write.key);
        let before = self.rows.get(&key).and_then(|columns| live(columns, &options, now_ms));
        match write.condition.existence {
            Existence::Exists if before.is_none() => return Err(Refused::Condition),
            Existence::Absent if before.is_some() => return Err(Refused::Condition),
            _ => {}
        }
        let empty = Columns::new();
        if let Some(filter) = &write.condition.columns
            && !holds(filter, before.as_ref().unwrap_or(&empty))
        {
            return Err(Refused::Condition);
        }
        let nothing = before.is_none();
        let after = match &write.change {
            RowWrite::Delete => None,
            RowWrite::Put(columns) => Some(change(Columns::new(), columns, now_ms)?),
            RowWrite::Update(columns) => {
                let deletes_only = columns.iter().all(|(_, change)| {
                    matches!(change, ColumnChange::DeleteAll | ColumnChange::DeleteVersion(_))
                });
                match before {
                    None if deletes_only => None,
                    before => Some(change(before.unwrap_or_default(), columns, now_ms)?),
                }
            }
        };
        let after = after.map(|mut columns| {
            keep(&mut columns, &options);
            columns
        });
        let asked = match &write.returning {
            Returning::Nothing => None,
            Returning::Key => Some(vec![]),
            Returning::After(columns) => {
                let mut cells = after.as_ref().map(cells).unwrap_or_default();
                cells.retain(|cell| columns.contains(&cell.name));
                Some(cells)
            }
        };
        match after {
            Some(columns) => drop(self.rows.insert(key.clone(), columns)),
            // Expired cells stay, in case the cells of the table are to live longer later.
            None if nothing && write.change != RowWrite::Delete => {}
            None => drop(self.rows.remove(&key)),
        }
        Ok(asked.map(|cells| Row { key, cells }))
    }

    fn key(&mut self, key: &NamedKey) -> PrimaryKey {
        let value = |(_, part): &(String, KeyPart)| match part {
            KeyPart::Value(value) => value.clone(),
            _ => {
                self.chosen += 1;
                crate::value::KeyValue::Integer(self.chosen)
            }
        };
        key.iter().map(value).collect()
    }
}

fn change(mut row: Columns, columns: &[(String, ColumnChange)], now_ms: i64) -> Result<Columns, Refused> {
    for (name, change) in columns {
        let versions = row.entry(name.clone()).or_default();
        match change {
            ColumnChange::Put { value, version } => {
                versions.insert(Reverse(version.unwrap_or(now_ms)), value.clone());
            }
            ColumnChange::DeleteVersion(version) => drop(versions.remove(&Reverse(*version))),
            ColumnChange::DeleteAll => versions.clear(),
            ColumnChange::Increment(by) => {
                let value = match versions.values().next() {
                    None => 0,
                    Some(Value::Integer(value)) => *value,
                    Some(_) => return Err(Refused::Other),
                };
                let sum = value.checked_add(*by).ok_or(Refused::Other)?;
                versions.insert(Reverse(now_ms), Value::Integer(sum));
            }
        }
        row.retain(|_, versions| !versions.is_empty());
    }
    Ok(row)
}

/// Returns the row without its expired cells, or `None` if all have expired.
fn live(columns: &Columns, options: &TableOptions, now_ms: i64) -> Option<Columns> {
    if options.time_to_live_s < 0 || columns.is_empty() {
        return Some(columns.clone());
    }
    let oldest = now_ms - i64::from(options.time_to_live_s) * 1_000;
    let mut columns = columns.clone();
    columns.values_mut().for_each(|versions| versions.retain(|version, _| version.0 > oldest));
    columns.retain(|_, versions| !versions.is_empty());
    (!columns.is_empty()).then_some(columns)
}

fn keep(columns: &mut Columns, options: &TableOptions) {
    for versions in columns.values_mut() {
        while versions.len() > options.max_versions as usize {
            versions.pop_last();
        }
    }
}

fn cells(columns: &Columns) -> Vec<Cell> {
    let cell = |name: &String, (version, value): (&Reverse<i64>, &Value)| Cell {
        name: name.clone(),
        value: value.clone(),
        version: version.0,
    };
    columns.iter().flat_map(|(name, versions)| versions.iter().map(move |entry| cell(name, entry))).collect()
}

fn holds(filter: &Filter, columns: &Columns) -> bool {
    match filter {
        Filter::Column { name, comparator, value, if_missing, latest_only } => match columns.get(name) {
            None => *if_missing,
            Some(versions) => {
                let count = if *latest_only { 1 } else { versions.len() };
                versions.values().take(count).any(|found| compares(found, *comparator, value))
            }
        },
        Filter::Not(filter) => !holds(filter, columns),
        Filter::All(filters) => filters.iter().all(|filter| holds(filter, columns)),
        Filter::Any(filters) => filters.iter().any(|filter| holds(filter, columns)),
        Filter::Page { .. } => true,
    }
}

/// Compares two values. The tests' filters compare integers only.
fn compares(found: &Value, comparator: Comparator, value: &Value) -> bool {
    let (Value::Integer(found), Value::Integer(value)) = (found, value) else {
        return comparator == Comparator::NotEqual;
    };
    match comparator {
        Comparator::Equal => found == value,
        Comparator::NotEqual => found != value,
        Comparator::Greater => found > value,
        Comparator::GreaterEqual => found >= value,
        Comparator::Less => found < value,
        Comparator::LessEqual => found <= value,
    }
}
