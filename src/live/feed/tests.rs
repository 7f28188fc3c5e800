use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use dataflows::views::{USERS, VIEWS, WINDOWS};
use dataflows::{Reference, Totals};
use serde_json::Value as Json;
use tokio::sync::watch;
use tokio::task::block_in_place;

use super::*;
use crate::job::testing::{Fixture, any_request, config, delete, put};
use crate::job::{JobConfig, Phase};
use order_tables::{ORDER_SOURCE, ResultError, each_totals, order_of};
use store::error::ReadError;
use store::value::KeyRef;
use testkit::Random;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

mod asks;

/// A store, a job on it, and a feed of its results.
struct Shop {
    fixture: Fixture,
    feed: Feed,
    verified: watch::Sender<Option<Verification>>,
}

fn layout() -> Layout {
    config(1, 1).layout
}

impl Shop {
    fn open(config: JobConfig) -> Shop {
        let fixture = Fixture::with_orders(config);
        block_in_place(|| fixture.settle());
        let (verified, seen) = watch::channel(None);
        let feed = Feed::start(fixture.store.clone(), layout(), &fixture.job().watch(), seen);
        Shop { fixture, feed, verified }
    }
}

/// What a reader of the stream knows.
#[derive(Debug, Default, PartialEq)]
struct Reader {
    epoch: u64,
    total: (i64, String),
    by_amount: Vec<(String, i64, String)>,
    by_count: Vec<(String, i64, String)>,
    windows: BTreeMap<i64, (i64, String)>,
    counts: (u64, u64, u64),
    events: Vec<String>,
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn users(rows: &Json) -> Vec<(String, i64, String)> {
    let user =
        |row: &Json| (text(&row["UserId"]), row["count"].as_i64().unwrap(), text(&row["totalPriceExact"]));
    rows.as_array().unwrap().iter().map(user).collect()
}

/// Returns the name, the id and the data of an event.
fn parsed(event: &Bytes) -> (String, Option<u64>, Json) {
    let event = std::str::from_utf8(event).unwrap();
    let body = event.strip_suffix("\n\n").unwrap();
    let field = |name: &str| body.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    let id = field("id").map(|id| id.parse().unwrap());
    (field("event").unwrap().to_owned(), id, serde_json::from_str(field("data").unwrap()).unwrap())
}

impl Reader {
    /// Takes an event in as the page does: if the event asks for that, all windows are fetched.
    fn take(&mut self, event: &Bytes, store: &Store) {
        let (name, id, data) = parsed(event);
        assert_eq!(id, data["epoch"].as_u64(), "{data}");
        assert!(id.unwrap() >= self.epoch, "epochs go on: {} after {}", id.unwrap(), self.epoch);
        self.epoch = id.unwrap();
        self.total = (data["count"].as_i64().unwrap(), text(&data["totalPriceExact"]));
        let count = |name: &str| data[name].as_u64().unwrap();
        self.counts = (count("users"), count("windows"), count("rejects"));
        for (rows, known) in [("byAmount", &mut self.by_amount), ("byCount", &mut self.by_count)] {
            match data.get(rows) {
                Some(rows) => *known = users(rows),
                None => assert_eq!(name, "frame", "a snapshot has all"),
            }
        }
        if name == "snapshot" || data["reloadWindows"] == true {
            self.windows = windows(store);
        } else {
            for row in data["changed"].as_array().unwrap() {
                let row_of = (row["count"].as_i64().unwrap(), text(&row["totalPriceExact"]));
                self.windows.insert(row["beginMs"].as_i64().unwrap(), row_of);
            }
            self.windows.retain(|_, (count, _)| *count != 0);
        }
        self.events.push(name);
    }

    /// Takes events in until `is` holds.
    async fn until(&mut self, follower: &mut Follower, store: &Store, is: impl Fn(&Reader) -> bool) {
        let wait = async {
            while !is(self) {
                let event = follower.next().await;
                self.take(&event, store);
            }
        };
        if timeout(PATIENCE, wait).await.is_err() {
            panic!("it never came: {self:?}");
        }
    }
}

fn windows(store: &Store) -> BTreeMap<i64, (i64, String)> {
    let (mut windows, layout) = (BTreeMap::new(), layout());
    let read = each_totals(&store.view().unwrap(), WINDOWS, &mut |key, totals| {
        let KeyRef::String(begin) = key[0] else { panic!("{key:?}") };
        let start_ms = layout.start_ms(begin).unwrap();
        windows.insert(start_ms, (totals.orders, totals.amount.to_string()));
    });
    assert!(matches!(read, Ok(()) | Err(ResultError::Read(ReadError::NoTable(_)))));
    windows
}

/// Returns what a reader must know, by a plain fold of the orders.
fn wanted(store: &Store) -> Reader {
    let view = store.view().unwrap();
    let (mut reference, mut rejects) = (Reference::new(&Default::default()), 0);
    view.each_row(ORDER_SOURCE, None, &mut |key, cells| {
        match order_of(key, cells) {
            Ok(order) => reference.update(&order, 1),
            Err(_) => rejects += 1,
        }
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    let row = |(user, totals): (&dataflows::Id, &Totals)| {
        (user.to_string(), totals.orders, totals.amount.to_string(), totals.amount)
    };
    let mut by_amount: Vec<_> = reference.users.iter().map(row).collect();
    let mut by_count = by_amount.clone();
    by_amount.sort_by(|one, other| other.3.cmp(&one.3).then_with(|| one.0.cmp(&other.0)));
    by_count.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    let shown = |rows: Vec<(String, i64, String, _)>| -> Vec<_> {
        rows.into_iter().take(LEADERS_MAX).map(|(user, count, amount, _)| (user, count, amount)).collect()
    };
    let window = |(window, totals): (&dataflows::Window, &Totals)| {
        (window.start_ms, (totals.orders, totals.amount.to_string()))
    };
    Reader {
        epoch: 0,
        total: (reference.total.orders, reference.total.amount.to_string()),
        by_amount: shown(by_amount),
        by_count: shown(by_count),
        windows: reference.windows.iter().map(window).collect(),
        counts: (reference.users.len() as u64, reference.windows.len() as u64, rejects),
        events: Vec::new(),
    }
}

/// Returns the reader without the fields that depend on when events came.
fn results(reader: Reader) -> Reader {
    Reader { epoch: 0, events: Vec::new(), ..reader }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_add_up_to_a_fold_of_the_orders() {
    for seed in 0..6 {
        let shop = Shop::open(config(1 + seed as usize % 2, [1, 7, 10_000][seed as usize % 3]));
        let store = &shop.fixture.store;
        let (mut follower, mut reader) = (shop.feed.watch().follow(FollowFrom::Start), Reader::default());
        let mut random = Random(seed);
        for _ in 0..60 {
            shop.fixture.write(any_request(&mut random));
            if random.below(4) == 0 {
                let event = follower.next().await;
                reader.take(&event, store);
            }
        }
        let status = block_in_place(|| shop.fixture.settle());
        let wanted = wanted(store);
        let (total, rejects) = (wanted.total.clone(), status.rejects);
        // The last epoch may consist of rejects alone.
        reader
            .until(&mut follower, store, |reader| {
                reader.total == total
                    && reader.counts.2 == rejects
                    && reader.epoch + 1 >= shop.feed.watch().state().epoch
                    && reader.windows == wanted.windows
                    && reader.by_amount == wanted.by_amount
            })
            .await;
        assert_eq!(reader.events.first().map(String::as_str), Some("snapshot"));
        assert_eq!(results(reader), wanted, "seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_gets_what_was_missed_or_all() {
    let shop = Shop::open(config(1, 10_000));
    let (store, watch) = (&shop.fixture.store, shop.feed.watch());
    let (mut follower, mut reader) = (watch.follow(FollowFrom::Start), Reader::default());
    shop.fixture.write(vec![put("u", "1", 1.0, 0)]);
    reader.until(&mut follower, store, |reader| reader.total.0 == 1 && reader.events.len() > 1).await;
    let seen = reader.epoch;
    drop(follower);

    // The follower has missed nothing: its next event is the next frame.
    let mut follower = watch.follow(FollowFrom::After(seen));
    shop.fixture.write(vec![put("u", "2", 2.0, 0)]);
    reader.events.clear();
    reader.until(&mut follower, store, |reader| reader.total.0 == 2).await;
    assert!(reader.events.iter().all(|event| event == "frame"), "{:?}", reader.events);
    let second = reader.epoch;
    shop.fixture.write(vec![put("u", "3", 3.0, 0)]);
    reader.until(&mut follower, store, |reader| reader.total.0 == 3).await;

    // The follower has missed a frame, which is still kept.
    let (mut follower, mut late) = (watch.follow(FollowFrom::After(second)), Reader::default());
    let event = follower.next().await;
    let (name, id, data) = parsed(&event);
    assert_eq!((&*name, id, data["count"].as_i64()), ("frame", Some(reader.epoch), Some(3)));
    // No frame was of such an epoch.
    for unknown in [FollowFrom::After(seen + 1_000_000), FollowFrom::Frame(7), FollowFrom::Start] {
        let mut follower = watch.follow(unknown);
        late.events.clear();
        late.until(&mut follower, store, |reader| !reader.events.is_empty()).await;
        assert_eq!(late.events, ["snapshot"]);
        assert_eq!(late.total, (3, "6.00".to_owned()));
    }
    // The state is as of now, however long nothing has changed.
    shop.fixture.clock.advance_ms(3_600_000);
    let (_, _, data) = parsed(&watch.follow(FollowFrom::Start).next().await);
    assert_eq!(data["nowMs"], shop.fixture.clock.now_ms());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_go_and_come_are_followed() {
    let shop = Shop::open(config(1, 10_000));
    let store = &shop.fixture.store;
    let (mut follower, mut reader) = (shop.feed.watch().follow(FollowFrom::Start), Reader::default());
    shop.fixture.write(vec![put("u", "1", 1.0, 0), put("v", "1", 2.0, 60_000)]);
    reader.until(&mut follower, store, |reader| reader.total.0 == 2 && reader.windows.len() == 2).await;

    store.delete_table(ORDER_SOURCE).unwrap();
    reader.until(&mut follower, store, |reader| reader.total.0 == 0 && reader.windows.is_empty()).await;
    assert!(reader.by_amount.is_empty() && reader.by_count.is_empty());
    assert_eq!(shop.feed.watch().state().phase, "waiting");

    shop.fixture.create_orders();
    shop.fixture.write(vec![put("w", "1", 0.5, 30_000)]);
    reader.until(&mut follower, store, |reader| reader.total == (1, "0.50".to_owned())).await;
    reader.until(&mut follower, store, |reader| reader.windows.len() == 1).await;
    // The job makes the result table again.
    store.delete_table(USERS.table).unwrap();
    shop.fixture.write(vec![put("w", "2", 0.25, 30_000)]);
    reader
        .until(&mut follower, store, |reader| reader.by_amount == [("w".to_owned(), 2, "0.75".to_owned())])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_changes_and_recounts_are_told() {
    let shop = Shop::open(config(1, 10_000));
    let (store, watch) = (&shop.fixture.store, shop.feed.watch());
    let (mut follower, mut reader) = (watch.follow(FollowFrom::Start), Reader::default());
    let now_ms = shop.fixture.clock.now_ms();
    shop.fixture.write(vec![put("u", "now", 1.0, now_ms), put("u", "old", 2.0, now_ms - 60_000)]);
    reader.until(&mut follower, store, |reader| reader.total.0 == 2).await;
    shop.fixture.write(vec![put("u", "old", 2.5, now_ms - 60_000)]);
    reader.until(&mut follower, store, |reader| reader.total.1 == "3.50").await;
    shop.fixture.write(vec![delete("u", "old")]);
    reader.until(&mut follower, store, |reader| reader.total.0 == 1).await;

    let (_, late) = watch.late(10);
    let told: Vec<_> = late
        .iter()
        .map(|change| {
            let price = |placed: Option<crate::job::Placed>| placed.map(|(price, _)| price.to_string());
            (price(change.before), price(change.after))
        })
        .collect();
    let price = |text: &str| Some(text.to_owned());
    assert_eq!(told, [(price("2.50"), None), (price("2.00"), price("2.50")), (None, price("2.00"))]);
    let window = layout().windows.containing(now_ms - 60_000).start_ms;
    assert_eq!((watch.state().late, watch.late_in(window), watch.late_in(window + 30_000)), (3, 3, 0));

    assert_eq!(watch.state().verified_epoch, None);
    let verification = Verification {
        epoch: reader.epoch,
        is_equal: true,
        orders: 1,
        rows: [1; VIEWS.len()],
        differing: 0,
        first_difference: None,
        at_ms: now_ms,
        took: Duration::ZERO,
    };
    shop.verified.send_replace(Some(verification));
    let next = follower.next().await;
    let (_, _, data) = parsed(&next);
    assert_eq!(
        (&data["verifiedEpoch"], &data["verifiedEqual"]),
        (&Json::from(reader.epoch), &Json::from(true))
    );
    let (name, id, beat) = parsed(&follower.beat());
    assert_eq!((&*name, id, &beat["verifiedEpoch"]), ("beat", None, &Json::from(reader.epoch)));
    assert!(beat.get("byAmount").is_none() && beat.get("changed").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_leaders_than_are_kept_are_read_anew() {
    let shop = Shop::open(config(1, 100_000));
    let (store, watch) = (&shop.fixture.store, shop.feed.watch());
    let users = 3_000;
    let all = |price: &dyn Fn(usize) -> f64| -> Vec<_> {
        (0..users).map(|user| put(&format!("{user:04}"), "1", price(user), 0)).collect()
    };
    for part in all(&|user| user as f64).chunks(200) {
        shop.fixture.write(part.to_vec());
    }
    let (mut follower, mut reader) = (watch.follow(FollowFrom::Start), Reader::default());
    reader.until(&mut follower, store, |reader| reader.total.0 == users as i64).await;
    // The first users are last now, so most of the kept ones are gone.
    let all = all(&|user| if user >= 1_000 { 0.0 } else { user as f64 });
    for part in all.chunks(200) {
        shop.fixture.write(part.to_vec());
    }
    block_in_place(|| shop.fixture.settle());
    reader.until(&mut follower, store, |reader| reader.total.1 == "499500.00").await;
    let (_, top) = watch.top_users(Rank::Amount, SHOWN_MAX).await;
    let names: Vec<String> = top.into_iter().map(|(user, _)| user).collect();
    assert_eq!(names, (0..1_000).rev().map(|user| format!("{user:04}")).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_end_of_the_job_its_last_word_and_the_recounts_are_told() {
    let mut shop = Shop::open(config(1, 10_000));
    let mut follower = shop.feed.watch().follow(FollowFrom::Start);
    shop.fixture.write(vec![put("u", "1", 1.0, 0)]);
    block_in_place(|| {
        shop.fixture.settle();
        shop.fixture.stop();
    });
    async fn told(follower: &mut Follower, is: impl Fn(&Json) -> bool) {
        let telling = async { while !is(&parsed(&follower.next().await).2) {} };
        timeout(PATIENCE, telling).await.expect("a frame tells");
    }
    told(&mut follower, |state| state["phase"] == "stopped" && state["count"] == 1).await;
    let differs = Verification {
        epoch: 3,
        is_equal: false,
        orders: 1,
        rows: [1; VIEWS.len()],
        differing: 1,
        first_difference: None,
        at_ms: 0,
        took: Duration::ZERO,
    };
    shop.verified.send_replace(Some(differs));
    told(&mut follower, |state| state["verifiedEqual"] == false && state["phase"] == "stopped").await;
}

/// The test runs on one thread, so that the feed's task begins when it is first waited for.
#[tokio::test(flavor = "current_thread")]
async fn what_the_job_tells_before_the_feed_begins_is_not_missed() {
    let fixture = Fixture::with_orders(config(1, 10_000));
    beside(|| fixture.settle());
    let (store, job) = (fixture.store.clone(), fixture.job().watch());
    let feed = Feed::start(store.clone(), layout(), &job, watch::channel(None).1);
    assert_eq!(feed.watch().state().phase, "running");
    store.delete_table(ORDER_SOURCE).unwrap();
    beside(|| fixture.until("no table", |status| status.phase == Phase::Waiting));
    let (mut follower, mut reader) = (feed.watch().follow(FollowFrom::Start), Reader::default());
    reader.until(&mut follower, &store, |_| feed.watch().state().phase == "waiting").await;
}

/// Runs what must not run on a thread of the runtime.
fn beside<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(act).join().unwrap())
}
