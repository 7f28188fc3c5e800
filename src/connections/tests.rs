//! Tests connections as callers meet them.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::*;

/// The longest time that a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that answers each byte with the same byte. The bytes `r` and `k` also say that their
/// caller is a reader, or known.
struct Echo {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<io::Result<()>>,
}

impl Echo {
    async fn start(
        name: &'static str,
        places: &Places,
        connections_max: usize,
        tls: Option<Arc<Tls>>,
    ) -> Echo {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let entrance = Entrance { name, listener, places: places.clone(), tls };
        let bounds = Bounds { connections_max, shutdown_time_max: Duration::ZERO };
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(serve(entrance, bounds, async { drop(stopped.await) }, echo));
        Echo { address, stop, served }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Connects, and sends this byte once the connection is served.
    async fn enter(&self, byte: u8) -> TcpStream {
        let mut stream = self.connect().await;
        assert_eq!(says(&mut stream, byte).await, Some(byte));
        stream
    }

    async fn stop(self) {
        drop(self.stop);
        self.served.await.unwrap().unwrap();
    }
}

async fn echo(mut guest: Guest) {
    while let Ok(byte) = guest.stream.read_u8().await {
        match byte {
            b'r' => guest.standing.is_reader(),
            b'k' => guest.standing.is_known(),
            _ => {}
        }
        if guest.stream.write_u8(byte).await.is_err() || guest.stream.flush().await.is_err() {
            return;
        }
    }
}

/// Sends a byte and returns the answer; `None` if the connection is closed.
async fn says(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), byte: u8) -> Option<u8> {
    let exchange = async {
        stream.write_u8(byte).await.ok()?;
        stream.flush().await.ok()?;
        stream.read_u8().await.ok()
    };
    timeout(PATIENCE, exchange).await.expect("an answer or an end")
}

/// Returns all that is sent until the connection is closed.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is closed early may be reset.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an end");
    String::from_utf8(bytes).unwrap()
}

fn load(listener: &'static str, open: usize, taken: u64, refused: u64, dropped: u64) -> ListenerLoad {
    ListenerLoad { listener, open, taken, refused, dropped }
}

/// Waits until the listeners have these loads.
async fn until(places: &Places, loads: &[ListenerLoad]) {
    let there = async {
        while places.loads() != loads {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, there).await.unwrap_or_else(|_| panic!("{:?} instead of {loads:?}", places.loads()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_shown_least_makes_room() {
    let places = Places::new(3);
    let server = Echo::start("store", &places, 10, None).await;
    let mut known = server.enter(b'k').await;
    let mut reader = server.enter(b'r').await;
    let stranger = server.enter(b'x').await;
    until(&places, &[load("store", 3, 3, 0, 0)]).await;
    // Older or not, the stranger goes first, then the reader.
    let mut second = server.enter(b'k').await;
    assert_eq!(rest(stranger).await, "");
    assert_eq!(says(&mut reader, b'x').await, Some(b'x'));
    let mut third = server.enter(b'k').await;
    assert_eq!(says(&mut reader, b'x').await, None);
    until(&places, &[load("store", 3, 5, 0, 2)]).await;
    // Nobody is left who would have to go.
    let refused = rest(server.connect().await).await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.ends_with("\r\n\r\ntoo many connections\n"));
    for stream in [&mut known, &mut second, &mut third] {
        assert_eq!(says(stream, b'x').await, Some(b'x'));
    }
    until(&places, &[load("store", 3, 5, 1, 2)]).await;
    // A place that is given back is taken again.
    drop(third);
    until(&places, &[load("store", 2, 5, 1, 2)]).await;
    server.enter(b'x').await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_share_the_places_and_each_has_a_limit_of_its_own() {
    let places = Places::new(4);
    let (store, page) =
        (Echo::start("store", &places, 10, None).await, Echo::start("page", &places, 2, None).await);
    let first = store.enter(b'x').await;
    let mut reader = page.enter(b'r').await;
    let second = store.enter(b'x').await;
    let mut third = store.enter(b'x').await;
    until(&places, &[load("store", 3, 3, 0, 0), load("page", 1, 1, 0, 0)]).await;
    // All places are taken: the oldest stranger goes, wherever it came in.
    let stranger = page.enter(b'x').await;
    assert_eq!(rest(first).await, "");
    until(&places, &[load("store", 2, 3, 0, 1), load("page", 2, 2, 0, 0)]).await;
    // The page has all that it may have: one of its own goes, though the store's is older.
    let mut last = page.enter(b'k').await;
    assert_eq!(rest(stranger).await, "");
    until(&places, &[load("store", 2, 3, 0, 1), load("page", 2, 3, 0, 1)]).await;
    for stream in [&mut reader, &mut third, &mut last] {
        assert_eq!(says(stream, b'x').await, Some(b'x'));
    }
    drop(second);
    store.stop().await;
    page.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_strangers_never_keeps_out_who_can_sign() {
    let places = Places::new(8);
    let server = Echo::start("store", &places, 100, None).await;
    let mut known = server.enter(b'k').await;
    let mut strangers = Vec::new();
    for _ in 0..200 {
        strangers.push(server.connect().await);
    }
    // A newcomer is older than the strangers that come after it only if more of them come at once
    // than there are places.
    let mut second = server.enter(b'k').await;
    for _ in 0..200 {
        strangers.push(server.connect().await);
    }
    until(&places, &[load("store", 8, 402, 0, 394)]).await;
    for stream in [&mut known, &mut second] {
        assert_eq!(says(stream, b'x').await, Some(b'x'));
    }
    server.stop().await;
}

/// Writes a new certificate of `localhost` and its key to files of these names.
fn write_pair(folder: &Path) -> [PathBuf; 2] {
    let paths = ["cert.pem", "key.pem"].map(|name| folder.join(name));
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    // Renamed, as programs that renew certificates do.
    for (path, text) in paths.iter().zip([cert.pem(), signing_key.serialize_pem()]) {
        let new = path.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, path).unwrap();
    }
    paths
}

/// Connects to a server that must have the certificate in this file.
async fn connect_tls(server: &Echo, certificate: &Path) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, server.connect().await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_used_as_soon_as_it_is_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = write_pair(folder.path());
    let tls = Arc::new(Tls::read(&certificate, &key).unwrap());
    let places = Places::new(10);
    let server = Echo::start("store", &places, 10, Some(tls.clone())).await;
    let mut first = connect_tls(&server, &certificate).await.unwrap();
    assert_eq!(says(&mut first, b'x').await, Some(b'x'));
    assert!(!tls.reread().unwrap(), "nothing has changed");

    // A certificate of another authority, and with it a key that is not yet there.
    let before = folder.path().join("before.pem");
    fs::copy(&certificate, &before).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let [new_certificate, new_key] = write_pair(elsewhere.path());
    fs::copy(&new_certificate, &certificate).unwrap();
    let apart = tls.reread().unwrap_err();
    let told = format!(
        "the private key in {} is not that of the first certificate in {}",
        key.display(),
        certificate.display()
    );
    assert_eq!(apart.to_string(), told);
    assert!(!tls.reread().unwrap(), "what was told is not told again");
    assert!(connect_tls(&server, &before).await.is_ok());

    fs::copy(&new_key, &key).unwrap();
    assert!(tls.reread().unwrap());
    assert!(connect_tls(&server, &before).await.is_err());
    let mut second = connect_tls(&server, &certificate).await.unwrap();
    assert_eq!(says(&mut second, b'x').await, Some(b'x'));
    // A connection goes on as it began.
    assert_eq!(says(&mut first, b'y').await, Some(b'y'));

    // Files that are gone are told as well.
    fs::remove_file(&key).unwrap();
    let gone = tls.reread().unwrap_err().to_string();
    assert_eq!(gone, format!("{}: No such file or directory (os error 2)", key.display()));
    assert!(connect_tls(&server, &certificate).await.is_ok());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_encrypt_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = write_pair(folder.path());
    let places = Places::new(10);
    let server =
        Echo::start("store", &places, 10, Some(Arc::new(Tls::read(&certificate, &key).unwrap()))).await;
    let mut plain = server.connect().await;
    plain.write_all(b"G").await.unwrap();
    let told = rest(plain).await;
    assert!(
        told.starts_with("HTTP/1.1 400 ") && told.ends_with("\r\n\r\nthis address takes https only\n"),
        "{told}"
    );
    until(&places, &[load("store", 0, 1, 0, 0)]).await;
    server.stop().await;
}

#[test]
fn files_that_are_no_certificate_or_key_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = write_pair(folder.path());
    let (pem, secret) = (fs::read_to_string(&certificate).unwrap(), fs::read_to_string(&key).unwrap());
    let cut = |text: &str| text[..text.len() / 2].to_owned();
    let damaged = |text: &str| text.replacen('M', "*", 1);
    let no_certificate = |reason: &str| {
        format!(
            "{} holds no certificate: {reason}; it must have the certificate, and those between it and its authority, in PEM",
            certificate.display()
        )
    };
    let no_key = |reason: &str| {
        format!(
            "{} holds no private key: {reason}; it must have the key without a passphrase, in PEM",
            key.display()
        )
    };
    let not_x509 = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".to_owned();
    let other_key = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n".to_owned();
    let encrypted = secret.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    for (pem, secret, expected) in [
        (String::new(), &secret, no_certificate("it has no line BEGIN for one")),
        (secret.clone(), &secret, no_certificate("it has no line BEGIN for one")),
        (cut(&pem), &secret, no_certificate("it is cut off before a line END")),
        (damaged(&pem), &secret, no_certificate("what is between its lines BEGIN and END is not base64")),
        (not_x509, &secret, no_certificate("what is there is not X.509")),
        (pem.clone(), &String::new(), no_key("it has no line BEGIN for one")),
        (pem.clone(), &pem, no_key("it has no line BEGIN for one")),
        (pem.clone(), &encrypted, no_key("it has no line BEGIN for one")),
        (pem.clone(), &cut(&secret), no_key("it is cut off before a line END")),
        (pem.clone(), &other_key, no_key("it is none of RSA, ECDSA or Ed25519")),
    ] {
        fs::write(&certificate, pem).unwrap();
        fs::write(&key, secret).unwrap();
        assert_eq!(Tls::read(&certificate, &key).unwrap_err().to_string(), expected);
    }
    let nowhere = folder.path().join("nowhere.pem");
    let error = Tls::read(&nowhere, &key).unwrap_err().to_string();
    assert_eq!(error, format!("{}: No such file or directory (os error 2)", nowhere.display()));
    let error = Tls::read(folder.path(), &key).unwrap_err().to_string();
    assert_eq!(error, format!("{}: it is not a file", folder.path().display()));
}
