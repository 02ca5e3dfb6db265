"""Aggregated records, made by AWS's own Python library."""

import hashlib
import json

import aws_kinesis_agg
from aws_kinesis_agg import aggregator

from support.stack import STREAM


def aggregate(records):
    pack = aggregator.RecordAggregator()
    for partition_key, explicit_hash_key, row in records:
        full = pack.add_user_record(partition_key, json.dumps(row), explicit_hash_key)
        if full:
            raise ValueError(f"{len(records)} records do not fit into one aggregate")
    return pack.clear_and_get().get_contents()[2]


def put(kinesis, data):
    answer = kinesis.put_record(StreamName=STREAM, PartitionKey="interop", Data=data)
    return answer["ShardId"], answer["SequenceNumber"]


def user_records(data):
    """Returns the user records of an aggregate, each its partition key and its bytes; None when the bytes are none."""
    magic, size = aws_kinesis_agg.MAGIC, aws_kinesis_agg.DIGEST_SIZE
    body, digest = data[len(magic) : -size], data[-size:]
    if not data.startswith(magic) or hashlib.md5(body).digest() != digest:
        return None
    message = aggregator.messages_pb2.AggregatedRecord.FromString(body)
    return [(message.partition_key_table[record.partition_key_index], record.data) for record in message.records]
