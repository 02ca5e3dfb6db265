"""What other people's tools read from the tables, and do to them: the next run goes on from it.

Each column of each table is filtered with deltalake, Polars, DuckDB and a Spark engine, before and after a checkpoint. Then deltalake
deletes, updates, compacts, restores and so on, each between two runs, and the tables are compared with what must be in them.
"""

import subprocess
from functools import cache

import deltalake
import duckdb
import polars
import pyarrow
import pyarrow.compute
import pytest
import requests
from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession
from pyspark.sql import functions as spark_functions

from support.stack import BUCKET, KINDS, embedded_stack, wait_until

pytestmark = pytest.mark.daily

ROWS = 120


@pytest.fixture(scope="module")
def others(pinflow, tmp_path_factory):
    folder = tmp_path_factory.mktemp("others")
    with embedded_stack(pinflow, folder) as url:
        others = Others(pinflow, url, folder / BUCKET)
        others.fill()
        others.run()
        yield others


class Others:
    """A lake whose user table other programs change, and what must be in it."""

    def __init__(self, binary, url, lake):
        self.binary, self.url, self.lake = binary, url, lake
        self.names = {}
        self.posted = 0
        self.next = 0

    def table(self, kind="user"):
        return deltalake.DeltaTable(str(self.lake / "curated" / kind))

    def post(self, kind, rows):
        answer = requests.post(f"{self.url}/events/{kind}", json=rows, timeout=60)
        if answer.status_code != 200:
            raise ValueError(f"{answer.status_code} {answer.text[:300]}")
        self.posted += len(rows)

    def fill(self):
        """Posts rows with nulls, long texts, and the ends of the times."""
        inds = range(ROWS)
        long = "\N{HIRAGANA LETTER A}" * 40
        self.post("pin", [
            {"index": ind, "title": None if ind % 3 else f"{long} {ind}", "category": f"c{ind % 7}",
             "follower_count": f"{ind}k", "poster_name": "x", "board": ind} for ind in inds
        ])  # fmt: skip
        self.post("geo", [
            {"ind": ind, "country": ["France", "C\u00f4te d'Ivoire", None][ind % 3], "latitude": ind / 2, "longitude": ind,
             "timestamp": "9999-12-31T23:59:59.999999" if ind == 7 else f"20{ind % 90 + 10}-01-01"} for ind in inds
        ])  # fmt: skip
        self.post_users(inds)

    def post_users(self, inds):
        rows = [{"ind": ind, "first_name": f"name {ind} of {self.next}", "age": ind % 99} for ind in inds]
        self.next += 1
        self.post("user", rows)
        self.names |= {row["ind"]: row["first_name"] for row in rows}

    def start(self):
        """Waits until everything is cleaned, and runs the day."""
        wait_until(30, lambda: self.cleaned() == self.posted)
        command = [self.binary, "daily", "run", "--endpoint", self.url]
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)

    def run(self):
        done = self.start()
        assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-800:]
        assert " failed " not in done.stdout

    def cleaned(self):
        with duckdb.connect() as db:
            files = [str(path) for path in self.lake.glob("clean/*/date=*/hour=*/*.parquet")]
            query = "SELECT count(*) FROM read_parquet(?, union_by_name = true)"
            return db.execute(query, [files]).fetchone()[0] if files else 0

    def check(self):
        """Compares the table with what must be in it."""
        table = self.table().to_pyarrow_table()
        found = dict(zip(table["ind"].to_pylist(), table["user_name"].to_pylist(), strict=True))
        assert found == self.names
        assert table.num_rows == len(self.names)


def a_person_is_erased(others):
    others.table().delete("ind = 7")
    del others.names[7]


def a_person_of_whom_a_version_comes_is_erased(others):
    others.table().delete("ind IN (21, 22)")
    del others.names[21], others.names[22]


def rows_are_updated(others):
    others.table().update(updates={"user_name": "'nobody'"}, predicate="ind BETWEEN 25 AND 35")
    others.names |= dict.fromkeys(range(25, 36), "nobody")


def rows_are_merged(others):
    source = pyarrow.table({"ind": [11], "user_name": ["merged"]})
    merge = others.table().merge(source, "t.ind = s.ind", source_alias="s", target_alias="t")
    merge.when_matched_update({"user_name": "s.user_name"}).execute()
    others.names[11] = "merged"


def files_are_compacted(others):
    others.table().optimize.compact()


def files_are_ordered_on_a_curve(others):
    others.table().optimize.z_order(["age", "user_name"])


def old_files_are_vacuumed(others):
    others.table().vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)


def a_column_is_added(others):
    others.table().alter.add_columns([deltalake.Field("note", deltalake.schema.PrimitiveType("string"))])


def the_added_column_is_filled(others):
    others.table().update(updates={"note": "'seen'"}, predicate="ind < 40")


def a_constraint_is_added(others):
    others.table().alter.add_constraint({"grown": "age IS NULL OR age < 150"})


def the_change_feed_is_turned_on(others):
    others.table().alter.set_table_properties({"delta.enableChangeDataFeed": "true"})


def a_row_is_erased_with_the_change_feed_on(others):
    others.table().delete("ind = 13")
    del others.names[13]


def a_checkpoint_is_made(others):
    others.table().create_checkpoint()


def old_log_files_are_removed(others):
    table = others.table()
    table.create_checkpoint()
    table.cleanup_metadata()


def an_older_version_is_restored(others):
    table = others.table()
    table.restore(max(0, table.version() - 1))


def all_rows_are_erased(others):
    others.table().delete()
    others.names.clear()
    others.names[20] = None


CHANGES = [
    a_person_is_erased, a_person_of_whom_a_version_comes_is_erased, rows_are_updated, rows_are_merged, files_are_compacted,
    files_are_ordered_on_a_curve, old_files_are_vacuumed, a_column_is_added, the_added_column_is_filled,
    a_constraint_is_added, the_change_feed_is_turned_on, a_row_is_erased_with_the_change_feed_on, a_checkpoint_is_made,
    old_log_files_are_removed, an_older_version_is_restored, all_rows_are_erased,
]  # fmt: skip


def test_filters_find_each_value(report, others):
    check_filters(report, "without a checkpoint", others.lake)
    for kind in KINDS:
        others.table(kind).create_checkpoint()
    check_filters(report, "with a checkpoint", others.lake)


def check_filters(report, label, lake):
    """Filters each column by nulls, and by its least and greatest value."""
    for kind in KINDS:
        table = deltalake.DeltaTable(str(lake / "curated" / kind))
        rows = table.to_pyarrow_table()
        for reader in (with_deltalake, with_pyarrow, with_polars, with_duckdb, with_spark):
            wrong = []
            for name in rows.column_names:
                values = rows[name].to_pylist()
                if not isinstance(next((value for value in values if value is not None), None), list):
                    known = [value for value in values if value is not None]
                    for value in {min(known), max(known)} if known else ():
                        wanted = values.count(value)
                        found = reader(table, rows.schema.field(name), value)
                        if found != wanted:
                            wrong.append((name, value, found, wanted))
                found, wanted = reader(table, rows.schema.field(name), None), rows[name].null_count
                if found != wanted:
                    wrong.append((name, None, found, wanted))
            report.check(f"filters of {kind} {label}: {reader.__name__.replace('_', ' ')}", not wrong, wrong)


def with_deltalake(table, field, value):
    if value is None or isinstance(value, list):
        return with_pyarrow(table, field, value)
    return table.to_pyarrow_table(filters=[(field.name, "=", value)]).num_rows


def with_pyarrow(table, field, value):
    column = pyarrow.compute.field(field.name)
    condition = column.is_null() if value is None else column == pyarrow.scalar(value, field.type)
    return table.to_pyarrow_dataset().to_table(filter=condition).num_rows


def with_polars(table, field, value):
    column = polars.col(field.name)
    condition = column.is_null() if value is None else column == polars.lit(value)
    return polars.scan_delta(table.table_uri).filter(condition).collect().height


@cache
def spark():
    """Returns a Spark engine, which stops when nobody has it, and a session in the time zone of the columns."""
    server = SparkConnectServer()
    server.start(background=True)
    _, port = server.listening_address
    session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    return server, session


def with_spark(table, field, value):
    column = spark_functions.col(field.name)
    condition = column.isNull() if value is None else column == spark_functions.lit(value)
    _, session = spark()
    return session.read.format("delta").load(table.table_uri).filter(condition).count()


def with_duckdb(table, field, value):
    rows = table.to_pyarrow_dataset()  # DuckDB finds it by its name, and hands its filters on.
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        db.register("rows", rows)
        if value is None:
            return db.execute(f'SELECT count(*) FROM rows WHERE "{field.name}" IS NULL').fetchone()[0]
        return db.execute(f'SELECT count(*) FROM rows WHERE "{field.name}" = ?', [value]).fetchone()[0]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_run_goes_on_from_what_others_changed(others, change):
    """Versions of its rows and new ones come after the change."""
    change(others)
    first = max(others.names) + 1
    others.post_users([*range(20, 30), *range(first, first + 10)])
    others.run()
    others.check()


def test_a_row_that_breaks_a_constraint_fails_the_run_and_is_merged_once_it_is_gone(others):
    others.table().alter.add_constraint({"young": "age IS NULL OR age < 100"})
    others.post("user", [{"ind": 5000, "first_name": "old", "age": 101}])
    done = others.start()
    assert done.returncode == 1
    assert "its constraint `young` (age IS NULL OR age < 100), among them those of the keys 5000" in done.stderr
    others.table().alter.drop_constraint("young")
    others.names[5000] = "old"
    others.run()
    others.check()


def test_the_changes_of_the_feed_come_to_the_table(others):
    table = others.table()
    started = next((entry["version"] for entry in reversed(table.history()) if "delta.enableChangeDataFeed" in str(entry)), None)
    if started is None:
        pytest.skip("the feed is turned on by a change that was not selected")
    base = deltalake.DeltaTable(table.table_uri, version=started).to_pyarrow_table(columns=["ind", "user_name"])
    state = dict(zip(base["ind"].to_pylist(), base["user_name"].to_pylist(), strict=True))
    changes = pyarrow.table(table.load_cdf(starting_version=started + 1, columns=["ind", "user_name", "_change_type", "_commit_version"]))
    order = {"delete": 0, "update_preimage": 0, "insert": 1, "update_postimage": 1}
    rows = sorted(changes.to_pylist(), key=lambda row: (row["_commit_version"], order[row["_change_type"]]))
    for row in rows:
        if order[row["_change_type"]] == 0:
            state.pop(row["ind"], None)
        else:
            state[row["ind"]] = row["user_name"]
    assert rows
    assert state == others.names
