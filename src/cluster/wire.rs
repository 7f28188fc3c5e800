//! The data connections, as timely gets them: sockets that know whose they are when they break.
//!
//! timely answers a broken connection with a panic of its receiving or sending thread, and workers that then
//! meet its poisoned queues panic as well. None of these panics tells anything that the control thread does
//! not say better, so a panic hook swallows them, and reports the loss.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::panic::PanicHookInfo;
use std::sync::Once;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use timely::communication::allocator::zero_copy::stream::Stream;
use tokio::sync::mpsc::UnboundedSender;

use super::control::Event;

/// Idle time before the kernel asks whether the peer's host lives, and between two such questions.
const KEEPALIVE: Duration = Duration::from_secs(3);
/// Unanswered questions until the kernel gives the connection up.
const KEEPALIVE_RETRIES: u32 = 4;
/// Time that sent bytes may go unacknowledged. Longer than silence: the control connection notices first.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(15);

thread_local! {
    /// The last failure of a connection that this thread has seen, which timely may panic about next.
    static BROKEN: RefCell<Option<(UnboundedSender<Event>, Event)>> = const { RefCell::new(None) };
}

/// A data connection to one peer.
pub(super) struct Wire {
    stream: TcpStream,
    peer: usize,
    events: UnboundedSender<Event>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, peer: usize, events: UnboundedSender<Event>) -> Wire {
        Wire { stream, peer, events }
    }

    fn note(&self, cause: String) {
        let event = Event::DataLost { peer: self.peer, cause };
        BROKEN.with_borrow_mut(|broken| *broken = Some((self.events.clone(), event)));
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(buffer) {
                // timely takes any error for the end.
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.note(error.to_string());
                    return Err(error);
                }
                // The proper end too looks like this; then timely does not panic.
                Ok(0) => {
                    self.note("closed by the peer".to_owned());
                    return Ok(0);
                }
                read => return read,
            }
        }
    }
}

impl Write for Wire {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.write(buffer).inspect_err(|error| self.note(error.to_string()))
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
        self.stream.shutdown(how).inspect_err(|error| self.note(error.to_string()))
    }
}

/// Sends small frames at once, and lets the kernel notice a dead host: the second net below the heartbeats.
pub(super) fn tune(stream: SockRef<'_>) -> io::Result<()> {
    stream.set_tcp_nodelay(true)?;
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE).with_retries(KEEPALIVE_RETRIES);
    stream.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    stream.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
    Ok(())
}

/// Starts of the panics with which timely's threads answer a lost connection, and each other's panics.
const CONSEQUENCES: [&str; 4] =
    ["timely communication error", "MergeQueue poisoned", "Send thread panic", "Recv thread panic"];

/// Swallows timely's panics about lost connections and reports them to the control thread instead.
///
/// Installed once per process, in front of whatever hook there is; all other panics go on to that.
pub(super) fn install_panic_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !is_consequence(info) {
                return previous(info);
            }
            if let Ok(Some((events, event))) = BROKEN.try_with(RefCell::take) {
                let _ = events.send(event);
            }
        }));
    });
}

fn is_consequence(info: &PanicHookInfo<'_>) -> bool {
    let ours = std::thread::current().name().is_some_and(|name| name.starts_with("timely:"));
    let payload = info.payload();
    let message = payload.downcast_ref::<&str>().copied();
    let message =
        message.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or_default();
    ours && CONSEQUENCES.iter().any(|start| message.starts_with(start))
}
