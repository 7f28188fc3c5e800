//! Backups of stores that run and that do not, and stores made of them: whole or not there at all,
//! whenever anybody is killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;

use store::value::Row;
use store::view::View;
use store::{Checked, Store, StoreOptions};

use crate::crash::{Dice, rounds, seed};
use crate::store_server::{Up, orders, refused};
use crate::support::{Ended, Process, orderflow, run};

/// The rows of all tables, and what a check has found.
#[derive(Debug, PartialEq)]
struct Contents {
    tables: BTreeMap<String, Vec<Row>>,
    checked: Checked,
    commit: u64,
}

fn rows(view: &View, table: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    view.each_row(table, None, &mut |key, cells| {
        let key = key.iter().map(|value| value.to_value()).collect();
        rows.push(Row { key, cells: cells.iter().map(|cell| cell.to_cell()).collect() });
        std::ops::ControlFlow::Continue(())
    })
    .expect("the table is read");
    rows
}

/// What a folder holds that nobody serves.
fn contents(data: &Path) -> Contents {
    let store = Store::open(data, StoreOptions::default()).expect("it opens");
    let view = store.view().expect("a view");
    let tables = store.tables().into_iter().map(|name| (name.clone(), rows(&view, &name))).collect();
    Contents { tables, checked: store.check().expect("rows and log agree"), commit: view.last_commit() }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn back_up(data: &Path, to: &Path, more: &[&str]) -> Ended {
    run(&[&["backup", "--data", &shown(data), "--to", &shown(to)], more].concat())
}

fn restore(file: &Path, data: &Path) -> Ended {
    run(&["restore", &shown(file), "--data", &shown(data)])
}

/// What a command says that went well.
fn said(ended: Ended) -> String {
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    ended.stdout
}

/// A store with results, a tunnel, a log, and a few thousand orders.
fn shop(data: &Path) {
    let mut up = Up::start(data, &[]);
    up.ok(&["init"]);
    up.ok(&["generate", "--orders", "1500", "--users", "200", "--corrections", "10", "--cancels", "5"]);
    up.await_told("orderflow: job: running, ");
    while up.run(&["verify"]).code != Some(0) {}
    assert_eq!(up.stop("TERM").code, Some(0));
}

#[test]
fn a_store_that_does_not_run_comes_back_as_it_was() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [data, file, new] = ["shop", "shop.backup", "new/shop"].map(|name| dir.path().join(name));
    shop(&data);
    let before = contents(&data);
    let told = said(back_up(&data, &file, &[]));
    let rows: usize = before.tables.values().map(Vec::len).sum();
    assert!(rows > 1_000, "{rows}");
    let counted = |number: u64| terminal::Thousands(number).to_string();
    let expected = format!(
        "as of commit {}: {} rows and {} logged changes, ",
        counted(before.commit),
        counted(rows as u64),
        counted(before.checked.changes)
    );
    assert!(told.contains(&expected) && told.ends_with(&format!(", checked: {}\n", shown(&file))), "{told}");
    let told = said(restore(&file, &new));
    assert!(told.contains(&expected), "{told}");
    assert_eq!(contents(&new), before);
    // The new store goes on as the old one would: results, tunnel and log are of one commit.
    let mut up = Up::start(&new, &[]);
    up.await_told("orderflow: job: running, ");
    up.ok(&["generate", "--orders", "100", "--seed", "9"]);
    while up.run(&["verify"]).code != Some(0) {}
    assert_eq!(up.ok(&["tunnel", "list"]).lines().count(), 1);
    assert_eq!(up.stop("TERM").code, Some(0));
    // Neither command replaces what is there.
    refused(&back_up(&data, &file, &[]), 2, &format!("{} exists: name another file", shown(&file)));
    said(back_up(&new, &file, &["--force"]));
    refused(&restore(&file, &new), 2, &format!("{} has a store already: name another folder", shown(&new)));
    refused(&back_up(dir.path(), &file, &["--force"]), 2, &format!("{} holds no store", shown(dir.path())));
    let names = fs::read_dir(dir.path()).expect("the folder").count();
    assert_eq!(names, 3, "nothing else is left");
}

#[test]
fn a_store_that_runs_is_backed_up_as_of_one_commit() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    // Longer than the address of a socket may be.
    let data = dir.path().join("d".repeat(120)).join("shop");
    let mut up = Up::start(&data, &[]);
    up.ok(&["init"]);
    up.await_told("orderflow: job: running, ");
    let generating = Process::spawn(up.command(&["generate", "--orders", "100000000", "--users", "500"]));
    let mut least = 0;
    for round in 0..3 {
        while orders(&up).len() <= least + 500 {}
        least = orders(&up).len();
        let file = dir.path().join(format!("{round}.backup"));
        said(back_up(&data, &file, &[]));
        let new = dir.path().join(format!("{round}"));
        said(restore(&file, &new));
        let contents = contents(&new);
        assert!(contents.tables["OrderSource"].len() >= least, "what was acknowledged before is in it");
        // The results are of the very commit that they were of.
        let verified = run(&["verify", "--data", &shown(&new)]);
        assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
    }
    drop(generating);
    assert_eq!(up.stop("TERM").code, Some(0));
}

#[test]
fn only_one_backup_is_taken_at_a_time_and_a_stop_breaks_it_off() {
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [data, file] = ["shop", "shop.backup"].map(|name| dir.path().join(name));
    shop(&data);
    let up = Up::start(&data, &["--no-job"]);
    // More than the connection holds unread.
    up.ok(&["generate", "--orders", "60000", "--users", "20000"]);
    let mut holder = UnixStream::connect(data.join("backup.sock")).expect("it answers");
    holder.read_exact(&mut [0]).expect("a backup begins");
    let busy = back_up(&data, &file, &[]);
    refused(&busy, 3, "another backup of this store is being taken");
    drop(holder);
    while back_up(&data, &file, &["--force"]).code != Some(0) {}
    assert_eq!(up.stop("TERM").code, Some(0));
    assert!(!data.join("backup.sock").exists());
}

#[test]
fn a_damaged_backup_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [data, file, other, new] = ["shop", "shop.backup", "other", "new"].map(|name| dir.path().join(name));
    shop(&data);
    said(back_up(&data, &file, &[]));
    let sound = fs::read(&file).expect("the backup");
    let mut dice = Dice::new(seed());
    let at = |dice: &mut Dice| dice.below(sound.len() as u64) as usize;
    let mut cases: Vec<(String, Vec<u8>)> = vec![
        ("empty".to_owned(), Vec::new()),
        ("longer".to_owned(), [&sound[..], b"x"].concat()),
        ("twice".to_owned(), sound.repeat(2)),
        ("not a backup".to_owned(), b"UserId,OrderId\n".repeat(100)),
        ("without its last byte".to_owned(), sound[..sound.len() - 1].to_vec()),
    ];
    for _ in 0..24 {
        let (cut, flipped) = (at(&mut dice), at(&mut dice));
        cases.push((format!("cut at {cut}"), sound[..cut].to_vec()));
        let mut bytes = sound.clone();
        bytes[flipped] ^= 1 << dice.below(8);
        cases.push((format!("flipped at {flipped}"), bytes));
    }
    for (what, bytes) in cases {
        fs::write(&other, bytes).expect("the file is written");
        let ended = restore(&other, &new);
        refused(&ended, 2, &format!("{} is damaged: ", shown(&other)));
        assert!(ended.stderr.ends_with("; nothing is restored\n"), "{what}: {}", ended.stderr);
        assert!(!Store::is_in(&new), "{what}");
    }
    refused(&restore(&dir.path().join("none"), &new), 2, &format!("{}/none: ", shown(dir.path())));
    // The same folder takes the sound one.
    said(restore(&file, &new));
    assert_eq!(contents(&new), contents(&data));
}

/// Runs a command and kills it after some moment of `longest`, unless it ends before.
fn kill_at_random(args: &[&str], dice: &mut Dice, longest: u64) {
    let mut process = Process::spawn(orderflow(args));
    let spins = dice.below(longest);
    for _ in 0..spins {
        if process.0.try_wait().expect("its state").is_some() {
            return;
        }
        thread::yield_now();
    }
    process.0.kill().expect("it is killed");
    process.0.wait().expect("it ends");
}

#[test]
fn whoever_is_killed_leaves_the_whole_or_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [data, file, good, new] =
        ["shop", "shop.backup", "good.backup", "new"].map(|name| dir.path().join(name));
    shop(&data);
    said(back_up(&data, &good, &[]));
    let expected = contents(&data);
    let (mut dice, rounds) = (Dice::new(seed()), rounds(8));
    let up = Up::start(&data, &["--no-job", "--no-page"]);
    for round in 0..rounds {
        // Of the running store, the one that takes it is killed.
        kill_at_random(&["backup", "--data", &shown(&data), "--to", &shown(&file)], &mut dice, 200_000);
        if file.exists() {
            said(restore(&file, &new));
            assert_eq!(contents(&new), expected, "round {round}");
            fs::remove_dir_all(&new).expect("the folder goes");
            fs::remove_file(&file).expect("the file goes");
        }
        kill_at_random(&["restore", &shown(&good), "--data", &shown(&new)], &mut dice, 200_000);
        match Store::is_in(&new) && !new.join("RESTORING").exists() {
            true => assert_eq!(contents(&new), expected, "round {round}"),
            false => {
                // Nobody takes it for a store; it can be restored again.
                if new.join("RESTORING").exists() {
                    let ended = run(&["up", "--data", &shown(&new), "--listen", "127.0.0.1:0"]);
                    refused(&ended, 3, &format!("{}/RESTORING is damaged: ", shown(&new)));
                }
                said(restore(&good, &new));
                assert_eq!(contents(&new), expected, "round {round}");
            }
        }
        fs::remove_dir_all(&new).expect("the folder goes");
    }
    // What the killed ones left beside the file goes with the next backup.
    said(back_up(&data, &file, &[]));
    assert_eq!(up.stop("TERM").code, Some(0));
    let left =
        fs::read_dir(dir.path()).expect("the folder").map(|entry| entry.expect("an entry").file_name());
    let mut left: Vec<String> = left.map(|name| name.to_string_lossy().into_owned()).collect();
    left.sort();
    assert_eq!(left, ["good.backup", "shop", "shop.backup"]);
}

#[test]
fn a_backup_of_a_server_that_is_killed_is_not_there() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let [data, file] = ["shop", "shop.backup"].map(|name| dir.path().join(name));
    shop(&data);
    let mut dice = Dice::new(seed());
    for round in 0..rounds(5) {
        let up = Up::start(&data, &["--no-job", "--no-page"]);
        let process = Process::spawn(orderflow(&["backup", "--data", &shown(&data), "--to", &shown(&file)]));
        (0..dice.below(100_000)).for_each(|_| thread::yield_now());
        up.stop("KILL");
        let ended = process.wait();
        assert_eq!(file.exists(), ended.code == Some(0), "round {round}: {}", ended.stderr);
        if ended.code == Some(0) {
            fs::remove_file(&file).expect("the file goes");
        }
    }
    assert!(!dir.path().join("shop.backup.part").exists());
}

#[test]
fn commands_say_what_they_are_for() {
    for (command, words) in [("backup", "DIR/backup.sock"), ("restore", "keys.env")] {
        let help = said(run(&[command, "--help"]));
        assert!(help.contains(words), "{help}");
    }
}
