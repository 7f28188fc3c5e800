//! The engine of a view: the code that builds the view's part of the graph.

use std::fmt;

use differential_dataflow::{AsCollection, VecCollection};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::rc::SharedStream;
use timely::dataflow::operators::{Input, Operator, Probe};
use timely::dataflow::{InputHandle, ProbeHandle, Stream};

use crate::gather::{Update, gather};
use crate::key::{Grouping, Key, Partial};
use crate::row::{Parts, RowKey, ViewId};
use crate::totals_by::{Partials, totals_by};
use crate::{Diff, Epoch, Order, Orders, Totals, Windows};

/// The rows of one view, as a collection that changes with the orders. Each view has its own type
/// of key.
pub struct Rows<'scope> {
    view: ViewId,
    typed: Box<dyn TypedRows<'scope> + 'scope>,
}

/// Inputs for totals as of a checkpoint, one for each view. The views start from these totals in
/// place of the orders that made them.
///
/// Each row must be sent once, on any worker, as of the first epoch. Windows must be those that the
/// views are built with.
pub struct KeptInputs(pub(crate) Vec<Box<dyn KeptInput>>);

impl<'scope> Rows<'scope> {
    /// Returns the view that the rows are of.
    pub fn view(&self) -> ViewId {
        self.view
    }

    /// Makes the probe follow the rows, too.
    pub fn probe_with(&self, probe: &ProbeHandle<Epoch>) {
        self.typed.probe_with(probe);
    }

    /// Returns the rows as a collection of keys and totals. Its type is the same for all views.
    pub fn collection(self) -> VecCollection<'scope, Epoch, (Parts, Totals), Diff> {
        self.typed.collection()
    }

    /// Sends the rows' updates to the first worker.
    pub(crate) fn gather(self) -> Stream<'scope, Epoch, Vec<Update>> {
        self.typed.gather(self.view)
    }
}

impl KeptInputs {
    /// Sends the totals of one row, as of `epoch`. Panics if the key is not one of its view.
    pub fn send(&mut self, epoch: Epoch, key: &RowKey, totals: Totals) {
        self.0[key.view.index()].send(epoch, &key.parts, totals);
    }

    /// Promises that no totals of epochs before this one will be sent.
    pub fn advance_to(&mut self, epoch: Epoch) {
        self.0.iter_mut().for_each(|input| input.advance_to(epoch));
    }

    /// Promises that no more totals will be sent.
    pub fn close(self) {}
}

/// A condition on orders.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// The condition as SQL.
    pub sql: &'static str,
    /// Returns whether an order meets the condition.
    pub holds: fn(&Order) -> bool,
}

/// The code that keeps a view's rows up to date. It is compiled for the view's own grouping.
#[derive(Clone, Copy)]
pub struct Engine {
    pub(crate) render: Render,
}

/// Builds a view's part of the graph. If there is a list of inputs, adds the view's input of kept
/// totals to it.
pub(crate) type Render =
    for<'scope> fn(ViewId, Orders<'scope>, &Windows, Option<&mut Vec<Box<dyn KeptInput>>>) -> Rows<'scope>;

impl Engine {
    /// Returns the engine that keeps count and sum of each group of `G`: see [`totals_by`].
    pub const fn typed<G: Grouping>() -> Engine {
        Engine { render: render::<G> }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

fn render<'scope, G: Grouping>(
    view: ViewId,
    orders: Orders<'scope>,
    windows: &Windows,
    inputs: Option<&mut Vec<Box<dyn KeptInput>>>,
) -> Rows<'scope> {
    let kept = inputs.map(|inputs| {
        let mut input = TypedInput::<G::Key>::new_with_builder();
        let kept = orders.inner.scope().input_from(&mut input);
        inputs.push(Box::new(input));
        kept
    });
    let orders = match view.filter {
        Some(filter) => filtered(orders, filter),
        None => orders,
    };
    let rows = totals_by(orders, kept, view.name, G::new(windows));
    Rows { view, typed: Box::new(rows) }
}

/// Returns the orders that meet a condition.
fn filtered(orders: Orders<'_>, filter: Filter) -> Orders<'_> {
    type Met = CapacityContainerBuilder<Vec<(Order, Epoch, Diff)>>;
    let met = orders.inner.unary::<Met, _, _, _>(Pipeline, &format!("Filter: {}", filter.sql), |_, _| {
        move |input, output| {
            input.for_each(|capability, orders| {
                let met = orders.iter().filter(|(order, ..)| (filter.holds)(order)).cloned();
                output.session(&capability).give_iterator(met);
            });
        }
    });
    met.shared().as_collection()
}

trait TypedRows<'scope> {
    fn probe_with(&self, probe: &ProbeHandle<Epoch>);
    fn collection(self: Box<Self>) -> VecCollection<'scope, Epoch, (Parts, Totals), Diff>;
    fn gather(self: Box<Self>, view: ViewId) -> Stream<'scope, Epoch, Vec<Update>>;
}

impl<'scope, K: Key> TypedRows<'scope> for VecCollection<'scope, Epoch, (K, Totals), Diff> {
    fn probe_with(&self, probe: &ProbeHandle<Epoch>) {
        self.inner.clone().probe_with(probe);
    }

    fn collection(self: Box<Self>) -> VecCollection<'scope, Epoch, (Parts, Totals), Diff> {
        self.map(|(key, totals)| (key.into_parts(), totals))
    }

    fn gather(self: Box<Self>, view: ViewId) -> Stream<'scope, Epoch, Vec<Update>> {
        gather(*self, view)
    }
}

pub(crate) trait KeptInput {
    fn send(&mut self, epoch: Epoch, parts: &Parts, totals: Totals);
    fn advance_to(&mut self, epoch: Epoch);
}

type TypedInput<K> = InputHandle<Epoch, CapacityContainerBuilder<Partials<K>>>;

impl<K: Key> KeptInput for TypedInput<K> {
    fn send(&mut self, epoch: Epoch, parts: &Parts, totals: Totals) {
        let key = K::from_parts(parts).expect("the key of a kept row is one of its view");
        InputHandle::send(self, Partial { key, epoch, totals });
    }

    fn advance_to(&mut self, epoch: Epoch) {
        InputHandle::advance_to(self, epoch);
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::{Arc, Mutex};

    use timely::container::NoopBuilder;

    use super::*;
    use crate::{Amount, Id};

    #[test]
    fn a_filter_lets_those_orders_pass_that_meet_it() {
        let filter = Filter { sql: "price >= 1", holds: |order| order.price.units() >= 10_i128.pow(18) };
        let passed = Arc::new(Mutex::new(Vec::new()));
        let out = Arc::clone(&passed);
        timely::execute_directly(move |worker| {
            let mut input =
                InputHandle::<Epoch, NoopBuilder<Rc<Vec<(Order, Epoch, Diff)>>>>::new_with_builder();
            worker.dataflow::<Epoch, _, _>(|scope| {
                let orders = scope.input_from(&mut input).as_collection();
                filtered(orders, filter).inner.unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(
                    Pipeline,
                    "Look",
                    move |_, _| {
                        move |input, _output| {
                            input.for_each(|_, orders| {
                                let orders = orders
                                    .iter()
                                    .map(|(order, epoch, times)| (order.user_id.to_string(), *epoch, *times));
                                out.lock().expect("no panic").extend(orders);
                            });
                        }
                    },
                );
            });
            let order = |user: &str, cents| Order {
                user_id: Id::new(user),
                at_ms: 0,
                price: Amount::from_decimal(cents, 2).expect("a price"),
            };
            let batch = vec![(order("a", 99), 0, 1), (order("b", 100), 0, 1), (order("c", 101), 0, -1)];
            input.send_batch(&mut Rc::new(batch));
        });
        let passed = passed.lock().expect("no panic").clone();
        assert_eq!(passed, [("b".to_owned(), 0, 1), ("c".to_owned(), 0, -1)]);
    }
}
