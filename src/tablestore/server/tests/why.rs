//! Tests the log of refusals, which says by a request's id what the vendor's sentence leaves out.

use super::limits::{batch, order as order_row, put, written};
use super::*;
use crate::plain_buffer::encode_change;
use crate::refusals::{LoggedRefusal, RefusedRequest, WhyRequest};
use store::value::Value;

const WHY: &str = "/orderflow/why";

fn why(told: &Told) -> WhyRequest {
    WhyRequest { request_id: told.header("x-ots-requestid").unwrap().to_owned() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_says_what_the_sentence_leaves_out() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let _: table::CreateTableResponse = wire.call("/CreateTable", &create_orders("Orders")).await;
    let request = table::DescribeTableRequest { table_name: "Absent".to_owned() };
    let told = wire.ask(&Asking::new("/DescribeTable", &request).sign(false)).await;
    let logged: RefusedRequest = wire.call(WHY, &why(&told)).await;
    assert_eq!((logged.operation.as_str(), logged.refused), ("/DescribeTable", 1));
    assert_eq!(logged.request_id, why(&told).request_id);
    let expected = LoggedRefusal {
        status: 404,
        code: "OTSObjectNotExist".to_owned(),
        message: "Requested table does not exist.".to_owned(),
        detail: Some("there is no table Absent".to_owned()),
    };
    assert_eq!(logged.refusals, [expected]);

    // Of a batch, the rows that were refused are there.
    let wrong_key = vec![("Id".to_owned(), text("x"))];
    let wrong = encode_change(&wrong_key, &RowWrite::Put(vec![put("a", Value::Integer(1))]));
    let rows = vec![written(order_row(vec![])), written(wrong)];
    let told = wire.ask(&Asking::new("/BatchWriteRow", &batch(rows)).sign(false)).await;
    assert_eq!(told.status, 200);
    let logged: RefusedRequest = wire.call(WHY, &why(&told)).await;
    assert_eq!((logged.refused, logged.refusals.len()), (1, 1));
    let LoggedRefusal { code, message, detail, .. } = &logged.refusals[0];
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("OTSInvalidPK", "Validate PK size fail. Input: 1, Meta: 2.")
    );
    assert!(detail.as_ref().unwrap().contains("Orders"), "{detail:?}");
    running.stop().await;
}

/// Whoever does not have the key leaves nothing in the log, and reads nothing there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_neither_fill_nor_read_the_log() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let request = table::DescribeTableRequest { table_name: "Absent".to_owned() };
    let asking = Asking::new("/DescribeTable", &request);
    let stranger =
        wire.ask(&asking.clone().sign_as(&SigningKey::Secret("guess".into()), "/DescribeTable")).await;
    assert_eq!(stranger.error().0, "OTSAuthFailed");
    let listed = wire.ask(&Asking::new("/ListTable", &table::ListTableRequest {}).sign(false)).await;
    for told in [&stranger, &listed] {
        let (status, code, _) = wire.refused(WHY, &why(told)).await;
        assert_eq!((status, code.as_str()), (404, "OTSObjectNotExist"));
    }
    let refused = wire.ask(&asking.sign(false)).await;
    let spy = Asking::new(WHY, &why(&refused)).sign_as(&SigningKey::Secret("guess".into()), WHY);
    assert_eq!(wire.ask(&spy).await.error().0, "OTSAuthFailed");
    running.stop().await;
}
