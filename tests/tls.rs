//! The commands through TLS, as they reach a Tablestore instance: only to who shows a certificate
//! for the name asked for.

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

use crate::store_server::Up;
use crate::support::ended;

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
