//! Requests that are well formed and still too much, or not to be had.

use super::*;
use crate::store::change::{ColumnChange, RowChange};
use crate::store::value::Value;
use crate::tablestore::plain_buffer::{encode_change, encode_key};

fn put(name: &str, value: Value) -> (String, ColumnChange) {
    (name.to_owned(), ColumnChange::Put { value, version: None })
}

fn order(columns: Vec<(String, ColumnChange)>) -> Vec<u8> {
    encode_change(&order_key(text("user"), text("order")), &RowChange::Put(columns))
}

fn put_row(row: Vec<u8>) -> table::PutRowRequest {
    table::PutRowRequest { table_name: "Orders".to_owned(), row: row.into(), ..Default::default() }
}

fn written(row: Vec<u8>) -> table::RowInBatchWriteRowRequest {
    table::RowInBatchWriteRowRequest {
        r#type: table::OperationType::Put.into(),
        row_change: row.into(),
        ..Default::default()
    }
}

fn batch(rows: Vec<table::RowInBatchWriteRowRequest>) -> table::BatchWriteRowRequest {
    let tables = vec![table::TableInBatchWriteRowRequest { table_name: "Orders".to_owned(), rows }];
    table::BatchWriteRowRequest { tables, ..Default::default() }
}

fn batch_get(count: usize) -> table::BatchGetRowRequest {
    let key = encode_key(&order_key(text("user"), text("order")));
    let table = table::TableInBatchGetRowRequest {
        table_name: "Orders".to_owned(),
        primary_key: vec![key.into(); count],
        max_versions: Some(1),
        ..Default::default()
    };
    table::BatchGetRowRequest { tables: vec![table] }
}

fn get(change: impl FnOnce(&mut table::GetRowRequest)) -> table::GetRowRequest {
    let mut request = table::GetRowRequest {
        table_name: "Orders".to_owned(),
        primary_key: encode_key(&order_key(text("user"), text("order"))).into(),
        max_versions: Some(1),
        ..Default::default()
    };
    change(&mut request);
    request
}

fn range(change: impl FnOnce(&mut table::GetRangeRequest)) -> table::GetRangeRequest {
    let mut request = table::GetRangeRequest {
        table_name: "Orders".to_owned(),
        max_versions: Some(1),
        inclusive_start_primary_key: encode_key(&order_key(KeyPart::Min, KeyPart::Min)).into(),
        exclusive_end_primary_key: encode_key(&order_key(KeyPart::Max, KeyPart::Max)).into(),
        ..Default::default()
    };
    change(&mut request);
    request
}

fn create(change: impl FnOnce(&mut table::CreateTableRequest)) -> table::CreateTableRequest {
    let mut request = create_orders("New");
    change(&mut request);
    request
}

/// Path, body, status, code, and a part of the message.
type Case = (&'static str, Vec<u8>, u16, &'static str, &'static str);

const INVALID: &str = "OTSParameterInvalid";

fn wrong_writes() -> Vec<Case> {
    let long = |bytes: usize| Value::String("a".repeat(bytes));
    let long_key = order_key(text(&"k".repeat(1_025)), text("order"));
    let big = vec![put("a", long(2 << 20)), put("b", long(2 << 20)), put("c", long(100))];
    let many = (0..1_025).map(|n| put(&format!("c{n}"), Value::Boolean(true))).collect();
    let third = order(vec![put("a", long(1_500_000))]);
    let batch_of = |rows: usize| batch(vec![written(order(vec![])); rows]).encode_to_vec();
    let with = |change: fn(&mut table::PutRowRequest)| {
        let mut request = put_row(order(vec![]));
        change(&mut request);
        request.encode_to_vec()
    };
    vec![
        ("/BatchWriteRow", vec![], 400, INVALID, "No row is specified in BatchWriteRow."),
        ("/BatchWriteRow", batch_of(0), 400, INVALID, "No row is specified in BatchWriteRow."),
        ("/BatchWriteRow", batch_of(201), 400, INVALID, "Rows count exceeds the upper limit: 200."),
        (
            "/BatchWriteRow",
            [batch_of(150), batch_of(51)].concat(),
            400,
            INVALID,
            "Rows count exceeds the upper limit: 200.",
        ),
        (
            "/BatchWriteRow",
            batch(vec![written(third); 3]).encode_to_vec(),
            400,
            INVALID,
            "The total data size of BatchWriteRow request exceeds the limit, limit size: 4194304, data size: 4500069.",
        ),
        (
            "/PutRow",
            put_row(order(big)).encode_to_vec(),
            400,
            INVALID,
            "The total data size of PutRow request exceeds the limit, limit size: 4194304, data size: ",
        ),
        (
            "/PutRow",
            put_row(order(vec![put("price", long((2 << 20) + 1))])).encode_to_vec(),
            400,
            INVALID,
            "The length of attribute column: 'price' exceeds the MaxLength:2097152 with CurrentLength:2097153.",
        ),
        (
            "/PutRow",
            put_row(encode_change(&long_key, &RowChange::Put(vec![]))).encode_to_vec(),
            400,
            INVALID,
            "The length of primary key column: 'UserId' exceeds the MaxLength:1024 with CurrentLength:1025.",
        ),
        (
            "/PutRow",
            put_row(order(many)).encode_to_vec(),
            400,
            "OTSOutOfColumnCountLimit",
            "The number of attribute columns exceeds the limit, limit count: 1024, column count: 1025.",
        ),
        ("/PutRow", put_row(vec![]).encode_to_vec(), 400, INVALID, "Invalid row: row data holds no row."),
        (
            "/PutRow",
            with(|put| put.condition.row_existence = 7),
            400,
            INVALID,
            "Invalid row existence expectation: 7.",
        ),
        (
            "/PutRow",
            with(|put| put.transaction_id = Some("t".to_owned())),
            400,
            INVALID,
            "Transactions are not supported",
        ),
        (
            "/PutRow",
            with(|put| {
                put.return_content =
                    Some(table::ReturnContent { return_type: Some(5), return_column_names: vec![] })
            }),
            400,
            INVALID,
            "Invalid return type: 5.",
        ),
        (
            "/PutRow",
            with(|put| put.condition.column_condition = Some(vec![1].into())),
            400,
            INVALID,
            "The filter cannot be parsed",
        ),
        ("/PutRow", vec![0x0a, 0xff], 400, INVALID, "Parse from protobuf failed"),
    ]
}

fn wrong_reads() -> Vec<Case> {
    let encode = |request: table::GetRowRequest| request.encode_to_vec();
    let bare_key = encode_change(&order_key(text("a"), text("b")), &RowChange::Delete);
    let time = |start, end, specific| {
        Some(table::TimeRange { start_time: start, end_time: end, specific_time: specific })
    };
    vec![
        (
            "/BatchGetRow",
            batch_get(0).encode_to_vec(),
            400,
            INVALID,
            "No row is specified in the request of BatchGetRow.",
        ),
        (
            "/BatchGetRow",
            batch_get(101).encode_to_vec(),
            400,
            INVALID,
            "Rows count exceeds the upper limit: 100.",
        ),
        (
            "/GetRow",
            encode(get(|get| get.max_versions = None)),
            400,
            INVALID,
            "No max_versions or time_range is specified. Table: 'Orders'.",
        ),
        ("/GetRow", encode(get(|get| get.max_versions = Some(0))), 400, INVALID, "max_versions"),
        (
            "/GetRow",
            encode(get(|get| get.max_versions = Some(-1))),
            400,
            INVALID,
            "max_versions is negative: -1.",
        ),
        (
            "/GetRow",
            encode(get(|get| get.time_range = time(Some(1), None, None))),
            400,
            INVALID,
            "time_range must have",
        ),
        (
            "/GetRow",
            encode(get(|get| get.time_range = time(Some(2), Some(1), None))),
            400,
            INVALID,
            "Invalid time range: [2, 1).",
        ),
        ("/GetRow", encode(get(|get| get.token = Some(vec![1].into()))), 400, INVALID, "Invalid token"),
        (
            "/GetRow",
            encode(get(|get| get.columns_to_get = vec![String::new(); 1_025])),
            400,
            INVALID,
            "limit count: 1024",
        ),
        (
            "/GetRow",
            encode(get(|get| get.primary_key = bare_key.into())),
            400,
            INVALID,
            "a key comes with a delete marker",
        ),
        (
            "/GetRow",
            encode(get(|get| get.primary_key = encode_key(&order_key(KeyPart::Min, text("a"))).into())),
            400,
            "OTSInvalidPK",
            "Validate PK type fail.",
        ),
        (
            "/GetRow",
            encode(get(|get| get.primary_key = encode_key(&vec![("Other".to_owned(), text("a"))]).into())),
            400,
            "OTSInvalidPK",
            "Validate PK size fail.",
        ),
        (
            "/GetRange",
            range(|range| range.limit = Some(0)).encode_to_vec(),
            400,
            INVALID,
            "The limit must be greater than 0.",
        ),
        (
            "/GetRange",
            range(|range| range.limit = Some(-1)).encode_to_vec(),
            400,
            INVALID,
            "The limit must be greater than 0.",
        ),
        (
            "/GetRange",
            range(|range| range.direction = 2).encode_to_vec(),
            400,
            INVALID,
            "Invalid direction: 2.",
        ),
        (
            "/GetRange",
            range(|range| range.direction = 1).encode_to_vec(),
            400,
            INVALID,
            "Begin key must more than end key in BACKWARD",
        ),
        (
            "/GetRange",
            range(|range| range.table_name = "No".to_owned()).encode_to_vec(),
            404,
            "OTSObjectNotExist",
            "Table: 'No'.",
        ),
    ]
}

fn wrong_tables() -> Vec<Case> {
    let encode = |request: table::CreateTableRequest| request.encode_to_vec();
    let index = table::IndexMeta { name: "by_price".to_owned() };
    vec![
        (
            "/CreateTable",
            create_orders("Orders").encode_to_vec(),
            409,
            "OTSObjectAlreadyExist",
            "Requested table already exists.",
        ),
        ("/CreateTable", vec![], 400, INVALID, "Invalid table name: ''."),
        (
            "/CreateTable",
            encode(create(|new| new.table_meta.table_name = "9".to_owned())),
            400,
            INVALID,
            "Invalid table name: '9'.",
        ),
        (
            "/CreateTable",
            encode(create(|new| new.table_meta.primary_key.clear())),
            400,
            INVALID,
            "The number of primary key columns must be in range: [1, 4].",
        ),
        (
            "/CreateTable",
            encode(create(|new| new.table_meta.primary_key[1].r#type = 4)),
            400,
            INVALID,
            "Invalid type of primary key column 'OrderId': 4.",
        ),
        (
            "/CreateTable",
            encode(create(|new| new.table_meta.primary_key[1].option = Some(2))),
            400,
            INVALID,
            "Invalid option of primary key column 'OrderId': 2.",
        ),
        (
            "/CreateTable",
            encode(create(|new| new.index_metas = vec![index])),
            400,
            INVALID,
            "Indexes are (index_metas: 'by_price') not supported. Table: 'New'.",
        ),
        (
            "/CreateTable",
            encode(create(|new| new.enable_local_txn = Some(true))),
            400,
            INVALID,
            "Local transactions are",
        ),
        (
            "/CreateTable",
            encode(create(|new| new.sse_spec = Some(table::SseSpecification { enable: true }))),
            400,
            INVALID,
            "Server side encryption is",
        ),
        (
            "/CreateTable",
            encode(create(|new| {
                new.table_options =
                    Some(table::TableOptions { allow_update: Some(false), ..Default::default() })
            })),
            400,
            INVALID,
            "A table without updates (allow_update: false) is not supported. Table: 'New'.",
        ),
        ("/DescribeTable", vec![], 404, "OTSObjectNotExist", "Requested table does not exist."),
        (
            "/DeleteTable",
            vec![0x0a, 1, b'x'],
            404,
            "OTSObjectNotExist",
            "Requested table does not exist. Table: 'x'.",
        ),
        (
            "/UpdateTable",
            vec![0x0a, 1, b'x'],
            404,
            "OTSObjectNotExist",
            "Requested table does not exist. Table: 'x'.",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_has_its_own_refusal() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let _: table::CreateTableResponse = wire.call("/CreateTable", &create_orders("Orders")).await;
    let commit = running.store.last_commit();
    for (path, body, status, code, message) in [wrong_writes(), wrong_reads(), wrong_tables()].concat() {
        let told = wire.ask(&Asking::of_body(path, body).sign(true)).await;
        told.verify(path, Some(&key(true)));
        let error = told.error();
        assert_eq!((told.status, error.0.as_str()), (status, code), "{path} {message}: {error:?}");
        assert!(error.1.contains(message), "{path} {message}: {error:?}");
    }
    assert_eq!(running.store.last_commit(), commit, "nothing was written");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_row_harms_no_other_row_of_its_batch() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let _: table::CreateTableResponse = wire.call("/CreateTable", &create_orders("Orders")).await;
    let good = |order: &str| {
        written(encode_change(
            &order_key(text("user"), text(order)),
            &RowChange::Put(vec![put("a", Value::Integer(1))]),
        ))
    };
    let mut broken = good("broken").row_change.to_vec();
    broken[20] ^= 1;
    let other_key = encode_change(&vec![("Id".to_owned(), text("a"))], &RowChange::Put(vec![]));
    let mut request = batch(vec![
        good("first"),
        written(broken),
        written(other_key),
        table::RowInBatchWriteRowRequest { r#type: 9, ..good("type") },
        written(order(vec![put("a", Value::Binary(vec![0; (2 << 20) + 1]))])),
        good("last"),
    ]);
    request.tables.insert(
        0,
        table::TableInBatchWriteRowRequest { table_name: "No".to_owned(), rows: vec![good("no")] },
    );
    let answer: table::BatchWriteRowResponse = wire.call("/BatchWriteRow", &request).await;
    let code = |row: &table::RowInBatchWriteRowResponse| row.error.clone().map(|error| error.code);
    let codes: Vec<Vec<Option<String>>> =
        answer.tables.iter().map(|table| table.rows.iter().map(code).collect()).collect();
    let codes: Vec<Vec<Option<&str>>> =
        codes.iter().map(|table| table.iter().map(Option::as_deref).collect()).collect();
    let invalid = Some(INVALID);
    assert_eq!(codes[0], [Some("OTSObjectNotExist")]);
    assert_eq!(codes[1], [None, invalid, Some("OTSInvalidPK"), invalid, invalid, None]);
    assert!(answer.tables.iter().flat_map(|table| &table.rows).all(|row| row.is_ok == row.error.is_none()));
    let page: table::GetRangeResponse = wire.call("/GetRange", &range(|_| {})).await;
    assert_eq!(crate::tablestore::plain_buffer::Rows::of(&page.rows).unwrap().count(), 2);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_an_end_to_tables() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    for number in 0..64 {
        let _: table::CreateTableResponse =
            wire.call("/CreateTable", &create_orders(&format!("T{number}"))).await;
    }
    let (status, code, message) = wire.refused("/CreateTable", &create_orders("T64")).await;
    assert_eq!((status, code.as_str()), (403, "OTSQuotaExhausted"));
    assert_eq!(message, "Number of tables exceeds the quota:64.");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lies_about_size_cost_no_memory() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let _: table::CreateTableResponse = wire.call("/CreateTable", &create_orders("Orders")).await;
    // Millions of parts of two bytes each, where parts may be: they would take a hundred times that in memory.
    let tiny = |field: u8| [field << 3 | 2, 0].repeat(1 << 22);
    let inside = |field: u8, body: Vec<u8>| {
        let mut whole = vec![field << 3 | 2];
        prost::encoding::encode_varint(body.len() as u64, &mut whole);
        [whole, body].concat()
    };
    let cases = [
        ("/BatchWriteRow", tiny(1)),
        ("/BatchWriteRow", inside(1, tiny(2))),
        ("/BatchWriteRow", inside(1, inside(2, inside(4, tiny(2))))),
        ("/BatchGetRow", tiny(1)),
        ("/BatchGetRow", inside(1, tiny(2))),
        ("/BatchGetRow", inside(1, tiny(3))),
        ("/BatchGetRow", inside(1, tiny(4))),
        ("/GetRow", tiny(3)),
        ("/GetRange", tiny(3)),
        ("/PutRow", inside(4, tiny(2))),
        ("/CreateTable", inside(1, tiny(2))),
        ("/CreateTable", inside(1, tiny(3))),
        ("/CreateTable", tiny(7)),
        ("/UpdateTable", inside(4, tiny(3))),
    ];
    for (path, body) in cases {
        let told = wire.ask(&Asking::of_body(path, body).sign(false)).await;
        let (code, message) = told.error();
        assert_eq!(code, INVALID, "{path}");
        assert!(message.contains("limit"), "{path}: {message}");
    }
    // A small body that inflates to a large one: no further than it says.
    let mut deflater = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut deflater, &vec![0; 64 << 20]).unwrap();
    let bomb = deflater.finish().unwrap();
    for (size, status, code) in [
        ((64 << 20).to_string(), 413, "OTSRequestBodyTooLarge"),
        ("100".to_owned(), 400, INVALID),
        ("-1".to_owned(), 400, INVALID),
        ("99999999999999999999999".to_owned(), 400, INVALID),
    ] {
        let asking = Asking::of_body("/PutRow", bomb.clone())
            .with("x-ots-request-compress-type", Some("deflate"))
            .with("x-ots-request-compress-size", Some(&size))
            .sign(false);
        let told = wire.ask(&asking).await;
        assert_eq!((told.status, told.error().0.as_str()), (status, code), "{size}");
    }
    let told = wire.ask(&Asking::of_body("/PutRow", vec![0; (16 << 20) + 1]).sign(false)).await;
    assert_eq!((told.status, told.error().1.as_str()), (413, "The size of POST data is too large."));
    running.stop().await;
}
