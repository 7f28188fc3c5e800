//! Compares the bytes of every message with literal ones, which an encoder other than `prost` made.

use std::collections::BTreeMap;
use std::fmt::Debug;

use prost::Message;

use super::{refusals, snapshot, table, tunnel};

/// Holds one paragraph for each message and enum, which begins with its name. A message goes on
/// with the bytes of a filled one, what these read as, and the bytes of an empty one. An enum goes
/// on with its numbers and its default.
const VECTORS: &str = include_str!("tests/vectors.txt");

/// Makes a paragraph of [`VECTORS`] without its name, from one of our types and the bytes in its
/// first line.
type Retell = fn(&str) -> String;

fn retell_message<M: Message + Default + Debug>(filled: &str) -> String {
    let message = M::decode(bytes(filled).as_slice()).unwrap();
    format!("{}\n{message:?}\n{}", hex(&message.encode_to_vec()), hex(&M::default().encode_to_vec()))
}

fn retell_enum<E: TryFrom<i32> + Default + Debug>(_: &str) -> String {
    let known = (-1..10).filter_map(|number| Some(format!("{number} {:?}", E::try_from(number).ok()?)));
    format!("{}\ndefault {:?}", known.collect::<Vec<_>>().join(", "), E::default())
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

/// Prints bytes as two hex digits each, or as a dash if there are none.
fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "-".to_owned();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lists the named types of each module, each with the function that retells it.
macro_rules! retold_by {
    ($retell:ident: $($module:ident { $($name:ident)* })*) => {
        [$($((concat!(stringify!($module), "::", stringify!($name)), $retell::<$module::$name> as Retell),)*)*]
    };
}

fn messages() -> impl IntoIterator<Item = (&'static str, Retell)> {
    retold_by! { retell_message:
        table {
            Error PrimaryKeySchema DefinedColumnSchema TableMeta TableOptions CapacityUnit
            ReservedThroughput ReservedThroughputDetails ConsumedCapacity CapacityDataSize
            StreamSpecification StreamDetails SseSpecification IndexMeta PartitionRange Condition
            ReturnContent TimeRange
            CreateTableRequest CreateTableResponse ListTableRequest ListTableResponse
            DescribeTableRequest DescribeTableResponse UpdateTableRequest UpdateTableResponse
            DeleteTableRequest DeleteTableResponse GetRowRequest GetRowResponse PutRowRequest
            PutRowResponse UpdateRowRequest UpdateRowResponse DeleteRowRequest DeleteRowResponse
            TableInBatchGetRowRequest BatchGetRowRequest RowInBatchGetRowResponse
            TableInBatchGetRowResponse BatchGetRowResponse RowInBatchWriteRowRequest
            TableInBatchWriteRowRequest BatchWriteRowRequest RowInBatchWriteRowResponse
            TableInBatchWriteRowResponse BatchWriteRowResponse GetRangeRequest GetRangeResponse
            Filter ValueTransferRule SingleColumnValueFilter CompositeColumnValueFilter
            ColumnPaginationFilter RowInBulkImportRequest BulkImportRequest RowInBulkImportResponse
            BulkImportResponse ComputeSplitPointsBySizeRequest SplitLocation
            ComputeSplitPointsBySizeResponse ListStreamRequest Stream ListStreamResponse StreamShard
            DescribeStreamRequest DescribeStreamResponse GetShardIteratorRequest
            GetShardIteratorResponse GetStreamRecordRequest GetStreamRecordResponse
        }
        tunnel {
            StreamTunnelConfig Tunnel CreateTunnelRequest CreateTunnelResponse DeleteTunnelRequest
            DeleteTunnelResponse ListTunnelRequest TunnelInfo ListTunnelResponse
            DescribeTunnelRequest ChannelInfo DescribeTunnelResponse ClientConfig ConnectRequest
            ConnectResponse Channel HeartbeatRequest HeartbeatResponse ShutdownRequest
            ShutdownResponse GetCheckpointRequest GetCheckpointResponse ReadRecordsRequest Record
            ReadRecordsResponse CheckpointRequest CheckpointResponse Token TokenContent
        }
        snapshot {
            OpenRequest OpenResponse Snapshot ReadRequest Place ChangesRequest Change
            ChangesResponse CloseRequest CloseResponse
        }
        refusals { WhyRequest LoggedRefusal RefusedRequest }
    }
}

fn enums() -> impl IntoIterator<Item = (&'static str, Retell)> {
    retold_by! { retell_enum:
        table {
            PrimaryKeyType PrimaryKeyOption DefinedColumnType RowExistenceExpectation ReturnType
            OperationType Direction TableStatus FilterType ComparatorType LogicalOperator DataBlockType
            StreamStatus
        }
        tunnel {
            TunnelType ChannelStatus ActionType StartOffsetFlag
        }
    }
}

#[test]
fn every_message_has_the_protocols_bytes() {
    let mut types: BTreeMap<_, _> = messages().into_iter().chain(enums()).collect();
    for vector in VECTORS.trim().split("\n\n") {
        let (name, said) = vector.split_once('\n').unwrap();
        let retell = types.remove(name).unwrap_or_else(|| panic!("{name} is twice there, or no message"));
        assert_eq!(retell(said.lines().next().unwrap()), said, "{name}");
    }
    assert!(types.is_empty(), "without bytes: {:?}", types.keys());
}

#[test]
fn required_parts_are_written_even_if_they_are_empty() {
    let consumed = table::ConsumedCapacity {
        capacity_unit: table::CapacityUnit { read: Some(0), write: None },
        capacity_data_size: None,
    };
    let none = table::GetRowResponse { consumed, row: Vec::new().into() };
    assert_eq!(hex(&none.encode_to_vec()), "0a040a0208001200");
    let page = tunnel::ReadRecordsResponse { next_token: String::new(), ..Default::default() };
    assert_eq!(hex(&page.encode_to_vec()), "1200");
    assert_eq!(hex(&table::ListTableResponse::default().encode_to_vec()), "-");
}

/// The Python SDK sends these bytes to create `OrderSource` (`UserId`, `OrderId`) with default
/// options.
#[test]
fn a_table_that_python_creates() {
    let sent = "0a26 0a0b4f72646572536f75726365 120a0a065573657249641002 120b0a074f7264657249641002
        1206 0a0408001000
        1a11 08ffffffffffffffffff01 1001 2880a305";
    let key = |name: &str| table::PrimaryKeySchema {
        name: name.to_owned(),
        r#type: table::PrimaryKeyType::String.into(),
        option: None,
    };
    let request = table::CreateTableRequest {
        table_meta: table::TableMeta {
            table_name: "OrderSource".to_owned(),
            primary_key: vec![key("UserId"), key("OrderId")],
            defined_column: Vec::new(),
        },
        reserved_throughput: table::ReservedThroughput {
            capacity_unit: table::CapacityUnit { read: Some(0), write: Some(0) },
        },
        table_options: Some(table::TableOptions {
            time_to_live: Some(-1),
            max_versions: Some(1),
            deviation_cell_version_in_sec: Some(86_400),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert_eq!(table::CreateTableRequest::decode(bytes(sent).as_slice()), Ok(request.clone()));
    assert_eq!(hex(&request.encode_to_vec()), hex(&bytes(sent)));
}

/// A client newer than this server sends fields that it does not know.
#[test]
fn unknown_fields_are_skipped_and_unknown_numbers_kept() {
    let sent = bytes("0a02733110092a0378797a4801");
    let column = table::PrimaryKeySchema::decode(sent.as_slice()).unwrap();
    assert_eq!((column.name.as_str(), column.r#type, column.option), ("s1", 9, None));
    assert_eq!(column.r#type(), table::PrimaryKeyType::Integer, "the first, where the number is unknown");
}
