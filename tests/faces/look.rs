//! What each face tells, and whether that is so.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::page;
use crate::store_server::Up;
use crate::support::ended;

/// How long until every face tells what is.
pub(super) const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// What each face tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Faces {
    /// The phase of the job, and a part of its reason, in `/api/at`.
    pub(super) phase: (&'static str, &'static str),
    /// A part of why writes are refused, in `/api/at`; empty while they are taken.
    pub(super) refusing: &'static str,
    /// The kind of the page's banner, and a part of its text; empty if there is none.
    pub(super) banner: (&'static str, &'static str),
    /// Status and a part of the answer.
    pub(super) ready: (u16, &'static str),
    pub(super) healthy: u16,
    /// Whether more writes were refused than at the row before.
    pub(super) refuses_more: bool,
}

/// Asks `is` until it answers nothing, and fails with its last answer when the time is up.
pub(super) fn within(what: &str, mut is: impl FnMut() -> Result<(), String>) {
    let since = Instant::now();
    while let Err(wrong) = is() {
        assert!(since.elapsed() < TOLD_WITHIN, "{what}: {wrong}");
    }
}

/// Where the faces are.
#[derive(Clone, Debug)]
pub(super) struct Doors {
    /// The URL of the store.
    pub(super) store: String,
    /// The URL of the page.
    pub(super) page: String,
}

impl Doors {
    pub(super) fn of(up: &Up) -> Doors {
        Doors { store: up.export("OTS_ENDPOINT").to_owned(), page: up.page() }
    }

    fn ask(&self, path: &str) -> (u16, String) {
        page::get(&self.store, path, self.store.trim_start_matches("http://"))
    }

    /// Whether nobody answers any more.
    pub(super) fn are_shut(&self) -> bool {
        let address = |url: &str| url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        [&self.store, &self.page].iter().all(|url| TcpStream::connect(address(url)).is_err())
    }
}

/// All metrics that have one number.
pub(super) fn metrics(doors: &Doors) -> BTreeMap<String, f64> {
    let (status, text) = doors.ask("/metrics");
    assert_eq!(status, 200);
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, value)| (name.to_owned(), value.parse().expect("a number")))
        .collect()
}

/// The banner of the page in this state: its kind and its text.
fn banner(state: &Json) -> (String, String) {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page/site/backoff.js");
    let script = format!(
        "import {{ trouble }} from {:?};
         const found = trouble({{ state: {state}, heardMs: 0, lostMs: null }});
         console.log(JSON.stringify([found?.kind ?? '', found?.text ?? '']));",
        module.display().to_string()
    );
    let said = Command::new("node").args(["--input-type=module", "-e", &script]).output();
    let said = ended(said.expect("node is installed, as scripts/test does"));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    serde_json::from_str(&said.stdout).expect("JSON")
}

/// What the page's stream says last.
fn streamed(doors: &Doors) -> Json {
    let (status, events) = page::get(&doors.page, "/api/stream?once", "localhost");
    assert_eq!(status, 200, "{events}");
    let last = events.lines().rev().find_map(|line| line.strip_prefix("data: ")).expect("an event");
    serde_json::from_str(last).expect("JSON")
}

pub(super) fn state(doors: &Doors) -> Json {
    let (status, at) = page::get(&doors.page, "/api/at", "localhost");
    assert_eq!(status, 200, "{at}");
    serde_json::from_str::<Json>(&at).expect("JSON")[0].take()
}

pub(super) fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

/// Compares what all faces tell.
pub(super) fn look(doors: &Doors, expected: &Faces) -> Result<(), String> {
    let same = |face: &str, found: &dyn std::fmt::Debug, is: bool| match is {
        true => Ok(()),
        false => Err(format!("{face} tells {found:?}")),
    };
    let (state, streamed) = (state(doors), streamed(doors));
    let (name, reason) = expected.phase;
    same("/api/at", &state, state["phase"] == name && text(&state["reason"]).contains(reason))?;
    let refuses = !expected.refusing.is_empty();
    let is_told =
        text(&state["refusing"]).contains(expected.refusing) && state["refusing"].is_null() != refuses;
    same("/api/at", &state, is_told)?;
    for name in ["phase", "reason", "refusing", "epoch", "count"] {
        same("the stream", &streamed, streamed[name] == state[name])?;
    }
    let metrics = metrics(doors);
    same("/metrics", &"other refusals", metrics["orderflow_writes_refused"] == f64::from(u8::from(refuses)))?;
    let phases: Vec<_> = metrics
        .iter()
        .filter(|(name, value)| name.starts_with("orderflow_job_phase") && **value == 1.0)
        .collect();
    same("/metrics", &phases, phases.len() == 1 && phases[0].0.contains(&format!("\"{name}\"")))?;
    let number = |name: &str| metrics.get(name).copied();
    let counted = number("orderflow_orders");
    same("/metrics", &counted, counted.is_none_or(|counted| state["count"].as_f64() == Some(counted)))?;
    // The commit of the results themselves may lie between.
    let held = (state["epoch"].as_f64(), number("orderflow_upper"));
    same("/metrics", &held, held.0 == Some(0.0) || held.0 < held.1)?;
    // What the job has still to write would make it wait as well.
    if name == "running" && !refuses {
        same("/metrics", &"a lag", metrics["orderflow_upper_lag_commits"] == 0.0)?;
    }
    for (path, (code, part)) in [("/readyz", expected.ready), ("/healthz", (expected.healthy, ""))] {
        let (status, said) = doors.ask(path);
        same(path, &(status, &said), status == code && said.contains(part))?;
    }
    let (kind, part) = expected.banner;
    let banner = banner(&streamed);
    same("the banner", &banner, banner.0 == kind && banner.1.contains(part))
}
