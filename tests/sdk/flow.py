"""The whole flow through the official Python SDK, unmodified: everything read is compared with what was written.

Connects as the environment says (OTS_ENDPOINT, OTS_INSTANCE, OTS_AK_ENV, OTS_SK_ENV): with V4 signatures where
OTS_REGION is set, else with V2. Prints how much it checked.
"""

import os
import random
import threading
import time

from tablestore import (
    BatchGetRowRequest, BatchWriteRowRequest, CapacityUnit, ComparatorType, CompositeColumnCondition, Condition, DeleteRowItem, Direction, INF_MAX, INF_MIN, LogicalOperator, OTSClient,
    OTSServiceError, PK_AUTO_INCR, PutRowItem, ReservedThroughput, ReturnType, Row, RowExistenceExpectation as Expect,
    SingleColumnCondition, TableInBatchGetRowItem, TableInBatchWriteRowItem, TableMeta, TableOptions, UpdateRowItem,
)

USERS, ORDERS, BATCH = 5, 500, 200
IGNORE = Condition(Expect.IGNORE)
TABLES = {
    "OrderSource": [("UserId", "STRING"), ("OrderId", "STRING")],
    "OrderBatchSink": [("UserId", "STRING")],
    "OrderTotalSink": [("count", "INTEGER")],
    "OrderStreamSink": [("begin", "STRING"), ("end", "STRING")],
}
checks = 0


def check(held, what):
    global checks
    checks += 1
    if not held:
        raise AssertionError(what)


def equal(got, want, what):
    check(got == want, f"{what}: got {got!r}, want {want!r}")


def refused(code, status, act, names=""):
    """The call fails with exactly this code and status, and says this."""
    try:
        act()
    except OTSServiceError as error:
        equal((error.get_error_code(), error.get_http_status()), (code, status), error.get_error_message())
        check(names in error.get_error_message(), f"{error.get_error_message()!r} does not say {names!r}")
        return
    raise AssertionError(f"was not refused with {code}")


def connect(**changes):
    settings = dict(
        end_point=os.environ["OTS_ENDPOINT"], access_key_id=os.environ["OTS_AK_ENV"],
        access_key_secret=os.environ["OTS_SK_ENV"], instance_name=os.environ["OTS_INSTANCE"],
        region=os.environ.get("OTS_REGION"),
    )
    return OTSClient(**{**settings, **changes})


def create(client, name, key):
    capacity = ReservedThroughput(CapacityUnit(0, 0))
    client.create_table(TableMeta(name, key), TableOptions(), capacity)


def tables(client):
    for name, key in TABLES.items():
        create(client, name, key)
    equal(sorted(client.list_table()), sorted(TABLES), "tables")
    for name, key in TABLES.items():
        described = client.describe_table(name)
        equal([tuple(column) for column in described.table_meta.schema_of_primary_key], key, f"key of {name}")
        options = described.table_options
        equal((options.time_to_live, options.max_version), (-1, 1), f"options of {name}")
    refused("OTSObjectAlreadyExist", 409, lambda: create(client, "OrderSource", TABLES["OrderSource"]),
            "Requested table already exists.")
    refused("OTSObjectNotExist", 404, lambda: client.describe_table("NoSuchTable"), "Requested table does not exist.")
    refused("OTSObjectNotExist", 404, lambda: client.delete_table("NoSuchTable"))
    refused("OTSParameterInvalid", 400, lambda: create(client, "9digits", [("k", "STRING")]), "9digits")
    refused("OTSParameterInvalid", 400, lambda: create(client, "Wide", [(f"k{i}", "STRING") for i in range(5)]))
    equal((list(client.list_search_index()), list(client.list_timeseries_table())), ([], []), "what there never is")
    updated = client.update_table("OrderTotalSink", TableOptions(max_version=3))
    equal(updated.table_options.max_version, 3, "updated versions")
    equal(client.describe_table("OrderTotalSink").table_options.max_version, 3, "described versions")


def made_orders():
    """Orders of every user, by key: price and time, as plain Python values."""
    chance = random.Random(42)
    now = int(time.time() * 1000)
    orders = {}
    for number in range(ORDERS):
        key = (f"user_{'ABCDE'[number % USERS]}", f"order-{number:06}")
        orders[key] = {"price": chance.choice([0.1, 19.99, -5.0, 1e-7, 123456.789]) * chance.randint(1, 9),
                       "timestamp": now - chance.randint(0, 10**9)}
    return orders


def named(key):
    return [("UserId", key[0]), ("OrderId", key[1])]


def plain(row):
    """A returned row as (key, columns), and its cells must carry versions."""
    key = tuple(value for _, value in row.primary_key)
    check(all(len(cell) == 3 and cell[2] > 0 for cell in row.attribute_columns), f"a cell without a version: {key}")
    equal([cell[0] for cell in row.attribute_columns], sorted(cell[0] for cell in row.attribute_columns), "order of columns")
    return key, {cell[0]: cell[1] for cell in row.attribute_columns}


def write_orders(client, orders):
    items = [PutRowItem(Row(named(key), list(columns.items())), Condition(Expect.EXPECT_NOT_EXIST))
             for key, columns in orders.items()]
    for start in range(0, len(items), BATCH):
        request = BatchWriteRowRequest()
        request.add(TableInBatchWriteRowItem("OrderSource", items[start:start + BATCH]))
        answer = client.batch_write_row(request)
        check(answer.is_all_succeed(), f"failed rows: {answer.get_failed_of_put()}")
        equal(len(answer.get_succeed_of_put()), len(items[start:start + BATCH]), "rows written")
    request = BatchWriteRowRequest()
    request.add(TableInBatchWriteRowItem("OrderSource", items[:2]))
    failed = client.batch_write_row(request).get_failed_of_put()
    equal([item.error_code for item in failed], ["OTSConditionCheckFail"] * 2, "orders written twice")


def scan(client, low, high, direction=Direction.FORWARD, limit=None, page=None, **selection):
    """All rows of a range by paging through it; the number of pages is returned too."""
    rows, pages, start = [], 0, low
    while start is not None:
        _, start, found, _ = client.get_range("OrderSource", direction, start, high, limit=page, max_version=1, **selection)
        check(page is None or len(found) <= page, "a page is too long")
        rows += found
        pages += 1
        if limit is not None and len(rows) >= limit:
            break
    return rows, pages


def read_orders(client, orders):
    for key in list(orders)[:50]:
        _, row, _ = client.get_row("OrderSource", named(key), max_version=1)
        equal(plain(row), (key, orders[key]), "get_row")
    _, row, _ = client.get_row("OrderSource", named(("user_A", "nothing")), max_version=1)
    equal(row, None, "a row that is not there")

    request = BatchGetRowRequest()
    keys = list(orders)[100:199] + [("user_Z", "nothing")]
    request.add(TableInBatchGetRowItem("OrderSource", [named(key) for key in keys], max_version=1))
    items = client.batch_get_row(request).get_result_by_table("OrderSource")
    equal([plain(item.row) for item in items[:-1]], [(key, orders[key]) for key in keys[:-1]], "batch_get_row")
    check(items[-1].is_ok and items[-1].row is None, "an absent row of a batch")

    low = [("UserId", INF_MIN), ("OrderId", INF_MIN)]
    high = [("UserId", INF_MAX), ("OrderId", INF_MAX)]
    upward = sorted(orders.items())
    for page, pages_want in [(None, 1), (37, 14), (ORDERS, 1), (250, 2), (1, ORDERS)]:
        rows, pages = scan(client, low, high, page=page)
        equal([plain(row) for row in rows], upward, f"forward in pages of {page}")
        check(pages_want <= pages <= pages_want + 1, f"{pages} pages of {page}")
        rows, _ = scan(client, high, low, Direction.BACKWARD, page=page)
        equal([plain(row) for row in rows], upward[::-1], f"backward in pages of {page}")
    one = [(key, columns) for key, columns in upward if key[0] == "user_C"]
    rows, _ = scan(client, [("UserId", "user_C"), ("OrderId", INF_MIN)], [("UserId", "user_C"), ("OrderId", INF_MAX)], page=7)
    equal([plain(row) for row in rows], one, "one user")
    rows, _ = scan(client, named(one[3][0]), named(one[9][0]))
    equal([plain(row) for row in rows], one[3:9], "start inclusive, end exclusive")
    rows, _ = scan(client, named(one[9][0]), named(one[3][0]), Direction.BACKWARD)
    equal([plain(row) for row in rows], one[9:3:-1], "the same backward")
    rows, _ = scan(client, low, high, columns_to_get=["price"])
    equal([plain(row)[1] for row in rows], [{"price": columns["price"]} for _, columns in upward], "one column")
    refused("OTSParameterInvalid", 400, lambda: scan(client, high, low), "Begin key must less than end key in FORWARD")
    refused("OTSParameterInvalid", 400, lambda: scan(client, low, high, Direction.BACKWARD),
            "Begin key must more than end key in BACKWARD")

    expensive = CompositeColumnCondition(LogicalOperator.AND)
    expensive.add_sub_condition(SingleColumnCondition("price", 100.0, ComparatorType.GREATER_THAN, pass_if_missing=False))
    inner = CompositeColumnCondition(LogicalOperator.NOT)
    inner.add_sub_condition(SingleColumnCondition("price", 200000.0, ComparatorType.GREATER_EQUAL))
    expensive.add_sub_condition(inner)
    rows, _ = scan(client, low, high, column_filter=expensive, page=50)
    want = [item for item in upward if 100.0 < item[1]["price"] < 200000.0]
    equal([plain(row) for row in rows], want, "filtered")
    found = list(client.xget_range("OrderSource", Direction.FORWARD, low, high, CapacityUnit(0, 0), count=120, max_version=1))
    equal([plain(row) for row in found], upward[:120], "xget_range")


def conditions(client):
    key = named(("user_X", "order-1"))

    def put(price, condition):
        client.put_row("OrderSource", Row(key, [("price", price), ("timestamp", 1)]), condition)

    def columns():
        row = client.get_row("OrderSource", key, max_version=1)[1]
        return None if row is None else plain(row)[1]

    put(1.5, Condition(Expect.EXPECT_NOT_EXIST))
    refused("OTSConditionCheckFail", 403, lambda: put(2.5, Condition(Expect.EXPECT_NOT_EXIST)))
    equal(columns()["price"], 1.5, "a refused put changes nothing")
    put(3.5, Condition(Expect.EXPECT_EXIST, SingleColumnCondition("price", 1.5, ComparatorType.EQUAL)))
    equal(columns(), {"price": 3.5, "timestamp": 1}, "a conditional put")
    stale = Condition(Expect.IGNORE, SingleColumnCondition("price", 1.5, ComparatorType.EQUAL))
    change = {"put": [("note", "späte Bestellung")], "delete_all": ["timestamp"], "increment": [("n", 5)]}
    refused("OTSConditionCheckFail", 403, lambda: client.update_row("OrderSource", Row(key, change), stale))
    equal(columns(), {"price": 3.5, "timestamp": 1}, "a refused update changes nothing")
    _, row = client.update_row("OrderSource", Row(key, change), IGNORE, ReturnType.RT_PK)
    equal([value for _, value in row.primary_key], ["user_X", "order-1"], "returned key")
    client.update_row("OrderSource", Row(key, {"increment": [("n", -7)]}), Condition(Expect.EXPECT_EXIST))
    equal(columns(), {"price": 3.5, "note": "späte Bestellung", "n": -2}, "an update")
    refused("OTSParameterInvalid", 400,
            lambda: client.update_row("OrderSource", Row(key, {"increment": [("note", 1)]}), IGNORE), "note")
    other = named(("user_X", "order-2"))
    refused("OTSConditionCheckFail", 403,
            lambda: client.update_row("OrderSource", Row(other, {"put": [("price", 1.0)]}), Condition(Expect.EXPECT_EXIST)))
    refused("OTSConditionCheckFail", 403,
            lambda: client.delete_row("OrderSource", Row(other), Condition(Expect.EXPECT_EXIST)))
    client.delete_row("OrderSource", Row(other), IGNORE)
    missing = SingleColumnCondition("nothing", 1, ComparatorType.EQUAL, pass_if_missing=False)
    refused("OTSConditionCheckFail", 403,
            lambda: client.delete_row("OrderSource", Row(key), Condition(Expect.EXPECT_EXIST, missing)))
    client.delete_row("OrderSource", Row(key), Condition(Expect.EXPECT_EXIST))
    equal(columns(), None, "a deleted row")


def batches(client):
    """Rows of a batch are independent, over several tables and of every kind."""
    request = BatchWriteRowRequest()
    request.add(TableInBatchWriteRowItem("OrderBatchSink", [
        PutRowItem(Row([("UserId", "u1")], [("count", 1)]), IGNORE),
        PutRowItem(Row([("UserId", "u2")], [("count", 1)]), Condition(Expect.EXPECT_EXIST)),
        UpdateRowItem(Row([("UserId", "u3")], {"put": [("count", 3)]}), IGNORE),
        DeleteRowItem(Row([("UserId", "u4")]), IGNORE),
        PutRowItem(Row([("UserId", 7)], [("count", 1)]), IGNORE),
        PutRowItem(Row([("UserId", "u1")], [("count", 2)]), IGNORE),
    ]))
    request.add(TableInBatchWriteRowItem("OrderTotalSink", [PutRowItem(Row([("count", 12)], [("totalPrice", 0.5)]), IGNORE)]))
    request.add(TableInBatchWriteRowItem("NoSuchTable", [PutRowItem(Row([("k", 1)], [("v", 1)]), IGNORE)]))
    answer = client.batch_write_row(request)
    codes = [(item.is_ok, item.error_code) for item in answer.get_put_by_table("OrderBatchSink")]
    equal(codes, [(True, None), (False, "OTSConditionCheckFail"), (False, "OTSInvalidPK"), (True, None)], "puts of a batch")
    equal(answer.get_put_by_table("OrderBatchSink")[2].error_message,
          "Validate PK type fail. Input: VT_INTEGER, Meta: VT_STRING.", "a key of another type")
    check(answer.get_update_by_table("OrderBatchSink")[0].is_ok, "an update of a batch")
    check(answer.get_delete_by_table("OrderBatchSink")[0].is_ok, "a delete of a batch")
    equal(answer.get_put_by_table("NoSuchTable")[0].error_code, "OTSObjectNotExist", "a table that is not there")
    bounds = [("UserId", INF_MIN)], [("UserId", INF_MAX)]
    _, _, rows, _ = client.get_range("OrderBatchSink", Direction.FORWARD, *bounds, max_version=1)
    equal([plain(row) for row in rows], [(("u1",), {"count": 2}), (("u3",), {"count": 3})], "what the batch left")
    _, row, _ = client.get_row("OrderTotalSink", [("count", 12)], max_version=1)
    equal(plain(row), ((12,), {"totalPrice": 0.5}), "the other table of the batch")


def limits(client):
    def batch(rows, user="limit"):
        request = BatchWriteRowRequest()
        request.add(TableInBatchWriteRowItem("OrderSource", [
            PutRowItem(Row(named(("limit", f"{row:05}")), [("price", 1.0)]), IGNORE) for row in range(rows)]
            + [PutRowItem(Row(named((user, "last")), [("price", 1.0)]), IGNORE)]))
        return client.batch_write_row(request)

    def put(columns, key=("limit", "x")):
        client.put_row("OrderSource", Row(named(key), columns), IGNORE)

    refused("OTSParameterInvalid", 400, lambda: batch(200), "200")
    refused("OTSParameterInvalid", 400, lambda: batch(1, "k" * 1025), "'UserId'")
    request = BatchGetRowRequest()
    request.add(TableInBatchGetRowItem("OrderSource", [named(("limit", str(row))) for row in range(101)], max_version=1))
    refused("OTSParameterInvalid", 400, lambda: client.batch_get_row(request), "100")
    refused("OTSParameterInvalid", 400, lambda: put([("c", "x" * (2 * 1024 * 1024 + 1))]), "'c'")
    refused("OTSParameterInvalid", 400, lambda: put([("c", 1)], ("k" * 1025, "x")), "'UserId'")
    refused("OTSParameterInvalid", 400, lambda: put([(f"c{column:04}", 1) for column in range(1025)]), "1024")
    put([(f"c{column:04}", 1) for column in range(1024)])
    _, row, _ = client.get_row("OrderSource", named(("limit", "x")), max_version=1)
    equal(len(row.attribute_columns), 1024, "columns of a wide row")
    put([("c", "x" * (2 * 1024 * 1024))], ("k" * 1024, "x"))
    bounds = [("UserId", "limit"), ("OrderId", INF_MIN)], [("UserId", "limit"), ("OrderId", INF_MAX)]
    rows, _ = scan(client, *bounds)
    equal(len(rows), 1, "nothing of a refused batch is written")
    client.delete_row("OrderSource", Row(named(("limit", "x"))), IGNORE)
    client.delete_row("OrderSource", Row(named(("k" * 1024, "x"))), IGNORE)


def strangers(client):
    """Who cannot prove itself reads and writes nothing."""
    refused("OTSAuthFailed", 403, connect(access_key_secret="wrong").list_table)
    refused("OTSAuthFailed", 403, connect(access_key_id="nobody").list_table)
    refused("OTSAuthFailed", 403, connect(instance_name="elsewhere").list_table)
    thief = connect(access_key_secret="wrong")
    refused("OTSAuthFailed", 403, lambda: thief.put_row("OrderSource", Row(named(("thief", "1")), [("price", 1.0)]), IGNORE))
    _, row, _ = client.get_row("OrderSource", named(("thief", "1")), max_version=1)
    equal(row, None, "a stranger's row")
    refused("OTSParameterInvalid", 400, lambda: client.exe_sql_query("select 1"), "SQLQuery")
    equal(sorted(client.list_table()), sorted(TABLES), "the connection is usable after refusals")


def types(client):
    create(client, "Kinds", [("a", "INTEGER"), ("b", "BINARY"), ("c", "STRING")])
    values = {"big": 2**63 - 1, "small": -2**63, "zero": 0, "half": 0.5, "tiny": 5e-324, "yes": True, "no": False,
              "text": "Grüße, 世界 \u0000 🎉", "empty": "", "bytes": bytearray(range(256)), "none": bytearray()}
    keys = [(number, bytearray(text), word) for number in (-2**63, -1, 0, 1, 2**63 - 1)
            for text in (b"", b"\x00", b"\x00\xff", b"\xff") for word in ("", "a", "aé", "b")]
    shuffled = keys[:]
    random.Random(1).shuffle(shuffled)
    request = BatchWriteRowRequest()
    request.add(TableInBatchWriteRowItem("Kinds", [
        PutRowItem(Row(list(zip("abc", key)), list(values.items())), IGNORE) for key in shuffled]))
    check(client.batch_write_row(request).is_all_succeed(), "rows of every type")
    low, high = [(name, INF_MIN) for name in "abc"], [(name, INF_MAX) for name in "abc"]
    _, rest, rows, _ = client.get_range("Kinds", Direction.FORWARD, low, high, max_version=1)
    equal(rest, None, "rest of a small range")
    equal([plain(row) for row in rows], [(key, values) for key in keys], "rows of every type, in the order of keys")
    client.delete_table("Kinds")

    create(client, "Numbered", [("shop", "STRING"), ("number", "INTEGER", PK_AUTO_INCR)])
    numbers = []
    for _ in range(3):
        _, row = client.put_row("Numbered", Row([("shop", "s"), ("number", PK_AUTO_INCR)], [("v", 1)]), IGNORE, ReturnType.RT_PK)
        numbers.append(row.primary_key[1][1])
    equal(numbers, sorted(set(numbers)), "numbers that the store chose")
    _, row = client.update_row("Numbered", Row([("shop", "s"), ("number", PK_AUTO_INCR)], {"put": [("v", 2)]}), IGNORE, ReturnType.RT_PK)
    check(row.primary_key[1][1] > numbers[-1], "an update of a row whose number the store chooses")
    client.delete_table("Numbered")
    refused("OTSObjectNotExist", 404, lambda: client.get_row("Numbered", [("shop", "s"), ("number", 1)], max_version=1))


def versions(client):
    """Three versions are kept of a cell of this table."""
    key, now = [("count", 77)], int(time.time() * 1000)
    for age in (3, 1, 4, 2):
        client.update_row("OrderTotalSink", Row(key, {"put": [("v", f"age {age}", now - age)]}), IGNORE)
    _, row, _ = client.get_row("OrderTotalSink", key, max_version=10)
    equal([cell[1:] for cell in row.attribute_columns], [(f"age {age}", now - age) for age in (1, 2, 3)], "kept versions")
    client.update_row("OrderTotalSink", Row(key, {"delete": [("v", None, now - 2)]}), IGNORE)
    _, row, _ = client.get_row("OrderTotalSink", key, max_version=9, time_range=(now - 3, now))
    equal([cell[1] for cell in row.attribute_columns], ["age 1", "age 3"], "versions of a time range")
    refused("OTSParameterInvalid", 400,
            lambda: client.update_row("OrderTotalSink", Row(key, {"put": [("v", 1, -1)]}), IGNORE),
            "Timestamp must be in range [0, INT64_MAX/1000).")
    _, row, _ = client.get_row("OrderTotalSink", key, time_range=(1, 2), max_version=None)
    equal((row.primary_key, row.attribute_columns), (key, []), "a time that no cell has")


def many_at_once(client):
    """Writers on many connections: every acknowledged row is there."""
    failures = []

    def write(writer):
        try:
            for batch in range(5):
                request = BatchWriteRowRequest()
                request.add(TableInBatchWriteRowItem("OrderStreamSink", [
                    PutRowItem(Row([("begin", f"w{writer}"), ("end", f"{batch * BATCH + row:06}")], [("count", row)]), IGNORE)
                    for row in range(BATCH)]))
                if not client.batch_write_row(request).is_all_succeed():
                    failures.append(writer)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test fails with it
            failures.append(error)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(failures, [], "writers side by side")
    low, high = [("begin", INF_MIN), ("end", INF_MIN)], [("begin", INF_MAX), ("end", INF_MAX)]
    rows, start = 0, low
    while start is not None:
        _, start, found, _ = client.get_range("OrderStreamSink", Direction.FORWARD, start, high, max_version=1)
        rows += len(found)
    equal(rows, 4 * 5 * BATCH, "rows of all writers")


def main():
    client = connect()
    tables(client)
    orders = made_orders()
    write_orders(client, orders)
    read_orders(client, orders)
    conditions(client)
    batches(client)
    limits(client)
    strangers(client)
    types(client)
    versions(client)
    many_at_once(client)
    for name in TABLES:
        client.delete_table(name)
    equal(list(client.list_table()), [], "tables at the end")
    signature = "V4" if os.environ.get("OTS_REGION") else "V2"
    print(f"Python SDK, {signature}: {checks} checks passed")


if __name__ == "__main__":
    main()
