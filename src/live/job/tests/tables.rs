//! Checks tables that are made, deleted, or not as the job needs them, while it runs.

use crate::job::Phase;
use crate::job::testing::*;
use order_tables::{RESULT_TABLES, schemas};
use store::schema::{TableOptions, TableUpdate};
use store::testing::column;
use store::value::KeyType;
use testkit::Random;

#[test]
fn the_job_begins_once_the_table_of_orders_is_there_whoever_made_it() {
    let mut fixture = Fixture::new();
    fixture.start(config(1, 100));
    let status = fixture.until("waiting", |status| status.phase == Phase::Waiting);
    assert!(status.caught_up, "there is nothing to catch up with");
    fixture.create_orders();
    fixture.write(vec![put("u", "o", 1.0, 0)]);
    fixture.check();
    for table in RESULT_TABLES {
        assert!(fixture.store.table(table).is_ok(), "{table} was made");
    }
}

#[test]
fn orders_from_before_the_job_are_counted() {
    let mut random = Random(3);
    let mut fixture = Fixture::new();
    fixture.create_orders();
    for _ in 0..30 {
        fixture.write(any_request(&mut random));
    }
    fixture.start(config(2, 10));
    fixture.check();
}

#[test]
fn a_table_in_another_form_blocks_the_job_until_it_is_mended() {
    let mut fixture = Fixture::new();
    let [mut orders, _, mut total, ..] = schemas();
    orders.key.pop();
    fixture.store.create_table(orders).unwrap();
    fixture.start(config(1, 100));
    let blocked = |status: &crate::job::Status| matches!(status.phase, Phase::Blocked(_));
    let reason = |fixture: &Fixture| match fixture.until("blocked", blocked).phase {
        Phase::Blocked(reason) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        reason(&fixture),
        "table OrderSource has the key (UserId string) where (UserId string, OrderId string) is needed: \
         delete it and make it anew, as `orderflow init` does"
    );
    fixture.store.delete_table("OrderSource").unwrap();
    total.key = vec![column("count", KeyType::String)];
    fixture.store.create_table(total).unwrap();
    fixture.until("waiting", |status| status.phase == Phase::Waiting);
    fixture.create_orders();
    fixture.write(vec![put("u", "o", 1.0, 0)]);
    assert!(reason(&fixture).starts_with("table OrderTotalSink has the key (count string)"));
    fixture.store.delete_table("OrderTotalSink").unwrap();
    fixture.check();
    // The table is changed while the job runs.
    let options = |time_to_live_s| {
        let options = Some(TableOptions { time_to_live_s, ..Default::default() });
        fixture.store.update_table("OrderSource", TableUpdate { options, ..Default::default() }).unwrap();
    };
    options(86_400);
    assert_eq!(
        reason(&fixture),
        "cells of table OrderSource live for 86400 s, and what expires goes without a change: set its time to live to -1"
    );
    fixture.write(vec![put("u", "meanwhile", 2.0, 0)]);
    options(-1);
    fixture.check();
}

#[test]
fn without_the_table_of_orders_there_are_no_results() {
    let fixture = Fixture::with_orders(config(2, 100));
    let mut random = Random(4);
    for round in 0..3 {
        for _ in 0..10 {
            fixture.write(any_request(&mut random));
        }
        fixture.write(vec![put("of round", &round.to_string(), 1.0, 0)]);
        assert!(fixture.check().contains("of round"));
        fixture.store.delete_table("OrderSource").unwrap();
        if round == 1 {
            // The job has not seen yet that the table was deleted.
            fixture.create_orders();
            fixture.check();
            continue;
        }
        let last = fixture.store.last_commit();
        fixture.until("waiting", |status| status.phase == Phase::Waiting && status.upper > last);
        assert_eq!(dump(&fixture.store.view().unwrap()), "", "no order, no result");
        fixture.create_orders();
    }
}

#[test]
fn a_result_table_that_is_deleted_is_made_again_with_all_its_rows() {
    let fixture = Fixture::with_orders(config(1, 100));
    let mut random = Random(8);
    for table in RESULT_TABLES {
        for _ in 0..10 {
            fixture.write(any_request(&mut random));
        }
        let before = fixture.check();
        fixture.store.delete_table(table).unwrap();
        let last = fixture.store.last_commit();
        fixture.until("made again", |status| status.upper > last);
        assert_eq!(fixture.check(), before, "{table}");
    }
}

#[test]
fn a_stream_that_is_switched_off_is_switched_on_and_the_table_read_anew() {
    let fixture = Fixture::with_orders(config(1, 100));
    fixture.write(vec![put("u", "1", 1.0, 0)]);
    fixture.check();
    let off = TableUpdate { stream: Some(None), ..Default::default() };
    fixture.store.update_table("OrderSource", off).unwrap();
    fixture.write(vec![put("u", "2", 1.0, 0)]);
    fixture.check();
    assert!(fixture.store.table("OrderSource").unwrap().schema.stream.is_some());
}
