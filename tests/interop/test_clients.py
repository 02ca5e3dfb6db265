"""Old Python clients and AWS's own one, against the embedded stack."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import botocore.exceptions
import pytest
import requests

from support.lake import COLUMNS, clean_objects, connect
from support.stack import BUCKET, KINDS, STREAM, aws_session, embedded_stack, wait_until

pytestmark = pytest.mark.interop


def post_of_the_old_script(ind):
    """Returns the rows of a post as the old script has them from its database, with datetimes of Python."""
    return {
        "pin": {
            "index": ind,
            "unique_id": "59a1a5e4-6a5c-4d3c-9b8f-7f0f3f6c2b11",
            "title": "Ten Ways to Knit a Hat \N{SPOOL OF THREAD}",
            "description": "Уют\nat home\N{HORIZONTAL ELLIPSIS}\N{NO-BREAK SPACE}",
            "poster_name": 'Knit & "Purl"',
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
        row = post_of_the_old_script(self.ind)[kind]
        return requests.request(
            self.method,
            url + self.path.format(kind=kind),
            headers={"Content-Type": self.media_type},
            data=dumps(self.body(row, kind)),
            timeout=30,
        )


PARTITION_KEYS = {"pin": "pinterest_data", "geo": "geolocation_data", "user": "user_data"}


def record_with(data):
    """Returns the body of a record on a stream whose name declares no kind, so that the partition key has to."""
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


@pytest.fixture(scope="module")
def stack(pinflow, tmp_path_factory):
    """The URL of a stack, and its lake."""
    folder = tmp_path_factory.mktemp("clients")
    with embedded_stack(pinflow, folder) as url:
        yield url, folder / BUCKET


@pytest.fixture(scope="module")
def answers(stack):
    """A post in each way: the answers by (client, kind)."""
    url, _ = stack
    return {(client.name, kind): client.post(url, kind) for client in CLIENTS for kind in KINDS}


def test_each_client_gets_its_answer(report, answers):
    for client in CLIENTS:
        for kind in KINDS:
            with report.group(f"{client.name}: {kind}: posts"):
                answer = answers[client.name, kind]
                ok = answer.status_code == 200 and client.is_right(answer.json())
                report.check(f"{client.name}: {kind}: posts", ok, f"{answer.status_code} {answer.text}")


def test_each_client_finds_its_rows_in_the_lake(report, stack, answers):
    _, lake = stack
    inds = {client.ind for client in CLIENTS}
    wait_until(30, lambda: all(inds <= arrived(lake, kind).keys() for kind in KINDS))
    for kind in KINDS:
        rows = arrived(lake, kind)
        for client in CLIENTS:
            expected = cleaned(kind, post_of_the_old_script(client.ind)[kind])
            report.equal(f"{client.name}: {kind}: is in the lake", rows.get(client.ind), expected)


def test_kafka_rest_tells_offsets_that_grow(report, stack):
    url, _ = stack
    answers = [CLIENTS[0].post(url, "geo") for _ in range(2)]
    types = {answer.headers["Content-Type"] for answer in answers}
    report.equal("media type of the answers", types, {"application/vnd.kafka.v2+json"})
    # Equal rows have the same key, and so the same shard.
    first, second = (answer.json()["offsets"][0] for answer in answers)
    grows = first["partition"] == second["partition"] and first["offset"] < second["offset"]
    report.check("offsets grow within a partition", grows, f"{first}, then {second}")


def test_streams_are_listed(report, stack):
    url, _ = stack
    answer = requests.get(f"{url}/streams", timeout=30).json()
    ok = answer["HasMoreStreams"] is False and isinstance(answer["StreamNames"], list)
    report.check("GET /streams", ok, answer)


def arrived(lake, kind):
    """Returns the rows of the lake by `ind`, each value as text."""
    paths = clean_objects(lake, kind)
    if not paths:
        return {}
    names = [name for name in COLUMNS[kind] if name != "ind"]
    values = ", ".join(f"{name}::VARCHAR" for name in names)
    with connect() as db:
        rows = db.execute(f"SELECT ind, {values} FROM read_parquet(?)", [paths]).fetchall()
    return {ind: dict(zip(names, rest, strict=True)) for ind, *rest in rows}


def test_boto3_reads_the_stream(report, stack, answers):
    url, _ = stack
    kinesis = aws_session(url).client("kinesis", endpoint_url=url)
    streams = kinesis.list_streams()["StreamNames"]
    report.check("list_streams", STREAM in streams, streams)
    summary = kinesis.describe_stream_summary(StreamName=STREAM)["StreamDescriptionSummary"]
    report.equal("describe_stream_summary", summary["StreamStatus"], "ACTIVE")
    shards = [shard["ShardId"] for shard in kinesis.list_shards(StreamName=STREAM)["Shards"]]
    report.equal("list_shards", len(shards), summary["OpenShardCount"])
    rows = [json.loads(data) for shard in shards for data in read_shard(kinesis, shard)]
    missing = {client.ind for client in CLIENTS} - {row.get("ind", row.get("index")) for row in rows}
    report.check("get_records has what was posted", not missing, f"nothing of {sorted(missing)}")


def test_boto3_works_on_the_bucket(report, stack, answers):
    url, lake = stack
    wait_until(30, lambda: clean_objects(lake, "geo"))
    s3 = aws_session(url).client("s3", endpoint_url=url)
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET, Prefix="clean/geo/").get("Contents", [])]
    report.check("list_objects_v2", keys and all(key.endswith(".parquet") for key in keys), keys)
    body = s3.get_object(Bucket=BUCKET, Key=keys[0])["Body"].read()
    report.check("get_object", body[:4] == body[-4:] == b"PAR1", f"{len(body)} bytes that are not Parquet")
    once = {"Bucket": BUCKET, "Key": "interop/once.txt"}
    s3.put_object(**once, Body=b"first", IfNoneMatch="*")
    try:
        status = s3.put_object(**once, Body=b"second", IfNoneMatch="*")["ResponseMetadata"]["HTTPStatusCode"]
    except botocore.exceptions.ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    report.equal("put_object refuses a key that is there", status, 412)
    report.equal("put_object left what was there", s3.get_object(**once)["Body"].read(), b"first")


def read_shard(kinesis, shard):
    """Yields the payloads of a shard, from its beginning to its tip."""
    start = kinesis.get_shard_iterator(StreamName=STREAM, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    iterator = start["ShardIterator"]
    while iterator:
        answer = kinesis.get_records(ShardIterator=iterator)
        yield from (record["Data"] for record in answer["Records"])
        # An open shard has always a next iterator.
        iterator = answer.get("NextShardIterator") if answer["MillisBehindLatest"] else None
