"""Three days of pins of every size from 100 bytes to 1 MiB through the packaged function, on two processors.

The table that comes out is compared with a second computation in DuckDB, row by row and value by value, after each day and after a
repeated run of the last one; and the function must stay below 1.5 GB. Half of the rows of a day are new versions of earlier ones.
Most texts are compressible, so a file of some megabytes holds a gigabyte of values; some are not, so that a day has more than the 64 MiB
for which a merge takes two writers. Prints a line per check; the exit code is 1 when one
failed.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import deltalake
import duckdb
import pyarrow.parquet as pq

for neighbour in ("bench", "binaries", "interop"):
    sys.path.append(str(Path(__file__).parent.parent / neighbour))

from daily import DAYS, LINEAGE, ROWS, daily_run, not_null  # noqa: E402
from function import unpack  # noqa: E402
from harness import BUCKET, Report, embedded_stack, pinflow_binary  # noqa: E402

OBJECT_ROWS = 1_000
MAX_MEMORY_BYTES = 1_500_000_000
# One description in so many is of up to 1 MiB, the others of up to 4 kB; both are as often small as large, by the digits.
LARGE_EVERY = 400
# And so many rows of one day share one text of 850 kB, which a dictionary holds once.
REPEATED_ROWS = 2_700
DESCRIPTION = f"""
    CASE
        WHEN i < {REPEATED_ROWS} THEN repeat('the same text over and over ', 30400)
        WHEN i % 2 = 1 AND i % {LARGE_EVERY} != 7 THEN array_to_string([hash(i * 1000 + n) FOR n IN range(0, 110)], ' ')
        ELSE repeat(
            'Text ' || hash(i + 1) || ' ',
            greatest(1, CAST(CASE
                WHEN i % {LARGE_EVERY} = 7 THEN 4000 * pow(256, (hash(i + 20) % 10000) / 10000.0)
                ELSE 100 * pow(40, (hash(i + 21) % 10000) / 10000.0)
            END / 26 AS BIGINT))
        )
    END AS description,
"""


def pins():
    """Returns the columns of a generated pin, with descriptions of every size."""
    before, _, after = ROWS["pin"].partition("repeat(")
    return before + DESCRIPTION.strip().removesuffix(",") + "," + after.split("description,", 1)[1]


def generate(lake, day, first, rows, inds):
    """Writes rows `first` to `first + rows` of a day as clean objects; `inds` is the SQL of their key."""
    folder = lake / "clean" / "pin" / f"date={day}" / "hour=00"
    folder.mkdir(parents=True)
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'; SET threads = 2; SET enable_progress_bar = false")
        for start in range(first, first + rows, OBJECT_ROWS):
            end = start + OBJECT_ROWS
            select = f"SELECT {pins()}, {LINEAGE.format(sequence='i', day=day)} FROM (SELECT range AS i, {inds} AS ind FROM range({start}, {end}))"
            table = db.sql(select).to_arrow_table()
            path = folder / f"shardId-000000000000-{start + 1}-{end}.parquet"
            pq.write_table(table.cast(not_null(table.schema)), path, compression="zstd")


EXPECTED = """
    SELECT ind, max_by(struct_pack(arrival := _arrival, sequence := _sequence, digest := md5(row_text)), (_arrival, _sequence)) AS latest
    FROM (SELECT *, concat_ws('|', unique_id, title, description, follower_count, poster_name, tag_list, category) AS row_text FROM {source})
    GROUP BY ind
"""


def compare(report, label, lake):
    """Compares the table, as `deltalake` reads it, with the latest rows of the clean objects."""
    files = deltalake.DeltaTable(str(lake / "curated" / "pin")).file_uris()
    with duckdb.connect() as db:
        db.execute("SET threads = 2; SET enable_progress_bar = false; SET memory_limit = '6GB'")
        clean = f"read_parquet('{lake}/clean/pin/**/*.parquet', hive_partitioning = false)"
        table = "read_parquet([" + ", ".join(f"'{file}'" for file in files) + "])"
        db.execute(f"CREATE TABLE expected AS {EXPECTED.format(source=clean)}")
        [(rows, keys)] = db.sql(f"SELECT count(*), count(DISTINCT ind) FROM {table}").fetchall()
        db.execute(f"CREATE TABLE found AS {EXPECTED.format(source=table)}")
        [(expected,)] = db.sql("SELECT count(*) FROM expected").fetchall()
        report.equal(f"{label}: rows", (rows, keys), (expected, expected))
        [(differing,)] = db.sql("SELECT count(*) FROM (FROM expected EXCEPT FROM found)").fetchall()
        report.equal(f"{label}: rows that differ", differing, 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=160_000, help="of each day")
    options = parser.parse_args()
    os.sched_setaffinity(0, set(list(os.sched_getaffinity(0))[:2]))
    report, rows = Report(), options.rows
    with report.group("three days"), tempfile.TemporaryDirectory(prefix="pinflow-") as folder:
        function, lake = unpack("daily-batch", folder), Path(folder, BUCKET)
        with embedded_stack(pinflow_binary(), folder) as url:
            for number, day in enumerate(DAYS):
                # Every second row of a later day is a new version of an earlier one.
                inds = f"CASE WHEN {number} > 0 AND i % 2 = 0 THEN i // 2 ELSE i END"
                generate(lake, day, number * rows, rows, inds)
                for label in [day] + ([f"{day} again"] if day == DAYS[-1] else []):
                    seconds, megabytes = daily_run(function, url, day)
                    print(f"        {label}: {seconds:.1f} s, {megabytes:.0f} MB", flush=True)
                    report.check(f"{label}: memory", megabytes * 1e6 < MAX_MEMORY_BYTES, f"{megabytes:.0f} MB")
                    record = json.loads(sorted((lake / "runs" / f"date={day}").glob("*.json"))[-1].read_text())
                    failed = [step for step in record["steps"] if step["state"] != "succeeded"]
                    report.check(f"{label}: every step succeeds", not failed, failed)
                    summary = json.loads((lake / "reports" / f"date={day}" / "summary.json").read_text())
                    balance, table = summary["row_balance"]["pin"], summary["tables"]["pin"]
                    print(f"        {table['rows']:,} rows in {table['files']} files of {table['size_bytes'] / 1e6:.0f} MB", flush=True)
                    report.equal(f"{label}: row balance", balance["after"] - balance["before"], balance["inserted"])
                    compare(report, label, lake)
    print(f"{report.passed} passed, {report.failed} failed, {report.skipped} skipped")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
