//! Divides a table into ranges of about equal size.

use super::Store;
use super::engine::{Bytes, Snapshot, Space};
use super::error::{Damage, ReadError};
use super::format::TableId;
use super::key::KeyReader;
use super::read::Direction;
use super::rows::key_values;
use super::table::Table;
use super::value::PrimaryKey;

/// The most keys that [`Store::split_points`] returns.
pub const SPLIT_POINTS_MAX: usize = 1_000;

impl Store {
    /// Divides a table into ranges of about `split_bytes` bytes of keys and rows, as they are
    /// stored. Returns the keys at which the ranges begin, in ascending order, except the first
    /// range. There are at most `points_max` of them, and at most [`SPLIT_POINTS_MAX`]: if there
    /// would be more, the ranges are larger.
    ///
    /// Reads the whole table once.
    pub fn split_points(
        &self,
        table: &str,
        split_bytes: u64,
        points_max: usize,
    ) -> Result<Vec<PrimaryKey>, ReadError> {
        let table = self.find_table(table)?;
        let points = points(self.snapshot().as_ref(), &table, split_bytes, points_max.min(SPLIT_POINTS_MAX))?;
        let mut keys = KeyReader::default();
        points.iter().map(|key| Ok(key_values(&mut keys, &table, key)?.to_key())).collect()
    }
}

/// Returns the same as [`Store::split_points`], encoded.
fn points(
    snapshot: &dyn Snapshot,
    table: &Table,
    mut split_bytes: u64,
    points_max: usize,
) -> Result<Vec<Bytes>, Damage> {
    let (lower, upper) = (table.id.bytes(), TableId(table.id.0 + 1).bytes());
    let mut points: Vec<Bytes> = Vec::new();
    let mut range_bytes: u64 = 0;
    for entry in snapshot.scan(Space::Rows, &lower, &upper, Direction::Forward) {
        let entry = entry?;
        if range_bytes >= split_bytes {
            points.push(entry.key.clone());
            range_bytes = 0;
            if points.len() > points_max {
                // Every two ranges become one. An odd one goes on with the rows that follow.
                let odd = points.len() % 2 == 1;
                range_bytes = if odd { split_bytes } else { 0 };
                let mut place = 0;
                points.retain(|_| {
                    place += 1;
                    place % 2 == 0
                });
                split_bytes = split_bytes.saturating_mul(2);
            }
        }
        range_bytes += (entry.key.len() + entry.value.len()) as u64;
    }
    Ok(points)
}
