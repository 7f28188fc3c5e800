//! Gathers the changed rows of all views on one worker, an epoch at a time.

use timely::container::CapacityContainerBuilder;
use timely::dataflow::ProbeHandle;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::{Capability, Concatenate, Operator, Probe};

use crate::engine::Rows;
use crate::gather::Update;
use crate::row::RowKey;
use crate::totals_by::least;
use crate::{Epoch, Totals};

/// A row that an epoch changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key of the row.
    pub key: RowKey,
    /// The totals before the epoch; `None` if there was no such row.
    pub before: Option<Totals>,
    /// The totals from the epoch on; `None` if there is no such row any more.
    pub after: Option<Totals>,
}

/// Gives each epoch's changes of all views to `logic`, once all changes of the epoch are known.
///
/// `logic` runs on the first worker only. It is called once for each epoch that changed a row, in
/// ascending order. The rows of an epoch are sorted by key, and each comes at most once. When the
/// probe has passed an epoch, `logic` has seen it.
///
/// Work: the changed rows are sent to one worker and sorted there. Panics if there are no views.
pub fn deliver(
    views: Vec<Rows<'_>>,
    mut logic: impl FnMut(Epoch, Vec<Change>) + 'static,
) -> ProbeHandle<Epoch> {
    let probe = ProbeHandle::new();
    let updates: Vec<_> = views.into_iter().map(Rows::gather).collect();
    let scope = updates.first().expect("there is at least one view").scope();
    scope
        .concatenate(updates)
        .unary_frontier::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Pipeline, "Deliver", move |_, _| {
            let mut pending: Vec<Update> = Vec::new();
            // The capability is held so that the probe does not pass an epoch before `logic` has
            // seen it.
            let mut held: Option<Capability<Epoch>> = None;
            move |(input, frontier), _output| {
                input.for_each(|capability, updates| {
                    held = least(held.take(), capability.retain_least(0));
                    pending.append(updates);
                });
                let Some(at) = held.take_if(|held| !frontier.less_equal(held.time())) else { return };
                let mut complete: Vec<Update> =
                    pending.extract_if(.., |update| !frontier.less_equal(&update.epoch)).collect();
                complete.sort_unstable_by(|a, b| (a.epoch, &a.key, a.diff).cmp(&(b.epoch, &b.key, b.diff)));
                for epoch in complete.chunk_by(|a, b| a.epoch == b.epoch) {
                    logic(epoch[0].epoch, epoch.chunk_by(|a, b| a.key == b.key).map(change).collect());
                }
                held = pending.iter().map(|update| update.epoch).min().map(|next| at.delayed(&next));
            }
        })
        .probe_with(&probe);
    probe
}

/// Returns the change that the updates of one row in one epoch amount to.
fn change(updates: &[Update]) -> Change {
    let row = |diff| updates.iter().find(|update| update.diff == diff).map(|update| update.totals);
    debug_assert!(updates.len() <= 2, "a view takes a row back once and gives it once an epoch");
    Change { key: updates[0].key.clone(), before: row(-1), after: row(1) }
}
