//! Tests the operations that read changes without a tunnel, as older programs use them.

use super::*;
use crate::plain_buffer::Rows;

const INVALID: &str = "OTSParameterInvalid";
const MISSING: &str = "OTSObjectNotExist";

/// Reads all changes of a stream, shard by shard, in pages of at most `limit` records. Starts at a
/// time in microseconds since 1970 if one is given.
pub(super) async fn read_all(
    wire: &mut Wire,
    stream_id: &str,
    from_us: Option<i64>,
    limit: i32,
) -> Vec<crate::tunnel::Record> {
    let request = table::DescribeStreamRequest {
        stream_id: stream_id.to_owned(),
        inclusive_start_shard_id: None,
        shard_limit: None,
    };
    let described: table::DescribeStreamResponse = wire.call("/DescribeStream", &request).await;
    let mut records = Vec::new();
    for shard in described.shards {
        let request = iterator_of(stream_id, &shard.shard_id, from_us);
        let found: table::GetShardIteratorResponse = wire.call("/GetShardIterator", &request).await;
        let mut at = found.shard_iterator;
        loop {
            let request = table::GetStreamRecordRequest { shard_iterator: at, limit: Some(limit) };
            let page: table::GetStreamRecordResponse = wire.call("/GetStreamRecord", &request).await;
            assert!(page.stream_records.len() <= limit as usize);
            records.extend(page.stream_records);
            at = page.next_shard_iterator.unwrap();
            if page.may_more_record != Some(true) {
                break;
            }
        }
    }
    records
}

fn iterator_of(stream: &str, shard: &str, timestamp: Option<i64>) -> table::GetShardIteratorRequest {
    let (stream_id, shard_id) = (stream.to_owned(), shard.to_owned());
    table::GetShardIteratorRequest { stream_id, shard_id, timestamp, token: None }
}

async fn stream_of(wire: &mut Wire, table: Option<&str>) -> Vec<table::Stream> {
    let request = table::ListStreamRequest { table_name: table.map(str::to_owned) };
    wire.call::<table::ListStreamResponse>("/ListStream", &request).await.streams
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_found_described_and_read() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    with_results(&running.store, (0..30).map(|n| order(&format!("u{n}"), "o", f64::from(n), 0)).collect());
    let _: table::CreateTableResponse = wire.call("/CreateTable", &create_orders("Plain")).await;
    let listed = stream_of(&mut wire, None).await;
    assert_eq!(listed, stream_of(&mut wire, Some(ORDERS)).await);
    assert_eq!(stream_of(&mut wire, Some("Plain")).await, []);
    let [stream] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!(stream.table_name, ORDERS);

    let describe = |start: Option<&str>, limit| table::DescribeStreamRequest {
        stream_id: stream.stream_id.clone(),
        inclusive_start_shard_id: start.map(str::to_owned),
        shard_limit: limit,
    };
    let all: table::DescribeStreamResponse = wire.call("/DescribeStream", &describe(None, None)).await;
    assert_eq!((all.table_name.as_str(), all.expiration_time), (ORDERS, 24));
    assert_eq!((all.creation_time, all.stream_status()), (stream.creation_time, table::StreamStatus::Active));
    assert_eq!((all.shards.len(), all.next_shard_id), (4, None));
    // The shards come page by page too.
    let (mut paged, mut next) = (Vec::new(), None::<String>);
    loop {
        let request = describe(next.as_deref(), Some(3));
        let page: table::DescribeStreamResponse = wire.call("/DescribeStream", &request).await;
        paged.extend(page.shards);
        next = page.next_shard_id;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(paged, all.shards);

    let middle_us = Clock::default().now_us() + 1;
    while Clock::default().now_us() <= middle_us {
        tokio::task::yield_now().await;
    }
    write_all(&running.store, (0..10).map(|n| order(&format!("u{n}"), "o", 0.5, 0)).collect());
    for limit in [1, 7, 1_000] {
        for (from_us, expected) in [(None, 40), (Some(0), 40), (Some(middle_us), 10), (Some(i64::MAX), 0)] {
            let records = read_all(&mut wire, &stream.stream_id, from_us, limit).await;
            assert_eq!(records.len(), expected, "{from_us:?} {limit}");
            let places = records.iter().map(|record| {
                let row = Rows::of(&record.record).unwrap().only().unwrap();
                (format!("{:?}", row.named_key()), row.sequence.unwrap())
            });
            // The changes of an order are in their order.
            let mut last = std::collections::BTreeMap::new();
            for (key, place) in places {
                assert!(last.insert(key, place).is_none_or(|before| before < place));
            }
        }
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_requests_for_streams_are_refused() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    with_results(&running.store, vec![order("u", "o", 1.0, 0)]);
    let stream = stream_of(&mut wire, None).await.remove(0).stream_id;
    let request = iterator_of(&stream, "shard_0", None);
    let found: table::GetShardIteratorResponse = wire.call("/GetShardIterator", &request).await;
    let describe = |stream: &str, start: Option<&str>, limit| table::DescribeStreamRequest {
        stream_id: stream.to_owned(),
        inclusive_start_shard_id: start.map(str::to_owned),
        shard_limit: limit,
    };
    let read = |iterator: &str, limit| table::GetStreamRecordRequest {
        shard_iterator: iterator.to_owned(),
        limit: Some(limit),
    };
    let ahead = format!("{stream}/0/{}/0", u64::MAX);
    // The table was made by the first commit, and so was its stream.
    let gone = format!("{stream}/0/0/0");
    let trimmed = "Requested stream data is already trimmed or does not exist.";
    let no_stream = "Requested stream does not exist.";
    let above_0 = "The limit must be greater than 0.";
    for (path, body, status, code, sentence) in [
        ("/DescribeStream", describe("no", None, None).encode_to_vec(), 404, MISSING, no_stream),
        (
            "/DescribeStream",
            describe(&stream, Some("shard_9"), None).encode_to_vec(),
            404,
            MISSING,
            no_stream,
        ),
        ("/DescribeStream", describe(&stream, None, Some(0)).encode_to_vec(), 400, INVALID, above_0),
        ("/GetShardIterator", iterator_of("no", "shard_0", None).encode_to_vec(), 404, MISSING, no_stream),
        ("/GetShardIterator", iterator_of(&stream, "0", None).encode_to_vec(), 404, MISSING, no_stream),
        ("/GetStreamRecord", read(&found.shard_iterator, 0).encode_to_vec(), 400, INVALID, above_0),
        ("/GetStreamRecord", read("no", 1).encode_to_vec(), 400, INVALID, "Invalid shard iterator: 'no'."),
        ("/GetStreamRecord", read("no/0/1/0", 1).encode_to_vec(), 404, MISSING, no_stream),
        ("/GetStreamRecord", read(&gone, 1).encode_to_vec(), 400, "OTSTrimmedDataAccess", trimmed),
        ("/GetStreamRecord", read(&ahead, 1).encode_to_vec(), 400, INVALID, "the token names commit"),
    ] {
        let told = wire.ask(&Asking::of_body(path, body).sign(false)).await;
        let (actual_code, actual) = told.error();
        assert_eq!((told.status, actual_code.as_str()), (status, code), "{path} {actual}");
        assert!(actual.starts_with(sentence), "{path} {actual}");
    }
    running.stop().await;
}
