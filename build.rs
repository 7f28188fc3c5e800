//! Tells the program which commit it is built from, where git knows.
//!
//! Nothing but the commit and whether the sources differ from it gets into the program, so the same
//! sources give the same program wherever and whenever they are built.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the program is built from.
const SOURCES: [&str; 5] = ["src", "dataflows", "build.rs", "Cargo.toml", "Cargo.lock"];

fn main() {
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
    }
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let commit = commit(&root).map_or(String::new(), |commit| format!(" ({commit})"));
    println!("cargo:rustc-env=ORDERFLOW_COMMIT={commit}");
}

/// Returns the commit that is checked out, with `-dirty` if the sources differ from it. `None`
/// without git, or if the sources are in no repository of their own.
fn commit(root: &Path) -> Option<String> {
    let commit = git(root, &["rev-parse", "--short=12", "HEAD"])?;
    watch(root);
    let changes = git(root, &[&["status", "--porcelain", "--"], &SOURCES[..]].concat())?;
    Some(if changes.is_empty() { commit } else { commit + "-dirty" })
}

/// Has Cargo ask again once another commit is checked out, and only then: Cargo takes a file that
/// is missing for one that changes all the time.
fn watch(root: &Path) {
    let branch = git(root, &["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD", "logs/HEAD"].into_iter().chain(branch.as_deref()) {
        if let Some(path) = git(root, &["rev-parse", "--git-path", name])
            && root.join(&path).exists()
        {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}

/// Returns what git prints, without the line break at its end.
fn git(root: &Path, args: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    // A repository around an unpacked archive is not that of these sources.
    git.arg("--no-optional-locks")
        .args(args)
        .current_dir(root)
        .env("GIT_CEILING_DIRECTORIES", root.parent()?);
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        git.env_remove(variable);
    }
    let output = git.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim_end().to_owned())
}
