"""Kills, fills up, locks and loads the embedded stack, and looks for what was acknowledged."""

import gzip
import os
import random
import signal
import statistics
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
import requests

from support.lake import positions
from support.stack import BUCKET, embedded_stack, free_port, start_stack, wait_until

pytestmark = pytest.mark.crash

KILLS = 20
POSTERS = 4
# Rows of one request: some requests are large enough to be under way when the process dies.
ROWS = (1, 5, 200)


class Poster(threading.Thread):
    """Posts rows until it is stopped, and keeps the position of each row that was acknowledged."""

    def __init__(self, url, seed):
        super().__init__(daemon=True)
        self.url, self.random = url, random.Random(seed)
        self.positions, self.statuses = [], []
        self.is_stopped = threading.Event()

    def run(self):
        session = requests.Session()
        while not self.is_stopped.is_set():
            rows = [self.row() for _ in range(self.random.choice(ROWS))]
            try:
                answer = session.post(self.url + "/events/user", json=rows, timeout=40)
            except requests.RequestException:
                # No answer is no acknowledgement. The process may be gone for a moment.
                time.sleep(0.02)
                continue
            self.statuses.append(answer.status_code)
            if answer.headers["content-type"].startswith("application/json"):
                results = answer.json().get("results", [])
                self.positions += [(r["shard"], r["sequence_number"]) for r in results if "shard" in r]

    def row(self):
        # One row in fifty has no key, and ends in quarantine.
        key = {} if self.random.random() < 0.02 else {"ind": self.random.randrange(10**9)}
        return key | {"first_name": "Ada", "last_name": "L.", "age": 36, "date_joined": "2017-01-01 00:00:00"}


@contextmanager
def posters(url, seed):
    threads = [Poster(url, seed * POSTERS + number) for number in range(POSTERS)]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        for thread in threads:
            thread.is_stopped.set()
        for thread in threads:
            thread.join()


def test_what_was_acknowledged_survives_kills(report, pinflow, seed, tmp_path):
    moments = random.Random(seed)
    acknowledged = set()
    port = free_port()
    for round_number in range(KILLS):
        stack = start_stack(pinflow, tmp_path, port)
        with posters(f"http://127.0.0.1:{port}", seed + round_number) as threads:
            time.sleep(moments.uniform(0.05, 2.5))
            stack.kill()
            stack.wait()
        acknowledged |= {position for thread in threads for position in thread.positions}
    lake = tmp_path / BUCKET
    report.check("rows were acknowledged", len(acknowledged) > KILLS, len(acknowledged))
    no_object_is_half_written(report, "as it was left", lake)
    with embedded_stack(pinflow, tmp_path, port):
        everything_is_there(report, f"all of {len(acknowledged)} records", lake, acknowledged)
    no_object_is_half_written(report, "after the last start", lake)


def everything_is_there(report, name, lake, acknowledged):
    wait_until(60, lambda: acknowledged <= positions(lake))
    missing = acknowledged - positions(lake)
    report.check(f"{name} are in the lake", not missing, f"{len(missing)} are missing, as {sorted(missing)[:3]}")


def no_object_is_half_written(report, name, lake):
    files = [path for path in lake.rglob("*") if path.is_file()]
    wrong = [str(path) for path in files if not is_whole(path)]
    report.check(f"{name}: {len(files)} objects are whole", files and not wrong, wrong)


def is_whole(path):
    try:
        if path.suffix == ".parquet":
            with duckdb.connect() as db:
                db.sql(f"SELECT count(COLUMNS(*)) FROM read_parquet('{path}')").fetchall()
            return True
        with gzip.open(path) as lines:
            return path.name.endswith(".ndjson.gz") and lines.read().endswith(b"\n")
    except (duckdb.Error, OSError, EOFError):
        return False


def test_a_full_disk_is_a_503_and_loses_nothing(report, pinflow, small_disk):
    folder = small_disk
    ballast = folder / "ballast"
    port = free_port()
    with embedded_stack(pinflow, folder / "out", port) as url:
        acknowledged, _ = post_for(url, 1)
        # Without a buffer, whose rest would be written when the file is closed.
        with ballast.open("wb", buffering=0) as file:
            fill(file)
        more, statuses = post_until_refused(url)
        report.check("the client gets 503", 503 in statuses and set(statuses) <= {200, 207, 503}, statuses)
        acknowledged |= more
        ballast.unlink()
    with embedded_stack(pinflow, folder / "out", port) as url:
        more, statuses = post_for(url, 0.5)
        report.check("with room again, posts are taken", set(statuses) == {200}, set(statuses))
        everything_is_there(report, "all records", folder / "out" / BUCKET, acknowledged | more)
    no_object_is_half_written(report, "full disk", folder / "out" / BUCKET)


def fill(file):
    block = b"x" * 65536
    try:
        while True:
            file.write(block)
    except OSError:
        pass


def test_a_read_only_folder_is_told_and_taken_again(report, pinflow, small_disk):
    folder = small_disk
    port = free_port()
    with embedded_stack(pinflow, folder / "out", port) as url:
        acknowledged, _ = post_for(url, 1)
        everything_is_there(report, "what came before", folder / "out" / BUCKET, acknowledged)
    remount(folder, "ro")
    command = [pinflow, "local", "--out", folder / "out", "--port", str(port)]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    is_clear = refused.returncode == 1 and str(folder) in refused.stderr and "ead-only" in refused.stderr
    report.check("the stack says why it does not start", is_clear, refused.stderr)
    remount(folder, "rw")
    with embedded_stack(pinflow, folder / "out", port) as url:
        _, statuses = post_for(url, 0.5)
        report.check("once writable, posts are taken", set(statuses) == {200}, set(statuses))


def remount(folder, mode):
    subprocess.run(["mount", "-o", f"remount,{mode}", str(folder)], check=True)


def post_for(url, seconds):
    with posters(url, 1) as threads:
        time.sleep(seconds)
    return gathered(threads)


def post_until_refused(url):
    with posters(url, 2) as threads:
        wait_until(60, lambda: any(503 in thread.statuses for thread in threads))
    return gathered(threads)


def gathered(threads):
    positions = {position for thread in threads for position in thread.positions}
    return positions, [status for thread in threads for status in thread.statuses]


def test_memory_does_not_grow_under_a_steady_load(report, pinflow, pytestconfig, tmp_path):
    minutes = pytestconfig.getoption("minutes")
    stacks = []
    with embedded_stack(pinflow, tmp_path, free_port(), on_start=stacks.append) as url:
        post = [pinflow, "post", "--api", url, "--forever", "--posts-per-second", "50", "--rows-per-request", "5"]
        with subprocess.Popen(post, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as poster:
            sizes = memory_over(stacks[0].pid, minutes * 60)
            poster.send_signal(signal.SIGINT)
            printed = poster.communicate(timeout=60)[0]
    report.check("no post failed", " 0 failed" in printed, printed)
    # The first fifth warms caches and allocators up.
    early, late = (statistics.median(part) for part in (sizes[4:8], sizes[-4:]))
    report.check(f"{minutes:g} min: {early:.0f} MB early, {late:.0f} MB late", late <= early * 1.15 + 8, sizes)


def memory_over(pid, seconds):
    """Returns the resident memory of a process in MB, sampled twenty times."""
    sizes = []
    for _ in range(20):
        time.sleep(seconds / 20)
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        sizes.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
    return sizes
