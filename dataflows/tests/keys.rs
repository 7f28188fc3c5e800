//! Tests ids and windows, by which groups are named.

use dataflows::{Id, Window, Windows};
use proptest::prelude::*;

#[test]
fn windows_are_half_open_and_tumble_on_both_sides_of_1970() {
    let windows = Windows::default();
    for (name, at_ms, start_ms) in [
        ("boundary_below", 29_999, 0),
        ("boundary_lower", 30_000, 30_000),
        ("boundary_upper", 59_999, 30_000),
        ("boundary_above", 60_000, 60_000),
        ("zero", 0, 0),
        ("before_1970", -1, -30_000),
        ("before_1970_lower", -30_000, -30_000),
        ("before_1970_below", -30_001, -60_000),
        ("the_end_of_time", i64::MAX, i64::MAX - i64::MAX.rem_euclid(30_000)),
        ("the_start_of_time", i64::MIN, i64::MIN),
    ] {
        let window = windows.containing(at_ms);
        assert_eq!(window, Window { start_ms }, "{name}");
        for near in [
            at_ms,
            start_ms,
            start_ms.saturating_sub(1),
            start_ms.saturating_add(29_999),
            start_ms.saturating_add(30_000),
        ] {
            assert_eq!(windows.holds(window, near), windows.containing(near) == window, "{name}: {near}");
        }
    }
    assert_eq!(Windows::of_width(0), None);
}

/// Returns a strategy for texts around the lengths at which ids change their form, with bytes that
/// sort below and above others.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[\u{0}ab~é\u{10ffff}]{0,20}",
        "customer-0000000[0-9]{0,12}",
        prop::collection::vec(prop::sample::select(vec!["\0", "a", "b"]), 13..18)
            .prop_map(|parts| parts.concat()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn ids_are_their_texts(a in text(), b in text()) {
        let (x, y) = (Id::new(&a), Id::new(&b));
        prop_assert_eq!(x.to_string(), a.clone());
        prop_assert_eq!(x.len(), a.len());
        prop_assert_eq!(x.is_empty(), a.is_empty());
        prop_assert_eq!(x.cmp(&y), a.as_bytes().cmp(b.as_bytes()));
        prop_assert_eq!(x == y, a == b);
    }

    #[test]
    fn a_window_of_bytes_makes_the_same_id(text in "[ -~]{0,16}", behind in any::<[u8; 16]>()) {
        let mut bytes = behind;
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        let id = Id::from_ascii_window(&bytes, text.len());
        prop_assert_eq!(id, (text.len() <= 15).then(|| Id::new(&text)));
    }

    #[test]
    fn a_window_that_is_not_ascii_makes_no_id(bytes in any::<[u8; 16]>(), length in 0_usize..16) {
        let id = Id::from_ascii_window(&bytes, length);
        prop_assert_eq!(id.is_some(), bytes[..length].is_ascii());
    }
}
