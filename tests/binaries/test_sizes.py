"""How large the packaged functions are, and how much memory, processor time and instructions stream-cleaner needs.

What was measured is printed as a table in the summary.
"""

import json
import shutil
import subprocess

import pytest
from aws_kinesis_agg.aggregator import RecordAggregator

from support.functions import FUNCTIONS, cleaner_environment, cpu_ms, kinesis_event, package, running, unpack
from support.rows import generated_rows
from support.stack import ROOT, embedded_stack

pytestmark = pytest.mark.sizes

MB = 1_000_000
# A cold start reads the whole binary, and the client of an HTTP API waits for it. The SDK, TLS and the runtime come to
# 10.5 MB; what a new dependency adds is looked at before it is taken.
BINARY_BUDGETS = {"ingest-api": 12 * MB, "stream-cleaner": 20 * MB}
# Crates of ingest-api, its own among them: each is time to build, and bytes to load.
CRATES_BUDGET = 200
# What Lambda takes in a request (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html); larger ones must
# come from a bucket.
ZIP_BUDGET = 50 * MB
# Lambda's smallest size is 128 MB, and its own processes take some of it.
MEMORY_BUDGET = 96 * MB
# What full batches of ordinary rows need.
USUAL_MEMORY_BUDGET = 64 * MB
INSTRUCTIONS_MARGIN = 0.03
INSTRUCTIONS_ROWS = 3_000

# Memory that was freed is not taken up again to the last byte, so a peak grows for some invocations.
INVOCATIONS = 20

# Valgrind makes a program fifty times slower.
VALGRIND_SECONDS = 120

GENERATED_POSTS = 10_000
# So large an event is at least, because a record more would be too much.
EVENT_MIN_BYTES = 4 * 1024 * 1024
# The largest record of a stream, its partition key included.
RECORD_MAX_BYTES = 1024 * 1024


def megabytes(size):
    return f"{size / MB:.1f} MB"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_package_is_within_its_budget(measured, tmp_path, name):
    size, zipped = unpack(name, tmp_path).stat().st_size, package(name).stat().st_size
    measured(f"{name}: binary", megabytes(size))
    measured(f"{name}: zip", megabytes(zipped))
    assert zipped <= ZIP_BUDGET
    assert size <= BINARY_BUDGETS.get(name, size)


def test_ingest_api_is_built_of_few_crates(measured):
    command = ["cargo", "tree", "--locked", "--package", "ingest-api", "--edges", "normal", "--prefix", "none"]
    lines = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    crates = {tuple(line.split()[:2]) for line in lines if line}
    measured("ingest-api: crates", len(crates))
    assert len(crates) <= CRATES_BUDGET


def rows_as_they_are_posted(rows):
    return rows


def rejected_rows(rows):
    return [(key, row[:-1]) for key, row in rows]


# Instructions of an invocation for each of its rows, from Lambda's event to the objects in S3. A change that makes it faster writes
# the new number here; one that makes it slower has a reason. Times say less: machines are noisy, and differ by a factor of two.
INSTRUCTIONS_PER_ROW = {rows_as_they_are_posted: 20_550, rejected_rows: 47_500}


@pytest.mark.parametrize("records", INSTRUCTIONS_PER_ROW, ids=lambda records: records.__name__)
def test_a_row_takes_as_many_instructions_as_before(measured, pinflow, rows, tmp_path, records):
    """Counted by Valgrind, which noise does not disturb: those of four invocations less those of two."""
    budget = INSTRUCTIONS_PER_ROW[records]
    valgrind = shutil.which("valgrind")
    if not valgrind:
        pytest.skip("valgrind is not installed")
    binary = unpack("stream-cleaner", tmp_path / "package")
    event, count = kinesis_event(records(rows[:INSTRUCTIONS_ROWS]))
    counts = []
    with embedded_stack(pinflow, tmp_path / "lake") as url:
        for invocations in (2, 4):
            out = tmp_path / f"callgrind.{invocations}"
            command = [valgrind, "--tool=callgrind", f"--callgrind-out-file={out}", str(binary)]
            with running(command, url, VALGRIND_SECONDS, home=binary.parent) as function:
                for _ in range(invocations):
                    assert function.invoke(event) == {"batchItemFailures": []}
                function.process.terminate()
                function.process.wait(VALGRIND_SECONDS)
            [total] = [line for line in out.read_text().splitlines() if line.startswith("totals:")]
            counts.append(int(total.split()[1]))
    instructions = (counts[1] - counts[0]) / 2 / count
    name = records.__name__.replace("_", " ")
    measured(f"stream-cleaner: instructions each of {name}", f"{instructions:,.0f}")
    low, high = budget * (1 - INSTRUCTIONS_MARGIN), budget * (1 + INSTRUCTIONS_MARGIN)
    assert low <= instructions <= high, f"{instructions:,.0f} instructions a row; write the new number down if it is meant to be"


def rows_of_1_mib(_):
    return [huge(b'{"index": 1, "category": "art", "description": "', b'"}')] * 5


def rejected_records_of_1_mib(_):
    return [huge(b'{"index": ', b"")] * 5


def aggregates_of_small_rows(_):
    return aggregates("user/1", {"age": 1})


def aggregates_of_rejected_rows(_):
    """The rows say nothing of their kind, so each is rejected, and its long key would be in a line of its own."""
    return aggregates("x" * 200, {})


EVENTS = [
    rows_as_they_are_posted,
    rejected_rows,
    rows_of_1_mib,
    rejected_records_of_1_mib,
    aggregates_of_small_rows,
    aggregates_of_rejected_rows,
]


@pytest.fixture(scope="module")
def rows(pinflow):
    """Rows as they are posted, each its key and its bytes."""
    generated = generated_rows(pinflow, GENERATED_POSTS)
    return [(f"{kind}/{number}", row.encode()) for number, (kind, row) in enumerate(generated)]


@pytest.mark.parametrize("records", EVENTS)
def test_the_largest_events_fit_into_memory(measured, pinflow, rows, tmp_path, records):
    """Each in a process of its own."""
    label = records.__name__.replace("_", " ")
    binary = unpack("stream-cleaner", tmp_path)
    environment = cleaner_environment()
    with embedded_stack(pinflow, tmp_path / "lake") as url, running(binary, url, environment=environment) as function:
        event, _ = kinesis_event(records(rows))
        assert len(event) > EVENT_MIN_BYTES
        before = cpu_ms(function.process)
        answers = [function.invoke(event) for _ in range(INVOCATIONS)]
        spent = (cpu_ms(function.process) - before) / INVOCATIONS
        peak = function.peak_memory_bytes()
    measured(f"stream-cleaner: memory for {label}", megabytes(peak))
    measured(f"stream-cleaner: processor time for {label}", f"{spent:.0f} ms")
    assert answers == [{"batchItemFailures": []}] * INVOCATIONS
    assert peak <= (USUAL_MEMORY_BUDGET if records is rows_as_they_are_posted else MEMORY_BUDGET)


def huge(start, end):
    key = "pin/1"
    room = RECORD_MAX_BYTES - len(start) - len(end) - len(key)
    # Text that does not compress to nothing.
    text = "".join(f"{number * number * 7919:x} " for number in range(room // 4)).encode()
    return key, start + text[:room] + end


def aggregates(key, fields):
    """Returns aggregates of user records as small as a row can be, which come to the most rows for their bytes."""
    aggregator = RecordAggregator()
    for number in range(10**6):
        if full := aggregator.add_user_record(key, json.dumps({"ind": number, **fields})):
            yield key, full.get_contents()[2]
