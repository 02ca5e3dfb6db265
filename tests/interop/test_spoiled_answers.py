"""A proxy in front of a real stack spoils each n-th answer: whatever `pinflow post` calls done must be stored."""

import json
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import duckdb
import pytest
import requests

from support.lake import clean_objects
from support.stack import BUCKET, KINDS, embedded_stack, wait_until

pytestmark = pytest.mark.interop

POSTS = 120
EVERY = 3
PAGE = b"<html><body>We will be back soon</body></html>"
# Answers of a gateway or proxy in front of the API: status, content type, body; None closes the connection.
SPOILED = [
    (200, "text/html", PAGE),
    (204, None, b""),
    (400, "text/html", PAGE),
    (413, "text/html", PAGE),
    (200, "application/json", b'{"status": "ok"}'),
    (200, "application/json", b'{"accepted": 1, "fai'),
    (502, "text/html", PAGE),
    (404, "application/json", b"{}"),
    None,
]


@contextmanager
def proxy(url, is_spoiling):
    """Yields a URL that leads to another one; the request always arrives there, whatever the answer becomes."""
    numbers = count()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            names = ("content-type", "content-encoding")
            headers = {name: self.headers[name] for name in names if self.headers[name]}
            number = next(numbers)
            spoiled = number % EVERY == EVERY - 1 and is_spoiling()
            # Half of what is spoiled never arrives, as where a gateway answers by itself.
            if spoiled and number % 2:
                answer = None
            else:
                answer = requests.request(self.command, url + self.path, data=body, headers=headers, timeout=30)
            choice = SPOILED[number // EVERY % len(SPOILED)] if spoiled else None
            if spoiled and choice is None:
                self.close_connection = True
                return
            status, kind, content = choice or (answer.status_code, answer.headers["content-type"], answer.content)
            self.send_response(status)
            if kind:
                self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_PUT = do_POST

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_):
            """Clients leave a spoiled answer where it breaks."""

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("wire", ["events", "kafka", "kinesis"])
def test_what_is_called_done_is_stored(report, pinflow, tmp_path, wire):
    (tmp_path / "rows").mkdir()
    with embedded_stack(pinflow, tmp_path / "out") as url:
        check_wire(report, pinflow, url, tmp_path / "out" / BUCKET, wire, write_rows(tmp_path / "rows"))


def write_rows(folder):
    key = {"pin": "index", "geo": "ind", "user": "ind"}
    field = {"pin": "category", "geo": "country", "user": "first_name"}
    for kind in KINDS:
        rows = [{key[kind]: place, field[kind]: "x"} for place in range(POSTS)]
        (folder / f"{kind}.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def check_wire(report, binary, url, lake, wire, folder):
    state = folder / "state.json"
    runs, is_broken = 0, True
    with proxy(url, lambda: is_broken) as api:
        command = [binary, "post", "--api", api, "--wire", wire, "--data", folder, "--posts", str(POSTS),
                   "--rows-per-request", "7", "--state", state]  # fmt: skip
        while True:
            # The weather clears up in the end, and what was not done is done.
            is_broken = runs < 2
            resumed = command + (["--resume"] if runs else [])
            done = subprocess.run(list(map(str, resumed)), cwd=folder, capture_output=True, text=True, timeout=300)
            runs += 1
            if done.returncode == 0 or runs == 6:
                break
    report.check("the run ends well", done.returncode == 0, done.stdout + done.stderr)
    expected = set(range(POSTS))
    for kind in KINDS:
        wait_until(30, lambda kind=kind: stored(lake, kind) == expected)
        report.equal(f"each {kind} row that was posted is stored, after {runs} runs", stored(lake, kind), expected)


def stored(lake, kind):
    if not (paths := clean_objects(lake, kind)):
        return set()
    with duckdb.connect() as db:
        return {ind for (ind,) in db.execute("SELECT DISTINCT ind FROM read_parquet(?)", [paths]).fetchall()}
