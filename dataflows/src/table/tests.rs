use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{Amount, Parts, Window};

/// A key whose hashes collide all the time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Crowded(u64);

impl Key for Crowded {
    fn hash64(&self, _seed: u64) -> u64 {
        // There are four homes, at both ends of any table.
        [0, 1, u64::MAX, u64::MAX - 1][(self.0 % 4) as usize]
    }
    fn words(&self) -> [u64; 2] {
        [self.0, 0]
    }
    fn from_words(words: [u64; 2], _text: &mut &[u8]) -> Option<Crowded> {
        Some(Crowded(words[0]))
    }
    fn into_parts(self) -> Parts {
        Parts::integer(self.0 as i64)
    }
    fn from_parts(_parts: &Parts) -> Option<Crowded> {
        None
    }
}

/// Adds to each key and then removes the entries that are zero, as the totals operator does in a
/// round.
fn round<K: Key>(table: &mut TotalsTable<K>, changes: &[(K, i64)]) {
    let mut touched = Vec::new();
    for block in changes.chunks(BLOCK) {
        let seed = table.seed();
        let found = table.find_block(
            block.len(),
            |at| block[at].0.hash64(seed),
            |at, key| block[at].0 == *key,
            |at| block[at].0.clone(),
        );
        for ((_, times), index) in block.iter().zip(found) {
            table.add(index, &Totals::of(Amount::from_units(1), *times));
            touched.push(index);
        }
    }
    touched.sort_unstable();
    touched.dedup();
    table.remove_zeros(&mut touched, |from, to| assert!(to < from));
}

fn model<K: Key>(model: &mut BTreeMap<K, i64>, changes: &[(K, i64)]) {
    for (key, times) in changes {
        *model.entry(key.clone()).or_insert(0) += times;
    }
    model.retain(|_, times| *times != 0);
}

fn rows<K: Key>(entries: &[Entry<K>]) -> BTreeMap<K, i64> {
    entries.iter().map(|entry| (entry.key.clone(), entry.totals.orders)).collect()
}

fn holds<K: Key>(rounds: Vec<Vec<(K, i64)>>) -> Result<(), TestCaseError> {
    let (mut table, mut expected) = (TotalsTable::new(), BTreeMap::new());
    for changes in rounds {
        round(&mut table, &changes);
        model(&mut expected, &changes);
        prop_assert_eq!(&rows(table.entries()), &expected);
        prop_assert_eq!(table.entries().len(), expected.len());
        let taken = table.slots.iter().filter(|slot| **slot != 0).count();
        prop_assert_eq!(taken, expected.len());
        prop_assert!(taken * 4 <= table.slots.len() * 3);
    }
    let drained: Vec<_> = table.drain().collect();
    prop_assert_eq!(rows(&drained), expected);
    prop_assert!(table.slots.iter().all(|slot| *slot == 0));
    Ok(())
}

proptest! {
    #[test]
    fn a_table_is_a_map(rounds in prop::collection::vec(prop::collection::vec((0_i64..300, -2_i64..3), 0..200), 0..12)) {
        let rounds = rounds.into_iter().map(|round| {
            round.into_iter().map(|(key, times)| (Window { start_ms: key }, times)).collect()
        });
        holds(rounds.collect())?;
    }

    #[test]
    fn also_where_all_hashes_collide(rounds in prop::collection::vec(prop::collection::vec((0_u64..40, -2_i64..3), 0..80), 0..12)) {
        let rounds = rounds.into_iter().map(|round| {
            round.into_iter().map(|(key, times)| (Crowded(key), times)).collect()
        });
        holds(rounds.collect())?;
    }
}

#[test]
fn a_user_costs_less_than_a_hundred_bytes_beyond_its_name() {
    for users in [1_000_u64, 10_000, 98_305, 100_000, 131_072, 196_609] {
        let mut table = TotalsTable::new();
        let changes: Vec<_> = (0..users).map(|user| (crate::Id::new(&format!("u{user}")), 1)).collect();
        for block in changes.chunks(1000) {
            round(&mut table, block);
        }
        // Besides the table, the totals operator keeps four bytes for each entry.
        let bytes =
            table.slots.capacity() * 8 + table.entries.capacity() * (size_of::<Entry<crate::Id>>() + 4);
        assert!(bytes as f64 / (users as f64) < 100.0, "{users} users: {} bytes each", bytes as u64 / users);
    }
}
