use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use dataflows::views::{USERS, VIEWS, WINDOWS};

use super::*;
use order_tables::schemas;
use store::StoreOptions;
use tablestore::server::RequestCount;

/// Creates metrics of a store with two commits and of a job with this status.
fn metrics(status: Option<Status>) -> (Metrics, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
    for schema in schemas().into_iter().take(2) {
        store.create_table(schema).unwrap();
    }
    let job = status.map(|status| watch::Sender::new(status).subscribe());
    (Metrics { store, job, verified: None, places: Places::new(100) }, folder)
}

fn load() -> ServerLoad {
    let count = |operation, class, count| RequestCount { operation, class, count };
    let requests = vec![count("PutRow", "2xx", 7), count("tunnel/readrecords", "4xx", 0)];
    ServerLoad { requests, bodies_bytes: 1_024, answers_bytes: 0 }
}

/// Rows of the views, of which so many are of users and windows.
fn rows(users: u64, windows: u64) -> [u64; VIEWS.len()] {
    let mut rows = [1; VIEWS.len()];
    (rows[USERS.index()], rows[WINDOWS.index()]) = (users, windows);
    rows
}

fn running() -> Status {
    Status {
        phase: Phase::Running,
        upper: 2,
        is_counted: true,
        rows: rows(3, 4),
        rejects: 5,
        changes: 6,
        commits: 7,
        behind_since: Some(Instant::now() - Duration::from_millis(1_500)),
        caught_up: true,
        state_bytes: 8,
        ..Status::default()
    }
}

fn is_name(text: &str, more: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || more.contains(c);
    text.chars().all(fits) && !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit())
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        _ => {
            assert!(text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.e".contains(&byte)), "{text}");
            text.parse().unwrap()
        }
    }
}

/// Reads labels as they stand between braces: `name="value",…`.
fn labels(mut text: &str) -> BTreeMap<&str, &str> {
    let mut labels = BTreeMap::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").unwrap();
        let (value, rest) = rest.split_once('"').unwrap();
        assert!(is_name(name, "") && !value.contains(['\\', '\n']), "{text}");
        assert_eq!(labels.insert(name, value), None, "{text}");
        text = match rest {
            "" => "",
            rest => rest.strip_prefix(',').unwrap(),
        };
    }
    labels
}

/// Reads all samples, by the text before their value. Panics if the text breaks the format or its
/// rules.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let (mut helped, mut family) = (BTreeSet::new(), ("", ""));
    assert!(text.ends_with('\n'));
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(is_name(name, ":") && !help.is_empty() && !help.contains('\\'), "{line}");
            assert!(helped.insert(name), "{name} comes twice");
            let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {name} ")).unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            family = (name, kind);
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let (name, inside) = match sample.split_once('{') {
            Some((name, rest)) => (name, rest.strip_suffix('}').unwrap()),
            None => (sample, ""),
        };
        assert!(is_name(name, ":"), "{line}");
        let suffix = name.strip_prefix(family.0).unwrap();
        let (labels, value) = (labels(inside), number(value));
        match family.1 {
            "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}"),
            _ => assert_eq!(suffix, "", "{line}"),
        }
        assert_eq!(labels.contains_key("le"), suffix == "_bucket", "{line}");
        labels.get("le").map(|bound| number(bound));
        assert!(value >= 0.0 && samples.insert(sample.to_owned(), value).is_none(), "{line}");
    }
    samples
}

#[test]
fn every_line_is_in_the_format() {
    for status in [None, Some(Status::default()), Some(running())] {
        let (metrics, _folder) = metrics(status);
        let samples = parse(&metrics.metrics(&load()));
        assert_eq!(samples["orderflow_epoch"], 2.0);
        assert_eq!(samples["orderflow_store_commits_total"], 2.0);
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(samples[&format!("orderflow_build_info{{version=\"{version}\"}}")], 1.0);
        let buckets =
            samples.iter().filter(|(name, _)| name.starts_with("orderflow_store_sync_seconds_bucket"));
        let mut buckets: Vec<(f64, f64)> =
            buckets.map(|(name, count)| (number(name.split('"').nth(1).unwrap()), *count)).collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(buckets.is_sorted_by_key(|(_, count)| *count), "{buckets:?}");
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, 2.0)));
        assert_eq!(samples["orderflow_store_sync_seconds_count"], 2.0);
        assert!(samples["orderflow_store_sync_seconds_sum"] > 0.0);
        assert_eq!(samples["orderflow_requests_total{operation=\"PutRow\",status=\"2xx\"}"], 7.0);
        assert_eq!(samples["orderflow_requests_total{operation=\"tunnel/readrecords\",status=\"4xx\"}"], 0.0);
        assert_eq!(samples["orderflow_memory_bytes{part=\"bodies\"}"], 1_024.0);
        assert!(samples["orderflow_memory_bytes{part=\"store_memtables\"}"] > 0.0);
        assert!(samples["orderflow_memory_bytes{part=\"resident\"}"] > 1e6);
        let (files, files_max) = (samples["orderflow_open_files"], samples["orderflow_open_files_max"]);
        assert!(files > 3.0 && files < files_max, "{files} {files_max}");
        assert_eq!(samples["orderflow_connections_max"], 100.0);
    }
}

#[test]
fn the_job_in_numbers() {
    let (metrics, _folder) = metrics(Some(running()));
    let samples = parse(&metrics.metrics(&load()));
    for (name, value) in [
        ("orderflow_order_changes_total", 6.0),
        ("orderflow_orders", 0.0),
        ("orderflow_users", 3.0),
        ("orderflow_windows", 4.0),
        ("orderflow_rejects", 5.0),
        ("orderflow_upper", 2.0),
        // The store has the commits 1 and 2; the results hold the first.
        ("orderflow_upper_lag_commits", 1.0),
        ("orderflow_result_commits_total", 7.0),
        ("orderflow_memory_bytes{part=\"graph\"}", 8.0),
    ] {
        assert_eq!(samples[name], value, "{name}");
    }
    assert!((1.5..60.0).contains(&samples["orderflow_upper_lag_seconds"]));
}

#[test]
fn what_is_not_counted_yet_is_not_told() {
    let (metrics, _folder) = metrics(Some(Status { is_counted: false, ..running() }));
    let samples = parse(&metrics.metrics(&load()));
    for name in ["orderflow_orders", "orderflow_users", "orderflow_windows"] {
        assert_eq!(samples.get(name), None, "{name}");
    }
    assert_eq!((samples["orderflow_rejects"], samples["orderflow_upper"]), (5.0, 2.0));
}

#[test]
fn the_last_recount_is_told_once_there_is_one() {
    let (mut metrics, _folder) = metrics(Some(running()));
    let found = watch::Sender::new(None);
    metrics.verified = Some(found.subscribe());
    assert!(!metrics.metrics(&load()).contains("verif"));
    for (is_equal, equal) in [(true, 1.0), (false, 0.0)] {
        found.send_replace(Some(Verification {
            epoch: 17,
            is_equal,
            orders: 1,
            rows: rows(1, 1),
            differing: u64::from(!is_equal),
            first_difference: None,
            at_ms: 0,
            took: Duration::from_millis(1_500),
        }));
        let samples = parse(&metrics.metrics(&load()));
        let told = ["verified_epoch", "verified_equal", "verify_seconds"]
            .map(|name| samples[&format!("orderflow_{name}")]);
        assert_eq!(told, [17.0, equal, 1.5]);
    }
}

#[test]
fn without_a_job_nothing_is_told_of_one() {
    let (metrics, _folder) = metrics(None);
    let text = metrics.metrics(&load());
    for name in ["upper", "users", "orders", "job", "graph", "verif"] {
        assert!(!text.contains(name), "{name} in {text}");
    }
    assert_eq!(metrics.unready(), None);
}

#[test]
fn there_is_no_lag_while_the_results_hold_all() {
    // The store has moved on by commits of tables that the job does not read.
    let (metrics, _folder) = metrics(Some(Status { upper: 1, behind_since: None, ..running() }));
    let samples = parse(&metrics.metrics(&load()));
    let lag = ["orderflow_upper_lag_commits", "orderflow_upper_lag_seconds"].map(|name| samples[name]);
    assert_eq!(lag, [0.0, 0.0]);
}

#[test]
fn each_phase_is_told_by_name_and_makes_ready_or_not() {
    let reason = || "table OrderSource has another key".to_owned();
    for (phase, caught_up, name, unready) in [
        (Phase::Starting, false, "starting", Some("the job has not caught up")),
        (Phase::Waiting, false, "waiting", None),
        (Phase::Blocked(reason()), true, "blocked", Some("the job is blocked: table OrderSource has")),
        (Phase::Rebuilding(17), false, "rebuilding", Some("the job rebuilds the results: 17 orders")),
        (Phase::Running, false, "running", Some("the job has not caught up")),
        (Phase::Running, true, "running", None),
        (Phase::Failed(reason()), true, "failed", Some("the job has failed: table OrderSource has")),
        (Phase::Stopped, true, "stopped", Some("the job has stopped")),
    ] {
        let (metrics, _folder) = metrics(Some(Status { phase, caught_up, ..running() }));
        let samples = parse(&metrics.metrics(&load()));
        for known in Phase::NAMES {
            let sample = samples[&format!("orderflow_job_phase{{phase=\"{known}\"}}")];
            assert_eq!(sample, f64::from(u8::from(known == name)), "{known} of {name}");
        }
        let told = metrics.unready();
        assert_eq!(told.is_some(), unready.is_some(), "{told:?}");
        assert!(told.unwrap_or_default().starts_with(unready.unwrap_or_default()), "{name}");
    }
}
