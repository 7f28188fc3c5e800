//! Runs the control thread during the run. It knows which processes are alive, which want to stop
//! and which are done, and it ends the run.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::control::{Event, Shared};
use super::frame::{self, Body, Goodbye, Mark, Refusal};
use super::meet::{Coordinator, REASON_CHARS_MAX, seconds};

/// The time in which a peer may give a better reason than that a data connection broke.
const GRACE: Duration = Duration::from_secs(1);
/// The exit code after a second SIGINT or SIGTERM.
const EXIT_INTERRUPTED: i32 = 130;

/// How a run is over, as this process sees it.
enum End {
    /// All processes are done.
    Finished,
    /// A peer is lost or has failed, or a worker of this process panicked. This process ends with
    /// the sentence.
    Failed(String),
    /// This process has failed by itself. The thread that said so ends the process.
    FailedHere(String),
    /// A second signal came. This process ends at once.
    Interrupted,
    /// No thread of this process holds a [`Control`](super::Control) any more.
    Abandoned,
}

impl Coordinator {
    /// Watches over the run until it is over, and then does what its end requires.
    pub(super) async fn watch(mut self) {
        let end = loop {
            // `shared` holds a sender, so there is always a next event.
            let Some(event) = self.events.recv().await else { break End::Abandoned };
            if let Some(end) = self.weigh(event) {
                break end;
            }
        };
        match end {
            End::Finished => self.close_all(None).await,
            End::FailedHere(failed) => self.close_all(Some(Body::Goodbye(Goodbye { failed }))).await,
            End::Failed(reason) => {
                self.close_all(Some(Body::Refusal(Refusal { reason: reason.clone() }))).await;
                self.shared.fail(&reason);
            }
            End::Interrupted => {
                let reason = format!("process {} was interrupted", self.identity.index);
                self.close_all(Some(Body::Refusal(Refusal { reason }))).await;
                self.shared.clean_up();
                std::process::exit(EXIT_INTERRUPTED);
            }
            End::Abandoned => {}
        }
    }

    /// Handles an event. Returns how the run ends if the event ends it.
    fn weigh(&mut self, event: Event) -> Option<End> {
        match event {
            Event::Said(peer, body) => return self.weigh_words(peer, body),
            Event::Closed(peer) if !self.shared.is_done(peer) => {
                let name = self.identity.name_of(peer);
                return Some(End::Failed(format!("{name} ended before the run did")));
            }
            Event::Silent(peer) if !self.shared.is_done(peer) => {
                let (name, silence) = (self.identity.name_of(peer), seconds(self.shared.silence_max));
                return Some(End::Failed(format!("{name} has been silent for {silence}")));
            }
            Event::DataLost { peer, cause } => {
                let name = self.identity.name_of(peer);
                self.suspect(format!("lost the data connection to {name}: {cause}"));
            }
            Event::WorkerPanicked => {
                // The panic message is on standard error already. timely's queues break next, so
                // there is no time to lose.
                return Some(End::Failed(format!("a worker of process {} panicked", self.identity.index)));
            }
            Event::Suspected(sentence) => return Some(End::Failed(sentence)),
            Event::Signal if self.signalled => return Some(End::Interrupted),
            Event::Signal => {
                self.signalled = true;
                self.shared.set_stop();
                self.say_to_all(&Body::Stop(Mark {}));
            }
            Event::Stop => self.say_to_all(&Body::Stop(Mark {})),
            Event::Finish(Ok(())) => {
                self.finished = true;
                // The last progress is sent before the goodbye, so that sums over all processes are
                // exact after it.
                self.say_to_all(&Body::Heartbeat(self.shared.own_progress().into()));
                self.say_to_all(&Body::Goodbye(Goodbye::default()));
                return self.if_all_done();
            }
            Event::Finish(Err(reason)) => {
                return Some(End::FailedHere(frame::printable(&reason, REASON_CHARS_MAX)));
            }
            Event::Abandoned => return Some(End::Abandoned),
            _ => {}
        }
        None
    }

    fn weigh_words(&mut self, peer: usize, body: Body) -> Option<End> {
        match body {
            Body::Stop(_) => {
                self.shared.set_stop();
                None
            }
            Body::Goodbye(Goodbye { failed }) if failed.is_empty() => {
                self.shared.set_done(peer);
                self.if_all_done()
            }
            Body::Goodbye(Goodbye { failed }) => Some(End::Failed(format!(
                "process {peer} failed: {}",
                frame::printable(&failed, REASON_CHARS_MAX)
            ))),
            Body::Refusal(Refusal { reason }) => {
                Some(End::Failed(frame::printable(&reason, REASON_CHARS_MAX)))
            }
            _ => None,
        }
    }

    fn if_all_done(&self) -> Option<End> {
        (self.finished && self.shared.all_done()).then_some(End::Finished)
    }

    /// Ends the run with this sentence, unless a peer gives a better reason within [`GRACE`].
    fn suspect(&self, sentence: String) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            sleep(GRACE).await;
            shared.tell(Event::Suspected(sentence));
        });
    }

    fn say_to_all(&self, body: &Body) {
        for link in self.peers.iter().filter_map(|peer| peer.link.as_ref()) {
            link.say(body.clone());
        }
    }

    /// Sends a last frame (if any) to all peers and closes the control connections.
    async fn close_all(&mut self, last: Option<Body>) {
        let mut closing = JoinSet::new();
        for link in self.peers.iter_mut().filter_map(|peer| peer.link.take()) {
            if let Some(body) = &last {
                link.say(body.clone());
            }
            closing.spawn(link.close());
        }
        closing.join_all().await;
    }
}

/// Turns signals into events from now on. The value of `heard` is the number of signals so far. The
/// end of `stop_time_max` after the first signal counts as one more.
pub(super) fn handle_signals(
    shared: &Arc<Shared>,
    mut heard: watch::Receiver<u64>,
    stop_time_max: Option<Duration>,
) {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let mut told = *heard.borrow_and_update();
        while heard.changed().await.is_ok() {
            let count = *heard.borrow_and_update();
            (told..count).for_each(|_| shared.tell(Event::Signal));
            told = count;
            if let Some(time) = stop_time_max {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    sleep(time).await;
                    shared.tell(Event::Signal);
                });
            }
        }
    });
}
