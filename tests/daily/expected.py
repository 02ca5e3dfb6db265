"""Computes the curated tables and the reports a second time: from the records on the stream, in DuckDB.

Nothing of the lake goes in but the version of the rules. What a posted row becomes is the SQL of `support/rules`.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from support.kpl import user_records
from support.lake import COLUMNS, connect
from support.rules import cleaning, prelude
from support.stack import KINDS, STREAM, aws_session

HERE = Path(__file__).parent

# In this order, because one is made of another's rows.
REPORTS = (
    "top_category_by_country",
    "category_count_by_year",
    "top_category_by_year",
    "top_user_by_country",
    "country_of_top_user",
    "top_category_by_age_group",
    "median_followers_by_age_group",
    "users_joined_by_year",
    "median_followers_by_join_year",
    "median_followers_by_join_year_and_age_group",
)


@dataclass(frozen=True)
class Record:
    """A record as it is on the stream, or as it was in an aggregate."""

    shard: str
    sequence: str
    arrival_us: int
    key: str
    data: bytes


def stream_records(url):
    """Returns every record on the stream, with the aggregates taken apart."""
    kinesis = aws_session(url).client("kinesis", endpoint_url=url)
    records = []
    for shard in kinesis.list_shards(StreamName=STREAM)["Shards"]:
        start = {"ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = kinesis.get_shard_iterator(StreamName=STREAM, **start)["ShardIterator"]
        while iterator:
            answer = kinesis.get_records(ShardIterator=iterator)
            for found in answer["Records"]:
                # Kinesis reports milliseconds, which a float of seconds holds within less than half of one.
                arrival_us = round(found["ApproximateArrivalTimestamp"].timestamp() * 1000) * 1000
                sequence, key, data = found["SequenceNumber"], found["PartitionKey"], found["Data"]
                records += taken_apart(Record(shard["ShardId"], sequence, arrival_us, key, data))
            # An open shard has always a next iterator.
            iterator = answer.get("NextShardIterator") if answer["MillisBehindLatest"] else None
    return records


def taken_apart(record):
    """Returns the records in an aggregate, or the record itself when it is none."""
    packed = user_records(record.data)
    if packed is None:
        return [record]
    return [Record(record.shard, f"{record.sequence}:{number}", record.arrival_us, key, data) for number, (key, data) in enumerate(packed)]


# The fields of each kind beside its key, and those that decide where a row has as many of two kinds.
FIELDS = {
    "pin": {
        "unique_id",
        "title",
        "description",
        "poster_name",
        "follower_count",
        "tag_list",
        "is_image_or_video",
        "image_src",
        "downloaded",
        "save_location",
        "category",
    },
    "geo": {"timestamp", "latitude", "longitude", "country"},
    "user": {"first_name", "last_name", "age", "date_joined"},
}
TELLING = {"pin": {"unique_id", "category"}, "geo": {"latitude"}, "user": {"first_name"}}


def kind_of(record, row):
    """Returns the kind that a record is taken as, or `None` when it is rejected for it."""
    counts = {kind: len(fields & row.keys()) for kind, fields in FIELDS.items()}
    most = [kind for kind in KINDS if counts[kind] == max(counts.values())]
    declared, _, place = record.key.partition("/")
    if declared in KINDS and place == key_of(declared, row):
        return declared if declared in most else None
    if len(most) > 1:
        most = [kind for kind in most if TELLING[kind] & row.keys()]
    return most[0] if len(most) == 1 and any(counts.values()) else None


def key_of(kind, row):
    """Returns what ingest-api puts behind the slash of a row's key; rows without a readable one are not made here."""
    names = ("index", "ind") if kind == "pin" else ("ind", "index")
    values = [str(row[name]).strip() for name in names if name in row]
    return next((value for value in values if value.lstrip("-").isdecimal()), None)


def compute(records, rules_version):
    """Returns a database with `curated_<kind>`, and a table of each report by its name."""
    db = connect()
    load(db, records)
    db.execute(prelude())
    for kind in KINDS:
        curate(db, kind, rules_version[kind])
    db.execute((HERE / "expected.sql").read_text(encoding="utf-8"))
    for name in REPORTS:
        # Choice: text is sorted by its bytes, so `+50` comes before `18-24`.
        query = (HERE / "reports" / f"{name}.sql").read_text(encoding="utf-8")
        db.execute(f"CREATE TABLE {name} AS FROM ({query}) ORDER BY ALL")
    return db


def load(db, records):
    """Makes `raw`, which the SQL of the cleaning reads: a row of it is a kind and a row as it was posted."""
    rows = []
    for record in records:
        try:
            text = record.data.decode()
            row = json.loads(text)
        except ValueError:
            continue
        if isinstance(row, dict) and (kind := kind_of(record, row)):
            rows.append((kind, text, record.shard, record.sequence, record.arrival_us))
    columns = list(zip(*rows, strict=True)) or [()] * 5
    db.execute(
        "CREATE TABLE records AS SELECT unnest(?::VARCHAR[]) AS kind, unnest(?::VARCHAR[]) AS payload, "
        "unnest(?::VARCHAR[]) AS _shard, unnest(?::VARCHAR[]) AS _sequence, "
        "make_timestamptz(unnest(?::BIGINT[])) AS _arrival",
        [list(values) for values in columns],
    )
    db.execute("CREATE TABLE raw AS SELECT DISTINCT kind, payload::JSON AS data FROM records")


def curate(db, kind, rules_version):
    """Makes `accepted_<kind>`, every clean row, and `curated_<kind>`, the latest of each `ind`.

    Choice: the columns are those of the clean rows, lineage included, in that order.
    """
    columns = ", ".join(COLUMNS[kind])
    db.execute(
        f"CREATE TABLE accepted_{kind} AS "
        f"SELECT {columns}, _shard, _sequence, _arrival, ?::INTEGER AS _rules, json(_extra)::VARCHAR AS _extra, "
        "json(_unread)::VARCHAR AS _unread "
        f"FROM ({cleaning(kind)}) AS cleaned INNER JOIN records USING (payload) WHERE code IS NULL AND kind = ?",
        [rules_version, kind],
    )
    # 56 digits fit into no integer of fixed width, and as text 9 comes after 10.
    # Choice: numbers are compared across shards, too; Kinesis gives none twice.
    db.execute(
        f"CREATE TABLE curated_{kind} AS FROM accepted_{kind} QUALIFY 1 = row_number() OVER (PARTITION BY ind ORDER BY "
        "_arrival DESC, split_part(_sequence, ':', 1)::BIGNUM DESC, "
        "coalesce(nullif(split_part(_sequence, ':', 2), '')::BIGINT, -1) DESC)"
    )


def rows_of(db, report):
    return db.execute(f"FROM {report}").fetchall()


def columns_of(db, table):
    """Returns (name, type) of each column, as DuckDB names the types."""
    return [row[:2] for row in db.execute(f"DESCRIBE {table}").fetchall()]
