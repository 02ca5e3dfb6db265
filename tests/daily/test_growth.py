"""A day on which millions of records are rejected, through the packaged function: it ends, and its memory stays bounded."""

import json

import duckdb
import pytest

from bench.daily import DAYS, LAMBDA_MAX_SECONDS, daily_run, generate
from support.functions import unpack
from support.stack import BUCKET, embedded_stack

pytestmark = pytest.mark.large

MAX_MEMORY_BYTES = 1_500_000_000
OBJECT_RECORDS = 10_000
POSTS = 10_000
# A record without an index, of about the size that a line has on average.
LINES = """
    SELECT 'pin' AS kind, 'missing_key' AS code, 'neither `index` nor `ind` is there' AS message, 1 AS rule_version,
        'shardId-000000000000' AS shard, printf('4966671619706135738975117086821064218562303111%010d', i) AS sequence_number,
        'pin/' || i AS partition_key, '{day}T00:00:00.000000Z' AS arrival,
        base64(encode('{{"title": "A title of some length ' || hash(i) || '", "category": "art"}}')) AS payload_base64
    FROM (SELECT range AS i FROM range({first}, {end}))
"""


def test_a_day_of_rejects(report, measured, pinflow, pytestconfig, tmp_path):
    rejects, day = pytestconfig.getoption("rejects"), DAYS[0]
    function, lake = unpack("daily-batch", tmp_path), tmp_path / BUCKET
    generate(lake, day, 0, POSTS, "i")
    folder = lake / "quarantine" / f"date={day}"
    folder.mkdir(parents=True)
    with duckdb.connect() as db:
        for first in range(POSTS, POSTS + rejects, OBJECT_RECORDS):
            end = first + OBJECT_RECORDS
            lines = LINES.format(day=day, first=first, end=end)
            path = folder / f"shardId-000000000000-{first + 1}-{end}.ndjson.gz"
            db.execute(f"COPY ({lines}) TO '{path}' (FORMAT json, COMPRESSION gzip)")
    with embedded_stack(pinflow, tmp_path) as url:
        seconds, megabytes = daily_run(function, url, day)
    measured(f"{rejects:,} rejects: time", f"{seconds:.1f} s")
    measured(f"{rejects:,} rejects: memory", f"{megabytes:.0f} MB")
    summary = json.loads((lake / "reports" / f"date={day}" / "summary.json").read_text())
    report.equal("rejects by code", summary["quarantine"]["by_code"], {"missing_key": rejects})
    report.equal("rows", summary["tables"]["pin"]["rows"], POSTS)
    report.check("memory", megabytes * 1e6 < MAX_MEMORY_BYTES, f"{megabytes:.0f} MB")
    report.check("a third of the time that Lambda gives", seconds < LAMBDA_MAX_SECONDS / 3, f"{seconds:.1f} s")
