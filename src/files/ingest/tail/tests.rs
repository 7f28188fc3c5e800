//! Tests files that are written to between two looks. No look waits for anything.

use std::fs::{self, File};
use std::io::Write;

use tempfile::TempDir;

use super::look::LOOK_BYTES;
use super::*;
use crate::ingest::{Envelope, RECORD_BYTES_MAX, RowForm, ZSTD_WINDOW_BYTES_MAX};

const HEADER: &str = "user_id,order_id,price,timestamp\n";

/// A followed directory that is read by some workers.
struct Followed {
    directory: TempDir,
    options: InputOptions,
    plan: Plan,
    tails: Vec<Tail>,
    round: u32,
    ended: bool,
    new_inputs: Vec<(u32, String)>,
}

impl Followed {
    /// Writes the files, makes the plan and reads the bounded parts.
    fn new(peers: usize, files: &[(&str, &str)], inputs: &[&str]) -> Followed {
        let directory = TempDir::with_prefix("tail").unwrap();
        for (name, content) in files {
            fs::write(directory.path().join(name), content).unwrap();
        }
        let options = InputOptions {
            inputs: inputs.iter().map(|name| directory.path().join(name).display().to_string()).collect(),
            format: None,
            rows: RowForm { envelope: Envelope::Upsert, ..RowForm::default() },
            zstd_window_bytes_max: ZSTD_WINDOW_BYTES_MAX,
            first_input: 0,
            follow: true,
        };
        let plan = Plan::new(&options).unwrap();
        let tails = (0..peers).map(|worker| Tail::new(&plan, &options, worker, peers).unwrap()).collect();
        let mut followed =
            Followed { directory, options, plan, tails, round: 0, ended: false, new_inputs: Vec::new() };
        for tail in &mut followed.tails {
            tail.rescan_interval = Duration::ZERO;
        }
        followed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let file = File::options().append(true).create(true).open(self.path(name));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Returns the users in the bounded parts.
    fn bounded(&self) -> Vec<String> {
        let mut block = Block::default();
        for worker in 0..self.tails.len() {
            for part in self.plan.parts(worker, self.tails.len()) {
                let mut reader = self.plan.open(&part).unwrap();
                while reader.read_block(0, &mut block).unwrap() {}
            }
        }
        users(&block)
    }

    /// Returns the users that one more round finds, the reasons of rejects, and the notes.
    fn round(&mut self) -> Vec<String> {
        self.try_round().unwrap()
    }

    fn try_round(&mut self) -> Result<Vec<String>, String> {
        self.round += 1;
        let (mut found, mut notes) = (Vec::new(), Vec::new());
        self.ended = true;
        for tail in &mut self.tails {
            let mut block = Block::default();
            let mut ended = true;
            // Looks until there is nothing more. After a look that read nothing there is no other.
            for look in 0.. {
                let lines = block.lines;
                let state = tail.read(self.round, 9, &mut block).map_err(|error| error.to_string())?;
                ended &= state.ended;
                notes.extend(state.notes);
                self.new_inputs.extend(state.new_inputs);
                assert_eq!(state.read_anything, block.lines > lines);
                assert!(look < 100, "the looks end");
                if !state.read_anything {
                    break;
                }
            }
            self.ended &= ended;
            assert!(block.upserts.iter().all(|upsert| upsert.position.round == self.round));
            found.extend(users(&block));
            found.extend(block.rejects.iter().map(|reject| {
                assert_eq!(reject.part, TAIL_PART);
                format!("line {}: {}", reject.line, reject.reason)
            }));
        }
        let directory = format!("{}/", self.directory.path().display());
        found.extend(notes.into_iter().map(|note| note.replace(&directory, "")));
        Ok(found)
    }
}

fn users(block: &Block) -> Vec<String> {
    block.upserts.iter().map(|upsert| upsert.key.user_id.to_string()).collect()
}

fn row(user: &str) -> String {
    format!("{user},o,1,1\n")
}

fn json(user: &str) -> String {
    format!("{{\"user_id\":\"{user}\",\"order_id\":\"o\",\"price\":1,\"timestamp\":1}}\n")
}

#[test]
fn what_is_appended_is_read_once() {
    for peers in [1, 3] {
        let files = [("a.csv", format!("{HEADER}{}", row("a"))), ("b.jsonl", json("b"))];
        let files = files.each_ref().map(|(name, content)| (*name, content.as_str()));
        let mut followed = Followed::new(peers, &files, &["a.csv", "b.jsonl"]);
        // This comes after the plan was made and before anything is read.
        followed.append("a.csv", &row("a2"));
        assert_eq!(followed.bounded(), ["a", "b"]);
        assert_eq!(followed.round(), ["a2"]);
        assert_eq!(followed.round(), [""; 0]);
        followed.append("a.csv", &(row("a3") + &row("a4")));
        followed.append("b.jsonl", &json("b2"));
        let mut found = followed.round();
        found.sort();
        assert_eq!(found, ["a3", "a4", "b2"]);
        followed.append("a.csv", "nonsense\n");
        let found = followed.round();
        assert!(found.len() == 1 && found[0].starts_with("line 3: "), "{found:?}");
        assert!(!followed.ended);
    }
}

#[test]
fn a_partial_record_waits_for_its_rest() {
    let files =
        [("a.csv", &*format!("{HEADER}{}\"b\n", row("a"))), ("b.csv", "user_id,ord"), ("c.jsonl", "")];
    let mut followed = Followed::new(2, &files, &["a.csv", "b.csv", "c.jsonl"]);
    assert_eq!(followed.bounded(), ["a"]);
    assert_eq!(followed.round(), [""; 0]);
    followed.append("a.csv", "b\",o,1");
    assert_eq!(followed.round(), [""; 0]);
    followed.append("a.csv", ",1\nc,o,1,");
    assert_eq!(followed.round(), ["b\nb"]);
    followed.append("a.csv", "1\n");
    assert_eq!(followed.round(), ["c"]);
    followed.append("b.csv", "er_id,price,timestamp");
    assert_eq!(followed.round(), [""; 0]);
    followed.append("b.csv", &format!("\n{}bad\n", row("d")));
    let found = followed.round();
    assert!(found.len() == 2 && found[0] == "d" && found[1].starts_with("line 2: "), "{found:?}");
    let (start, rest) = (json("e"), json("f"));
    for at in 1..start.len() {
        followed.append("c.jsonl", &start[at - 1..at]);
        assert_eq!(followed.round(), [""; 0]);
    }
    followed.append("c.jsonl", &(start[start.len() - 1..].to_owned() + &rest));
    assert_eq!(followed.round(), ["e", "f"]);
}

#[test]
fn a_burst_longer_than_one_look_is_read_to_its_end() {
    let mut followed = Followed::new(1, &[("a.jsonl", "")], &["a.jsonl"]);
    let long = "x".repeat(3 * RECORD_BYTES_MAX / 2);
    let burst: String = (0..60_000).map(|_| json("a")).collect::<String>() + &long + "\n" + &json("b");
    assert!(burst.len() > 4 * LOOK_BYTES);
    followed.append("a.jsonl", &burst);
    let found = followed.round();
    assert_eq!(found.len(), 60_002);
    assert_eq!(found[60_000], "b");
    assert!(found[60_001].starts_with("line 60000: "), "{}", found[60_001]);
}

#[test]
fn a_file_cut_short_is_read_from_its_start() {
    let mut followed = Followed::new(1, &[("a.csv", &format!("{HEADER}{}", row("a")))], &["a.csv"]);
    followed.append("a.csv", &row("b"));
    assert_eq!(followed.round(), ["b"]);
    fs::write(followed.path("a.csv"), HEADER).unwrap();
    assert_eq!(followed.round(), ["a.csv was cut short: reading it from its start"]);
    followed.append("a.csv", &row("c"));
    assert_eq!(followed.round(), ["c"]);
    fs::write(followed.path("a.csv"), "").unwrap();
    assert_eq!(followed.round(), ["a.csv was cut short: reading it from its start"]);
    followed.append("a.csv", "order_id,user_id,timestamp,price\no,d,1,1\n");
    assert_eq!(followed.round(), ["d"]);
    fs::write(followed.path("a.csv"), "nonsense\n").unwrap();
    let error = followed.try_round().unwrap_err();
    assert!(error.contains("a.csv: no columns \"user_id\""), "{error}");
}

#[test]
fn a_file_replaced_by_another_is_read_to_its_end_first() {
    let mut followed = Followed::new(1, &[("a.csv", HEADER)], &["a.csv"]);
    followed.append("a.csv", &row("a"));
    fs::rename(followed.path("a.csv"), followed.path("a.csv.1")).unwrap();
    followed.append("a.csv.1", &row("b"));
    // No reader can know yet that the file was replaced.
    assert_eq!(followed.round(), ["a", "b"]);
    assert_eq!(followed.round(), [""; 0]);
    followed.append("a.csv.1", "c,o,1,1");
    assert_eq!(followed.round(), [""; 0]);
    fs::write(followed.path("a.csv"), format!("{HEADER}{}", row("d"))).unwrap();
    // The last record of the old file lacks its line break. What replaces the file waits for a
    // greater position.
    assert_eq!(followed.round(), ["c"]);
    assert_eq!(followed.round(), ["d", "a.csv was replaced: reading the new file"]);
    followed.append("a.csv.1", &row("late"));
    followed.append("a.csv", &row("e"));
    assert_eq!(followed.round(), ["e"]);
    fs::remove_file(followed.path("a.csv")).unwrap();
    assert_eq!(followed.round(), [""; 0]);
    fs::write(followed.path("a.csv"), "").unwrap();
    assert_eq!(followed.round(), ["a.csv was replaced: reading the new file"]);
    followed.append("a.csv", &format!("{HEADER}{}", row("f")));
    assert_eq!(followed.round(), ["f"]);
}

#[test]
fn new_files_of_a_directory_are_read_by_one_worker_each() {
    for peers in [1, 4] {
        let mut followed = Followed::new(peers, &[("a.csv", &format!("{HEADER}{}", row("a")))], &["."]);
        assert_eq!(followed.bounded(), ["a"]);
        assert_eq!(followed.round(), [""; 0]);
        for name in ["b", "c", "d", "e"] {
            fs::write(followed.path(&format!("{name}.csv")), format!("{HEADER}{}bad\n", row(name))).unwrap();
            let found = followed.round();
            assert_eq!(found.len(), 3, "{found:?}");
            assert_eq!(found[0], name);
            assert!(found[1].starts_with("line 2: "));
            assert_eq!(found[2], format!("./{name}.csv is new and read from its start"));
        }
        // The old file of this rotation keeps a known extension. Nothing is read twice.
        fs::rename(followed.path("a.csv"), followed.path("a-1.csv")).unwrap();
        fs::write(followed.path("a.csv"), format!("{HEADER}{}", row("new"))).unwrap();
        assert_eq!(followed.round(), ["new", "./a.csv was replaced: reading the new file"]);
        fs::write(followed.path("x.csv.gz"), "").unwrap();
        fs::write(followed.path("notes.txt"), "").unwrap();
        assert_eq!(
            followed.round(),
            ["./x.csv.gz is new and left alone: compressed and Parquet files are only read at the start"]
        );
        assert_eq!(followed.round(), [""; 0]);
        // Each new input of each worker has a number of its own.
        let (ordinals, names): (HashSet<_>, Vec<_>) = followed.new_inputs.iter().cloned().unzip();
        assert_eq!((ordinals.len(), names.len()), (4, 4));
        assert!(!followed.ended);
    }
}

#[test]
fn a_pipe_gives_what_has_come_and_ends() {
    let mut followed = Followed::new(2, &[], &[]);
    let path = followed.path("pipe.csv");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    followed.options.inputs.push(path.display().to_string());
    followed.plan = Plan::new(&followed.options).unwrap();
    let tail = |worker| Tail::new(&followed.plan, &followed.options, worker, 2).unwrap();
    followed.tails = vec![tail(0), tail(1)];
    assert_eq!(followed.bounded(), [""; 0]);
    let mut pipe = File::options().write(true).open(path).unwrap();
    let mut expect = |text: &str, expected: &[&str]| {
        pipe.write_all(text.as_bytes()).unwrap();
        let mut found = Vec::new();
        // The thread that reads the pipe needs some time. A wrong result ends the loop too.
        while found.len() < expected.len() {
            found.extend(followed.round());
            std::thread::yield_now();
        }
        assert_eq!(found, expected);
        assert!(!followed.ended);
    };
    expect(&HEADER[..5], &[]);
    expect(&(HEADER[5..].to_owned() + &row("a") + "b,o"), &["a"]);
    expect(",1,1\nc,o,1,1", &["b"]);
    drop(pipe);
    let mut found = Vec::new();
    while !followed.ended {
        found.extend(followed.round());
        std::thread::yield_now();
    }
    assert_eq!(found, ["c"]);
}
