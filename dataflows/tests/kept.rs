//! Tests that a graph that starts from kept totals goes on as one that has read the orders behind
//! them.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use dataflows::{
    Amount, Epoch, Id, KeptInputs, Order, PlainRows, RowKey, Totals, Windows, build_on_kept, deliver,
};
use differential_dataflow::AsCollection;
use proptest::prelude::*;
use timely::container::NoopBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::Input;

type OrdersInput = InputHandle<Epoch, NoopBuilder<Rc<Vec<(Order, Epoch, i64)>>>>;
type Rows = BTreeMap<RowKey, Totals>;

fn rows(plain: &PlainRows) -> Rows {
    plain.iter().collect()
}

/// Returns the rows after the kept totals, and after the orders. Kept totals and orders are dealt
/// out to all workers.
fn run(kept: &Rows, orders: &[(Order, i64)], workers: usize) -> [Rows; 2] {
    let found = Arc::new(Mutex::new([Rows::new(), Rows::new()]));
    let (kept, orders, out) = (kept.clone(), orders.to_vec(), Arc::clone(&found));
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let mut input = OrdersInput::new_with_builder();
        let mut inputs: Option<KeptInputs> = None;
        let out = Arc::clone(&out);
        let probe = worker.dataflow::<Epoch, _, _>(|scope| {
            let orders = scope.input_from(&mut input).as_collection();
            let (views, kept) = build_on_kept(orders, &Windows::default());
            inputs = Some(kept);
            deliver(views, move |epoch, changes| {
                let mut out = out.lock().expect("no panic");
                // The epoch of the kept rows is 5. Those of orders come after it.
                for at in usize::from(epoch > 5)..2 {
                    for change in &changes {
                        let before = match change.after {
                            Some(after) => out[at].insert(change.key.clone(), after),
                            None => out[at].remove(&change.key),
                        };
                        assert_eq!(before, change.before, "a change starts from the row that is there");
                    }
                }
            })
        });
        let (index, peers) = (worker.index(), worker.peers());
        let mine = |place: usize| place % peers == index;
        input.advance_to(5);
        for (_, (key, totals)) in kept.clone().into_iter().enumerate().filter(|(place, _)| mine(*place)) {
            inputs.iter_mut().for_each(|inputs| inputs.send(5, &key, totals));
        }
        inputs.into_iter().for_each(KeptInputs::close);
        for (place, (order, times)) in orders.iter().enumerate().filter(|(place, _)| mine(*place)) {
            let epoch = 6 + place as Epoch / 10;
            input.advance_to(epoch);
            input.send_batch(&mut Rc::new(vec![(order.clone(), epoch, *times)]));
            worker.step();
        }
        input.close();
        worker.step_while(|| !probe.done());
    });
    guards.expect("workers start").join().into_iter().for_each(|worker| worker.expect("it runs to its end"));
    Arc::into_inner(found).expect("all workers ended").into_inner().expect("no panic")
}

fn order() -> impl Strategy<Value = Order> {
    let user = prop_oneof![
        (0..9_u8).prop_map(|user| format!("u{user}")),
        Just("a user whose name is long".to_owned())
    ];
    (user, -100_000..100_000_i64, -500..500_i64).prop_map(|(user, at_ms, cents)| Order {
        user_id: Id::new(&user),
        at_ms,
        price: Amount::from_decimal(cents, 2).expect("a price in cents"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn results_go_on_from_kept_totals(
        before in prop::collection::vec(order(), 0..60),
        after in prop::collection::vec(order(), 0..60),
        gone in any::<prop::sample::Index>(),
        workers in 1..5_usize,
    ) {
        let mut reference = PlainRows::new(&Windows::default());
        before.iter().for_each(|order| reference.update(order, 1));
        let kept = rows(&reference);
        // Some of the earlier orders are retracted, too. They are part of the totals, and nothing
        // else is left of them.
        let retracted = before.iter().take(gone.index(before.len() + 1)).map(|order| (order.clone(), -1));
        let log: Vec<_> = after.into_iter().map(|order| (order, 1)).chain(retracted).collect();
        log.iter().for_each(|(order, times)| reference.update(order, *times));
        let [start, end] = run(&kept, &log, workers);
        prop_assert_eq!(start, kept);
        prop_assert_eq!(end, rows(&reference));
    }
}
