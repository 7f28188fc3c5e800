//! The data connections that timely gets. They never show timely that they broke.
//!
//! When a connection breaks, timely's network thread panics. Its poisoned queues then make the
//! workers panic, some of them twice, which aborts the process before it can say why. So a
//! connection that breaks here tells the control thread, which ends the process in an orderly way,
//! and keeps the network thread waiting until then.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::Range;
use std::thread;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use timely::communication::allocator::zero_copy::stream::Stream;
use tokio::sync::mpsc::UnboundedSender;

use super::control::Event;

/// The idle time before the kernel asks whether the host of the peer lives, and the time between
/// two such questions.
const KEEPALIVE: Duration = Duration::from_secs(3);
/// The number of unanswered questions after which the kernel gives the connection up.
const KEEPALIVE_RETRIES: u32 = 4;
/// The longest time that sent bytes may stay unacknowledged. It is longer than the allowed silence,
/// so the control connection notices first.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(15);

/// Sets the options of a connection: small frames are sent at once, and the kernel notices a dead
/// host. The kernel is the second check; heartbeats are the first.
pub(super) fn tune(stream: SockRef<'_>) -> io::Result<()> {
    stream.set_tcp_nodelay(true)?;
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE).with_retries(KEEPALIVE_RETRIES);
    stream.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    stream.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
    Ok(())
}

/// A data connection to one peer.
pub(super) struct Wire {
    stream: TcpStream,
    peer: usize,
    events: UnboundedSender<Event>,
    messages: Messages,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, peer: usize, events: UnboundedSender<Event>) -> Wire {
        Wire { stream, peer, events, messages: Messages::default() }
    }

    /// Reports the loss of this connection and never returns.
    fn lose(&self, cause: String) -> ! {
        let _ = self.events.send(Event::DataLost { peer: self.peer, cause });
        loop {
            thread::park();
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(buffer) {
                // timely takes any error for the end of the connection.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.lose(error.to_string()),
                Ok(0) if !self.messages.ended => self.lose("closed by the peer".to_owned()),
                Ok(bytes) => {
                    self.messages.follow(&buffer[..bytes]);
                    return Ok(bytes);
                }
            }
        }
    }
}

impl Write for Wire {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self.stream.write(buffer) {
            Err(error) if error.kind() != ErrorKind::Interrupted => self.lose(error.to_string()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Stream for Wire {
    fn try_clone(&self) -> io::Result<Wire> {
        Ok(Wire::new(self.stream.try_clone()?, self.peer, self.events.clone()))
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.stream.set_nonblocking(nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self.stream.shutdown(how) {
            Err(error) => self.lose(error.to_string()),
            done => done,
        }
    }
}

/// Follows the messages in a stream of timely's, to know whether its end was announced.
///
/// A message begins with a header of six `u64`, big-endian. The fifth is the length of the body
/// that follows. A header with length 0 is the last message
/// (`timely_communication::networking::MessageHeader`).
#[derive(Default)]
struct Messages {
    /// The number of bytes of the present header that have come.
    header_bytes: usize,
    /// The length in the header, as far as it has come; then the number of bytes of the body that
    /// are still to come.
    body_bytes: u64,
    /// Whether the last message has come.
    ended: bool,
}

impl Messages {
    const HEADER_BYTES: usize = 48;
    const LENGTH: Range<usize> = 32..40;

    fn follow(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.header_bytes == Messages::HEADER_BYTES {
                let passed =
                    usize::try_from(self.body_bytes).map_or(bytes.len(), |body| body.min(bytes.len()));
                self.body_bytes -= passed as u64;
                bytes = &bytes[passed..];
                if self.body_bytes == 0 {
                    self.header_bytes = 0;
                }
                continue;
            }
            if Messages::LENGTH.contains(&self.header_bytes) {
                self.body_bytes = self.body_bytes << 8 | u64::from(byte);
            }
            self.header_bytes += 1;
            bytes = rest;
            self.ended = self.header_bytes == Messages::HEADER_BYTES && self.body_bytes == 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use timely::communication::networking::MessageHeader;

    use super::Messages;

    /// Returns messages whose bodies have these lengths, followed by the last header. The bodies
    /// are zeros.
    fn stream(lengths: &[usize]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for &length in lengths {
            let header =
                MessageHeader { channel: 3, source: 1, target_lower: 0, target_upper: 1, length, seqno: 9 };
            header.write_to(&mut bytes).unwrap();
            bytes.resize(bytes.len() + length, 0);
        }
        bytes
    }

    #[test]
    fn only_an_announced_end_is_an_end() {
        let bytes = stream(&[1, 200, 48, 96, 7, 0]);
        for piece in [1, 5, 47, 48, 49, 1000] {
            let mut messages = Messages::default();
            let mut followed = 0;
            for part in bytes.chunks(piece) {
                messages.follow(part);
                followed += part.len();
                assert_eq!(messages.ended, followed == bytes.len(), "after {followed} bytes by {piece}");
            }
        }
    }
}
