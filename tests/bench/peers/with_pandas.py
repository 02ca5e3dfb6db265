"""Cleaning with pandas, and pyarrow's writer."""

import io
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bench.peers.rules import NO_DATA, PREFIX, UNITS


def text(values, name):
    says_nothing = values.str.strip() == ""
    if name in NO_DATA:
        says_nothing |= values.isin(NO_DATA[name])
    return values.mask(says_nothing)


def short_count(values):
    values = values.str.strip().str.lower()
    unit = values.str[-1].map(UNITS).fillna(1)
    number = pd.to_numeric(values.str.rstrip("kmb").str.replace(",", ""), errors="coerce")
    return (number * unit).round().astype("Int64")


def time(values):
    return pd.to_datetime(values, format="%Y-%m-%d %H:%M:%S", utc=True, errors="coerce")


def pin(posted):
    texts = ("unique_id", "title", "description", "poster_name", "tag_list", "is_image_or_video", "image_src", "category")
    clean = {name: text(posted[name], name) for name in texts}
    return pd.DataFrame({
        "ind": posted["index"],
        **clean,
        "follower_count": short_count(posted["follower_count"]),
        "save_location": posted["save_location"].str.removeprefix(PREFIX),
    })  # fmt: skip


def geo(posted):
    north, east = posted["latitude"], posted["longitude"]
    is_place = north.between(-90, 90) & east.between(-180, 180)
    places = pd.Series(list(zip(north, east, strict=True)), dtype=object)
    return pd.DataFrame({
        "ind": posted["ind"],
        "country": text(posted["country"], "country"),
        "coordinates": places.where(is_place, None),
        "timestamp": time(posted["timestamp"]),
    })  # fmt: skip


def user(posted):
    name = text(posted["first_name"], "first_name").str.cat(text(posted["last_name"], "last_name"), sep=" ", na_rep="").str.strip()
    return pd.DataFrame({
        "ind": posted["ind"],
        "user_name": name,
        "age": posted["age"].where(posted["age"].between(0, 150)).astype("Int32"),
        "date_joined": time(posted["date_joined"]),
    })  # fmt: skip


COLUMNS = {"pin": pin, "geo": geo, "user": user}


def clean(kind, rows, lineage=None):
    """Cleans a list of lines of NDJSON, and returns the bytes of a Parquet file."""
    table = COLUMNS[kind](pd.DataFrame([json.loads(row) for row in rows]))
    if lineage:
        table = table.assign(**lineage | {"_arrival": pd.to_datetime(lineage["_arrival"], unit="s", utc=True)})
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), out, compression="zstd", compression_level=1)
    return out.getvalue()
