"""Rows as they are posted."""

from support.stack import KINDS, run_pinflow


def key_of(kind, row):
    """Returns the key of a row as it is posted."""
    return row["index" if kind == "pin" else "ind"]


def lines_of(path):
    """Returns the rows of a file of a data folder, as they are written."""
    # Not `splitlines`, which also splits at separators that JSON text may hold.
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def generated_rows(binary, posts):
    """Returns generated rows as they are posted, as (kind, JSON): each post is a row of each kind."""
    lines = run_pinflow(binary, "generate", "--posts", posts).removesuffix("\n").split("\n")
    if len(lines) != posts * len(KINDS):
        raise ValueError(f"`pinflow generate` printed {len(lines)} lines for {posts} posts")
    return [(KINDS[number % len(KINDS)], line) for number, line in enumerate(lines)]
