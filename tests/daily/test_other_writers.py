"""What other people's tools read from the tables, and do to them: the next run goes on from it.

Each column of each table is filtered with deltalake, Polars, DuckDB and a Spark engine, before and after a checkpoint. Then deltalake
deletes, updates, compacts, restores and so on, each between two runs, and the tables are compared with what must be in them.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import deltalake
import duckdb
import polars
import pyarrow
import pyarrow.compute
import requests

import expected  # noqa: F401  # It finds `harness`.
from harness import BUCKET, KINDS, Report, embedded_stack, pinflow_binary, wait_until

ROWS = 120


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    report = Report()
    with report.group("the binary"):
        binary = pinflow_binary()
        with tempfile.TemporaryDirectory(prefix="pinflow-") as folder, embedded_stack(binary, folder) as url:
            others = Others(report, binary, url, Path(folder, BUCKET))
            with report.group("filters"):
                others.fill()
                others.run("the first run")
                check_filters(report, "without a checkpoint", others.lake)
                for kind in KINDS:
                    others.table(kind).create_checkpoint()
                check_filters(report, "with a checkpoint", others.lake)
            for change in CHANGES:
                name = change.__name__.replace("_", " ")
                with report.group(name):
                    others.try_out(name, change)
            with report.group("a broken constraint"):
                others.break_a_constraint()
            with report.group("the change feed"):
                others.check_change_feed()
    print(f"{report.passed} passed, {report.failed} failed, {report.skipped} skipped")
    return 1 if report.failed else 0


class Others:
    """A lake whose user table other programs change, and what must be in it."""

    def __init__(self, report, binary, url, lake):
        self.report, self.binary, self.url, self.lake = report, binary, url, lake
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

    def run(self, label):
        """Waits until everything is cleaned, and runs the day."""
        wait_until(30, lambda: self.cleaned() == self.posted)
        command = [self.binary, "daily", "run", "--endpoint", self.url]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
        self.report.check(f"{label}: the run succeeds", done.returncode == 0 and " failed " not in done.stdout,
                          done.stdout[-1500:] + done.stderr[-800:])  # fmt: skip

    def cleaned(self):
        with duckdb.connect() as db:
            files = [str(path) for path in self.lake.glob("clean/*/date=*/hour=*/*.parquet")]
            query = "SELECT count(*) FROM read_parquet(?, union_by_name = true)"
            return db.execute(query, [files]).fetchone()[0] if files else 0

    def try_out(self, name, change):
        """Lets another program change the table, posts versions of its rows and new ones, and runs the day."""
        change(self)
        first = max(self.names) + 1
        self.post_users([*range(20, 30), *range(first, first + 10)])
        self.run(name)
        self.compare(name)

    def compare(self, name):
        found = self.table().to_pyarrow_table(columns=["ind", "user_name"])
        found = dict(zip(found["ind"].to_pylist(), found["user_name"].to_pylist(), strict=True))
        rows = self.table().to_pyarrow_table().num_rows
        self.report.check(f"{name}: the table has what it must have", found == self.names and rows == len(self.names),
                          {"missing": sorted(self.names.keys() - found.keys())[:9], "rows": rows,
                           "too many": sorted(found.keys() - self.names.keys())[:9],
                           "other": [ind for ind in found.keys() & self.names.keys() if found[ind] != self.names[ind]][:9]})  # fmt: skip


    def break_a_constraint(self):
        """A row that breaks a constraint fails the run with its name, and is merged once the constraint is gone."""
        self.table().alter.add_constraint({"young": "age IS NULL OR age < 100"})
        self.post("user", [{"ind": 5000, "first_name": "old", "age": 101}])
        wait_until(30, lambda: self.cleaned() == self.posted)
        command = [self.binary, "daily", "run", "--endpoint", self.url]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
        told = "its constraint `young` (age IS NULL OR age < 100), among them those of `ind` [5000]" in done.stderr
        self.report.check("a broken constraint: the run says which, and by what", done.returncode == 1 and told, done.stderr)
        self.table().alter.drop_constraint("young")
        self.names[5000] = "old"
        self.run("a broken constraint, dropped")
        self.compare("a broken constraint, dropped")

    def check_change_feed(self):
        """The changes that readers of the feed see come to the table."""
        table = self.table()
        started = next(entry["version"] for entry in reversed(table.history()) if "delta.enableChangeDataFeed" in str(entry))
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
        self.report.check("the change feed: its changes come to the table", bool(rows) and state == self.names,
                          [len(rows), len(state), len(self.names)])  # fmt: skip


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


def check_filters(report, label, lake):
    """Filters each column by nulls, and by its least and greatest value."""
    for kind in KINDS:
        table = deltalake.DeltaTable(str(lake / "curated" / kind))
        rows = table.to_pyarrow_table()
        for reader in (with_deltalake, with_pyarrow, with_polars, with_duckdb):
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


def with_duckdb(table, field, value):
    rows = table.to_pyarrow_dataset()  # DuckDB finds it by its name, and hands its filters on.
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        db.register("rows", rows)
        if value is None:
            return db.execute(f'SELECT count(*) FROM rows WHERE "{field.name}" IS NULL').fetchone()[0]
        return db.execute(f'SELECT count(*) FROM rows WHERE "{field.name}" = ?', [value]).fetchone()[0]


if __name__ == "__main__":
    sys.exit(main())
