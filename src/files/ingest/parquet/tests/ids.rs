//! Tests ids that are not what they should be, and when their column is read.

use super::*;
use crate::ingest::testing::parse_whole;
use crate::ingest::{Reject, csv};

#[test]
fn order_ids_that_may_be_no_text_are_checked_and_others_not_even_read() {
    let read = |order_id, statistics, order_ids: Values| {
        let mut group = plain_group([1.0, 2.0, 3.0]);
        group[1] = order_ids;
        let schema = PLAIN_SCHEMA.replace("required binary order_id (UTF8)", order_id);
        let bytes = file(&schema, default_properties().set_statistics_enabled(statistics), &[group]);
        let (_directory, path) = on_disk(&bytes);
        let mut reader = ParquetReader::open(&path, context(Envelope::Append), 0..1).unwrap();
        let mut block = Block::default();
        assert!(reader.read_block(0, &mut block).unwrap());
        (reader.group.unwrap().columns.order_ids.is_some(), block.rejects.len())
    };
    let (with, without) = (EnabledStatistics::Chunk, EnabledStatistics::None);
    let text = "required binary order_id (UTF8)";
    assert_eq!(read(text, with, Values::Text(vec!["a", "b", "c"])), (false, 0));
    assert_eq!(read(text, without, Values::Text(vec!["a", "", "c"])), (false, 0));
    let bytes = "required binary order_id";
    assert_eq!(read(bytes, with, Values::Bytes(vec![b"a", b"", &[b'x'; 1025]])), (true, 0));
    assert_eq!(read(bytes, with, Values::Bytes(vec![b"a", b"\xff", b"c"])), (true, 1));
    assert_eq!(read("required int64 order_id", without, Values::Int64(vec![1, 2, 3])), (false, 0));
    let some = Values::Nulls(vec![1, 0, 1], Box::new(Values::Int64(vec![1, 2])));
    assert_eq!(read("optional int64 order_id", without, some), (false, 0));
}

/// Ids that are not what they should be are set aside as from CSV, wherever their column is read.
#[test]
fn ids_that_are_not_utf8_are_set_aside_as_from_csv() {
    let ids: [&[u8]; 4] = [b"1", b"caf\xe9", b"gr\xc3\xb6\xc3\x9fe", &[b'x'; 1025]];
    let header = csv::Header::parse(b"user_id,order_id,price,timestamp", &RowForm::default(), b',').unwrap();
    let mut rows = Vec::new();
    for id in ids {
        rows.extend([b"u,", id, b",1,7\n"].concat());
        rows.extend([id, b",o,1,7\n"].concat());
    }
    let text = |odd: &'static [u8]| Values::Bytes(ids.into_iter().flat_map(|id| [odd, id]).collect());
    let order_ids = Values::Bytes(ids.into_iter().flat_map(|id| [id, b"o"]).collect());
    let values = vec![text(b"u"), order_ids, Values::Double(vec![1.0; 8]), Values::Int64(vec![7; 8])];
    let unsaid = PLAIN_SCHEMA.replace("order_id (UTF8)", "order_id");
    for (schema, envelope, bad) in [
        (unsaid.as_str(), Envelope::Append, 3),
        (&unsaid, Envelope::Upsert, 4),
        (PLAIN_SCHEMA, Envelope::Upsert, 4),
    ] {
        let bytes = file(schema, default_properties(), std::slice::from_ref(&values));
        let parquet = read_bytes(&bytes, envelope).unwrap();
        let csv = parse_whole(&mut csv::CsvParser::new(&header, context(envelope)), &rows);
        assert_eq!((parquet.orders.len() + parquet.upserts.len(), parquet.rejects.len()), (8 - bad, bad));
        assert_eq!(parquet.orders, csv.orders);
        let keys = |upserts: &[Upsert]| -> Vec<_> {
            upserts.iter().map(|upsert| (upsert.key.clone(), upsert.after)).collect()
        };
        assert_eq!(keys(&parquet.upserts), keys(&csv.upserts));
        let reasons = |rejects: &[Reject]| -> Vec<_> {
            rejects.iter().map(|reject| (reject.line, reject.reason.clone())).collect()
        };
        assert_eq!(reasons(&parquet.rejects), reasons(&csv.rejects));
    }
}
