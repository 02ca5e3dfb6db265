"""The rules of cleaning, written a second time in DuckDB's SQL."""

from pathlib import Path

FOLDER = Path(__file__).parent


def prelude():
    """Returns the statements that make what the queries of all kinds use."""
    return (FOLDER / "rules.sql").read_text(encoding="utf-8")


def cleaning(kind):
    """Returns the query that cleans the table `raw`: a row's columns, its payload, and the code that rejects it."""
    return (FOLDER / f"{kind}.sql").read_text(encoding="utf-8")
