"""Teaches schemathesis the formats in the API's description: an encoded row, and lines of JSON."""

import base64
import json

import schemathesis
from hypothesis import strategies as st

ROWS = st.dictionaries(st.text(max_size=20), st.none() | st.booleans() | st.integers() | st.text(), max_size=5)
TEXTS = ROWS.map(json.dumps)

schemathesis.openapi.format("row-text", TEXTS)
schemathesis.openapi.format("row-base64", TEXTS.map(lambda text: base64.b64encode(text.encode()).decode()))


@schemathesis.serializer("application/x-ndjson")
def lines(ctx, value):
    """Writes a list as a line for each element, and anything else so that it is no list of lines of JSON."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, list):
        return "\n".join(map(json.dumps, value)).encode()
    return json.dumps(value).replace("{", "{\n", 1).encode()


schemathesis.serializer.alias("application/x-amz-json-1.1", "application/json")
