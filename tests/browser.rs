//! The live page in Debian's Chromium: a real `up`, orders through the official Node SDK, and what
//! a person would see.
//!
//! `scripts/test` installs the browser and nginx, and Playwright, axe and the SDK where [`installed`]
//! looks.
//! Each flow is a file in `tests/browser`; screenshots go to `target/screenshots`.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::faces::disk::{limit, limited};
use crate::live::settle;
use crate::sdk::installed;
use crate::store_server::Up;

/// The token of a page that asks for one.
const TOKEN: &str = "a-token-of-20-letter";

/// A server that keeps its folder and its addresses over ends and starts.
struct Shop {
    folder: TempDir,
    /// None while it is killed.
    up: Option<Up>,
    page: String,
    /// The flags it was started with.
    flags: Vec<String>,
}

impl Shop {
    fn open() -> Shop {
        Shop::open_with(&[])
    }

    /// Opens one with further flags.
    fn open_with(flags: &[&str]) -> Shop {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let up = Up::start(folder.path(), flags);
        let page = up.page();
        Shop { folder, up: Some(up), page, flags: flags.iter().map(|flag| (*flag).to_owned()).collect() }
    }

    fn up(&self) -> &Up {
        self.up.as_ref().expect("it was not killed")
    }

    /// Ends it; a later start finds the same addresses.
    fn end(&mut self, signal: &str) -> [String; 2] {
        let up = self.up.take().expect("it was not killed");
        let addresses = [up.export("OTS_ENDPOINT"), &self.page]
            .map(|url| url.trim_start_matches("http://").trim_end_matches('/').to_owned());
        up.stop(signal);
        addresses
    }

    fn start(&mut self, [listen, page]: &[String; 2]) {
        let data = self.folder.path().display().to_string();
        let mut args = vec!["up", "--data", &data, "--listen", listen, "--page", page];
        args.extend(self.flags.iter().map(String::as_str));
        self.up = Some(Up::of(crate::support::orderflow(&args)));
    }

    /// Runs a flow to its end, and does to the server what it asks for; it has to say that it
    /// checked things.
    fn passes(&mut self, flow: &str) {
        self.passes_with(flow, &[]);
    }

    /// Does what [`Shop::passes`] does, with more variables in the flow's environment.
    fn passes_with(&mut self, flow: &str, variables: &[(&str, &str)]) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut node = Command::new("node")
            .arg(root.join("tests/browser").join(flow))
            .envs(&self.up().exports)
            .env("NODE_PATH", installed("node/node_modules"))
            .env("ORDERFLOW", env!("CARGO_BIN_EXE_orderflow"))
            .env("PAGE", &self.page)
            .envs(variables.iter().copied())
            .env("SCREENSHOTS", root.join("target/screenshots"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts");
        let mut answers = node.stdin.take().expect("piped");
        let (mut told, mut addresses) = (String::new(), None);
        for line in BufReader::new(node.stdout.take().expect("piped")).lines() {
            let line = line.expect("the flow prints UTF-8");
            let Some(order) = line.strip_prefix("> ") else {
                told += &format!("{line}\n");
                continue;
            };
            match order {
                "kill" => addresses = Some(self.end("KILL")),
                "start" => self.start(addresses.as_ref().expect("it was killed")),
                "fill" => {
                    limit(self.up(), Some(0));
                    assert_eq!(self.up().run(&["generate", "--orders", "20"]).code, Some(3));
                }
                "free" => limit(self.up(), None),
                "pause" => self.up().signal("STOP"),
                "resume" => self.up().signal("CONT"),
                other => panic!("a flow asks for {other:?}"),
            }
            writeln!(answers, "done").expect("the flow reads");
        }
        let status = node.wait().expect("the flow ends");
        assert!(status.success() && told.contains(" checks passed"), "{flow}: {status}\n{told}");
        print!("{told}");
    }
}

#[test]
fn shows_exact_values() {
    Shop::open().passes("shows_exact_values.mjs");
}

#[test]
fn tells_when_it_is_stale_and_heals() {
    Shop::open().passes("tells_when_it_is_stale_and_heals.mjs");
}

#[test]
fn hostile_user_ids_are_text() {
    Shop::open().passes("hostile_user_ids_are_text.mjs");
}

#[test]
fn days_are_those_of_the_zone() {
    Shop::open().passes("days_are_those_of_the_zone.mjs");
}

#[test]
fn asks_for_the_token() {
    let token = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(token.path(), TOKEN).expect("the file is written");
    let path = token.path().display().to_string();
    Shop::open_with(&["--page-token-file", &path]).passes_with("asks_for_the_token.mjs", &[("TOKEN", TOKEN)]);
}

#[test]
fn runs_for_days() {
    Shop::open().passes("runs_for_days.mjs");
}

#[test]
fn works_behind_nginx() {
    Shop::open().passes("works_behind_nginx.mjs");
}

#[test]
fn is_embedded() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let embedder = free.local_addr().expect("an address");
    drop(free);
    let mut shop = Shop::open_with(&["--page-embed", &format!("http://{embedder}")]);
    shop.passes_with("is_embedded.mjs", &[("EMBEDDER", &embedder.port().to_string())]);
}

#[test]
fn says_when_it_is_full() {
    Shop::open_with(&["--page-readers", "1"]).passes("says_when_it_is_full.mjs");
}

#[test]
fn says_when_writes_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().display().to_string();
    let up = Up::of(limited(&["up", "--data", &data, "--listen", "127.0.0.1:0"]));
    let page = up.page();
    Shop { folder, up: Some(up), page, flags: Vec::new() }.passes("says_when_writes_are_refused.mjs");
}

#[test]
fn shows_windows_of_days() {
    Shop::open_with(&["--window", "1d", "--timezone", "Asia/Shanghai"]).passes("shows_windows_of_days.mjs");
}

#[test]
fn looks() {
    let mut shop = Shop::open();
    shop.up().ok(&["init"]);
    let day = ["generate", "--orders", "30000", "--users", "300", "--hours", "24", "--seed", "7", "--quiet"];
    shop.up().ok(&day);
    settle(shop.up());
    // To a server that has just started, none of the day's orders came late.
    let addresses = shop.end("TERM");
    shop.start(&addresses);
    shop.passes("looks.mjs");
}
