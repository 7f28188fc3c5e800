//! What travels on a connection before timely has it, and on a control connection for ever: frames.
//!
//! A frame is its length in bytes (`u32`, big-endian) and so many bytes of one protobuf `Envelope`.
//! A length is checked against a limit before a single byte of the body is read, and memory is taken
//! as bytes arrive, never as a length claims.
//!
//! `Hello`, `Proof` and `Refusal` keep their layout in every version, so that two versions can still
//! tell each other that they differ.

use std::io;

use prost::Message;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes of the length before the body of a frame.
pub(super) const PREFIX_BYTES: usize = 4;

/// Most bytes in the body of a frame other than [`Job`].
pub(super) const FRAME_BYTES_MAX: usize = 64 << 10;

/// Most bytes in the body of a [`Job`] frame, which is read only from a peer that has proved the key.
pub(super) const JOB_BYTES_MAX: usize = 1 << 20;

/// Says that the one who connects is a process of an orderflow cluster.
pub(super) const MAGIC: u64 = u64::from_be_bytes(*b"ordrflow");

/// Version of this protocol, raised with every change that an older process would misread.
pub(super) const PROTOCOL: u32 = 1;

/// The claims of one end of a connection.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Hello {
    #[prost(fixed64, tag = "1")]
    pub(super) magic: u64,
    #[prost(uint32, tag = "2")]
    pub(super) protocol: u32,
    /// Version of the program: other versions may build another graph.
    #[prost(string, tag = "3")]
    pub(super) version: String,
    #[prost(string, tag = "4")]
    pub(super) cluster_id: String,
    /// Drawn once per started process: tells two processes with one index apart, and oneself.
    #[prost(bytes = "vec", tag = "5")]
    pub(super) instance: Vec<u8>,
    #[prost(uint64, tag = "6")]
    pub(super) index: u64,
    /// The index of the process this is said to.
    #[prost(uint64, tag = "7")]
    pub(super) to: u64,
    #[prost(uint64, tag = "8")]
    pub(super) processes: u64,
    #[prost(uint64, tag = "9")]
    pub(super) workers: u64,
    #[prost(enumeration = "Purpose", tag = "10")]
    pub(super) purpose: i32,
    /// Drawn once per connection: what the other end must answer for.
    #[prost(bytes = "vec", tag = "11")]
    pub(super) nonce: Vec<u8>,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(super) enum Purpose {
    Control = 0,
    Data = 1,
}

/// That the sender knows the key, for the two hellos of this connection and its own role.
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

/// All the facts, in order.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Job {
    #[prost(message, repeated, tag = "1")]
    pub(super) facts: Vec<Fact>,
}

/// Why the sender ends the run, in one sentence that is true wherever it is read.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Refusal {
    #[prost(string, tag = "1")]
    pub(super) reason: String,
}

/// How far the sender is. That it comes at all says that the sender lives.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Heartbeat {
    #[prost(uint64, tag = "1")]
    pub(super) bytes: u64,
    #[prost(uint64, tag = "2")]
    pub(super) orders: u64,
    #[prost(uint64, tag = "3")]
    pub(super) rejected: u64,
}

/// That the sender's part of the run is over: `failed` is empty if all went well.
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
    Job(Job),
    /// All of the sender's connections stand.
    #[prost(message, tag = "5")]
    Ready(Mark),
    #[prost(message, tag = "6")]
    Heartbeat(Heartbeat),
    /// Somebody asked the run to stop early and cleanly.
    #[prost(message, tag = "7")]
    Stop(Mark),
    #[prost(message, tag = "8")]
    Goodbye(Goodbye),
}

/// Why no frame could be read.
#[derive(Debug)]
pub(super) enum FrameError {
    /// The other end closed, or the connection broke.
    Closed,
    /// The bytes are not a frame of ours, or longer than is allowed here.
    Garbled,
}

impl From<io::Error> for FrameError {
    fn from(_: io::Error) -> FrameError {
        FrameError::Closed
    }
}

/// The frame with this body, as it travels.
pub(super) fn encode(body: Body) -> Vec<u8> {
    let body = Envelope { body: Some(body) }.encode_to_vec();
    // Bodies are bounded where they are made; a longer one would be refused by every reader.
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(PREFIX_BYTES + body.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&body);
    frame
}

/// The content of a frame, from the bytes after its length.
pub(super) fn decode(bytes: &[u8]) -> Result<Body, FrameError> {
    let envelope = Envelope::decode(bytes).map_err(|_| FrameError::Garbled)?;
    envelope.body.ok_or(FrameError::Garbled)
}

/// Reads the bytes of one frame, without its length.
///
/// Takes exactly the bytes of the frame from `stream`, so that what follows it can be handed to others.
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

/// Reads one frame.
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

/// Text of a peer, fit to be printed: without control characters, cut to a length one can read.
pub(super) fn printable(text: &str, chars_max: usize) -> String {
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut shown: String = text.chars().take(chars_max).map(clean).collect();
    if text.chars().nth(chars_max).is_some() {
        shown.push('…');
    }
    shown
}
