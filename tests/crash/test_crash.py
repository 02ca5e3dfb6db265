"""Kills, fills up, locks and loads the embedded stack, and looks for what was acknowledged.

Prints a line per check; the exit code is 1 when one failed.
"""

import argparse
import gzip
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import duckdb
import requests

sys.path.append(str(Path(__file__).parent.parent / "interop"))

from harness import BUCKET, Report, free_port, embedded_stack, pinflow_binary, start_stack, wait_until  # noqa: E402

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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long the steady load takes")
    minutes = parser.parse_args().minutes
    report = Report()
    with report.group("the binary"):
        binary = pinflow_binary()
        for name, check in (
            ("SIGKILL", lambda: kill(report, binary)),
            ("full disk", lambda: full_disk(report, binary)),
            ("read-only folder", lambda: read_only(report, binary)),
            ("steady load", lambda: steady_load(report, binary, minutes)),
        ):
            with report.group(name):
                check()
    print(f"{report.passed} passed, {report.failed} failed, {report.skipped} skipped")
    return 1 if report.failed else 0


def kill(report, binary):
    seed = random.randrange(10**6)
    print(f"        seed {seed}", flush=True)
    moments = random.Random(seed)
    acknowledged = set()
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        for round_number in range(KILLS):
            stack = start_stack(binary, folder, port)
            with posters(f"http://127.0.0.1:{port}", seed + round_number) as threads:
                time.sleep(moments.uniform(0.05, 2.5))
                stack.kill()
                stack.wait()
            acknowledged |= {position for thread in threads for position in thread.positions}
        lake = Path(folder, BUCKET)
        report.check("SIGKILL: rows were acknowledged", len(acknowledged) > KILLS, len(acknowledged))
        no_object_is_half_written(report, "SIGKILL, as it was left", lake)
        with embedded_stack(binary, folder, port):
            everything_is_there(report, f"SIGKILL: all of {len(acknowledged)} records", lake, acknowledged)
        no_object_is_half_written(report, "SIGKILL, after the last start", lake)


def everything_is_there(report, name, lake, acknowledged):
    wait_until(60, lambda: acknowledged <= positions(lake))
    missing = acknowledged - positions(lake)
    report.check(f"{name} are in the lake", not missing, f"{len(missing)} are missing, as {sorted(missing)[:3]}")


def positions(lake):
    """Returns where each row of the lake stood in the stream."""
    with duckdb.connect() as db:
        found = set()
        for pattern, reader in (("clean/*/*/*/*.parquet", "read_parquet"), ("quarantine/*/*.ndjson.gz", "read_json")):
            if not any(lake.glob(pattern)):
                continue
            columns = "_shard, _sequence" if reader == "read_parquet" else "shard, sequence_number::VARCHAR"
            types = "" if reader == "read_parquet" else ", columns={shard: 'VARCHAR', sequence_number: 'VARCHAR'}"
            found |= set(db.sql(f"SELECT {columns} FROM {reader}('{lake}/{pattern}'{types})").fetchall())
        return found


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


@contextmanager
def small_disk(report, name, megabytes):
    """A file system of its own, where this process may mount one; else nothing, and the check is skipped."""
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
        if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            report.skip(name, "a tmpfs cannot be mounted here")
            yield None
            return
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def full_disk(report, binary):
    with small_disk(report, "full disk", 64) as folder:
        if folder is None:
            return
        ballast = folder / "ballast"
        port = free_port()
        with embedded_stack(binary, folder / "out", port) as url:
            acknowledged, _ = post_for(url, 1)
            with ballast.open("wb") as file:
                fill(file)
            more, statuses = post_until_refused(url)
            report.check("full disk: the client gets 503", 503 in statuses and set(statuses) <= {200, 207, 503}, statuses)
            acknowledged |= more
            ballast.unlink()
        with embedded_stack(binary, folder / "out", port) as url:
            more, statuses = post_for(url, 0.5)
            report.check("full disk: with room again, posts are taken", set(statuses) == {200}, set(statuses))
            everything_is_there(report, "full disk: all records", folder / "out" / BUCKET, acknowledged | more)
        no_object_is_half_written(report, "full disk", folder / "out" / BUCKET)


def fill(file):
    block = b"x" * 65536
    try:
        while True:
            file.write(block)
            file.flush()
    except OSError:
        pass


def read_only(report, binary):
    with small_disk(report, "read-only folder", 64) as folder:
        if folder is None:
            return
        port = free_port()
        with embedded_stack(binary, folder / "out", port) as url:
            acknowledged, _ = post_for(url, 1)
            everything_is_there(report, "read-only folder: what came before", folder / "out" / BUCKET, acknowledged)
        remount(folder, "ro")
        command = [binary, "local", "--out", folder / "out", "--port", str(port)]
        refused = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        is_clear = refused.returncode == 1 and str(folder) in refused.stderr and "ead-only" in refused.stderr
        report.check("read-only folder: the stack says why it does not start", is_clear, refused.stderr)
        remount(folder, "rw")
        with embedded_stack(binary, folder / "out", port) as url:
            _, statuses = post_for(url, 0.5)
            report.check("read-only folder: once writable, posts are taken", set(statuses) == {200}, set(statuses))


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


def steady_load(report, binary, minutes):
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        with embedded_stack(binary, folder, port, on_start=lambda stack: stacks.append(stack)) as url:
            post = [binary, "post", "--api", url, "--forever", "--posts-per-second", "50", "--rows-per-request", "5"]
            with subprocess.Popen(post, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as poster:
                sizes = memory_over(stacks.pop().pid, minutes * 60)
                poster.send_signal(signal.SIGINT)
                told = poster.communicate(timeout=60)[0]
    report.check("steady load: no post failed", " 0 failed" in told, told)
    # The first fifth warms caches and allocators up.
    early, late = median(sizes[len(sizes) // 5 : 2 * len(sizes) // 5]), median(sizes[-len(sizes) // 5 :])
    name = f"steady load: memory does not grow in {minutes:g} min ({early:.0f} MB early, {late:.0f} MB late)"
    report.check(name, late <= early * 1.15 + 8, sizes)


stacks = []


def memory_over(pid, seconds):
    """Returns the resident memory of a process in MB, sampled twenty times."""
    sizes = []
    for _ in range(20):
        time.sleep(seconds / 20)
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        sizes.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
    return sizes


def median(values):
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


if __name__ == "__main__":
    sys.exit(main())
