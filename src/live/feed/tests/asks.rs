//! Checks what is told to those who ask, and what is told of windows ahead.

use super::*;

/// Returns the events that are there for a follower from here on, each with its data.
fn asked(watch: &FeedWatch, from: FollowFrom) -> Vec<(String, Json)> {
    let events = String::from_utf8(watch.follow(from).now().to_vec()).unwrap();
    let event = |text: &str| {
        let (name, _, data) = parsed(&Bytes::from(format!("{text}\n\n")));
        (name, data)
    };
    events.split_terminator("\n\n").map(event).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_gets_what_has_come_since_the_last_event_and_waits_for_nothing() {
    let shop = Shop::open(config(1, 10_000));
    let (store, watch) = (&shop.fixture.store, shop.feed.watch());
    let (mut follower, mut reader) = (watch.follow(FollowFrom::Start), Reader::default());
    shop.fixture.write(vec![put("u", "1", 1.0, 0)]);
    reader.until(&mut follower, store, |reader| reader.total.0 == 1).await;
    let all = asked(&watch, FollowFrom::Start);
    let names = |events: &[(String, Json)]| events.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&all), ["snapshot", "beat"]);
    assert_eq!((&all[0].1["count"], &all[1].1["count"]), (&Json::from(1), &Json::from(1)));
    let next = FollowFrom::Frame(all[0].1["next"].as_u64().unwrap());
    assert_eq!(names(&asked(&watch, next)), ["beat"]);
    for order in ["2", "3"] {
        shop.fixture.write(vec![put("u", order, 1.0, 0)]);
        let count: i64 = order.parse().unwrap();
        reader.until(&mut follower, store, |reader| reader.total.0 == count).await;
    }
    let since = asked(&watch, next);
    let (beat, frames) = since.split_last().unwrap();
    assert!(beat.0 == "beat" && frames.len() >= 2 && frames.iter().all(|(name, _)| name == "frame"));
    let numbers: Vec<u64> = frames.iter().map(|(_, data)| data["next"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted() && numbers[0] == all[0].1["next"].as_u64().unwrap() + 1, "{numbers:?}");
    assert_eq!(frames[frames.len() - 1].1["count"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_ahead_are_counted_whatever_their_distance() {
    let shop = Shop::open(config(1, 10_000));
    let (store, watch) = (&shop.fixture.store, shop.feed.watch());
    let (mut follower, mut reader) = (watch.follow(FollowFrom::Start), Reader::default());
    let now_ms = shop.fixture.clock.now_ms();
    let in_days = |days: i64| now_ms + days * 86_400_000;
    shop.fixture.write(vec![
        put("u", "now", 1.0, now_ms),
        put("u", "soon", 1.0, in_days(1)),
        put("u", "later", 1.0, in_days(2_000)),
    ]);
    reader.until(&mut follower, store, |reader| reader.total.0 == 3).await;
    let farthest_ms = layout().windows.containing(in_days(2_000)).start_ms;
    let ahead = |state: State| (state.ahead, state.ahead_ms, state.ahead_is_more);
    assert_eq!(ahead(watch.state()), (2, Some(farthest_ms), false));
    assert_eq!(watch.state().late_since_ms, now_ms);
    shop.fixture.write(vec![delete("u", "later")]);
    reader.until(&mut follower, store, |reader| reader.total.0 == 2).await;
    let soon_ms = layout().windows.containing(in_days(1)).start_ms;
    assert_eq!(ahead(watch.state()), (1, Some(soon_ms), false));
    // A window that has begun lies ahead no more.
    shop.fixture.clock.advance_ms(86_400_000);
    assert_eq!(ahead(watch.state()), (0, None, false));
}
