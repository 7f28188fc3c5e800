//! The official SDKs, unmodified, against the store: only endpoint, instance, key and secret are
//! set.
//!
//! `scripts/test` installs them from their registries into `.sdks`, which `ORDERFLOW_SDKS` may name
//! elsewhere.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::store_server::Up;
use crate::support::ended;

/// A file of the SDKs' folder, or the reason why there is none.
pub(crate) fn installed(file: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::var_os("ORDERFLOW_SDKS").map_or(root.join(".sdks"), PathBuf::from);
    let path = folder.join(file);
    assert!(path.exists(), "{} is missing: scripts/test installs the SDKs", path.display());
    path
}

/// Runs a flow to its end; it has to say that it checked things.
fn passes(mut flow: Command, server: &Up, region: Option<&str>) {
    flow.envs(&server.exports).env_remove("OTS_REGION");
    if let Some(region) = region {
        flow.env("OTS_REGION", region);
    }
    let ended = ended(flow.output().expect("the flow starts"));
    assert!(
        ended.code == Some(0) && ended.stdout.contains(" checks passed"),
        "{}{}",
        ended.stdout,
        ended.stderr
    );
    print!("{}", ended.stdout);
}

fn python() -> Command {
    let mut command = Command::new(installed("python/bin/python"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/flow.py"));
    command
}

#[test]
fn python_sdk_with_v2_signatures() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Up::start(folder.path(), &["--no-job"]);
    passes(python(), &server, None);
}

#[test]
fn python_sdk_with_v4_signatures() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Up::start(folder.path(), &["--no-job"]);
    passes(python(), &server, Some(server.export("OTS_REGION")));
}

#[test]
fn python_sdk_with_v4_signatures_of_another_region() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Up::start(folder.path(), &["--no-job"]);
    passes(python(), &server, Some("cn-hangzhou"));
}

#[test]
fn node_sdk() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Up::start(folder.path(), &["--no-job"]);
    let mut flow = Command::new("node");
    flow.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/flow.js"));
    flow.env("NODE_PATH", installed("node/node_modules"));
    passes(flow, &server, None);
}
