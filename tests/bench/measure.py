"""Measures what the packaged functions need, and writes it to `crates/cost/src/measurements.rs`.

Each function is fed as Lambda feeds it, against the embedded stack: processor time (user and system) and memory are the
function's own, whatever else the machine does. Waiting is not told: the embedded stack answers at once, and AWS does not.
"""

import argparse
import datetime
import json
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from bench.daily import DAYS, generate
from support.functions import cpu_ms, cpu_ns, kinesis_event, running, unpack
from support.rows import generated_rows
from support.stack import BUCKET, KINDS, ROOT, embedded_stack, pinflow_binary

OUTPUT = ROOT / "crates" / "cost" / "src" / "measurements.rs"
ROUNDS = 7
# The clock of /proc ticks every 10 ms: a round takes as many invocations as come to this much of it.
ROUND_MS = 250
MAX_INVOCATIONS = 1_000
STARTS = 9
# Longer than any start takes, so that the processor time is all of it.
START_SECONDS = 1
INGEST_ROWS = (1, 10, 100, 500)
# Records of 10,000 rows as they are posted do not fit into the 6 MB of an event: the last event has as many as fit.
CLEANER_ROWS = (100, 1_000, 10_000)
DAILY_POSTS = (10_000, 100_000, 1_000_000)
DAILY_SECONDS = 900


def invocation(function, event):
    """Returns the median processor time and wall time of an invocation, in ms."""
    for _ in range(10):
        function.invoke(event)
    count = 10
    cpu, wall = [], []
    while len(cpu) < ROUNDS:
        before, started = cpu_ms(function.process), time.monotonic()
        for _ in range(count):
            function.invoke(event)
        spent = cpu_ms(function.process) - before
        if spent < ROUND_MS and count < MAX_INVOCATIONS:
            count = min(count * 4, MAX_INVOCATIONS)
            continue
        cpu.append(spent / count)
        wall.append((time.monotonic() - started) * 1000 / count)
    return statistics.median(cpu), statistics.median(wall)


def start(binary, url):
    """Returns the median processor time from the start of the process until it asks for an event, in ms."""
    spent = []
    for _ in range(STARTS):
        with running(binary, url) as function:
            time.sleep(START_SECONDS)
            # All threads that a start makes are still there.
            spent.append(cpu_ns(function.process) / 1_000_000)
    return statistics.median(spent)


def ingest_events(rows):
    """Yields (rows, events): a request for each kind, as API Gateway hands them over."""
    sample = json.loads((ROOT / "events" / "ingest-api" / "events-row.json").read_text())
    for count in INGEST_ROWS:
        events = []
        for kind in KINDS:
            body = "[" + ",".join([row for its, row in rows if its == kind][:count]) + "]"
            path = f"/events/{kind}"
            event = sample | {"rawPath": path, "body": body, "isBase64Encoded": False}
            event["headers"] = sample["headers"] | {"content-length": str(len(body.encode()))}
            event["requestContext"] = json.loads(json.dumps(sample["requestContext"]))
            event["requestContext"]["http"]["path"] = path
            events.append(json.dumps(event).encode())
        yield count, events


def cleaner_event(rows, count):
    """Returns an event of so many records, or of as many as fit, and how many they are."""
    return kinesis_event((f"{kind}/{number}", row.encode()) for number, (kind, row) in enumerate(rows[:count]))


def measure_ingest(pinflow, rows):
    points, folder = [], tempfile.TemporaryDirectory()
    with folder, embedded_stack(pinflow, folder.name) as url:
        binary = unpack("ingest-api", folder.name)
        with running(binary, url) as function:
            for count, events in ingest_events(rows):
                of_kinds = [invocation(function, event) for event in events]
                points.append((count, *map(statistics.mean, zip(*of_kinds, strict=True))))
                print(f"ingest-api: {points[-1]}", flush=True)
            memory = function.peak_memory_bytes()
        return points, start(binary, url), memory


def measure_cleaner(pinflow, rows):
    points, folder = [], tempfile.TemporaryDirectory()
    with folder, embedded_stack(pinflow, folder.name) as url:
        binary = unpack("stream-cleaner", folder.name)
        with running(binary, url) as function:
            for count in CLEANER_ROWS:
                event, fitting = cleaner_event(rows, count)
                points.append((fitting, *invocation(function, event)))
                print(f"stream-cleaner: {points[-1]}", flush=True)
            memory = function.peak_memory_bytes()
        # The last event's own objects: what a row comes to in the lake.
        objects = Path(folder.name, BUCKET, "clean").rglob("*.parquet")
        largest = {}
        for path in objects:
            kind = path.parts[path.parts.index("clean") + 1]
            largest[kind] = max(largest.get(kind, 0), path.stat().st_size)
        stored = sum(largest.values()) / sum(len(row.encode()) for _, row in rows[:fitting])
        return points, start(binary, url), memory, stored


def measure_daily(pinflow, sizes):
    """Returns (posts, processor time of the day that posts them all, and of the next one with 1 % more)."""
    points, memory = [], 0
    for posts in sizes:
        with tempfile.TemporaryDirectory() as folder:
            binary = unpack("daily-batch", folder)
            lake = Path(folder, BUCKET)
            generate(lake, DAYS[0], 0, posts, "i")
            with embedded_stack(pinflow, folder) as url:
                spent = []
                for day, new in ((DAYS[0], 0), (DAYS[1], posts // 100)):
                    if new:
                        generate(lake, day, posts, new, "i")
                    with running(binary, url, DAILY_SECONDS) as function:
                        function.invoke(json.dumps({"run_date": day}).encode())
                        spent.append(cpu_ms(function.process))
                        memory = max(memory, function.peak_memory_bytes())
        points.append((posts, *spent))
        print(f"daily-batch: {points[-1]}", flush=True)
    with tempfile.TemporaryDirectory() as folder, embedded_stack(pinflow, folder) as url:
        return points, start(unpack("daily-batch", folder), url), memory


def machine():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{platform.machine()}, {line.split(':')[1].strip()}"
    return platform.machine()


def daily_points(points):
    """Takes a day's work apart: what it needs for each new row, and for each row that the tables have."""
    rows = []
    for posts, first, second in points:
        total, new = posts * len(KINDS), posts // 100 * len(KINDS)
        # first = fixed + total * (new_row + table_row); second = fixed + new * new_row + (total + new) * table_row.
        rows.append((total, first, new, total + new, second))
    (_, small, *_), (total, first, new, table, second) = rows[0], rows[-1]
    both = (first - small) / (total - rows[0][0])
    fixed = max(small - rows[0][0] * both, 0)
    # second - fixed = new * new_row + table * (both - new_row)
    new_row = (table * both - (second - fixed)) / (table - new)
    new_row = min(max(new_row, 0), both)
    return fixed, new_row, both - new_row


def number(value, digits=3):
    text = f"{value:_.{digits}f}" if digits else f"{round(value):_}"
    # `.4` has no separators after the point, where clippy asks for them.
    whole, _, fraction = text.partition(".")
    groups = [fraction[place : place + 3] for place in range(0, len(fraction), 3)]
    return whole + ("." + "_".join(groups) if fraction else "")


def written(ingest, cleaner, daily, row_bytes):
    def points(values):
        lines = [
            f"            Point {{\n                rows: {number(rows, 1)},\n                cpu_ms: {number(cpu)},\n            }},"
            for rows, cpu, _ in values
        ]
        return "\n".join(lines)

    fixed, new_row, table_row = daily_points(daily[0])
    tables = ["//! | invocation | rows | processor ms | wall ms |", "//! |---|---:|---:|---:|"]
    for name, values in (("ingest-api, a request", ingest[0]), ("stream-cleaner, a batch", cleaner[0])):
        tables += [f"//! | {name} | {rows:,} | {cpu:.2f} | {wall:.2f} |" for rows, cpu, wall in values]
    for posts, first, second in daily[0]:
        tables.append(f"//! | daily-batch, a first day | {posts * len(KINDS):,} | {first:,.0f} | |")
        tables.append(f"//! | daily-batch, the next day | {posts // 100 * len(KINDS):,} | {second:,.0f} | |")
    tables = "\n".join(tables)
    return f"""//! What the packaged functions needed when they were measured. `make measure` writes this file.
//!
//! Measured on {datetime.date.today()}, on `{machine()}`, against the embedded stack:
//!
{tables}

use crate::measured::{{DailyBatch, Function, Measurements, Point}};

/// The measurements that bills are computed from.
pub const MEASUREMENTS: Measurements = Measurements {{
    date: "{datetime.date.today()}",
    row_bytes: {number(row_bytes, 1)},
    clean_bytes_per_byte: {number(cleaner[3])},
    ingest_api: Function {{
        init_cpu_ms: {number(ingest[1], 1)},
        peak_memory_mb: {number(ingest[2] / 1_000_000, 1)},
        points: &[
{points(ingest[0])}
        ],
    }},
    stream_cleaner: Function {{
        init_cpu_ms: {number(cleaner[1], 1)},
        peak_memory_mb: {number(cleaner[2] / 1_000_000, 1)},
        points: &[
{points(cleaner[0])}
        ],
    }},
    daily_batch: DailyBatch {{
        init_cpu_ms: {number(daily[1], 1)},
        peak_memory_mb: {number(daily[2] / 1_000_000, 1)},
        fixed_cpu_ms: {number(fixed, 1)},
        new_row_cpu_ms: {number(new_row, 6)},
        table_row_cpu_ms: {number(table_row, 6)},
    }},
}};
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, nargs="+", default=DAILY_POSTS, help="sizes of daily-batch's days, at least two")
    options = parser.parse_args()
    if len(options.posts) < 2:
        parser.error("--posts takes at least two sizes")
    pinflow = pinflow_binary()
    rows = generated_rows(pinflow, -(-max(*CLEANER_ROWS, INGEST_ROWS[-1] * len(KINDS)) // len(KINDS)))
    row_bytes = statistics.mean(len(row.encode()) for _, row in rows)
    ingest = measure_ingest(pinflow, rows)
    cleaner = measure_cleaner(pinflow, rows)
    daily = measure_daily(pinflow, sorted(options.posts))
    OUTPUT.write_text(written(ingest, cleaner, daily, row_bytes))
    subprocess.run(["rustfmt", "--edition", "2024", "--config", "style_edition=2024", OUTPUT], check=True)
    print(f"Wrote {OUTPUT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
