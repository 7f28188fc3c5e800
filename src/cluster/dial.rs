//! Makes the connections to a process with a lower index: tries each address that its name leads
//! to, again and again, until the deadline.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{sleep, timeout};

use super::control::Event;
use super::frame::Purpose;
use super::handshake::{self, Failed, Identity, Met};
use super::wire;

/// The longest time of one attempt, from the first byte of its handshake to the last.
pub(super) const HANDSHAKE_MAX: Duration = Duration::from_secs(3);
/// The time between the first two attempts to reach a peer. It doubles each time.
const RETRY_MIN: Duration = Duration::from_millis(10);
/// The longest time between two attempts.
pub(super) const RETRY_MAX: Duration = Duration::from_millis(200);

/// Tries until both connections to process `index` are made, or until it turns out to differ.
pub(super) async fn dial(
    index: usize,
    identity: Arc<Identity>,
    events: UnboundedSender<Event>,
    limit: Duration,
) {
    for purpose in [Purpose::Control, Purpose::Data] {
        let mut retry = RETRY_MIN;
        loop {
            let failed = match attempt(index, &identity, purpose, HANDSHAKE_MAX.min(limit)).await {
                Ok((met, stream)) => {
                    let _ = events.send(Event::Met(met, stream));
                    break;
                }
                Err(failed) => failed,
            };
            let differs = matches!(failed, Failed::Differs { .. });
            let _ = events.send(Event::Failed(failed));
            if differs {
                return;
            }
            sleep(retry).await;
            retry = RETRY_MAX.min(retry * 2);
        }
    }
}

/// Makes one connection to process `index`. Looks up its address anew, because a name may come to
/// exist, or to lead elsewhere, while a run waits for its processes.
async fn attempt(
    index: usize,
    identity: &Identity,
    purpose: Purpose,
    limit: Duration,
) -> Result<(Met, TcpStream), Failed> {
    let address = identity.addresses[index].as_str();
    let addresses: Vec<SocketAddr> = match timeout(limit, lookup_host(address)).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return Err(unreachable_peer(index, identity, &error)),
        Err(_) => return Err(Failed::Stranger { index: Some(index), problem: None }),
    };
    attempt_in_turn(&addresses, index, identity, purpose, limit).await
}

/// Tries the addresses of process `index` one after the other, each for `limit`, until one leads to
/// it. Of several failures, returns the last that says why.
pub(super) async fn attempt_in_turn(
    addresses: &[SocketAddr],
    index: usize,
    identity: &Identity,
    purpose: Purpose,
    limit: Duration,
) -> Result<(Met, TcpStream), Failed> {
    let mut failure = Failed::Stranger { index: Some(index), problem: None };
    for address in addresses {
        match timeout(limit, attempt_at(*address, index, identity, purpose)).await {
            Ok(Ok(met)) => return Ok(met),
            Ok(Err(failed @ Failed::Differs { .. })) => return Err(failed),
            Ok(Err(failed @ Failed::Stranger { problem: Some(_), .. })) => failure = failed,
            Ok(Err(_)) | Err(_) => {}
        }
    }
    Err(failure)
}

/// Returns the failure of an attempt to connect. Only an unusual error is worth a sentence: a peer
/// that is not started yet refuses, too.
fn unreachable_peer(index: usize, identity: &Identity, error: &io::Error) -> Failed {
    let problem = match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::TimedOut | ErrorKind::ConnectionReset => None,
        _ => Some(format!("cannot reach {}: {error}", identity.name_of(index))),
    };
    Failed::Stranger { index: Some(index), problem }
}

async fn attempt_at(
    address: SocketAddr,
    index: usize,
    identity: &Identity,
    purpose: Purpose,
) -> Result<(Met, TcpStream), Failed> {
    let stranger = |problem| Failed::Stranger { index: Some(index), problem };
    let mut stream =
        TcpStream::connect(address).await.map_err(|error| unreachable_peer(index, identity, &error))?;
    // If nobody listens on a port that the kernel hands out, a connection can reach itself.
    if stream.local_addr().ok() == stream.peer_addr().ok() {
        return Err(stranger(None));
    }
    wire::tune(SockRef::from(&stream)).map_err(|_| stranger(None))?;
    let met = handshake::dial(&mut stream, identity, index, purpose).await?;
    Ok((met, stream))
}
