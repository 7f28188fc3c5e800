//! Windows of days begin at midnight of the zone: in files, in tables, and where they are recounted.

use std::path::Path;

use jiff::Timestamp;

use crate::live::settle;
use crate::store_server::Up;
use crate::support::{Files, run};

/// Writes orders of these times (epoch ms), one a line, and returns the path.
fn orders(dir: &Path, times: impl Iterator<Item = i64>) -> String {
    let path = dir.join("orders.csv");
    let line = |(id, at_ms): (usize, i64)| format!("u,{id},1,{at_ms}\n");
    let lines: String = times.enumerate().map(line).collect();
    std::fs::write(&path, format!("user_id,order_id,price,timestamp\n{lines}")).expect("the file is written");
    path.display().to_string()
}

/// Runs over the input, and returns the file of windows.
fn windows(dir: &Path, input: &str, flags: &[&str]) -> String {
    let output = dir.join("results");
    let output_flag = output.display().to_string();
    let run =
        run(&[&["run", "--quiet", "--force", "--input", input, "--output", &output_flag], flags].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    Files::read(&output).windows
}

#[test]
fn a_day_of_shanghai_begins_at_midnight_there() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let input = orders(dir.path(), [1_700_000_000_000].into_iter());
    for workers in ["1", "2"] {
        for (zone, expected) in [
            ("Asia/Shanghai", "2023-11-15 00:00:00,2023-11-16 00:00:00,1,1.00"),
            ("UTC", "2023-11-14 00:00:00,2023-11-15 00:00:00,1,1.00"),
        ] {
            let found = windows(dir.path(), &input, &["--window", "1d", "--timezone", zone, "-w", workers]);
            assert_eq!(found, format!("begin,end,count,totalPrice\n{expected}\n"));
        }
    }
}

#[test]
fn days_on_which_the_clock_is_turned_are_shorter_and_longer() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let at_ms = |text: &str| text.parse::<Timestamp>().expect("an instant").as_millisecond();
    let hours = |from: &str, to: &str| (at_ms(from)..at_ms(to)).step_by(3_600_000);
    let spring = hours("2026-03-27T23:00:00Z", "2026-03-30T22:00:00Z");
    let autumn = hours("2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z");
    let input = orders(dir.path(), spring.chain(autumn));
    let found = windows(dir.path(), &input, &["--window", "1d", "--timezone", "Europe/Berlin"]);
    let days = [("03-28", "03-29", 24), ("03-29", "03-30", 23), ("03-30", "03-31", 24)];
    let more = [("10-24", "10-25", 24), ("10-25", "10-26", 25), ("10-26", "10-27", 24)];
    let day = |(begin, end, count): (&str, &str, i64)| {
        format!("2026-{begin} 00:00:00,2026-{end} 00:00:00,{count},{count}.00\n")
    };
    let expected: String = days.into_iter().chain(more).map(day).collect();
    assert_eq!(found, format!("begin,end,count,totalPrice\n{expected}"));
}

#[test]
fn the_live_job_its_recount_and_a_batch_agree_on_days() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let flags = ["--window", "1d", "--timezone", "America/New_York"];
    let up = Up::start(&data, &flags);
    up.ok(&["init"]);
    up.ok(&["generate", "--orders", "3000", "--users", "50", "--hours", "100", "--seed", "3", "--quiet"]);
    settle(&up);
    assert_eq!(up.run(&["verify"]).code, Some(0));
    let rows = up.ok(&["rows", "OrderStreamSink", "--json"]);
    assert!(rows.lines().count() >= 4 && rows.lines().all(|row| row.contains(" 00:00:00\"")), "{rows}");
    assert_eq!(up.stop("TERM").code, Some(0));
    let data = data.display().to_string();
    assert_eq!(run(&["verify", "--data", &data]).code, Some(0));
    let batch = windows(dir.path(), &format!("store:{data}"), &flags);
    assert_eq!(batch.lines().count(), rows.lines().count() + 1, "{batch}");
    for day in batch.lines().skip(1) {
        let begin = day.split(',').next().expect("a begin");
        assert!(rows.contains(begin), "{begin}: {rows}");
    }
    // The zone and the width stay those of the first start.
    let other = run(&["up", "--data", &data, "--listen", "127.0.0.1:0", "--window", "1d"]);
    assert_eq!(other.code, Some(2), "{}", other.stderr);
    assert!(other.stderr.contains("--timezone America/New_York"), "{}", other.stderr);
}
