"""Measures what the packaged functions need, and writes it to `crates/cost/src/measurements.rs`.

Each function is fed as Lambda feeds it, against the embedded stack: processor time (user and system) and memory are the
function's own, whatever else the machine does. Waiting is not reported: the embedded stack answers at once, and AWS does not.
"""

import argparse
import datetime
import gzip
import json
import platform
import random
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from botocore.config import Config

from bench.daily import DAYS, generate
from support.functions import cleaner_environment, cpu_ms, cpu_ns, kinesis_event, running, unpack
from support.rows import generated_rows
from support.stack import BUCKET, KINDS, ROOT, STREAM, aws_session, embedded_stack, pinflow_binary

OUTPUT = ROOT / "crates" / "cost" / "src" / "measurements.rs"
ROUNDS = 7
ROUND_INVOCATIONS = 10
STARTS = 9
# Longer than any start takes, so that the processor time is all of it.
START_SECONDS = 1
INGEST_ROWS = (1, 10, 100, 500)
# Records of 10,000 rows as they are posted do not fit into the 6 MB of an event: the last event has as many as fit.
CLEANER_ROWS = (100, 1_000, 10_000)
# How ingest-api packs rows, and of how many rows an event of full compressed records surely is less.
PACKINGS = ("off", "lines", "gzip")
PACKED_ROWS = 150_000
# Rows of a request and partition keys, by which compressed records are of 1 row, of some 8, 31 and 125, and of 500.
RATIO_RECORDS = ((1, 16), (500, 64), (500, 16), (500, 4), (500, 1))
DAILY_POSTS = (10_000, 100_000, 1_000_000)
DAILY_SECONDS = 900


def invocation(function, event):
    """Returns the median processor time and wall time of an invocation, in ms."""
    for _ in range(10):
        function.invoke(event)
    cpu, wall = [], []
    for _ in range(ROUNDS):
        before, started = cpu_ns(function.process), time.monotonic()
        for _ in range(ROUND_INVOCATIONS):
            function.invoke(event)
        cpu.append((cpu_ns(function.process) - before) / 1_000_000 / ROUND_INVOCATIONS)
        wall.append((time.monotonic() - started) * 1000 / ROUND_INVOCATIONS)
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
    for count in INGEST_ROWS:
        yield count, [ingest_event(kind, [row for its, row in rows if its == kind][:count]) for kind in KINDS]


def ingest_event(kind, rows):
    """Returns the request that posts rows of a kind, as API Gateway hands it over."""
    sample = json.loads((ROOT / "events" / "ingest-api" / "events-row.json").read_text())
    body, path = f"[{','.join(rows)}]", f"/events/{kind}"
    sample |= {"rawPath": path, "body": body, "isBase64Encoded": False}
    sample["headers"]["content-length"] = str(len(body.encode()))
    sample["requestContext"]["http"]["path"] = path
    return json.dumps(sample).encode()


def single_records(rows):
    """Returns a record for each row: its key, its bytes, and how many rows and bytes of rows it holds."""
    records = enumerate((kind, row.encode()) for kind, row in rows)
    return [(f"{kind}/{number}", row, 1, len(row)) for number, (kind, row) in records]


def packed_records(pinflow, rows, packing, count=500, keys=16):
    """Returns the records that ingest-api makes of requests of so many rows: as `single_records`."""
    records = []
    with tempfile.TemporaryDirectory() as folder, embedded_stack(pinflow, folder) as url:
        environment = {"PACKING": packing, "PACKING_KEYS": str(keys)}
        with running(unpack("ingest-api", folder), url, environment=environment) as function:
            for kind in KINDS:
                of_kind = [row for its, row in rows if its == kind]
                for first in range(0, len(of_kind), count):
                    answer = function.invoke(ingest_event(kind, of_kind[first : first + count]))
                    if answer["statusCode"] != 200:
                        raise OSError(f"ingest-api answered {answer}")
        for key, data in stream_records(url):
            lines = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
            of_record = lines.split(b"\n")
            records.append((key, data, len(of_record), sum(map(len, of_record))))
    # As they come from clients of each table, and not one table after the other.
    random.Random(1).shuffle(records)
    return records


def stream_records(url):
    """Yields the key and the bytes of each record of the stream."""
    # A shard is read five times a second, and 2 MB a second, by the mapping, too.
    patient = Config(retries={"mode": "standard", "total_max_attempts": 30})
    kinesis = aws_session(url).client("kinesis", endpoint_url=url, config=patient)
    for shard in kinesis.list_shards(StreamName=STREAM)["Shards"]:
        start = {"ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        answer = {"NextShardIterator": kinesis.get_shard_iterator(StreamName=STREAM, **start)["ShardIterator"], "Records": [None]}
        while answer["Records"]:
            answer = kinesis.get_records(ShardIterator=answer["NextShardIterator"], Limit=10_000)
            yield from ((record["PartitionKey"], record["Data"]) for record in answer["Records"])


def cleaner_event(records, rows):
    """Returns an event of records of so many rows, or of as many as fit, and how many rows and bytes of rows these are."""
    taken, held = [], 0
    for record in records:
        if held >= rows:
            break
        taken.append(record)
        held += record[2]
    event, fitting = kinesis_event((key, data) for key, data, *_ in taken)
    return event, sum(record[2] for record in taken[:fitting]), sum(record[3] for record in taken[:fitting])


def measure_ingest(pinflow, rows, packing):
    points, folder = [], tempfile.TemporaryDirectory()
    with folder, embedded_stack(pinflow, folder.name) as url:
        binary = unpack("ingest-api", folder.name)
        with running(binary, url, environment={"PACKING": packing}) as function:
            for count, events in ingest_events(rows):
                of_kinds = [invocation(function, event) for event in events]
                points.append((count, *map(statistics.mean, zip(*of_kinds, strict=True))))
                print(f"ingest-api, {packing}: {points[-1]}", flush=True)
            memory = function.peak_memory_bytes()
        return points, start(binary, url), memory


def measure_cleaner(pinflow, records, sizes):
    points, folder = [], tempfile.TemporaryDirectory()
    with folder, embedded_stack(pinflow, folder.name) as url:
        binary = unpack("stream-cleaner", folder.name)
        with running(binary, url, environment=cleaner_environment()) as function:
            for count in sizes:
                event, fitting, row_bytes = cleaner_event(records, count)
                points.append((fitting, *invocation(function, event)))
                print(f"stream-cleaner: {points[-1]}", flush=True)
            memory = function.peak_memory_bytes()
        # The last event's own objects: what a row comes to in the lake.
        objects = Path(folder.name, BUCKET, "clean").rglob("*.parquet")
        largest = {}
        for path in objects:
            kind = path.parts[path.parts.index("clean") + 1]
            largest[kind] = max(largest.get(kind, 0), path.stat().st_size)
        stored = sum(largest.values()) / row_bytes
        return points, start(binary, url), memory, stored


def gzip_ratio(records):
    """Returns how many rows a record has, and its bytes for each byte of them."""
    rows, row_bytes = (sum(record[place] for record in records) for place in (2, 3))
    return rows / len(records), sum(len(record[1]) for record in records) / row_bytes


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


def written(ingest, cleaner, ratios, daily, row_bytes):
    def functions(measured):
        of_packing = []
        for packing, (points, init, memory, *_) in measured.items():
            lines = "".join(f"Point {{ rows: {number(rows, 1)}, cpu_ms: {number(cpu)} }}," for rows, cpu, _ in points)
            peak = number(memory / 1_000_000, 1)
            of_packing.append(f"{packing}: Function {{ init_cpu_ms: {number(init, 1)}, peak_memory_mb: {peak}, points: &[{lines}] }},")
        return "ByPacking {" + "".join(of_packing) + "}"

    shrunk = "".join(f"Ratio {{ rows: {number(rows, 1)}, ratio: {number(ratio)} }}," for rows, ratio in ratios)

    fixed, new_row, table_row = daily_points(daily[0])
    tables = ["//! | invocation | rows | processor ms | wall ms |", "//! |---|---:|---:|---:|"]
    for name, measured in (("ingest-api, a request", ingest), ("stream-cleaner, a batch", cleaner)):
        for packing, values in measured.items():
            name_of = name if packing == "off" else f"{name}, {packing}"
            tables += [f"//! | {name_of} | {rows:,} | {cpu:.2f} | {wall:.2f} |" for rows, cpu, wall in values[0]]
    for posts, first, second in daily[0]:
        tables.append(f"//! | daily-batch, a first day | {posts * len(KINDS):,} | {first:,.0f} | |")
        tables.append(f"//! | daily-batch, the next day | {posts // 100 * len(KINDS):,} | {second:,.0f} | |")
    tables = "\n".join(tables)
    return f"""//! What the packaged functions needed when they were measured. `make measure` writes this file.
//!
//! Measured on {datetime.date.today()}, on `{machine()}`, against the embedded stack:
//!
{tables}

use crate::measured::{{ByPacking, DailyBatch, Function, Measurements, Point, Ratio}};

/// The measurements that bills are computed from.
pub const MEASUREMENTS: Measurements = Measurements {{
    date: "{datetime.date.today()}",
    row_bytes: {number(row_bytes, 1)},
    clean_bytes_per_byte: {number(cleaner["off"][3])},
    ingest_api: {functions(ingest)},
    stream_cleaner: {functions(cleaner)},
    gzip_ratios: &[{shrunk}],
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
    many = generated_rows(pinflow, PACKED_ROWS // len(KINDS))
    row_bytes = statistics.mean(len(row.encode()) for _, row in rows)
    ingest = {packing: measure_ingest(pinflow, rows, packing) for packing in PACKINGS}
    cleaner = {"off": measure_cleaner(pinflow, single_records(rows), CLEANER_ROWS)}
    for packing in PACKINGS[1:]:
        cleaner[packing] = measure_cleaner(pinflow, packed_records(pinflow, many, packing), (*CLEANER_ROWS, PACKED_ROWS))
    ratios = [gzip_ratio(packed_records(pinflow, rows, "gzip", *sizes)) for sizes in RATIO_RECORDS]
    print(f"gzip: {ratios}", flush=True)
    daily = measure_daily(pinflow, sorted(options.posts))
    OUTPUT.write_text(written(ingest, cleaner, ratios, daily, row_bytes))
    subprocess.run(["rustfmt", "--edition", "2024", "--config", "style_edition=2024", OUTPUT], check=True)
    print(f"Wrote {OUTPUT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
