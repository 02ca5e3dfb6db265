"""What daily-batch's memory must not grow with, through the package: the rejected records of a day, and the age of a stack."""

import gzip
import json
from datetime import UTC, datetime, timedelta

import boto3
import duckdb
import pytest

from bench.daily import DAYS, LAMBDA_MAX_SECONDS, daily_run, generate
from support.functions import function_environment, unpack
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


# The table of an old stack; one is enough, for they are merged one after the other.
OLD = "pin"
# How many days ago a date was that nothing arrives for any more: eight days (`SEAL_AFTER_HOURS`), and the date itself.
SEALED_DAYS_AGO = 9
# The memory of the ninetieth day to that of the second. With 127,700 objects a date 1.05 was measured; with 20,000, where the function
# itself is most of it, 1.1 to 1.4, and 2.2 with the objects of all open dates in memory at once.
MAX_GROWTH = 1.6
# Nobody reads clean objects that are merged; they are listed.
CONTENT = b"merged"


def versions(url, prefix):
    """Returns the ETag of each object below a prefix."""
    environment = function_environment(url)
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return {found["Key"]: found["ETag"] for page in pages for found in page.get("Contents", [])}


def put_merged(url, lake, days_ago, objects):
    """Makes a date look as if so many objects had arrived on it and were merged; what is sealed is archived, too."""
    date = (datetime.now(UTC).date() - timedelta(days=days_ago)).isoformat()
    rows = 6_770
    keys = []
    for number in range(objects):
        first = 49666716197061357389751170868210642185623031110770360322 + number * 10_000
        hour, shard = number * 24 // objects, number % 10
        keys.append(f"clean/{OLD}/date={date}/hour={hour:02}/shardId-{shard:012}-{first}-{first + rows - 1}.parquet")
    if days_ago < SEALED_DAYS_AGO:
        for key in keys:
            path = lake / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(CONTENT)
    found = versions(url, f"clean/{OLD}/date={date}/")
    lines = []
    for number, key in enumerate(keys):
        version = json.dumps(found.get(key, '"gone"'))
        counted = f'"digest":"{number:064x}","rows":{rows},"positions":"{number * 1440 // objects % 60}:{rows}","rules":1,"under":"{date}"'
        lines.append(f'{{"key":"{key}","version":{version},{counted}}}\n')
    merged = lake / "curated" / OLD / "_merged"
    name = f"{date}-00000000-0000-4000-8000-000000000000.ndjson.gz"
    (merged / "objects" / name).write_bytes(gzip.compress("".join(lines).encode(), 1))
    state = sorted((merged / "states").glob("*.json"))[-1]
    manifest = json.loads(state.read_text())
    part = manifest["dates"].setdefault(date, {"segments": [], "objects": 0, "rows": 0})
    part["segments"].append(name)
    part["objects"] += objects
    part["rows"] += objects * rows
    manifest["dates"] = dict(sorted(manifest["dates"].items()))
    state.write_text(json.dumps(manifest))
    if days_ago >= SEALED_DAYS_AGO:
        marker = lake / "archive" / OLD / f"month={date[:7]}" / f"{date}.json"
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.write_text(json.dumps({"rows": objects * rows, "objects": objects, "files": []}))


def test_the_memory_of_a_day_of_an_old_stack(measured, report, pinflow, pytestconfig, tmp_path):
    """The second day of a stack, and its ninetieth: what lies between is made by hand."""
    objects = pytestconfig.getoption("objects")
    function, lake = unpack("daily-batch", tmp_path), tmp_path / BUCKET
    peaks = []
    with embedded_stack(pinflow, tmp_path) as url:
        for number, day in enumerate(DAYS):
            generate(lake, day, number * POSTS, POSTS, f"i - {number * POSTS}")
            seconds, megabytes = daily_run(function, url, day)
            record = json.loads(sorted((lake / "runs" / f"date={day}").glob("*.json"))[-1].read_text())
            report.equal(f"{day}: steps that fail", [step for step in record["steps"] if step["state"] != "succeeded"], [])
            measured(f"{day}: time", f"{seconds:.1f} s")
            measured(f"{day}: memory", f"{megabytes:.0f} MB")
            peaks.append(megabytes)
            put_merged(url, lake, len(DAYS) - number, objects)
            if number == 1:
                for days_ago in range(len(DAYS) + 1, 91):
                    put_merged(url, lake, days_ago, objects)
    _, second, old = peaks
    measured("memory of the ninetieth day to that of the second", f"{old / second:.2f}")
    report.check("the memory of the ninetieth day", old < second * MAX_GROWTH, f"{old / second:.2f}")
