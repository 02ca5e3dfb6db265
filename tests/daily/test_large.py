"""Three days of pins of every size from 100 bytes to 1 MiB through the packaged function, on two processors.

The table that comes out is compared with a second computation in DuckDB, row by row and value by value, after each day and after a
repeated run of the last one; and the function must stay below 1.5 GB. Half of the rows of a day are new versions of earlier ones.
Most texts are compressible, so a file of some megabytes holds a gigabyte of values; some are not, so that a day has more than the 64 MiB
for which a merge takes two writers.
"""

import json
import os
import re

import deltalake
import duckdb
import pyarrow.parquet as pq
import pytest

from bench.daily import DAYS, LAMBDA_MAX_SECONDS, LINEAGE, ROWS, daily_run, last_steps, not_null
from bench.daily import generate as generate_posts
from support.functions import unpack
from support.stack import BUCKET, REPORTS, embedded_stack

pytestmark = pytest.mark.large

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
            lineage = LINEAGE.format(sequence="i", day=day)
            table = db.sql(
                f"SELECT {pins()}, {lineage} FROM (SELECT range AS i, {inds} AS ind FROM range({start}, {end}))"
            ).to_arrow_table()
            path = folder / f"shardId-000000000000-{start + 1}-{end}.parquet"
            pq.write_table(table.cast(not_null(table.schema)), path, compression="zstd")


EXPECTED = """
    SELECT ind, max_by(struct_pack(arrival := _arrival, sequence := _sequence, digest := md5(row_text)), (_arrival, _sequence)) AS latest
    FROM (
        SELECT *, concat_ws('|', unique_id, title, description, follower_count, poster_name, tag_list, category) AS row_text
        FROM {source}
    )
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


def failed_steps(lake, day):
    """Returns the steps of a day's last run that did not do what they are for, with their errors."""
    return [step for step in last_steps(lake, day) if step["state"] not in ("succeeded", "kept")]


def test_three_days_of_rows_of_every_size(report, measured, pinflow, pytestconfig, tmp_path):
    os.sched_setaffinity(0, set(list(os.sched_getaffinity(0))[:2]))
    rows = pytestconfig.getoption("rows")
    function, lake = unpack("daily-batch", tmp_path), tmp_path / BUCKET
    with embedded_stack(pinflow, tmp_path) as url:
        for number, day in enumerate(DAYS):
            # Every second row of a later day is a new version of an earlier one.
            inds = f"CASE WHEN {number} > 0 AND i % 2 = 0 THEN i // 2 ELSE i END"
            generate(lake, day, number * rows, rows, inds)
            for label in [day] + ([f"{day} again"] if day == DAYS[-1] else []):
                seconds, megabytes = daily_run(function, url, day)
                report.check(f"{label}: memory", megabytes * 1e6 < MAX_MEMORY_BYTES, f"{megabytes:.0f} MB")
                report.equal(f"{label}: steps that fail", failed_steps(lake, day), [])
                summary = json.loads((lake / "reports" / f"date={day}" / "summary.json").read_text())
                balance, table = summary["row_balance"]["pin"], summary["tables"]["pin"]
                measured(f"{label}: {table['rows']:,} rows in {table['files']} files", f"{table['size_bytes'] / 1e6:.0f} MB")
                measured(f"{label}: time", f"{seconds:.1f} s")
                measured(f"{label}: memory", f"{megabytes:.0f} MB")
                report.equal(f"{label}: row balance", balance["after"] - balance["before"], balance["inserted"])
                compare(report, label, lake)


def test_a_day_of_a_million_categories(report, measured, pinflow, tmp_path):
    """Each post has one of its own, and nearly each a country and a poster: what is drawn is bounded, and the day ends."""
    posts = 1_000_000
    tables = ROWS | {
        "pin": re.sub(r"'category-' \|\| \(hash\(i \+ 4\) % 20\) AS category", "'category-' || i AS category", ROWS["pin"]),
        "geo": ROWS["geo"].replace("% 220", "% 500000"),
    }
    assert tables["pin"] != ROWS["pin"]
    function, lake = unpack("daily-batch", tmp_path), tmp_path / BUCKET
    generate_posts(lake, DAYS[0], 0, posts, "i", tables)
    with embedded_stack(pinflow, tmp_path) as url:
        seconds, megabytes = daily_run(function, url, DAYS[0])
    measured(f"{posts:,} categories: time", f"{seconds:.1f} s")
    measured(f"{posts:,} categories: memory", f"{megabytes:.0f} MB")
    report.equal("steps that fail", failed_steps(lake, DAYS[0]), [])
    folder = lake / "reports" / f"date={DAYS[0]}"
    report.equal("reports", sorted(path.stem for path in folder.glob("*.csv")), REPORTS)
    page = (folder / "index.html").stat().st_size
    measured(f"{posts:,} categories: page", f"{page / 1e6:.2f} MB")
    report.check("the page is below 2 MB", page < 2_000_000, page)
    report.check("memory", megabytes * 1e6 < MAX_MEMORY_BYTES, f"{megabytes:.0f} MB")
    report.check("a tenth of the time that Lambda gives", seconds < LAMBDA_MAX_SECONDS / 10, f"{seconds:.1f} s")
