"""Compares the packages with the tools that people would use instead, on the same bytes, in one run, in turn, on one core.

- The whole job: Lambda's event in, objects in S3 out, by stream-cleaner and by handlers in Python with Polars and with pandas.
- The engine alone: NDJSON in memory to cleaned Parquet, by ours, DuckDB, Polars and pandas; and by `arrow-json` without cleaning.
- The stages of ours, in time and in instructions.
- The door: ingest-api beside a handler in Python with boto3, and beside a function that does nothing but put a record.

Machines differ, and are busy: compare figures of one table only. Megabytes are of rows as they were posted.
"""

import argparse
import io
import itertools
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from bench.chart import bars
from bench.peers.rules import POSTED
from bench.peers.with_duckdb import Engine
from bench.relay import relay
from support.functions import FIRST_SEQUENCE, cleaner_environment, cpu_ns, kinesis_event, running, unpack
from support.rows import generated_rows, lines_of
from support.stack import BUCKET, KINDS, ROOT, embedded_stack, pinflow_binary, target_directory

TESTS = ROOT / "tests"
OUTPUT = ROOT / "target" / "bench"
OURS = "pinflow"
BEFORE = "pinflow, before"
FLOOR = "runtime and SDK alone"
# This process, the stack and the Runtime API have one core; what is measured has the other one.
SUPPORT_CORE, MEASURED_CORE = 0, 1
PINNED = ["taskset", "--cpu-list", str(MEASURED_CORE)]
SMALL_ROWS = 100
# Of each sequence number in an event.
FIRST_DIGITS = str(FIRST_SEQUENCE)[:14].encode()
# A round takes as many invocations as come to this much processor time.
ROUND_MS = 300
# Rows of a request, and how many requests there are.
DOOR_ROWS = {1: 600, 100: 200, 500: 60}
# The embedded stream takes no more than Kinesis does, 1,000 records and 1 MB a second and shard; a request that it throttles tries again.
DOOR_ROWS_PER_SECOND = 800
STARTS = 15
# What a stage is after: the difference of two of the example's.
STAGES = {"event": None, "fields": None, "rules": "fields", "encode": "rules", "compress": "encode"}
STAGE_NAMES = {"compress": "parquet"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder of real rows: pin.ndjson, geo.ndjson, user.ndjson")
    parser.add_argument("--before", type=Path, help="bootstrap.zip of an earlier stream-cleaner, to compare with this one")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    os.sched_setaffinity(0, {SUPPORT_CORE})
    data_sets = {"generated": generated()}
    if options.data and all((options.data / f"{kind}.ndjson").exists() for kind in KINDS):
        data_sets["real"] = real(options.data)
    else:
        print("real rows: skipped, because there is no folder of them")
    results = {"machine": machine(), "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "rounds": options.rounds}
    results["whole_job"] = whole_job(data_sets, options)
    results["engine"] = engines(data_sets, options)
    results["stages"] = stages(data_sets, options)
    results["door"] = door(data_sets["generated"], options)
    results["load_after"] = os.getloadavg()[0]
    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / "bench.json").write_text(json.dumps(results, indent=1) + "\n")
    (OUTPUT / "bench.md").write_text(markdown(results))
    (OUTPUT / "bench.svg").write_text(chart(results))
    print(f"\nWrote {OUTPUT.relative_to(ROOT)}/bench.md, bench.json and bench.svg")


def machine():
    names = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return f"{platform.machine()}, {names[0] if names else 'unknown'}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


# What is posted.


USUAL = {
    name: re.compile(pattern)
    for name, pattern in {
        "follower_count": r"\d+(\.\d+)?[kMB]?|User Info Error",
        "save_location": r"(Local save in )?/.*",
        "timestamp": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d",
        "date_joined": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d",
    }.items()
}


def is_usual(kind, row):
    """Whether the peers can read a row: one of another shape stops them, and times and counts have more spellings than they know."""
    try:
        fields = json.loads(row)
    except ValueError:
        return False
    if not isinstance(fields, dict) or {name for name in fields if name != "downloaded"} != set(POSTED[kind]):
        return False
    if type(fields.get("downloaded", 0)) is not int:
        return False
    types = {"text": str, "int64": int, "float64": int | float}
    if not all(isinstance(fields[name], types[of]) and not isinstance(fields[name], bool) for name, of in POSTED[kind].items()):
        return False
    if any(isinstance(value, str) and value.isspace() for value in fields.values()):
        return False
    return all(pattern.fullmatch(fields[name]) for name, pattern in USUAL.items() if name in fields)


def generated():
    """Returns (kind, row) of the generator, a post after the other: the rows of a full event."""
    rows = generated_rows(pinflow_binary(), 6_000)
    return [(kind, row) for kind, row in rows if is_usual(kind, row)]


def real(folder):
    """Returns (kind, row) of real rows, repeated with new keys."""
    rows = {kind: [json.loads(row) for row in lines_of(folder / f"{kind}.ndjson") if is_usual(kind, row)] for kind in KINDS}
    taken = []
    for number in range(6_000):
        for kind in KINDS:
            row = rows[kind][number % len(rows[kind])]
            key = "index" if kind == "pin" else "ind"
            taken.append((kind, json.dumps(row | {key: number})))
    return taken


# The whole job.


def python(handler, **environment):
    """Returns the command and the variables of a handler in Python, run by AWS's own runtime client."""
    command = [*PINNED, sys.executable, "-m", "awslambdaric", f"bench.peers.handlers.{handler}"]
    environment = {"PYTHONPATH": str(TESTS), "AWS_DEFAULT_REGION": "us-east-1", "PATH": os.environ["PATH"], **environment}
    return command, {"home": TESTS, "environment": environment}


def cleaners(folder, before):
    """Returns the contenders of the whole job: how each is run."""
    binary = unpack("stream-cleaner", folder)
    contenders = {OURS: ([*PINNED, binary], {"home": binary.parent, "environment": cleaner_environment()})}
    if before:
        home = Path(folder, "before")
        with zipfile.ZipFile(before) as file:
            file.extractall(home)
        (home / "bootstrap").chmod(0o755)
        contenders[BEFORE] = ([*PINNED, home / "bootstrap"], {"home": home})
    contenders["Python, Polars"] = python("clean_batch", DATA_FRAMES="polars")
    contenders["Python, pandas"] = python("clean_batch", DATA_FRAMES="pandas")
    return contenders


def whole_job(data_sets, options):
    results, numbers = [], itertools.count()
    with tempfile.TemporaryDirectory() as folder, embedded_stack(pinflow_binary(), folder) as url, ExitStack() as stack:
        contenders = cleaners(Path(folder, "packages"), options.before)
        functions = {
            name: stack.enter_context(running(command, url, timeout=120, **settings)) for name, (command, settings) in contenders.items()
        }
        for source, rows in data_sets.items():
            for size, taken in (("small", rows[:SMALL_ROWS]), ("full", rows)):
                event, count = kinesis_event((f"{kind}/{number}", row.encode()) for number, (kind, row) in enumerate(taken))
                megabytes = sum(len(row.encode()) for _, row in taken[:count]) / 1e6
                rounds = {name: [] for name in functions}
                sizes, written = {}, {}
                for name, function in functions.items():
                    shutil.rmtree(Path(folder, BUCKET, "clean"), ignore_errors=True)
                    for _ in range(3):
                        answer = function.invoke(event)
                    if answer.get("batchItemFailures"):
                        raise OSError(f"{name} wrote nothing: {function.output()[-5:]}")
                    objects = {path.relative_to(folder).parts[2]: path for path in Path(folder, BUCKET, "clean").rglob("*.parquet")}
                    sizes[name] = sum(path.stat().st_size for path in objects.values())
                    written[name] = {kind.removeprefix("kind="): cells(pq.read_table(path)) for kind, path in objects.items()}
                written["duckdb"] = {
                    kind: cells(
                        pq.read_table(
                            io.BytesIO(Engine(kind, "\n".join(row for its, row in taken[:count] if its == kind).encode()).clean())
                        )
                    )
                    for kind in KINDS
                }
                check_same(written)
                for _ in range(options.rounds):
                    for name, function in functions.items():
                        rounds[name].append(invocation(function, event, numbers))
                for name, spent in rounds.items():
                    result = {
                        "rows": f"{source}, {size}", "contender": name, "events_rows": count,
                        "cpu_ms": statistics.median(cpu for cpu, _ in spent),
                        "wall_ms": statistics.median(wall for _, wall in spent),
                        "object_bytes": sizes[name],
                        "peak_memory_mb": functions[name].peak_memory_bytes() / 1e6,
                    }  # fmt: skip
                    result["mb_per_s"] = megabytes / result["cpu_ms"] * 1000
                    results.append(result)
                    print(f"whole job: {result}", flush=True)
    return results


def cells(table):
    """Returns the cells of a table's own columns, by the rows' keys."""
    names = [name for name in table.column_names if not name.startswith("_")]
    return {row["ind"]: row for row in table.select(names).to_pylist()}


def check_same(written):
    """Refuses to measure contenders whose rows are not ours: they would do other work."""
    ours = written[OURS]
    for name, tables in written.items():
        for kind, rows in ours.items():
            others = {key: row for key, row in tables[kind].items()}
            different = [key for key, row in rows.items() if others.get(key) != row]
            if different or len(rows) != len(others):
                key = different[0]
                raise ValueError(f"{name}: {len(different)} of {len(rows)} {kind} rows differ, as {others.get(key)} and {rows[key]}")


def invocation(function, event, numbers):
    """Returns the processor time and the wall time of an invocation, in ms: the mean of as many as fill a round.

    Each event is a new one, of other sequence numbers: one that is delivered again finds its objects, and looks at them.
    """
    before, wall, count = cpu_ns(function.process), 0, 0
    spent = 0
    while spent < ROUND_MS:
        new = event.replace(FIRST_DIGITS, b"4%013d" % next(numbers))
        started = time.monotonic()
        function.invoke(new)
        wall += time.monotonic() - started
        count += 1
        spent = (cpu_ns(function.process) - before) / 1e6
    return spent / count, wall * 1000 / count


# The engine alone.


class Worker:
    """A process that does a piece of work for each line that it is sent, and says how long it took."""

    def __init__(self, command, **options):
        command = [*PINNED, *map(str, command)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)

    def run(self, work="go"):
        self.process.stdin.write(f"{work}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise OSError(f"{self.process.args} ended")
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()


def example(name):
    return target_directory() / "release" / "examples" / name


def peer(name, kind, path):
    environment = os.environ | {"PYTHONPATH": str(TESTS), "POLARS_MAX_THREADS": "1"}
    return Worker([sys.executable, "-m", "bench.peers.engine", name, kind, path], env=environment, cwd=TESTS)


def engines(data_sets, options):
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for source, rows in data_sets.items():
            for kind in KINDS:
                path = Path(folder, f"{source}-{kind}.ndjson")
                path.write_text("".join(f"{row}\n" for its, row in rows if its == kind))
                megabytes = path.stat().st_size / 1e6
                with ExitStack() as stack:
                    ours = stack.enter_context(Worker([example("stages"), path], cwd=ROOT))
                    contenders = {OURS: (ours, "parquet"), "arrow-json, nothing cleaned": (ours, "floor")}
                    for name in ("duckdb", "polars", "pandas"):
                        contenders[name] = (stack.enter_context(peer(name, kind, path)), "go")
                    for worker, work in contenders.values():
                        worker.run(work)
                    spent = {name: [] for name in contenders}
                    for _ in range(options.rounds):
                        for name, (worker, work) in contenders.items():
                            spent[name].append(worker.run(work))
                for name, answers in spent.items():
                    nanoseconds = statistics.median(answer["ns"] for answer in answers)
                    result = {"rows": f"{source}, {kind}", "contender": name, "mb_per_s": megabytes / nanoseconds * 1e9,
                              "parquet_bytes": answers[0]["bytes"]}  # fmt: skip
                    results.append(result)
                    print(f"engine: {result}", flush=True)
    return results


# The stages.


def stages(data_sets, options):
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for source, rows in data_sets.items():
            path = Path(folder, f"{source}.ndjson")
            _, count = kinesis_event((kind, row.encode()) for kind, row in rows)
            path.write_text("".join(f"{row}\n" for _, row in rows[:count]))
            names = ["base64", *dict.fromkeys(STAGE_NAMES.get(name, name) for name in STAGES)]
            with Worker([example("stages"), path], cwd=ROOT) as worker:
                spent = {name: [] for name in names}
                for _ in range(options.rounds + 1):
                    for name in names:
                        spent[name].append(worker.run(name)["ns"])
            nanoseconds = {name: statistics.median(values[1:]) / count for name, values in spent.items()}
            instructions = {name: instructions_of(path, name, Path(folder)) / count for name in names} if shutil.which("valgrind") else {}
            for name in ("base64", *STAGES):
                whole, before = STAGE_NAMES.get(name, name), STAGES.get(name)
                of = lambda values, whole=whole, before=before: values[whole] - (values[before] if before else 0)  # noqa: E731
                result = {"rows": source, "stage": name, "ns_per_row": of(nanoseconds)}
                if instructions:
                    result["instructions_per_row"] = of(instructions)
                results.append(result)
                print(f"stage: {result}", flush=True)
    return results


def instructions_of(path, stage, folder):
    """Returns the instructions of a stage done once: of three times less those of twice, without what the start takes."""
    counts = []
    for times in (2, 3):
        out = folder / "callgrind"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", example("stages"), path]
        subprocess.run(command, input=f"{stage}\n" * times, cwd=ROOT, check=True, capture_output=True, text=True)
        [line] = [line for line in out.read_text().splitlines() if line.startswith(("summary:", "totals:"))][:1]
        counts.append(int(line.split()[1]))
    return counts[1] - counts[0]


# The door.


def door_event(rows, kind):
    sample = json.loads((ROOT / "events" / "ingest-api" / "events-row.json").read_text())
    body = f"[{','.join(rows)}]"
    event = sample | {"rawPath": f"/events/{kind}", "body": body, "isBase64Encoded": False}
    event["headers"] = sample["headers"] | {"content-length": str(len(body.encode()))}
    event["requestContext"]["http"]["path"] = event["rawPath"]
    return json.dumps(event).encode()


def accept(name, function, event):
    """Has a request answered, and refuses to measure one whose rows are not on the stream."""
    answer = function.invoke(event)
    if answer["statusCode"] != 200:
        raise OSError(f"{name} answered {answer}")


def door(rows, options):
    pins = [row for kind, row in rows if kind == "pin"]
    results = []
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_stack(pinflow_binary(), folder) as url,
        relay(url) as stream,
    ):
        # What is measured is the function, and not how long the stream takes.
        environment = {"AWS_ENDPOINT_URL": stream.url}
        binary = unpack("ingest-api", Path(folder, "packages"))
        contenders = {
            OURS: ([*PINNED, binary], {"home": binary.parent, "environment": environment}),
            FLOOR: ([*PINNED, example("floor")], {"environment": environment}),
            "Python, boto3": python("accept", **environment),
        }
        starts, colds = {name: [] for name in contenders}, {name: [] for name in contenders}
        for _ in range(STARTS):
            for name, (command, settings) in contenders.items():
                with running(command, url, **settings) as function:
                    starts[name].append(function.init_ms())
                    stream.take_waited_ms()
                    accept(name, function, door_event(pins[:1], "pin"))
                    colds[name].append(function.init_ms() + function.took_ms() - stream.take_waited_ms())
        with ExitStack() as stack:
            functions = {name: stack.enter_context(running(command, url, **settings)) for name, (command, settings) in contenders.items()}
            for count, requests in DOOR_ROWS.items():
                event = door_event(pins[:count], "pin")
                # The floor puts one record, whatever it is sent.
                measured = {name: function for name, function in functions.items() if count == 1 or name != FLOOR}
                walls, owns = {name: [] for name in measured}, {name: [] for name in measured}
                spent = dict.fromkeys(measured, 0.0)
                for number in range(requests):
                    for name, function in measured.items():
                        stream.take_waited_ms()
                        before = cpu_ns(function.process)
                        accept(name, function, event)
                        wall, waited = function.took_ms(), stream.take_waited_ms()
                        time.sleep(count / DOOR_ROWS_PER_SECOND)
                        if number >= 10:
                            walls[name].append(wall)
                            owns[name].append(wall - waited)
                            spent[name] += (cpu_ns(function.process) - before) / 1e6
                for name, values in owns.items():
                    percentiles = statistics.quantiles(values, n=100)
                    result = {"rows": count, "contender": name, "p50_ms": percentiles[49], "p99_ms": percentiles[98],
                              "p50_with_wait_ms": statistics.median(walls[name]),
                              "cpu_ms": spent[name] / len(values), "init_ms": statistics.median(starts[name]),
                              "cold_ms": statistics.median(colds[name]),
                              "peak_memory_mb": functions[name].peak_memory_bytes() / 1e6}  # fmt: skip
                    results.append(result)
                    print(f"door: {result}", flush=True)
    return results


# What is written.


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + "|".join("---" if number < 2 else "---:" for number in range(len(heads))) + "|"]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def beside_ours(results, metric):
    """Yields each result, and how many times its metric ours is, of the same rows."""
    ours = {result["rows"]: result[metric] for result in results if result["contender"] == OURS}
    for result in results:
        yield result, ours[result["rows"]] / result[metric]


def markdown(results):
    parts = [f"# Bench\n\n{results['date']}, {results['machine']}. Medians of {results['rounds']} rounds, in turn, on one core."]
    rows = [
        (r["rows"], r["contender"], f"{r['mb_per_s']:.1f}", f"{ratio:.2f}", f"{r['cpu_ms']:.1f}", f"{r['wall_ms']:.1f}",
         f"{r['object_bytes']:,}", f"{r['peak_memory_mb']:.0f}")
        for r, ratio in beside_ours(results["whole_job"], "mb_per_s")
    ]  # fmt: skip
    heads = ("rows", "by", "MB of rows a CPU second", "ours / it", "CPU ms", "wall ms", "bytes of objects", "peak MB")
    parts.append("## The whole job: an event in, objects out\n\n" + table(heads, rows))
    rows = [
        (r["rows"], r["contender"], f"{r['mb_per_s']:.1f}", f"{ratio:.2f}", f"{r['parquet_bytes']:,}")
        for r, ratio in beside_ours(results["engine"], "mb_per_s")
    ]
    parts.append("## The engine alone: NDJSON to Parquet\n\n" + table(("rows", "by", "MB/s", "ours / it", "bytes of Parquet"), rows))
    rows = [
        (r["rows"], r["stage"], f"{r['ns_per_row']:.0f}", f"{r.get('instructions_per_row', 0):,.0f}" if "instructions_per_row" in r else "")
        for r in results["stages"]
    ]
    parts.append("## The stages of ours (`event` includes `base64`)\n\n" + table(("rows", "stage", "ns a row", "instructions a row"), rows))
    rows = [
        (r["rows"], r["contender"], f"{r['p50_ms']:.2f}", f"{r['p99_ms']:.2f}", f"{1 / ratio:.1f}", f"{r['p50_with_wait_ms']:.2f}",
         f"{r['cpu_ms']:.2f}", f"{r['init_ms']:.1f}", f"{r['cold_ms']:.1f}", f"{r['peak_memory_mb']:.0f}")
        for r, ratio in beside_ours(results["door"], "p99_ms")
    ]  # fmt: skip
    heads = ("rows", "by", "p50 ms", "p99 ms", "p99 / ours", "p50 ms with it", "CPU ms", "init ms", "init and first request ms", "peak MB")
    parts.append("## The door: a request's rows to the stream, without the wait for it\n\n" + table(heads, rows))
    return "\n\n".join(parts) + "\n"


def chart(results):
    groups = {}
    for result in results["whole_job"]:
        groups.setdefault(f"whole job: {result['rows']}", []).append((result["contender"], result["mb_per_s"]))
    for result in results["engine"]:
        groups.setdefault(f"engine: {result['rows']}", []).append((result["contender"], result["mb_per_s"]))
    return bars("Megabytes of rows a second of one core", groups)


if __name__ == "__main__":
    main()
