//! Sends the changed rows of a view to the first worker.

use differential_dataflow::VecCollection;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator;

use crate::exchange::{Parcel, exchange};
use crate::key::{Key, ROW_UPDATE_WORDS, RowUpdate};
use crate::row::{RowKey, ViewId};
use crate::{Diff, Epoch, Totals};

/// A row that an epoch removes (−1) or adds (1).
pub(crate) struct Update {
    pub(crate) epoch: Epoch,
    pub(crate) key: RowKey,
    pub(crate) diff: Diff,
    pub(crate) totals: Totals,
}

/// Sends a view's updates to the first worker.
pub(crate) fn gather<'scope, K: Key>(
    rows: VecCollection<'scope, Epoch, (K, Totals), Diff>,
    view: ViewId,
) -> Stream<'scope, Epoch, Vec<Update>> {
    type Packed<K> = CapacityContainerBuilder<Parcel<RowUpdate<K>, ROW_UPDATE_WORDS>>;
    rows.inner
        .unary::<Packed<K>, _, _, _>(Pipeline, &format!("Pack: {}", view.name), |_, _| {
            |input, output| {
                input.for_each(|capability, rows| {
                    let rows = rows.drain(..);
                    let rows =
                        rows.map(|((key, totals), epoch, diff)| RowUpdate { key, totals, epoch, diff });
                    output.session(&capability).give_iterator(rows);
                });
            }
        })
        .unary::<CapacityContainerBuilder<Vec<Update>>, _, _, _>(
            exchange(|_: &RowUpdate<K>| 0),
            &format!("Gather: {}", view.name),
            |_, _| {
                move |input, output| {
                    input.for_each(|capability, rows| {
                        let updates = rows.records.drain(..).map(|row| {
                            let RowUpdate { key, totals, epoch, diff } = row;
                            Update { epoch, key: RowKey::new(view, key.into_parts()), diff, totals }
                        });
                        output.session(&capability).give_iterator(updates);
                    });
                }
            },
        )
}
