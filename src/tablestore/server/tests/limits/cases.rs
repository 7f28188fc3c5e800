//! Lists requests that are refused, and the refusal of each.

use super::*;

/// The path, the body, the status, the code, and a part of the message.
pub(super) type Case = (&'static str, Vec<u8>, u16, &'static str, &'static str);

pub(super) const INVALID: &str = "OTSParameterInvalid";

pub(super) fn wrong_writes() -> Vec<Case> {
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
    // The row is in a request that names a table and says nothing more.
    let bare = |row: &[u8]| [&[0x0a, 6][..], b"Orders", &[0x12, row.len() as u8], row].concat();
    let in_batch = |row: &[u8]| {
        let table = bare(row);
        [&[0x0a, table.len() as u8][..], &table].concat()
    };
    vec![
        ("/PutRow", bare(&order(vec![])), 400, INVALID, "required part 'condition' is missing"),
        ("/DeleteRow", bare(&order(vec![])), 400, INVALID, "required part 'condition' is missing"),
        (
            "/PutRow",
            [bare(&order(vec![])), vec![0x1a, 0]].concat(),
            400,
            INVALID,
            "required part 'row_existence' is missing",
        ),
        ("/BatchWriteRow", in_batch(&[0x1a, 2, 0x08, 0]), 400, INVALID, "required part 'type' is missing"),
        ("/BatchWriteRow", in_batch(&[0x08, 1]), 400, INVALID, "required part 'condition' is missing"),
        ("/BatchWriteRow", vec![], 400, INVALID, "No row is specified in BatchWriteRow."),
        ("/BatchWriteRow", batch_of(0), 400, INVALID, "No operation is specified for table: 'Orders'."),
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
            put_row(encode_change(&long_key, &RowWrite::Put(vec![]))).encode_to_vec(),
            400,
            INVALID,
            "The length of primary key column: 'UserId' exceeds the MaxLength:1024 with CurrentLength:1025.",
        ),
        (
            "/PutRow",
            put_row(order(many)).encode_to_vec(),
            400,
            "OTSParameterInvalid",
            "The number of columns from the request exceeds the limit, limit count: 1024, column count: 1025.",
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

pub(super) fn wrong_reads() -> Vec<Case> {
    let encode = |request: table::GetRowRequest| request.encode_to_vec();
    let bare_key = encode_change(&order_key(text("a"), text("b")), &RowWrite::Delete);
    let time = |start, end, specific| {
        Some(table::TimeRange { start_time: start, end_time: end, specific_time: specific })
    };
    vec![
        ("/BatchGetRow", vec![], 400, INVALID, "No row specified in the request of BatchGetRow."),
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
            "No version condition is specified.",
        ),
        ("/GetRow", encode(get(|get| get.max_versions = Some(0))), 400, INVALID, "Invalid max versions: 0."),
        (
            "/GetRow",
            encode(get(|get| get.max_versions = Some(-1))),
            400,
            INVALID,
            "Invalid max versions: -1. Reason: Max versions must be positive.",
        ),
        (
            "/GetRow",
            encode(get(|get| get.time_range = time(Some(1), None, None))),
            400,
            INVALID,
            "Start and end time must be given at the same time.",
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
            INVALID,
            "VT_INF_MIN is an invalid type for the primary key.",
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
            "Requested table does not exist.",
        ),
    ]
}

pub(super) fn wrong_tables() -> Vec<Case> {
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
        ("/CreateTable", vec![], 400, INVALID, "required part 'table_meta' is missing"),
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
            "Indexes are (index_metas: 'by_price') not supported.",
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
            "A table without updates (allow_update: false) is not supported.",
        ),
        ("/DescribeTable", vec![], 400, INVALID, "Invalid table name: ''."),
        ("/DeleteTable", vec![0x0a, 1, b'x'], 404, "OTSObjectNotExist", "Requested table does not exist."),
        ("/UpdateTable", vec![0x0a, 1, b'x'], 404, "OTSObjectNotExist", "Requested table does not exist."),
    ]
}
