"""Lambda handlers in Python, as one would write them without pinflow; AWS's own runtime client runs them.

`DATA_FRAMES` names the library that cleans, because its import is most of a start.
"""

import base64
import importlib
import json
import os
from datetime import UTC, datetime

import boto3

LIBRARY = os.environ.get("DATA_FRAMES")
clean = importlib.import_module(f"bench.peers.with_{LIBRARY}").clean if LIBRARY else None
# Made once, and kept for the invocations that follow.
client = boto3.client("s3" if LIBRARY else "kinesis")

BUCKET = os.environ["BUCKET_NAME"]
STREAM = os.environ["STREAM_NAME"]


def clean_batch(event, context):
    """Cleans a batch of Kinesis records, and writes an object for each kind."""
    tables = {}
    for record in event["Records"]:
        kinesis = record["kinesis"]
        kind = kinesis["partitionKey"].split("/", 1)[0]
        rows, shards, sequences, arrivals = tables.setdefault(kind, ([], [], [], []))
        rows.append(base64.b64decode(kinesis["data"]))
        shards.append(record["eventID"].split(":", 1)[0])
        sequences.append(kinesis["sequenceNumber"])
        arrivals.append(kinesis["approximateArrivalTimestamp"])
    for kind, (rows, shards, sequences, arrivals) in tables.items():
        body = clean(kind, rows, {"_shard": shards, "_sequence": sequences, "_arrival": arrivals})
        hour = datetime.fromtimestamp(arrivals[0], UTC)
        key = f"clean/{kind}/date={hour:%Y-%m-%d}/hour={hour:%H}/{shards[0]}-{sequences[0]}-{sequences[-1]}.parquet"
        client.put_object(Bucket=BUCKET, Key=key, Body=body)
    return {"batchItemFailures": []}


def accept(event, context):
    """Puts the rows of a request on the stream, and answers with their places on it."""
    kind = event["rawPath"].rsplit("/", 1)[1]
    body = event["body"]
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body)
    rows = json.loads(body)
    records = []
    for row in rows if isinstance(rows, list) else [rows]:
        key = row.get("index", row.get("ind"))
        if not isinstance(key, int):
            return {"statusCode": 400, "body": json.dumps({"error": "a row has no key"})}
        records.append({"Data": json.dumps(row).encode(), "PartitionKey": f"{kind}/{key}"})
    answer = client.put_records(StreamName=STREAM, Records=records)
    offsets = [
        {"partition": int(record["ShardId"].removeprefix("shardId-")), "offset": record["SequenceNumber"]}
        for record in answer["Records"]
        if "SequenceNumber" in record
    ]
    status = 200 if len(offsets) == len(records) else 503
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps({"offsets": offsets})}
