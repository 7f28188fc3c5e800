//! The inputs for totals that the views start from.

use dataflows::key::Partial;
use dataflows::{Epoch, Id, Kept, Partials, RowKey, Totals, Window};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::Input;
use timely::dataflow::{InputHandle, Scope};

type KeptInput<K> = InputHandle<Epoch, CapacityContainerBuilder<Partials<K>>>;

/// One worker's inputs for the totals of a checkpoint, one input per view.
#[derive(Default)]
pub(super) struct KeptInputs {
    users: KeptInput<Id>,
    total: KeptInput<()>,
    windows: KeptInput<Window>,
}

impl KeptInputs {
    /// Returns the streams of these inputs, for the graph that is being built in `scope`.
    pub(super) fn streams<'scope>(&mut self, scope: Scope<'scope, Epoch>) -> Kept<'scope> {
        Kept {
            users: scope.input_from(&mut self.users),
            total: scope.input_from(&mut self.total),
            windows: scope.input_from(&mut self.windows),
        }
    }

    /// Sends totals, which hold from `epoch` on. That must be the epoch that the inputs are at.
    pub(super) fn send(&mut self, epoch: Epoch, totals: Vec<(RowKey, Totals)>) {
        for (key, totals) in totals {
            match key {
                RowKey::User(key) => self.users.send(Partial { key, epoch, totals }),
                RowKey::Total => self.total.send(Partial { key: (), epoch, totals }),
                RowKey::Window(key) => self.windows.send(Partial { key, epoch, totals }),
            }
        }
    }

    /// Promises that no totals of epochs before `epoch` follow.
    pub(super) fn advance_to(&mut self, epoch: Epoch) {
        self.users.advance_to(epoch);
        self.total.advance_to(epoch);
        self.windows.advance_to(epoch);
    }
}
