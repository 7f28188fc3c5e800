use proptest::prelude::*;
use timely::bytes::arc::BytesMut;

use super::*;
use crate::key::{PARTIAL_WORDS, Partial, ROW_UPDATE_WORDS, RowUpdate};
use crate::{Amount, Id, OrderKey, OrderState, Position, Totals, UPSERT_WORDS, Upsert, Window};

fn bytes_of<R: Packed<W>, const W: usize>(parcel: &Parcel<R, W>) -> Vec<u8> {
    let mut bytes = Vec::new();
    parcel.into_bytes(&mut bytes);
    assert_eq!(bytes.len(), parcel.length_in_bytes(), "timely sizes its buffer by this");
    assert_eq!(bytes.len() % 8, 0, "what follows must stay aligned");
    bytes
}

fn crosses<R: Packed<W> + PartialEq + std::fmt::Debug, const W: usize>(records: Vec<R>) {
    let parcel = Parcel { records };
    let bytes = bytes_of(&parcel);
    let arrived = Parcel::<R, W>::from_bytes(BytesMut::from(bytes).freeze());
    assert_eq!(arrived.records, parcel.records);
}

fn id() -> impl Strategy<Value = Id> {
    prop_oneof!["[a-z]{0,15}", "[a-zé]{16,40}"].prop_map(|text| Id::new(&text))
}

fn totals() -> impl Strategy<Value = Totals> {
    (any::<i64>(), any::<i128>())
        .prop_map(|(orders, units)| Totals { orders, amount: Amount::from_units(units) })
}

fn upsert() -> impl Strategy<Value = Upsert> {
    let position = (any::<u32>(), any::<u32>(), any::<u64>()).prop_map(|(round, input, offset)| Position {
        round,
        input,
        offset,
    });
    let state = (any::<i64>(), any::<i128>())
        .prop_map(|(at_ms, units)| OrderState { at_ms, price: Amount::from_units(units) });
    (id(), id(), position, prop::option::of(state), any::<u64>()).prop_map(
        |(user_id, order_id, position, after, epoch)| Upsert {
            key: OrderKey { user_id, order_id },
            position,
            after,
            epoch,
        },
    )
}

proptest! {
    #[test]
    fn partial_sums_cross(records in prop::collection::vec((id(), any::<u64>(), totals()), 0..40)) {
        let records = records.into_iter().map(|(key, epoch, totals)| Partial { key, epoch, totals });
        crosses(records.collect());
    }

    #[test]
    fn rows_cross(records in prop::collection::vec((any::<i64>(), totals(), any::<u64>(), any::<i64>()), 0..40)) {
        let records = records.into_iter().map(|(start_ms, totals, epoch, diff)| RowUpdate {
            key: Window { start_ms }, totals, epoch, diff,
        });
        crosses(records.collect());
    }

    #[test]
    fn upserts_cross(records in prop::collection::vec(upsert(), 0..40)) {
        crosses(records);
    }

    #[test]
    fn what_was_cut_short_is_refused(records in prop::collection::vec(upsert(), 1..4), cut in 1_usize..200) {
        let bytes = bytes_of(&Parcel { records });
        let length = bytes.len().saturating_sub(cut);
        prop_assert!(Parcel::<Upsert, UPSERT_WORDS>::decode(&bytes[..length]).is_err());
    }
}

/// Fuzzes the reader with parcels that were changed in a few places. It never reads past its bytes,
/// never asks for much more memory than there are bytes, and never takes text that is not UTF-8.
#[test]
fn fuzz_parcels_200_000_inputs() {
    let seed = 42_u64;
    let mut word = seed;
    let mut random = move |below: usize| {
        word = word.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (word >> 33) as usize % below.max(1)
    };
    let key = OrderKey { user_id: Id::new("a user with a long name"), order_id: Id::new("o1") };
    let state = OrderState { at_ms: 7, price: Amount::from_units(5) };
    let one = Upsert { key, position: Position::default(), after: Some(state), epoch: 3 };
    let seed_bytes = bytes_of(&Parcel { records: vec![one.clone(), Upsert { after: None, ..one }] });
    let mut accepted = 0;
    for _ in 0..200_000 {
        let mut bytes = seed_bytes.clone();
        for _ in 0..1 + random(3) {
            let at = random(bytes.len());
            bytes[at] = match random(3) {
                0 => random(256) as u8,
                1 => bytes[at] ^ (1 << random(8)),
                _ => [0, 1, 0x7f, 0xff][random(4)],
            };
        }
        bytes.truncate(bytes.len() - if random(4) == 0 { random(bytes.len()) } else { 0 });
        if let Ok(parcel) = Parcel::<Upsert, UPSERT_WORDS>::decode(&bytes) {
            accepted += 1;
            assert_eq!(bytes_of(&parcel), bytes, "seed {seed}: what is accepted is what would be sent");
        }
    }
    assert!(
        accepted > 1_000,
        "only {accepted} inputs were accepted: the fuzzer reaches nothing behind the checks"
    );
}

#[test]
fn a_parcel_of_another_kind_is_refused() {
    let partial = Partial { key: (), epoch: 1, totals: Totals::ZERO };
    let bytes = bytes_of(&Parcel::<_, PARTIAL_WORDS> { records: vec![partial] });
    let refused = Parcel::<RowUpdate<()>, ROW_UPDATE_WORDS>::decode(&bytes).map(|_| ());
    assert_eq!(refused, Err("it is of another version, machine or channel"));
}
