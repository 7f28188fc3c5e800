//! Lets the processes of a run find each other. Each process listens, and process `i` dials every
//! `j < i`, all before one deadline.
//!
//! Each pair of processes has two connections: first *control*, then *data*. Every accepted
//! connection has a task of its own with a timeout of its own, so strangers that are silent, slow
//! or many keep nobody waiting. When a process has all its connections, it says that it is ready.
//! No process starts before all are ready, so everything that can be refused is refused before any
//! work is done.
//!
//! A process that gives up tells all peers that it knows, and for a moment also those that connect
//! later. So all end with the same sentence instead of waiting for a process that is gone.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::control::{Event, Shared};
use super::dial::{HANDSHAKE_MAX, RETRY_MAX, dial};
use super::error::ClusterError;
use super::frame::{self, Body, Goodbye, Mark, Purpose, Refusal};
use super::handshake::{self, Disagreement, Failed, Identity, Met};
use super::link::Link;
use super::wire;

/// The most accepted connections whose handshake is not done. One more drops the oldest.
const PENDING_MAX: usize = 128;
/// How long a process that gives up waits for peers that do not know it yet.
const LINGER_MAX: Duration = Duration::from_secs(1);
/// How long peers have to say a better reason than "not ready".
const GRACE: Duration = Duration::from_secs(1);
/// The most characters of a peer's reason that are printed.
pub(super) const REASON_CHARS_MAX: usize = 1000;

/// The connections to one peer, as far as they are made.
#[derive(Default)]
pub(super) struct Peer {
    pub(super) link: Option<Link>,
    pub(super) data: Option<std::net::TcpStream>,
    instance: Vec<u8>,
    ready: bool,
    /// Whether the peer knows that this process gives up.
    told: bool,
    /// A sentence about what was last found in the place of this peer, if that explains its
    /// absence.
    problem: Option<String>,
}

/// The control thread's part of a run.
pub(super) struct Coordinator {
    pub(super) identity: Arc<Identity>,
    pub(super) shared: Arc<Shared>,
    pub(super) events: UnboundedReceiver<Event>,
    /// All peers by index. The entry of this process has no connections.
    pub(super) peers: Vec<Peer>,
    /// Whether a signal has come to this process.
    pub(super) signalled: bool,
    /// Whether this process has done its own part.
    pub(super) finished: bool,
}

/// Why a process gives up before the run.
enum Verdict {
    Refused(Disagreement),
    Unreached(String),
    Interrupted,
}

impl Coordinator {
    pub(super) fn new(
        identity: Identity,
        shared: Arc<Shared>,
        events: UnboundedReceiver<Event>,
    ) -> Coordinator {
        let peers = (0..identity.processes).map(|_| Peer::default()).collect();
        Coordinator { identity: Arc::new(identity), shared, events, peers, signalled: false, finished: false }
    }

    /// Connects to all peers. If that fails, returns the reason within `limit` and a few
    /// seconds more.
    pub(super) async fn meet(&mut self, limit: Duration) -> Result<(), ClusterError> {
        if self.peers.len() == 1 {
            return Ok(());
        }
        let deadline = Instant::now() + limit;
        let listener = self.listen(deadline).await?;
        // Dropping this set ends every attempt that still runs.
        let mut attempts = JoinSet::new();
        attempts.spawn(accept(listener, Arc::clone(&self.identity), self.shared.events(), limit));
        for index in 0..self.identity.index {
            attempts.spawn(dial(index, Arc::clone(&self.identity), self.shared.events(), limit));
        }
        let verdict = match timeout_at(deadline, self.gather()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(verdict)) => verdict,
            Err(_) => match self.missing(limit) {
                Some(sentence) => Verdict::Unreached(sentence),
                // All connections are made, but a peer is not ready. That peer knows why and will
                // say so.
                None => match timeout(GRACE, self.gather()).await {
                    Ok(Ok(())) => return Ok(()),
                    Ok(Err(verdict)) => verdict,
                    Err(_) => Verdict::Unreached(self.not_ready(limit)),
                },
            },
        };
        let index = self.identity.index;
        let (error, elsewhere, linger) = match verdict {
            Verdict::Refused(disagreement) => {
                (ClusterError::Refused(disagreement.here), disagreement.elsewhere, LINGER_MAX)
            }
            // A peer that did not come before the deadline will not come in a moment.
            Verdict::Unreached(sentence) => {
                (ClusterError::Unreached(sentence.clone()), sentence, Duration::ZERO)
            }
            Verdict::Interrupted => {
                (ClusterError::Interrupted, format!("process {index} was interrupted"), Duration::ZERO)
            }
        };
        self.give_up(elsewhere, linger).await;
        Err(error)
    }

    async fn listen(&self, deadline: Instant) -> Result<TcpListener, ClusterError> {
        let index = self.identity.index;
        let address = self.identity.addresses[index].as_str();
        let because = match timeout_at(deadline, TcpListener::bind(address)).await {
            Ok(Ok(listener)) => return Ok(listener),
            Ok(Err(error)) => match error.kind() {
                ErrorKind::AddrInUse => {
                    format!("address in use: is another process started with -p {index}?")
                }
                ErrorKind::AddrNotAvailable => {
                    format!("not an address of this machine: are -p {index} and the hosts file right?")
                }
                _ => error.to_string(),
            },
            Err(_) => "its name could not be resolved in time".to_owned(),
        };
        Err(ClusterError::Listen(format!("cannot listen on {address}: {because}")))
    }

    /// Handles events until all processes are ready. It may be dropped and called again.
    async fn gather(&mut self) -> Result<(), Verdict> {
        let me = self.identity.index;
        loop {
            let others = || self.peers.iter().enumerate().filter(|(i, _)| *i != me).map(|(_, peer)| peer);
            if !self.peers[me].ready && others().all(|peer| peer.link.is_some() && peer.data.is_some()) {
                others()
                    .filter_map(|peer| peer.link.as_ref())
                    .for_each(|link| link.say(Body::Ready(Mark {})));
                self.peers[me].ready = true;
            }
            if self.peers.iter().all(|peer| peer.ready) {
                return Ok(());
            }
            // `shared` holds a sender, so there is always a next event.
            let Some(event) = self.events.recv().await else { return Err(Verdict::Interrupted) };
            self.take(event)?;
        }
    }

    fn take(&mut self, event: Event) -> Result<(), Verdict> {
        match event {
            Event::Met(met, stream) => self.admit(met, stream),
            Event::Failed(Failed::Stranger { index: Some(index), problem: Some(problem) }) => {
                if let Some(peer) = self.peers.get_mut(index) {
                    peer.problem = Some(problem);
                }
                Ok(())
            }
            Event::Failed(Failed::Differs { index, disagreement }) => {
                if let Some(peer) = self.peers.get_mut(index) {
                    peer.told = true;
                }
                Err(Verdict::Refused(disagreement))
            }
            Event::Said(index, Body::Ready(_)) => {
                self.peers[index].ready = true;
                Ok(())
            }
            Event::Said(_, Body::Refusal(Refusal { reason })) => {
                Err(Verdict::Refused(Disagreement::plain(frame::printable(&reason, REASON_CHARS_MAX))))
            }
            Event::Said(_, Body::Stop(_)) | Event::Stop => {
                self.shared.set_stop();
                Ok(())
            }
            // A peer that was ready earlier may be done before this process knows all others.
            Event::Said(index, Body::Goodbye(Goodbye { failed })) if failed.is_empty() => {
                self.shared.set_done(index);
                Ok(())
            }
            Event::Said(index, Body::Goodbye(Goodbye { failed })) => {
                let reason = frame::printable(&failed, REASON_CHARS_MAX);
                Err(Verdict::Refused(Disagreement::plain(format!("process {index} failed: {reason}"))))
            }
            Event::Closed(index) | Event::Silent(index) if !self.shared.is_done(index) => {
                let name = self.identity.name_of(index);
                Err(Verdict::Refused(Disagreement::plain(format!("{name} ended before the run began"))))
            }
            Event::Signal => Err(Verdict::Interrupted),
            _ => Ok(()),
        }
    }

    /// Takes over a connection whose other end has proved itself. The same peer may come twice, if
    /// its first connection got lost on the way.
    fn admit(&mut self, met: Met, stream: TcpStream) -> Result<(), Verdict> {
        let index = met.index;
        let twice = || {
            Err(Verdict::Refused(Disagreement::plain(format!("two processes are started with -p {index}"))))
        };
        let known = self.peers[index].link.is_some();
        let same = self.peers[index].instance == met.instance;
        match met.purpose {
            Purpose::Control if known => {
                // The second process is told too, and then this one ends: it cannot know which of
                // the two is right.
                let link = Link::start(index, stream, &self.shared);
                link.say(Body::Refusal(Refusal {
                    reason: format!("two processes are started with -p {index}"),
                }));
                twice()
            }
            Purpose::Control => {
                let peer = &mut self.peers[index];
                peer.instance = met.instance;
                peer.link = Some(Link::start(index, stream, &self.shared));
                Ok(())
            }
            Purpose::Data if known && same => {
                let plain = stream.into_std().and_then(|stream| {
                    stream.set_nonblocking(false)?;
                    Ok(stream)
                });
                // A connection that cannot be made blocking counts as missing.
                self.peers[index].data = plain.ok();
                Ok(())
            }
            Purpose::Data => twice(),
        }
    }

    /// Tells the reason to every peer that is connected, and for `linger` to every peer that
    /// connects later.
    async fn give_up(&mut self, reason: String, linger: Duration) {
        let refusal = || Body::Refusal(Refusal { reason: reason.clone() });
        let me = self.identity.index;
        self.peers[me].told = true;
        let mut closing = JoinSet::new();
        let mut tell = |link: Link| {
            link.say(refusal());
            closing.spawn(link.close());
        };
        for peer in self.peers.iter_mut() {
            if let Some(link) = peer.link.take() {
                peer.told = true;
                tell(link);
            }
        }
        let until = Instant::now() + linger;
        while self.peers.iter().any(|peer| !peer.told) {
            match timeout_at(until, self.events.recv()).await {
                Ok(Some(Event::Met(met, stream))) if met.purpose == Purpose::Control => {
                    self.peers[met.index].told = true;
                    tell(Link::start(met.index, stream, &self.shared));
                }
                Ok(Some(Event::Failed(Failed::Differs { index, .. }))) if index < self.peers.len() => {
                    self.peers[index].told = true;
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        closing.join_all().await;
    }

    /// Returns a sentence about the peers that are missing at the deadline, with the reason if it
    /// is known; `None` if all are connected.
    fn missing(&self, limit: Duration) -> Option<String> {
        let absent = |(_, peer): &(usize, &Peer)| peer.link.is_none() || peer.data.is_none();
        let others = self.peers.iter().enumerate().filter(|(i, _)| *i != self.identity.index);
        let missing: Vec<(usize, &Peer)> = others.filter(absent).collect();
        if let Some(problem) = missing.iter().find_map(|(_, peer)| peer.problem.clone()) {
            return Some(problem);
        }
        let names: Vec<String> = missing.iter().map(|(i, _)| self.identity.name_of(*i)).collect();
        let question = match names.len() {
            0 => return None,
            1 => "is it started?",
            _ => "are they started?",
        };
        let names = names.join(" and ");
        Some(format!("{names} did not answer within {}: {question}", seconds(limit)))
    }

    fn not_ready(&self, limit: Duration) -> String {
        let late = self.peers.iter().position(|peer| !peer.ready).unwrap_or(0);
        format!("{} was not ready within {}", self.identity.name_of(late), seconds(limit))
    }
}

/// Returns a duration as people read it, such as `10 s` or `300 ms`.
pub(super) fn seconds(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{} s", time.as_secs()),
        _ => format!("{} ms", time.as_millis()),
    }
}

/// Answers all that connect, until the future is dropped.
async fn accept(
    listener: TcpListener,
    identity: Arc<Identity>,
    events: UnboundedSender<Event>,
    limit: Duration,
) {
    let mut answers = JoinSet::new();
    let mut pending: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            // Most likely no file descriptor is free. Some become free as handshakes end.
            sleep(RETRY_MAX).await;
            continue;
        };
        while answers.try_join_next().is_some() {}
        pending.retain(|answer| !answer.is_finished());
        if pending.len() >= PENDING_MAX
            && let Some(oldest) = pending.pop_front()
        {
            oldest.abort();
        }
        let (identity, events) = (Arc::clone(&identity), events.clone());
        pending.push_back(answers.spawn(async move {
            let answer = async {
                wire::tune(SockRef::from(&stream))
                    .map_err(|_| Failed::Stranger { index: None, problem: None })?;
                handshake::answer(&mut stream, &identity).await
            };
            // A stranger that is silent is dropped here.
            let Ok(outcome) = timeout(HANDSHAKE_MAX.min(limit), answer).await else { return };
            let _ = events.send(match outcome {
                Ok(met) => Event::Met(met, stream),
                Err(failed) => Event::Failed(failed),
            });
        }));
    }
}
