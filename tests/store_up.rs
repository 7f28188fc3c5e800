//! `orderflow up` from its start to its end: keys, refusals, signals, a disk that takes no more.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::store_server::{Up, orders, refused};
use crate::support::{Ended, Process, orderflow, run};

fn up_ends(data: &Path, more: &[&str]) -> Ended {
    let data = data.display().to_string();
    run(&[&["up", "--data", &data, "--listen", "127.0.0.1:0"], more].concat())
}

#[test]
fn the_first_start_makes_a_key_and_later_ones_keep_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let up = Up::start(&data, &[]);
    let names: Vec<&str> = up.exports.keys().map(String::as_str).collect();
    assert_eq!(names, ["OTS_AK_ENV", "OTS_ENDPOINT", "OTS_INSTANCE", "OTS_REGION", "OTS_SK_ENV"]);
    assert_eq!(up.export("OTS_INSTANCE"), "orderflow");
    let key_file = data.join("keys.env");
    assert_eq!(fs::metadata(&key_file).expect("a key file").mode() & 0o7777, 0o600);
    let tables = up.run(&["tables"]);
    assert_eq!((tables.code, tables.stdout.as_str()), (Some(0), ""));
    assert!(tables.stderr.starts_with("no tables yet"), "{}", tables.stderr);
    // Version 2 of the signature too.
    let version_2 = up.command(&["tables"]).env_remove("OTS_REGION").output().expect("it starts");
    assert!(version_2.status.success());

    let exports = up.exports.clone();
    let ended = up.stop("INT");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("orderflow: stopped\n"), "{}", ended.stderr);
    let again = Up::start(&data, &["--instance", "shop", "--no-job", "--no-page"]);
    for name in ["OTS_AK_ENV", "OTS_SK_ENV", "OTS_REGION"] {
        assert_eq!(again.export(name), exports[name], "{name}");
    }
    assert_eq!(again.export("OTS_INSTANCE"), "shop");
    assert_eq!(again.stop("TERM").code, Some(0));
}

#[test]
fn a_key_of_one_s_own_is_used_and_its_secret_is_not_printed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("own.env");
    fs::write(&file, "export OTS_AK_ENV=testid\nexport OTS_SK_ENV=testsecret\n")
        .expect("the file is written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("the mode is set");
    let data = dir.path().join("data");
    let up = Up::start(&data, &["--key-file", &file.display().to_string()]);
    assert_eq!((up.export("OTS_AK_ENV"), up.exports.get("OTS_SK_ENV")), ("testid", None));
    assert!(!data.join("keys.env").exists());
    let called = up.command(&["tables"]).env("OTS_SK_ENV", "testsecret").output().expect("it starts");
    assert!(called.status.success());
}

#[test]
fn up_refuses_what_it_cannot_serve() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let up = Up::start(&data, &[]);
    let shown = data.display();
    refused(&up_ends(&data, &[]), 3, &format!("{shown} is in use by process {};", up.id()));
    let port = up.export("OTS_ENDPOINT").trim_start_matches("http://").to_owned();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    for address in [port, taken.local_addr().expect("an address").to_string()] {
        let other = dir.path().join("other").display().to_string();
        let ended = run(&["up", "--data", &other, "--listen", &address]);
        refused(&ended, 3, &format!("{address} is in use by another program"));
    }
    assert_eq!(up.stop("INT").code, Some(0));

    let remote = run(&["up", "--data", "x", "--listen", "0.0.0.0:0"]);
    refused(&remote, 2, "0.0.0.0:0 can be reached from other machines: say --allow-remote");
    refused(&up_ends(&data, &["--instance", "my shop"]), 2, "--instance \"my shop\" must be");

    let key_file = data.join("keys.env");
    let key = fs::read(&key_file).expect("a key file");
    fs::write(&key_file, "OTS_AK_ENV=only").expect("the file is written");
    refused(
        &up_ends(&data, &[]),
        3,
        &format!("{} holds no access key: OTS_SK_ENV is missing", key_file.display()),
    );
    fs::write(&key_file, key).expect("the file is written");
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o644)).expect("the mode is set");
    refused(
        &up_ends(&data, &[]),
        3,
        &format!("{} is open to other users (mode 644): chmod 600", key_file.display()),
    );
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).expect("the mode is set");

    let format = data.join("engine").join("FORMAT");
    fs::write(&format, "orderflow store, format 9\n").expect("the file is written");
    let ended = up_ends(&data, &[]);
    refused(&ended, 3, &format!("{}", data.display()));
    assert!(ended.stderr.contains("format 9"), "{}", ended.stderr);
}

/// The number of orders that a `generate` says were acknowledged.
fn acknowledged(ended: &Ended) -> usize {
    let (said, _) = ended.stderr.trim_end().rsplit_once(" of ").expect(&ended.stderr);
    let (_, number) = said.rsplit_once(' ').expect(&ended.stderr);
    number.replace(',', "").parse().expect(&ended.stderr)
}

#[test]
fn orders_that_were_acknowledged_before_a_stop_are_there_after_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let up = Up::start(dir.path(), &[]);
    up.ok(&["init"]);
    // Enough for hours.
    let generating = Process::spawn(up.command(&["generate", "--orders", "100000000", "--users", "1000"]));
    while orders(&up).len() < 1_000 {}
    assert_eq!(up.stop("TERM").code, Some(0));
    let ended = generating.wait();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""), "{}", ended.stderr);
    let up = Up::start(dir.path(), &[]);
    let (there, least) = (orders(&up).len(), acknowledged(&ended));
    // One batch on each connection may have been written though its answer was lost.
    assert!((least..=least + 800).contains(&there), "{there} of {least}: {}", ended.stderr);
}

#[test]
fn after_a_failed_write_reads_go_on_and_the_end_is_a_failure() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().display().to_string();
    // Writes beyond a limit then fail, as on a full disk, where by default they would end the process.
    let script = "trap '' XFSZ; exec \"$0\" \"$@\"";
    let program = orderflow(&[]);
    let mut command = Command::new("sh");
    program.get_envs().filter(|(_, value)| value.is_none()).for_each(|(name, _)| {
        command.env_remove(name);
    });
    command.args(["-c", script]).arg(program.get_program()).args([
        "up",
        "--data",
        &data,
        "--listen",
        "127.0.0.1:0",
    ]);
    let mut up = Up::of(command);
    up.ok(&["init"]);
    up.ok(&["generate"]);
    let pid = Pid::from_raw(up.id().cast_signed());
    let limit = Rlimit { current: Some(0), maximum: None };
    prlimit(pid, Resource::Fsize, limit).expect("the limit is set");

    let ended = up.run(&["generate", "--orders", "10000", "--seed", "1"]);
    assert_eq!((ended.code, acknowledged(&ended)), (Some(3), 0), "{}", ended.stderr);
    assert!(ended.stderr.contains("refused: UserId u0"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("orderflow: the store takes no more orders; 0 of 10,000"),
        "{}",
        ended.stderr
    );
    assert_eq!(orders(&up).len(), 500);
    up.await_told("orderflow: writes are refused from now on, reads go on: ");
    let ended = up.stop("INT");
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);

    let up = Up::start(dir.path(), &[]);
    assert_eq!(orders(&up).len(), 500);
    up.ok(&["generate", "--seed", "1"]);
}
