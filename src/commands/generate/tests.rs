use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::*;
use files::generate::Spec;

#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    args: GenerateArgs,
}

fn args(to: &Path, more: &[&str]) -> GenerateArgs {
    let to = to.to_str().unwrap();
    let all = ["generate", "--to", to, "--orders", "1000"].into_iter().chain(more.iter().copied());
    <Command as clap::Parser>::try_parse_from(all).unwrap().args
}

fn write_args(args: &GenerateArgs) -> Result<u64, FileError> {
    write_file(args.to.as_deref().unwrap(), args.form(), args.force, &args.spec(), &AtomicBool::new(false))
}

fn to_store(more: &[&str]) -> Spec {
    let all = ["generate"].into_iter().chain(more.iter().copied());
    <Command as clap::Parser>::try_parse_from(all).unwrap().args.live_spec(1_800_000_000_000)
}

#[test]
fn orders_to_the_store_are_placed_up_to_now_or_as_they_are_written() {
    let now_ms = 1_800_000_000_000;
    let hour_ms = 3_600_000;
    for (flags, orders, start_ms, span_ms) in [
        (&[][..], 500, now_ms - hour_ms, hour_ms as u64),
        (&["--hours", "2"], 500, now_ms - 2 * hour_ms, 2 * hour_ms as u64),
        (&["--start", "7"], 500, 7, hour_ms as u64),
        (&["--rate", "10/s"], 500, now_ms, 50_000),
        (&["--rate", "60/m", "--orders", "30"], 30, now_ms, 30_000),
    ] {
        let spec = to_store(flags);
        assert_eq!((spec.orders, spec.start_ms, spec.span_ms), (orders, start_ms, span_ms), "{flags:?}");
        assert_eq!((spec.users, spec.seed, spec.check()), (5, 42, Ok(())), "{flags:?}");
    }
}

#[test]
fn the_flags_of_files_and_of_the_store_are_told_apart() {
    for flags in [
        &["--force"][..],
        &["--format", "csv"],
        &["--shape", "shopify"],
        &["--to", "x.csv", "--shape", "shopify", "--format", "csv"],
        &["--to", "x.csv", "--rate", "1/s"],
        &["--to", "x.csv", "--json"],
        &["--json", "--quiet"],
        &["--connections", "0"],
    ] {
        let all = ["generate"].iter().chain(flags);
        assert!(<Command as clap::Parser>::try_parse_from(all).is_err(), "{flags:?}");
    }
}

#[test]
fn the_flags_by_default_are_the_default_spec() {
    let args = <Command as clap::Parser>::try_parse_from(["generate", "--to", "x.csv"]).unwrap().args;
    assert_eq!(args.spec(), Spec::default());
}

#[test]
fn compressed_text_unpacks_to_the_text() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name| directory.path().join(name);
    for (plain, packed) in [("a.csv", "b.csv.gz"), ("a.jsonl", "b.jsonl.zst")] {
        let bytes = write_args(&args(&path(plain), &[])).unwrap();
        let expected = std::fs::read(path(plain)).unwrap();
        assert_eq!(bytes, expected.len() as u64);
        let bytes = write_args(&args(&path(packed), &[])).unwrap();
        let file = File::open(path(packed)).unwrap();
        assert_eq!(bytes, file.metadata().unwrap().len());
        let mut unpacked = Vec::new();
        match packed.ends_with("gz") {
            true => flate2::read::GzDecoder::new(file).read_to_end(&mut unpacked).unwrap(),
            false => zstd::Decoder::new(file).unwrap().read_to_end(&mut unpacked).unwrap(),
        };
        assert_eq!(unpacked, expected, "{packed}");
    }
    // No temporary file is left over.
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 4);
}

#[test]
fn a_file_that_exists_is_replaced_by_force_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("orders.csv");
    std::fs::write(&path, "mine").unwrap();
    let error = write_args(&args(&path, &[])).unwrap_err();
    assert_eq!(error.to_string(), format!("{} exists already; replace it with --force", path.display()));
    assert_eq!((error.exit_code(), std::fs::read(&path).unwrap()), (2, b"mine".to_vec()));
    write_args(&args(&path, &["--force"])).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1_001);
}

#[test]
fn what_cannot_be_written_is_said() {
    let refused = |to: &str, more: &[&str]| {
        let error = write_args(&args(Path::new(to), more)).unwrap_err();
        (error.to_string(), error.exit_code())
    };
    assert_eq!(
        refused("orders.txt", &[]),
        ("orders.txt: the extension tells no format; name it with --format csv, jsonl or parquet".into(), 2)
    );
    assert_eq!(
        refused("orders.parquet.gz", &[]),
        ("orders.parquet.gz: parquet is compressed inside; leave .gz and .zst away".into(), 2)
    );
    assert_eq!(refused("a.csv", &["--users", "0"]), ("orders need at least one user".into(), 2));
    let (message, code) = refused("/nowhere/at/all/orders.csv", &[]);
    assert!(message.starts_with("/nowhere/at/all/orders.csv: cannot be written: No such file"), "{message}");
    assert_eq!(code, 3);
}
