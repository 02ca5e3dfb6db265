"""What is in a lake, read with DuckDB."""

import duckdb
import polars

from support.stack import KINDS

# The type of a column as DuckDB names it, and as Polars does.
TEXT = ("VARCHAR", polars.String)
INT64 = ("BIGINT", polars.Int64)
INT32 = ("INTEGER", polars.Int32)
TIMESTAMP = ("TIMESTAMP WITH TIME ZONE", polars.Datetime("us", "UTC"))
COORDINATES = ("DOUBLE[]", polars.List(polars.Float64))

COLUMNS = {
    "pin": {
        "ind": INT64,
        "unique_id": TEXT,
        "title": TEXT,
        "description": TEXT,
        "follower_count": INT64,
        "poster_name": TEXT,
        "tag_list": TEXT,
        "is_image_or_video": TEXT,
        "image_src": TEXT,
        "save_location": TEXT,
        "category": TEXT,
    },
    "geo": {"ind": INT64, "country": TEXT, "coordinates": COORDINATES, "timestamp": TIMESTAMP},
    "user": {"ind": INT64, "user_name": TEXT, "age": INT32, "date_joined": TIMESTAMP},
}
LINEAGE = {
    "_shard": TEXT,
    "_sequence": TEXT,
    "_arrival": TIMESTAMP,
    "_rules": INT32,
    "_extra": TEXT,
    "_unread": TEXT,
}


def connect():
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    return db


def clean_objects(lake, kind):
    return sorted(map(str, lake.glob(f"clean/{kind}/date=*/hour=*/*.parquet")))


def quarantine_objects(lake):
    return sorted(map(str, lake.glob("quarantine/date=*/*.ndjson.gz")))


def count(db, query, parameters=()):
    return db.execute(f"SELECT count(*) FROM ({query})", parameters).fetchone()[0]


def positions(lake):
    """Returns where each row and each rejected record stood on the stream, as (shard, sequence)."""
    found = quarantined_positions(lake)
    return found.union(*(clean_positions(lake, kind) for kind in KINDS))


def clean_positions(lake, kind):
    paths = clean_objects(lake, kind)
    with connect() as db:
        return set(db.execute("SELECT _shard, _sequence FROM read_parquet(?)", [paths]).fetchall()) if paths else set()


def quarantined_positions(lake):
    query = (
        "SELECT shard, sequence_number FROM read_json(?, format = 'newline_delimited', hive_partitioning = false, "
        "columns = {shard: 'VARCHAR', sequence_number: 'VARCHAR'})"
    )
    paths = quarantine_objects(lake)
    with connect() as db:
        return set(db.execute(query, [paths]).fetchall()) if paths else set()


def differences(db, expected, got):
    """Returns, as text, the rows that are in one of two multisets only."""
    found = db.execute(
        f"SELECT row::VARCHAR || ' is expected' FROM (({expected}) EXCEPT ALL ({got})) AS row "
        f"UNION ALL SELECT row::VARCHAR || ' is there' FROM (({got}) EXCEPT ALL ({expected})) AS row ORDER BY 1"
    )
    return [text for (text,) in found.fetchall()]
