//! The access key with which callers of the store sign their requests. It is made at the first
//! start and kept in the data directory, in a file that only its owner can read.

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The variable that holds the id of the access key.
pub const KEY_ID: &str = "OTS_AK_ENV";

/// The variable that holds the secret of the access key. There is no flag for it, because other
/// users of a machine can see flags.
pub const SECRET: &str = "OTS_SK_ENV";

/// The name of the key file in the data directory.
const KEY_FILE: &str = "keys.env";

/// The most bytes that are read from a key file.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// The most characters of an id or a secret.
const CHARS_MAX: usize = 256;

/// The number of random bytes in a new id. An id need not be secret.
const ID_BYTES: usize = 10;

/// The number of random bytes in a new secret.
const SECRET_BYTES: usize = 32;

/// An access key: an id and its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// The id, which every request names.
    pub id: String,
    /// The secret, which signs requests and is never sent.
    pub secret: String,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why a file with a secret cannot be used, or there is no access key.
#[derive(Debug)]
pub enum KeyError {
    /// The operating system refused to read or write the file.
    Io(PathBuf, io::Error),
    /// Users other than the owner may read or write the file; this is its mode.
    Loose(PathBuf, u32),
    /// The file is not one of text, for this reason.
    NoText(PathBuf, &'static str),
    /// The file does not hold a key, for this reason.
    NoKey(PathBuf, String),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::Io(path, error) => write!(f, "{}: {error}", path.display()),
            KeyError::Loose(path, mode) => {
                let path = path.display();
                write!(f, "{path} is open to other users (mode {mode:o}): chmod 600 {path}")
            }
            KeyError::NoText(path, reason) => write!(f, "{} cannot be used: {reason}", path.display()),
            KeyError::NoKey(path, reason) => write!(
                f,
                "{} holds no access key: {reason}; it must have the lines {KEY_ID}=… and {SECRET}=…",
                path.display()
            ),
        }
    }
}

impl std::error::Error for KeyError {}

impl KeyPair {
    /// Creates a key from an id and a secret.
    ///
    /// # Errors
    /// Returns the reason if one of them is empty, too long, or has a character that is not
    /// allowed.
    pub fn new(id: &str, secret: &str) -> Result<KeyPair, String> {
        for (name, value) in [(KEY_ID, id), (SECRET, secret)] {
            let is_plain =
                value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=_.-".contains(&byte));
            if value.is_empty() {
                return Err(format!("{name} is missing"));
            }
            // These characters pass through every SDK, header and shell unchanged.
            if !is_plain || value.len() > CHARS_MAX {
                return Err(format!(
                    "{name} must be at most {CHARS_MAX} of the characters A-Z a-z 0-9 + / = _ . -"
                ));
            }
        }
        Ok(KeyPair { id: id.to_owned(), secret: secret.to_owned() })
    }

    /// Creates a new key at random.
    fn random() -> io::Result<KeyPair> {
        let mut bytes = [0; ID_BYTES + SECRET_BYTES];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let (id, secret) = bytes.split_at(ID_BYTES);
        let hex = |bytes: &[u8]| {
            bytes.iter().fold(String::new(), |mut text, byte| {
                // Writing to a string cannot fail.
                let _ = write!(text, "{byte:02x}");
                text
            })
        };
        // The id begins with letters, because some SDKs check ids by a pattern.
        Ok(KeyPair { id: format!("OF{}", hex(id)), secret: hex(secret) })
    }

    /// Returns the key of a data directory. Makes a new one if the directory has none. Only the
    /// process that holds the directory's lock may call this.
    ///
    /// # Errors
    /// Returns [`KeyError`]. A file that exists is never replaced.
    pub fn of_folder(folder: &Path) -> Result<KeyPair, KeyError> {
        let path = folder.join(KEY_FILE);
        match KeyPair::of_file(&path) {
            Err(KeyError::Io(_, error)) if error.kind() == io::ErrorKind::NotFound => {
                let new = KeyPair::random().map_err(|error| KeyError::Io(path.clone(), error))?;
                new.keep(folder, &path).map_err(|error| KeyError::Io(path, error))?;
                Ok(new)
            }
            read => read,
        }
    }

    /// Reads the key in a file.
    ///
    /// # Errors
    /// Returns [`KeyError`], also if users other than the owner may read or write the file.
    pub fn of_file(path: &Path) -> Result<KeyPair, KeyError> {
        let text = private_text(path)?;
        let value = |name: &str| {
            let lines = text.lines().map(str::trim);
            let mut values = lines.filter_map(|line| {
                let (found, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
                (found == name).then_some(value)
            });
            values.next_back().unwrap_or_default()
        };
        KeyPair::new(value(KEY_ID), value(SECRET)).map_err(|reason| KeyError::NoKey(path.to_owned(), reason))
    }

    /// Writes the key to a new file beside `path` and renames it, so that a file of this name is
    /// always whole.
    fn keep(&self, folder: &Path, path: &Path) -> io::Result<()> {
        // A temporary file has mode 0600, and the rename keeps it.
        let mut beside = tempfile::Builder::new().prefix(".keys-").tempfile_in(folder)?;
        let KeyPair { id, secret } = self;
        write!(
            beside,
            "# The access key of this store: who has it may read and change everything in it.\n\
             {KEY_ID}={id}\n{SECRET}={secret}\n"
        )?;
        beside.as_file().sync_all()?;
        beside.persist_noclobber(path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    }
}

/// Reads a file with a secret.
///
/// # Errors
/// Returns [`KeyError`], also if users other than the owner may read or write the file.
pub fn private_text(path: &Path) -> Result<String, KeyError> {
    let failed = |error| KeyError::Io(path.to_owned(), error);
    let no_text = |reason| KeyError::NoText(path.to_owned(), reason);
    // If the path is a pipe, opening it must not wait for a writer.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(no_text("it is not a file"));
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Loose(path.to_owned(), mode));
    }
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut text).map_err(failed)?;
    String::from_utf8(text).map_err(|_| no_text("it is not text"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn written(folder: &Path, text: &[u8], mode: u32) -> PathBuf {
        let path = folder.join(KEY_FILE);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_key_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let made = KeyPair::of_folder(folder.path()).unwrap();
        assert_eq!(KeyPair::of_folder(folder.path()).unwrap(), made);
        let path = folder.path().join(KEY_FILE);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!((made.id.len(), made.secret.len()), (22, 64));
        assert!(made.id.starts_with("OF"));
        assert!(!format!("{made:?}").contains(&made.secret));
        // No temporary file is left over, and another folder gets another key.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let other = KeyPair::of_folder(tempfile::tempdir().unwrap().path()).unwrap();
        assert!(other.id != made.id && other.secret != made.secret);
    }

    #[test]
    fn files_as_people_write_them() {
        let folder = tempfile::tempdir().unwrap();
        let expected = KeyPair::new("id", "a+/=_.-secret").unwrap();
        for text in [
            "OTS_AK_ENV=id\nOTS_SK_ENV=a+/=_.-secret\n",
            "# mine\n\n  export OTS_AK_ENV=id  \r\nexport OTS_SK_ENV=a+/=_.-secret",
            "OTS_SK_ENV=old\nOTS_SK_ENV=a+/=_.-secret\nOTS_REGION=r\nOTS_AK_ENV=id\n",
        ] {
            let path = written(folder.path(), text.as_bytes(), 0o400);
            assert_eq!(KeyPair::of_file(&path).unwrap(), expected, "{text}");
            fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn files_that_hold_no_key_are_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let wrong = "must be at most 256 of the characters A-Z a-z 0-9 + / = _ . -";
        for (text, reason) in [
            (&b""[..], "OTS_AK_ENV is missing".to_owned()),
            (b"OTS_AK_ENV=id\n", "OTS_SK_ENV is missing".to_owned()),
            (b"OTS_AK_ENV=id\nOTS_SK_ENV=\n", "OTS_SK_ENV is missing".to_owned()),
            (b"OTS_AK_ENV=i d\nOTS_SK_ENV=s\n", format!("OTS_AK_ENV {wrong}")),
            (b"OTS_AK_ENV=id\nOTS_SK_ENV=$(reboot)\n", format!("OTS_SK_ENV {wrong}")),
        ] {
            let path = written(folder.path(), text, 0o600);
            let error = KeyPair::of_folder(folder.path()).unwrap_err().to_string();
            let how = "it must have the lines OTS_AK_ENV=… and OTS_SK_ENV=…";
            assert_eq!(error, format!("{} holds no access key: {reason}; {how}", path.display()));
            assert_eq!(fs::read(path).unwrap(), text);
        }
        let path = written(folder.path(), b"\xff\xfe", 0o600);
        let error = KeyPair::of_folder(folder.path()).unwrap_err().to_string();
        assert_eq!(error, format!("{} cannot be used: it is not text", path.display()));
        assert_eq!(fs::read(path).unwrap(), b"\xff\xfe");
    }

    #[test]
    fn files_open_to_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o644, 0o640, 0o606, 0o601] {
            let path = written(folder.path(), b"OTS_AK_ENV=id\nOTS_SK_ENV=s\n", mode);
            let error = KeyPair::of_folder(folder.path()).unwrap_err().to_string();
            let path = path.display();
            assert_eq!(error, format!("{path} is open to other users (mode {mode:o}): chmod 600 {path}"));
        }
        let error = KeyPair::of_file(folder.path()).unwrap_err().to_string();
        assert!(error.contains("it is not a file"), "{error}");
    }
}
