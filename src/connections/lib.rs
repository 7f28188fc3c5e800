//! Accepts connections, plain or through TLS, as long as there are places for them, serves each in
//! a task of its own, and ends all of them in order.
//!
//! ```text
//!  listener ─► place ─► TLS, if there is a certificate ─► serve_one
//!                │
//!                └── shared by all listeners; who has shown nothing makes room for others
//! ```

pub mod descriptors;
mod places;
mod stream;
mod tls;
mod token;

use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

pub use self::places::{ListenerLoad, Places, Standing};
pub use self::stream::Stream;
pub use self::tls::{Tls, TlsError};
pub use self::token::{TOKEN_CHARS_MIN, Token};

/// How long `serve` waits after it could not accept a connection, most likely because the system
/// was short of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The longest time until a caller has agreed on how to encrypt.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// The answer to a connection that gets no place.
const TOO_MANY_CONNECTIONS: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 21\r\n\r\n\
    too many connections\n";
/// The answer to a request that is not encrypted though it has to be.
const NOT_ENCRYPTED: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 30\r\n\r\n\
    this address takes https only\n";
/// The first byte of a connection that begins to agree on how to encrypt.
const TLS_HANDSHAKE: u8 = 0x16;

/// Where connections come in.
#[derive(Debug)]
pub struct Entrance {
    /// The name of the listener, for metrics.
    pub name: &'static str,
    /// The listener.
    pub listener: TcpListener,
    /// The places that its connections share with those of others.
    pub places: Places,
    /// The certificate to encrypt with; `None` for connections that are not encrypted.
    pub tls: Option<Arc<Tls>>,
}

impl From<TcpListener> for Entrance {
    /// A listener that shares its places with no other and does not encrypt.
    fn from(listener: TcpListener) -> Entrance {
        Entrance { name: "only", listener, places: Places::new(usize::MAX), tls: None }
    }
}

/// The limits of [`serve`].
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The most connections that are open at the same time, if there are places for as many.
    pub connections_max: usize,
    /// The longest time that open connections get to end after a shutdown; then they are cut off.
    pub shutdown_time_max: Duration,
}

/// A connection that is to be served.
#[derive(Debug)]
pub struct Guest {
    /// The connection.
    pub stream: Stream,
    /// The address of the caller.
    pub peer: SocketAddr,
    /// What the caller has shown of itself, to be told by the server.
    pub standing: Standing,
    /// Changes when the connection is to end.
    pub ending: watch::Receiver<()>,
}

/// Accepts connections and gives each to `serve_one`, until `shutdown` is ready. Then tells each
/// connection to end, and waits for all of them, at most `shutdown_time_max`.
///
/// A connection that gets no place gets a short answer with status 503 and is closed. One that has
/// to make room for another is closed at once.
///
/// # Errors
/// Returns the listener's error if it is not a listener any more. Errors of one connection, or of a
/// shortage that may pass, are not returned.
pub async fn serve<F>(
    entrance: Entrance,
    bounds: Bounds,
    shutdown: impl Future<Output = ()>,
    serve_one: impl FnOnce(Guest) -> F + Clone + Send + 'static,
) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let Entrance { name, listener, places, tls } = entrance;
    let places = places.listener(name, bounds.connections_max);
    let (end, ending) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = &mut shutdown => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if passes(&error) => {
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        let Some(place) = places.take().await else {
            refuse(stream, tls.is_some());
            continue;
        };
        let (tls, ending, serve_one) = (tls.clone(), ending.clone(), serve_one.clone());
        let standing = place.standing().clone();
        connections.spawn(async move {
            let served = async move {
                let Some(stream) = encrypted(stream, tls).await else { return };
                serve_one(Guest { stream, peer, standing, ending }).await;
            };
            tokio::select! {
                () = served => {}
                () = place.has_to_go() => {}
            }
            // The connection is closed by now.
            drop(place);
        });
    }
    drop(listener);
    drop(end);
    // A connection that has not ended by then is cut off below.
    let _ =
        timeout(bounds.shutdown_time_max, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
    Ok(())
}

/// Agrees with the caller on how to encrypt, if there is a certificate. Returns `None` if that
/// fails, which is the caller's affair.
async fn encrypted(stream: TcpStream, tls: Option<Arc<Tls>>) -> Option<Stream> {
    let Some(tls) = tls else { return Some(Stream::Plain(stream)) };
    let agreed = timeout(HANDSHAKE_TIME_MAX, async {
        let mut first = [0];
        if stream.peek(&mut first).await.is_ok_and(|bytes| bytes > 0) && first != [TLS_HANDSHAKE] {
            answer_at_once(stream, NOT_ENCRYPTED);
            return None;
        }
        tls.acceptor().accept(stream).await.ok()
    });
    agreed.await.ok().flatten().map(|stream| Stream::Tls(Box::new(stream)))
}

/// Returns whether the listener can go on after this error. It concerns one connection only, or a
/// shortage that may pass, unless the listener itself is none any more.
fn passes(error: &io::Error) -> bool {
    let listener_is_gone = [Errno::BADF, Errno::INVAL, Errno::NOTSOCK, Errno::OPNOTSUPP, Errno::FAULT];
    !Errno::from_io_error(error).is_some_and(|error| listener_is_gone.contains(&error))
}

/// Sets the options of an accepted connection: data is sent at once, and on Linux the connection is
/// dropped if the peer does not acknowledge sent data for as long as `unread`.
///
/// # Errors
/// Returns the operating system's error.
pub fn set_up(stream: &Stream, unread: Duration) -> io::Result<()> {
    let socket = stream.socket();
    socket.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(socket).set_tcp_user_timeout(Some(unread))?;
    #[cfg(not(target_os = "linux"))]
    let _ = unread;
    Ok(())
}

/// Answers a connection that gets no place with status 503, unless it would have to be encrypted,
/// and closes it.
fn refuse(stream: TcpStream, is_tls: bool) {
    if !is_tls {
        answer_at_once(stream, TOO_MANY_CONNECTIONS);
    }
}

/// Answers without reading or waiting, and closes the connection. The bytes fit into the buffer
/// that each connection has within the system.
fn answer_at_once(stream: TcpStream, bytes: &[u8]) {
    // The connection is closed whether or not the answer got through.
    let _ = stream.into_std().and_then(|mut stream| stream.write_all(bytes));
}

#[cfg(test)]
mod tests;
