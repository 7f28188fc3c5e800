//! A control connection after its handshake. One task writes, one task reads, and the reader
//! notices silence.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::control::{Event, Shared};
use super::frame::{self, Body, FRAME_BYTES_MAX, TELL_MAX};

/// The time between two heartbeats. It is shorter if `silence_max` is shorter than usual.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The number of heartbeats that fit into `silence_max`, so that some may be late or lost.
const HEARTBEATS_PER_SILENCE: u32 = 4;
/// The time to read what a peer sent while this process itself stood still.
const SECOND_LOOK: Duration = Duration::from_millis(100);

/// A control connection to one peer. If it is dropped, its writing half is closed once everything
/// is written.
pub(super) struct Link {
    outgoing: UnboundedSender<Body>,
    writer: JoinHandle<()>,
    reader: JoinHandle<()>,
}

impl Link {
    /// Takes over a connection whose handshake is done.
    pub(super) fn start(peer: usize, stream: TcpStream, shared: &Arc<Shared>) -> Link {
        let (read_half, write_half) = stream.into_split();
        let (outgoing, said) = unbounded_channel();
        let writer = tokio::spawn(write(write_half, said, Arc::clone(shared)));
        let reader = tokio::spawn(read(peer, read_half, Arc::clone(shared)));
        Link { outgoing, writer, reader }
    }

    /// Sends a frame. A frame that cannot be sent any more is dropped; the reading task finds out
    /// why.
    pub(super) fn say(&self, body: Body) {
        let _ = self.outgoing.send(body);
    }

    /// Writes what is left to send, closes this end, and waits until the peer has closed its own.
    ///
    /// If this process ended with unread bytes in the socket, the connection would be reset and the
    /// last frames lost. Takes at most 2 × [`TELL_MAX`].
    pub(super) async fn close(self) {
        drop(self.outgoing);
        let (mut writer, mut reader) = (self.writer, self.reader);
        if timeout(TELL_MAX, &mut writer).await.is_err() {
            writer.abort();
        }
        if timeout(TELL_MAX, &mut reader).await.is_err() {
            reader.abort();
        }
    }
}

async fn write(mut stream: OwnedWriteHalf, mut said: UnboundedReceiver<Body>, shared: Arc<Shared>) {
    let mut tick = interval(HEARTBEAT.min(shared.silence_max / HEARTBEATS_PER_SILENCE));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let body = tokio::select! {
            biased;
            body = said.recv() => match body {
                Some(body) => body,
                None => break,
            },
            _ = tick.tick() => Body::Heartbeat(shared.own_progress().into()),
        };
        if frame::write(&mut stream, body).await.is_err() {
            return;
        }
    }
    let _ = stream.shutdown().await;
}

async fn read(peer: usize, mut stream: OwnedReadHalf, shared: Arc<Shared>) {
    let end = loop {
        let mut next = pin!(frame::read(&mut stream, FRAME_BYTES_MAX));
        let mut heard = timeout(shared.silence_max, &mut next).await;
        if heard.is_err() {
            // If this process stood still, the frames of the peer have arrived and only have to be
            // read.
            heard = timeout(SECOND_LOOK, next).await;
        }
        match heard {
            Ok(Ok(Body::Heartbeat(beat))) => shared.set_progress(peer, beat.into()),
            Ok(Ok(body)) => shared.tell(Event::Said(peer, body)),
            Ok(Err(_)) => break Event::Closed(peer),
            Err(_) => break Event::Silent(peer),
        }
    };
    shared.tell(end);
}
