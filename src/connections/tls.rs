//! Serves through TLS, with a certificate from files that are read again when they change.
//!
//! A certificate is renewed by replacing two files, one after the other. In between they do not fit
//! together, and then the ones before stay in use.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// The protocol that is spoken within TLS.
const PROTOCOL: &[u8] = b"http/1.1";

/// The most bytes of a file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A certificate and its private key, as files and as they were last read.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    config: RwLock<Arc<ServerConfig>>,
    /// The files as they were when they were last looked at.
    seen: Mutex<[Stamp; 2]>,
}

/// What shows that a file was changed or replaced: inode, length, and time of its last change in
/// seconds and nanoseconds; `None` if there is no file.
type Stamp = Option<(u64, u64, i64, i64)>;

/// Why files cannot be served with.
#[derive(Debug)]
pub enum TlsError {
    /// This file cannot be read.
    Io(PathBuf, io::Error),
    /// This file, which should hold the certificate, holds none, for this reason.
    NoCertificate(PathBuf, String),
    /// This file, which should hold the private key, holds none, for this reason.
    NoKey(PathBuf, String),
    /// The private key in the second file is not that of the certificate in the first.
    Apart(PathBuf, PathBuf),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::Io(path, error) => write!(f, "{}: {error}", path.display()),
            TlsError::NoCertificate(path, reason) => write!(
                f,
                "{} holds no certificate: {reason}; it must have the certificate, and those between it and its \
                 authority, in PEM",
                path.display()
            ),
            TlsError::NoKey(path, reason) => write!(
                f,
                "{} holds no private key: {reason}; it must have the key without a passphrase, in PEM",
                path.display()
            ),
            TlsError::Apart(certificate, key) => write!(
                f,
                "the private key in {} is not that of the first certificate in {}",
                key.display(),
                certificate.display()
            ),
        }
    }
}

impl std::error::Error for TlsError {}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("certificate", &self.certificate)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads a certificate with those between it and its authority, and its private key.
    ///
    /// # Errors
    /// Returns [`TlsError`], which names the file.
    pub fn read(certificate: &Path, key: &Path) -> Result<Tls, TlsError> {
        let seen = [stamp(certificate), stamp(key)];
        let config = RwLock::new(Arc::new(config_of(certificate, key)?));
        Ok(Tls { certificate: certificate.to_owned(), key: key.to_owned(), config, seen: Mutex::new(seen) })
    }

    /// Reads the files again if they have changed since they were last looked at. New connections
    /// get the new certificate. Returns whether there is one. Waits for the disk.
    ///
    /// # Errors
    /// Returns [`TlsError`], once for each change; then the certificate before stays in use.
    pub fn reread(&self) -> Result<bool, TlsError> {
        let now = [stamp(&self.certificate), stamp(&self.key)];
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *seen, now) == now {
            return Ok(false);
        }
        let config = Arc::new(config_of(&self.certificate, &self.key)?);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(true)
    }

    /// Returns what makes TLS connections with the certificate of now.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn stamp(path: &Path) -> Stamp {
    let found = fs::metadata(path).ok()?;
    Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}

fn config_of(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let read = |path: &Path| read(path).map_err(|error| TlsError::Io(path.to_owned(), error));
    let (certificates, private) = (read(certificate)?, read(key)?);
    let no_certificate = |reason: &str| TlsError::NoCertificate(certificate.to_owned(), reason.to_owned());
    let no_key = |reason: &str| TlsError::NoKey(key.to_owned(), reason.to_owned());
    let certificates = CertificateDer::pem_slice_iter(&certificates).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| no_certificate(reason(&error)))?;
    if certificates.is_empty() {
        return Err(no_certificate(reason(&pem::Error::NoItemsFound)));
    }
    let private = PrivateKeyDer::from_pem_slice(&private).map_err(|error| no_key(reason(&error)))?;
    let refused = |error: rustls::Error| match error {
        rustls::Error::InconsistentKeys(_) => TlsError::Apart(certificate.to_owned(), key.to_owned()),
        rustls::Error::General(_) => no_key("it is none of RSA, ECDSA or Ed25519"),
        rustls::Error::InvalidCertificate(_) => no_certificate("what is there is not X.509"),
        error => no_certificate(&error.to_string()),
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(refused)?
        .with_no_client_auth()
        .with_single_cert(certificates, private)
        .map_err(refused)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(config)
}

/// Reads a file, but waits for no writer of a pipe, and reads nothing that is far too large.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let found = fs::metadata(path)?;
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    if found.len() > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is too large"));
    }
    fs::read(path)
}

/// Returns what is wrong with a PEM file.
fn reason(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "it is cut off before a line END",
        pem::Error::Base64Decode(_) => "what is between its lines BEGIN and END is not base64",
        pem::Error::IllegalSectionStart { .. } => "a line BEGIN in it is malformed",
        _ => "it has no line BEGIN for one",
    }
}
