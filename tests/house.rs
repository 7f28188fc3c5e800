//! The house as it is drawn: which room may use which, no circle inside a room, and a code map that
//! names each.

#![allow(clippy::unwrap_used)] // A test may.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room: its folder, and the rooms that it may use. A room stands below those that use it.
const ROOMS: [(&str, &str, &[&str]); 15] = [
    ("dataflows", "dataflows", &[]),
    ("cluster", "src/cluster", &[]),
    ("connections", "src/connections", &[]),
    ("store", "src/store", &[]),
    ("testkit", "src/testkit", &[]),
    ("orders", "src/orders", &["dataflows"]),
    ("terminal", "src/terminal", &["dataflows", "cluster"]),
    ("host", "src/host", &["cluster", "dataflows"]),
    ("order_tables", "src/order_tables", &["dataflows", "orders", "store"]),
    ("tablestore", "src/tablestore", &["connections", "store"]),
    ("files", "src/files", &["dataflows", "orders"]),
    ("live", "src/live", &["cluster", "dataflows", "host", "order_tables", "orders", "store", "tablestore"]),
    (
        "driver",
        "src/driver",
        &[
            "cluster",
            "dataflows",
            "files",
            "host",
            "order_tables",
            "orders",
            "store",
            "tablestore",
            "terminal",
        ],
    ),
    ("page", "src/page", &["connections", "dataflows", "live", "order_tables", "orders", "store"]),
    (
        "orderflow",
        ".",
        &[
            "cluster",
            "connections",
            "dataflows",
            "driver",
            "files",
            "host",
            "live",
            "order_tables",
            "orders",
            "page",
            "store",
            "tablestore",
            "terminal",
        ],
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rooms among the dependencies of a manifest, without those that only tests need: they stand
/// elsewhere, or are optional.
fn rooms_used(manifest: &str) -> BTreeSet<String> {
    let mut section = "";
    let mut used = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if matches!(section, "[dependencies]" | "[build-dependencies]")
            && !line.contains("optional = true")
            && let Some((name, _)) = line.split_once(['=', '.'])
            && ROOMS.iter().any(|(room, ..)| *room == name.trim())
        {
            used.insert(name.trim().to_owned());
        }
    }
    used
}

#[test]
fn no_room_uses_one_above_it() {
    for (room, folder, may_use) in ROOMS {
        for used in rooms_used(&read(&root().join(folder).join("Cargo.toml"))) {
            assert!(
                may_use.contains(&used.as_str()),
                "{room} uses {used}: an arrow that the house does not have"
            );
        }
    }
    // What is allowed is itself without a circle: each room uses only rooms listed before it.
    for (at, (room, _, may_use)) in ROOMS.iter().enumerate() {
        for used in *may_use {
            assert!(ROOMS[..at].iter().any(|(below, ..)| below == used), "{used} stands above {room}");
        }
    }
}

#[test]
fn the_workspace_has_these_rooms_and_no_others() {
    let manifest = read(&root().join("Cargo.toml"));
    let members = manifest.split("members = [").nth(1).and_then(|rest| rest.split(']').next()).unwrap();
    let members: BTreeSet<&str> = members.split('"').skip(1).step_by(2).collect();
    let rooms: BTreeSet<&str> =
        ROOMS.iter().map(|(_, folder, _)| *folder).filter(|folder| *folder != ".").collect();
    assert_eq!(members, rooms);
}

#[test]
fn the_code_map_names_each_room() {
    let readme = read(&root().join("README.md"));
    let map = readme.split("## Code map").nth(1).expect("the README has a code map");
    for (room, folder, _) in ROOMS.iter().filter(|(_, folder, _)| *folder != ".") {
        assert!(
            map.contains(&format!("`{folder}/`")),
            "the README's code map does not name {room}, `{folder}/`"
        );
    }
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            let name = format!("src/{}/", entry.file_name().to_string_lossy());
            assert!(map.contains(&format!("`{name}`")), "the README's code map does not name {name}");
        }
    }
}

/// The Rust files below a folder, those of tests left out.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_room = path.join("Cargo.toml").exists();
        if path.is_dir() && !is_room && !name.contains("test") {
            sources(&path, found);
        } else if name.ends_with(".rs") && !name.contains("test") && name != "build.rs" {
            found.push(path);
        }
    }
}

/// The first name of each path in `text` that begins with `prefix`.
fn names_after<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(prefix).filter_map(move |(at, _)| {
        let before = text[..at].chars().next_back();
        let rest = &text[at + prefix.len()..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let is_start = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':');
        (is_start && rest.starts_with(|c: char| c.is_lowercase())).then_some(&rest[..end])
    })
}

/// Which modules directly below `folder` use which others there, by the paths in their code.
fn uses_between_modules(folder: &Path, crate_path: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut files = Vec::new();
    sources(folder, &mut files);
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let path = file.strip_prefix(folder).unwrap().with_extension("");
        let mut parts: Vec<String> =
            path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
        if parts.last().is_some_and(|last| last == "mod") {
            parts.pop();
        }
        let Some(module) = parts.first().filter(|first| !matches!(first.as_str(), "lib" | "main")) else {
            continue;
        };
        let text = read(&file);
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let code: String = text
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n");
        let upward = "super::".repeat(parts.len());
        let found =
            names_after(&code, crate_path).chain(names_after(&code, &upward)).filter(|name| name != module);
        uses.entry(module.clone()).or_default().extend(found.map(str::to_owned));
    }
    uses
}

/// A circle among these uses, if there is one: each module uses the next, the last one the first.
fn circle(uses: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    let reach = |from: &String| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(at) = open.pop() {
            for next in uses.get(at).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        seen
    };
    let (start, reached) = uses
        .keys()
        .map(|module| (module, reach(module)))
        .find(|(module, reached)| reached.contains(*module))?;
    Some(reached.into_iter().filter(|module| module == start || reach(module).contains(start)).collect())
}

#[test]
fn no_modules_of_a_room_use_each_other_in_a_circle() {
    for (room, folder, _) in ROOMS {
        let folder = match folder {
            "dataflows" => root().join("dataflows/src"),
            "." => root().join("src"),
            folder => root().join(folder),
        };
        assert_eq!(circle(&uses_between_modules(&folder, "crate::")), None, "in {room}");
    }
    let commands = uses_between_modules(&root().join("src/commands"), "crate::commands::");
    assert_eq!(circle(&commands), None, "in src/commands");
    assert!(commands["up"].contains("time"), "the look at modules finds what is there: {commands:?}");
}

#[test]
fn a_circle_is_found() {
    let uses = |pairs: &[(&str, &str)]| {
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in pairs {
            uses.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        uses
    };
    assert_eq!(circle(&uses(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    let found = circle(&uses(&[("x", "a"), ("a", "b"), ("b", "c"), ("c", "a")]));
    assert_eq!(found.as_deref(), Some(&["a".to_owned(), "b".to_owned(), "c".to_owned()][..]));
}

#[test]
fn dependencies_are_read_from_a_manifest() {
    let manifest = "[dependencies]\nstore = { workspace = true }\ntokio = { workspace = true }\n\n\
                    [dev-dependencies]\nlive = { workspace = true }\n";
    assert_eq!(rooms_used(manifest), BTreeSet::from(["store".to_owned()]));
}

#[test]
fn modules_are_files_of_their_own_name() {
    let mut files = Vec::new();
    for folder in ["src", "dataflows/src"] {
        sources(&root().join(folder), &mut files);
    }
    for (_, folder, _) in ROOMS.iter().filter(|(_, folder, _)| folder.starts_with("src/")) {
        sources(&root().join(folder), &mut files);
    }
    assert!(files.len() > 100, "the look at files finds what is there");
    for file in files {
        assert!(!file.ends_with("mod.rs"), "{} is to be named after its module", file.display());
    }
}
