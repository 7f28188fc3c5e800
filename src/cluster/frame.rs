//! Frames are the messages on control connections, and on data connections until timely takes those
//! over.
//!
//! A frame is a length (`u32`, big-endian), followed by that many bytes of one protobuf `Envelope`.
//! The length is checked against a limit before any byte of the body is read. Memory is taken as
//! bytes arrive, never by what the length claims.
//!
//! `Hello`, `Proof` and `Refusal` keep their layout in every version, so that two versions can
//! still tell each other that they differ.

use std::io;
use std::time::Duration;

use prost::Message;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The number of bytes of the length, which stands before the body of a frame.
pub(super) const PREFIX_BYTES: usize = 4;

/// The most bytes in the body of a frame other than [`RunFacts`].
pub(super) const FRAME_BYTES_MAX: usize = 64 << 10;

/// The most bytes in the body of a [`RunFacts`] frame, which is read only from a peer that has
/// proved the key.
pub(super) const RUN_FACTS_BYTES_MAX: usize = 1 << 20;

/// The longest time that a peer gets to read the last frames sent to it.
pub(super) const TELL_MAX: Duration = Duration::from_millis(500);

/// A number that says that a [`Hello`] comes from a process of an orderflow cluster.
pub(super) const MAGIC: u64 = u64::from_be_bytes(*b"ordrflow");

/// The version of this protocol. It is raised with every change that an older process would
/// misread.
pub(super) const PROTOCOL: u32 = 2;

/// What one end of a connection claims to be.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Hello {
    #[prost(fixed64, tag = "1")]
    pub(super) magic: u64,
    #[prost(uint32, tag = "2")]
    pub(super) protocol: u32,
    /// The version and commit of the program. Another build may build another graph.
    #[prost(string, tag = "3")]
    pub(super) version: String,
    #[prost(string, tag = "4")]
    pub(super) cluster_id: String,
    /// Random bytes, drawn once per started process. They tell apart two processes with the same
    /// index, and let a process recognise itself.
    #[prost(bytes = "vec", tag = "5")]
    pub(super) instance: Vec<u8>,
    #[prost(uint64, tag = "6")]
    pub(super) index: u64,
    /// The index of the process that this hello is for.
    #[prost(uint64, tag = "7")]
    pub(super) to: u64,
    #[prost(uint64, tag = "8")]
    pub(super) processes: u64,
    #[prost(uint64, tag = "9")]
    pub(super) workers: u64,
    #[prost(enumeration = "Purpose", tag = "10")]
    pub(super) purpose: i32,
    /// Random bytes, drawn once per connection. The proof of the other end must cover them.
    #[prost(bytes = "vec", tag = "11")]
    pub(super) nonce: Vec<u8>,
}

/// The purpose of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(super) enum Purpose {
    Control = 0,
    Data = 1,
}

/// A proof that the sender knows the key. It covers both hellos of this connection and the role of
/// the sender.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Proof {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) mac: Vec<u8>,
}

/// One fact on which all processes of a run must agree.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Fact {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

/// All facts on which the processes of a run must agree, in order.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RunFacts {
    #[prost(message, repeated, tag = "1")]
    pub(super) facts: Vec<Fact>,
    /// Why the sender cannot begin; empty if it can.
    #[prost(string, tag = "2")]
    pub(super) problem: String,
}

/// Why the sender ends the run: one sentence that is true on whichever process it is read.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Refusal {
    #[prost(string, tag = "1")]
    pub(super) reason: String,
}

/// The progress of the sender. That it arrives shows that the sender lives.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Heartbeat {
    #[prost(uint64, tag = "1")]
    pub(super) bytes: u64,
    #[prost(uint64, tag = "2")]
    pub(super) orders: u64,
    #[prost(uint64, tag = "3")]
    pub(super) rejected: u64,
}

/// The part of the sender in the run is over. `failed` is empty if all went well, else it is the
/// reason.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Goodbye {
    #[prost(string, tag = "1")]
    pub(super) failed: String,
}

/// A frame without content.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Mark {}

#[derive(Clone, PartialEq, Message)]
struct Envelope {
    #[prost(oneof = "Body", tags = "1, 2, 3, 4, 5, 6, 7, 8")]
    body: Option<Body>,
}

/// The content of a frame.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Body {
    #[prost(message, tag = "1")]
    Hello(Hello),
    #[prost(message, tag = "2")]
    Proof(Proof),
    #[prost(message, tag = "3")]
    Refusal(Refusal),
    #[prost(message, tag = "4")]
    RunFacts(RunFacts),
    /// All connections of the sender are made.
    #[prost(message, tag = "5")]
    Ready(Mark),
    #[prost(message, tag = "6")]
    Heartbeat(Heartbeat),
    /// A process was asked to stop the run early and cleanly.
    #[prost(message, tag = "7")]
    Stop(Mark),
    #[prost(message, tag = "8")]
    Goodbye(Goodbye),
}

/// Why no frame could be read.
#[derive(Debug)]
pub(super) enum FrameError {
    /// The other end closed the connection, or it broke.
    Closed,
    /// The bytes are not a valid frame, or the frame is longer than allowed here.
    Garbled,
}

impl From<io::Error> for FrameError {
    fn from(_: io::Error) -> FrameError {
        FrameError::Closed
    }
}

/// Returns the bytes of a frame with this body, including its length.
pub(super) fn encode(body: Body) -> Vec<u8> {
    let body = Envelope { body: Some(body) }.encode_to_vec();
    // Bodies are bounded where they are made. A longer one would be refused by every reader.
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(PREFIX_BYTES + body.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&body);
    frame
}

/// Returns the body of a frame from the bytes after its length.
pub(super) fn decode(bytes: &[u8]) -> Result<Body, FrameError> {
    let envelope = Envelope::decode(bytes).map_err(|_| FrameError::Garbled)?;
    envelope.body.ok_or(FrameError::Garbled)
}

/// Reads the bytes of one frame without its length.
///
/// Takes exactly the bytes of the frame from `stream`, so that timely can take over what follows.
pub(super) async fn read_bytes(
    stream: &mut (impl AsyncRead + Unpin),
    bytes_max: usize,
) -> Result<Vec<u8>, FrameError> {
    let mut prefix = [0; PREFIX_BYTES];
    stream.read_exact(&mut prefix).await?;
    let length = u32::from_be_bytes(prefix);
    if length as usize > bytes_max {
        return Err(FrameError::Garbled);
    }
    let mut bytes = Vec::new();
    stream.take(u64::from(length)).read_to_end(&mut bytes).await?;
    if bytes.len() < length as usize {
        return Err(FrameError::Closed);
    }
    Ok(bytes)
}

/// Reads one frame whose body has at most `bytes_max` bytes.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    bytes_max: usize,
) -> Result<Body, FrameError> {
    decode(&read_bytes(stream, bytes_max).await?)
}

/// Writes one frame.
pub(super) async fn write(stream: &mut (impl AsyncWrite + Unpin), body: Body) -> io::Result<()> {
    stream.write_all(&encode(body)).await
}

/// Closes this end of a connection that has no link, and waits until the peer closes its own, for
/// at most [`TELL_MAX`].
pub(super) async fn drain(stream: &mut TcpStream) {
    let _ = stream.shutdown().await;
    let mut scratch = [0; 1024];
    let until_closed = async { while stream.read(&mut scratch).await.is_ok_and(|bytes| bytes > 0) {} };
    let _ = timeout(TELL_MAX, until_closed).await;
}

/// Returns a peer's text in a form that is safe to print: without control characters, and cut to
/// `chars_max` characters.
pub(super) fn printable(text: &str, chars_max: usize) -> String {
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut shown: String = text.chars().take(chars_max).map(clean).collect();
    if text.chars().nth(chars_max).is_some() {
        shown.push('…');
    }
    shown
}
