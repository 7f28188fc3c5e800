//! A backup of the store while it runs and while it does not, and a store made of it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::server::{Server, program};
use crate::thousands;

/// Measures and prints, on a folder with so many orders.
pub(crate) fn measure(folder: &Path, orders: u64) {
    println!("### Backup and restore of {} orders, with their results and their log\n", thousands(orders));
    println!("| | seconds | MB |\n|---|---:|---:|");
    let beside = tempfile::tempdir_in("target").expect("a folder");
    let [running, stopped, new] = ["running", "stopped", "new"].map(|name| beside.path().join(name));
    let mut server = Server::start(folder, &[]);
    take(folder, &running, "backup of the store while it runs");
    kill_process(Pid::from_child(&server.child), Signal::TERM).expect("the signal reaches it");
    server.child.wait().expect("it ends");
    take(folder, &stopped, "backup while it does not run");
    let seconds = run(&["restore".as_ref(), stopped.as_ref(), "--data".as_ref(), new.as_ref()]);
    println!("| restore | {seconds:.1} | {:.0} |\n", bytes(&new) as f64 / 1e6);
}

fn take(folder: &Path, to: &Path, what: &str) {
    let seconds = run(&["backup".as_ref(), "--data".as_ref(), folder, "--to".as_ref(), to]);
    let bytes = fs::metadata(to).expect("the backup").len();
    println!("| {what} | {seconds:.1} | {:.0} |", bytes as f64 / 1e6);
}

/// Runs a command that must go well; gives its seconds.
fn run(args: &[&Path]) -> f64 {
    let began = Instant::now();
    let ended = Command::new(program()).args(args).output().expect("it starts");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    began.elapsed().as_secs_f64()
}

/// The bytes of all files in a folder.
fn bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| match entry.file_type().expect("its type").is_dir() {
            true => bytes(&entry.path()),
            // A journal has room that is not used.
            false => std::os::unix::fs::MetadataExt::blocks(&entry.metadata().expect("its size")) * 512,
        })
        .sum()
}
