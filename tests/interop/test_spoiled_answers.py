"""A proxy that spoils each n-th answer stands before a real stack: what `pinflow post` calls done must be stored."""

import json
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import duckdb
import requests

from harness import KINDS, wait_until

POSTS = 120
EVERY = 3
PAGE = b"<html><body>We will be back soon</body></html>"
# What stands in front of an API answers in its place: status, content type, body; None closes the connection.
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


def check(report, binary, url, lake):
    for wire, first in (("events", 1), ("kafka", 2), ("kinesis", 3)):
        with report.group(f"spoiled answers: {wire}"), tempfile.TemporaryDirectory() as folder:
            check_wire(report, binary, url, lake, wire, write_rows(Path(folder), first * 1_000_000))


def write_rows(folder, first):
    """Writes rows that no other check posts."""
    key = {"pin": "index", "geo": "ind", "user": "ind"}
    field = {"pin": "category", "geo": "country", "user": "first_name"}
    for kind in KINDS:
        rows = [{key[kind]: first + place, field[kind]: "x"} for place in range(POSTS)]
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
    report.check(f"spoiled answers: {wire}: the run ends well", done.returncode == 0, done.stdout + done.stderr)
    first = json.loads((folder / "geo.ndjson").read_text().split("\n")[0])["ind"]
    for kind in KINDS:
        expected = set(range(first, first + POSTS))
        wait_until(30, lambda kind=kind: stored(lake, kind, first) == expected)
        found = stored(lake, kind, first)
        report.check(f"spoiled answers: {wire}: each {kind} row that was posted is stored", found == expected,
                     f"{len(expected - found)} of {POSTS} are missing after {runs} runs")  # fmt: skip


def stored(lake, kind, first):
    with duckdb.connect() as db:
        pattern = f"{lake}/clean/{kind}/date=*/hour=*/*.parquet"
        query = "SELECT DISTINCT ind FROM read_parquet(?) WHERE ind BETWEEN ? AND ?"
        return {ind for (ind,) in db.execute(query, [pattern, first, first + POSTS - 1]).fetchall()}
