use std::collections::HashMap;
use std::io::Write;

use dataflows::{Amount, Id, Order, OrderState};

use super::*;
use crate::format::Format;
use crate::ingest::parquet::row_groups;
use crate::ingest::{Block, Envelope, InputOptions, Plan, RowForm, ZSTD_WINDOW_BYTES_MAX};
use crate::parquet_write::GROUP_ROWS;

fn written(spec: &Spec, format: Format) -> Vec<u8> {
    let mut out = Vec::new();
    let mut last = 0;
    write(spec, format, &mut out, |lines| {
        assert!(lines > last);
        last = lines;
    })
    .unwrap();
    assert_eq!(last, spec.orders);
    out
}

fn upserts() -> Spec {
    Spec { orders: 20_000, users: 500, corrections_percent: 20, cancels_percent: 10, ..Spec::default() }
}

#[test]
fn the_same_spec_gives_the_same_orders_and_another_seed_others() {
    let spec = Spec { orders: 1_000, ..Spec::default() };
    let orders: Vec<_> = Orders::new(spec.clone()).collect();
    assert_eq!(orders, Orders::new(spec.clone()).collect::<Vec<_>>());
    let others: Vec<_> = Orders::new(Spec { seed: 43, ..spec.clone() }).collect();
    let same = orders.iter().zip(&others).filter(|(a, b)| (a.user, a.price_cents) == (b.user, b.price_cents));
    assert!(same.count() < 10);
    for format in [Format::Csv, Format::Jsonl, Format::Parquet] {
        assert_eq!(written(&spec, format), written(&spec, format), "{format:?}");
    }
}

#[test]
fn the_first_lines_are_these() {
    // These lines must never change: measurements and other tests refer to seeds.
    let spec = Spec { orders: 2, ..Spec::default() };
    let csv = String::from_utf8(written(&spec, Format::Csv)).unwrap();
    assert_eq!(csv, CSV_OF_TWO);
    let jsonl = String::from_utf8(written(&spec, Format::Jsonl)).unwrap();
    assert_eq!(jsonl, JSONL_OF_TWO);
}

const CSV_OF_TWO: &str = "\
user_id,order_id,price,timestamp
u0071276,o00000001,311.44,1767225599307
u0014613,o00000002,0.55,1767268799249
";

const JSONL_OF_TWO: &str = r#"{"user_id":"u0071276","order_id":"o00000001","price":311.44,"timestamp":1767225599307}
{"user_id":"u0014613","order_id":"o00000002","price":0.55,"timestamp":1767268799249}
"#;

#[test]
fn a_few_users_order_most_and_all_users_order() {
    let spec = Spec { orders: 200_000, users: 1_000, ..Spec::default() };
    let mut by_user = HashMap::new();
    for order in Orders::new(spec) {
        *by_user.entry(order.user).or_insert(0_u32) += 1;
    }
    assert_eq!(by_user.len(), 1_000);
    let mut counts: Vec<_> = by_user.into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let top: u32 = counts[..100].iter().sum();
    // A tenth of the users has √0.1 of the orders.
    assert!((60_000..66_000).contains(&top), "{top}");
    assert!(counts[0] > 5_000 && counts[999] < 200, "{} and {}", counts[0], counts[999]);
}

#[test]
fn prices_and_times_are_in_range_and_some_orders_are_late() {
    let spec = Spec { orders: 100_000, ..Spec::default() };
    let mut late = 0;
    for (line, order) in Orders::new(spec.clone()).enumerate() {
        assert_eq!(order.order, line as u64);
        assert!(PRICE_CENTS.contains(&order.price_cents));
        let on_time_ms = spec.start_ms + (line as u64 * spec.span_ms / spec.orders) as i64;
        let delay_ms = on_time_ms - order.at_ms;
        assert!((0..=spec.late_max_ms as i64).contains(&delay_ms), "{delay_ms}");
        late += u32::from(delay_ms > JITTER_MS.into());
    }
    assert!((4_500..5_500).contains(&late), "{late}");
    let monthly = Spec { late_percent: 100, late_max_ms: 30 * 86_400_000, orders: 1_000, ..Spec::default() };
    assert!(Orders::new(monthly).any(|order| order.at_ms < spec.start_ms - 25 * 86_400_000));
}

#[test]
fn upserts_change_orders_that_were_placed_before() {
    let spec = upserts();
    let mut placed: HashMap<u64, u32> = HashMap::new();
    let (mut corrections, mut cancels) = (0, 0);
    for order in Orders::new(spec.clone()) {
        match (placed.get(&order.order), order.op) {
            (None, Op::Put) => {
                assert_eq!(order.order, placed.len() as u64);
                placed.insert(order.order, order.user);
            }
            (Some(user), op) => {
                assert_eq!(*user, order.user, "an order stays with its user");
                if op == Op::Put { corrections += 1 } else { cancels += 1 }
            }
            (None, Op::Delete) => panic!("{order:?} was not placed"),
        }
    }
    assert!((3_700..4_300).contains(&corrections), "{corrections}");
    assert!((1_800..2_200).contains(&cancels), "{cancels}");
    assert_eq!(placed.len() + corrections + cancels, spec.orders as usize);
}

#[test]
fn orders_that_keep_to_the_past_lie_no_later_than_their_line() {
    let spec = Spec { orders: 20_000, span_ms: 7_200_000, ..upserts() };
    let kept = Orders::new(Spec { keeps_to_past: true, ..spec.clone() });
    let (mut moved, mut ahead) = (0, 0);
    for ((line, kept), free) in kept.enumerate().zip(Orders::new(spec.clone())) {
        let due_ms = spec.start_ms + (line as u64 * spec.span_ms / spec.orders) as i64;
        assert!(kept.at_ms <= due_ms, "line {line}: {kept:?}");
        if free.at_ms <= due_ms {
            assert_eq!(kept, free);
            continue;
        }
        // As far back as it would have been ahead, and in all else the same.
        assert_eq!(kept, GeneratedOrder { at_ms: 2 * due_ms - free.at_ms, ..free });
        ahead += 1;
        moved += u32::from(free.at_ms > due_ms + JITTER_MS as i64);
    }
    assert!(moved > 500 && ahead >= moved, "{moved} of {ahead}");
}

#[test]
fn text_has_a_line_for_each_order_and_its_values() {
    for spec in [Spec { orders: 70_000, ..Spec::default() }, upserts()] {
        let csv = String::from_utf8(written(&spec, Format::Csv)).unwrap();
        let jsonl = String::from_utf8(written(&spec, Format::Jsonl)).unwrap();
        let mut lines = csv.lines().skip(1).zip(jsonl.lines());
        for order in Orders::new(spec.clone()) {
            let (csv, jsonl) = lines.next().unwrap();
            let json: HashMap<String, serde_json::Value> = serde_json::from_str(jsonl).unwrap();
            let text = |name: &str| json.get(name).map(ToString::to_string).unwrap_or_default();
            let expected = [format!("u{:07}", order.user), format!("o{:08}", order.order + 1)];
            let fields: Vec<&str> = csv.split(',').collect();
            assert_eq!(fields[..2], expected);
            assert_eq!(
                [json["user_id"].as_str(), json["order_id"].as_str()],
                [Some(fields[0]), Some(fields[1])]
            );
            assert_eq!(fields.len(), if spec.is_upserts() { 5 } else { 4 });
            if order.op == Op::Put {
                let price = Amount::from_decimal(order.price_cents, 2).unwrap();
                assert_eq!(fields[2..4], [price.to_string(), order.at_ms.to_string()]);
                assert_eq!(text("price").parse(), Ok(price));
                assert_eq!(text("timestamp"), fields[3]);
                assert_eq!(*fields.last().unwrap(), if spec.is_upserts() { "put" } else { fields[3] });
            } else {
                assert_eq!(fields[2..], ["", "", "delete"]);
                assert_eq!((text("op"), text("price")), ("\"delete\"".into(), String::new()));
            }
        }
        assert_eq!(lines.next(), None);
    }
}

/// Returns all that the readers find in a file of this name.
fn read_back(bytes: &[u8], name: &str, envelope: Envelope) -> Block {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let options = InputOptions {
        inputs: vec![path.display().to_string()],
        format: None,
        rows: RowForm { envelope, ..RowForm::default() },
        zstd_window_bytes_max: ZSTD_WINDOW_BYTES_MAX,
        first_input: 0,
        follow: false,
    };
    let plan = Plan::new(&options).unwrap();
    let mut block = Block::default();
    for part in plan.parts(0, 1) {
        let mut reader = plan.open(&part).unwrap();
        while reader.read_block(0, &mut block).unwrap() {}
    }
    block
}

/// A line as the readers see it. In a file of appended orders the order's own id is not kept.
type Line = (Id, Option<Id>, Option<OrderState>);

#[test]
fn every_format_reads_back_as_the_orders() {
    let appends = Spec { orders: GROUP_ROWS as u64 + 1_000, ..Spec::default() };
    for (spec, format) in
        [appends, upserts()].iter().flat_map(|spec| Format::ALL.map(|format| (spec, format)))
    {
        let envelope = if spec.is_upserts() { Envelope::Upsert } else { Envelope::Append };
        let block = read_back(&written(spec, format), &format!("orders.{}", format.name()), envelope);
        assert_eq!(block.rejects, []);
        let state = |order: &Order| OrderState { at_ms: order.at_ms, price: order.price };
        let orders = block.orders.iter().map(|(order, ..)| (order.user_id.clone(), None, Some(state(order))));
        let changes = block.upserts.into_iter();
        let changes = changes.map(|upsert| (upsert.key.user_id, Some(upsert.key.order_id), upsert.after));
        let lines: Vec<Line> = orders.chain(changes).collect();
        let expected = Orders::new(spec.clone()).map(|order| {
            let order_id = spec.is_upserts().then(|| Id::new(&format!("o{:08}", order.order + 1)));
            let price = Amount::from_decimal(order.price_cents, 2).unwrap();
            let after = (order.op == Op::Put).then_some(OrderState { at_ms: order.at_ms, price });
            (Id::new(&format!("u{:07}", order.user)), order_id, after)
        });
        assert!(lines == expected.collect::<Vec<Line>>(), "{format:?}");
    }
}

#[test]
fn parquet_files_have_row_groups_to_share() {
    let spec = Spec { orders: GROUP_ROWS as u64 + 1_000, ..Spec::default() };
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&written(&spec, Format::Parquet)).unwrap();
    assert_eq!(row_groups(file.path()).unwrap(), [GROUP_ROWS as u64, 1_000]);
}

#[test]
fn impossible_orders_are_refused() {
    let reason = |spec: Spec| spec.check().unwrap_err();
    assert_eq!(reason(Spec { users: 0, ..Spec::default() }), "need at least one user");
    assert_eq!(
        reason(Spec { corrections_percent: 60, cancels_percent: 40, ..Spec::default() }),
        "cannot be corrected or cancelled in 100 of 100 lines: some must be placed"
    );
    assert_eq!(reason(Spec { late_percent: 101, ..Spec::default() }), "cannot be late in 101 of 100 lines");
    assert!(reason(Spec { start_ms: i64::MAX, ..Spec::default() }).starts_with("must be placed between"));
    assert_eq!(Orders::new(Spec { orders: 0, ..Spec::default() }).count(), 0);
}
