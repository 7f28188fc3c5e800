use super::*;
use crate::parquet_write::GROUP_ROWS;
use crate::sinks::test_results::{self, layout, small, totals};
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use dataflows::views::{TOTAL, USERS, WINDOWS};
use dataflows::{Id, Window};

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn csv_is_sorted_quoted_and_exact() {
    let (results, layout) = (small(), layout(Format::Csv, "UTC", 30_000));
    let csv = |view| text(csv_bytes(view, &results, &layout.keys));
    assert_eq!(
        csv(USERS),
        "UserId,count,totalPrice\n\
         A user whose name is not short,1,0.00\n\
         \"größe, \"\"XL\"\"\",1,-0.000000000000000001\n\
         u1,2,12.34\n"
    );
    assert_eq!(csv(TOTAL), "count,totalPrice\n4,12.339999999999999999\n");
    assert_eq!(
        csv(WINDOWS),
        "begin,end,count,totalPrice\n\
         1969-12-31 23:59:30,1970-01-01 00:00:00,1,-0.000000000000000001\n\
         1970-01-01 00:00:00,1970-01-01 00:00:30,2,0.00\n\
         2023-11-14 22:13:30,2023-11-14 22:14:00,1,12.34\n"
    );
}

#[test]
fn json_lines_hold_the_exact_decimal_as_number_and_as_text() {
    let (results, layout) = (small(), layout(Format::Jsonl, "Asia/Shanghai", 30_000));
    let jsonl = |view| text(jsonl_bytes(view, &results, &layout.keys));
    assert_eq!(
        jsonl(USERS),
        r#"{"UserId":"A user whose name is not short","count":1,"totalPrice":0.00,"totalPriceExact":"0.00"}
{"UserId":"größe, \"XL\"","count":1,"totalPrice":-0.000000000000000001,"totalPriceExact":"-0.000000000000000001"}
{"UserId":"u1","count":2,"totalPrice":12.34,"totalPriceExact":"12.34"}
"#
    );
    assert_eq!(
        jsonl(TOTAL),
        "{\"count\":4,\"totalPrice\":12.339999999999999999,\"totalPriceExact\":\"12.339999999999999999\"}\n"
    );
    let windows = jsonl(WINDOWS);
    assert_eq!(
        windows.lines().next().unwrap(),
        "{\"begin\":\"1970-01-01 07:59:30\",\"end\":\"1970-01-01 08:00:00\",\"count\":1,\
         \"totalPrice\":-0.000000000000000001,\"totalPriceExact\":\"-0.000000000000000001\"}"
    );
    assert_eq!(windows.lines().count(), 3);
    // A reader of doubles gets the nearest double.
    let total: serde_json::Value = serde_json::from_str(&jsonl(TOTAL)).unwrap();
    assert_eq!(total["totalPrice"].as_f64(), Some(results.total().amount.to_f64()));
}

#[test]
fn no_orders_are_no_rows() {
    let (results, layout) = (Results::default(), layout(Format::Csv, "UTC", 30_000));
    let headers = ["UserId,count,totalPrice\n", "count,totalPrice\n", "begin,end,count,totalPrice\n"];
    for (view, header) in ViewId::all().zip(headers) {
        assert_eq!(text(csv_bytes(view, &results, &layout.keys)), header);
        assert_eq!(jsonl_bytes(view, &results, &layout.keys), b"");
    }
}

#[test]
fn orders_that_cancel_to_nothing_are_still_a_row() {
    let users = vec![(Id::new("u"), totals(2, "0"))];
    let windows = vec![(Window { start_ms: 0 }, totals(2, "0"))];
    let results = test_results::results(0, users, totals(2, "0"), windows).unwrap();
    let layout = layout(Format::Csv, "UTC", 30_000);
    assert_eq!(text(csv_bytes(TOTAL, &results, &layout.keys)), "count,totalPrice\n2,0.00\n");
}

#[test]
fn windows_of_broken_seconds_print_milliseconds() {
    let users = vec![(Id::new("u"), totals(1, "1"))];
    let windows = vec![(Window { start_ms: 1_500 }, totals(1, "1"))];
    let results = test_results::results(0, users, totals(1, "1"), windows).unwrap();
    for (width_ms, expected) in [
        (1_500, "1970-01-01 00:00:01.500,1970-01-01 00:00:03.000,1,1.00"),
        (1_000, "1970-01-01 00:00:01,1970-01-01 00:00:02,1,1.00"),
    ] {
        let csv = text(csv_bytes(WINDOWS, &results, &layout(Format::Csv, "UTC", width_ms).keys));
        assert_eq!(csv.lines().nth(1).unwrap(), expected);
    }
}

/// Returns the rows of a Parquet file, as the crate prints each.
fn parquet_rows(path: &Path) -> Vec<String> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect()
}

#[test]
fn parquet_holds_the_nearest_double_beside_the_exact_text() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("result.parquet");
    let (results, layout) = (small(), layout(Format::Parquet, "UTC", 30_000));
    for (view, expected) in [
        (
            USERS,
            vec![
                r#"{UserId: "A user whose name is not short", count: 1, totalPrice: 0E0, totalPriceExact: "0.00"}"#,
                r#"{UserId: "größe, "XL"", count: 1, totalPrice: -1E-18, totalPriceExact: "-0.000000000000000001"}"#,
                r#"{UserId: "u1", count: 2, totalPrice: 12.34, totalPriceExact: "12.34"}"#,
            ],
        ),
        (TOTAL, vec![r#"{count: 4, totalPrice: 12.34, totalPriceExact: "12.339999999999999999"}"#]),
        (
            WINDOWS,
            vec![
                r#"{begin: "1969-12-31 23:59:30", end: "1970-01-01 00:00:00", count: 1, totalPrice: -1E-18, totalPriceExact: "-0.000000000000000001"}"#,
                r#"{begin: "1970-01-01 00:00:00", end: "1970-01-01 00:00:30", count: 2, totalPrice: 0E0, totalPriceExact: "0.00"}"#,
                r#"{begin: "2023-11-14 22:13:30", end: "2023-11-14 22:14:00", count: 1, totalPrice: 12.34, totalPriceExact: "12.34"}"#,
            ],
        ),
    ] {
        write_view(&path, view, &results, &layout).unwrap();
        assert_eq!(parquet_rows(&path), expected);
        let bytes = std::fs::read(&path).unwrap();
        write_view(&path, view, &results, &layout).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        write_view(&path, view, &Results::default(), &layout).unwrap();
        assert_eq!(parquet_rows(&path), Vec::<String>::new());
    }
}

#[test]
fn parquet_of_more_than_one_row_group_keeps_every_row() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("result.parquet");
    let rows = GROUP_ROWS as i64 + 1;
    let users = (0..rows).map(|user| (Id::new(&format!("u{user:07}")), totals(1, "1"))).collect();
    let windows = vec![(Window { start_ms: 0 }, totals(rows, &rows.to_string()))];
    let results = test_results::results(0, users, totals(rows, &rows.to_string()), windows).unwrap();
    write_view(&path, USERS, &results, &layout(Format::Parquet, "UTC", 30_000)).unwrap();
    let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    assert_eq!((reader.num_row_groups(), reader.metadata().file_metadata().num_rows()), (2, rows));
}

#[test]
fn facts_are_read_back_and_nothing_else_is_taken_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let facts = OutputFacts {
        orderflow: "0.1.0".into(),
        window_ms: 30_000,
        timezone: "Europe/Berlin".into(),
        format: Format::Jsonl,
        epoch: 3,
        orders: 5,
        rejected: 1,
        inputs: vec!["a \"b\".csv".into()],
    };
    assert_eq!(
        text(facts.to_bytes()),
        "{\n  \"orderflow\": \"0.1.0\",\n  \"window_ms\": 30000,\n  \"timezone\": \"Europe/Berlin\",\n  \
         \"format\": \"jsonl\",\n  \"epoch\": 3,\n  \"orders\": 5,\n  \"rejected\": 1,\n  \
         \"inputs\": [\n    \"a \\\"b\\\".csv\"\n  ]\n}\n"
    );
    let mark = dir.path().join(MARK);
    assert_eq!(OutputFacts::read(dir.path()), None);
    for other in ["", "{}", "[1]", "{\"orderflow\": 1}"] {
        std::fs::write(&mark, other).unwrap();
        assert_eq!(OutputFacts::read(dir.path()), None, "{other}");
    }
    std::fs::write(&mark, facts.to_bytes()).unwrap();
    assert_eq!(OutputFacts::read(dir.path()), Some(facts));
}
