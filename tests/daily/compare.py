"""Compares what a daily run wrote with what was computed from the stream, with readers that share no code with it."""

import csv
import re

import deltalake
import duckdb
import polars
import pyarrow
import pyarrow.parquet

from daily.expected import REPORTS, columns_of, rows_of
from support.lake import connect, differences
from support.stack import KINDS

LINEAGE = ("_shard", "_sequence", "_arrival", "_rules")

# How a value of a column is written in CSV, and what it is there.
WRITTEN = {
    "VARCHAR": (re.compile(r".*", re.DOTALL), str),
    "BIGINT": (re.compile(r"-?\d+"), int),
    "DOUBLE": (re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?"), float),
}
# What a column may be in Parquet: the width of a number is not part of the contract.
STORED = {"VARCHAR": "is_string", "BIGINT": "is_integer", "DOUBLE": "is_floating"}


def csv_rows(path, columns):
    """Returns the header and the rows of a CSV file; a value that is not of its column's type stays text."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file, strict=True)
    types = [type_ for _, type_ in columns]
    return header, [tuple(csv_value(*pair) for pair in zip(line, types, strict=True)) for line in lines]


def no_formula(text):
    """Returns text as a CSV has it, so that no spreadsheet evaluates it."""
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def csv_value(text, type_):
    pattern, read = WRITTEN[type_]
    return read(text) if pattern.fullmatch(text) else text


def wrong_columns(path, columns):
    """Returns the columns of a Parquet file when they are not those that are expected."""
    schema = pyarrow.parquet.read_schema(path)
    found = [(field.name, field.type) for field in schema]
    is_right = [name for name, _ in found] == [name for name, _ in columns] and all(
        has_type(type_, wanted) for (_, type_), (_, wanted) in zip(found, columns, strict=True)
    )
    return None if is_right else found


def has_type(type_, wanted):
    types = pyarrow.types
    if wanted == "VARCHAR":
        return types.is_string(type_) or types.is_large_string(type_) or types.is_string_view(type_)
    return getattr(types, STORED[wanted])(type_)


def check_reports(report, label, db, folder):
    """Compares each report's two files with the expected rows, in their order."""
    for name in REPORTS:
        columns, rows = columns_of(db, name), rows_of(db, name)
        with report.group(f"{label}: {name}.csv"):
            header, got = csv_rows(folder / f"{name}.csv", columns)
            report.equal(f"{label}: {name}.csv: columns", header, [column for column, _ in columns])
            shown = [tuple(no_formula(value) if isinstance(value, str) else value for value in row) for row in rows]
            check_rows(report, f"{label}: {name}.csv", got, shown)
        with report.group(f"{label}: {name}.parquet"):
            path = folder / f"{name}.parquet"
            wrong = wrong_columns(path, columns)
            report.check(f"{label}: {name}.parquet: columns", wrong is None, wrong)
            check_rows(report, f"{label}: {name}.parquet by Polars", polars.read_parquet(path).rows(), rows)
            # A folder `date=` would be read as one more column.
            query = "FROM read_parquet(?, hive_partitioning = false)"
            got = db.execute(query, [str(path)]).fetchall()
            check_rows(report, f"{label}: {name}.parquet by DuckDB", got, rows)


def check_rows(report, name, got, expected):
    """Checks that the rows are the same ones at the same places."""
    if sorted(map(repr, got)) == sorted(map(repr, expected)) and got != expected:
        report.check(f"{name}: order", False, f"same rows, other order: {got[:3]}, expected {expected[:3]}")
        return
    differing = [pair for pair in zip(got, expected, strict=False) if pair[0] != pair[1]]
    count = len(differing) + abs(len(got) - len(expected))
    sample = [f"got {pair[0]}, expected {pair[1]}" for pair in differing[:3]]
    sample += [f"{len(got)} rows, expected {len(expected)}"] if len(got) != len(expected) else []
    report.check(f"{name}: {count} of {len(expected)} rows differ", count == 0, sample)


def with_deltalake(path):
    return deltalake.DeltaTable(path).to_pyarrow_table()


def with_polars_scan(path):
    return polars.scan_delta(str(path)).collect().to_arrow()


def with_polars_read(path):
    return polars.read_delta(str(path)).to_arrow()


def with_duckdb(path):
    with extension() as db:
        return db.sql("FROM delta_scan($path)", params={"path": str(path)}).to_arrow_table()


def extension():
    """Returns a connection with DuckDB's extension for Delta, which is fetched from the network."""
    db = connect()
    try:
        db.execute("LOAD delta")
    except duckdb.Error:
        db.execute("INSTALL delta")
        db.execute("LOAD delta")
    return db


READERS = {
    "deltalake": with_deltalake,
    "Polars scan_delta": with_polars_scan,
    "Polars read_delta": with_polars_read,
    "DuckDB delta_scan": with_duckdb,
}


def readers(report, label):
    """Returns the readers that can be had here."""
    try:
        extension().close()
        return READERS
    except duckdb.Error as error:
        reason = f"its extension cannot be had: {str(error).splitlines()[0]}"
        report.skip(f"{label}: DuckDB delta_scan", reason)
        return {name: read for name, read in READERS.items() if name != "DuckDB delta_scan"}


def check_tables(report, label, db, lake, names):
    """Compares each curated table, as each of the named readers has it, with the expected one."""
    for kind in KINDS:
        for name in names:
            with report.group(f"{label}: curated/{kind} by {name}"):
                load(db, READERS[name](lake / "curated" / kind))
                columns, got = columns_of(db, f"curated_{kind}"), columns_of(db, "got")
                report.equal(f"{label}: curated/{kind} by {name}: columns", got, columns)
                differing = differences(db, f"FROM curated_{kind}", compact("got"))
                text = f"{label}: curated/{kind} by {name}: {len(differing)} rows differ"
                report.check(text, not differing, differing[:4])


def load(db, table):
    """Makes `got` of an Arrow table."""
    db.register("arrow", table)
    db.execute("CREATE OR REPLACE TABLE got AS FROM arrow")
    db.unregister("arrow")


def compact(table):
    # White space between the tokens of JSON means nothing, and `json` takes it out.
    compacted = ", ".join(f"json({name})::VARCHAR AS {name}" for name in ("_extra", "_unread"))
    return f"SELECT * REPLACE ({compacted}) FROM {table}"


def check_same_tables(report, label, db, lake, other):
    """Compares the tables of two lakes except for the lineage columns."""
    for kind in KINDS:
        with report.group(f"{label}: curated/{kind}"):
            for name, folder in (("one", lake), ("two", other)):
                load(db, with_deltalake(folder / "curated" / kind))
                db.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * EXCLUDE ({', '.join(LINEAGE)}) FROM got")
            differing = differences(db, "FROM one", "FROM two")
            report.check(f"{label}: curated/{kind}: {len(differing)} rows differ", not differing, differing[:4])


def report_files(folder):
    """Returns the bytes of each report's files by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".csv", ".parquet")}


def check_same_files(report, label, folder, other):
    """Checks that the reports of two folders are the same bytes."""
    with report.group(f"{label}: files"):
        one, two = report_files(folder), report_files(other)
        differing = sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))
        enough = len(two) >= 2 * len(REPORTS)
        report.check(f"{label}: {len(differing)} of {len(two)} files differ", enough and not differing, differing)
