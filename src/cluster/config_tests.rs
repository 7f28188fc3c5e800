//! Tests how flags and files become a configuration, and every sentence with which they are
//! refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

/// Creates a file with these bytes and this mode, in a directory that is removed when the first
/// value is dropped.
fn file(name: &str, bytes: &[u8], mode: u32) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    (dir, path)
}

/// Returns the sentence with which this is refused, without the directory of the files, and the
/// exit code.
fn refusal(outcome: Result<ClusterConfig, ClusterError>) -> String {
    let Err(error) = outcome else { panic!("accepted") };
    assert_eq!(error.exit_code(), 2);
    let text = error.to_string();
    let words = text.split(' ').map(|word| match word.contains('/') && word.starts_with('/') {
        true => word.rsplit('/').next().unwrap_or(word),
        false => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn one_process_needs_no_addresses() {
    for processes in [None, Some(1)] {
        let config = resolve(4, processes, None, None, None).unwrap();
        assert_eq!((config.workers, config.processes, config.process), (4, 1, 0));
        assert!(config.addresses.is_empty());
        assert_eq!((config.deadline.as_secs(), config.silence_max.as_secs()), (10, 8));
    }
}

#[test]
fn processes_without_hosts_file_have_the_ports_of_timely() {
    let config = resolve(1, Some(3), Some(2), None, None).unwrap();
    assert_eq!(config.addresses, ["localhost:2101", "localhost:2102", "localhost:2103"]);
    assert_eq!((config.processes, config.process), (3, 2));
}

#[test]
fn flags_out_of_range_are_refused() {
    let cases = [
        (0, None, None, "-w 0: a process has 1 to 1024 workers"),
        (1025, None, None, "-w 1025: a process has 1 to 1024 workers"),
        (1, Some(0), None, "-n 0: a run has 1 to 256 processes"),
        (1, Some(257), None, "-n 257: a run has 1 to 256 processes"),
        (1, Some(2), Some(2), "-p 2: this run has 2 processes, counted from 0"),
        (1, None, Some(1), "-p 1: this run has 1 process, counted from 0"),
        (1, Some(2), None, "-p is needed: lines 0 and 1 are both addresses of this machine"),
        (1, Some(3), None, "-p is needed: lines 0, 1 and 2 are all addresses of this machine"),
    ];
    for (workers, processes, process, expected) in cases {
        assert_eq!(refusal(resolve(workers, processes, process, None, None)), expected);
    }
}

#[test]
fn hosts_file_gives_addresses() {
    let text = b"# the two\n\nlocalhost:3001\n  127.0.0.1:3002  \n[::1]:3003\n";
    let (_dir, hosts) = file("hosts.txt", text, 0o644);
    let all = resolve(1, None, Some(1), Some(&hosts), None).unwrap();
    assert_eq!(all.addresses, ["localhost:3001", "127.0.0.1:3002", "[::1]:3003"]);
    assert_eq!((all.processes, all.process), (3, 1));
    let first = resolve(1, Some(2), Some(1), Some(&hosts), None).unwrap();
    assert_eq!(first.addresses, ["localhost:3001", "127.0.0.1:3002"]);
    let text = "\u{feff}localhost:3001 # the first\r\n\t127.0.0.1:3002\t \r\n  # none\r\n";
    let (_dir, edited) = file("hosts.txt", text.as_bytes(), 0o644);
    let edited = resolve(1, None, Some(1), Some(&edited), None).unwrap();
    assert_eq!(edited.addresses, ["localhost:3001", "127.0.0.1:3002"]);
    let one = resolve(1, Some(1), None, Some(&hosts), None).unwrap();
    assert_eq!((one.processes, one.addresses.len()), (1, 0));
}

#[test]
fn hosts_files_are_refused_with_line_and_reason() {
    let cases: [(&str, Option<usize>, &str); 8] = [
        ("", None, "hosts file hosts.txt has no address: it needs a line host:port per process"),
        ("# none\n", None, "hosts file hosts.txt has no address: it needs a line host:port per process"),
        ("localhost:1\n", Some(2), "hosts file hosts.txt has 1 address, but -n is 2"),
        ("localhost:1\nb\n", None, "hosts file hosts.txt, line 2: \"b\" is not host:port"),
        ("localhost:0\n", None, "hosts file hosts.txt, line 1: \"localhost:0\" is not host:port"),
        ("::1:2101\n", None, "hosts file hosts.txt, line 1: \"::1:2101\" is not host:port"),
        ("a:1 b:2\n", None, "hosts file hosts.txt, line 1: \"a:1 b:2\" is not host:port"),
        ("localhost:1\nlocalhost:1\n", None, "processes 0 and 1 have the same address localhost:1"),
    ];
    for (text, processes, expected) in cases {
        let (_dir, hosts) = file("hosts.txt", text.as_bytes(), 0o644);
        assert_eq!(refusal(resolve(1, processes, None, Some(&hosts), None)), expected, "{text:?}");
    }
    let missing = Path::new("/nowhere/hosts.txt");
    assert_eq!(
        refusal(resolve(1, None, None, Some(missing), None)),
        "cannot read hosts file hosts.txt: No such file or directory (os error 2)"
    );
}

#[test]
fn process_is_found_where_one_address_is_local() {
    let key = file("cluster.key", &[7; 32], 0o600);
    // 198.51.100.0/24 is reserved for documentation, so no machine has it.
    let cases = [
        ("198.51.100.1:2101\n127.0.0.1:2102\n", Ok(1)),
        ("localhost:2101\n198.51.100.1:2101\n", Ok(0)),
        (
            "198.51.100.1:2101\n198.51.100.2:2101\n",
            Err("-p is needed: none of the 2 addresses is of this machine"),
        ),
    ];
    for (text, expected) in cases {
        let (_dir, hosts) = file("hosts.txt", text.as_bytes(), 0o644);
        let outcome = resolve(1, None, None, Some(&hosts), Some(&key.1));
        match expected {
            Ok(process) => assert_eq!(outcome.unwrap().process, process),
            Err(sentence) => assert_eq!(refusal(outcome), sentence),
        }
    }
}

#[test]
fn key_is_required_off_loopback() {
    let (_dir, hosts) = file("hosts.txt", b"127.3.2.1:1\n198.51.100.1:2101\n", 0o644);
    assert_eq!(
        refusal(resolve(1, None, Some(0), Some(&hosts), None)),
        "198.51.100.1:2101 is not a loopback address: give every process the same --cluster-key-file; make one with \
         (umask 077; head -c 32 /dev/urandom > cluster.key)"
            .replace("/dev/urandom", "urandom")
    );
    for host in ["127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST", "::1"] {
        assert!(is_loopback(host), "{host}");
    }
    for host in ["0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "localhost.example.org", "127.0.0.1.example.org"] {
        assert!(!is_loopback(host), "{host}");
    }
}

#[test]
fn key_files_are_checked() {
    let good = file("good.key", &[1; 32], 0o400);
    assert_eq!(resolve(1, None, None, None, Some(&good.1)).unwrap().key, Some(vec![1; 32]));
    let cases: [(usize, u32, &str); 5] = [
        (15, 0o600, "cluster key file cluster.key has 15 bytes: a key has 16 to 4096"),
        (0, 0o600, "cluster key file cluster.key has 0 bytes: a key has 16 to 4096"),
        (4097, 0o600, "cluster key file cluster.key has more bytes: a key has 16 to 4096"),
        (32, 0o640, "cluster key file cluster.key can be used by others (mode 0640): chmod 600 cluster.key"),
        (32, 0o604, "cluster key file cluster.key can be used by others (mode 0604): chmod 600 cluster.key"),
    ];
    for (bytes, mode, expected) in cases {
        let (_dir, key) = file("cluster.key", &vec![1; bytes], mode);
        assert_eq!(refusal(resolve(1, None, None, None, Some(&key))), expected);
    }
    let (dir, _) = file("x", b"", 0o600);
    assert!(refusal(resolve(1, None, None, None, Some(dir.path()))).ends_with("is not a file"));
}
