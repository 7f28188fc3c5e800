use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::sync::atomic::AtomicU64;

use dataflows::{Id, Window};
use tempfile::TempDir;

use super::*;
use crate::format::Format;
use crate::ingest::Reject;
use crate::sinks::test_results::{self, layout, small, totals};

fn csv() -> FileLayout {
    layout(Format::Csv, "UTC", 30_000)
}

fn tempdir() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Results that differ with each epoch.
fn results_at(epoch: u64) -> Results {
    let all = totals(epoch as i64, &epoch.to_string());
    test_results::results(epoch, vec![(Id::new("u"), all)], all, vec![(Window { start_ms: 0 }, all)]).unwrap()
}

fn write(output: &Output, results: &Results) -> Result<(), OutputError> {
    output.write(results, &mut output.rejects()?, 4, &BTreeMap::from([(0, "a.csv".to_owned())]))
}

/// Prepares an output, writes the small results to it, and ends it.
fn run(dir: &Path, force: bool, layout: FileLayout) -> Result<(), OutputError> {
    write(&Output::prepare(dir, force, layout)?, &small())
}

/// Returns the contents of a folder by name. Folders in it are `None`.
fn contents(dir: &Path) -> BTreeMap<String, Option<String>> {
    let names = folder::entries(dir).unwrap().into_iter();
    names
        .map(|name| {
            let text =
                fs::read(dir.join(&name)).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            (name.into_string().unwrap(), text)
        })
        .collect()
}

fn names(dir: &Path) -> Vec<String> {
    contents(dir).into_keys().collect()
}

const CSV_NAMES: [&str; 4] = ["OrderBatchSink.csv", "OrderStreamSink.csv", "OrderTotalSink.csv", MARK];

#[test]
fn a_set_is_written_whole_and_nothing_else_stays() {
    let root = tempdir();
    let out = root.path().join("deep/er/out");
    run(&out, false, csv()).unwrap();
    assert_eq!(names(&out), CSV_NAMES);
    assert_eq!(names(out.parent().unwrap()), ["out"]);
    let files = contents(&out);
    assert_eq!(files["OrderTotalSink.csv"].as_deref(), Some("count,totalPrice\n4,12.339999999999999999\n"));
    let facts = OutputFacts::read(&out).unwrap();
    assert_eq!((facts.epoch, facts.orders, facts.rejected), (7, 4, 0));
    assert_eq!((facts.window_ms, facts.timezone.as_str(), facts.format), (30_000, "UTC", Format::Csv));
    assert_eq!(facts.inputs, ["a.csv"]);
    // Equal results give equal bytes.
    run(&out, false, csv()).unwrap();
    assert_eq!(contents(&out), files);
}

#[test]
fn nothing_is_there_before_the_first_write() {
    let root = tempdir();
    let out = root.path().join("deep/out");
    let output = Output::prepare(&out, false, csv()).unwrap();
    assert!(!out.exists());
    drop(output);
    assert_eq!(names(root.path()), Vec::<String>::new());
}

#[test]
fn another_format_replaces_the_files_of_the_last() {
    let root = tempdir();
    let out = root.path().join("out");
    run(&out, false, csv()).unwrap();
    run(&out, false, layout(Format::Jsonl, "UTC", 30_000)).unwrap();
    assert_eq!(names(&out), ["OrderBatchSink.jsonl", "OrderStreamSink.jsonl", "OrderTotalSink.jsonl", MARK]);
    run(&out, false, layout(Format::Parquet, "UTC", 30_000)).unwrap();
    assert_eq!(
        names(&out),
        ["OrderBatchSink.parquet", "OrderStreamSink.parquet", "OrderTotalSink.parquet", MARK]
    );
}

#[test]
fn rejects_are_written_only_where_there_are_any() {
    let root = tempdir();
    let out = root.path().join("out");
    let output = Output::prepare(&out, false, csv()).unwrap();
    let mut rejects = output.rejects().unwrap();
    let reject =
        Reject { input: 0, part: 0, line: 2, reason: "price \"x\" is not".into(), raw: b"u,1,x".to_vec() };
    rejects.push(&reject).unwrap();
    let inputs = BTreeMap::from([(0, "a.csv".to_owned())]);
    output.write(&small(), &mut rejects, 4, &inputs).unwrap();
    let line = "{\"file\":\"a.csv\",\"line\":3,\"reason\":\"price \\\"x\\\" is not\",\"raw\":\"u,1,x\"}\n";
    assert_eq!(contents(&out)[REJECTS].as_deref(), Some(line));
    assert_eq!(OutputFacts::read(&out).unwrap().rejected, 1);
    drop(output);
    run(&out, false, csv()).unwrap();
    assert_eq!(names(&out), CSV_NAMES);
}

#[test]
fn what_is_not_ours_is_refused() {
    let root = tempdir();
    let out = root.path().join("out");
    fs::create_dir(&out).unwrap();
    run(&out, false, csv()).expect("an empty folder is taken");
    for (path, asked, expected) in [
        (
            "out",
            layout(Format::Csv, "Europe/Berlin", 30_000),
            "holds results in time zone UTC, not Europe/Berlin; choose another, or add --force to replace them",
        ),
        (
            "out",
            layout(Format::Csv, "UTC", 1_500),
            "holds windows of 30s, not 1500ms; choose another, or add --force to replace them",
        ),
        (
            "foreign",
            csv(),
            "is not empty and not orderflow's (it holds \"b.txt\"); choose another, or add --force to keep what is there and write beside it",
        ),
    ] {
        let foreign = root.path().join("foreign");
        fs::create_dir_all(foreign.join("c")).unwrap();
        fs::write(foreign.join("b.txt"), "mine").unwrap();
        let dir = root.path().join(path);
        let before = contents(&dir);
        let error = run(&dir, false, asked.clone()).unwrap_err();
        assert_eq!(error.to_string(), format!("output folder {} {expected}", dir.display()));
        assert_eq!(error.exit_code(), 2);
        assert_eq!(contents(&dir), before);
        run(&dir, true, asked).expect("force overrides it");
        run(&out, true, csv()).unwrap();
    }
    assert_eq!(names(root.path()), ["foreign", "out"]);
}

#[test]
fn a_file_is_no_folder() {
    let root = tempdir();
    let file = root.path().join("out.csv");
    fs::write(&file, "mine").unwrap();
    for force in [false, true] {
        let error = run(&file, force, csv()).unwrap_err();
        let path = file.display();
        assert_eq!(error.to_string(), format!("output {path} is not a folder; name one to be made"));
        assert_eq!(error.exit_code(), 2);
    }
    let below = file.join("deeper");
    let error = run(&below, false, csv()).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot write to {}: not a directory", below.display()));
    assert_eq!(error.exit_code(), 3);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn force_keeps_what_is_not_ours() {
    let root = tempdir();
    let out = root.path().join("out");
    fs::create_dir_all(out.join("folder")).unwrap();
    fs::write(out.join("folder/deep.txt"), "deep").unwrap();
    fs::write(out.join("notes.txt"), "mine").unwrap();
    // The file has the name of a result, but it is not in a folder of orderflow's, and not in the
    // set that is written.
    fs::write(out.join("OrderBatchSink.parquet"), "mine too").unwrap();
    fs::write(out.join("OrderBatchSink.csv"), "gives way").unwrap();
    symlink("/nowhere", out.join("link")).unwrap();
    run(&out, true, csv()).unwrap();
    let mut expected = CSV_NAMES.map(str::to_owned).to_vec();
    expected.extend(["OrderBatchSink.parquet", "folder", "link", "notes.txt"].map(str::to_owned));
    expected.sort();
    assert_eq!(names(&out), expected);
    assert_eq!(fs::read_to_string(out.join("folder/deep.txt")).unwrap(), "deep");
    assert_eq!(fs::read_to_string(out.join("notes.txt")).unwrap(), "mine");
    assert!(fs::read_to_string(out.join("OrderBatchSink.csv")).unwrap().starts_with("UserId,"));
    assert_eq!(names(root.path()), ["out"]);
}

#[test]
fn one_of_our_names_taken_by_a_folder_is_refused_even_by_force() {
    let root = tempdir();
    let taken = root.path().join("out").join(REJECTS);
    fs::create_dir_all(&taken).unwrap();
    let error = run(&root.path().join("out"), true, csv()).unwrap_err();
    let path = taken.display();
    assert_eq!(error.to_string(), format!("cannot write {path}: a folder has that name; move it away"));
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn a_link_to_a_folder_stays_a_link() {
    let root = tempdir();
    let (real, link) = (root.path().join("elsewhere/real"), root.path().join("link"));
    fs::create_dir_all(&real).unwrap();
    symlink(&real, &link).unwrap();
    run(&link, false, csv()).unwrap();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(names(&real), CSV_NAMES);
    symlink("/nowhere/at/all", root.path().join("broken")).unwrap();
    let broken = root.path().join("broken");
    let error = run(&broken, false, csv()).unwrap_err();
    let path = broken.display();
    assert_eq!(error.to_string(), format!("cannot write to {path}: the symbolic link leads nowhere"));
}

#[test]
fn unusual_names_are_names() {
    let root = tempdir();
    let long = "x".repeat(250);
    for name in [long.as_str(), "trailing/", "./dots/./here", ".hidden", "größe and space"] {
        let out = root.path().join(name);
        run(&out, false, csv()).unwrap();
        run(&out, false, csv()).unwrap();
        assert_eq!(names(&out), CSV_NAMES, "{name}");
    }
    assert_eq!(names(root.path()).len(), 5);
    let error = run(&root.path().join("missing/.."), false, csv()).unwrap_err();
    assert!(error.to_string().ends_with("no such folder, and its name ends in `..`"), "{error}");
}

#[test]
fn a_folder_where_nothing_can_be_made_is_an_environment_failure() {
    let error = run(Path::new("/proc/orderflow"), false, csv()).unwrap_err();
    assert_eq!(error.to_string(), "cannot write to /proc/orderflow: no such file or directory");
    assert_eq!(error.exit_code(), 3);
}

#[test]
fn permissions_of_the_folder_stay() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempdir();
    let out = root.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o750)).unwrap();
    run(&out, false, csv()).unwrap();
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o7777, 0o750);
}

/// Returns the path of the staging of this process beside `out`.
fn staging_of(out: &Path) -> PathBuf {
    let name =
        format!(".{}.orderflow-{}.tmp", out.file_name().unwrap().to_str().unwrap(), std::process::id());
    out.with_file_name(name)
}

#[test]
fn a_full_disk_changes_nothing() {
    for full in ["OrderBatchSink.csv", "OrderTotalSink.csv", "OrderStreamSink.csv", REJECTS, MARK] {
        let root = tempdir();
        let out = root.path().join("out");
        run(&out, false, csv()).unwrap();
        let before = contents(&out);
        let output = Output::prepare(&out, false, csv()).unwrap();
        let mut rejects = output.rejects().unwrap();
        let reject = Reject { input: 0, part: 0, line: 0, reason: "bad".into(), raw: b"x".to_vec() };
        rejects.push(&reject).unwrap();
        // The file that is to be written next has no space.
        symlink("/dev/full", staging_of(&out).join("next").join(full)).unwrap();
        let error = output.write(&results_at(9), &mut rejects, 1, &BTreeMap::new()).unwrap_err();
        let path = out.join(full);
        let expected =
            format!("cannot write {}: no space left on device; nothing was changed", path.display());
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.exit_code(), 3);
        assert_eq!(contents(&out), before);
        // Once there is space, the same run can go on.
        output.write(&results_at(9), &mut rejects, 1, &BTreeMap::new()).unwrap();
        assert_eq!(OutputFacts::read(&out).unwrap().epoch, 9);
        drop(output);
        assert_eq!(names(root.path()), ["out"]);
    }
}

#[test]
fn readers_only_ever_see_whole_sets() {
    const WRITES: u64 = 200;
    let root = tempdir();
    let out = root.path().join("out");
    let output = Output::prepare(&out, false, csv()).unwrap();
    write(&output, &results_at(1)).unwrap();
    fs::write(out.join("notes.txt"), "mine").unwrap();
    let written = AtomicU64::new(1);
    let seen = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            loop {
                let last = written.load(Ordering::Acquire) == WRITES;
                // The files are opened through one handle of the folder, so all are of one epoch.
                let held = fs::File::open(&out).unwrap();
                let at = |name: &str| {
                    use std::os::fd::AsRawFd;
                    fs::read_to_string(format!("/proc/self/fd/{}/{name}", held.as_raw_fd())).ok()
                };
                let set = (at("OrderBatchSink.csv"), at("OrderTotalSink.csv"), at("OrderStreamSink.csv"));
                // A folder that is replaced while it is read becomes empty. Then the reader looks
                // again.
                if let (Some(users), Some(total), Some(windows)) = set {
                    let epoch: u64 = total.lines().nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
                    assert!(epoch >= seen, "epoch {epoch} after {seen}");
                    seen = epoch;
                    assert_eq!(total, format!("count,totalPrice\n{epoch},{epoch}.00\n"));
                    assert_eq!(users, format!("UserId,count,totalPrice\nu,{epoch},{epoch}.00\n"));
                    assert_eq!(
                        windows,
                        format!(
                            "begin,end,count,totalPrice\n1970-01-01 00:00:00,1970-01-01 00:00:30,{epoch},{epoch}.00\n"
                        )
                    );
                }
                // Through the path, a file is there at any time.
                fs::read_to_string(out.join("OrderTotalSink.csv")).unwrap();
                if last {
                    return seen;
                }
            }
        });
        for epoch in 2..=WRITES {
            write(&output, &results_at(epoch)).unwrap();
            written.store(epoch, Ordering::Release);
        }
        reader.join().unwrap()
    });
    assert_eq!(seen, WRITES);
    assert_eq!(fs::read_to_string(out.join("notes.txt")).unwrap(), "mine");
    drop(output);
    assert_eq!(names(root.path()), ["out"]);
}

#[test]
fn giving_up_from_another_thread_leaves_the_last_set() {
    let root = tempdir();
    let out = root.path().join("made/out");
    let output = Output::prepare(&out, false, csv()).unwrap();
    let handle = output.abandon_handle();
    std::thread::spawn(move || handle.abandon()).join().unwrap();
    let error =
        output.write(&small(), &mut Rejects::new_in(root.path()).unwrap(), 4, &BTreeMap::new()).unwrap_err();
    let path = out.display();
    assert_eq!(
        error.to_string(),
        format!("the run was given up before {path} was written; nothing was changed")
    );
    assert_eq!(names(root.path()), Vec::<String>::new());

    let output = Output::prepare(&out, false, csv()).unwrap();
    write(&output, &results_at(3)).unwrap();
    output.abandon();
    assert!(write(&output, &results_at(4)).is_err());
    assert_eq!(OutputFacts::read(&out).unwrap().epoch, 3);
    assert_eq!(names(out.parent().unwrap()), ["out"]);
}

#[test]
fn a_folder_has_one_writer() {
    let root = tempdir();
    let out = root.path().join("out");
    let first = Output::prepare(&out, false, csv()).unwrap();
    let error = run(&out, true, csv()).unwrap_err();
    let path = out.display();
    assert_eq!(error.to_string(), format!("output folder {path} is being written by another run"));
    assert_eq!(error.exit_code(), 2);
    write(&first, &small()).unwrap();
    drop(first);
    run(&out, false, csv()).unwrap();
}

#[test]
fn what_dead_runs_left_is_cleaned_and_nothing_else() {
    let root = tempdir();
    let out = root.path().join("out");
    run(&out, false, csv()).unwrap();
    // Process numbers are reused: one left-over staging has the number of this very process.
    let own = staging_of(&out);
    let dead = root.path().join(".out.orderflow-999999.tmp");
    for (left, name) in [(&own, "half a set"), (&dead, "an old folder")] {
        fs::create_dir_all(left.join("next")).unwrap();
        fs::copy(out.join(MARK), left.join("next").join(MARK)).unwrap();
        fs::write(left.join("next/OrderBatchSink.csv"), "old").unwrap();
        fs::write(left.join("next").join(name), "mine").unwrap();
    }
    // This run died after it exchanged a foreign folder and before it moved the folder's entries.
    let forced = root.path().join(".out.orderflow-999998.tmp");
    fs::create_dir_all(forced.join("next")).unwrap();
    fs::write(forced.join("next/OrderStreamSink.parquet"), "mine as well").unwrap();
    let inside = out.join(".orderflow-999999.tmp");
    fs::create_dir_all(inside.join("next")).unwrap();
    let others = [".out.orderflow-x.tmp", ".other.orderflow-999999.tmp", ".out.orderflow-.tmp"];
    for other in others {
        fs::create_dir(root.path().join(other)).unwrap();
    }
    drop(Output::prepare(&out, false, csv()).unwrap());
    let mut expected = others.map(str::to_owned).to_vec();
    expected.push("out".to_owned());
    expected.sort();
    assert_eq!(names(root.path()), expected);
    let files = contents(&out);
    assert_eq!(files["half a set"].as_deref(), Some("mine"));
    assert_eq!(files["an old folder"].as_deref(), Some("mine"));
    assert_eq!(files["OrderStreamSink.parquet"].as_deref(), Some("mine as well"));
    assert!(!inside.exists());
}

#[test]
fn a_folder_that_cannot_be_exchanged_is_replaced_file_by_file() {
    let root = tempdir();
    let out = root.path().join("out");
    run(&out, false, layout(Format::Jsonl, "UTC", 30_000)).unwrap();
    fs::write(out.join("notes.txt"), "mine").unwrap();
    let output = Output::prepare(&out, false, csv()).unwrap();
    {
        // This is the state after an exchange was refused.
        let mut state = output.shared.lock();
        let beside = state.staging.take().unwrap();
        beside.remove(&out);
        state.staging = Some(Staging::create(&out.canonicalize().unwrap(), Place::Inside).unwrap());
    }
    let held = fs::metadata(&out).unwrap();
    for epoch in [3, 4] {
        write(&output, &results_at(epoch)).unwrap();
        assert_eq!(OutputFacts::read(&out).unwrap().epoch, epoch);
    }
    use std::os::unix::fs::MetadataExt;
    assert_eq!(fs::metadata(&out).unwrap().ino(), held.ino(), "the folder itself stays");
    drop(output);
    let mut expected = CSV_NAMES.to_vec();
    expected.insert(3, "notes.txt");
    assert_eq!(names(&out), expected);
}

#[test]
fn a_folder_removed_meanwhile_is_made_again() {
    let root = tempdir();
    let out = root.path().join("out");
    let output = Output::prepare(&out, false, csv()).unwrap();
    write(&output, &results_at(1)).unwrap();
    fs::remove_dir_all(&out).unwrap();
    write(&output, &results_at(2)).unwrap();
    assert_eq!(OutputFacts::read(&out).unwrap().epoch, 2);
    // A folder that was created in the meantime and holds something stays as it is.
    fs::remove_dir_all(&out).unwrap();
    fs::create_dir(&out).unwrap();
    fs::write(out.join("notes.txt"), "mine").unwrap();
    write(&output, &results_at(3)).unwrap();
    assert_eq!(fs::read_to_string(out.join("notes.txt")).unwrap(), "mine");
}
