"""Posts from a real MariaDB server, and holds the lake against the same rows posted from a data folder."""

import json
import random
import re
import socket
import subprocess
import threading
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import duckdb
import pymysql
import pytest

from mysql.server import PASSWORD, TABLES, Server, program
from support import rows as posted_rows
from support.lake import positions
from support.stack import BUCKET, KINDS, embedded_stack, free_port, wait_until

pytestmark = [
    pytest.mark.mysql,
    pytest.mark.skipif(
        not (program("mariadbd") and program("mariadb-install-db")),
        reason="there is no `mariadbd`; Debian has it in mariadb-server",
    ),
]

TABLE_OF = {"pin": "pinterest_data", "geo": "geolocation_data", "user": "user_data"}
KEY_OF = {"pin": "index", "geo": "ind", "user": "ind"}
TEXT = (str, type(None))
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d")
# Values that the columns take; a table cannot hold the rest of the generated dirt.
FITS = {
    "pin": {"index": int, "downloaded": int} | dict.fromkeys(
        ("unique_id", "title", "description", "poster_name", "follower_count", "tag_list", "is_image_or_video",
         "image_src", "save_location", "category"), TEXT),
    "geo": {"ind": int, "timestamp": MOMENT, "latitude": float, "longitude": float, "country": TEXT},
    "user": {"ind": int, "first_name": TEXT, "last_name": TEXT, "age": int, "date_joined": MOMENT},
}  # fmt: skip
GENERATED_POSTS = 400
KILL_AFTER_POSTS = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("mysql")


@pytest.fixture(scope="module")
def server(folder):
    server = Server(folder)
    try:
        server.start(with_tls=True)
        server.add_user("reader")
        server.add_user("guarded", "REQUIRE SSL")
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def generated(pinflow):
    return generated_rows(pinflow)


def test_generated_rows_come_as_from_a_folder(report, pinflow, server, folder, generated):
    # As pandas makes the tables: no key, and the rows in any order.
    shuffled = {kind: random.Random(7).sample(rows, len(rows)) for kind, rows in generated.items()}
    compare(report, "generated rows", pinflow, server, folder, "generated", shuffled, TABLES)


def test_real_rows_come_as_from_a_folder(report, pinflow, server, folder, real_data):
    real = {kind: list(map(json.loads, posted_rows.lines_of(real_data / f"{kind}.ndjson"))) for kind in KINDS}
    keyed = re.sub(r"((?:`index`|ind) BIGINT)", r"\1 PRIMARY KEY", TABLES)
    compare(report, "real rows", pinflow, server, folder, "real_rows", real, keyed)


def generated_rows(binary):
    """Returns the generated rows that a table can hold, by kind; some keys are repeated."""
    rows = {kind: [] for kind in KINDS}
    for kind, line in posted_rows.generated_rows(binary, GENERATED_POSTS):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and KEY_OF[kind] in row and all(fits(kind, *member) for member in row.items()):
            rows[kind].append(row)
    return rows


def fits(kind, name, value):
    wanted = FITS[kind].get(name)
    if isinstance(wanted, re.Pattern):
        if not isinstance(value, str) or not wanted.fullmatch(value):
            return False
        try:
            return datetime.fromisoformat(value).year >= 1000
        except ValueError:
            return False
    return wanted is not None and isinstance(value, wanted) and not isinstance(value, bool)


def write_folder(folder, rows):
    folder.mkdir()
    for kind in KINDS:
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows[kind]]
        (folder / f"{kind}.ndjson").write_text("".join(lines), encoding="utf-8")
    return folder


def post(binary, url, *arguments, cwd):
    """Posts, and returns the finished command."""
    command = [str(word) for word in (binary, "post", "--api", url, *arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, encoding="utf-8", timeout=600)


def accepted(done):
    found = re.search(r"Sent (\d+) posts? in .*: (\d+) rows accepted, 0 failed", done.stdout)
    if not found:
        raise OSError(f"`pinflow post` exited with {done.returncode}: {(done.stderr + done.stdout)[-600:]}")
    return tuple(map(int, found.groups()))


@contextmanager
def lake(binary, folder, name):
    """Runs a stack of its own, and yields its URL and its bucket."""
    with embedded_stack(binary, folder / name) as url:
        yield url, folder / name / BUCKET


def wait_for(report, name, bucket, rows):
    wait_until(60, lambda: len(positions(bucket)) >= rows)
    report.equal(f"{name}: rows that arrive", len(positions(bucket)), rows)


def clean_rows(bucket, kind):
    """Returns a query for the clean rows as they were accepted, without the lineage columns."""
    objects = ", ".join(f"'{path}'" for path in sorted(bucket.glob(f"clean/{kind}/date=*/hour=*/*.parquet")))
    return (
        "SELECT * EXCLUDE (_shard, _sequence, _arrival) FROM (SELECT DISTINCT ON (_shard, _sequence) * "
        f"FROM read_parquet([{objects}], hive_partitioning = false))"
    )


def differences(expected, got):
    return duckdb.execute(
        f"SELECT row::VARCHAR FROM (({expected}) EXCEPT ALL ({got})) AS row "
        f"UNION ALL SELECT row::VARCHAR FROM (({got}) EXCEPT ALL ({expected})) AS row"
    ).fetchall()


def same_tables(report, name, expected, got):
    """Compares the clean tables of two buckets, column by column and then whole rows, as multisets."""
    for kind in KINDS:
        wanted, found = clean_rows(expected, kind), clean_rows(got, kind)
        columns = [row[0] for row in duckdb.execute(f"DESCRIBE {wanted}").fetchall()]
        wrong = {}
        for column in [*columns[1:], "*"]:
            selected = "*" if column == "*" else f"ind, {column}"
            if found_differences := differences(f"SELECT {selected} FROM ({wanted})", f"SELECT {selected} FROM ({found})"):
                wrong[column] = len(found_differences), found_differences[:2]
        rows = duckdb.execute(f"SELECT count(*) FROM ({wanted})").fetchone()[0]
        differing = sum(count for count, _ in wrong.values())
        report.check(f"{name}: {kind}: {rows} rows, {len(columns)} columns: {differing} differences",
                     rows > 0 and not wrong, wrong)  # fmt: skip


def compare(report, label, binary, server, folder, database, rows, tables):
    """Posts the same rows from a data folder and from a database, in each order."""
    server.load(database, {TABLE_OF[kind]: rows[kind] for kind in KINDS}, tables)
    data = write_folder(folder / f"{database}-rows", rows)
    creds = server.creds(folder / f"{database}.yaml", "guarded", database)
    longest = max(map(len, rows.values()))
    total = sum(map(len, rows.values()))
    offsets = {row[KEY_OF[kind]] for kind in KINDS for row in rows[kind]}
    with lake(binary, folder, f"{database}-folder") as (url, from_folder):
        done = post(binary, url, "--data", data, "--posts", len(offsets), cwd=folder)
        report.equal(f"{label}: the folder's rows are accepted", accepted(done)[1], total)
        wait_for(report, f"{label}: from the folder", from_folder, total)
    sequence = list(range(longest + 50))
    random.Random(3).shuffle(sequence)
    # Beside the file with the login, where it is found by itself.
    (folder / "row_sequence.json").write_text(json.dumps(sequence))
    for order, *options in (["table", "--rows-per-request", 20], ["sequence"]):
        name = f"{label}: from the database, in order {order}"
        with lake(binary, folder, f"{database}-{order}") as (url, bucket):
            arguments = ["--mysql", creds, "--order", order, "--posts", longest, *options]
            done = post(binary, url, *arguments, cwd=folder)
            report.equal(f"{name}: posts and rows that are accepted", accepted(done), (longest, total))
            wait_for(report, name, bucket, total)
            same_tables(report, name, from_folder, bucket)
    name = f"{label}: from the database, in order random"
    with lake(binary, folder, f"{database}-random") as (url, bucket):
        done = post(binary, url, "--mysql", creds, "--seed", 5, "--posts", longest, cwd=folder)
        rows_accepted = accepted(done)[1]
        wait_for(report, name, bucket, rows_accepted)
        for kind in KINDS:
            wanted, found = clean_rows(from_folder, kind), clean_rows(bucket, kind)
            foreign = duckdb.execute(f"SELECT count(*) FROM (({found}) EXCEPT ({wanted}))").fetchone()[0]
            share = duckdb.execute(f"SELECT count(*) FROM (SELECT DISTINCT ind FROM ({found}))").fetchone()[0]
            share /= duckdb.execute(f"SELECT count(*) FROM (SELECT DISTINCT ind FROM ({wanted}))").fetchone()[0]
            # So many draws with repeats leave out a share of 1/e.
            report.check(f"{name}: {kind}: {foreign} rows that the table does not have, and repeats",
                         foreign == 0 and 0.5 < share < 0.75, f"{foreign}, {share}")  # fmt: skip
    with recorder() as (url, first), recorder() as (other_url, second):
        for place, seed in ((url, 5), (other_url, 5)):
            accepted(post(binary, place, "--mysql", creds, "--seed", seed, "--posts", 50, cwd=folder))
        report.check(f"{label}: a seed draws the same rows again", sorted(first) == sorted(second) != [], first[:2])


@contextmanager
def recorder():
    """Runs an API that accepts everything, and yields its URL and the bodies that it gets."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self):
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            answer = b'{"ShardId": "shardId-000000000000", "SequenceNumber": "1"}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    api = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{api.server_port}", bodies
    finally:
        api.shutdown()
        api.server_close()


# Types and values that the old database may have; `_` columns are beyond its own.
EDGE_TABLES = """
CREATE TABLE pinterest_data (`index` INT UNSIGNED ZEROFILL, title TEXT, tag_list VARCHAR(200) CHARACTER SET latin1,
    downloaded TINYINT(1), _kind ENUM('image', 'video'), _price DECIMAL(10, 2), _json JSON, category CHAR(9));
CREATE TABLE geolocation_data (ind BIGINT, timestamp DATETIME, latitude DOUBLE, longitude FLOAT, country TEXT);
CREATE TABLE user_data (ind BIGINT UNSIGNED, age SMALLINT, date_joined TIMESTAMP NULL, _born DATE, _year YEAR)
"""
EDGE_ROWS = {
    "pinterest_data": [
        {"index": 42, "title": "Уют \N{SPOOL OF THREAD}\n\"quoted\" \\ \u00a0", "tag_list": "caf\u00e9", "downloaded": 1,
         "_kind": "video", "_price": "12.50", "_json": '{"a": [1, 2.0]}', "category": "art"},
        {"index": 7, "title": None, "tag_list": "", "downloaded": 0, "_kind": None, "_price": None, "category": None},
    ],
    "geolocation_data": [
        {"ind": -1, "timestamp": "2020-08-28 03:52:47", "latitude": 0.1 + 0.2, "longitude": -173.293, "country": "x"},
        {"ind": 2**62, "timestamp": None, "latitude": -1.7976931348623157e308, "longitude": 12, "country": "y"},
        {"ind": 3, "timestamp": "9999-12-31 23:59:59", "latitude": 5e-324, "longitude": None, "country": None},
    ],
    "user_data": [
        {"ind": 2**64 - 1, "age": -5, "date_joined": "2015-10-24 11:23:51", "_born": "1999-01-31", "_year": 1999},
        {"ind": 1, "age": None, "date_joined": None, "_born": None, "_year": None},
    ],
}  # fmt: skip


def test_rows_are_the_old_scripts_json(report, pinflow, server, folder):
    """Compares what is posted with what the old script sends: its query, its driver, `json.dumps(..., default=str)`."""
    server.load("edges", EDGE_ROWS, EDGE_TABLES)
    creds = server.creds(folder / "edges.yaml", "reader", "edges")
    (folder / "edges.json").write_text("[2, 0, 1, 99, 0]")
    connection = pymysql.connect(host="127.0.0.1", port=server.port, user="reader", password=PASSWORD,
                                 database="edges", charset="utf8mb4", init_command="SET time_zone = '+00:00'")  # fmt: skip
    expected = []
    with connection, connection.cursor(pymysql.cursors.DictCursor) as cursor:
        for offset in (2, 0, 1, 0):
            for kind in KINDS:
                cursor.execute(f"SELECT * FROM {TABLE_OF[kind]} ORDER BY `{KEY_OF[kind]}` LIMIT {offset}, 1")
                for row in cursor:
                    expected.append(f"{kind} {json.dumps(row, default=str)}")
    with recorder() as (url, bodies):
        done = post(pinflow, url, "--mysql", creds, "--sequence", folder / "edges.json", "--posts", 4, cwd=folder)
        report.equal("the old script's JSON: rows that are accepted", accepted(done), (4, len(expected)))
        bodies = [json.loads(body) for body in bodies]
        got = sorted(f"{body['PartitionKey']} {json.dumps(body['Data'])}" for body in bodies)
    for want, have in zip(sorted(expected), got, strict=True):
        report.equal(f"the old script's JSON: {want[:60]}", have, want)


def own_address():
    """Returns an address of this machine that is not its loopback, by which it is another machine to the client."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return probe.getsockname()[0]


def test_failures_say_what_to_do(report, pinflow, server, folder):
    server.load("none", {}, "CREATE TABLE unknown (ind INT)")
    server.load("bare", {})
    server.load("bytes", {}, TABLES.replace("title TEXT", "title BLOB"))
    server.execute("INSERT INTO pinterest_data (`index`, title) VALUES (5, x'ff')", database="bytes")
    server.execute("CREATE USER stranger@'%' IDENTIFIED BY 'x'")
    (folder / "broken.yaml").write_text("HOST: h\nPASSWORD: 's3cret\n")
    creds = lambda **changed: server.creds(folder / "failing.yaml", changed.pop("user", "reader"),  # noqa: E731
                                           changed.pop("database", "edges"), **changed)  # fmt: skip
    cases = [
        ("a wrong password", lambda: creds(PASSWORD="s3cret"), "check USER and PASSWORD in `"),
        ("another user's database", lambda: creds(user="stranger", PASSWORD="x"), "check DATABASE in `"),
        ("a database that is not there", lambda: creds(database="nowhere"), "check DATABASE in `"),
        ("no table", lambda: creds(database="none"), "the database `none` has none of the tables "),
        ("empty tables", lambda: creds(database="bare"), "`bare` has no row to post: its tables are empty"),
        ("bytes that are not text", lambda: creds(database="bytes"), "row 0: `title` is not UTF-8 text"),
        ("a wrong port", lambda: creds(PORT=free_port()), "check HOST and PORT in `"),
        ("a wrong host", lambda: creds(HOST="db.invalid"), "check HOST and PORT in `"),
        *((f"a login without {key}", lambda key=key: creds(**{key: None}), f"{key} is missing; the keys are HOST, USER")
          for key in ("HOST", "USER", "PASSWORD", "DATABASE", "PORT")),
        ("a login that is not YAML", lambda: folder / "broken.yaml", "broken.yaml`, line 2: not YAML"),
        ("a login that is not there", lambda: folder / "nowhere.yaml", "could not read `"),
    ]  # fmt: skip
    address = own_address()
    if address:
        cases.append(("another machine without a certificate that is trusted", lambda: creds(HOST=address), "as SSL_CA in `"))
    else:
        report.skip("another machine", "this one has no address but that of itself")
    with recorder() as (url, bodies):
        for name, path, part in cases:
            done = post(pinflow, url, "--mysql", path(), "--order", "table", "--posts", 2, cwd=folder)
            report.check(f"{name}: {done.stderr.strip()[:110]}", done.returncode == 1 and part in done.stderr,
                         f"{done.returncode}: {done.stderr}")  # fmt: skip
            secret = PASSWORD in done.stderr + done.stdout or "s3cret" in done.stderr + done.stdout
            report.check(f"{name}: the password is not shown", not secret, done.stderr)
        report.equal("failures: nothing is posted", bodies, [])


def test_a_table_that_is_missing_is_told_and_the_others_are_posted(report, pinflow, server, folder):
    server.load("half", {"pinterest_data": [{"index": 1, "title": "a"}]}, TABLES.split("CREATE TABLE user_data")[0])
    creds = server.creds(folder / "half.yaml", "reader", "half")
    with recorder() as (url, bodies):
        done = post(pinflow, url, "--mysql", creds, "--order", "table", "--posts", 1, cwd=folder)
    report.equal("the rows of the others are posted", (accepted(done), len(bodies)), ((1, 1), 1))
    report.check("the missing one is reported", "/half has no table for user (" in done.stderr, done.stderr)
    report.check("with the name that it might have", "user_data" in done.stderr, done.stderr)
    report.check("the others are not", "for pin" not in done.stderr and "for geo" not in done.stderr, done.stderr)


def test_rows_that_go_while_they_are_read_hide_no_others(report, pinflow, server, folder):
    """Deletes rows that were read from a table that is being walked through: no other one is passed over."""
    rows = range(450)
    server.load("walked", {
        "pinterest_data": [{"index": ind, "title": "a"} for ind in rows] + [{"index": 440, "title": "b"}],
        "geolocation_data": [{"ind": ind, "country": "x"} for ind in rows],
        "user_data": [{"ind": ind // 2, "first_name": f"n{ind}"} for ind in rows],
    })  # fmt: skip
    creds = server.creds(folder / "walked.yaml", "reader", "walked")
    with recorder() as (url, bodies):
        command = [pinflow, "post", "--api", url, "--wire", "kinesis", "--mysql", creds, "--order", "table",
                   "--posts", len(rows) + 1, "--posts-per-second", 150]  # fmt: skip
        process = subprocess.Popen(list(map(str, command)), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until(60, lambda: len(bodies) >= 30)
        server.execute("DELETE FROM pinterest_data WHERE `index` < 10", "DELETE FROM geolocation_data WHERE ind < 10",
                       "DELETE FROM user_data WHERE ind < 5", database="walked")  # fmt: skip
        out, err = process.communicate(timeout=120)
        report.check("rows that go: the run ends well", process.returncode == 0, out + err)
        posted = [json.loads(body) for body in bodies]
        of_kind = lambda kind: [body["Data"] for body in posted if body["PartitionKey"].endswith(kind)]  # noqa: E731
        pins = sorted((row["index"], row["title"]) for row in of_kind("pin"))
        report.equal("rows that go: every pin is posted once", pins, sorted([(ind, "a") for ind in rows] + [(440, "b")]))
        report.equal("rows that go: every geo row is posted once", sorted(row["ind"] for row in of_kind("geo")), list(rows))
        names = [row["first_name"] for row in of_kind("user")]
        report.equal("rows that go: every user row is posted once", sorted(names), sorted(f"n{ind}" for ind in rows))
        # Two rows of a key are versions, wherever they are.
        report.check("rows that go: versions keep their order",
                     all(names.index(f"n{ind}") < names.index(f"n{ind + 1}") for ind in rows if ind % 2 == 0), names)  # fmt: skip


def test_a_run_whose_server_is_killed_goes_on(report, pinflow, server, folder, generated):
    """Kills the server in the middle of a run, starts it again, and goes on."""
    rows, data = generated, write_folder(folder / "resumed-rows", generated)
    longest = max(map(len, rows.values()))
    server.load("resumed", {TABLE_OF[kind]: rows[kind] for kind in KINDS})
    creds = server.creds(folder / "resume.yaml", "reader", "resumed")
    state = folder / "resume-state.json"
    arguments = ["--mysql", creds, "--order", "table", "--state", state, "--posts", longest]
    with lake(pinflow, folder, "resumed") as (url, bucket):
        command = [pinflow, "post", "--api", url, *arguments, "--posts-per-second", 60]
        process = subprocess.Popen(list(map(str, command)), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, encoding="utf-8")  # fmt: skip
        wait_until(60, lambda: state.exists() and json.loads(state.read_text())["posts_done"] >= KILL_AFTER_POSTS)
        server.stop(is_killed=True)
        out, err = process.communicate(timeout=120)
        done = subprocess.CompletedProcess(command, process.returncode, out, err)
        posts, first_rows = accepted(done)
        report.check(f"a killed server: {err.strip()[:110]}",
                     done.returncode == 1 and "went away" in err and KILL_AFTER_POSTS <= posts < longest, done)  # fmt: skip
        report.check("a killed server: what was posted is reported, and the next post",
                     f"The next post is {posts + 1}; the same command with --resume goes on" in out, out)  # fmt: skip
        again = post(pinflow, url, *arguments, "--resume", cwd=folder)
        report.check("a server that is still gone: nothing is posted",
                     again.returncode == 1 and "check HOST and PORT" in again.stderr and not again.stdout, again)  # fmt: skip

        # Without TLS this time: it is used where it is offered, and not asked for.
        server.start(with_tls=False)
        for name, was, now in (
            ("order", "table", "random"),
            ("seed", "1", "2"),
            ("API", url, "http://127.0.0.1:1"),
        ):
            words = ["--api", url, "--seed", "1", *map(str, arguments), "--resume"]
            words[words.index(was)] = now
            refused = subprocess.run([pinflow, "post", *words], cwd=folder, capture_output=True, text=True, timeout=60)
            report.check(f"a resume with another {name}: {refused.stderr.strip()[-110:]}",
                         refused.returncode == 1 and f"its {name} was" in refused.stderr, refused)  # fmt: skip
        done = post(pinflow, url, *arguments, "--resume", cwd=folder)
        rest, rest_rows = accepted(done)
        report.equal("a resume posts the rest, and not from the start", (done.returncode, rest), (0, longest - posts))
        total = sum(map(len, rows.values()))
        report.equal("a resume: rows of both runs", first_rows + rest_rows, total)
        wait_for(report, "a resume", bucket, total)
        with lake(pinflow, folder, "resumed-folder") as (other_url, from_folder):
            offsets = {row[KEY_OF[kind]] for kind in KINDS for row in rows[kind]}
            accepted(post(pinflow, other_url, "--data", data, "--posts", len(offsets), cwd=folder))
            wait_for(report, "the same rows from a folder", from_folder, total)
            same_tables(report, "a resume", from_folder, bucket)
        done = post(pinflow, url, *arguments, "--resume", cwd=folder)
        report.equal("a resume of a finished run posts nothing", (done.returncode, accepted(done)), (0, (0, 0)))
