"""The packaged functions with every sample event, compared with golden answers.

The binaries are the ones in the zips. They run against a Runtime API and an embedded stack, and what they put on the
stream and into the bucket is compared too.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from botocore.config import Config

from support.functions import FUNCTIONS, function_environment, running, unpack
from support.stack import BUCKET, ROOT, STREAM, aws_session, embedded_stack, free_port, wait_until

pytestmark = pytest.mark.binaries

GOLDEN = Path(__file__).parent / "golden"

# What Amazon Linux 2023 has, on which Lambda's `provided.al2023` runs.
GLIBC_NEWEST = (2, 34)

# Members of an answer whose values are different in each run or in each release, and their placeholders.
VARYING = {
    "SequenceNumber": "<sequence number>",
    "sequence_number": "<sequence number>",
    "offset": "<offset>",
    "version": "<version>",
    "StreamCreationTimestamp": "<time>",
}
# Metrics that depend on the clock, and on the version of the compression.
VARYING_METRICS = ("handling_ms", "bytes_written")

WATCH_EVENT = "events/ingest-api/events-row.json"
# Long enough to compile the function and what it depends on.
WATCH_SECONDS = 600


@pytest.fixture(scope="module", params=FUNCTIONS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def binary(name, tmp_path_factory):
    return unpack(name, tmp_path_factory.mktemp(name))


@pytest.fixture(scope="module")
def invoker(name, binary, pinflow, tmp_path_factory):
    lake = tmp_path_factory.mktemp(f"lake-of-{name}")
    with embedded_stack(pinflow, lake) as url, running(binary, url) as function:
        yield INVOKERS[name](function, url, lake / BUCKET)


def test_the_image_of_lambda_has_every_symbol(name, binary):
    """Of those that the dynamic linker must find in its glibc."""
    symbols = subprocess.run(["objdump", "-T", binary], check=True, capture_output=True, text=True).stdout
    versions = {tuple(map(int, version.split("."))) for version in re.findall(r"\bGLIBC_([0-9.]+)", symbols)}
    newest = max(versions, default=(0, 0))
    assert (0, 0) < newest <= GLIBC_NEWEST, sorted(versions)


def samples(name):
    return sorted((ROOT / "events" / name).glob("*.json"))


def test_each_sample_gets_its_golden_answer(report, name, invoker, pytestconfig):
    folder, is_blessed = GOLDEN / name, pytestconfig.getoption("bless")
    if is_blessed:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    for sample in samples(name):
        with report.group(sample.stem):
            got = json.dumps(invoker.invoke(sample.read_bytes()), indent=2, ensure_ascii=False) + "\n"
            golden = folder / sample.name
            if is_blessed:
                golden.write_text(got, encoding="utf-8")
            if golden.exists():
                report.equal(sample.stem, got, golden.read_text(encoding="utf-8"))
            else:
                report.check(sample.stem, False, f"`{golden.relative_to(ROOT)}` is not there; look at what `--bless` makes, and commit it")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_golden_answer_has_its_sample(name):
    unused = {path.name for path in (GOLDEN / name).glob("*")} - {sample.name for sample in samples(name)}
    assert unused == set()


class IngestApi:
    """Invokes ingest-api, and reads what it puts on the stream."""

    def __init__(self, function, url, lake):
        self.function = function
        session = aws_session(url)
        # A shard is read five times a second, and the samples come faster.
        patient = Config(retries={"mode": "standard", "total_max_attempts": 10})
        self.kinesis = session.client("kinesis", endpoint_url=url, config=patient)
        shards = [shard["ShardId"] for shard in self.kinesis.list_shards(StreamName=STREAM)["Shards"]]
        self.iterators = {
            shard: self.kinesis.get_shard_iterator(StreamName=STREAM, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
            for shard in shards
        }

    def invoke(self, event):
        answer = self.function.invoke(event)
        body = answer["body"]
        is_json = "json" in str([answer["headers"], answer["multiValueHeaders"]])
        # What is not is a document that has tests of its own.
        body = json.loads(body) if is_json else body.split("\n", 1)[0]
        on_the_stream = [(shard, record) for shard in self.iterators for record in self.read_new(shard)]
        answered = sorted(positions(body))
        stored = sorted((shard, record["SequenceNumber"]) for shard, record in on_the_stream)
        if answered != stored:
            raise ValueError(f"the answer names {answered}, and {stored} are on the stream")
        return {
            **{name: value for name, value in answer.items() if name != "body" and value},
            "body": normalised(body),
            "stream": [
                {"shard": shard, "partition_key": record["PartitionKey"], "data": record["Data"].decode()}
                for shard, record in on_the_stream
            ],
        }

    def read_new(self, shard):
        answer = self.kinesis.get_records(ShardIterator=self.iterators[shard])
        self.iterators[shard] = answer["NextShardIterator"]
        return answer["Records"]


def positions(value):
    """Yields the positions of the stream that an answer contains, in whichever spelling."""
    if isinstance(value, list):
        for item in value:
            yield from positions(item)
    elif isinstance(value, dict):
        shard = value.get("ShardId") or value.get("shard")
        number = value.get("SequenceNumber") or value.get("sequence_number")
        if shard and number:
            yield shard, number
        for item in value.values():
            yield from positions(item)


def normalised(value):
    if isinstance(value, list):
        return [normalised(item) for item in value]
    if isinstance(value, dict):
        return {name: VARYING[name] if name in VARYING and item is not None else normalised(item) for name, item in value.items()}
    return value


class StreamCleaner:
    """Invokes stream-cleaner, and reads what it writes into the bucket."""

    def __init__(self, function, url, lake):
        self.function, self.lake = function, lake

    def invoke(self, event):
        # The samples share their sequence numbers, and so the names of their objects.
        for prefix in ("clean", "quarantine"):
            shutil.rmtree(self.lake / prefix, ignore_errors=True)
        answer = self.function.invoke(event)
        objects = sorted(path for path in self.lake.rglob("*") if path.is_file())
        return {
            "answer": answer,
            "objects": {path.relative_to(self.lake).as_posix(): rows(path) for path in objects},
            "metrics": self.metrics(),
        }

    def metrics(self):
        """Returns the metrics of the lines from which CloudWatch makes them; those of a table by its name."""
        found = {}
        for line in map(json.loads, self.function.output()):
            for group in line.get("_aws", {}).get("CloudWatchMetrics", []):
                metrics = {
                    metric["Name"]: f"<{metric['Unit'].lower()}>" if metric["Name"] in VARYING_METRICS else line[metric["Name"]]
                    for metric in group["Metrics"]
                }
                found |= {line["table"]: metrics} if "table" in line else metrics
        return found


def rows(path):
    """Returns the rows of an object, and of a quarantine object its lines."""
    reader = "read_parquet(?" if path.suffix == ".parquet" else "read_json(?, format = 'newline_delimited'"
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        found = db.execute(f"SELECT to_json(row) FROM {reader}, hive_partitioning = false) AS row", [str(path)])
        return [json.loads(row) for (row,) in found.fetchall()]


class DailyBatch:
    """Invokes daily-batch on clean rows of 2026-01-01, and reads what it writes into the bucket."""

    # Each run begins without what the one before made, and with the rows that it deleted from `clean/`, as the archive had them.
    WRITTEN = ("archive", "curated", "reports", "runs")

    def __init__(self, function, url, lake):
        self.function, self.lake = function, lake
        with tempfile.TemporaryDirectory() as folder, running(unpack("stream-cleaner", folder), url) as cleaner:
            for sample in ("clean", "dirty", "poisonous"):
                cleaner.invoke((ROOT / "events" / "stream-cleaner" / f"{sample}.json").read_bytes())
        self.rows = shutil.copytree(lake / "clean", lake.parent / "rows")

    def invoke(self, event):
        for prefix in (*self.WRITTEN, "clean"):
            shutil.rmtree(self.lake / prefix, ignore_errors=True)
        shutil.copytree(self.rows, self.lake / "clean")
        path, answer = self.function.outcome(event)
        if path.endswith("/error"):
            return {"error": answer["errorType"], "message": answer["errorMessage"]}
        written = [path for prefix in self.WRITTEN for path in (self.lake / prefix).rglob("*") if path.is_file()]
        dates = sorted({record["run_date"] for record in answer})
        return {
            "runs": [
                {
                    # Without a date in the event, it is yesterday.
                    "run_date": record["run_date"] if len(event) > 3 else "<yesterday>",
                    **{name: record[name] for name in ("attempt", "trigger", "state")},
                    "steps": {step["name"]: {"state": step["state"], **step.get("counts", {})} for step in record["steps"]},
                }
                for record in answer
            ],
            "objects": {prefix: sum(path.is_relative_to(self.lake / prefix) for path in written) for prefix in self.WRITTEN},
            "reports": {
                path.name: path.read_text(encoding="utf-8").splitlines()
                for path in sorted((self.lake / "reports" / f"date={dates[-1]}").glob("*.csv"))
            },
        }


INVOKERS = {"daily-batch": DailyBatch, "ingest-api": IngestApi, "stream-cleaner": StreamCleaner}


def test_cargo_lambda_watch_and_invoke_work(pinflow, tmp_path):
    """As CONTRIBUTING.md says."""
    with embedded_stack(pinflow, tmp_path) as url, watching(url) as port:
        command = ["cargo", "lambda", "invoke", "ingest-api", "--invoke-port", str(port), "--data-file", WATCH_EVENT]
        done = subprocess.run(command, cwd=ROOT, env=environment(url), capture_output=True, text=True, timeout=WATCH_SECONDS)
    assert done.returncode == 0, done.stderr[-600:]
    answer = json.loads(done.stdout)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["accepted"] == 1


def environment(url):
    """Returns this process's environment, with cargo-lambda, zig, and the way to the stack."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"} | function_environment(url)


@contextmanager
def watching(url):
    """Runs `cargo lambda watch`, and yields its port."""
    port = free_port()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            ["cargo", "lambda", "watch", "--invoke-port", str(port)],
            cwd=ROOT, env=environment(url), stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            wait_until(60, lambda: process.poll() is not None or is_listening(port))
            yield port
        finally:
            # It runs cargo, which runs the function.
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def is_listening(port):
    try:
        # The address that `cargo lambda invoke` takes.
        socket.create_connection(("::1", port), timeout=5).close()
        return True
    except OSError:
        return False
