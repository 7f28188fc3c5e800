use proptest::prelude::*;

use super::super::testing::Worker;
use super::*;

const S: i64 = 1_000_000;

fn streams(count: usize) -> Assignment {
    Assignment::new((0..count).map(|index| (format!("s{index}"), false)))
}

fn base_and_streams() -> Assignment {
    Assignment::new([("b".into(), true), ("s0".into(), false), ("s1".into(), false)])
}

fn report(text: &str) -> ChannelReport {
    let (channel, state) = text.split_once('=').unwrap();
    let (version, status) = state.split_at(state.len() - 1);
    let status = match status {
        "O" => ChannelStatus::Open,
        "L" => ChannelStatus::Closing,
        "C" => ChannelStatus::Close,
        "T" => ChannelStatus::Terminated,
        other => panic!("no status {other:?}"),
    };
    ChannelReport { channel: channel.into(), version: version.parse().unwrap(), status }
}

/// Plays a script of `connect A [seconds]`, `at SECONDS`, `told CHANNEL`, `end CHANNEL`, `shutdown
/// A`, and heartbeats `A says s0=1O, … -> s0=1O, …` or `-> gone`. O means open, L closing, C close
/// and T terminated.
fn play(mut assignment: Assignment, script: &str) {
    let (mut now, mut ends) = (0, vec![End::Ahead; assignment.shares().len()]);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["connect", id, timeout @ ..] => {
                let timeout = timeout.first().map(|seconds| seconds.parse().unwrap());
                assignment.connect((*id).to_owned(), timeout, now).unwrap();
            }
            ["at", seconds] => now = seconds.parse::<i64>().unwrap() * S,
            [how @ ("told" | "end"), channel] => {
                let index = assignment.shares().iter().position(|share| share.channel == *channel).unwrap();
                ends[index] = if *how == "told" { End::Told } else { End::Consumed };
            }
            ["shutdown", id] => assignment.shut_down(id).unwrap(),
            [id, "says", ..] => {
                let (said, expected) = line.split_once("says").unwrap().1.split_once("->").unwrap();
                let list = |text: &str| -> Vec<ChannelReport> {
                    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(report).collect()
                };
                let answer = assignment.heartbeat(id, &list(said), &ends, now);
                match expected.trim() {
                    "gone" => {
                        assert!(matches!(answer, Err(TunnelError::ClientGone(_))), "{line}: {answer:?}")
                    }
                    expected => assert_eq!(answer, Ok(list(expected)), "{line}"),
                }
            }
            _ => panic!("cannot play {line:?}"),
        }
    }
}

#[test]
fn plays_as_observed() {
    let cases = [
        (
            "one client and one channel",
            streams(1),
            "
            connect A
            A says -> s0=1O
            A says s0=1O -> s0=1O",
        ),
        (
            "the base channel ends, then the streams open",
            base_and_streams(),
            "
            connect A
            A says -> b=1O
            A says b=1O -> b=1O
            end b
            A says b=1O -> b=1O
            A says b=2T -> s0=1O, s1=1O
            A says s0=1O, s1=1O -> s0=1O, s1=1O",
        ),
        (
            "a channel moves to a second client",
            streams(2),
            "
            connect A
            A says -> s0=1O, s1=1O
            connect B
            A says s0=1O, s1=1O -> s0=1O, s1=1O
            B says ->
            A says s0=1O, s1=1O -> s0=1O, s1=2L
            B says ->
            A says s0=1O, s1=2L -> s0=1O, s1=2L
            A says s0=1O, s1=3C -> s0=1O
            B says -> s1=4O
            A says s0=1O -> s0=1O",
        ),
        (
            "a client that failed to open a channel gets it again",
            streams(1),
            "
            connect A
            A says -> s0=1O
            A says s0=2C -> s0=3O
            A says s0=3O -> s0=3O",
        ),
        (
            "or another does that is short of one",
            streams(1),
            "
            connect A
            connect B
            A says -> s0=1O
            B says ->
            shutdown A
            B says -> s0=3O
            A says s0=1O -> gone",
        ),
        (
            "a silent client loses its channels after its time-out, not before",
            streams(2),
            "
            connect A 10
            connect B 100
            A says -> s0=1O, s1=1O
            at 10
            B says ->
            at 11
            B says -> s0=3O, s1=3O
            A says s0=1O, s1=1O -> gone",
        ),
        (
            "time-outs default to 300 s",
            streams(1),
            "
            connect A 0
            at 300
            A says -> s0=1O
            at 601
            A says s0=1O -> gone",
        ),
        (
            "one that claims an end which it did not read starts again",
            base_and_streams(),
            "
            connect A
            A says -> b=1O
            A says b=2T -> b=3O",
        ),
        (
            "one that ended and was lost is not handed out again",
            base_and_streams(),
            "
            connect A
            A says -> b=1O
            end b
            shutdown A
            connect B
            B says -> s0=1O, s1=1O",
        ),
        (
            "one that was told of the end, and is lost, leaves the last records to the next",
            base_and_streams(),
            "
            connect A
            A says -> b=1O
            told b
            shutdown A
            connect B
            B says -> b=3O
            B says b=4T -> s0=1O, s1=1O",
        ),
        (
            "equal and lower versions are ignored",
            streams(1),
            "
            connect A
            A says s0=7C -> s0=8O
            A says s0=8C -> s0=8O
            A says s0=3C -> s0=8O",
        ),
        (
            "a client that forgot a closing channel has let go of it",
            streams(2),
            "
            connect A
            A says -> s0=1O, s1=1O
            connect B
            B says ->
            A says s0=1O, s1=1O -> s0=1O, s1=2L
            A says s0=1O -> s0=1O
            B says -> s1=4O",
        ),
        (
            "channels of others and unknown ones are left out",
            streams(1),
            "
            connect A
            connect B
            A says -> s0=1O
            B says s0=9O, x=1O ->
            A says s0=1O -> s0=1O",
        ),
        (
            "a channel that ends while another client waits is not moved",
            base_and_streams(),
            "
            connect A
            connect B
            A says -> b=1O
            B says ->
            end b
            B says ->
            A says b=2T -> s0=1O
            B says -> s1=1O",
        ),
        (
            "whoever is gone hears so",
            streams(1),
            "
            X says -> gone",
        ),
    ];
    for (what, assignment, script) in cases {
        println!("{what}");
        play(assignment, script);
    }
}

#[test]
fn a_client_holds_what_it_was_given_and_nothing_else() {
    let mut assignment = streams(2);
    assignment.connect("A".into(), None, 0).unwrap();
    assignment.connect("B".into(), None, 0).unwrap();
    assignment.heartbeat("A", &[], &[End::Ahead; 2], 0).unwrap();
    assignment.heartbeat("B", &[], &[End::Ahead; 2], 0).unwrap();
    assert_eq!(assignment.held("A", "s1"), Ok(1));
    // While the channel is closing, what was read may still be checkpointed.
    assignment.heartbeat("A", &[report("s0=1O"), report("s1=1O")], &[End::Ahead; 2], 0).unwrap();
    assert_eq!(assignment.held("A", "s1"), Ok(1));
    for (client, channel) in [("B", "s1"), ("A", "s9"), ("C", "s0")] {
        let held = assignment.held(client, channel);
        assert!(
            matches!(held, Err(TunnelError::ChannelGone { .. } | TunnelError::ClientGone(_))),
            "{client} {channel}: {held:?}"
        );
    }
}

#[test]
fn refuses_too_many_clients() {
    let mut assignment = streams(1);
    for id in 0..CLIENTS_MAX {
        assignment.connect(id.to_string(), None, 0).unwrap();
    }
    assert_eq!(
        assignment.connect("more".into(), None, 0),
        Err(TunnelError::TooManyClients { max: CLIENTS_MAX })
    );
}

#[derive(Clone, Debug)]
enum Step {
    Connect,
    Heartbeat { worker: usize, lost: bool },
    Fail { worker: usize },
    ShutDown { worker: usize },
    Die { worker: usize },
    Pass { seconds: i64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Connect),
        12 => (0..4_usize, prop::bool::weighted(0.2)).prop_map(|(worker, lost)| Step::Heartbeat { worker, lost }),
        2 => (0..4_usize).prop_map(|worker| Step::Fail { worker }),
        1 => (0..4_usize).prop_map(|worker| Step::ShutDown { worker }),
        1 => (0..4_usize).prop_map(|worker| Step::Die { worker }),
        2 => (1..200_i64).prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::Restart),
    ]
}

/// Stores an assignment and loads it as a store does that is opened at this time.
fn reopened(assignment: &Assignment, opened_us: i64) -> Assignment {
    let mut loaded: Assignment = serde_json::from_slice(&serde_json::to_vec(assignment).unwrap()).unwrap();
    loaded.reopen(opened_us);
    loaded
}

#[test]
fn the_time_out_of_a_client_goes_on_over_restarts() {
    // Seconds after the client connected with a time-out of 100 s: its heartbeats, the restarts, the
    // last time at which it counts as connected, and the first at which it does not.
    for (heartbeats, restarts, last, first_gone) in [
        (&[0][..], &[][..], 100, 101),
        (&[0], &[50], 100, 101),
        (&[0], &[10, 20, 30, 40, 50, 60, 70], 100, 101),
        // The stored time lags by less than a quarter of the time-out.
        (&[0, 20], &[50], 100, 101),
        (&[0, 20, 40], &[50], 140, 141),
        // A client that was silent while the store was down has a quarter of its time-out left.
        (&[0], &[90], 115, 116),
        (&[0], &[5_000], 5_025, 5_026),
        (&[0], &[5_000, 5_010], 5_035, 5_036),
    ] {
        for (at, gone) in [(last, false), (first_gone, true)] {
            let mut assignment = streams(1);
            let start = 1_700_000_000 * S;
            assignment.connect("c".to_owned(), Some(100), start).unwrap();
            for second in heartbeats {
                assignment.heartbeat("c", &[], &[End::Ahead], start + second * S).unwrap();
            }
            for second in restarts {
                assignment = reopened(&assignment, start + second * S);
            }
            let dropped = assignment.drop_silent(start + at * S);
            assert_eq!(dropped, gone, "{heartbeats:?}, {restarts:?}, at {at}");
        }
    }
}

#[test]
fn clients_of_before_the_time_was_stored_begin_anew() {
    let mut assignment = streams(1);
    assignment.connect("c".to_owned(), Some(100), 7 * S).unwrap();
    let stored = serde_json::to_string(&assignment).unwrap().replace(r#","saved_us":7000000"#, "");
    assert!(!stored.contains("saved_us"), "{stored}");
    let mut loaded: Assignment = serde_json::from_str(&stored).unwrap();
    loaded.reopen(500 * S);
    assert!(!loaded.drop_silent(600 * S));
    assert!(loaded.drop_silent(601 * S));
}

proptest! {
    /// Whatever happens, no channel is readable by two clients. Once nothing happens any more, all
    /// channels are read, in even parts.
    #[test]
    fn shares_all_channels_once_things_are_calm(
        steps in prop::collection::vec(step(), 0..80),
        channels in 1..6_usize,
    ) {
        let mut assignment = streams(channels);
        let ends = vec![End::Ahead; channels];
        let (mut workers, mut now, mut names) = (Vec::<Worker>::new(), S, 0..);
        for step in steps {
            match step {
                Step::Connect if workers.len() < 4 => {
                    let id = format!("w{}", names.next().unwrap());
                    assignment.connect(id.clone(), Some(300), now).unwrap();
                    workers.push(Worker { id, ..Worker::default() });
                }
                Step::Heartbeat { worker, lost } if worker < workers.len() => {
                    let worker = &mut workers[worker];
                    match assignment.heartbeat(&worker.id, &worker.said(), &ends, now) {
                        Ok(_) if lost => {}
                        Ok(answer) => worker.hear(answer),
                        Err(_) => {
                            let id = worker.id.clone();
                            workers.retain(|other| other.id != id);
                        }
                    }
                }
                Step::Fail { worker } if worker < workers.len() => {
                    if let Some(channel) = workers[worker].reads.keys().next().cloned() {
                        workers[worker].fail(&channel);
                    }
                }
                Step::ShutDown { worker } if worker < workers.len() => {
                    let _ = assignment.shut_down(&workers.remove(worker).id);
                }
                Step::Die { worker } if worker < workers.len() => _ = workers.remove(worker),
                Step::Pass { seconds } => now += seconds * S,
                Step::Restart => {
                    let stored = serde_json::to_vec(&assignment).unwrap();
                    assignment = serde_json::from_slice(&stored).unwrap();
                    assignment.reopen(now);
                }
                _ => {}
            }
            for share in assignment.shares() {
                let has = matches!(share.status, ChannelStatus::Open | ChannelStatus::Closing);
                prop_assert_eq!(share.client.is_some(), has);
            }
        }
        let id = "last".to_owned();
        assignment.connect(id.clone(), Some(300), now).unwrap();
        workers.push(Worker { id, ..Worker::default() });
        // The dead clients time out, and the living ones go on.
        for _ in 0..12 {
            now += 100 * S;
            workers.retain_mut(|worker| match assignment.heartbeat(&worker.id, &worker.said(), &ends, now) {
                Ok(answer) => { worker.hear(answer); true }
                Err(_) => false,
            });
        }
        let parts: Vec<usize> = workers.iter().map(|worker| worker.reads.len()).collect();
        prop_assert_eq!(parts.iter().sum::<usize>(), channels, "{:?}", assignment);
        prop_assert!(parts.iter().max().unwrap() - parts.iter().min().unwrap() <= 1, "{:?}", parts);
        for worker in &workers {
            for channel in worker.reads.keys() {
                prop_assert!(assignment.held(&worker.id, channel).is_ok());
            }
        }
    }
}
