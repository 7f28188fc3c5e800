//! Connections: accepted up to a number, each served in a task of its own, all ended in order.

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

/// Pause after a connection could not be accepted, for lack of file descriptors most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What is said to a connection that is one too many.
const TOO_MANY_CONNECTIONS: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 21\r\n\r\n\
    too many connections\n";

/// Bounds of what is accepted.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most connections at a time.
    pub connections_max: usize,
    /// Longest time that connections may take to end once they are to.
    pub shutdown_time_max: Duration,
}

/// Accepts connections and gives each to `serve_one`, until `shutdown` is ready; then tells those that are there to end, by a
/// change of what they were given, and waits for them.
///
/// # Errors
/// The listener can accept no more connections.
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
    // What is not done by then is not going to be.
    let _ =
        timeout(bounds.shutdown_time_max, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
    Ok(())
}

/// Whether an error is of one connection, or of a lack of means that others may give back.
fn passes(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, OutOfMemory};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | OutOfMemory)
        || matches!(
            Errno::from_io_error(error),
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::PROTO)
        )
}

/// Sends at once what is to be sent, and gives up on a caller that does not take in what was sent for so long.
///
/// # Errors
/// The operating system's.
pub fn set_up(stream: &TcpStream, unread: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(unread))?;
    #[cfg(not(target_os = "linux"))]
    let _ = unread;
    Ok(())
}

/// Ends a connection that is one too many, and says why.
fn refuse(stream: TcpStream) {
    tokio::spawn(async move {
        let mut stream = stream;
        // It is gone either way.
        let _ = timeout(ACCEPT_PAUSE, stream.write_all(TOO_MANY_CONNECTIONS)).await;
    });
}
