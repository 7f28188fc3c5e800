//! Accepts connections up to a limit, serves each in a task of its own, and ends all of them in
//! order.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long `serve` waits after it could not accept a connection, most likely because no file
/// descriptor was free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The answer to a connection that exceeds the limit.
const TOO_MANY_CONNECTIONS: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 21\r\n\r\n\
    too many connections\n";

/// The limits of [`serve`].
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The most connections that are open at the same time.
    pub connections_max: usize,
    /// The longest time that open connections get to end after a shutdown; then they are cut off.
    pub shutdown_time_max: Duration,
}

/// Accepts connections and gives each to `serve_one`, until `shutdown` is ready. Then drops the
/// sender of the channel that each connection was given, which tells it to end, and waits for all
/// of them, at most `shutdown_time_max`.
///
/// A connection beyond `connections_max` gets a short answer with status 503 and is closed.
///
/// # Errors
/// Returns the listener's error if it can accept no more connections. Errors of one connection, or
/// of a shortage that may pass, are not returned.
pub async fn serve<F>(
    listener: TcpListener,
    bounds: Bounds,
    shutdown: impl Future<Output = ()>,
    serve_one: impl Fn(TcpStream, watch::Receiver<()>) -> F,
) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(bounds.connections_max));
    let (end, ending) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = &mut shutdown => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) if passes(&error) => {
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        match places.clone().try_acquire_owned() {
            Ok(place) => {
                let served = serve_one(stream, ending.clone());
                connections.spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            Err(_) => refuse(stream),
        }
    }
    drop(listener);
    drop(end);
    // A connection that has not ended by then is cut off below.
    let _ =
        timeout(bounds.shutdown_time_max, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
    Ok(())
}

/// Returns whether the listener can go on after this error: it concerns one connection only, or a
/// shortage of memory or descriptors that may pass.
fn passes(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, OutOfMemory};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | OutOfMemory)
        || matches!(
            Errno::from_io_error(error),
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::PROTO)
        )
}

/// Sets the options of an accepted connection: data is sent at once, and on Linux the connection is
/// dropped if the peer does not acknowledge sent data for as long as `unread`.
///
/// # Errors
/// Returns the operating system's error.
pub fn set_up(stream: &TcpStream, unread: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(unread))?;
    #[cfg(not(target_os = "linux"))]
    let _ = unread;
    Ok(())
}

/// Answers a connection that exceeds the limit with status 503, and closes it.
fn refuse(stream: TcpStream) {
    tokio::spawn(async move {
        let mut stream = stream;
        // The connection is closed whether or not the answer got through.
        let _ = timeout(ACCEPT_PAUSE, stream.write_all(TOO_MANY_CONNECTIONS)).await;
    });
}
