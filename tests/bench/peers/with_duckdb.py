"""Cleaning with DuckDB's SQL. It reads files, so the rows are in one of a file system in memory."""

import tempfile
from pathlib import Path

import duckdb

from bench.peers.rules import NO_DATA, POSTED, PREFIX

TYPES = {"text": "VARCHAR", "int64": "BIGINT", "float64": "DOUBLE"}
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


def text(name):
    markers = ["", *NO_DATA.get(name, [])]
    listed = ", ".join("'" + marker.replace("'", "''") + "'" for marker in markers)
    return f"CASE WHEN trim({name}) NOT IN ({listed}) THEN {name} END"


def short_count(name):
    units = "CASE lower(right(trim({0}), 1)) WHEN 'k' THEN 1000 WHEN 'm' THEN 1000000 WHEN 'b' THEN 1000000000 ELSE 1 END"
    number = "TRY_CAST(replace(rtrim(lower(trim({0})), 'kmb'), ',', '') AS DOUBLE)"
    return f"round({number.format(name)} * {units.format(name)})::BIGINT"


def time(name):
    return f"try_strptime({name} || '+00', '%Y-%m-%d %H:%M:%S%z')"


COLUMNS = {
    "pin": f"""
        index AS ind, {text("unique_id")} AS unique_id, {text("title")} AS title, {text("description")} AS description,
        {short_count("follower_count")} AS follower_count, {text("poster_name")} AS poster_name, {text("tag_list")} AS tag_list,
        {text("is_image_or_video")} AS is_image_or_video, {text("image_src")} AS image_src,
        CASE WHEN starts_with(save_location, '{PREFIX}') THEN substr(save_location, {len(PREFIX) + 1}) ELSE save_location END
            AS save_location,
        {text("category")} AS category
    """,
    "geo": f"""
        ind, {text("country")} AS country,
        CASE WHEN latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180 THEN [latitude, longitude] END AS coordinates,
        {time("timestamp")} AS timestamp
    """,
    "user": f"""
        ind, nullif(concat_ws(' ', {text("first_name")}, {text("last_name")}), '') AS user_name,
        CASE WHEN age BETWEEN 0 AND 150 THEN age::INTEGER END AS age, {time("date_joined")} AS date_joined
    """,
}


class Engine:
    """A connection of one thread, and the files that it reads and writes."""

    def __init__(self, kind, rows):
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY)
        self.source, self.target = Path(self.folder.name, "rows.ndjson"), Path(self.folder.name, "rows.parquet")
        self.source.write_bytes(rows)
        self.connection = duckdb.connect(config={"threads": 1})
        self.connection.execute("SET TimeZone = 'UTC'")
        fields = ", ".join(f"{name}: '{TYPES[of]}'" for name, of in POSTED[kind].items())
        source = f"read_json('{self.source}', format = 'newline_delimited', columns = {{{fields}}})"
        self.query = f"""COPY (SELECT {COLUMNS[kind]} FROM {source}) TO '{self.target}'
            (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"""

    def clean(self):
        self.connection.execute(self.query)
        return self.target.read_bytes()
