"""Cleans the rows of a file once for each line of standard input, and prints how long each took: `engine.py ENGINE KIND FILE`.

An engine takes the rows' bytes and returns those of a Parquet file; nothing else is timed.
"""

import json
import sys
import time
from pathlib import Path


def engine(name, kind, rows):
    if name == "duckdb":
        from bench.peers.with_duckdb import Engine

        return Engine(kind, rows).clean
    if name == "pandas":
        from bench.peers.with_pandas import clean

        return lambda: clean(kind, rows.splitlines())
    from bench.peers.with_polars import clean

    return lambda: clean(kind, rows)


def main():
    name, kind, path = sys.argv[1:]
    work = engine(name, kind, Path(path).read_bytes())
    for _ in sys.stdin:
        started = time.perf_counter_ns()
        written = work()
        print(json.dumps({"ns": time.perf_counter_ns() - started, "bytes": len(written)}), flush=True)


if __name__ == "__main__":
    main()
