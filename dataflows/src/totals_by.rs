//! The engine of every view: it keeps the totals of each group of orders up to date.
//!
//! It consists of two operators with one exchange between them. *Pre-aggregate* sums what this
//! worker sees of a group in an epoch. So one record is exchanged for each group, not for each
//! order. *Totals* keeps one entry for each group with orders, on the worker to which the key
//! hashes. When an epoch is complete, it gives for each group that changed the old row as removed
//! and the new row as added.
//!
//! This is differential's `count_total` over differences of [`Totals`], and the tests compare the
//! two at every epoch. Time is totally ordered and the sums form a group, so no history is needed:
//! a row is a number to add to, not a trace to accumulate.

use differential_dataflow::difference::{IsZero, Semigroup};
use differential_dataflow::{AsCollection, VecCollection};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::{Capability, Concat, Operator};
use timely::progress::frontier::MutableAntichain;

use crate::exchange::{Parcel, exchange};
use crate::key::{Grouping, Key, PARTIAL_WORDS, Partial};
use crate::table::{BLOCK, TotalsTable};
use crate::{Diff, Epoch, Order, Orders, Totals};

/// The partial sums of one worker, on their way to the workers that keep their groups.
pub type Partials<K> = Parcel<Partial<K>, PARTIAL_WORDS>;

/// The totals of groups that are kept already. Each comes once, on any worker.
pub type KeptTotals<'scope, K> = Stream<'scope, Epoch, Partials<K>>;

/// Returns the totals of each group of orders: `SELECT key, COUNT(*), SUM(price) FROM orders GROUP
/// BY key`.
///
/// State: one entry for each group with orders, on the worker of its key, and the open epoch's
/// partial sums. Work per epoch: a lookup for each order, then proportional to the groups that
/// changed.
///
/// `kept` are totals as of a checkpoint, which are added to those of the orders. They go where
/// partial sums go.
pub fn totals_by<'scope, G: Grouping>(
    orders: Orders<'scope>,
    kept: Option<KeptTotals<'scope, G::Key>>,
    name: &str,
    grouping: G,
) -> VecCollection<'scope, Epoch, (G::Key, Totals), Diff> {
    let mut partials = pre_aggregate(orders, &format!("PreAggregate: {name}"), grouping);
    if let Some(kept) = kept {
        partials = partials.concat(kept);
    }
    keep_totals(partials, &format!("Totals: {name}"))
}

/// Returns the lesser of two capabilities, if there is any.
pub(crate) fn least(
    held: Option<Capability<Epoch>>,
    other: Option<Capability<Epoch>>,
) -> Option<Capability<Epoch>> {
    match (held, other) {
        (Some(held), Some(other)) => Some(if other.time() < held.time() { other } else { held }),
        (held, other) => held.or(other),
    }
}

fn pre_aggregate<'scope, G: Grouping>(
    orders: Orders<'scope>,
    name: &str,
    grouping: G,
) -> Stream<'scope, Epoch, Partials<G::Key>> {
    type Builder<K> = CapacityContainerBuilder<Partials<K>>;
    orders.inner.unary_frontier::<Builder<G::Key>, _, _, _>(Pipeline, name, move |_, _| {
        // The sums of the epoch that is open here. Those of epochs that orders have moved on from
        // are in `done`.
        let mut open: Option<(Epoch, Capability<Epoch>)> = None;
        let mut table = TotalsTable::new();
        let mut done: Vec<Partial<G::Key>> = Vec::new();
        let mut done_at: Option<Capability<Epoch>> = None;
        move |(input, frontier), output| {
            let mut close = |epoch, at, table: &mut TotalsTable<G::Key>| {
                let sums = table.drain().filter(|entry| !entry.totals.is_zero());
                done.extend(sums.map(|entry| Partial { key: entry.key, epoch, totals: entry.totals }));
                done_at = least(done_at.take(), Some(at));
            };
            input.for_each(|capability, orders| {
                let Some(capability) = capability.retain_least(0) else { return };
                for same_epoch in orders.chunk_by(|a, b| a.1 == b.1) {
                    let epoch = same_epoch[0].1;
                    match open.take() {
                        Some((now, at)) if now == epoch => open = Some((now, at)),
                        before => {
                            if let Some((before, at)) = before {
                                close(before, at, &mut table);
                            }
                            open = Some((epoch, capability.delayed(&epoch)));
                        }
                    }
                    add_orders(&mut table, &grouping, same_epoch);
                }
            });
            if let Some((epoch, at)) = open.take_if(|(epoch, _)| !frontier.less_equal(epoch)) {
                close(epoch, at, &mut table);
            }
            if let Some(at) = done_at.take() {
                output.session(&at).give_iterator(done.drain(..));
                done.shrink_to(DONE_KEPT);
            }
        }
    })
}

/// The number of records for which the buffer of an idle operator may keep room.
const DONE_KEPT: usize = 4096;

fn add_orders<G: Grouping>(table: &mut TotalsTable<G::Key>, grouping: &G, orders: &[(Order, Epoch, Diff)]) {
    if G::RUNS {
        return add_runs(table, grouping, orders);
    }
    let seed = table.seed();
    for block in orders.chunks(BLOCK) {
        let found = table.find_block(
            block.len(),
            |at| grouping.hash64(&block[at].0, seed),
            |at, key| grouping.holds(&block[at].0, key),
            |at| grouping.key(&block[at].0),
        );
        for ((order, _, times), index) in block.iter().zip(found) {
            table.add(index, &Totals::of(order.price, *times));
        }
    }
}

fn add_runs<G: Grouping>(table: &mut TotalsTable<G::Key>, grouping: &G, orders: &[(Order, Epoch, Diff)]) {
    let mut rest = orders;
    while let Some(((first, ..), _)) = rest.split_first() {
        let key = grouping.key(first);
        let mut totals = Totals::ZERO;
        let mut length = 0;
        for (order, _, times) in rest.iter().take_while(|(order, ..)| grouping.holds(order, &key)) {
            totals.plus_equals(&Totals::of(order.price, *times));
            length += 1;
        }
        let hash = key.hash64(table.seed());
        let [index, ..] = table.find_block(1, |_| hash, |_, other| *other == key, |_| key.clone());
        table.add(index, &totals);
        rest = &rest[length..];
    }
}

fn keep_totals<'scope, K: Key>(
    partials: Stream<'scope, Epoch, Partials<K>>,
    name: &str,
) -> VecCollection<'scope, Epoch, (K, Totals), Diff> {
    // Any seed will do, as long as all workers have the same one.
    let by_key = exchange(|partial: &Partial<K>| partial.key.hash64(0) >> 32);
    type Rows<K> = CapacityContainerBuilder<Vec<((K, Totals), Epoch, Diff)>>;
    partials
        .unary_frontier::<Rows<K>, _, _, _>(by_key, name, move |_, _| {
            let mut state = State::new();
            // The sums of epochs that are not complete, in the order of arrival.
            let mut pending: Vec<Partial<K>> = Vec::new();
            let mut pending_at: Option<Capability<Epoch>> = None;
            move |(input, frontier), output| {
                input.for_each(|capability, partials| {
                    pending_at = least(pending_at.take(), capability.retain_least(0));
                    pending.append(&mut partials.records);
                });
                let Some(at) = pending_at.take_if(|at| !frontier.less_equal(at.time())) else { return };
                let mut complete = take_complete(&mut pending, frontier);
                complete.sort_by_key(|partial| partial.epoch);
                let mut session = output.session(&at);
                for epoch in complete.chunk_by(|a, b| a.epoch == b.epoch) {
                    state.apply(epoch, |row| session.give(row));
                }
                drop(session);
                let next = pending.iter().map(|partial| partial.epoch).min();
                pending_at = next.map(|next| at.delayed(&next));
            }
        })
        .as_collection()
}

/// Takes the records of epochs that the frontier has passed.
fn take_complete<K>(pending: &mut Vec<Partial<K>>, frontier: &MutableAntichain<Epoch>) -> Vec<Partial<K>> {
    if pending.iter().all(|partial| !frontier.less_equal(&partial.epoch)) {
        return std::mem::take(pending);
    }
    pending.extract_if(.., |partial| !frontier.less_equal(&partial.epoch)).collect()
}

/// The totals of the groups that this worker keeps.
struct State<K> {
    table: TotalsTable<K>,
    /// The round that last touched each entry, so that the row before is noted once an epoch.
    touched: Vec<u32>,
    round: u32,
    /// The entries that were touched in this round, and their totals before it.
    before: Vec<(u32, Totals)>,
    emptied: Vec<u32>,
}

impl<K: Key> State<K> {
    fn new() -> Self {
        State {
            table: TotalsTable::new(),
            touched: Vec::new(),
            round: 0,
            before: Vec::new(),
            emptied: Vec::new(),
        }
    }

    /// Adds the sums of one complete epoch, and gives the rows that are removed and added.
    fn apply(&mut self, partials: &[Partial<K>], mut give: impl FnMut(((K, Totals), Epoch, Diff))) {
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.touched.fill(0);
            self.round = 1;
        }
        let seed = self.table.seed();
        for block in partials.chunks(BLOCK) {
            let found = self.table.find_block(
                block.len(),
                |at| block[at].key.hash64(seed),
                |at, key| block[at].key == *key,
                |at| block[at].key.clone(),
            );
            self.touched.resize(self.table.entries().len(), 0);
            for (partial, index) in block.iter().zip(found) {
                if std::mem::replace(&mut self.touched[index as usize], self.round) != self.round {
                    self.before.push((index, self.table.entry_mut(index).totals));
                }
                self.table.add(index, &partial.totals);
            }
        }
        let Some(epoch) = partials.first().map(|partial| partial.epoch) else { return };
        for (index, before) in self.before.drain(..) {
            let entry = self.table.entry_mut(index);
            if entry.totals == before {
                // A new group whose sums cancelled at once has an entry, but no row to remove.
                if before.is_zero() {
                    self.emptied.push(index);
                }
                continue;
            }
            if !before.is_zero() {
                give(((entry.key.clone(), before), epoch, -1));
            }
            if entry.totals.is_zero() {
                self.emptied.push(index);
            } else {
                give(((entry.key.clone(), entry.totals), epoch, 1));
            }
        }
        if !self.emptied.is_empty() {
            let touched = &mut self.touched;
            self.table
                .remove_zeros(&mut self.emptied, |from, to| touched[to as usize] = touched[from as usize]);
            self.emptied.clear();
            self.touched.truncate(self.table.entries().len());
        }
    }
}
