"""What cleaning does to a row, in the words of each peer: markers for no data, short counts, prefixes, ranges, times.

They do what the rows of the bench need and no more: they neither keep what they cannot read nor say why, and a row of another shape
stops them, which ours must not do. `pinflow`'s own rules are those of `model/tables`.
"""

NO_DATA = {
    "title": ["No Title Data Available"],
    "description": ["No description available", "No description available Story format", "Untitled"],
    "follower_count": ["User Info Error"],
    "poster_name": ["User Info Error"],
    "tag_list": ["N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"],
    "image_src": ["Image src error.", "Image src error"],
}

# What the rows have, as their JSON spells it.
POSTED = {
    "pin": {
        "index": "int64", "unique_id": "text", "title": "text", "description": "text", "poster_name": "text", "follower_count": "text",
        "tag_list": "text", "is_image_or_video": "text", "image_src": "text", "save_location": "text", "category": "text",
    },
    "geo": {"ind": "int64", "timestamp": "text", "latitude": "float64", "longitude": "float64", "country": "text"},
    "user": {"ind": "int64", "first_name": "text", "last_name": "text", "age": "int64", "date_joined": "text"},
}  # fmt: skip

PREFIX = "Local save in "
UNITS = {"k": 1_000, "m": 1_000_000, "b": 1_000_000_000}
