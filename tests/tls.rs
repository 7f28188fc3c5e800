//! TLS from both sides. The commands, as they reach a Tablestore instance: only to who shows a
//! certificate for the name asked for. The server, with the certificate that it is given.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::store_server::{Up, refused};
use crate::support::{ended, orderflow};

/// A TLS server in front of another, with a certificate of `localhost` from an authority that only
/// `authority.pem` knows.
struct Front {
    port: u16,
    // What it runs on.
    _runtime: Runtime,
}

impl Front {
    fn start(folder: &Path, behind: SocketAddr) -> Front {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        std::fs::write(folder.join("authority.pem"), authority.pem()).expect("the file is written");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        let private = PrivateKeyDer::try_from(key.serialize_der()).expect("a private key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .expect("the certificate is of the key");

        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Who does not trust the certificate ends here.
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut behind = TcpStream::connect(behind).await.expect("the server is there");
                    let _ = copy_bidirectional(&mut stream, &mut behind).await;
                });
            }
        });
        Front { port, _runtime: runtime }
    }
}

#[test]
fn only_a_certificate_of_the_name_from_a_known_authority_will_do() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let up = Up::start(&folder.path().join("data"), &[]);
    up.ok(&["init"]);
    let behind = up.export("OTS_ENDPOINT").strip_prefix("http://").and_then(|address| address.parse().ok());
    let front = Front::start(folder.path(), behind.expect("an address"));
    let tables = |host: &str, known: bool| {
        let mut command = up.command(&["tables", "--endpoint", &format!("https://{host}:{}", front.port)]);
        if known {
            command.env("SSL_CERT_FILE", folder.path().join("authority.pem"));
        }
        ended(command.output().expect("the program starts"))
    };
    let good = tables("localhost", true);
    assert_eq!(good.code, Some(0), "{}", good.stderr);
    assert!(good.stdout.contains("OrderSource"), "{}", good.stdout);
    for (host, known) in [("localhost", false), ("127.0.0.1", true)] {
        let bad = tables(host, known);
        assert!(matches!(bad.code, Some(2 | 3)), "{bad:?}");
        assert!(bad.stderr.contains("certificate"), "{}", bad.stderr);
    }
}

/// Writes a certificate of `localhost` and its private key, and the authority that it is from.
fn write_certificate(folder: &Path) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority =
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    for (name, text) in [
        ("authority.pem", authority.pem()),
        ("cert.pem", certificate.pem()),
        ("key.pem", key.serialize_pem()),
    ] {
        // Renamed, as programs that renew certificates do.
        let (new, path) = (folder.join("new.pem"), folder.join(name));
        std::fs::write(&new, text).expect("the file is written");
        std::fs::rename(new, path).expect("the file is renamed");
    }
}

#[test]
fn store_and_page_speak_tls_and_take_a_new_certificate_without_a_restart() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    write_certificate(dir.path());
    let file = |name: &str| dir.path().join(name).display().to_string();
    let data = file("data");
    let (certificate, key) = (file("cert.pem"), file("key.pem"));
    let up_args =
        ["up", "--data", &data, "--listen", "127.0.0.1:0", "--tls-cert", &certificate, "--tls-key", &key];
    let mut up = Up::of(orderflow(&up_args));
    let store = up.export("OTS_ENDPOINT").strip_prefix("https://127.0.0.1:").expect("by https").to_owned();
    let page = up.page();
    assert!(page.starts_with("https://127.0.0.1:"), "{page}");
    let tables = |up: &Up| {
        let mut command = up.command(&["tables", "--endpoint", &format!("https://localhost:{store}")]);
        command.env("SSL_CERT_FILE", file("authority.pem"));
        ended(command.output().expect("the program starts"))
    };
    let listed = tables(&up);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    for url in [&page, &format!("https://127.0.0.1:{store}/")] {
        let address = url.trim_start_matches("https://").trim_end_matches('/');
        let mut plain = std::net::TcpStream::connect(address).expect("it listens");
        plain.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("it is sent");
        let mut told = String::new();
        // The connection may be reset, because not all of the request was read.
        let _ = plain.read_to_string(&mut told);
        assert!(told.is_empty() || told.ends_with("this address takes https only\n"), "{told}");
    }

    // From another authority: the old one will not do for it.
    write_certificate(dir.path());
    up.await_told("orderflow: the certificate was read again: new connections get it\n");
    let listed = tables(&up);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    std::fs::write(&certificate, "").expect("the file is written");
    up.await_told("orderflow: ");
    up.await_told(
        "cert.pem holds no certificate: it has no line BEGIN for one; it must have the certificate, ",
    );
    up.await_told("; the certificate before stays in use\n");
    let listed = tables(&up);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    let stopped = up.stop("TERM");
    assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);

    // Where the program is started with such files, it says so instead.
    let bad = ended(orderflow(&up_args).output().expect("the program starts"));
    refused(&bad, 2, &format!("{certificate} holds no certificate: it has no line BEGIN for one"));
    let half = ended(orderflow(&up_args[..7]).output().expect("the program starts"));
    assert_eq!(half.code, Some(2));
    assert!(half.stderr.contains("--tls-key"), "{}", half.stderr);
}
