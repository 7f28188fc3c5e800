//! Tests processes that do not belong together, strangers, and peers that are missing.

use super::fake::Fake;
use super::*;
use crate::dial::attempt_in_turn;
use crate::frame::Purpose;
use crate::handshake::Failed;

/// Connects all processes, none of which may succeed. Returns what each says, with names in the
/// place of addresses.
fn refusals(configs: &[ClusterConfig], facts: impl Fn(usize) -> Vec<(String, String)> + Sync) -> Vec<String> {
    let started = Instant::now();
    let said = at_once(configs, |config| {
        let Err(error) = connect(config, &facts(config.process)) else { panic!("connected") };
        assert_eq!(error.exit_code(), 3);
        let mut text = error.to_string();
        for (index, address) in config.addresses.iter().enumerate() {
            text = text.replace(address, &format!("ADDRESS{index}"));
        }
        text
    });
    assert!(started.elapsed() < Duration::from_secs(15), "took {:?}", started.elapsed());
    said
}

fn same(_: usize) -> Vec<(String, String)> {
    Vec::new()
}

#[test]
fn two_processes_that_differ_both_say_in_what() {
    type Change = fn(&mut ClusterConfig);
    let cases: [(Change, &str, &str); 3] = [
        (
            |c| c.workers = 5,
            "process 1 runs with -w 5, this one with -w 2",
            "process 0 runs with -w 2, this one with -w 5",
        ),
        (
            |c| {
                c.processes = 3;
                c.addresses.push("127.0.0.1:9".to_owned());
            },
            "process 1 runs with -n 3, this one with -n 2",
            "process 0 runs with -n 2, this one with -n 3",
        ),
        (
            |c| c.cluster_id = "other\n".to_owned(),
            "process 1 runs with cluster id other\u{fffd}, this one with cluster id orderflow",
            "process 0 runs with cluster id orderflow, this one with cluster id other\u{fffd}",
        ),
    ];
    for (change, zero, one) in cases {
        let (mut configs, losses) = configs(2, 2);
        change(&mut configs[1]);
        assert_eq!(refusals(&configs, same), [zero, one]);
        assert_eq!(*losses.lock().unwrap(), [""; 0], "the run had not begun");
    }
}

#[test]
fn facts_that_differ_are_named_with_both_values() {
    type Facts<'a> = &'a [(&'a str, &'a str)];
    let base = [("--window", "30s"), ("a.csv bytes", "468")];
    let cases: [(Facts<'_>, &str, &str); 5] = [
        (
            &[("--window", "60s"), ("a.csv bytes", "468")],
            "process 1 has --window 60s, this one has 30s",
            "process 0 has --window 30s, this one has 60s",
        ),
        (
            &[("--window", "30s")],
            "process 1 has no a.csv bytes, this one has",
            "process 0 has a.csv bytes, this one has not",
        ),
        (
            &[("--window", "30s"), ("a.csv bytes", "468"), ("b.csv bytes", "1")],
            "process 1 has b.csv bytes, this one has not",
            "process 0 has no b.csv bytes, this one has",
        ),
        (
            &[("a.csv bytes", "468"), ("--window", "30s")],
            "process 1 has --window in another order than this one",
            "process 0 has a.csv bytes in another order than this one",
        ),
        // What differs is named before what only stands elsewhere.
        (
            &[("a.csv bytes", "468"), ("--window", "60s")],
            "process 1 has --window 60s, this one has 30s",
            "process 0 has --window 30s, this one has 60s",
        ),
    ];
    for (other, zero, one) in cases {
        let (configs, _) = configs(2, 1);
        let facts = |process| run_facts(if process == 0 { &base } else { other });
        assert_eq!(refusals(&configs, facts), [zero, one]);
    }
}

#[test]
fn a_process_that_cannot_begin_tells_the_others_why() {
    let (configs, losses) = configs(3, 1);
    let said = at_once(&configs, |config| match config.process {
        1 => {
            let facts = run_facts(&[("--window", "30s")]);
            assert!(give_up(config, &facts, "orders.csv: no such file or directory").is_none());
            String::new()
        }
        _ => connect(config, &run_facts(&[("--window", "30s")])).err().unwrap().to_string(),
    });
    let sentence = "process 1 cannot begin: orders.csv: no such file or directory";
    assert_eq!(said, [sentence, "", sentence]);
    assert_eq!(*losses.lock().unwrap(), [""; 0], "the run had not begun");
}

#[test]
fn a_process_that_cannot_begin_waits_for_no_one_for_long() {
    let (mut configs, _) = configs(2, 1);
    configs[1].deadline = Duration::from_millis(300);
    let since = Instant::now();
    assert!(give_up(&configs[1], &[], "a reason").is_none());
    assert!(since.elapsed() < PATIENCE / 2, "{:?}", since.elapsed());
    assert!(give_up(&ClusterConfig::single(1), &[], "a reason that nobody waits for").is_none());
}

#[test]
fn another_value_is_the_better_reason_for_not_beginning() {
    let (configs, _) = configs(2, 1);
    let said = at_once(&configs, |config| {
        let facts = run_facts(&[("--column-price", if config.process == 1 { "amount" } else { "none" })]);
        match config.process {
            1 => give_up(config, &facts, "orders.csv: no column \"amount\"").unwrap().to_string(),
            _ => connect(config, &facts).err().unwrap().to_string(),
        }
    });
    assert_eq!(
        said,
        [
            "process 1 has --column-price amount, this one has none",
            "process 0 has --column-price none, this one has amount"
        ]
    );
}

#[test]
fn a_refusal_ends_all_processes() {
    let (configs, _) = configs(4, 1);
    let said =
        refusals(&configs, |process| run_facts(&[("--window", if process == 1 { "60s" } else { "30s" })]));
    for (process, sentence) in said.iter().enumerate() {
        assert!(sentence.contains("has --window 60s") || process == 1, "process {process}: {sentence}");
    }
    assert!(said[1].ends_with("has --window 30s, this one has 60s"), "{}", said[1]);
}

#[test]
fn another_key_is_named_on_both_sides() {
    let (mut configs, _) = configs(2, 1);
    configs.iter_mut().for_each(|config| config.deadline = Duration::from_secs(1));
    configs[1].key = None;
    let said = refusals(&configs, same);
    let sentence = |them| {
        format!(
            "process {them} at ADDRESS{them} has another cluster key: give every process the same --cluster-key-file"
        )
    };
    assert_eq!(said, [sentence(1), sentence(0)]);
}

#[test]
fn a_peer_that_is_not_there_is_missed_at_the_deadline() {
    let (mut configs, _) = configs(3, 1);
    configs.iter_mut().for_each(|config| config.deadline = Duration::from_millis(300));
    let absent = "process 2 at ADDRESS2 did not answer within 300 ms: is it started?";
    assert_eq!(refusals(&configs[..2], same), [absent, absent]);
    let alone =
        "process 0 at ADDRESS0 and process 1 at ADDRESS1 did not answer within 300 ms: are they started?";
    assert_eq!(refusals(&configs[2..], same), [alone]);
}

#[test]
fn two_processes_with_one_index_and_one_address() {
    let (configs, _) = configs(2, 1);
    let _taken = TcpListener::bind(&configs[1].addresses[1]).unwrap();
    let said = refusals(&configs[1..], same);
    assert_eq!(said, ["cannot listen on ADDRESS1: address in use: is another process started with -p 1?"]);
}

#[test]
fn what_is_no_orderflow_process_is_named() {
    let (mut configs, _) = configs(2, 1);
    configs[1].deadline = Duration::from_secs(1);
    let other = TcpListener::bind(&configs[1].addresses[0]).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        io::Write::write_all(&mut stream, b"SSH-2.0-OpenSSH_10.0\r\n").unwrap();
        stream
    });
    let said = refusals(&configs[1..], same);
    assert_eq!(said, ["what listens at ADDRESS0, for process 0, is not an orderflow process"]);
    server.join().unwrap();
}

#[test]
fn an_address_of_another_machine_cannot_be_listened_on() {
    let (mut configs, _) = configs(2, 1);
    configs[0].addresses[0] = "198.51.100.1:2101".to_owned();
    let said = refusals(&configs[..1], same);
    assert_eq!(
        said,
        ["cannot listen on ADDRESS0: not an address of this machine: are -p 0 and the hosts file right?"]
    );
}

#[test]
fn two_processes_with_one_index_at_two_addresses() {
    let (mut configs, _) = configs(3, 1);
    configs[2].process = 1;
    configs[2].addresses[1] = addresses(1).remove(0);
    assert_eq!(refusals(&configs, same), ["two processes are started with -p 1"; 3]);
}

#[test]
fn the_addresses_of_a_host_are_tried_in_turn() {
    let (configs, _) = configs(2, 1);
    // The first takes the connection and says nothing, nobody listens at the second.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let true_one = configs[0].addresses[0].parse().unwrap();
    let addresses = [silent.local_addr().unwrap(), closed, true_one];
    thread::scope(|scope| {
        let zero = scope.spawn(|| connect(&configs[0], &[]).err().unwrap().to_string());
        let fake = Fake::new(&configs[1]);
        // Once this connects, process 0 listens.
        drop(fake.connect());
        let limit = Duration::from_millis(500);
        let tried = attempt_in_turn(&addresses, 0, &fake.identity, Purpose::Control, limit);
        let (met, _) = fake.runtime.block_on(tried).unwrap();
        assert_eq!(met.index, 0);
        let said = zero.join().unwrap();
        assert!(said.ends_with("ended before the run began"), "{said}");
    });
}

#[test]
fn an_address_that_leads_back() {
    let (mut configs, _) = configs(2, 1);
    configs[1].addresses[0] = configs[1].addresses[1].clone();
    let said = refusals(&configs[1..], same);
    assert_eq!(said, ["the address ADDRESS0 of process 0 leads back to process 1"]);
}

#[test]
fn hosts_files_in_another_order() {
    let (mut configs, _) = configs(3, 1);
    // Process 2 finds process 1 at the address of process 0.
    configs[2].addresses.swap(0, 1);
    let sentence = "the address of process 0 leads to process 1: is the hosts file the same everywhere?";
    for said in refusals(&configs[1..], same) {
        assert!(
            said == sentence || said == sentence.replace("0 leads to process 1", "1 leads to process 0"),
            "{said}"
        );
    }
}

#[test]
fn another_build_is_named() {
    let (mut configs, _) = configs(2, 1);
    configs[0].build = "1.2.3 (0123456789ab)".to_owned();
    configs[1].build = "1.2.3 (ba9876543210)".to_owned();
    let sentence =
        |them: &str, here: &str| format!("{them} orderflow 1.2.3 ({here}), this one with orderflow 1.2.3 (");
    let said = refusals(&configs, same);
    assert!(said[0].starts_with(&sentence("process 1 runs with", "ba9876543210")), "{}", said[0]);
    assert!(said[1].starts_with(&sentence("process 0 runs with", "0123456789ab")), "{}", said[1]);
}

#[test]
fn another_version_is_named() {
    let (configs, _) = configs(2, 1);
    thread::scope(|scope| {
        let zero = scope.spawn(|| connect(&configs[0], &[]).err().unwrap().to_string());
        let mut fake = Fake::new(&configs[1]);
        fake.identity.version = "9.9.9".to_owned();
        let Err(Failed::Differs { disagreement, .. }) = fake.dial(Purpose::Control) else {
            panic!("accepted")
        };
        let here = env!("CARGO_PKG_VERSION");
        assert_eq!(
            disagreement.here,
            format!("process 0 runs with orderflow {here}, this one with orderflow 9.9.9")
        );
        let expected = format!("process 1 runs with orderflow 9.9.9, this one with orderflow {here}");
        assert_eq!(zero.join().unwrap(), expected);
    });
}

#[test]
fn strangers_neither_end_nor_delay_the_run() {
    let (configs, losses) = configs(2, 1);
    thread::scope(|scope| {
        let zero = scope.spawn(|| connect(&configs[0], &[]).unwrap().control().finish(Ok(())).unwrap());
        let mut stranger = Fake::new(&configs[1]);
        stranger.identity.key = b"not the key".to_vec();
        let failed = stranger.dial(Purpose::Control).unwrap_err();
        assert!(matches!(failed, Failed::Stranger { problem: Some(_), .. }), "{failed:?}");
        let mut open = Vec::new();
        for bytes in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x04junk", b"\xff\xff\xff\xff", &[0; 4096]]
        {
            let mut stream = stranger.connect();
            stranger.runtime.block_on(tokio::io::AsyncWriteExt::write_all(&mut stream, bytes)).unwrap();
            open.push(stream);
        }
        // There are more silent connections than are kept, all of them before the true one.
        open.extend((0..300).map(|_| stranger.connect()));
        connect(&configs[1], &[]).unwrap().control().finish(Ok(())).unwrap();
        zero.join().unwrap();
        drop(open);
    });
    assert_eq!(*losses.lock().unwrap(), [""; 0]);
}
