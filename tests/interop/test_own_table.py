"""Tables that a user adds by files alone: posted over HTTP and onto the stream, cleaned, merged and reported by the same program, and read
back with DuckDB, Polars and Delta's own reader."""

import datetime
import decimal
import json
import shutil
import subprocess

import polars
import pytest
import requests
from deltalake import DeltaTable

from support.lake import clean_objects, connect, quarantine_objects
from support.stack import BUCKET, ROOT, STREAM, aws_session, embedded_stack, run_pinflow, wait_until

pytestmark = pytest.mark.interop

BOARDS = [
    {"slug": "a/1", "owner": 7, "budget": "12.50", "changed": 1600000000123, "opened": "2020-01-02", "detail": {"tags": ["x", "é"]},
     "is_open": 1, "score": 0.5, "internal": "dropped"},
    {"board_slug": "b", "owner": "8", "budget": 3, "changed": 1600000000000, "detail": [1, 2], "is_open": "false", "score": 2},
    # Older by the table's own order, though it comes later.
    {"slug": "a/1", "owner": 9, "budget": 1, "changed": 1500000000000, "is_open": False},
]  # fmt: skip
CLICKS = [{"clicked_board": "b", "seconds": 3, "clicked_at": 1600000000}, {"clicked_board": "b", "seconds": 3, "clicked_at": 1600000000}]
VISITS = [{"visit_id": "v1", "visited_page": "/a"}, {"visit_id": "v2", "visited_page": "/b"}]


@pytest.fixture
def model(tmp_path, monkeypatch):
    """Returns a folder with the project's own tables and three more, which every program that the test starts reads."""
    folder = tmp_path / "model"
    shutil.copytree(ROOT / "model", folder)
    shutil.copytree(ROOT / "tests" / "other-model", folder, dirs_exist_ok=True)
    monkeypatch.setenv("MODEL_DIR", str(folder))
    return folder


def post(url, path, rows, content_type="application/json"):
    answer = requests.post(f"{url}{path}", data=json.dumps(rows), headers={"Content-Type": content_type}, timeout=30)
    assert answer.status_code == 200, answer.text


def test_a_table_of_files_alone_goes_the_whole_way(report, pinflow, model, tmp_path):
    lake = tmp_path / "out" / BUCKET
    with embedded_stack(pinflow, tmp_path / "out") as url:
        post(url, "/events/board", BOARDS[:1])
        kafka = {"records": [{"value": row} for row in BOARDS[1:]]}
        post(url, "/topics/u.boards", kafka, "application/vnd.kafka.json.v2+json")
        kinesis = aws_session(url).client("kinesis", endpoint_url=url)
        for row in CLICKS:
            kinesis.put_record(StreamName=STREAM, PartitionKey="own", Data=json.dumps(row).encode())
        # A client that sends its rows again.
        for _ in range(2):
            post(url, "/events/visit", VISITS)
        post(url, "/events/pin", [{"index": 7, "category": "art"}])
        rows = len(BOARDS) + len(CLICKS) + 2 * len(VISITS) + 1
        db = connect()
        count = "SELECT sum(num_rows) FROM parquet_file_metadata(?)"
        found = lambda: [path for kind in ("board", "click", "visit", "pin") for path in clean_objects(lake, kind)]  # noqa: E731
        wait_until(60, lambda: found() and db.execute(count, [found()]).fetchone()[0] >= rows)
        # Twice: nothing may be merged again.
        for _ in range(2):
            run_pinflow(pinflow, "daily", "run", "--endpoint", url)

    columns = "slug, owner, budget, changed::VARCHAR, opened, detail, is_open, score, _extra, _unread"
    clean = f"SELECT {columns} FROM read_parquet(?) ORDER BY changed DESC"
    read = db.execute(clean, [clean_objects(lake, "board")]).fetchall()
    report.equal("DuckDB reads the clean rows", read, [
        ("a/1", 7, decimal.Decimal("12.50"), "2020-09-13 12:26:40.123+00", datetime.date(2020, 1, 2),
         '{"tags": ["x", "\\u00e9"]}', True, 0.5, None, None),
        ("b", 8, decimal.Decimal("3.00"), "2020-09-13 12:26:40+00", None, "[1, 2]", False, None, None,
         '{"score":2}'),
        ("a/1", 9, decimal.Decimal("1.00"), "2017-07-14 02:40:00+00", None, None, False, None, None, None),
    ])  # fmt: skip
    frame = polars.read_parquet(clean_objects(lake, "board"), hive_partitioning=False)
    report.equal("Polars reads the same types", [str(frame.schema[name]) for name in ("slug", "budget", "changed", "opened", "is_open")], [
        "String", "Decimal(precision=10, scale=2)", "Datetime(time_unit='us', time_zone='UTC')", "Date", "Boolean",
    ])  # fmt: skip

    def curated(table, columns):
        rows = DeltaTable(str(lake / "curated" / table)).to_pyarrow_table(columns=columns)
        return sorted(tuple(row.values()) for row in rows.to_pylist())

    latest = [("a/1", 7, decimal.Decimal("12.50")), ("b", 8, decimal.Decimal("3.00"))]
    report.equal("the latest board of a key is that of the greatest `changed`", curated("board", ["slug", "owner", "budget"]), latest)
    report.equal("each click counts, and once", curated("click", ["board", "seconds"]), [("b", 3), ("b", 3)])
    report.equal("a visit that was sent again counts once", curated("visit", ["visit_id", "visited_page"]), [("v1", "/a"), ("v2", "/b")])
    report.equal("nothing is in quarantine", quarantine_objects(lake), [])

    [reports] = (lake / "reports").iterdir()
    report.equal(
        "a report reads the table", (reports / "budget_by_owner.csv").read_text().split(), ["owner,budget,boards", "7,12.50,1", "8,3.00,1"]
    )
    report.equal("and a view that joins two", (reports / "clicks_by_owner.csv").read_text().split(), ["owner,clicks", "8,2"])
    summary = json.loads((reports / "summary.json").read_text())
    report.equal("the summary has the tables", {kind: table["rows"] for kind, table in summary["tables"].items()},
                 {"board": 2, "click": 2, "geo": 0, "pin": 1, "user": 0, "visit": 2})  # fmt: skip
    page = (reports / "index.html").read_text()
    for text in ("Budget by owner", "Clicks by owner", "Nulls in board", "Nulls in click"):
        report.check(f"the page shows {text}", text in page, page[:200])


@pytest.mark.parametrize(("file", "text", "sentence"), [
    ("tables/other.yaml", "columns:\n  name: text\n", "other.yaml:1:1: there is no `key`; name the column that tells rows apart"),
    ("tables/other.yaml", "labels: [pinterest_data]\nkey: i\ncolumns: {i: int64}\n", "pin.yaml:2:9: the label `pinterest_data` is `other`"),
    ("tables/other.yaml", "labels: [boards]\nkey: id\ncolumns: {id: int64}\n", "other.yaml:1:9: the label `boards` is `board`'s"),
    ("tables/other.yaml", "key: id\ncolumns:\n  id: {type: int63}\n", "other.yaml:3:14: `int63` is no type; write text, int32, int64"),
    ("tables/other.yaml", "key: id\ncolumns:\n  id: {type: decimal(10,2)}\n", "other.yaml:3:14: a decimal is written"),
    ("reports/other.sql", "SELECT nothing FROM board", "other.sql:1:8: No field named nothing."),
])  # fmt: skip
def test_a_half_written_table_is_told_with_its_place(report, pinflow, model, file, text, sentence):
    """Before anything is served: with its file, line and column, and what to write."""
    (model / file).write_text(text)
    done = subprocess.run([pinflow, "model", "check"], capture_output=True, text=True, timeout=60)
    report.equal("the check fails", done.returncode, 1)
    report.check(f"it says {sentence}", sentence in done.stderr, done.stderr)
    if file.startswith("tables/"):
        started = subprocess.run([pinflow, "local", "--out", model.parent / "none"], capture_output=True, text=True, timeout=60)
        report.check("the stack does not start", started.returncode == 1 and sentence in started.stderr, started.stderr)
