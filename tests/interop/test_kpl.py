"""Puts aggregated records on the stream, made by AWS's own Python library, and looks for their user records in the lake."""

import base64
import json
import time

import duckdb
import pytest

from support.kpl import aggregate, put
from support.lake import clean_objects, quarantine_objects
from support.stack import BUCKET, aws_session, embedded_stack

pytestmark = pytest.mark.interop

IND = 910_000
# Each as (partition key, explicit hash key, payload). The key `any` leaves the kind to the row's fields.
MIXED = [
    ("pin/910000", None, {"index": IND, "title": "Кошки \N{CAT FACE}", "follower_count": "5.6M", "category": "art"}),
    ("geo/910000", "0", {"ind": IND, "timestamp": "2020-08-28 03:52:47", "latitude": -1.5, "longitude": 2.25,
                         "country": "Cote d'Ivoire"}),
    ("any", "170141183460469231731687303715884105728", {"ind": IND, "first_name": "Zoë", "last_name": "Ali", "age": 20}),
    ("any", None, {"ind": IND}),
    ("pin/910000", None, {"index": IND, "title": "No Title Data Available", "category": "art"}),
]  # fmt: skip
# What the user records of `MIXED` come to: of a row its kind and values as text, of a rejected one its code.
MIXED_EXPECTED = [
    ("pin", IND, "Кошки \N{CAT FACE}", "5600000"),
    ("geo", IND, "Cote d'Ivoire", "[-1.5, 2.25]"),
    ("user", IND, "Zoë Ali", "20"),
    ("rejected", "unknown_kind", "any", json.dumps({"ind": IND})),
    ("pin", IND, None, None),
]
# Rows of an aggregate of half a megabyte.
MANY = 8_000

ROWS = {
    "pin": "ind, title, follower_count::VARCHAR",
    "geo": "ind, country, coordinates::VARCHAR",
    "user": "ind, user_name, age::VARCHAR",
}


def test_every_user_record_is_in_the_lake(report, pinflow, tmp_path):
    """Of three aggregates, the last of them damaged, and of a plain record between them."""
    with embedded_stack(pinflow, tmp_path) as url:
        check(report, aws_session(url).client("kinesis", endpoint_url=url), tmp_path / BUCKET)


def check(report, kinesis, lake):
    many = [(f"user/{ind}", None, {"ind": ind, "first_name": f"A{ind}", "age": ind % 100}) for ind in range(MANY)]
    plain = {"ind": IND + 1, "first_name": "Ada", "age": 36}
    damaged = aggregate(many[:1])[:-1]

    expected = expected_of(put(kinesis, aggregate(MIXED)), MIXED_EXPECTED)
    rows = [("user", row["ind"], row["first_name"], str(row["age"])) for _, _, row in many]
    expected |= expected_of(put(kinesis, aggregate(many)), rows)
    expected[put(kinesis, json.dumps(plain).encode())] = ("user", IND + 1, "Ada", "36")
    whole = put(kinesis, damaged)
    expected[whole] = ("rejected", "damaged_aggregate", "interop")

    found, deadline = {}, time.monotonic() + 30
    while not expected.keys() <= found.keys() and time.monotonic() < deadline:
        time.sleep(0.2)
        found = arrived(lake)
    mine = {shard_and_number(position) for position in expected}
    got = {position: values for position, values in found.items() if shard_and_number(position) in mine}
    # Of the damaged one, which is no text, the message and the payload are checked by themselves.
    *_, message, payload = got.get(whole, (None, None))
    got = {position: values[:3] if position == whole else values[:4] for position, values in got.items()}
    report.equal("positions that are missing or too many", sorted(got.keys() ^ expected.keys()), [])
    wrong = {position: values for position, values in got.items() if values != expected.get(position)}
    report.equal(f"values of {len(expected)} user records", wrong, {})
    report.equal("a damaged aggregate is kept whole", payload, damaged)
    report.check("a damaged aggregate is called so", "damaged KPL aggregate" in str(message), message)


def expected_of(position, rows):
    shard, number = position
    return {(shard, f"{number}:{sub_number}"): row for sub_number, row in enumerate(rows)}


def shard_and_number(position):
    shard, sequence = position
    return shard, sequence.split(":")[0]


def arrived(lake):
    """Returns what is in the lake by (`_shard`, `_sequence`)."""
    found = {}
    with duckdb.connect() as db:
        for kind, columns in ROWS.items():
            if paths := clean_objects(lake, kind):
                query = f"SELECT _shard, _sequence, {columns} FROM read_parquet(?)"
                for shard, sequence, *values in db.execute(query, [paths]).fetchall():
                    found[shard, sequence] = (kind, *values)
        if paths := quarantine_objects(lake):
            query = (
                "SELECT shard, sequence_number, code, partition_key, message, payload_base64 "
                "FROM read_json(?, format = 'newline_delimited', hive_partitioning = false, "
                "columns = {shard: 'VARCHAR', sequence_number: 'VARCHAR', code: 'VARCHAR', partition_key: 'VARCHAR', "
                "message: 'VARCHAR', payload_base64: 'VARCHAR'})"
            )
            for shard, sequence, code, key, message, payload in db.execute(query, [paths]).fetchall():
                data = base64.b64decode(payload)
                text = data.decode(errors="replace")
                found[shard, sequence] = ("rejected", code, key, text, message, data)
    return found
