"""The ends of what a column can hold, posted, and read back by each reader that people have."""

import json
from datetime import UTC, datetime

import duckdb
import polars
import pyarrow.parquet
import pytest
import requests

from support.lake import clean_objects
from support.stack import BUCKET, embedded_stack, wait_until

pytestmark = pytest.mark.interop

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


@pytest.fixture(scope="module")
def posted(pinflow, tmp_path_factory):
    """The lake, and by key what was posted, and the time and the point that a reader must see."""
    geo = {}
    for place, (text, time) in enumerate(TIMES.items()):
        geo[70_000 + place] = ({"timestamp": text, "country": "x"}, time, None)
    for place, point in enumerate(FLOATS):
        geo[71_000 + place] = ({"latitude": point[0], "longitude": point[1]}, None, list(point))
    for key in KEYS:
        geo[key] = ({"country": "x"}, None, None)
    rows = [{"ind": ind} | fields for ind, (fields, _, _) in geo.items()]
    folder = tmp_path_factory.mktemp("extremes")
    with embedded_stack(pinflow, folder) as url:
        requests.post(f"{url}/events/geo", json=rows, timeout=30).raise_for_status()
        yield folder / BUCKET, geo


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


@pytest.mark.parametrize("read", [with_pyarrow, with_duckdb, with_polars])
def test_each_extreme_is_read(report, posted, read):
    lake, geo = posted
    wait_until(30, lambda: geo.keys() <= read(clean_objects(lake, "geo")).keys())
    found = read(clean_objects(lake, "geo"))
    expected = {ind: (time, point) for ind, (_, time, point) in geo.items()}
    report.equal("each value", {ind: found.get(ind, ("missing",))[:2] for ind in geo}, expected)
    unread = {ind: json.loads(found[ind][2] or "{}").get("timestamp") for ind in geo if ind in found}
    lost = {ind: fields["timestamp"] for ind, (fields, time, _) in geo.items() if "timestamp" in fields and not time}
    report.equal("what no column can hold", {key: value for key, value in unread.items() if value}, lost)
