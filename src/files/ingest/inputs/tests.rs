//! Tests plans of real files in temporary directories: what is found, refused, split and read.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};

use dataflows::{Diff, Epoch, Order, Upsert};
use flate2::write::GzEncoder;
use tempfile::TempDir;

mod parts;

use super::*;
use crate::ingest::discover::open_error;
use crate::ingest::{Block, Envelope, RECORD_BYTES_MAX, Reject, ZSTD_WINDOW_BYTES_MAX};

const HEADER: &str = "user_id,order_id,price,timestamp\n";

fn options(inputs: &[&str]) -> InputOptions {
    InputOptions {
        inputs: inputs.iter().map(|input| (*input).to_owned()).collect(),
        format: None,
        rows: RowForm::default(),
        zstd_window_bytes_max: ZSTD_WINDOW_BYTES_MAX,
        first_input: 0,
        follow: false,
    }
}

/// A directory with files. Their names are shortened in messages.
struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &[u8])]) -> Files {
        let directory = TempDir::with_prefix("inputs").unwrap();
        let files_of = Files(directory);
        for (name, content) in files {
            files_of.write(name, content);
        }
        files_of
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, content: &[u8]) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn options(&self, names: &[&str]) -> InputOptions {
        let paths: Vec<String> = names.iter().map(|name| self.path(name)).collect();
        options(&paths.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Returns the error message, without the directory.
    fn error(&self, options: &InputOptions) -> String {
        match Plan::new(options).and_then(|plan| read_all(&plan, 1)) {
            Ok(_) => panic!("{:?} are fine", options.inputs),
            Err(error) => error.to_string().replace(&self.path(""), ""),
        }
    }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zstandard(content: &[u8]) -> Vec<u8> {
    zstd::encode_all(content, 1).unwrap()
}

/// Everything that was read of a plan, in the order of inputs and parts.
#[derive(Debug, Default, PartialEq)]
struct Everything {
    orders: Vec<(Order, Epoch, Diff)>,
    upserts: Vec<Upsert>,
    /// The rejects, with lines counted from the start of the input.
    rejects: Vec<Reject>,
    bytes: u64,
    lines: u64,
}

/// Reads all parts of `peers` workers. The lines of a part's rejects are counted on from the parts
/// before it.
fn read_all(plan: &Plan, peers: usize) -> Result<Everything, InputError> {
    let mut parts: Vec<Part> = (0..peers).flat_map(|worker| plan.parts(worker, peers)).collect();
    parts.sort_by_key(|part| (part.input, part.ordinal));
    let mut all = Everything::default();
    let mut first_line = (0, 0);
    for part in parts {
        let mut block = Block::default();
        let mut reader = plan.open(&part)?;
        while reader.read_block(7, &mut block)? {}
        assert!(!reader.read_block(7, &mut block)?, "a part at its end stays there");
        if first_line.0 != part.input {
            first_line = (part.input, 0);
        }
        for mut reject in block.rejects {
            let ordinal = plan.inputs[part.input].ordinal;
            assert_eq!((reject.input, reject.part), (ordinal, part.ordinal));
            reject.line += first_line.1;
            reject.part = 0;
            all.rejects.push(reject);
        }
        first_line.1 += block.lines;
        all.orders.extend(block.orders);
        all.upserts.extend(block.upserts);
        all.bytes += block.bytes;
        all.lines += block.lines;
    }
    Ok(all)
}

fn users(all: &Everything) -> Vec<String> {
    all.orders.iter().map(|(order, ..)| order.user_id.to_string()).collect()
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.inputs.iter().map(|input| input.name.rsplit('/').next().unwrap()).collect()
}

#[test]
fn directories_and_globs_are_expanded_in_place_and_sorted() {
    let row = format!("{HEADER}u,o,1,1\n");
    let csv = row.as_bytes();
    let files = Files::new(&[
        ("z.csv", csv),
        ("in/b.csv", csv),
        ("in/a/c.CSV", csv),
        ("in/a.jsonl", b""),
        ("in/d.json.gz", &gzip(b"")),
        ("in/e.ndjson.zst", &zstandard(b"")),
        ("in/.hidden.csv", csv),
        ("in/.git/x.csv", csv),
        ("in/README.md", b"# hello"),
        ("g/1.csv", csv),
        ("g/10.csv", csv),
        ("g/2.csv", csv),
        ("g/[0].csv", csv),
    ]);
    symlink(files.path("in"), files.path("in/circle")).unwrap();
    let plan = Plan::new(&InputOptions {
        first_input: 5,
        ..files.options(&["z.csv", "in", "g/[0].csv", "g/?*.csv"])
    });
    // The glob finds the file with brackets in its name once more.
    assert!(plan.is_err());
    fs::remove_file(files.path("g/[0].csv")).unwrap();
    let plan =
        Plan::new(&InputOptions { first_input: 5, ..files.options(&["z.csv", "in", "g/?*.csv"]) }).unwrap();
    assert_eq!(
        names(&plan),
        ["z.csv", "c.CSV", "a.jsonl", "b.csv", "d.json.gz", "e.ndjson.zst", "1.csv", "10.csv", "2.csv"]
    );
    assert_eq!(
        plan.inputs.iter().map(|input| input.ordinal).collect::<Vec<_>>(),
        (5..14).collect::<Vec<_>>()
    );
    let sizes = plan.inputs.iter().map(|input| fs::metadata(&input.name).unwrap().len()).sum::<u64>();
    assert_eq!(plan.total_bytes(), Some(sizes));
    assert_eq!(read_all(&plan, 3).unwrap().bytes, sizes);
}

#[test]
fn bad_inputs_are_one_sentence_each() {
    let cut_gzip = &gzip(format!("{HEADER}u,o,1,1\n").as_bytes())[..30];
    let cut_zstd = &zstandard(b"{}\n{}\n")[..12];
    let files = Files::new(&[
        ("good.csv.gz", &gzip(HEADER.as_bytes())),
        ("twins/a.jsonl.gz", &gzip(b"")),
        ("twins/a.jsonl.zst", &zstandard(b"")),
        ("header-only.csv", HEADER.as_bytes()),
        ("no-newline.csv", &b"x".repeat(RECORD_BYTES_MAX + 1)),
        ("price-missing.csv", b"user_id,order_id,timestamp\n"),
        ("cut.csv.gz", cut_gzip),
        ("cut.jsonl.zst", cut_zstd),
        ("not.jsonl.gz", b"{\"user_id\":\"u\"}\n"),
        ("what.txt", b""),
        ("stream.parquet.gz", b""),
        ("none/README.md", b""),
        ("good.csv", HEADER.as_bytes()),
        ("short.parquet", b"PAR1"),
    ]);
    symlink(files.path("good.csv"), files.path("same.csv")).unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["missing.csv"], "missing.csv: no such file or directory"),
        (
            &["good.csv", "none"],
            "no orders files in directory \"none\": expected .csv, .tsv, .jsonl, .ndjson, .json, \
                                 .parquet, or these with .gz or .zst",
        ),
        (&["*.pq"], "no file matches \"*.pq\""),
        (
            &["[.csv"],
            "\"[.csv\" is not a file name pattern: Pattern syntax error near position LENGTH: invalid \
                      range pattern",
        ),
        (
            &["what.txt"],
            "what.txt: the extension tells no format; name it with --format csv, jsonl or parquet",
        ),
        (
            &["stream.parquet.gz"],
            "stream.parquet.gz: the extension tells no format; name it with --format csv, \
                                  jsonl or parquet",
        ),
        (&["good.csv", "good.csv"], "good.csv is given twice: name each file once"),
        (&["good.csv", "same.csv"], "same.csv is the same file as good.csv: name each file once"),
        (
            &["good.csv", "good.csv.gz"],
            "good.csv.gz and good.csv seem to be the same orders, one of them compressed: name only one of them",
        ),
        (
            &["twins"],
            "twins/a.jsonl.zst and twins/a.jsonl.gz seem to be the same orders, one of them compressed: name only \
             one of them",
        ),
        (
            &["no-newline.csv"],
            "no-newline.csv: no header: the first 1048576 bytes hold no line break, so it is \
                               not CSV",
        ),
        (
            &["price-missing.csv"],
            "price-missing.csv: no column \"price\" in the header \
                                  user_id,order_id,timestamp: say what it is called with --column-price NAME",
        ),
        (&["cut.csv.gz"], "cut.csv.gz ends in the middle of its gzip stream at byte 30: it was cut short"),
        (
            &["cut.jsonl.zst"],
            "cut.jsonl.zst ends in the middle of its zstd stream at byte 12: it was cut short",
        ),
        (&["not.jsonl.gz"], "not.jsonl.gz is not compressed with gzip: take .gz off its name"),
    ];
    for (names, expected) in cases {
        let length = files.path("").len();
        assert_eq!(
            files.error(&files.options(names)),
            expected.replace("LENGTH", &length.to_string()),
            "{names:?}"
        );
    }
    let parquet = InputOptions { format: Some(Format::Parquet), ..options(&["-"]) };
    assert_eq!(
        files.error(&parquet),
        "standard input: parquet cannot be read from a stream; save it to a file first"
    );
    let twice = options(&["-", "-"]);
    assert_eq!(files.error(&twice), "standard input is given twice: name each file once");
}

#[test]
fn an_unreadable_file_is_named() {
    let files = Files::new(&[("secret.jsonl", b"")]);
    fs::set_permissions(files.path("secret.jsonl"), fs::Permissions::from_mode(0o0)).unwrap();
    // A user that may read everything, such as root, can read this file too.
    if fs::File::open(files.path("secret.jsonl")).is_err() {
        let error = files.error(&files.options(&["secret.jsonl"]));
        assert_eq!(error, "secret.jsonl: cannot be opened: Permission denied (os error 13)");
    }
    let error = open_error(Path::new("x.csv"), io::ErrorKind::PermissionDenied.into());
    assert_eq!(error.to_string(), "x.csv: cannot be opened: permission denied");
}

#[test]
fn files_without_orders_are_fine() {
    let files = Files::new(&[
        ("a.csv", HEADER.as_bytes()),
        ("b.csv", HEADER.trim_end().as_bytes()),
        ("c.jsonl", b""),
        ("d.csv.gz", &gzip(HEADER.as_bytes())),
        ("e.csv", b""),
        ("f.csv.gz", b""),
        ("g.csv.gz", &gzip(b"")),
        ("h.csv.zst", &zstandard(b"")),
        ("i.jsonl.zst", b""),
        ("j.jsonl.gz", &gzip(b"")),
        ("k.parquet", b""),
    ]);
    for peers in [1, 3] {
        let all = read_all(&Plan::new(&files.options(&["."])).unwrap(), peers).unwrap();
        assert_eq!((all.orders.len(), all.rejects.len(), all.lines), (0, 0, 3));
    }
}

#[test]
fn what_is_no_data_by_custom_is_left_out() {
    let csv = format!("{HEADER}u,o,1,1\n");
    let csv = csv.as_bytes();
    let files = Files::new(&[
        ("out/part-0.csv", csv),
        ("out/_SUCCESS", b""),
        ("out/_part-1.csv", csv),
        ("out/.part-0.csv.crc", b"x"),
        ("out/_temporary/0/part-0.csv", csv),
        ("out/day=1/part-0.csv", csv),
        ("out/day=1/_committed.json", b"{}"),
    ]);
    for (typed, expected) in [
        (&["out"][..], &["part-0.csv", "part-0.csv"][..]),
        (&["out/*"], &["part-0.csv", "part-0.csv"]),
        (&["out/**/*.csv"], &["part-0.csv", "part-0.csv"]),
        (&["out/_p*"], &["_part-1.csv"]),
        (&["out/_part-1.csv"], &["_part-1.csv"]),
        (&["out/_temporary/*/*.csv"], &["part-0.csv"]),
    ] {
        let plan = Plan::new(&files.options(typed)).unwrap();
        assert_eq!(names(&plan), expected, "{typed:?}");
    }
}

#[test]
fn hosts_compare_what_their_files_hold() {
    let files = Files::new(&[
        ("a/orders.csv", format!("{HEADER}u,o,1,1\n").as_bytes()),
        ("b/orders.csv", format!("{HEADER}u,o,1,1\n").as_bytes()),
        ("c/orders.csv", format!("{HEADER}u,o,2,1\n").as_bytes()),
    ]);
    let facts = |typed: &str| Plan::new(&files.options(&[typed])).unwrap().manifest().unwrap();
    let (a, b, c) = (facts("a"), facts("b"), facts("c"));
    assert_eq!(a, b);
    assert_eq!((&*c[0].file_name, c[0].size_bytes), ("orders.csv", a[0].size_bytes));
    assert_ne!(c[0].hash, a[0].hash);
    let stream = Plan::new(&options(&["-"])).unwrap().manifest().unwrap_err();
    assert_eq!(
        stream.to_string(),
        "standard input: each process would read one of its own, so several processes cannot share it; give a \
         file, or --local-input if each is to read its own"
    );
}

#[test]
fn a_format_is_for_names_that_tell_none() {
    let files = Files::new(&[
        ("orders.txt", format!("{HEADER}a,o,1,1\n").as_bytes()),
        ("orders.gz", &gzip(format!("{HEADER}b,o,1,1\n").as_bytes())),
        ("orders.jsonl", br#"{"user_id":"c","order_id":"o","price":1,"timestamp":1}"#),
    ]);
    let options = InputOptions {
        format: Some(Format::Csv),
        ..files.options(&["orders.txt", "orders.gz", "orders.jsonl"])
    };
    assert_eq!(users(&read_all(&Plan::new(&options).unwrap(), 2).unwrap()), ["a", "b", "c"]);
}

#[test]
fn a_pipe_is_read_once_and_whole() {
    let files = Files::new(&[]);
    let path = files.path("pipe.csv");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let plan = Plan::new(&files.options(&["pipe.csv"])).unwrap();
    assert_eq!((plan.total_bytes(), plan.inputs[0].size_bytes), (None, None));
    let content = format!("{HEADER}u,o,1,1\nv,o,1,1");
    let size = content.len() as u64;
    let writer = std::thread::spawn(move || fs::write(path, content).unwrap());
    let all = read_all(&plan, 2).unwrap();
    writer.join().unwrap();
    assert_eq!((users(&all), all.bytes, all.lines), (vec!["u".to_owned(), "v".to_owned()], size, 3));
}
