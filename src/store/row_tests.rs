use proptest::prelude::*;

use super::*;
use crate::value::{Cell, Value};

pub(crate) fn cell() -> impl Strategy<Value = Cell> {
    let value = prop_oneof![
        any::<i64>().prop_map(Value::Integer),
        any::<u64>().prop_map(|bits| Value::Double(f64::from_bits(bits))),
        any::<bool>().prop_map(Value::Boolean),
        ".{0,8}".prop_map(Value::String),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(Value::Binary),
    ];
    (".{1,8}", value, any::<i64>()).prop_map(|(name, value, version)| Cell { name, value, version })
}

fn borrow(cell: &Cell) -> CellRef<'_> {
    CellRef { name: &cell.name, value: cell.value.borrow(), version: cell.version }
}

proptest! {
    #[test]
    fn rows_are_read_back(commit: u64, cells in prop::collection::vec(cell(), 0..6)) {
        let bytes = encode_row(commit, cells.iter().map(borrow));
        let row = RowView::new(&bytes).unwrap();
        prop_assert_eq!(row.commit, commit);
        let read: Vec<Cell> = row.cells().map(|cell| cell.unwrap().to_cell()).collect();
        // The bytes are compared, since some doubles are not equal to themselves.
        prop_assert_eq!(encode_row(commit, read.iter().map(borrow)), bytes);
    }

    #[test]
    fn a_row_cut_short_is_malformed_or_shorter(cells in prop::collection::vec(cell(), 1..4), cut: usize) {
        let bytes = encode_row(1, cells.iter().map(borrow));
        let cut = ROW_HEAD_BYTES + cut % (bytes.len() - ROW_HEAD_BYTES);
        let row = RowView::new(&bytes[..cut]).unwrap();
        let read: Result<Vec<_>, _> = row.cells().collect();
        prop_assert!(read.is_err() || read.unwrap().len() < cells.len());
    }

    #[test]
    fn other_bytes_are_refused_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        prop_assert!(Cells::new(&bytes).count() <= bytes.len());
    }

    #[test]
    fn versions_are_set_in_place(cells in prop::collection::vec(cell(), 0..6), version: i64) {
        let mut bytes = Vec::new();
        let places: Vec<u32> = cells.iter().map(|cell| put_cell(borrow(cell), &mut bytes) as u32).collect();
        set_versions(&mut bytes, &places, version);
        for cell in Cells::new(&bytes) {
            prop_assert_eq!(cell.unwrap().version, version);
        }
    }
}
