//! Gives backups of a running store to `orderflow backup`, through a socket in the store's folder.
//!
//! The folder is locked by the instance, so nobody else can read it. Who asks sends nothing: the
//! instance answers a connection with a backup, as of the commit that is the last one then. Only
//! the user that the instance runs as, and root, get one; both could read the folder as well.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

use store::Store;
use store::backup::write_failure;

/// The name of the socket in the store's folder.
const SOCKET: &str = "backup.sock";
/// The longest path that the address of a socket has room for.
const PATH_BYTES_MAX: usize = 100;
/// The longest time that who asked may leave what was sent unread. The store keeps what the backup
/// shows for so long.
const UNREAD_TIME_MAX: Duration = Duration::from_secs(60);
/// The bytes that are sent at a time.
const BUFFER_BYTES: usize = 256 << 10;
/// How long to wait after a connection could not be accepted, most likely because no file
/// descriptor was free.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Gives backups until it is dropped.
#[derive(Debug)]
pub(super) struct Backups {
    path: PathBuf,
    stopping: Arc<AtomicBool>,
    _task: JoinSet<()>,
}

impl Backups {
    /// Begins to give backups of the store in the folder `data`. Must be called in a runtime of
    /// tokio, by the process that holds the folder's lock.
    pub(super) fn start(data: &Path, store: Store) -> io::Result<Backups> {
        let path = data.join(SOCKET);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = at(&path, |path| UnixListener::bind(path))?;
        let stopping = Arc::new(AtomicBool::new(false));
        let mut task = JoinSet::new();
        task.spawn(serve(listener, store, stopping.clone()));
        Ok(Backups { path, stopping, _task: task })
    }
}

impl Drop for Backups {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // The next start removes it otherwise.
        let _ = fs::remove_file(&self.path);
    }
}

async fn serve(listener: UnixListener, store: Store, stopping: Arc<AtomicBool>) {
    let places = Arc::new(Semaphore::new(1));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let own = rustix::process::geteuid().as_raw();
        if !stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0) {
            continue;
        }
        let Ok(stream) = stream.into_std() else { continue };
        let (store, stopping, place) = (store.clone(), stopping.clone(), places.clone().try_acquire_owned());
        spawn_blocking(move || {
            // Whoever asked sees a backup without an end.
            let _ = give(&stream, &store, &stopping, place.ok());
        });
    }
}

/// Sends a backup, or why there is none. Without a place, another one is under way.
fn give(
    stream: &UnixStream,
    store: &Store,
    stopping: &AtomicBool,
    place: Option<OwnedSemaphorePermit>,
) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(UNREAD_TIME_MAX))?;
    let out = BufWriter::with_capacity(BUFFER_BYTES, stream);
    if place.is_none() {
        return write_failure(out, "another backup of this store is being taken; try again once it is done");
    }
    match store.back_up(out, true, &mut |_| !stopping.load(Ordering::SeqCst)) {
        Ok(summary) => tracing::info!(commit = summary.commit, rows = summary.rows, "a backup was taken"),
        Err(error) => tracing::warn!("a backup came to no end: {error}"),
    }
    Ok(())
}

/// Asks the instance that serves the folder `data` for a backup. Returns the connection over which
/// it comes; `None` if no instance answers there.
///
/// # Errors
/// Returns the operating system's error, for example if the instance is another user's.
pub fn ask(data: &Path) -> io::Result<Option<UnixStream>> {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    match at(&data.join(SOCKET), |path| UnixStream::connect(path)) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), ConnectionRefused | NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Runs `act` with a path by which a socket can be reached, however long its own path is.
fn at<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return act(path) };
    if path.as_os_str().as_bytes().len() <= PATH_BYTES_MAX {
        return act(path);
    }
    let folder = File::open(folder)?;
    act(&PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name))
}
