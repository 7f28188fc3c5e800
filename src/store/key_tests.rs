use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;
use crate::value::KeyValue;

const TABLE: TableId = TableId(7);

fn column(kind: KeyType) -> KeyColumn {
    KeyColumn { name: "k".to_owned(), kind, auto_increment: false }
}

/// Generates values that are hard to sort: zero bytes, prefixes of each other, extremes.
fn value(kind: KeyType) -> BoxedStrategy<KeyValue> {
    let bytes = prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0xff), any::<u8>()], 0..6);
    match kind {
        KeyType::Integer => prop_oneof![any::<i64>(), -2..3i64, Just(i64::MIN), Just(i64::MAX)]
            .prop_map(KeyValue::Integer)
            .boxed(),
        KeyType::String => "[\0\u{1}ab\u{7f}é]{0,5}".prop_map(KeyValue::String).boxed(),
        KeyType::Binary => bytes.prop_map(KeyValue::Binary).boxed(),
    }
}

fn kinds() -> impl Strategy<Value = Vec<KeyType>> {
    let kind = prop_oneof![Just(KeyType::Integer), Just(KeyType::String), Just(KeyType::Binary)];
    prop::collection::vec(kind, 1..=KEY_COLUMNS_MAX)
}

fn key(kinds: &[KeyType]) -> impl Strategy<Value = PrimaryKey> + use<> {
    kinds.iter().map(|kind| value(*kind)).collect::<Vec<_>>()
}

/// Generates a key of which some columns may be bounds.
fn key_parts(kinds: &[KeyType]) -> impl Strategy<Value = Vec<KeyPart>> + use<> {
    let part = |kind: &KeyType| {
        let value = value(*kind).prop_map(KeyPart::Value);
        prop_oneof![4 => value, 1 => Just(KeyPart::Min), 1 => Just(KeyPart::Max)]
    };
    kinds.iter().map(part).collect::<Vec<_>>()
}

fn bytes(key: &PrimaryKey) -> Vec<u8> {
    row_key(TABLE, key.iter().map(KeyValue::borrow))
}

/// Compares a key with a bound column by column.
fn compare(key: &PrimaryKey, parts: &[KeyPart]) -> Ordering {
    for (value, part) in key.iter().zip(parts) {
        let order = match part {
            KeyPart::Value(bound) => value.cmp(bound),
            KeyPart::Min => Ordering::Greater,
            _ => Ordering::Less,
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

proptest! {
    #[test]
    fn bytes_sort_as_keys_do((one, other) in kinds().prop_flat_map(|kinds| (key(&kinds), key(&kinds)))) {
        prop_assert_eq!(bytes(&one).cmp(&bytes(&other)), one.cmp(&other));
        prop_assert!(one == other || !bytes(&one).starts_with(&bytes(&other)));
    }

    #[test]
    fn keys_are_read_back((kinds, key) in kinds().prop_flat_map(|kinds| (Just(kinds.clone()), key(&kinds)))) {
        let columns: Vec<KeyColumn> = kinds.into_iter().map(column).collect();
        let bytes = bytes(&key);
        let mut reader = KeyReader::default();
        prop_assert_eq!(reader.read(&columns, &bytes[4..]).map(KeyRefs::to_key), Some(key));
        for cut in 4..bytes.len() {
            prop_assert!(reader.read(&columns, &bytes[4..cut]).is_none());
        }
    }

    #[test]
    fn anything_else_is_no_key(kinds in kinds(), bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let columns: Vec<KeyColumn> = kinds.into_iter().map(column).collect();
        if let Some(key) = KeyReader::default().read(&columns, &bytes).map(KeyRefs::to_key) {
            prop_assert_eq!(&self::bytes(&key)[4..], &bytes[..]);
        }
    }

    #[test]
    fn bounds_part_keys(
        (key, parts) in kinds().prop_flat_map(|kinds| (key(&kinds), key_parts(&kinds)))
    ) {
        let order = compare(&key, &parts);
        let key = bytes(&key);
        prop_assert_eq!(key < bound(TABLE, &parts, Side::Below), order.is_lt());
        prop_assert_eq!(key < bound(TABLE, &parts, Side::Above), order.is_le());
    }
}

#[test]
fn bounds_stay_within_their_table() {
    let rows = bytes(&vec![KeyValue::Binary(vec![0xff; 8])]);
    let (first, last) = ([KeyPart::Min], [KeyPart::Max]);
    assert!(bound(TABLE, &first, Side::Below) <= rows && rows < bound(TABLE, &last, Side::Below));
    assert!(bound(TABLE, &last, Side::Above) <= bound(TableId(8), &first, Side::Below));
}
