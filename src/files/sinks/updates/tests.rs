use dataflows::{Id, RowKey};

use super::*;
use crate::format::Format;
use crate::sinks::test_results::{layout, total_key, totals, user_key, window_key};

fn change(key: RowKey, before: Option<Totals>, after: Option<Totals>) -> Change {
    Change { key, before, after }
}

#[test]
fn an_epoch_is_sorted_and_exact() {
    let mut writer = UpdateWriter::new(Vec::new(), layout(Format::Csv, "UTC", 30_000).keys);
    let one = Some(totals(1, "5"));
    let mut changes = [
        change(window_key(30_000), None, one),
        change(window_key(-30_000), one, None),
        change(user_key(&Id::new("u\"2")), None, one),
        change(user_key(&Id::new("u1")), one, Some(totals(2, "0.000000000000000001"))),
        change(user_key(&Id::new("u3")), one, one),
        change(total_key(), one, Some(totals(2, "10.5"))),
    ];
    assert_eq!(writer.write_epoch(7, &mut changes).unwrap(), Readers::Reading);
    let first = String::from_utf8(writer.out.clone()).unwrap();
    assert_eq!(
        first,
        r#"{"result":"users","epoch":7,"key":{"UserId":"u\"2"},"before":null,"after":{"count":1,"totalPrice":"5.00"}}
{"result":"users","epoch":7,"key":{"UserId":"u1"},"before":{"count":1,"totalPrice":"5.00"},"after":{"count":2,"totalPrice":"0.000000000000000001"}}
{"result":"total","epoch":7,"key":{},"before":{"count":1,"totalPrice":"5.00"},"after":{"count":2,"totalPrice":"10.50"}}
{"result":"windows","epoch":7,"key":{"begin":"1969-12-31 23:59:30","end":"1970-01-01 00:00:00"},"before":{"count":1,"totalPrice":"5.00"},"after":null}
{"result":"windows","epoch":7,"key":{"begin":"1970-01-01 00:00:30","end":"1970-01-01 00:01:00"},"before":null,"after":{"count":1,"totalPrice":"5.00"}}
"#
    );
    // Each epoch is written once.
    assert_eq!(writer.write_epoch(8, &mut []).unwrap(), Readers::Reading);
    assert_eq!(writer.out, first.as_bytes());
}

/// A writer whose reader goes, or fails, after so many bytes.
struct Limited(usize, io::ErrorKind);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(self.1.into());
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_has_gone_is_an_end_not_an_error() {
    for bytes in [0, 10, 100_000] {
        let users = (0..2_000).map(|user| user_key(&Id::new(&format!("u{user}"))));
        let mut changes: Vec<Change> = users.map(|key| change(key, None, Some(totals(1, "1")))).collect();
        let layout = layout(Format::Csv, "UTC", 30_000).keys;
        let mut gone = UpdateWriter::new(Limited(bytes, io::ErrorKind::BrokenPipe), layout.clone());
        assert_eq!(gone.write_epoch(1, &mut changes).unwrap(), Readers::Gone);
        let mut broken = UpdateWriter::new(Limited(bytes, io::ErrorKind::StorageFull), layout);
        let error = broken.write_epoch(1, &mut changes).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
