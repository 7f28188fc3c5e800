//! Shares out the places for connections over all listeners of a program, and says whose
//! connection goes when they run out.
//!
//! ```text
//!  a place is free                  the new connection takes it
//!  none is                          of those that have shown least, the oldest goes
//!  all belong to callers we know    the new connection is refused
//! ```
//!
//! Least is nothing, as strangers have, then a request that anybody may make. So strangers can only
//! push out each other, and readers whom nothing had to let in. A caller who has shown a secret
//! keeps its connection.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// The longest time that a new connection waits for the place of one that was told to go. That one
/// ends as soon as its task is run, so more than this means that nothing runs any more.
const HANDOVER_TIME_MAX: Duration = Duration::from_secs(5);

/// What a caller has shown of itself, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shown {
    /// Nothing.
    Nothing,
    /// A request that anybody may make, and that was answered.
    Request,
    /// A request that only holders of a secret can make.
    Secret,
}

/// The places for connections that all listeners of a program share. It is cheap to clone.
#[derive(Clone, Debug)]
pub struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    places_max: usize,
    state: Mutex<State>,
    /// Tells those that wait for a place that one has become free.
    freed: Notify,
}

/// A connection's number. Numbers go up, so that a lower one is older.
type Number = u64;

#[derive(Debug, Default)]
struct State {
    next: Number,
    /// The connections that have a place and were not told to go, in the order in which they would.
    seated: BTreeMap<(Shown, Number), Seat>,
    listeners: Vec<Entry>,
}

#[derive(Debug)]
struct Seat {
    listener: usize,
    /// Tells the connection to go.
    go: Arc<Notify>,
}

#[derive(Debug)]
struct Entry {
    connections_max: usize,
    load: ListenerLoad,
}

/// What became of the connections of one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerLoad {
    /// The name of the listener.
    pub listener: &'static str,
    /// The connections that are open now.
    pub open: usize,
    /// The connections that got a place since the start.
    pub taken: u64,
    /// The connections that got none since the start.
    pub refused: u64,
    /// The connections that had to leave their place to another since the start.
    pub dropped: u64,
}

impl Places {
    /// Creates places for at most this many connections at a time.
    pub fn new(places_max: usize) -> Places {
        Places(Arc::new(Shared { places_max, state: Mutex::default(), freed: Notify::new() }))
    }

    /// Returns the number of all places.
    pub fn places_max(&self) -> usize {
        self.0.places_max
    }

    /// Returns what became of the connections so far, by listener.
    pub fn loads(&self) -> Vec<ListenerLoad> {
        self.0.state().listeners.iter().map(|entry| entry.load.clone()).collect()
    }

    /// Adds a listener that takes at most `connections_max` of the places at a time.
    pub(crate) fn listener(&self, listener: &'static str, connections_max: usize) -> ListenerPlaces {
        let mut state = self.0.state();
        let load = ListenerLoad { listener, open: 0, taken: 0, refused: 0, dropped: 0 };
        state.listeners.push(Entry { connections_max, load });
        ListenerPlaces { shared: self.0.clone(), listener: state.listeners.len() - 1 }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The share of one listener in the places.
#[derive(Debug)]
pub(crate) struct ListenerPlaces {
    shared: Arc<Shared>,
    listener: usize,
}

impl ListenerPlaces {
    /// Returns a place for a new connection. If there is none, another connection is told to go,
    /// and this waits until it has gone. Returns `None` if nobody has to go.
    pub(crate) async fn take(&self) -> Option<Place> {
        let deadline = Instant::now() + HANDOVER_TIME_MAX;
        loop {
            let mut freed = pin!(self.shared.freed.notified());
            // From here on no place becomes free unnoticed.
            freed.as_mut().enable();
            let seating = self.shared.state().seat(self.listener, self.shared.places_max);
            match seating {
                Seating::Seated(number, go) => return Some(self.place(number, go)),
                Seating::SomebodyGoes => {}
                Seating::Full => return None,
            }
            if timeout_at(deadline, freed).await.is_err() {
                self.shared.state().count_refused(self.listener);
                return None;
            }
        }
    }
}

impl ListenerPlaces {
    fn place(&self, number: Number, go: Arc<Notify>) -> Place {
        let standing = Standing {
            shared: self.shared.clone(),
            number,
            is_known: Arc::default(),
            is_reader: Arc::default(),
        };
        Place { listener: self.listener, go, standing }
    }
}

/// The place of one connection, which is free again when this is dropped. The connection must be
/// closed before.
#[derive(Debug)]
pub(crate) struct Place {
    listener: usize,
    go: Arc<Notify>,
    standing: Standing,
}

impl Place {
    /// Waits until the connection has to go.
    pub(crate) async fn has_to_go(&self) {
        self.go.notified().await;
    }

    /// Returns the handle that tells what the caller has shown of itself.
    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Standing { shared, number, .. } = &self.standing;
        let mut state = shared.state();
        for shown in [Shown::Nothing, Shown::Request, Shown::Secret] {
            state.seated.remove(&(shown, *number));
        }
        if let Some(entry) = state.listeners.get_mut(self.listener) {
            entry.load.open = entry.load.open.saturating_sub(1);
        }
        drop(state);
        shared.freed.notify_waiters();
    }
}

/// A handle by which a server says what a connection's caller has shown of itself. It is cheap to
/// clone, and cheap to use on each request.
#[derive(Clone, Debug)]
pub struct Standing {
    shared: Arc<Shared>,
    number: Number,
    /// Whether the caller was said to be a reader, or known, already.
    is_reader: Arc<AtomicBool>,
    is_known: Arc<AtomicBool>,
}

impl Standing {
    /// Says that the caller made a request that anybody may make, and that was answered. Its
    /// connection goes only where no other is left that has shown nothing.
    pub fn is_reader(&self) {
        if !self.is_reader.swap(true, Ordering::Relaxed) {
            self.shared.state().shown(self.number, Shown::Request);
        }
    }

    /// Says that the caller made a request that only holders of a secret can make. Its connection
    /// is not dropped for another.
    pub fn is_known(&self) {
        if !self.is_known.swap(true, Ordering::Relaxed) {
            self.shared.state().shown(self.number, Shown::Secret);
        }
    }
}

/// What comes of the attempt to seat a new connection.
enum Seating {
    /// It has a place.
    Seated(Number, Arc<Notify>),
    /// It has none yet, but another connection was told to go.
    SomebodyGoes,
    /// It gets none.
    Full,
}

impl State {
    fn seat(&mut self, listener: usize, places_max: usize) -> Seating {
        let open: usize = self.listeners.iter().map(|entry| entry.load.open).sum();
        let Some(entry) = self.listeners.get_mut(listener) else { return Seating::Full };
        let is_full_here = entry.load.open >= entry.connections_max;
        if open < places_max && !is_full_here {
            entry.load.open += 1;
            entry.load.taken += 1;
            let (number, go) = (self.next, Arc::new(Notify::new()));
            self.next += 1;
            self.seated.insert((Shown::Nothing, number), Seat { listener, go: go.clone() });
            return Seating::Seated(number, go);
        }
        let goes = |((shown, _), seat): &(&(Shown, Number), &Seat)| {
            *shown < Shown::Secret && (!is_full_here || seat.listener == listener)
        };
        let leaver = self.seated.iter().find(goes).map(|(place, _)| *place);
        match leaver.and_then(|place| self.seated.remove(&place)) {
            Some(seat) => {
                if let Some(entry) = self.listeners.get_mut(seat.listener) {
                    entry.load.dropped += 1;
                }
                seat.go.notify_one();
                Seating::SomebodyGoes
            }
            None => {
                self.count_refused(listener);
                Seating::Full
            }
        }
    }

    fn count_refused(&mut self, listener: usize) {
        if let Some(entry) = self.listeners.get_mut(listener) {
            entry.load.refused += 1;
        }
    }

    /// Moves a connection behind those that have shown less. One that was told to go stays so.
    fn shown(&mut self, number: Number, now: Shown) {
        for before in [Shown::Nothing, Shown::Request] {
            if before < now
                && let Some(seat) = self.seated.remove(&(before, number))
            {
                self.seated.insert((now, number), seat);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What may happen to places.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// A connection comes to this listener.
        Comes(usize),
        /// One of those that are there shows this much.
        Shows(usize, Shown),
        /// One of those that are there goes by itself.
        Leaves(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let shown = prop_oneof![Just(Shown::Nothing), Just(Shown::Request), Just(Shown::Secret)];
        let step = prop_oneof![
            3 => (0..2_usize).prop_map(Step::Comes),
            2 => (any::<usize>(), shown).prop_map(|(which, shown)| Step::Shows(which, shown)),
            1 => any::<usize>().prop_map(Step::Leaves),
        ];
        prop::collection::vec(step, 0..60)
    }

    /// A connection as the model knows it: its number, its listener, what it has shown, its place.
    struct Known {
        number: Number,
        listener: usize,
        shown: Shown,
        place: Place,
    }

    proptest! {
        #[test]
        fn the_least_known_goes_and_nobody_more(
            places_max in 1..5_usize,
            limits in [1..5_usize, 1..5_usize],
            steps in steps(),
        ) {
            let places = Places::new(places_max);
            let listeners = limits.map(|limit| places.listener("listener", limit));
            let mut there: Vec<Known> = Vec::new();
            for step in steps {
                match step {
                    Step::Comes(listener) => {
                        let here = there.iter().filter(|known| known.listener == listener).count();
                        let is_full_here = here >= limits[listener];
                        let is_full = is_full_here || there.len() >= places_max;
                        let leaver = there
                            .iter()
                            .filter(|known| known.shown < Shown::Secret)
                            .filter(|known| !is_full_here || known.listener == listener)
                            .min_by_key(|known| (known.shown, known.number))
                            .map(|known| known.number);
                        let mut seating = places.0.state().seat(listener, places_max);
                        if let (true, Some(number)) = (is_full, leaver) {
                            prop_assert!(matches!(seating, Seating::SomebodyGoes));
                            // The one that was told is the one that should go.
                            let gone = |known: &Known| {
                                !places.0.state().seated.contains_key(&(known.shown, known.number))
                            };
                            let told: Vec<Number> =
                                there.iter().filter(|known| gone(known)).map(|known| known.number).collect();
                            prop_assert_eq!(told, vec![number]);
                            there.retain(|known| known.number != number);
                            seating = places.0.state().seat(listener, places_max);
                        }
                        match seating {
                            Seating::Seated(number, go) => {
                                prop_assert!(!is_full || leaver.is_some());
                                let place = listeners[listener].place(number, go);
                                there.push(Known { number, listener, shown: Shown::Nothing, place });
                            }
                            // Room elsewhere does not help where the listener itself is full.
                            Seating::SomebodyGoes => prop_assert!(false, "two had to go"),
                            Seating::Full => prop_assert!(is_full && leaver.is_none()),
                        }
                    }
                    Step::Shows(which, shown) if !there.is_empty() => {
                        let which = which % there.len();
                        let known = &mut there[which];
                        match shown {
                            Shown::Nothing => {}
                            Shown::Request => known.place.standing().is_reader(),
                            Shown::Secret => known.place.standing().is_known(),
                        }
                        known.shown = known.shown.max(shown);
                    }
                    Step::Leaves(which) if !there.is_empty() => {
                        there.swap_remove(which % there.len());
                    }
                    Step::Shows(..) | Step::Leaves(_) => {}
                }
                let open: usize = places.loads().iter().map(|load| load.open).sum();
                prop_assert_eq!(open, there.len());
                prop_assert!(open <= places_max);
            }
        }
    }
}
