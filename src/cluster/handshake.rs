//! The handshake on a new connection: each end says who it is and proves that it knows the key, and
//! both check that they mean the same run.
//!
//! ```text
//!   dialer (index i)                         acceptor (index j < i)
//!   Hello { claims, nonce }       ───────►
//!                                 ◄───────   Hello { claims, nonce }
//!   Proof(dialer, both hellos)    ───────►   verified, else Refusal
//!                       verified  ◄───────   Proof(acceptor, both hellos)
//!   both compare the claims; on a control connection then:
//!   RunFacts { facts }            ───────►
//!                                 ◄───────   RunFacts { facts }
//!   both compare the facts
//! ```
//!
//! A proof is HMAC-SHA-256 under the cluster key over the role of the sender and both hellos,
//! exactly as they were sent. So no claim can be changed, and no proof can be replayed or
//! reflected.
//!
//! **Invariant:** a peer that has not proved the key cannot end the run. It is a
//! [`Failed::Stranger`] and is dropped; at most it is remembered as the likely reason when the
//! deadline passes. A peer that has proved the key and differs ends the run.
//!
//! Deliberately absent: encryption, and authentication of what follows the handshake. The network
//! between the hosts of a run is trusted with the orders; the key only keeps out processes that do
//! not belong to the run.

use std::collections::HashMap;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::frame::{self, Body, Fact, FrameError, Hello, Proof, Purpose, Refusal, RunFacts};
use super::frame::{FRAME_BYTES_MAX, MAGIC, PREFIX_BYTES, PROTOCOL, RUN_FACTS_BYTES_MAX};

/// The most characters of a peer's text that are printed.
const SHOWN_CHARS_MAX: usize = 400;
const NONCE_BYTES: usize = 32;
const INSTANCE_BYTES: usize = 16;

/// What this process claims to be, and the key with which it proves that.
pub(super) struct Identity {
    pub(super) key: Vec<u8>,
    pub(super) version: String,
    pub(super) cluster_id: String,
    pub(super) instance: Vec<u8>,
    pub(super) index: usize,
    pub(super) processes: usize,
    pub(super) workers: usize,
    pub(super) facts: Vec<Fact>,
    /// Why this process cannot begin; empty if it can.
    pub(super) problem: String,
    pub(super) addresses: Vec<String>,
}

/// A peer that has proved the key and means the same run.
#[derive(Debug)]
pub(super) struct Met {
    pub(super) index: usize,
    pub(super) instance: Vec<u8>,
    pub(super) purpose: Purpose,
}

/// Why two processes cannot run together, in two wordings.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Disagreement {
    /// The sentence for this process, which it may call "this one".
    pub(super) here: String,
    /// The sentence for all other processes.
    pub(super) elsewhere: String,
}

impl Disagreement {
    /// Creates a disagreement with one sentence that is true on every process.
    pub(super) fn plain(sentence: String) -> Disagreement {
        Disagreement { here: sentence.clone(), elsewhere: sentence }
    }
}

/// Why a handshake failed.
#[derive(Debug)]
pub(super) enum Failed {
    /// The other end did not prove the key. `index` is the process that it should be, or claims to
    /// be.
    Stranger { index: Option<usize>, problem: Option<String> },
    /// The other end proved that it is process `index`, but its run differs from that of this
    /// process.
    Differs { index: usize, disagreement: Disagreement },
}

/// The side of a connection. It is part of each proof.
#[derive(Clone, Copy)]
enum Role {
    Dialer,
    Acceptor,
}

impl Identity {
    /// Returns the name of process `index` for sentences: with its address, if that is known.
    pub(super) fn name_of(&self, index: usize) -> String {
        match self.addresses.get(index) {
            Some(address) => format!("process {index} at {address}"),
            None => format!("process {index}"),
        }
    }

    fn other_key(&self, index: usize) -> Failed {
        let name = self.name_of(index);
        let problem =
            format!("{name} has another cluster key: give every process the same --cluster-key-file");
        Failed::stranger(index, problem)
    }

    fn foreign(&self, index: usize) -> Failed {
        let address = self.addresses.get(index).map_or("", String::as_str);
        let problem = format!("what listens at {address}, for process {index}, is not an orderflow process");
        Failed::stranger(index, problem)
    }

    fn hello(&self, to: usize, purpose: Purpose) -> Result<Hello, getrandom::Error> {
        Ok(Hello {
            magic: MAGIC,
            protocol: PROTOCOL,
            version: self.version.clone(),
            cluster_id: self.cluster_id.clone(),
            instance: self.instance.clone(),
            index: self.index as u64,
            to: to as u64,
            processes: self.processes as u64,
            workers: self.workers as u64,
            purpose: purpose as i32,
            nonce: random(NONCE_BYTES)?,
        })
    }

    fn mac(&self, role: Role, dialer: &[u8], acceptor: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(b"orderflow cluster proof\0");
        mac.update(&[role as u8]);
        for hello in [dialer, acceptor] {
            mac.update(&(hello.len() as u64).to_be_bytes());
            mac.update(hello);
        }
        mac
    }

    /// Returns the first thing in which the two ends of a connection differ; `None` if they agree.
    /// Both ends find the same.
    fn compare(&self, mine: &Hello, theirs: &Hello) -> Option<Disagreement> {
        let (me, them) = (mine.index, theirs.index);
        let shown = |text: &str| frame::printable(text, SHOWN_CHARS_MAX);
        let differ = |what: &str, a: String, b: String| {
            let sentence = |me: &str| format!("process {them} runs with {what} {a}, {me} with {what} {b}");
            Some(Disagreement { here: sentence("this one"), elsewhere: sentence(&format!("process {me}")) })
        };
        let same = |sentence: String| Some(Disagreement::plain(sentence));
        if theirs.instance == mine.instance {
            let meant = if mine.to == me { theirs.to } else { mine.to };
            let address = self.addresses.get(meant as usize).map_or("", String::as_str);
            return same(format!("the address {address} of process {meant} leads back to process {me}"));
        }
        if theirs.version != mine.version {
            return differ("orderflow", shown(&theirs.version), shown(&mine.version));
        }
        if theirs.protocol != mine.protocol {
            return differ("cluster protocol", theirs.protocol.to_string(), mine.protocol.to_string());
        }
        if theirs.cluster_id != mine.cluster_id {
            return differ("cluster id", shown(&theirs.cluster_id), shown(&mine.cluster_id));
        }
        if theirs.processes != mine.processes {
            return differ("-n", theirs.processes.to_string(), mine.processes.to_string());
        }
        if theirs.workers != mine.workers {
            return differ("-w", theirs.workers.to_string(), mine.workers.to_string());
        }
        if them == me {
            return same(format!("two processes are started with -p {me}"));
        }
        if theirs.to != me || mine.to != them {
            let (reached, meant) = if theirs.to == me { (them, mine.to) } else { (me, theirs.to) };
            return same(format!(
                "the address of process {meant} leads to process {reached}: is the hosts file the same everywhere?"
            ));
        }
        None
    }

    /// Returns the first thing in which process `index` differs: a fact with two values; that it, or
    /// this process, cannot begin, which another value may be the cause of; a fact that only one of
    /// the two has; or the order of facts. `None` if there is no such thing. Names of facts are
    /// unique.
    fn compare_facts(&self, index: usize, theirs: &RunFacts) -> Option<Disagreement> {
        let shown = |text: &str| frame::printable(text, SHOWN_CHARS_MAX);
        let problems = [(index, &theirs.problem), (self.index, &self.problem)];
        let (mine, theirs) = (&self.facts, &theirs.facts);
        let differ = |sentence: &dyn Fn(&str) -> String| {
            let elsewhere = sentence(&format!("process {}", self.index));
            Some(Disagreement { here: sentence("this one"), elsewhere })
        };
        let by_name = |facts: &[Fact]| -> HashMap<String, String> {
            facts.iter().map(|fact| (fact.name.clone(), fact.value.clone())).collect()
        };
        let (my_values, their_values) = (by_name(mine), by_name(theirs));
        let differs = |fact: &&Fact| their_values.get(&fact.name).is_some_and(|value| *value != fact.value);
        if let Some(fact) = mine.iter().find(differs) {
            let (name, a, b) = (shown(&fact.name), shown(&their_values[&fact.name]), shown(&fact.value));
            return differ(&|me| format!("process {index} has {name} {a}, {me} has {b}"));
        }
        if let Some((process, problem)) = problems.into_iter().find(|(_, problem)| !problem.is_empty()) {
            return Some(Disagreement::plain(cannot_begin(process, &shown(problem))));
        }
        if let Some(fact) = mine.iter().find(|fact| !their_values.contains_key(&fact.name)) {
            let name = shown(&fact.name);
            return differ(&|me| format!("process {index} has no {name}, {me} has"));
        }
        if let Some(fact) = theirs.iter().find(|fact| !my_values.contains_key(&fact.name)) {
            let name = shown(&fact.name);
            return differ(&|me| format!("process {index} has {name}, {me} has not"));
        }
        let (fact, _) = mine.iter().zip(theirs).find(|(mine, their)| mine != their)?;
        let name = shown(&fact.name);
        differ(&|me| format!("process {index} has {name} in another order than {me}"))
    }

    fn facts_frame(&self) -> Body {
        Body::RunFacts(RunFacts { facts: self.facts.clone(), problem: self.problem.clone() })
    }
}

/// Returns the sentence that a process cannot begin.
pub(super) fn cannot_begin(process: usize, problem: &str) -> String {
    format!("process {process} cannot begin: {problem}")
}

/// Returns this many random bytes that nobody can guess.
fn random(bytes: usize) -> Result<Vec<u8>, getrandom::Error> {
    let mut drawn = vec![0; bytes];
    getrandom::fill(&mut drawn)?;
    Ok(drawn)
}

/// Returns random bytes that tell this started process from every other.
pub(super) fn new_instance() -> Result<Vec<u8>, getrandom::Error> {
    random(INSTANCE_BYTES)
}

impl Failed {
    /// Returns the failure of a handshake with a peer that said too little to be identified.
    fn nobody() -> Failed {
        Failed::Stranger { index: None, problem: None }
    }

    /// Returns the failure of a handshake in which process `index` was expected, but nothing useful
    /// came.
    fn silent(index: usize) -> Failed {
        Failed::Stranger { index: Some(index), problem: None }
    }

    fn stranger(index: usize, problem: String) -> Failed {
        Failed::Stranger { index: Some(index), problem: Some(problem) }
    }
}

/// Runs the handshake as the dialer, which speaks first, with process `to`.
pub(super) async fn dial(
    stream: &mut TcpStream,
    identity: &Identity,
    to: usize,
    purpose: Purpose,
) -> Result<Met, Failed> {
    let unheard = |_| Failed::silent(to);
    let unread = |error| match error {
        FrameError::Closed => Failed::silent(to),
        FrameError::Garbled => identity.foreign(to),
    };
    let mine = identity.hello(to, purpose).map_err(|_| Failed::nobody())?;
    let dialer = frame::encode(Body::Hello(mine.clone()));
    stream.write_all(&dialer).await.map_err(unheard)?;
    let dialer = &dialer[PREFIX_BYTES..];
    let acceptor = frame::read_bytes(stream, FRAME_BYTES_MAX).await.map_err(unread)?;
    let theirs = hello(&acceptor).ok_or_else(|| identity.foreign(to))?;

    let mac = identity.mac(Role::Dialer, dialer, &acceptor).finalize().into_bytes().to_vec();
    frame::write(stream, Body::Proof(Proof { mac })).await.map_err(unheard)?;
    match frame::read(stream, FRAME_BYTES_MAX).await.map_err(unread)? {
        Body::Proof(proof) => {
            let mac = identity.mac(Role::Acceptor, dialer, &acceptor);
            mac.verify_slice(&proof.mac).map_err(|_| identity.other_key(to))?;
        }
        // A peer that refuses here has not proved the key, so its own words are not repeated.
        Body::Refusal(_) => return Err(identity.other_key(to)),
        _ => return Err(identity.foreign(to)),
    }
    agree(stream, identity, &mine, &theirs, Role::Dialer).await
}

/// Runs the handshake as the acceptor, with whoever has connected.
pub(super) async fn answer(stream: &mut TcpStream, identity: &Identity) -> Result<Met, Failed> {
    let dialer = frame::read_bytes(stream, FRAME_BYTES_MAX).await.map_err(|_| Failed::nobody())?;
    let theirs = hello(&dialer).ok_or_else(Failed::nobody)?;
    let claimed = usize::try_from(theirs.index).map_err(|_| Failed::nobody())?;
    let purpose = Purpose::try_from(theirs.purpose).map_err(|_| Failed::nobody())?;
    let mine = identity.hello(claimed, purpose).map_err(|_| Failed::nobody())?;
    let acceptor = frame::encode(Body::Hello(mine.clone()));
    stream.write_all(&acceptor).await.map_err(|_| Failed::silent(claimed))?;
    let acceptor = &acceptor[PREFIX_BYTES..];

    let Ok(Body::Proof(proof)) = frame::read(stream, FRAME_BYTES_MAX).await else {
        return Err(Failed::silent(claimed));
    };
    if identity.mac(Role::Dialer, &dialer, acceptor).verify_slice(&proof.mac).is_err() {
        refuse(stream, "another cluster key").await;
        return Err(identity.other_key(claimed));
    }
    let mac = identity.mac(Role::Acceptor, &dialer, acceptor).finalize().into_bytes().to_vec();
    frame::write(stream, Body::Proof(Proof { mac })).await.map_err(|_| Failed::silent(claimed))?;
    agree(stream, identity, &mine, &theirs, Role::Acceptor).await
}

/// Compares claims and facts, once both ends have proved the key.
async fn agree(
    stream: &mut TcpStream,
    identity: &Identity,
    mine: &Hello,
    theirs: &Hello,
    role: Role,
) -> Result<Met, Failed> {
    let index = theirs.index as usize;
    let differs = async |stream: &mut TcpStream, disagreement: Disagreement| {
        refuse(stream, &disagreement.elsewhere).await;
        Err(Failed::Differs { index, disagreement })
    };
    if let Some(disagreement) = identity.compare(mine, theirs) {
        return differs(stream, disagreement).await;
    }
    let in_order = match role {
        Role::Dialer => index < identity.index,
        Role::Acceptor => index > identity.index && index < identity.processes,
    };
    if !in_order || theirs.purpose != mine.purpose {
        return Err(Failed::nobody());
    }
    if mine.purpose() == Purpose::Control {
        let unheard = |_| Failed::silent(index);
        if matches!(role, Role::Dialer) {
            frame::write(stream, identity.facts_frame()).await.map_err(unheard)?;
        }
        let facts = match frame::read(stream, RUN_FACTS_BYTES_MAX).await {
            Ok(Body::RunFacts(run_facts)) => run_facts,
            Ok(Body::Refusal(refusal)) => {
                let reason = frame::printable(&refusal.reason, SHOWN_CHARS_MAX);
                return Err(Failed::Differs { index, disagreement: Disagreement::plain(reason) });
            }
            _ => return Err(Failed::silent(index)),
        };
        if matches!(role, Role::Acceptor) {
            frame::write(stream, identity.facts_frame()).await.map_err(unheard)?;
        }
        if let Some(disagreement) = identity.compare_facts(index, &facts) {
            return differs(stream, disagreement).await;
        }
    }
    Ok(Met { index, instance: theirs.instance.clone(), purpose: mine.purpose() })
}

/// Sends the reason and closes the connection. A peer that cannot be told finds out by itself.
async fn refuse(stream: &mut TcpStream, reason: &str) {
    let refusal = Refusal { reason: reason.to_owned() };
    if frame::write(stream, Body::Refusal(refusal)).await.is_ok() {
        frame::drain(stream).await;
    }
}

/// Returns the hello in the bytes of a frame; `None` if the frame does not come from a process of
/// an orderflow cluster.
fn hello(bytes: &[u8]) -> Option<Hello> {
    match frame::decode(bytes) {
        Ok(Body::Hello(hello)) if hello.magic == MAGIC && hello.nonce.len() == NONCE_BYTES => Some(hello),
        _ => None,
    }
}
