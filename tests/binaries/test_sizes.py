"""Prints how large the packaged functions are, and how much memory and processor time stream-cleaner needs for the largest events.

Prints a line per check and then a table; the exit code is 1 when something is over its budget.
"""

import json
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "interop"))

from aws_kinesis_agg.aggregator import RecordAggregator  # noqa: E402

from function import FUNCTIONS, cpu_ms, kinesis_event, package, running, unpack  # noqa: E402
from harness import KINDS, Report, embedded_stack, pinflow_binary, run_pinflow  # noqa: E402

MB = 1_000_000
# A cold start reads the whole binary, and the client of an HTTP API waits for it. The SDK, TLS and the runtime come to
# 10.5 MB; what a new dependency adds is looked at before it is taken.
BINARY_BUDGETS = {"ingest-api": 12 * MB}
# What Lambda takes in a request (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html); larger ones must
# come from a bucket.
ZIP_BUDGET = 50 * MB
# Lambda's smallest size is 128 MB, and its own processes take some of it.
MEMORY_BUDGET = 96 * MB

# Memory that was freed is not taken up again to the last byte, so a peak grows for some invocations.
INVOCATIONS = 20

# So large an event is at least, because a record more would be too much.
EVENT_MIN_BYTES = 4 * 1024 * 1024
# The largest record of a stream, its partition key included.
RECORD_MAX_BYTES = 1024 * 1024


def main():
    report = Report()
    table = []
    for name in FUNCTIONS:
        with report.group(name), tempfile.TemporaryDirectory() as folder:
            binary = unpack(name, folder)
            size = binary.stat().st_size
            table.append((f"{name}: binary", size))
            zipped = package(name).stat().st_size
            table.append((f"{name}: zip", zipped))
            report.check(f"{name}: the zip has at most {megabytes(ZIP_BUDGET)}", zipped <= ZIP_BUDGET, megabytes(zipped))
            if budget := BINARY_BUDGETS.get(name):
                report.check(f"{name}: the binary has at most {megabytes(budget)}", size <= budget, megabytes(size))
            if name == "stream-cleaner":
                table += measure_memory(report, name, binary)
    for label, value in table:
        print(f"{label:<60} {value if isinstance(value, str) else megabytes(value):>8}")
    print(f"{report.passed} passed, {report.failed} failed, {report.skipped} skipped")
    return 1 if report.failed else 0


def megabytes(size):
    return f"{size / MB:.1f} MB"


def measure_memory(report, name, binary):
    """Yields the peak of each event, each in a process of its own, and the processor time of an invocation."""
    pinflow = pinflow_binary()
    for label, records in events(pinflow):
        with report.group(label), tempfile.TemporaryDirectory() as folder:
            with embedded_stack(pinflow, folder) as url, running(binary, url) as function:
                event, _ = kinesis_event(records)
                report.check(f"{name}: {label}: make a large event", len(event) > EVENT_MIN_BYTES, len(event))
                before = cpu_ms(function.process)
                answers = [function.invoke(event) for _ in range(INVOCATIONS)]
                spent = (cpu_ms(function.process) - before) / INVOCATIONS
                peak = function.peak_memory_bytes()
            report.equal(f"{name}: {label}: are written", answers, [{"batchItemFailures": []}] * INVOCATIONS)
            ok = peak <= MEMORY_BUDGET
            report.check(f"{name}: {label}: need at most {megabytes(MEMORY_BUDGET)}", ok, megabytes(peak))
            yield f"{name}: memory for {label}", peak
            yield f"{name}: processor time for {label}", f"{spent:.0f} ms"


def events(pinflow):
    """Yields what the largest events are made of, as (label, records); a record is its key and its bytes."""
    lines = run_pinflow(pinflow, "generate", "--posts", 10_000).removesuffix("\n").split("\n")
    rows = [(f"{KINDS[number % len(KINDS)]}/{number}", line.encode()) for number, line in enumerate(lines)]
    yield "rows as they are posted", rows
    yield "rejected rows", [(key, row[:-1]) for key, row in rows]
    yield "rows of 1 MiB", [huge(b'{"index": 1, "category": "art", "description": "', b'"}')] * 5
    yield "rejected records of 1 MiB", [huge(b'{"index": ', b"")] * 5
    yield "aggregates of small rows", aggregates("user/1", {"age": 1})
    # The rows say nothing of their kind, so each is rejected, and its long key would be in a line of its own.
    yield "aggregates of rejected rows", aggregates("x" * 200, {})


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


if __name__ == "__main__":
    sys.exit(main())
