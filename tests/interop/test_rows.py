"""Holds pinflow against readers and clients that share no code with it.

The lake is read with DuckDB and with Polars, its rows are compared with the rules written again in SQL, and old Python
clients and AWS's aggregation library post to the embedded stack. Prints a line per check; the exit code is 1 when one
failed.
"""

import argparse
import base64
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import botocore.exceptions
import duckdb
import polars
import requests

import extremes
import garbled
import kpl
from harness import BUCKET, KINDS, STREAM, Report, aws_session, embedded_stack, pinflow_binary, run_pinflow, wait_until

HERE = Path(__file__).parent

GENERATED_POSTS = 500
# Long enough that some hundred of the posts repeat an earlier one.
REAL_POSTS = 2239

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

def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder of real rows; what needs them is skipped without it")
    data = parser.parse_args().data
    report = Report()
    with report.group("the binary"):
        binary = pinflow_binary()
        with report.group("generated rows"):
            check_lake(report, "generated rows", binary, generated_rows(binary), "--posts", GENERATED_POSTS)
        if data and data.is_dir():
            with report.group("real rows"):
                check_lake(report, "real rows", binary, real_rows(data), "--posts", REAL_POSTS, "--data", data)
        else:
            report.skip("real rows", "there is no data folder" if data is None else f"`{data}` is not a folder")
        with report.group("embedded stack"), tempfile.TemporaryDirectory() as folder:
            with embedded_stack(binary, folder) as url:
                check_clients(report, url, Path(folder, BUCKET))
                check_boto3(report, url)
                with report.group("extremes"):
                    extremes.check(report, url, Path(folder, BUCKET))
                with report.group("spoiled answers"):
                    garbled.check(report, binary, url, Path(folder, BUCKET))
                # Last, because the others read the whole stream as JSON.
                with report.group("KPL"):
                    kpl.check(report, url, Path(folder, BUCKET))
    print(f"{report.passed} passed, {report.failed} failed, {report.skipped} skipped")
    return 1 if report.failed else 0


def generated_rows(binary):
    """Returns what the demo posts of generated rows, as (kind, JSON): each post is a pin, a geo and a user row."""
    lines = run_pinflow(binary, "generate", "--posts", GENERATED_POSTS).removesuffix("\n").split("\n")
    if len(lines) != GENERATED_POSTS * len(KINDS):
        raise ValueError(f"`pinflow generate` printed {len(lines)} lines for {GENERATED_POSTS} posts")
    return [(KINDS[number % len(KINDS)], line) for number, line in enumerate(lines)]


def real_rows(data):
    """Returns what the demo posts of a data folder, as (kind, JSON)."""
    rows = {}
    for kind in KINDS:
        # Not `splitlines`, which also splits at separators that JSON text may hold.
        for line in (data / f"{kind}.ndjson").read_text(encoding="utf-8").split("\n"):
            if line.strip():
                offset = json.loads(line)["index" if kind == "pin" else "ind"]
                rows.setdefault(offset, []).append((kind, line))
    # The sequence also has offsets without a row in the folder, and such a one is no post.
    posts = [offset for offset in json.loads((data / "row_sequence.json").read_text()) if offset in rows]
    return [row for offset in posts[:REAL_POSTS] for row in rows[offset]]


def check_lake(report, label, binary, rows, *arguments):
    """Fills a lake with the demo, and compares it with the rows that were posted."""
    with tempfile.TemporaryDirectory() as folder:
        run_pinflow(binary, "demo", "--out", folder, "--port", 0, *arguments)
        lake = Path(folder, BUCKET)
        for kind in KINDS:
            with report.group(f"{label}: {kind}: objects"):
                check_objects(report, f"{label}: {kind}", kind, lake)
        with report.group(f"{label}: rows"), connect() as db:
            load(db, rows, lake)
            check_quarantine(report, label, db)
            for kind in KINDS:
                check_rows(report, f"{label}: {kind}", kind, db, lake)


def clean_objects(lake, kind):
    return sorted(map(str, lake.glob(f"clean/{kind}/date=*/hour=*/*.parquet")))


def connect():
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    return db


def count(db, query, parameters=()):
    return db.execute(f"SELECT count(*) FROM ({query})", parameters).fetchone()[0]


def duckdb_reads_the_columns(db, kind, path):
    # The folders `date=` and `hour=` would be read as two more columns.
    rows = db.execute("DESCRIBE FROM read_parquet(?, hive_partitioning = false)", [path]).fetchall()
    return [row[:2] for row in rows] == [(name, duck) for name, (duck, _) in (COLUMNS[kind] | LINEAGE).items()]


def polars_reads_the_columns(db, kind, path):
    schema = polars.read_parquet_schema(path)
    return list(schema.items()) == [(name, polar) for name, (_, polar) in (COLUMNS[kind] | LINEAGE).items()]


def both_count_the_same_rows(db, kind, path):
    return count(db, "FROM read_parquet(?)", [path]) == polars.read_parquet(path).height > 0


def both_read_the_same_keys(db, kind, path):
    rows = db.execute("SELECT ind, _shard, _sequence FROM read_parquet(?)", [path]).fetchall()
    return rows == polars.read_parquet(path, columns=["ind", "_shard", "_sequence"]).rows()


def timestamps_are_int64_microseconds_in_utc(db, kind, path):
    # Readers give INT96 and milliseconds the same type, so what is stored is asked for.
    names = [name for name, type_ in (COLUMNS[kind] | LINEAGE).items() if type_ == TIMESTAMP]
    stored = (
        "SELECT name FROM parquet_schema(?) WHERE list_contains(?, name) AND type = 'INT64' "
        "AND logical_type LIKE '%isAdjustedToUTC=1%' AND logical_type LIKE '%MICROS=%'"
    )
    return count(db, stored, [path, names]) == len(names)


def rows_stand_in_the_hour_of_their_arrival(db, kind, path):
    elsewhere = (
        "FROM read_parquet(?, hive_partitioning = true, hive_types_autocast = false) "
        "WHERE strftime(_arrival, '%Y-%m-%d %H') != date || ' ' || hour"
    )
    return count(db, elsewhere, [path]) == 0


def coordinates_have_two_parts(db, kind, path):
    return count(db, "FROM read_parquet(?) WHERE len(coordinates) != 2", [path]) == 0


OBJECT_CHECKS = [
    duckdb_reads_the_columns,
    polars_reads_the_columns,
    both_count_the_same_rows,
    both_read_the_same_keys,
    timestamps_are_int64_microseconds_in_utc,
    rows_stand_in_the_hour_of_their_arrival,
]


def check_objects(report, label, kind, lake):
    """Checks each object by itself, because a reader may take the schema of a folder from any one of them."""
    paths = clean_objects(lake, kind)
    report.check(f"{label}: there are clean objects", paths, f"nothing below `{lake}`")
    with connect() as db:
        for check in OBJECT_CHECKS + ([coordinates_have_two_parts] if kind == "geo" else []):
            wrong = [Path(path).name for path in paths if not check(db, kind, path)]
            name = check.__name__.replace("_", " ")
            report.check(f"{label}: {name}", not wrong, f"not so in {len(wrong)} of {len(paths)} objects: {wrong[:3]}")


def load(db, rows, lake):
    """Makes the tables to compare: `raw`, `quarantine`, and of each kind `expected_<kind>` and `clean_<kind>`."""
    db.execute(
        "CREATE TABLE raw AS SELECT unnest($kinds::VARCHAR[]) AS kind, unnest($rows::VARCHAR[])::JSON AS data",
        {"kinds": [kind for kind, _ in rows], "rows": [row for _, row in rows]},
    )
    db.execute((HERE / "rules.sql").read_text(encoding="utf-8"))
    for kind in KINDS:
        db.execute(f"CREATE TABLE expected_{kind} AS {(HERE / f'{kind}.sql').read_text(encoding='utf-8')}")
        # Delivery is at least once.
        db.execute(
            f"CREATE TABLE clean_{kind} AS SELECT DISTINCT ON (_shard, _sequence) * FROM read_parquet(?)",
            [clean_objects(lake, kind)],
        )
    db.execute(
        "CREATE TABLE quarantine (kind VARCHAR, code VARCHAR, message VARCHAR, rule_version INTEGER, shard VARCHAR, "
        "sequence_number VARCHAR, partition_key VARCHAR, arrival TIMESTAMPTZ, payload_base64 VARCHAR)"
    )
    if paths := sorted(map(str, lake.glob("quarantine/date=*/*.ndjson.gz"))):
        db.execute(
            "INSERT INTO quarantine BY NAME SELECT DISTINCT ON (shard, sequence_number) * "
            "FROM read_json(?, format = 'newline_delimited', hive_partitioning = false)",
            [paths],
        )
    db.execute("ALTER TABLE quarantine ADD COLUMN payload VARCHAR")
    db.execute("UPDATE quarantine SET payload = decode(from_base64(payload_base64))")
    db.execute(
        "CREATE TABLE posted AS "
        + " UNION ALL ".join(f"SELECT '{kind}' AS kind, code, payload FROM expected_{kind}" for kind in KINDS)
    )


def check_quarantine(report, label, db):
    """Checks that the rejected rows are those that the SQL rejects, each with its code and its whole payload."""
    unfilled = count(db, "FROM quarantine WHERE COLUMNS(* EXCLUDE (kind)) IS NULL")
    report.equal(f"{label}: quarantine: {unfilled} records with an empty field", unfilled, 0)
    # That a row was posted as another kind cannot be seen in the row, but the record tells what it was posted as.
    wrong_kind = count(
        db,
        "FROM quarantine WHERE code = 'wrong_kind' "
        "AND NOT EXISTS (FROM posted WHERE posted.payload = quarantine.payload AND posted.kind != quarantine.kind)",
    )
    report.equal(f"{label}: quarantine: {wrong_kind} rows have the code wrong_kind without reason", wrong_kind, 0)
    differing = differences(
        db,
        "SELECT code, payload FROM posted WHERE code IS NOT NULL",
        "SELECT code, payload FROM quarantine WHERE code != 'wrong_kind'",
    )
    name = f"{label}: quarantine: {len(differing)} of {count(db, 'FROM quarantine')} rows differ"
    report.check(name, not differing, differing[:4])


def check_rows(report, label, kind, db, lake):
    """Compares a clean table with the SQL's, column by column and then whole rows, as multisets."""
    # A row that was posted as another kind is in quarantine instead, once for each time.
    db.execute(
        f"CREATE TABLE accepted_{kind} AS FROM "
        f"(SELECT *, row_number() OVER (PARTITION BY payload) AS copy FROM expected_{kind} WHERE code IS NULL) AS row "
        "WHERE copy > (SELECT count(*) FROM quarantine WHERE code = 'wrong_kind' AND payload = row.payload)"
    )
    again = "SELECT _shard, _sequence FROM (SELECT DISTINCT * FROM read_parquet(?)) GROUP BY ALL HAVING count(*) > 1"
    report.equal(f"{label}: records with copies that differ", count(db, again, [clean_objects(lake, kind)]), 0)
    accepted = count(db, f"FROM accepted_{kind}")
    report.equal(f"{label}: {accepted} rows are accepted", count(db, f"FROM clean_{kind}"), accepted)
    # White space between the tokens of JSON means nothing, and `json` takes it out.
    columns = [name for name in COLUMNS[kind] if name != "ind"]
    columns += ["json(_extra) AS _extra", "json(_unread) AS _unread"]
    for selected in [*columns, ", ".join(columns)]:
        what = "all columns together" if selected not in columns else selected.split()[-1]
        expected, got = (f"SELECT ind, {selected} FROM {table}_{kind}" for table in ("accepted", "clean"))
        differing = differences(db, expected, got)
        report.check(f"{label}: {what}: {len(differing)} rows differ", not differing, differing[:4])


def differences(db, expected, got):
    """Returns, as text, the rows that are in one of two multisets only."""
    found = db.execute(
        f"SELECT row::VARCHAR || ' is expected' FROM (({expected}) EXCEPT ALL ({got})) AS row "
        f"UNION ALL SELECT row::VARCHAR || ' is there' FROM (({got}) EXCEPT ALL ({expected})) AS row ORDER BY 1"
    )
    return [text for (text,) in found.fetchall()]


def turn_of_the_old_script(ind):
    """Returns the rows of a post as the old script has them from its database, with datetimes of Python."""
    return {
        "pin": {
            "index": ind,
            "unique_id": "59a1a5e4-6a5c-4d3c-9b8f-7f0f3f6c2b11",
            "title": "Ten Ways to Knit a Hat \N{SPOOL OF THREAD}",
            "description": "Уют\nat home\N{HORIZONTAL ELLIPSIS}\N{NO-BREAK SPACE}",
            "poster_name": "Knit & \"Purl\"",
            "follower_count": "5.6M",
            "tag_list": "hats,wool",
            "is_image_or_video": "image",
            "image_src": "https://pictures.example/hat.jpg",
            "downloaded": 1,
            "save_location": "Local save in /data/diy-and-crafts",
            "category": "diy-and-crafts",
        },
        "geo": {
            "ind": ind,
            "timestamp": datetime(2020, 8, 28, 3, 52, 47),
            "latitude": -89.9787,
            "longitude": -173.293,
            "country": "Cote d'Ivoire",
        },
        "user": {
            "ind": ind,
            "first_name": "Zoë",
            "last_name": "Ali",
            "age": 20,
            "date_joined": datetime(2015, 10, 24, 11, 23, 51),
        },
    }


def cleaned(kind, row):
    """Returns what such a row becomes, each value as DuckDB writes it."""
    changed = {
        "pin": {"follower_count": "5600000", "save_location": "/data/diy-and-crafts"},
        "geo": {"coordinates": "[-89.9787, -173.293]", "timestamp": "2020-08-28 03:52:47+00"},
        "user": {"user_name": "Zoë Ali", "age": "20", "date_joined": "2015-10-24 11:23:51+00"},
    }
    return {name: changed[kind].get(name, row.get(name)) for name in COLUMNS[kind] if name != "ind"}


def dumps(value):
    return json.dumps(value, default=str)


def is_position(answer):
    return answer["ShardId"].startswith("shardId-") and answer["SequenceNumber"].isdigit()


def is_records_answer(answer):
    [record] = answer["Records"]
    return answer["FailedRecordCount"] == 0 and is_position(record)


def is_kafka_answer(answer):
    [record] = answer["offsets"]
    return (
        isinstance(record["partition"], int)
        and 0 <= record["offset"] < 2**63
        and record["error_code"] is record["error"] is answer["key_schema_id"] is answer["value_schema_id"] is None
    )


@dataclass
class Client:
    """A way to post that old clients have."""

    name: str
    # By which its rows are found in the lake.
    ind: int
    method: str
    path: str
    media_type: str
    # Makes the body from the row and its kind.
    body: Callable
    # Tells whether the answer's body is right.
    is_right: Callable

    def post(self, url, kind):
        row = turn_of_the_old_script(self.ind)[kind]
        return requests.request(
            self.method,
            url + self.path.format(kind=kind),
            headers={"Content-Type": self.media_type},
            data=dumps(self.body(row, kind)),
            timeout=30,
        )


PARTITION_KEYS = {"pin": "pinterest_data", "geo": "geolocation_data", "user": "user_data"}


def record_with(data):
    """Returns the body of a record on a stream whose name tells no kind, so that the partition key must."""
    return lambda row, kind: {
        "StreamName": "Kinesis-Prod-Stream",
        "Data": data(row),
        "PartitionKey": PARTITION_KEYS[kind],
    }


KAFKA = "application/vnd.kafka.json.v2+json"
PLAIN = "application/json"
RECORD = "/streams/Kinesis-Prod-Stream/record"
RECORDS = "/streams/streaming-abc-{kind}/records"
CLIENTS = [
    Client("Kafka REST", 900_001, "POST", "/topics/abc.{kind}", KAFKA,
           lambda row, kind: {"records": [{"value": row}]}, is_kafka_answer),
    Client("record with an object", 900_002, "PUT", RECORD, PLAIN, record_with(lambda row: row), is_position),
    Client("record with JSON text", 900_003, "PUT", RECORD, PLAIN, record_with(dumps), is_position),
    Client("record with base64", 900_004, "PUT", RECORD, PLAIN,
           record_with(lambda row: base64.b64encode(dumps(row).encode()).decode()), is_position),
    Client("record on the stream of a kind", 900_005, "PUT", "/streams/streaming-abc-{kind}/record", PLAIN,
           lambda row, kind: {"StreamName": f"streaming-abc-{kind}", "Data": row, "PartitionKey": "partition-1"},
           is_position),
    Client("records in the proxy's spelling", 900_006, "PUT", RECORDS, PLAIN,
           lambda row, kind: {"records": [{"data": row, "partition-key": "x"}]}, is_records_answer),
    Client("records in the API's spelling", 900_007, "PUT", RECORDS, PLAIN,
           lambda row, kind: {"Records": [{"Data": row, "PartitionKey": "x"}]}, is_records_answer),
]  # fmt: skip


def check_clients(report, url, lake):
    """Sends a post in each way, and then looks for its rows in the lake."""
    for client in CLIENTS:
        for kind in KINDS:
            with report.group(f"{client.name}: {kind}: posts"):
                answer = client.post(url, kind)
                ok = answer.status_code == 200 and client.is_right(answer.json())
                report.check(f"{client.name}: {kind}: posts", ok, f"{answer.status_code} {answer.text}")
    with report.group("Kafka REST: answers"):
        answers = [CLIENTS[0].post(url, "geo") for _ in range(2)]
        types = {answer.headers["Content-Type"] for answer in answers}
        report.equal("Kafka REST: media type of the answers", types, {"application/vnd.kafka.v2+json"})
        # Equal rows have the same key, and so the same shard.
        first, second = (answer.json()["offsets"][0] for answer in answers)
        grows = first["partition"] == second["partition"] and first["offset"] < second["offset"]
        report.check("Kafka REST: offsets grow within a partition", grows, f"{first}, then {second}")
    with report.group("GET /streams"):
        answer = requests.get(f"{url}/streams", timeout=30).json()
        ok = answer["HasMoreStreams"] is False and isinstance(answer["StreamNames"], list)
        report.check("GET /streams", ok, answer)
    with report.group("rows in the lake"):
        inds = {client.ind for client in CLIENTS}
        wait_until(30, lambda: all(inds <= arrived(lake, kind).keys() for kind in KINDS))
        for kind in KINDS:
            rows = arrived(lake, kind)
            for client in CLIENTS:
                expected = cleaned(kind, turn_of_the_old_script(client.ind)[kind])
                report.equal(f"{client.name}: {kind}: is in the lake", rows.get(client.ind), expected)


def arrived(lake, kind):
    """Returns the rows of the lake by `ind`, each value as text."""
    paths = clean_objects(lake, kind)
    if not paths:
        return {}
    names = [name for name in COLUMNS[kind] if name != "ind"]
    values = ", ".join(f"{name}::VARCHAR" for name in names)
    with connect() as db:
        rows = db.execute(f"SELECT ind, {values} FROM read_parquet(?)", [paths]).fetchall()
    return {ind: dict(zip(names, rest)) for ind, *rest in rows}


def check_boto3(report, url):
    """Talks with AWS's own Python client to the stand-ins of Kinesis and S3."""
    session = aws_session(url)
    with report.group("boto3: Kinesis"):
        kinesis = session.client("kinesis", endpoint_url=url)
        streams = kinesis.list_streams()["StreamNames"]
        report.check("boto3: list_streams", STREAM in streams, streams)
        summary = kinesis.describe_stream_summary(StreamName=STREAM)["StreamDescriptionSummary"]
        report.equal("boto3: describe_stream_summary", summary["StreamStatus"], "ACTIVE")
        shards = [shard["ShardId"] for shard in kinesis.list_shards(StreamName=STREAM)["Shards"]]
        report.equal("boto3: list_shards", len(shards), summary["OpenShardCount"])
        rows = [json.loads(data) for shard in shards for data in read_shard(kinesis, shard)]
        missing = {client.ind for client in CLIENTS} - {row.get("ind", row.get("index")) for row in rows}
        report.check("boto3: get_records has what was posted", not missing, f"nothing of {sorted(missing)}")
    with report.group("boto3: S3"):
        s3 = session.client("s3", endpoint_url=url)
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET, Prefix="clean/geo/").get("Contents", [])]
        report.check("boto3: list_objects_v2", keys and all(key.endswith(".parquet") for key in keys), keys)
        body = s3.get_object(Bucket=BUCKET, Key=keys[0])["Body"].read()
        report.check("boto3: get_object", body[:4] == body[-4:] == b"PAR1", f"{len(body)} bytes that are not Parquet")
        once = {"Bucket": BUCKET, "Key": "interop/once.txt"}
        s3.put_object(**once, Body=b"first", IfNoneMatch="*")
        try:
            status = s3.put_object(**once, Body=b"second", IfNoneMatch="*")["ResponseMetadata"]["HTTPStatusCode"]
        except botocore.exceptions.ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        report.equal("boto3: put_object refuses a key that is there", status, 412)
        report.equal("boto3: put_object left what was there", s3.get_object(**once)["Body"].read(), b"first")


def read_shard(kinesis, shard):
    """Yields the payloads of a shard, from its beginning to its tip."""
    start = kinesis.get_shard_iterator(StreamName=STREAM, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    iterator = start["ShardIterator"]
    while iterator:
        answer = kinesis.get_records(ShardIterator=iterator)
        yield from (record["Data"] for record in answer["Records"])
        # An open shard has always a next iterator.
        iterator = answer.get("NextShardIterator") if answer["MillisBehindLatest"] else None


if __name__ == "__main__":
    sys.exit(main())
