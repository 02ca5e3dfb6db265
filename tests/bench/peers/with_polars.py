"""Cleaning with Polars' expressions."""

import io

import polars as pl

from bench.peers.rules import NO_DATA, POSTED, PREFIX, UNITS

TYPES = {"text": pl.String, "int64": pl.Int64, "float64": pl.Float64}
SCHEMAS = {kind: {name: TYPES[of] for name, of in fields.items()} for kind, fields in POSTED.items()}


def text(name):
    value = pl.col(name)
    says_nothing = value.str.strip_chars() == ""
    if name in NO_DATA:
        says_nothing |= value.is_in(NO_DATA[name])
    return pl.when(~says_nothing).then(value).alias(name)


def short_count(name):
    parts = pl.col(name).str.strip_chars().str.to_lowercase()
    unit = parts.str.slice(-1).replace_strict(UNITS, default=1, return_dtype=pl.Int64)
    number = parts.str.strip_chars_end("kmb").str.replace_all(",", "").cast(pl.Float64, strict=False)
    return (number * unit).round().cast(pl.Int64, strict=False).alias(name)


def time(name):
    return pl.col(name).str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", time_zone="UTC", strict=False)


def within(name, low, high):
    value = pl.col(name)
    return pl.when(value.is_between(low, high)).then(value)


def point(north, east):
    is_place = pl.col(north).is_between(-90, 90) & pl.col(east).is_between(-180, 180)
    return pl.when(is_place).then(pl.concat_list(north, east))


COLUMNS = {
    "pin": [
        pl.col("index").alias("ind"),
        *(text(name) for name in ("unique_id", "title", "description")),
        short_count("follower_count"),
        *(text(name) for name in ("poster_name", "tag_list", "is_image_or_video", "image_src")),
        pl.col("save_location").str.strip_prefix(PREFIX),
        text("category"),
    ],
    "geo": [
        "ind",
        text("country"),
        point("latitude", "longitude").alias("coordinates"),
        time("timestamp"),
    ],
    "user": [
        "ind",
        pl.concat_str(text("first_name"), text("last_name"), separator=" ", ignore_nulls=True).alias("user_name"),
        within("age", 0, 150).cast(pl.Int32).alias("age"),
        time("date_joined"),
    ],
}


def clean(kind, rows, lineage=None):
    """Cleans NDJSON, as one piece of bytes or as a list of lines, and returns the bytes of a Parquet file."""
    posted = pl.read_ndjson(rows if isinstance(rows, bytes) else b"\n".join(rows), schema=SCHEMAS[kind])
    table = posted.lazy().select(COLUMNS[kind]).collect()
    if lineage:
        arrival = (pl.Series(lineage["_arrival"], dtype=pl.Float64) * 1e6).round().cast(pl.Datetime("us", "UTC"))
        table = table.with_columns(_shard=pl.Series(lineage["_shard"]), _sequence=pl.Series(lineage["_sequence"]), _arrival=arrival)
    out = io.BytesIO()
    table.write_parquet(out, compression="zstd", compression_level=1)
    return out.getvalue()
