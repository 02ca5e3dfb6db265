"""Holds the curated tables and the reports against the same ones computed from the stream by other means.

Then the promise of convergence is tried: rows that come twice, clean objects that are cut differently, runs that are
killed, and days that follow one another give the same tables and reports.
"""

import itertools
import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import deltalake
import polars
import pyarrow
import pyarrow.parquet
import pytest
import requests

from daily import compare
from daily.expected import REPORTS, compute, rows_of, stream_records
from daily.rows import awkward_rows, versions_at_once
from support import kpl
from support.lake import clean_objects, clean_positions, connect, positions
from support.report import short
from support.rows import key_of, lines_of
from support.stack import BUCKET, KINDS, STREAM, aws_session, embedded_stack, run_pinflow, secret, wait_until

pytestmark = pytest.mark.daily

KILLS = 20
# How long a run that died holds its date.
EXPIRY_SECONDS = 1
# Rows of a slice, where kills are to fall between slices.
SLICE_ROWS = 500
GENERATED_POSTS = 400
# Rows of one object that is cut anew.
BATCH = (1, 7, 200)
TABLE_READER = "deltalake"


def test_tables_of_random_sequences_are_read_by_others(report, pytestconfig):
    """Reads what random sequences of merges, compactions, kills and restores came to, with a reader that is not ours."""
    folder = pytestconfig.getoption("model_tables")
    if folder is None:
        pytest.skip("`--model-tables` names no folder")
    tables, differing = 0, []
    for expected in sorted(folder.glob("*/expected.json")):
        table = deltalake.DeltaTable(str(expected.parent / "curated" / "user")).to_pyarrow_table(columns=["ind", "age"])
        found = sorted(zip(table["ind"].to_pylist(), table["age"].to_pylist(), strict=True))
        wanted = sorted((int(ind), age) for ind, age in json.loads(expected.read_text()).items())
        tables += 1
        if found != wanted:
            differing.append((expected.parent.name, found[:5], wanted[:5]))
    report.check(f"{tables} tables", tables > 0, folder)
    report.equal("tables that differ", differing[:3], [])


@dataclass
class Source:
    """Rows, and how they are posted: each half takes the API's URL."""

    label: str
    halves: list[Callable]
    is_killed: bool


@pytest.fixture(scope="module", params=["awkward rows", "posted rows"])
def base(request, pinflow, data, seed, tmp_path_factory):
    """A filled lake and its daily run."""
    folder = tmp_path_factory.mktemp(request.param.split()[0])
    if request.param == "awkward rows":
        source = Source(request.param, awkward_halves(seed), False)
    elif data:
        source = Source("real rows", real_halves(pinflow, data, folder), True)
    else:
        source = Source("generated rows", generated_halves(pinflow, seed), True)
    filled = folder / "filled"
    with embedded_stack(pinflow, filled) as url:
        for post in source.halves:
            post(url)
        records, missing = drained(url, filled / BUCKET)
    assert records
    assert not missing
    with compute(records, rules_version(filled / BUCKET)) as db:
        base = Base(pinflow, source, seed, db, datetime.now(UTC).date(), folder, filled)
        base.run()
        yield base


def awkward_halves(seed):
    rows = awkward_rows(seed)
    middle = len(rows) // 2
    return [
        lambda url: post_events(url, rows[:middle]),
        lambda url: (post_events(url, rows[middle:]), put_versions(url)),
    ]


def post_events(url, rows):
    """Posts rows in posts of up to a hundred of one kind, so that several versions of a row arrive at one moment."""
    for start in range(0, len(rows), 100):
        for kind in KINDS:
            body = [row for of, row in rows[start : start + 100] if of == kind]
            answer = requests.post(f"{url}/events/{kind}", json=body, timeout=60)
            if answer.status_code != 200 or answer.json()["failed"]:
                raise ValueError(f"{answer.status_code} {answer.text[:300]}")


def put_versions(url):
    """Puts versions of rows on the stream as other producers do: in one aggregate, and in one request."""
    kinesis = aws_session(url).client("kinesis", endpoint_url=url)
    kpl.put(kinesis, kpl.aggregate([(key, None, row) for key, row in versions_at_once(45)]))
    records = [{"PartitionKey": key, "Data": json.dumps(row).encode()} for key, row in versions_at_once(46)]
    answer = kinesis.put_records(StreamName=STREAM, Records=records)
    if answer["FailedRecordCount"]:
        raise ValueError(f"{answer['FailedRecordCount']} of {len(records)} records failed")


def real_halves(binary, data, folder):
    """Returns a folder's rows in the old script's order, with its repeats, and then those that the order leaves out."""
    known = {key_of(kind, json.loads(line)) for kind in KINDS for line in lines_of(data / f"{kind}.ndjson")}
    order = [offset for offset in json.loads((data / "row_sequence.json").read_text()) if offset in known]
    order += sorted(known - set(order))
    middle = len(order) // 2
    halves = []
    for name, wire, part in (("first", "kinesis", order[:middle]), ("second", "kafka", order[middle:])):
        copy = folder / f"data-{name}"
        copy.mkdir()
        for kind in KINDS:
            shutil.copyfile(data / f"{kind}.ndjson", copy / f"{kind}.ndjson")
        (copy / "row_sequence.json").write_text(json.dumps(part))
        halves.append(post_command(binary, len(part), "--data", copy, "--wire", wire))
    return halves


def generated_halves(binary, seed):
    return [
        post_command(binary, GENERATED_POSTS, "--generate", "--seed", seed),
        post_command(binary, GENERATED_POSTS, "--generate", "--seed", seed + 1, "--wire", "events"),
    ]


def post_command(binary, posts, *arguments):
    # In one request per kind, several posts arrive at one moment.
    return lambda url: run_pinflow(binary, "post", "--api", url, "--posts", posts, "--rows-per-request", 20, *arguments)


def daily_run(binary, url, date, expiry_seconds=None, slice_rows=None):
    """Starts the daily run of a date. This is the only place that knows how it is called."""
    command = [binary, "daily", "run", "--date", date, "--endpoint", url]
    if slice_rows is not None:
        command += ["--slice-rows", str(slice_rows)]
    if expiry_seconds is not None:
        command += ["--expiry-seconds", str(expiry_seconds)]
    login = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": secret(url), "AWS_REGION": "us-east-1"}
    return subprocess.Popen(command, env=os.environ | login, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8")


def finish(process):
    """Waits for a daily run, and returns what it printed; raises when it failed."""
    output, _ = process.communicate(timeout=900)
    if process.returncode != 0:
        raise OSError(f"the daily run exited with {process.returncode}: {output[-600:]}")
    return output


def reports_of(lake, date):
    return lake / "reports" / f"date={date}"


def drained(url, lake):
    """Waits until each of the stream's records is in `clean/` or in `quarantine/`; returns them, and those that are in neither."""
    records = stream_records(url)
    sent = {(record.shard, record.sequence) for record in records}
    wait_until(60, lambda: sent <= positions(lake))
    return records, sorted(sent - positions(lake))


def rules_version(lake):
    """Returns the version of the rules of each table: a number of its file."""
    versions = {}
    with connect() as db:
        for kind in KINDS:
            [(versions[kind],)] = db.execute("SELECT DISTINCT _rules FROM read_parquet(?)", [clean_objects(lake, kind)]).fetchall()
    return versions


def test_the_rules_accept_the_same_rows(report, base):
    """Or nothing else could agree."""
    for kind in KINDS:
        accepted = set(base.db.execute(f"SELECT _shard, _sequence FROM accepted_{kind}").fetchall())
        differing = sorted(accepted ^ clean_positions(base.filled / BUCKET, kind))
        report.equal(f"{kind}: of {len(accepted)} rows differ", differing[:3], [])


def test_the_comparison_finds_what_is_wrong(base):
    """Writes what is expected with one thing wrong, and checks that the comparison finds that and nothing else."""
    missed, db, folder = {}, base.db, base.folder / "fake"
    for name, wrong in [(None, unchanged), *itertools.product(REPORTS, (one_more, turned_round))]:
        place = folder / f"{name}-{wrong.__name__}"
        place.mkdir(parents=True)
        for other in REPORTS:
            table = db.sql(f"FROM {other}").to_arrow_table()
            write_report(place, other, wrong(table) if other == name else table)
        quiet = Quiet()
        compare.check_reports(quiet, base.source.label, db, place)
        # It is seen in three readings: of the CSV file, and two of the Parquet file. One row has no order.
        is_seen = name and not (wrong is turned_round and len(rows_of(db, name)) == 1)
        if quiet.failed != (3 if is_seen else 0):
            missed[name, wrong.__name__] = quiet.failed
    for kind, wrong in [(None, unchanged), *itertools.product(KINDS, (another_text, one_less, one_twice))]:
        lake = folder / f"{kind}-{wrong.__name__}"
        for other in KINDS:
            table = db.sql(f"FROM curated_{other}").to_arrow_table()
            deltalake.write_deltalake(lake / "curated" / other, wrong(table) if other == kind else table)
        for name in (TABLE_READER, "Polars scan_delta", "Polars read_delta"):
            quiet = Quiet()
            compare.check_tables(quiet, base.source.label, db, lake, [name])
            if quiet.failed != (1 if kind else 0):
                missed[kind, wrong.__name__, name] = quiet.failed
    assert missed == {}


class Quiet:
    """Counts the checks that fail, without a word."""

    failed = 0

    def check(self, name, ok, detail):
        self.failed += not ok

    def equal(self, name, got, expected):
        self.failed += got != expected

    @contextmanager
    def group(self, name):
        try:
            yield
        except Exception:
            self.failed += 1


def write_report(folder, name, table):
    pyarrow.parquet.write_table(table, folder / f"{name}.parquet")
    text = polars.col(polars.String).map_elements(compare.no_formula, return_dtype=polars.String)
    polars.from_arrow(table).with_columns(text).write_csv(folder / f"{name}.csv")


def unchanged(table):
    return table


def one_more(table):
    """Counts one too many in the middle row; the last column of every report is a number."""
    return with_value(table, table.num_columns - 1, table.num_rows // 2, lambda value: value + 1)


def turned_round(table):
    return table.take(list(range(table.num_rows))[::-1])


def another_text(table):
    """Changes the first text of the second column, which is one in every kind."""
    place = next(place for place, text in enumerate(table.column(1).to_pylist()) if text is not None)
    return with_value(table, 1, place, lambda value: value + " ")


def one_less(table):
    return table.slice(1)


def one_twice(table):
    return pyarrow.concat_tables([table, table.slice(0, 1)])


def with_value(table, column, place, change):
    values, field = table.column(column).to_pylist(), table.field(column)
    values[place] = change(values[place])
    return table.set_column(column, field, pyarrow.array(values, field.type))


@dataclass
class Base:
    """The lake of a source and its daily run, which every other way must come to, too."""

    binary: Path
    source: Source
    seed: int
    db: object
    date: object
    folder: Path
    # The lake before any daily run.
    filled: Path
    seconds: float = 0

    @property
    def lake(self):
        return self.folder / "base" / BUCKET

    @property
    def reports(self):
        return reports_of(self.lake, self.date)

    def copy(self, name):
        return shutil.copytree(self.filled, self.folder / name)

    def run(self):
        with embedded_stack(self.binary, self.copy("base")) as url:
            started = time.monotonic()
            finish(daily_run(self.binary, url, str(self.date)))
            self.seconds = time.monotonic() - started

    def compare(self, report, way, lake):
        """Compares another lake's reports byte by byte, and its tables with what is expected of these records."""
        compare.check_same_files(report, way, self.reports, reports_of(lake, self.date))
        compare.check_tables(report, way, self.db, lake, [TABLE_READER])


def test_the_run_has_what_is_expected(report, base):
    label = base.source.label
    compare.check_reports(report, label, base.db, base.reports)
    compare.check_tables(report, label, base.db, base.lake, compare.readers(report, label))
    summary = json.loads((base.reports / "summary.json").read_text(encoding="utf-8"))
    report.equal("unaccounted", summary["reconciliation"]["unaccounted"], 0)


def test_a_repeated_run_changes_nothing(report, base):
    copy = shutil.copytree(base.folder / "base", base.folder / "repeated")
    with embedded_stack(base.binary, copy) as url:
        finish(daily_run(base.binary, url, str(base.date)))
    base.compare(report, "made again", copy / BUCKET)


def test_rows_that_are_posted_twice_count_once(report, base):
    """The same rows, posted once more before the run: each is on the stream under two sequence numbers."""
    label, copy = "posted twice", base.copy("twice")
    with embedded_stack(base.binary, copy) as url:
        for post in base.source.halves:
            post(url)
        records, missing = drained(url, copy / BUCKET)
        report.equal("records that are not in the lake", missing, [])
        finish(daily_run(base.binary, url, str(base.date)))
    compare.check_same_files(report, label, base.reports, reports_of(copy / BUCKET, base.date))
    compare.check_same_tables(report, f"{label}: as posted once", base.db, base.lake, copy / BUCKET)
    with compute(records, rules_version(copy / BUCKET)) as db:
        compare.check_tables(report, label, db, copy / BUCKET, [TABLE_READER])


def test_objects_that_are_cut_anew_give_the_same(report, base):
    """Clean objects of other bounds, each of them twice: what is left when batches are delivered again."""
    copy = base.copy("cut")
    for kind in KINDS:
        rewrite(copy / BUCKET, kind, random.Random(f"{base.seed} {kind}"))
        kept = clean_positions(copy / BUCKET, kind) == clean_positions(base.lake, kind)
        report.check(f"{kind}: the same rows", kept, "the check lost rows itself")
    with embedded_stack(base.binary, copy) as url:
        finish(daily_run(base.binary, url, str(base.date)))
    base.compare(report, "cut anew", copy / BUCKET)


def rewrite(lake, kind, dice):
    """Cuts the clean objects of a kind anew: random rows of a shard and hour in batches of random length."""
    groups = {}
    for path in map(Path, clean_objects(lake, kind)):
        # Not by its path, because that has folders which would be read as two more columns.
        rows = pyarrow.parquet.ParquetFile(path).read()
        groups.setdefault((path.parent, rows["_shard"][0].as_py()), []).append(rows)
        path.unlink()
    for (hour, shard), tables in groups.items():
        rows = pyarrow.concat_tables(tables)
        order = dice.sample(range(rows.num_rows), rows.num_rows)
        while order:
            size = dice.randint(1, dice.choice(BATCH))
            batch, order = order[:size], order[size:]
            # In the second copy the rows have another order, and the bounds include neighbours that had no row.
            for widened in (0, 1):
                write_clean(hour, shard, rows.take(dice.sample(batch, len(batch))), widened)


def write_clean(hour, shard, rows, widened):
    numbers = [int(sequence.split(":")[0]) for sequence in rows["_sequence"].to_pylist()]
    first, last = min(numbers) - widened, max(numbers) + widened
    # Rows of one aggregate have one number, so two batches of them have the same bounds.
    while (path := hour / f"{shard}-{first}-{last}.parquet").exists():
        last += 1
    pyarrow.parquet.write_table(rows, path, compression="zstd")


def test_runs_in_the_middle_of_the_day_come_to_the_same(report, base):
    """A preview after half of the rows, and another after the others: what comes later is merged by the run that follows."""
    folder = base.folder / "previews"
    lake = folder / BUCKET
    with embedded_stack(base.binary, folder) as url:
        for number, post in enumerate(base.source.halves, 1):
            post(url)
            records, missing = drained(url, lake)
            report.equal(f"preview {number}: records that are not in the lake", missing, [])
            printed = finish(daily_run(base.binary, url, str(base.date)))
            report.check(f"preview {number}: is called so", "succeeded (preview)" in printed, printed[-300:])
            with compute(records, rules_version(lake)) as db:
                compare.check_reports(report, f"preview {number}", db, reports_of(lake, base.date))
                compare.check_tables(report, f"preview {number}", db, lake, [TABLE_READER])
        tomorrow = daily_run(base.binary, url, str(base.date + timedelta(days=1)))
        refused, _ = tomorrow.communicate(timeout=60)
        report.check("tomorrow is refused", tomorrow.returncode == 1 and "has not begun: today is" in refused, refused)


def test_a_run_that_is_killed_goes_on(report, base):
    """A run that is killed again and again, at moments that are spread over the length of a whole one.

    Its slices are so small that kills fall between them.
    """
    if not base.source.is_killed:
        pytest.skip(f"the {base.source.label} are too few for twenty moments of a run")
    dice, copy = random.Random(base.seed), base.copy("killed")
    lake, kills, attempts, failures = copy / BUCKET, 0, 0, []
    with embedded_stack(base.binary, copy) as url:
        while kills < KILLS and attempts < 10 * KILLS:
            attempts += 1
            process = daily_run(base.binary, url, str(base.date), EXPIRY_SECONDS, SLICE_ROWS)
            try:
                finish_within(process, dice.uniform(0.01, base.seconds))
                # Done before its time: the kills go on with a run from the beginning.
                for name in ("curated", "reports", "runs"):
                    shutil.rmtree(lake / name, ignore_errors=True)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                kills += 1
                time.sleep(EXPIRY_SECONDS + 0.2)
            except OSError as error:
                failures.append(str(error))
                time.sleep(EXPIRY_SECONDS + 0.2)
        report.equal(f"{attempts} attempts, killed", kills, KILLS)
        report.equal("attempts that fail by themselves", failures[:3], [])
        finish(daily_run(base.binary, url, str(base.date), EXPIRY_SECONDS, SLICE_ROWS))
    base.compare(report, "killed", lake)


def finish_within(process, seconds):
    output, _ = process.communicate(timeout=seconds)
    if process.returncode != 0:
        raise OSError(f"exit code {process.returncode}: {short(output[-300:])}")
