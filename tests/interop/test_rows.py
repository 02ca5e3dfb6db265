"""The lake that the demo fills, read with DuckDB and Polars, and compared with the rules written again in SQL."""

import json

import polars
import pytest

from support.lake import COLUMNS, LINEAGE, TIMESTAMP, clean_objects, connect, count, differences, quarantine_objects
from support.rows import generated_rows, key_of, lines_of
from support.rules import cleaning, prelude
from support.stack import BUCKET, KINDS, run_pinflow

pytestmark = pytest.mark.interop

GENERATED_POSTS = 500
# Long enough that some hundred of the posts repeat an earlier one.
REAL_POSTS = 2239


@pytest.fixture(scope="module", params=["generated", "real"])
def filled(request, pinflow, data, tmp_path_factory):
    """The rows that the demo posts, as (kind, JSON), and the lake that it fills."""
    if request.param == "real" and data is None:
        pytest.skip("there is no folder of real rows; `--data` names it")
    folder = tmp_path_factory.mktemp("demo")
    if request.param == "generated":
        rows, options = generated_rows(pinflow, GENERATED_POSTS), ["--posts", GENERATED_POSTS]
    else:
        rows, options = real_rows(data), ["--posts", REAL_POSTS, "--data", data]
    run_pinflow(pinflow, "demo", "--out", folder, "--port", 0, *options)
    return rows, folder / BUCKET


@pytest.fixture(scope="module")
def database(filled):
    """The tables to compare: `raw`, `quarantine`, and of each kind `expected_<kind>` and `clean_<kind>`."""
    with connect() as db:
        load(db, *filled)
        yield db


def real_rows(data):
    """Returns what the demo posts of a data folder, as (kind, JSON)."""
    rows = {}
    for kind in KINDS:
        for line in lines_of(data / f"{kind}.ndjson"):
            rows.setdefault(key_of(kind, json.loads(line)), []).append((kind, line))
    # The sequence also has offsets without a row in the folder, and such a one is no post.
    posts = [offset for offset in json.loads((data / "row_sequence.json").read_text()) if offset in rows]
    return [row for offset in posts[:REAL_POSTS] for row in rows[offset]]


def duckdb_reads_the_columns(db, kind, path):
    # The folders `date=` and `hour=` would be read as two more columns.
    rows = db.execute("DESCRIBE FROM read_parquet(?, hive_partitioning = false)", [path]).fetchall()
    return [row[:2] for row in rows] == [(name, duck) for name, (duck, _) in (COLUMNS[kind] | LINEAGE).items()]


def polars_reads_the_columns(db, kind, path):
    schema = polars.read_parquet_schema(path)
    return list(schema.items()) == [(name, polar) for name, (_, polar) in (COLUMNS[kind] | LINEAGE).items()]


def both_count_the_same_rows(db, kind, path):
    return count(db, "FROM read_parquet(?)", [path]) == polars.read_parquet(path).height > 0


def both_read_the_same_keys(db, kind, path):
    rows = db.execute("SELECT ind, _shard, _sequence FROM read_parquet(?)", [path]).fetchall()
    return rows == polars.read_parquet(path, columns=["ind", "_shard", "_sequence"]).rows()


def timestamps_are_int64_microseconds_in_utc(db, kind, path):
    # Readers give INT96 and milliseconds the same type, so what is stored is asked for.
    names = [name for name, type_ in (COLUMNS[kind] | LINEAGE).items() if type_ == TIMESTAMP]
    stored = (
        "SELECT name FROM parquet_schema(?) WHERE list_contains(?, name) AND type = 'INT64' "
        "AND logical_type LIKE '%isAdjustedToUTC=1%' AND logical_type LIKE '%MICROS=%'"
    )
    return count(db, stored, [path, names]) == len(names)


def rows_stand_in_the_hour_of_their_arrival(db, kind, path):
    elsewhere = (
        "FROM read_parquet(?, hive_partitioning = true, hive_types_autocast = false) "
        "WHERE strftime(_arrival, '%Y-%m-%d %H') != date || ' ' || hour"
    )
    return count(db, elsewhere, [path]) == 0


def coordinates_have_two_parts(db, kind, path):
    return count(db, "FROM read_parquet(?) WHERE len(coordinates) != 2", [path]) == 0


OBJECT_CHECKS = [
    duckdb_reads_the_columns,
    polars_reads_the_columns,
    both_count_the_same_rows,
    both_read_the_same_keys,
    timestamps_are_int64_microseconds_in_utc,
    rows_stand_in_the_hour_of_their_arrival,
]


@pytest.mark.parametrize("kind", KINDS)
def test_each_object_stands_by_itself(report, filled, kind):
    """A reader may take the schema of a folder from any one of its objects."""
    _, lake = filled
    paths = clean_objects(lake, kind)
    report.check("there are clean objects", paths, f"nothing below `{lake}`")
    with connect() as db:
        for check in OBJECT_CHECKS + ([coordinates_have_two_parts] if kind == "geo" else []):
            wrong = [path.rpartition("/")[2] for path in paths if not check(db, kind, path)]
            report.equal(check.__name__.replace("_", " "), wrong, [])


def load(db, rows, lake):
    db.execute(
        "CREATE TABLE raw AS SELECT unnest($kinds::VARCHAR[]) AS kind, unnest($rows::VARCHAR[])::JSON AS data",
        {"kinds": [kind for kind, _ in rows], "rows": [row for _, row in rows]},
    )
    db.execute(prelude())
    for kind in KINDS:
        db.execute(f"CREATE TABLE expected_{kind} AS {cleaning(kind)}")
        # Delivery is at least once.
        db.execute(
            f"CREATE TABLE clean_{kind} AS SELECT DISTINCT ON (_shard, _sequence) * FROM read_parquet(?)",
            [clean_objects(lake, kind)],
        )
    db.execute(
        "CREATE TABLE quarantine (kind VARCHAR, code VARCHAR, message VARCHAR, rule_version INTEGER, shard VARCHAR, "
        "sequence_number VARCHAR, partition_key VARCHAR, arrival TIMESTAMPTZ, payload_base64 VARCHAR)"
    )
    if paths := quarantine_objects(lake):
        db.execute(
            "INSERT INTO quarantine BY NAME SELECT DISTINCT ON (shard, sequence_number) * "
            "FROM read_json(?, format = 'newline_delimited', hive_partitioning = false)",
            [paths],
        )
    db.execute("ALTER TABLE quarantine ADD COLUMN payload VARCHAR")
    db.execute("UPDATE quarantine SET payload = decode(from_base64(payload_base64))")
    db.execute(
        "CREATE TABLE posted AS " + " UNION ALL ".join(f"SELECT '{kind}' AS kind, code, payload FROM expected_{kind}" for kind in KINDS)
    )


def test_quarantine_has_the_rows_that_the_rules_reject(report, database):
    """Each with its code and its whole payload."""
    db = database
    report.equal("records with an empty field", count(db, "FROM quarantine WHERE COLUMNS(* EXCLUDE (kind)) IS NULL"), 0)
    # That a row was posted as another kind cannot be seen in the row, but the record says what it was posted as.
    wrong_kind = count(
        db,
        "FROM quarantine WHERE code = 'wrong_kind' "
        "AND NOT EXISTS (FROM posted WHERE posted.payload = quarantine.payload AND posted.kind != quarantine.kind)",
    )
    report.equal("rows that have the code wrong_kind without reason", wrong_kind, 0)
    differing = differences(
        db,
        "SELECT code, payload FROM posted WHERE code IS NOT NULL",
        "SELECT code, payload FROM quarantine WHERE code != 'wrong_kind'",
    )
    report.equal("rows that differ", differing, [])


@pytest.mark.parametrize("kind", KINDS)
def test_clean_rows_are_those_of_the_rules(report, filled, database, kind):
    """Compares column by column and then whole rows, as multisets."""
    (_, lake), db = filled, database
    # A row that was posted as another kind is in quarantine instead, once for each time.
    db.execute(
        f"CREATE TABLE accepted_{kind} AS FROM "
        f"(SELECT *, row_number() OVER (PARTITION BY payload) AS copy FROM expected_{kind} WHERE code IS NULL) AS row "
        "WHERE copy > (SELECT count(*) FROM quarantine WHERE code = 'wrong_kind' AND payload = row.payload)"
    )
    again = "SELECT _shard, _sequence FROM (SELECT DISTINCT * FROM read_parquet(?)) GROUP BY ALL HAVING count(*) > 1"
    report.equal("records with copies that differ", count(db, again, [clean_objects(lake, kind)]), 0)
    report.equal("rows are accepted", count(db, f"FROM clean_{kind}"), count(db, f"FROM accepted_{kind}"))
    # White space between the tokens of JSON means nothing, and `json` takes it out.
    columns = [name for name in COLUMNS[kind] if name != "ind"]
    columns += ["json(_extra) AS _extra", "json(_unread) AS _unread"]
    for selected in [*columns, ", ".join(columns)]:
        what = "all columns together" if selected not in columns else selected.split()[-1]
        expected, got = (f"SELECT ind, {selected} FROM {table}_{kind}" for table in ("accepted", "clean"))
        report.equal(f"{what}: rows that differ", differences(db, expected, got), [])
