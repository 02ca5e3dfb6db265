"""Merges and reports generated posts with the packaged function, and prints how long it takes and how much memory it needs.

For each size: a first day of that many posts, a second day with 1 % new posts, and a third one that posts 1 % again.
Beside it, in the same run, DuckDB does the first day's work: keep the latest row of each `ind`, write the tables, join them,
and count. Times are of one machine at one moment: compare figures of one table only.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from support.functions import running, unpack
from support.stack import BUCKET, embedded_stack, pinflow_binary

# Rows of a clean object: what stream-cleaner's largest batches hold.
OBJECT_ROWS = 10_000
# The longest that an invocation may take (an AWS limit).
LAMBDA_MAX_SECONDS = 900
# Recent and complete: of old dates the archive step would take the clean objects, which is not the work that is measured here.
DAYS = tuple((datetime.now(UTC).date() - timedelta(days=ago)).isoformat() for ago in (3, 2, 1))

LINEAGE = """
    'shardId-000000000000' AS _shard,
    printf('4966671619706135738975117086821064218562303111%010d', {sequence}) AS _sequence,
    TIMESTAMPTZ '{day} 00:00:00+00' + INTERVAL (i % 3600) SECOND AS _arrival,
    1::INTEGER AS _rules,
    NULL::VARCHAR AS _extra,
    NULL::VARCHAR AS _unread
"""

ROWS = {
    "pin": """
        ind,
        uuid()::VARCHAR AS unique_id,
        'How to make ' || hash(i) || ' in ' || (i % 97) || ' easy steps' AS title,
        repeat('A longer text about ' || hash(i + 1) || ' and what it is for. ', 4) AS description,
        (hash(i + 2) % 5000000)::BIGINT AS follower_count,
        'Poster ' || (hash(i + 3) % 200000) AS poster_name,
        'Tag ' || (i % 31) || ',Tag ' || (i % 37) || ',Tag ' || (i % 41) AS tag_list,
        'image' AS is_image_or_video,
        'https://i.example.com/originals/' || md5(i::VARCHAR) || '.jpg' AS image_src,
        '/data/category-' || (hash(i + 4) % 20) AS save_location,
        'category-' || (hash(i + 4) % 20) AS category
    """,
    "geo": """
        ind,
        'Country ' || (hash(i + 5) % 220) AS country,
        [(hash(i + 6) % 18000)::DOUBLE / 100 - 90, (hash(i + 7) % 36000)::DOUBLE / 100 - 180] AS coordinates,
        TIMESTAMPTZ '2017-06-01 00:00:00+00' + INTERVAL (hash(i + 8) % 180000000) SECOND AS timestamp
    """,
    "user": """
        ind,
        'User ' || (hash(i + 9) % 3000000) AS user_name,
        (hash(i + 10) % 80)::INTEGER AS age,
        TIMESTAMPTZ '2014-06-01 00:00:00+00' + INTERVAL (hash(i + 11) % 220000000) SECOND AS date_joined
    """,
}


def not_null(schema):
    """Spells the columns as stream-cleaner does: the key and the lineage are never null."""
    keys = {"ind", "_shard", "_sequence", "_arrival", "_rules"}
    fields = []
    for field in schema:
        kind = field.type
        if field.name == "coordinates":
            kind = pa.list_(pa.field("element", pa.float64(), nullable=False))
        if pa.types.is_timestamp(kind):
            kind = pa.timestamp("us", "UTC")
        fields.append(pa.field(field.name, kind, nullable=field.name not in keys))
    return pa.schema(fields)


def generate(lake, day, first, rows, inds, tables=ROWS):
    """Writes posts `first` to `first + rows` of a day as clean objects; `inds` is the SQL of their key, `tables` that of their columns."""
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'; SET threads = 2; SET enable_progress_bar = false")
    for kind, columns in tables.items():
        folder = lake / "clean" / kind / f"date={day}" / "hour=00"
        folder.mkdir(parents=True, exist_ok=True)
        schema = None
        for start in range(first, first + rows, OBJECT_ROWS):
            end = min(start + OBJECT_ROWS, first + rows)
            lineage = LINEAGE.format(sequence="i", day=day)
            select = f"SELECT {columns}, {lineage} FROM (SELECT range AS i, {inds} AS ind FROM range({start}, {end}))"
            table = db.sql(select).to_arrow_table()
            schema = schema or not_null(table.schema)
            pq.write_table(table.cast(schema), folder / f"shardId-000000000000-{start + 1}-{end}.parquet", compression="zstd")


def daily_run(function, url, day):
    """Runs a day as Lambda does; returns its seconds, and the peak of the memory in MB."""
    with running(function, url, LAMBDA_MAX_SECONDS) as process:
        started = time.monotonic()
        process.invoke(json.dumps({"run_date": day}).encode())
        return time.monotonic() - started, process.peak_memory_bytes() / 1_000_000


def last_steps(lake, day):
    """Returns the steps of a day's last run, as the ledger has them."""
    return json.loads(sorted((lake / "runs" / f"date={day}").glob("*.json"))[-1].read_text())["steps"]


def steps(lake, day):
    return {step["name"]: step["duration_ms"] / 1000 for step in last_steps(lake, day)}


PEER = """
    CREATE TABLE "{kind}" AS SELECT * FROM (
        SELECT *, row_number() OVER (PARTITION BY ind ORDER BY _arrival DESC, _sequence DESC) AS place
        FROM read_parquet('{lake}/clean/{kind}/**/*.parquet', hive_partitioning=false)
    ) WHERE place = 1;
    COPY "{kind}" TO '{lake}/peer-{kind}.parquet' (COMPRESSION zstd);
"""
COUNT = """
    SELECT country, category, count(*) FROM pin JOIN geo USING (ind) JOIN "user" USING (ind) GROUP BY ALL ORDER BY ALL
"""


def peer(lake, memory):
    """Does the first day's work with DuckDB, in a process of its own; returns seconds and the peak of the memory in MB."""
    script = "import duckdb, sys; db = duckdb.connect(sys.argv[1]); db.execute(sys.argv[2])"
    sql = f"SET enable_progress_bar = false; SET threads = 2; SET memory_limit = '{memory}GB'; SET preserve_insertion_order = false;"
    sql += "".join(PEER.format(kind=kind, lake=lake) for kind in ROWS)
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-c", script, str(lake / "peer.db"), sql + COUNT])
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    if status != 0:
        return None
    return seconds, usage.ru_maxrss * 1024 / 1_000_000


def measure(posts, with_peer):
    one_percent = posts // 100
    with tempfile.TemporaryDirectory() as folder:
        function = unpack("daily-batch", folder)
        lake = Path(folder, BUCKET)
        generate(lake, DAYS[0], 0, posts, "i")
        with embedded_stack(pinflow_binary(), folder) as url:
            first = daily_run(function, url, DAYS[0])
            generate(lake, DAYS[1], posts, one_percent, "i")
            second = daily_run(function, url, DAYS[1])
            # Every hundredth post again, all over the table.
            generate(lake, DAYS[2], posts + one_percent, one_percent, f"(i - {posts + one_percent}) * 100")
            third = daily_run(function, url, DAYS[2])
        merges = [merge_seconds(steps(lake, day)) for day in DAYS]
        reports = steps(lake, DAYS[0])["reports"]
        print(
            f"| {posts:,} | {merges[0]:.1f} | {reports:.1f} | {first[0]:.1f} | {first[1]:.0f} "
            f"| {merges[1]:.1f} ({merges[1] / merges[0]:.0%}) | {second[1]:.0f} "
            f"| {merges[2]:.1f} ({merges[2] / merges[0]:.0%}) | {third[1]:.0f} ",
            end="",
            flush=True,
        )
        shutil.rmtree(lake / "curated")
        beside = peer(lake, 3) if with_peer else None
        print(f"| {beside[0]:.1f} ({first[0] / beside[0]:.2f}) | {beside[1]:.0f} |" if beside else "| | |", flush=True)


def merge_seconds(steps):
    return sum(seconds for name, seconds in steps.items() if name.startswith("merge-"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, nargs="+", default=[1_000_000, 3_000_000, 10_000_000])
    parser.add_argument("--without-peer", action="store_true")
    options = parser.parse_args()
    print("| posts | merge s | reports s | run s | MB | merge of 1 % new s | MB | merge of 1 % again s | MB | DuckDB s (ratio) | MB |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for posts in options.posts:
        measure(posts, not options.without_peer)


if __name__ == "__main__":
    main()
