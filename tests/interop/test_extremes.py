"""The ends of what a column can hold, posted, and read back by each reader that people have."""

import json
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars
import pyarrow.parquet
import requests

from harness import wait_until

FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
INT64 = range(-(2**63), 2**63)
# Posted as `timestamp`, and what a reader sees; None is kept in `_unread`.
TIMES = {
    "0001-01-01": FIRST,
    "0001-01-01T00:00:00Z": FIRST,
    "9999-12-31 23:59:59": LAST.replace(microsecond=0),
    "9999-12-31T23:59:59.999999Z": LAST,
    "0001-01-01T00:30:00+01:00": None,
    "9999-12-31T23:59:59-00:30": None,
    "0000-12-31T23:59:59": None,
}
FLOATS = [(90, 180), (-90, -180), (5e-324, -5e-324), (-0.0, 0.1 + 0.2)]
KEYS = [INT64[0], INT64[-1], 0]


def check(report, url, lake):
    geo = {}
    for place, (text, time) in enumerate(TIMES.items()):
        geo[70_000 + place] = ({"timestamp": text, "country": "x"}, time, None)
    for place, point in enumerate(FLOATS):
        geo[71_000 + place] = ({"latitude": point[0], "longitude": point[1]}, None, list(point))
    for key in KEYS:
        geo[key] = ({"country": "x"}, None, None)
    rows = [{"ind": ind} | fields for ind, (fields, _, _) in geo.items()]
    answer = requests.post(f"{url}/events/geo", json=rows, timeout=30)
    report.check("extremes: are accepted", answer.status_code == 200, answer.text)
    expected = {ind: (time, point) for ind, (_, time, point) in geo.items()}
    for name, read in (("pyarrow", with_pyarrow), ("DuckDB", with_duckdb), ("Polars", with_polars)):
        with report.group(f"extremes: {name}"):
            wait_until(30, lambda read=read: geo.keys() <= read(paths(lake)).keys())
            found = read(paths(lake))
            report.equal(f"extremes: {name} reads each", {ind: found.get(ind, ("missing",))[:2] for ind in geo}, expected)
            unread = {ind: json.loads(found[ind][2] or "{}").get("timestamp") for ind in geo if ind in found}
            lost = {ind: fields["timestamp"] for ind, (fields, time, _) in geo.items() if "timestamp" in fields and not time}
            report.equal(f"extremes: {name} has what no column can hold", {k: v for k, v in unread.items() if v}, lost)


def paths(lake):
    return sorted(map(str, Path(lake).glob("clean/geo/date=*/hour=*/*.parquet")))


def with_pyarrow(files):
    tables = [pyarrow.parquet.read_table(file, partitioning=None).to_pylist() for file in files]
    return {row["ind"]: (row["timestamp"], row["coordinates"], row["_unread"]) for rows in tables for row in rows}


def with_duckdb(files):
    if not files:
        return {}
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        # Python's client needs another package for times with a zone.
        query = "SELECT ind, timestamp::TIMESTAMP, coordinates, _unread FROM read_parquet(?)"
        rows = db.execute(query, [files]).fetchall()
    utc = lambda time: time and time.replace(tzinfo=UTC)  # noqa: E731
    return {ind: (utc(time), point and list(point), unread) for ind, time, point, unread in rows}


def with_polars(files):
    frames = [polars.read_parquet(file, hive_partitioning=False).to_dicts() for file in files]
    return {row["ind"]: (row["timestamp"], row["coordinates"], row["_unread"]) for rows in frames for row in rows}
