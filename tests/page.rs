//! The flags of the page: where it is, where it is not, and who may ask for it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::store_server::{Up, refused};
use crate::support::run;

/// How long the page may take to say what it must.
const PATIENCE: Duration = Duration::from_secs(60);

/// Status and body at a path of the page, asked for by this name.
pub(crate) fn get(page: &str, path: &str, host: &str) -> (u16, String) {
    let address = page.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).expect("the page listens");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect(&answer);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect(head);
    (status, body.to_owned())
}

#[test]
fn the_page_is_where_it_is_told_and_for_names_that_are_allowed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let up = Up::start(&dir.path().join("data"), &["--page-host", "Shop.example,other.example"]);
    let page = up.page();
    for (host, status) in [
        ("127.0.0.1", 200),
        ("localhost:1", 200),
        ("shop.example", 200),
        ("other.example:80", 200),
        ("evil.example", 403),
    ] {
        let (found, body) = get(&page, "/", host);
        assert_eq!(found, status, "{host}");
        assert_eq!(body.starts_with("<!doctype html>"), status == 200, "{host}");
    }
    let started = Instant::now();
    let at = loop {
        let (_, at) = get(&page, "/api/at", "localhost");
        let at: Value = serde_json::from_str(&at).expect("JSON");
        if at[0]["phase"] == "waiting" {
            break at;
        }
        assert!(started.elapsed() < PATIENCE, "it waits for the table of orders: {at}");
    };
    assert_eq!(at[0]["count"], 0);
    // What the store answers to, the page does not, and the other way round.
    assert_eq!(get(&page, "/metrics", "localhost").0, 404);
    assert_ne!(get(up.export("OTS_ENDPOINT"), "/api/at", "localhost").0, 200);
    let ended = up.stop("TERM");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(TcpStream::connect(page.trim_start_matches("http://").trim_end_matches('/')).is_err());
}

#[test]
fn no_page_is_served_where_none_is_wanted() {
    for flag in ["--no-page", "--no-job"] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let ended = Up::start(&dir.path().join("data"), &[flag]).stop("TERM");
        assert_eq!(ended.code, Some(0), "{flag}: {}", ended.stderr);
        assert!(!ended.stderr.contains("page: "), "{flag}: {}", ended.stderr);
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data").display().to_string();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().expect("an address").to_string();
    let busy = format!("{taken} is in use by another program: stop that, or choose another port with --page");
    for (flags, code, sentence) in [
        (["--page", "0.0.0.0:0"], 2, "0.0.0.0:0 can be reached from other machines: "),
        (["--page", "here"], 2, "--page \"here\" must be HOST:PORT, such as 127.0.0.1:8087: "),
        (
            ["--page-host", "shop.example:80"],
            2,
            "--page-host \"shop.example:80\" must be a host's name, without a port",
        ),
        (
            ["--page-embed", "https://grafana.example/d/1"],
            2,
            "--page-embed \"https://grafana.example/d/1\" must be an origin, without a path: ",
        ),
        (["--page", &taken], 3, &busy),
    ] {
        let up = ["up", "--data", &data, "--listen", "127.0.0.1:0", flags[0], flags[1]];
        refused(&run(&up), code, sentence);
        refused(&run(&["demo", "--for", "1s", flags[0], flags[1]]), code, sentence);
    }
}
